"""The tables of an index: their definition, and the statements on them.

Rule: an index has exactly these tables. One that has others, or views, triggers or virtual tables,
was not made by cipherbucket, and none of it is run. What a row says is decoded by `rows` alone.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from cipherbucket.errors import StoreError
from cipherbucket.stores.local.rows import (
    BadRowError,
    ascending,
    entry_of_row,
    id_of_row,
    object_of_row,
    out_of_order,
)
from cipherbucket.stores.records import Entry, StoredObject

APPLICATION_ID = 0x63627374
"""``cbst``: sets an index apart from any other SQLite database."""
SCHEMA_VERSION = 1
REPAIR_HINT = "rebuild the index from the files beside the bodies: cipherbucket repair --index "

SCHEMA = """
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


_STEPS = 1000
_MOST_STEPS = 50
"""How many thousand steps of SQLite reading the list of tables may take; ours takes none."""
_MOST_BYTES = 8192
"""Longest definition of a table that is read; ours have a few hundred bytes."""


class UnknownVersionError(StoreError):
    """The index is of a version that this cipherbucket does not know."""


def check_schema(db: sqlite3.Connection, path: Path | str) -> None:
    """Refuse a database that is no index of this version.

    Raises:
        StoreError: It is something else.
        UnknownVersionError: It is an index of another version.
    """
    repair = f"{REPAIR_HINT}file://{Path(path).parent}"
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(
            f"{path} is empty, or was not made by cipherbucket",
            hint=f"if this is a directory store, {repair}",
        )
    if version != SCHEMA_VERSION:
        raise UnknownVersionError(
            f"{path} has version {version}, and this cipherbucket knows {SCHEMA_VERSION} only",
            hint="use the cipherbucket that made it, or a newer one",
        )
    if _definitions(db) != _OURS:
        raise StoreError(
            f"{path} has other tables than cipherbucket makes",
            hint=repair,
        )


def _definitions(db: sqlite3.Connection) -> list[str]:
    """Return how the tables are defined; an endless or huge list is not read to its end."""
    taken = 0

    def enough() -> bool:
        nonlocal taken
        taken += 1
        return taken > _MOST_STEPS

    db.set_progress_handler(enough, _STEPS)
    most = db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    try:
        rows = db.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    except sqlite3.OperationalError:
        if taken > _MOST_STEPS:
            return []
        raise
    finally:
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)
        db.set_progress_handler(None, 0)
    return sorted(
        _plain(str(sql))
        for kind, name, sql in rows
        # SQLite's own indexes of primary keys and UNIQUE have no definition.
        if kind != "index" or sql is not None or not str(name).startswith("sqlite_autoindex_")
    )


def _plain(sql: str) -> str:
    """Return a definition without its comments, in one line."""
    return " ".join(re.sub("--.*", "", sql).split())


_OURS = sorted(filter(None, map(_plain, SCHEMA.split(";\n"))))


def find_object(db: sqlite3.Connection, name: str) -> StoredObject | None:
    """Look up an object by its name."""
    row = db.execute(f"{_SELECT} WHERE name = ?", (name.encode(),)).fetchone()
    if row is None:
        return None
    stored = object_of_row(row)
    if stored.name != name:
        raise BadRowError("objects", row[0], ValueError("it lies where another name belongs"))
    return stored


def find_body(db: sqlite3.Connection, etag: str) -> StoredObject | None:
    """Look up the object that has this body."""
    row = db.execute(f"{_SELECT} WHERE etag = ?", (etag,)).fetchone()
    return None if row is None else object_of_row(row)


def scan_objects(db: sqlite3.Connection, start: bytes) -> Generator[Entry, None, None]:
    """Yield the objects from a name on, row by row as they are asked for."""
    with closing(
        db.execute(
            "SELECT name, size, etag, modified FROM objects WHERE name >= ? ORDER BY name", (start,)
        )
    ) as rows:
        before = None
        for row in rows:
            entry = entry_of_row(row)
            if row[0] <= before if before is not None else row[0] < start:
                raise out_of_order("objects", row[0])
            before = row[0]
            yield entry


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
            json.dumps(stored.all_headers),
        ),
    )
    if row is None or row[0] == stored.etag:
        return None
    return add_garbage(db, id_of_row("objects", row[0]))


def remove_object(db: sqlite3.Connection, name: str) -> str | None:
    """Delete the row of an object; its body becomes garbage.

    Returns:
        That body, or None where there was no object.
    """
    row = db.execute(
        "DELETE FROM objects WHERE name = ? RETURNING etag", (name.encode(),)
    ).fetchone()
    return None if row is None else add_garbage(db, id_of_row("objects", row[0]))


def add_garbage(db: sqlite3.Connection, etag: str) -> str:
    """Note that a body is to be removed once the transaction is committed; return it."""
    db.execute("INSERT OR IGNORE INTO garbage VALUES (?)", (etag,))
    return etag


def list_garbage(db: sqlite3.Connection) -> list[str]:
    """List the bodies that no object has any more and that may not have been removed yet."""
    rows = db.execute("SELECT etag FROM garbage ORDER BY etag")
    return [id_of_row("garbage", etag) for (etag,) in ascending("garbage", rows)]


def forget_garbage(db: sqlite3.Connection, etags: list[str]) -> None:
    """Strike out bodies that have been removed for good."""
    db.executemany("DELETE FROM garbage WHERE etag = ?", [(etag,) for etag in etags])
