"""Listings of versions and of unfinished uploads, which may share a name.

Rule: a page begins after a name and an id. Of the name itself only what comes after the id is
scanned; common prefixes and the rest are as in `listing`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from cipherbucket.server.catalog import (
    DELETE_MARKER,
    VERSION_COLUMNS,
    Upload,
    Version,
    upload_of,
    version_of,
)
from cipherbucket.server.operations.listing import (
    Scan,
    check_encoding,
    fold,
    limit_of,
    owner_node,
    prefix_nodes,
)
from cipherbucket.server.operations.object_headers import restore_header
from cipherbucket.server.operations.objects import xml_answer
from cipherbucket.server.service import Answer, Call, Service
from cipherbucket.server.xml import Node, document, iso_time


def list_object_versions(service: Service, call: Call) -> Answer:
    """ListObjectVersions: of each name the newest version first."""
    key_marker = call.query.get("key-marker", "")
    id_marker = call.query.get("version-id-marker", "")
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    limit = limit_of(call, "max-keys", 100)
    with service.reading(call.bucket) as (db, _):
        begin, below = None, None
        if key_marker and id_marker:
            begin = key_marker.encode()
            below = _row_of(db, call.bucket, key_marker, id_marker)
        scan = _version_scan(db, call.bucket, key_marker, below)
        page = fold(scan, prefix, delimiter, key_marker, limit, begin)
    check_encoding(call)
    last = page.entries[-1] if page.entries and page.entries[-1].name == page.last else None
    now = int(service.now().timestamp())
    return xml_answer(
        document(
            "ListVersionsResult",
            [
                ("Name", call.bucket),
                ("Prefix", call.encode(prefix)),
                ("KeyMarker", call.encode(key_marker)),
                ("VersionIdMarker", id_marker),
                ("MaxKeys", limit),
                ("Delimiter", call.encode(delimiter)),
                ("EncodingType", call.encoding),
                ("IsTruncated", page.truncated),
                ("NextKeyMarker", call.encode(page.last) if page.truncated else None),
                (
                    "NextVersionIdMarker",
                    (last.version_id if last else "") if page.truncated else None,
                ),
                *(_version_node(service, call, version, now) for version in page.entries),
                *prefix_nodes(call, page),
            ],
        )
    )


def list_uploads(service: Service, call: Call) -> Answer:
    """ListMultipartUploads: of each name by upload id."""
    key_marker = call.query.get("key-marker", "")
    id_marker = call.query.get("upload-id-marker", "") if key_marker else ""
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    limit = limit_of(call, "max-uploads", 1000)
    begin = key_marker.encode() if id_marker else None
    with service.reading(call.bucket) as (db, _):
        scan = _upload_scan(db, call.bucket, key_marker, id_marker)
        page = fold(scan, prefix, delimiter, key_marker, limit, begin)
    check_encoding(call)
    last = page.entries[-1] if page.entries and page.entries[-1].name == page.last else None
    return xml_answer(
        document(
            "ListMultipartUploadsResult",
            [
                ("EncodingType", call.encoding),
                ("Bucket", call.bucket),
                ("KeyMarker", call.encode(key_marker)),
                ("UploadIdMarker", id_marker),
                ("NextKeyMarker", call.encode(page.last) if page.truncated else ""),
                ("NextUploadIdMarker", last.upload_id if page.truncated and last else ""),
                ("Delimiter", call.encode(delimiter)),
                ("Prefix", call.encode(prefix)),
                ("MaxUploads", limit),
                ("IsTruncated", page.truncated),
                *(
                    (
                        "Upload",
                        [
                            ("Key", call.encode(upload.name)),
                            ("UploadId", upload.upload_id),
                            ("StorageClass", upload.attributes.storage_class),
                            ("Initiated", iso_time(upload.started)),
                        ],
                    )
                    for upload in page.entries
                ),
                *prefix_nodes(call, page),
            ],
        )
    )


def _version_scan(
    db: sqlite3.Connection, bucket: str, key_marker: str, below: int | None
) -> Scan[Version]:
    """Scan all versions; of ``key_marker`` itself only those older than row ``below``."""

    def scan(start: bytes) -> Iterator[Version]:
        rows = db.execute(
            f"SELECT {VERSION_COLUMNS} FROM versions WHERE bucket = ? AND name >= ?"  # noqa: S608
            " ORDER BY name, id DESC",
            (bucket, start),
        )
        for row in rows:
            if below is None or row[1] != key_marker.encode() or row[0] < below:
                yield version_of(row)

    return scan


def _upload_scan(
    db: sqlite3.Connection, bucket: str, key_marker: str, id_marker: str
) -> Scan[Upload]:
    """Scan all uploads; of ``key_marker`` itself only those with greater ids than ``id_marker``."""

    def scan(start: bytes) -> Iterator[Upload]:
        rows = db.execute(
            "SELECT id, name, started, attributes FROM uploads WHERE bucket = ? AND name >= ?"
            " ORDER BY name, id",
            (bucket, start),
        )
        for row in rows:
            if not id_marker or row[1] != key_marker.encode() or row[0] > id_marker:
                yield upload_of(row)

    return scan


def _row_of(db: sqlite3.Connection, bucket: str, name: str, version_id: str) -> int:
    found = db.execute(
        "SELECT id FROM versions WHERE bucket = ? AND name = ? AND version_id = ?",
        (bucket, name.encode(), version_id),
    ).fetchone()
    return int(found[0]) if found else 0


def _version_node(service: Service, call: Call, version: Version, now: int) -> Node:
    common: list[Node] = [
        ("Key", call.encode(version.name)),
        ("VersionId", version.version_id),
        ("IsLatest", version.latest),
        ("LastModified", iso_time(version.modified)),
    ]
    owner: Node = ("Owner", owner_node(service))
    if version.kind == DELETE_MARKER:
        return DELETE_MARKER, [*common, owner]
    return (
        "Version",
        [
            *common,
            ("ETag", f'"{version.etag}"'),
            ("Type", version.kind),
            ("Size", version.size),
            ("StorageClass", version.attributes.storage_class),
            ("RestoreInfo", restore_header(version, now) or None),
            owner,
        ],
    )
