"""The index of a directory store: one SQLite database, the truth about everything but bytes.

Strategy: WAL with synchronous FULL, so that a commit is on the disk when it returns and readers
never wait for writers. Names are BLOBs of UTF-8, which SQLite compares with memcmp: byte order.
One connection a process, behind a lock. SQLite must not be carried across a fork, not even to be
closed there, and a connection that the child opens while the parent's is open would share its
file locks in name only; therefore the connection is closed right before every fork and opened
again, on either side, by the next use.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from cipherbucket.errors import StoreError, TransientStoreError, UsageError
from cipherbucket.stores.records import Entry, StoredObject

APPLICATION_ID = 0x63627374
"""``cbst``: sets an index apart from any other SQLite database."""
SCHEMA_VERSION = 1
BUSY_SECONDS = 60.0
"""How long to wait for other processes that write, in seconds."""
REPAIR_HINT = "rebuild the index from the files beside the bodies: cipherbucket repair --index "

_SCHEMA = """
CREATE TABLE objects (
    name BLOB PRIMARY KEY,
    etag TEXT NOT NULL UNIQUE,  -- also the name of the body file
    size INTEGER NOT NULL,
    modified TEXT NOT NULL,
    crc64 TEXT NOT NULL,        -- hexadecimal: SQLite has no unsigned 64-bit integers
    metadata TEXT NOT NULL,
    headers TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE garbage (etag TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    name BLOB NOT NULL,
    started TEXT NOT NULL,
    metadata TEXT NOT NULL,
    headers TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE parts (
    upload TEXT NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    crc64 TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
"""
_SELECT = "SELECT name, size, etag, modified, crc64, metadata, headers FROM objects"
_REPLACE = """
REPLACE INTO objects (name, size, etag, modified, crc64, metadata, headers)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""


class UnknownVersionError(StoreError):
    """The index is of a version that this cipherbucket does not know."""


class Index:
    """One process's way to the index; its methods may be called from several threads.

    Args:
        path: The database, which must exist (see `create_index`).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._uri = f"{path.as_uri()}?mode=rw"  # never makes a database where one is missing
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

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise UsageError("this store has been closed")
        if self._db is None:
            db = _connect(self._uri)
            try:
                _check_schema(db, self._path)
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db


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
        with closing(_connect(f"{new.as_uri()}?mode=rw")) as db:
            db.executescript(_SCHEMA)
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
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


def find_object(db: sqlite3.Connection, name: str) -> StoredObject | None:
    """Look up an object by its name."""
    row = db.execute(f"{_SELECT} WHERE name = ?", (name.encode(),)).fetchone()
    return None if row is None else _stored(*row)


def find_body(db: sqlite3.Connection, etag: str) -> StoredObject | None:
    """Look up the object that has this body."""
    row = db.execute(f"{_SELECT} WHERE etag = ?", (etag,)).fetchone()
    return None if row is None else _stored(*row)


def scan_objects(db: sqlite3.Connection, start: bytes) -> Generator[Entry, None, None]:
    """Yield the objects from a name on, row by row as they are asked for."""
    with closing(
        db.execute(
            "SELECT name, size, etag, modified FROM objects WHERE name >= ? ORDER BY name", (start,)
        )
    ) as rows:
        for name, size, etag, modified in rows:
            yield Entry(
                name=name.decode(),
                size=size,
                etag=etag,
                modified=datetime.fromisoformat(modified),
            )


def save_object(db: sqlite3.Connection, stored: StoredObject) -> str | None:
    """Write the row of an object; the body that it had before, if another, becomes garbage.

    Returns:
        That body.
    """
    name = stored.name.encode()
    row = db.execute("SELECT etag FROM objects WHERE name = ?", (name,)).fetchone()
    db.execute(
        _REPLACE,
        (
            name,
            stored.size,
            stored.etag,
            stored.modified.isoformat(timespec="microseconds"),
            f"{stored.crc64 or 0:016x}",
            json.dumps(dict(stored.metadata)),
            json.dumps(dict(stored.headers)),
        ),
    )
    if row is None or row[0] == stored.etag:
        return None
    return add_garbage(db, row[0])


def remove_object(db: sqlite3.Connection, name: str) -> str | None:
    """Delete the row of an object; its body becomes garbage.

    Returns:
        That body, or None where there was no object.
    """
    row = db.execute(
        "DELETE FROM objects WHERE name = ? RETURNING etag", (name.encode(),)
    ).fetchone()
    return None if row is None else add_garbage(db, row[0])


def add_garbage(db: sqlite3.Connection, etag: str) -> str:
    """Note that a body is to be removed once the transaction is committed; return it."""
    db.execute("INSERT OR IGNORE INTO garbage VALUES (?)", (etag,))
    return etag


def list_garbage(db: sqlite3.Connection) -> list[str]:
    """List the bodies that no object has any more and that may not have been removed yet."""
    return [etag for (etag,) in db.execute("SELECT etag FROM garbage")]


def forget_garbage(db: sqlite3.Connection, etags: list[str]) -> None:
    """Strike out bodies that have been removed for good."""
    db.executemany("DELETE FROM garbage WHERE etag = ?", [(etag,) for etag in etags])


def index_error(error: sqlite3.Error, url: str, name: str | None) -> StoreError:
    """Say what an error of SQLite means, and what to do next."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of the bits are details
    message = f"{url}: the index failed: {error}"
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return TransientStoreError(
            message, name=name, hint="another process keeps the index locked; try again later"
        )
    hints = {
        sqlite3.SQLITE_CORRUPT: REPAIR_HINT + url,
        sqlite3.SQLITE_NOTADB: REPAIR_HINT + url,
        sqlite3.SQLITE_CANTOPEN: "was the store moved or deleted? look at its folder",
        sqlite3.SQLITE_READONLY: "the store's folder and its index must be writable",
        sqlite3.SQLITE_FULL: "the disk is full; make room and try again",
        sqlite3.SQLITE_IOERR: "the disk under the store failed; look at the system's log",
    }
    return StoreError(message, name=name, hint=hints.get(code))


def _connect(uri: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        db.execute("PRAGMA synchronous=FULL")
        if sys.platform == "darwin":  # fsync there leaves the bytes in the drive's cache
            db.execute("PRAGMA fullfsync=ON")
    except BaseException:
        db.close()
        raise
    return db


def _check_schema(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(
            f"{path} is empty, or was not made by cipherbucket",
            hint="if this is a directory store, " + REPAIR_HINT + "its URL",
        )
    if version != SCHEMA_VERSION:
        raise UnknownVersionError(
            f"{path} has version {version}, and this cipherbucket knows {SCHEMA_VERSION} only",
            hint="use the cipherbucket that made it, or a newer one",
        )


def _stored(
    name: bytes, size: int, etag: str, modified: str, crc64: str, metadata: str, headers: str
) -> StoredObject:
    return StoredObject(
        name=name.decode(),
        size=size,
        etag=etag,
        modified=datetime.fromisoformat(modified),
        crc64=int(crc64, 16),
        metadata=MappingProxyType(json.loads(metadata)),
        headers=MappingProxyType(json.loads(headers)),
    )
