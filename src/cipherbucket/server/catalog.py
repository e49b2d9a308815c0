"""What the endpoint knows of buckets, versions and uploads: a small SQLite database.

Rule: bodies are immutable and lie in a store under random names; the catalogue says which of them,
end to end, are the body of which version. So copying, completing an upload and appending move no
bytes. Every change is one transaction; a body that nothing names any more is removed after it.

::

    buckets    name, settings
    versions   of an object: the newest of a name is latest = 1, a delete marker is one too
    uploads    unfinished multipart uploads
    parts      of uploads: one body each
    pieces     of versions: which bodies, in which order
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from cipherbucket.server.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, created INTEGER NOT NULL, settings TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, bucket TEXT NOT NULL, name BLOB NOT NULL,
    version_id TEXT NOT NULL, latest INTEGER NOT NULL, kind TEXT NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, crc64 TEXT NOT NULL, modified INTEGER NOT NULL, attributes TEXT NOT NULL,
    UNIQUE (bucket, name, version_id));
CREATE INDEX IF NOT EXISTS latest ON versions (bucket, name) WHERE latest = 1;
CREATE INDEX IF NOT EXISTS newest_first ON versions (bucket, name, id DESC);
CREATE TABLE IF NOT EXISTS pieces (
    version INTEGER NOT NULL, position INTEGER NOT NULL, body TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (version, position)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS piece_bodies ON pieces (body);
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, name BLOB NOT NULL, started INTEGER NOT NULL,
    attributes TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS upload_names ON uploads (bucket, name, id);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL, number INTEGER NOT NULL, body TEXT NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, crc64 TEXT NOT NULL, modified INTEGER NOT NULL,
    PRIMARY KEY (upload, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS part_bodies ON parts (body);
"""
DELETE_MARKER = "DeleteMarker"
SYMLINK = "Symlink"
NULL_VERSION = "null"


@dataclass(slots=True)
class Bucket:
    """A bucket and its settings.

    Attributes:
        name: 3 to 63 lower-case letters, digits and hyphens.
        created: When, UTC.
        acl: ``private``, ``public-read`` or ``public-read-write``.
        storage_class: Of objects that name none.
        redundancy: ``LRS`` or ``ZRS``; kept and reported, no more.
        versioning: ``Enabled``, ``Suspended``, or empty where it never was enabled.
        encryption: The server-side encryption settings by element; empty for none. They are kept
            and echoed: nothing is encrypted.
    """

    name: str
    created: datetime
    acl: str = "private"
    storage_class: str = "Standard"
    redundancy: str = "LRS"
    versioning: str = ""
    encryption: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Attributes:
    """What an object has beside its body.

    Attributes:
        metadata: User metadata without ``x-oss-meta-``.
        headers: Content headers, in lower case.
        tags: The object's tags.
        acl: ``default`` for the bucket's.
        storage_class: As it was asked for, or the bucket's.
        encryption: Server-side encryption headers, to be echoed.
        target: Of a symlink, as it was given.
        md5: Base64 of the body's MD5, where it is known.
        restored: Of an archived object: when its restoring ends and when the copy expires, as
            seconds since 1970; empty where it is frozen.
    """

    metadata: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    acl: str = "default"
    storage_class: str = "Standard"
    encryption: dict[str, str] = field(default_factory=dict)
    target: str = ""
    md5: str = ""
    restored: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Version:
    """One version of an object, or a delete marker.

    Attributes:
        name: The object's name.
        version_id: ``null`` where the bucket keeps no versions.
        kind: ``Normal``, ``Multipart``, ``Appendable``, ``Symlink`` or ``DeleteMarker``.
        size: Bytes of the body.
        etag: Without quotes.
        crc64: Of the body.
        modified: When it was written, UTC.
        attributes: Everything else.
        latest: Whether it is the newest of its name.
        row: Its place in the order of all versions; 0 for one that is not stored yet.
    """

    name: str
    version_id: str
    kind: str
    size: int
    etag: str
    crc64: int
    modified: datetime
    attributes: Attributes
    latest: bool = True
    row: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A body in the store that is part of an object's, and its size."""

    body: str
    size: int


@dataclass(frozen=True, slots=True)
class Upload:
    """An unfinished multipart upload."""

    upload_id: str
    name: str
    started: datetime
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part that has arrived."""

    number: int
    body: str
    size: int
    etag: str
    crc64: int
    modified: datetime


def open_catalog(path: str) -> Database:
    """Open a catalogue, made if it is not there.

    Raises:
        sqlite3.Error: It cannot be opened, or is none.
    """
    return Database(path, _prepare)


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(_SCHEMA)


def find_bucket(db: sqlite3.Connection, name: str) -> Bucket | None:
    """Look up a bucket."""
    row = db.execute("SELECT name, created, settings FROM buckets WHERE name = ?", (name,))
    return next(map(_bucket, row), None)


def save_bucket(db: sqlite3.Connection, bucket: Bucket) -> None:
    """Make or change a bucket."""
    settings = asdict(bucket)
    del settings["name"], settings["created"]
    db.execute(
        "INSERT OR REPLACE INTO buckets VALUES (?, ?, ?)",
        (bucket.name, to_micros(bucket.created), json.dumps(settings)),
    )


def list_buckets(db: sqlite3.Connection) -> list[Bucket]:
    """List all buckets by name."""
    return [*map(_bucket, db.execute("SELECT name, created, settings FROM buckets ORDER BY name"))]


VERSION_COLUMNS = "id, name, version_id, latest, kind, size, etag, crc64, modified, attributes"


def version_of(row: Sequence[Any]) -> Version:
    """Make a version of a row of `VERSION_COLUMNS`."""
    return Version(
        row=row[0],
        name=row[1].decode(),
        version_id=row[2],
        latest=bool(row[3]),
        kind=row[4],
        size=row[5],
        etag=row[6],
        crc64=int(row[7]),
        modified=from_micros(row[8]),
        attributes=Attributes(**json.loads(row[9])),
    )


def find_acl(db: sqlite3.Connection, bucket: str, name: str, version_id: str | None) -> str:
    """Return the ACL of a version, None: the newest; ``default`` where there is none."""
    row = db.execute(
        "SELECT json_extract(attributes, '$.acl') FROM versions"
        " WHERE bucket = ?1 AND name = ?2"
        " AND CASE WHEN ?3 IS NULL THEN latest = 1 ELSE version_id = ?3 END",
        (bucket, name.encode(), version_id),
    ).fetchone()
    return str(row[0]) if row else "default"


def update_attributes(db: sqlite3.Connection, version: Version) -> None:
    """Store the attributes of a version that is in the catalogue."""
    attributes = json.dumps(asdict(version.attributes))
    db.execute("UPDATE versions SET attributes = ? WHERE id = ?", (attributes, version.row))


def find_upload(db: sqlite3.Connection, bucket: str, name: str, upload_id: str) -> Upload | None:
    """Look up an unfinished upload; it must be of this object."""
    row = db.execute(
        "SELECT id, name, started, attributes FROM uploads"
        " WHERE id = ? AND bucket = ? AND name = ?",
        (upload_id, bucket, name.encode()),
    )
    return next(map(upload_of, row), None)


def save_upload(db: sqlite3.Connection, bucket: str, upload: Upload) -> None:
    """Store a new upload."""
    db.execute(
        "INSERT INTO uploads VALUES (?, ?, ?, ?, ?)",
        (
            upload.upload_id,
            bucket,
            upload.name.encode(),
            to_micros(upload.started),
            json.dumps(asdict(upload.attributes)),
        ),
    )


def upload_of(row: Sequence[Any]) -> Upload:
    """Make an upload of a row id, name, started, attributes."""
    return Upload(row[0], row[1].decode(), from_micros(row[2]), Attributes(**json.loads(row[3])))


def list_parts(db: sqlite3.Connection, upload_id: str, after: int = 0) -> list[UploadedPart]:
    """List the parts of an upload with higher numbers than ``after``."""
    rows = db.execute(
        "SELECT number, body, size, etag, crc64, modified FROM parts"
        " WHERE upload = ? AND number > ? ORDER BY number",
        (upload_id, after),
    )
    return [
        UploadedPart(number, body, size, etag, int(crc), from_micros(modified))
        for number, body, size, etag, crc, modified in rows
    ]


def save_part(db: sqlite3.Connection, upload_id: str, part: UploadedPart) -> list[str]:
    """Store a part; return the body of the one that it replaces."""
    old = db.execute(
        "SELECT body FROM parts WHERE upload = ? AND number = ?", (upload_id, part.number)
    ).fetchall()
    db.execute(
        "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            upload_id,
            part.number,
            part.body,
            part.size,
            part.etag,
            str(part.crc64),
            to_micros(part.modified),
        ),
    )
    return unnamed(db, [body for (body,) in old])


def remove_upload(db: sqlite3.Connection, upload_id: str) -> list[str]:
    """Remove an upload and its parts; return the bodies that nothing names any more."""
    bodies = [part.body for part in list_parts(db, upload_id)]
    db.execute("DELETE FROM parts WHERE upload = ?", (upload_id,))
    db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))
    return unnamed(db, bodies)


def unnamed(db: sqlite3.Connection, bodies: Sequence[str]) -> list[str]:
    """Return those bodies that no version and no part names."""
    return [
        body
        for body in bodies
        if not db.execute(
            "SELECT EXISTS (SELECT 1 FROM pieces WHERE body = ?1)"
            " OR EXISTS (SELECT 1 FROM parts WHERE body = ?1)",
            (body,),
        ).fetchone()[0]
    ]


def to_micros(moment: datetime) -> int:
    """Turn a moment into microseconds since 1970."""
    return round(moment.timestamp() * 1_000_000)


def from_micros(micros: int) -> datetime:
    """Turn microseconds since 1970 into a moment, UTC."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC)


def _bucket(row: Sequence[Any]) -> Bucket:
    return Bucket(name=row[0], created=from_micros(row[1]), **json.loads(row[2]))
