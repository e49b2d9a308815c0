"""Reading an index without writing anything beside it: from a copy of one's own.

Strategy: SQLite writes even to read: its shared memory, and the end of a transaction that a process
left. So where nothing must or can be written, the index and its log are copied into a new private
folder and opened there. The folder is removed as soon as they are open: what is open stays, and
nothing is left behind. A copy during which the index was written is taken again. A use after a
fork, or after a body was not found, takes a new one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from cipherbucket.errors import CipherbucketError, StoreError, TransientStoreError
from cipherbucket.stores.local.folders import Folder, copy_data
from cipherbucket.stores.local.index import (
    INDEX_NAME,
    close_index_file,
    connect_checked,
    refuse_named_journal,
)

MAX_INDEX = 16 << 30
"""Most bytes of an index that are copied: it has tens of millions of objects then."""
_COPIED = (INDEX_NAME, f"{INDEX_NAME}-wal", f"{INDEX_NAME}-journal")
_PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  the folder in it is private
_ATTEMPTS = 20
_PAUSE_SECONDS = 0.05


def connect_to_read(root: Folder) -> sqlite3.Connection:
    """Open a copy of the index in a store's folder.

    Raises:
        StoreError: It is no index of this version, or larger than `MAX_INDEX`.
        TransientStoreError: It is written without a pause.
        OddFileError: It is no regular file, or its journal names another file.
    """
    failure: OSError | None = None
    for place in dict.fromkeys((tempfile.gettempdir(), *_PLACES)):
        try:
            return _connect_below(place, root)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
                raise
            failure = OSError(f"no room in {place} for a copy of the index")
        except FileNotFoundError as error:
            if error.filename == INDEX_NAME:
                raise
            failure = error
        except OSError as error:
            if isinstance(error, CipherbucketError):
                raise
            failure = error  # a full or read-only place, too
    assert failure is not None
    raise failure


def _connect_below(place: str, root: Folder) -> sqlite3.Connection:
    private = Path(tempfile.mkdtemp(prefix="cipherbucket-", dir=place))
    try:
        with Folder(private) as folder:
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


def _copy_index(root: Folder, target: Folder) -> None:
    for _ in range(_ATTEMPTS):
        before = _states(root)
        for name in _COPIED:
            if before[name] is not None:
                _copy(root, target, name)
        if _states(root) == before:
            return
        for name in _COPIED:
            target.unlink(name)
        time.sleep(_PAUSE_SECONDS)
    raise TransientStoreError(
        f"file://{root.path}: the index is written without a pause", hint="try again later"
    )


def _states(root: Folder) -> dict[str, tuple[int, int, int] | None]:
    """Say of each file which it is and when it was last written."""
    found = {name: root.status(name) for name in _COPIED}
    return {
        name: (status.st_ino, status.st_size, status.st_mtime_ns) if status is not None else None
        for name, status in found.items()
    }


def _copy(root: Folder, target: Folder, name: str) -> None:
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
