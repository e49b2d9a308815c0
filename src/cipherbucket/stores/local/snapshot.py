"""Reading an index without writing anything beside it: from a copy of one's own.

Strategy: SQLite writes even to read: its shared memory, and the end of a transaction that a process
left. So where nothing must or can be written, the index and its log are copied into a new private
folder and opened there. The folder is removed as soon as they are open: what is open stays, and
nothing is left behind. A copy during which the index was written is taken again. A use after a
fork, or after a body was not found, takes a new one.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cipherbucket.errors import CipherbucketError, StoreError, TransientStoreError
from cipherbucket.local_files.ownership import find_stranger
from cipherbucket.stores.local.folders import OddFileError, StoreFolder, copy_data
from cipherbucket.stores.local.index import (
    INDEX_NAME,
    close_index_file,
    connect_checked,
    refuse_named_journal,
)
from cipherbucket.stores.local.room import result_code

MAX_INDEX = 16 << 30
"""Most bytes of an index that are copied: it has tens of millions of objects then."""
_COPIED = (INDEX_NAME, f"{INDEX_NAME}-wal", f"{INDEX_NAME}-journal")
_PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  the folder in it is private
_ATTEMPTS = 20
_PAUSE_SECONDS = 0.05


def connect_to_read(root: StoreFolder) -> sqlite3.Connection:
    """Open a copy of the index in a store's folder.

    Raises:
        StoreError: It is no index of this version, or larger than `MAX_INDEX`; or there is no room.
        TransientStoreError: It is written without a pause.
        OSError: It may not be read.
        OddFileError: It is no regular file, or its journal names another file.
    """
    places = list(_places())
    for place in places:
        try:
            return _connect_below(place, root)
        except sqlite3.OperationalError as error:
            if result_code(error) != sqlite3.SQLITE_FULL:
                raise
            failure: Exception = error
        except OSError as error:
            if isinstance(error, (CipherbucketError, OddFileError)) or _is_of_store(error):
                raise
            failure = error  # a full or read-only place, too
    raise StoreError(
        f"file://{root.path}: there is no place for a copy of its index: {failure}",
        hint=f"make room in {places[0]}, or set TMPDIR to a folder of your own that has room",
    ) from failure


def _places() -> Iterable[str]:
    """Return folders for the copy; where a stranger could replace it, none."""
    found = list(_PLACES)
    with suppress(OSError):  # there is none
        first = tempfile.gettempdir()  # the working directory, where all others are full
        if find_stranger(first) is None:
            found.insert(0, first)
    return dict.fromkeys(found)


def _is_of_store(error: OSError) -> bool:
    """Say whether an error came of a file of the store, not of the copy."""
    return error.filename in _COPIED and error.errno not in {errno.ENOSPC, errno.EDQUOT}


def _connect_below(place: str, root: StoreFolder) -> sqlite3.Connection:
    private = Path(tempfile.mkdtemp(prefix="cipherbucket-", dir=place))
    try:
        with StoreFolder(private) as folder:
            _copy_index(root, folder)
            with suppress(FileNotFoundError):
                refuse_named_journal(folder, f"{INDEX_NAME}-journal")
        return _connect_copy(private / INDEX_NAME, f"{root.path}/{INDEX_NAME}")
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _connect_copy(path: Path, shown: str) -> sqlite3.Connection:
    db = connect_checked(path, shown, alone=True)  # looks at no file again
    try:
        db.execute("PRAGMA synchronous=OFF")
        # Nothing may be left that SQLite would write, or remove by its name, in the folder.
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("PRAGMA query_only=ON")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _copy_index(root: StoreFolder, target: StoreFolder) -> None:
    """Copy what is one state of the index.

    Its log may grow and begin anew meanwhile: a whole commit is found in it, or what it had is in
    the index already. What moves it there writes the index.
    """
    for _ in range(_ATTEMPTS):
        before = _states(root)
        for name in _COPIED:
            if root.status(name) is not None:
                _copy(root, target, name)
        if _states(root) == before:
            return
        for name in _COPIED:
            target.unlink(name)
        time.sleep(_PAUSE_SECONDS)
    raise TransientStoreError(
        f"file://{root.path}: the index is written without a pause", hint="try again later"
    )


def _states(root: StoreFolder) -> list[tuple[int, int, int] | None]:
    """Say of the index and its journal which files they are and when they were last written."""
    found = (root.status(name) for name in (INDEX_NAME, f"{INDEX_NAME}-journal"))
    return [
        (status.st_ino, status.st_size, status.st_mtime_ns) if status is not None else None
        for status in found
    ]


def _copy(root: StoreFolder, target: StoreFolder, name: str) -> None:
    try:
        source = root.open_file(name)
    except FileNotFoundError:
        return  # gone since: the states differ
    try:
        new = target.new_file(name)
        try:
            if not copy_data(source, new, MAX_INDEX):
                raise StoreError(f"{root.path}/{name} has more than {MAX_INDEX >> 30} GiB")
        finally:
            os.close(new)
    finally:
        close_index_file(source)
