"""The index of a directory store: one SQLite database, the truth about everything but bytes.

Strategy: WAL with synchronous FULL, so that a commit is on the disk when it returns and readers
never wait for writers; a rollback journal where that is not safe, see `room`. Names are BLOBs of
UTF-8, which SQLite compares with memcmp: byte order. One connection a process, behind a lock.
SQLite must not be carried across a fork, not even to be closed there, and a connection that the
child opens while the parent's is open would share its file locks in name only; therefore the
connection is closed right before every fork and opened again, on either side, by the next use.

What SQLite would do with the files beside an index is checked before it opens them: it would
follow links, wait for pipes, and delete the file that a rollback journal names.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from cipherbucket.errors import StoreError, TransientStoreError, UsageError
from cipherbucket.stores.local.folders import OddFileError, StoreFolder
from cipherbucket.stores.local.room import maps_safely, result_code
from cipherbucket.stores.local.tables import (
    APPLICATION_ID,
    REPAIR_HINT,
    SCHEMA,
    SCHEMA_VERSION,
    check_schema,
    find_object,
)
from cipherbucket.stores.records import StoredObject

INDEX_NAME = "index.sqlite"
BESIDE = ("-wal", "-shm", "-journal")
"""How the names of SQLite's files beside an index end."""
BUSY_SECONDS = 60.0
"""How long to wait for other processes that write, in seconds."""
MAX_VALUE = 1 << 20
"""Longest row, and longest value, that is read from an index or written to it, in bytes."""
CACHE_KIB = 2000
"""Most memory that SQLite takes for pages of an index; its own default."""
_JOURNAL_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")
"""How a rollback journal ends that names another file (SQLite, "pager.c", readSuperJournal)."""


class Index:
    """One process's connection to the index; its methods may be called from several threads.

    Args:
        root: The store's folder, in which the database must exist (see `create_index`).
        connect: Opens the database to read only, if it is not to be written.
    """

    def __init__(
        self, root: StoreFolder, connect: Callable[[StoreFolder], sqlite3.Connection] | None = None
    ) -> None:
        self._root = root
        self._connect = connect or connect_to_write
        self._db: sqlite3.Connection | None = None
        self._closed = False
        self.lock = threading.Lock()
        with _forking:  # a fork sees it, or it connects after the fork
            _open_indexes.add(self)
        with self.lock:
            self._connected()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read one state of the index, untouched by writers meanwhile."""
        with self.lock:
            db = self._connected()
            try:
                db.execute("BEGIN")
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")  # nothing was written; ends the snapshot

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction, the only one that writes; committed at the end, or wholly undone."""
        with self.lock:
            db = self._connected()
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:  # also where an interrupt came between two statements
                    db.execute("ROLLBACK")

    def find(self, name: str) -> StoredObject | None:
        """Look up an object."""
        with self.lock:
            return find_object(self._connected(), name)

    def close(self) -> None:
        """Close the connection for good."""
        with self.lock:
            self._closed = True
            self.disconnect()

    def disconnect(self) -> None:
        """Close the connection until the next use. Call it with the lock held."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def refresh(self) -> None:
        """Have the next use see what was committed meanwhile, where a copy is read."""
        if self._connect is not connect_to_write:
            with self.lock:
                self.disconnect()

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise UsageError("this store has been closed")
        if self._db is None:
            with _connecting:
                self._db = self._connect(self._root)
        return self._db

    def writes_to(self, file: os.stat_result) -> bool:
        """Say whether this has a connection to a file, to write it."""
        if self._db is None or self._connect is not connect_to_write:
            return False
        status = self._root.status(INDEX_NAME)
        return status is not None and os.path.samestat(status, file)


_connecting = threading.RLock()  # opening a copy closes the file that it was made of
_kept: list[int] = []
_open_indexes: weakref.WeakSet[Index] = weakref.WeakSet()
_forking = threading.Lock()  # one fork at a time takes the locks of all the indexes
_locked_for_fork: list[Index] = []


def _before_fork() -> None:
    _forking.acquire()
    for index in list(_open_indexes):
        index.lock.acquire()  # waits for the transaction of another thread, a short one
        _locked_for_fork.append(index)
        index.disconnect()


def _after_fork() -> None:
    while _locked_for_fork:
        _locked_for_fork.pop().lock.release()
    _forking.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def create_index(path: Path, fill: Callable[[sqlite3.Connection], None] | None = None) -> None:
    """Make an index under a temporary name and give it its name when it is whole.

    Args:
        path: Where it shall be.
        fill: Writes what it shall hold.

    Raises:
        FileExistsError: There is one already.
    """
    new = path.with_name(f"{path.name}.new-{secrets.token_hex(8)}")
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        with closing(connect(new)) as db, StoreFolder(path.parent) as folder:
            db.execute("PRAGMA synchronous=FULL")
            db.executescript(SCHEMA)
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            if maps_safely(folder):
                db.execute("PRAGMA journal_mode=WAL")
            if fill is not None:
                db.execute("BEGIN IMMEDIATE")
                fill(db)
                db.execute("COMMIT")
        # Closing wrote everything into the one file, synced, and removed its WAL. A link, unlike
        # a rename, does not replace the index that another process has made meanwhile.
        os.link(new, path)
    finally:
        new.unlink()


def connect(path: Path, *, alone: bool = False) -> sqlite3.Connection:
    """Open a database that exists. Nothing of it is read before `check_schema` does that.

    Args:
        path: Where it is.
        alone: Keep others out and do without shared memory.
    """
    db = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",  # never makes a database where one is missing
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
        db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        # Only settings that do not make SQLite read the database, as many others do.
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
        if alone:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
        if sys.platform == "darwin":  # fsync there leaves the bytes in the drive's cache
            db.execute("PRAGMA fullfsync=ON")
    except BaseException:
        db.close()
        raise
    return db


def connect_checked(
    path: Path, shown: str | None = None, *, alone: bool = False
) -> sqlite3.Connection:
    """Open an index. Beyond its tables nothing in it is believed.

    Args:
        path: Where it is.
        shown: What to call it in errors; None for its path.
        alone: As for `connect`.

    Raises:
        StoreError: It is no index of this version.
    """
    db = connect(path, alone=alone)
    try:
        check_schema(db, shown or path)
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")  # else what the index itself demands
    except BaseException:
        db.close()
        raise
    return db


def connect_to_write(root: StoreFolder) -> sqlite3.Connection:
    """Open the index in a store's folder, which nobody else can write.

    Raises:
        StoreError: It is no index of this version.
        OddFileError: It, or what lies beside it for SQLite, is not what SQLite makes.
    """
    refuse_odd_files(root)
    path = Path(root.path, INDEX_NAME)
    if not maps_safely(root):
        with closing(connect_checked(path, alone=True)) as db:
            db.execute("PRAGMA journal_mode=DELETE")  # if it has a log: nothing is mapped later
    return connect_checked(path)


def close_index_file(fd: int) -> None:
    """Close an index that was read as a file.

    Whatever this process closes of a file, the system gives up all its locks on that file, those
    of SQLite's connections too (SQLite, "How To Corrupt An SQLite Database File", 2.2). Where there
    is such a connection the descriptor stays open.
    """
    with _connecting:
        file = os.fstat(fd)
        if any(index.writes_to(file) for index in list(_open_indexes)):
            _kept.append(fd)
        else:
            os.close(fd)


def refuse_odd_files(root: StoreFolder) -> None:
    """Refuse an index that SQLite must not open.

    Raises:
        OddFileError: It or a file beside it is a link or no file, or names a file elsewhere.
    """
    for name in (INDEX_NAME, *(f"{INDEX_NAME}{end}" for end in BESIDE)):
        status = root.status(name)
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise OddFileError(f"{root.path}/{name}", "regular file")
    with suppress(FileNotFoundError):
        refuse_named_journal(root, f"{INDEX_NAME}-journal")


def refuse_named_journal(folder: StoreFolder, name: str) -> None:
    """Refuse a rollback journal that names another file: SQLite would delete that file.

    Raises:
        FileNotFoundError: There is no journal.
        OddFileError: It names one.
    """
    fd = folder.open_file(name)
    try:
        end = os.fstat(fd).st_size
        tail = os.pread(fd, len(_JOURNAL_NAMES_ANOTHER), max(0, end - len(_JOURNAL_NAMES_ANOTHER)))
    finally:
        os.close(fd)
    if tail == _JOURNAL_NAMES_ANOTHER:
        raise OddFileError(f"{folder.path}/{name}", "journal of this index alone")


def index_error(error: sqlite3.Error, url: str, name: str | None) -> StoreError:
    """Say what an error of SQLite means, and what to do next."""
    code = result_code(error)
    message = f"{url}: the index failed: {error}"
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return TransientStoreError(
            message, name=name, hint="another process keeps the index locked; try again later"
        )
    hints = {
        0: REPAIR_HINT + url,  # Python's own: a text that is no UTF-8
        sqlite3.SQLITE_CORRUPT: REPAIR_HINT + url,
        sqlite3.SQLITE_NOTADB: REPAIR_HINT + url,
        sqlite3.SQLITE_TOOBIG: REPAIR_HINT + url,
        sqlite3.SQLITE_CANTOPEN: "was the store moved or deleted? look at its folder",
        sqlite3.SQLITE_READONLY: "the store's folder and its index must be writable",
        sqlite3.SQLITE_FULL: "the disk is full; make room and try again",
        sqlite3.SQLITE_IOERR: "the disk under the store failed; look at the system's log",
    }
    return StoreError(message, name=name, hint=hints.get(code))
