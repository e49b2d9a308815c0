"""Versions of objects: which one a name means, what writing and deleting do to the others.

Rule: a bucket that never kept versions has one version ``null`` of each name, and a write replaces
it. With versioning enabled every write adds one with an id of its own, and a delete adds a marker.
Suspended, writes and deletes replace the version ``null`` again and leave the others alone.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from cipherbucket.server.catalog import (
    DELETE_MARKER,
    NULL_VERSION,
    VERSION_COLUMNS,
    Attributes,
    Bucket,
    Piece,
    Version,
    to_micros,
    unnamed,
    version_of,
)
from cipherbucket.server.errors import OssError, no_such_key


def new_version_id(bucket: Bucket) -> str:
    """Return the id that the next version in a bucket gets."""
    return f"CAEQ{secrets.token_hex(28)}" if bucket.versioning == "Enabled" else NULL_VERSION


def find_latest(db: sqlite3.Connection, bucket: str, name: str) -> Version | None:
    """Look up the newest version of a name, be it a delete marker."""
    rows = db.execute(
        f"SELECT {VERSION_COLUMNS} FROM versions WHERE bucket = ? AND name = ? AND latest = 1",  # noqa: S608
        (bucket, name.encode()),
    )
    return next(map(version_of, rows), None)


def find_version(db: sqlite3.Connection, bucket: str, name: str, version_id: str) -> Version | None:
    """Look up a version by its id."""
    rows = db.execute(
        f"SELECT {VERSION_COLUMNS} FROM versions WHERE bucket = ? AND name = ? AND version_id = ?",  # noqa: S608
        (bucket, name.encode(), version_id),
    )
    return next(map(version_of, rows), None)


def get_version(
    db: sqlite3.Connection, bucket: Bucket, name: str, version_id: str | None
) -> Version:
    """Return the version that a request means; never a delete marker.

    Raises:
        OssError: NoSuchKey, NoSuchVersion, or MethodNotAllowed for a delete marker by its id.
    """
    if version_id is None:
        latest = find_latest(db, bucket.name, name)
        if latest is None:
            raise no_such_key(name)
        if latest.kind == DELETE_MARKER:
            raise no_such_key(name, marker_headers(latest))
        return latest
    version = find_version(db, bucket.name, name, version_id)
    if version is None:
        raise OssError(
            404,
            "NoSuchVersion",
            "The specified version does not exist.",
            details={"Key": name, "VersionId": version_id},
        )
    if version.kind == DELETE_MARKER:
        raise OssError(
            405,
            "MethodNotAllowed",
            "The specified method is not allowed against a delete marker.",
            headers=marker_headers(version),
        )
    return version


def marker_headers(marker: Version) -> dict[str, str]:
    """Return the headers of a delete marker."""
    return {"x-oss-delete-marker": "true", "x-oss-version-id": marker.version_id}


def version_headers(bucket: Bucket, version: Version) -> dict[str, str]:
    """Return the header that names a version, in a bucket that keeps them."""
    return {"x-oss-version-id": version.version_id} if bucket.versioning else {}


def get_pieces(db: sqlite3.Connection, version: Version) -> list[Piece]:
    """Return the bodies of a version, in order."""
    rows = db.execute(
        "SELECT body, size FROM pieces WHERE version = ? ORDER BY position", (version.row,)
    )
    return [Piece(body, size) for body, size in rows]


def add_version(
    db: sqlite3.Connection, bucket: Bucket, version: Version, pieces: Sequence[Piece] = ()
) -> list[str]:
    """Make a version the newest of its name; one with its id is replaced.

    Returns:
        The bodies that nothing names any more.
    """
    name = version.name.encode()
    replaced = find_version(db, bucket.name, version.name, version.version_id)
    bodies = _drop(db, replaced) if replaced else []
    db.execute(
        "UPDATE versions SET latest = 0 WHERE bucket = ? AND name = ? AND latest = 1",
        (bucket.name, name),
    )
    cursor = db.execute(
        "INSERT INTO versions (bucket, name, version_id, latest, kind, size, etag, crc64, modified,"
        " attributes) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?)",
        (
            bucket.name,
            name,
            version.version_id,
            version.kind,
            version.size,
            version.etag,
            str(version.crc64),
            to_micros(version.modified),
            json.dumps(asdict(version.attributes)),
        ),
    )
    version.row = cursor.lastrowid or 0
    db.executemany(
        "INSERT INTO pieces VALUES (?, ?, ?, ?)",
        ((version.row, at, piece.body, piece.size) for at, piece in enumerate(pieces)),
    )
    return unnamed(db, bodies)


def append_piece(db: sqlite3.Connection, version: Version, piece: Piece) -> None:
    """Lay one more body at the end of a version, whose size, CRC and time have been set."""
    (count,) = db.execute(
        "SELECT COUNT(*) FROM pieces WHERE version = ?", (version.row,)
    ).fetchone()
    db.execute(
        "INSERT INTO pieces VALUES (?, ?, ?, ?)", (version.row, count, piece.body, piece.size)
    )
    db.execute(
        "UPDATE versions SET size = ?, etag = ?, crc64 = ?, modified = ? WHERE id = ?",
        (
            version.size,
            version.etag,
            str(version.crc64),
            to_micros(version.modified),
            version.row,
        ),
    )


def delete_object(
    db: sqlite3.Connection, bucket: Bucket, name: str, now: datetime
) -> tuple[Version | None, list[str]]:
    """Delete an object as its bucket's versioning asks for.

    Returns:
        The delete marker, if there is one now, and the bodies that nothing names any more.
    """
    if not bucket.versioning:
        return None, delete_version(db, bucket, name, NULL_VERSION)[1]
    marker = Version(
        name=name,
        version_id=new_version_id(bucket),
        kind=DELETE_MARKER,
        size=0,
        etag="",
        crc64=0,
        modified=now,
        attributes=Attributes(),
    )
    return marker, add_version(db, bucket, marker)


def delete_version(
    db: sqlite3.Connection, bucket: Bucket, name: str, version_id: str
) -> tuple[Version | None, list[str]]:
    """Delete one version for good; the one before it becomes the newest.

    Returns:
        What was deleted, if there was such a version, and the bodies that nothing names any more.
    """
    version = find_version(db, bucket.name, name, version_id)
    if version is None:
        return None, []
    bodies = _drop(db, version)
    if version.latest:
        db.execute(
            "UPDATE versions SET latest = 1 WHERE id ="
            " (SELECT MAX(id) FROM versions WHERE bucket = ? AND name = ?)",
            (bucket.name, name.encode()),
        )
    return version, unnamed(db, bodies)


def _drop(db: sqlite3.Connection, version: Version) -> list[str]:
    bodies = [piece.body for piece in get_pieces(db, version)]
    db.execute("DELETE FROM pieces WHERE version = ?", (version.row,))
    db.execute("DELETE FROM versions WHERE id = ?", (version.row,))
    return bodies
