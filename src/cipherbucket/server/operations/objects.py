"""Objects: put, get, head, append, delete.

Rule: a write reads its body into the store first, then changes the catalogue in one transaction; a
request that breaks midway stores nothing. A read takes the version and pins its bodies under one
look at the catalogue.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Mapping
from urllib.parse import unquote

from cipherbucket.format.crc64 import crc64_combine
from cipherbucket.server.catalog import (
    DELETE_MARKER,
    SYMLINK,
    Attributes,
    Bucket,
    Version,
)
from cipherbucket.server.errors import OssError, access_denied
from cipherbucket.server.numbers import number_given
from cipherbucket.server.operations import client_encryption
from cipherbucket.server.operations.object_headers import (
    attributes_of,
    check_key,
    check_readable,
    object_headers,
)
from cipherbucket.server.operations.ranges import check_conditions, find_range, http_time
from cipherbucket.server.service import Answer, Arrived, Call, Service
from cipherbucket.server.versions import (
    add_version,
    append_piece,
    delete_object,
    delete_version,
    find_latest,
    get_pieces,
    get_version,
    marker_headers,
    new_version_id,
    version_headers,
)
from cipherbucket.server.xml import document, parse, text_of
from cipherbucket.stores.records import CONTENT_HEADERS

_MAX_DELETES = 1000


def put_object(service: Service, call: Call) -> Answer:
    """PutObject."""
    check_key(call.key)
    with service.reading(call.bucket) as (db, bucket):
        attributes = attributes_of(call.headers, bucket)
        client_encryption.check_put(attributes.metadata)
        check_overwrite(db, bucket, call)
    with service.arriving(call) as arrived:
        attributes.md5 = _base64(arrived.md5)
        with service.writing(call.bucket) as (db, bucket, freed):
            check_overwrite(db, bucket, call)
            version = _new_version(service, bucket, call.key, "Normal", arrived, attributes)
            freed.extend(add_version(db, bucket, version, [arrived.saved.piece]))
    headers = {
        "ETag": f'"{version.etag}"',
        "x-oss-hash-crc64ecma": str(version.crc64),
        **version_headers(bucket, version),
        **attributes.encryption,
    }
    if attributes.md5:
        headers["Content-MD5"] = attributes.md5
    return Answer(headers=headers)


def append_object(service: Service, call: Call) -> Answer:
    """AppendObject: the object must end where the call says it does."""
    check_key(call.key)
    position = number_given("position", call.query.get("position", ""))
    with service.reading(call.bucket) as (db, bucket):
        attributes = attributes_of(call.headers, bucket)
        client_encryption.check_put(attributes.metadata)
        _find_appendable(db, bucket, call.key, position)
    with (
        service.arriving(call) as arrived,
        service.writing(call.bucket) as (db, bucket, freed),
    ):
        there = _find_appendable(db, bucket, call.key, position)
        if there is None:
            check_overwrite(db, bucket, call)
            version = _new_version(service, bucket, call.key, "Appendable", arrived, attributes)
            freed.extend(add_version(db, bucket, version, [arrived.saved.piece]))
        else:
            version = there
            version.size += arrived.saved.size
            version.crc64 = crc64_combine(version.crc64, arrived.saved.crc64, arrived.saved.size)
            version.etag = service.new_etag()
            version.modified = service.now()
            append_piece(db, version, arrived.saved.piece)
    return Answer(
        headers={
            "ETag": f'"{version.etag}"',
            "x-oss-next-append-position": str(version.size),
            "x-oss-hash-crc64ecma": str(version.crc64),
            **version_headers(bucket, version),
        }
    )


def get_object(service: Service, call: Call) -> Answer:
    """GetObject, whole or a range."""
    now = int(service.now().timestamp())
    with service.reading(call.bucket) as (db, bucket):
        version, headers = _find_readable(db, bucket, call, now)
        check_readable(version, now)
        check_conditions(call.headers, version.etag, version.modified)
        standard = call.headers.get("x-oss-range-behavior", "").lower() == "standard"
        span = find_range(call.headers.get("range"), version.size, standard=standard)
        start, stop = span or (0, version.size)
        body = service.bodies.open(get_pieces(db, version), start, stop)
    headers |= _overridden(call)
    if span is None:
        return Answer(200, headers, body)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{version.size}"
    return Answer(206, headers, body)


def head_object(service: Service, call: Call) -> Answer:
    """HeadObject."""
    now = int(service.now().timestamp())
    with service.reading(call.bucket) as (db, bucket):
        version, headers = _find_readable(db, bucket, call, now)
    check_conditions(call.headers, version.etag, version.modified)
    headers["Content-Length"] = str(version.size)
    return Answer(200, headers)


def get_object_meta(service: Service, call: Call) -> Answer:
    """GetObjectMeta: the few headers that cost OSS nothing."""
    with service.reading(call.bucket) as (db, bucket):
        version = get_version(db, bucket, call.key, call.version_id)
    headers = {
        "Content-Length": str(version.size),
        "ETag": f'"{version.etag}"',
        "Last-Modified": http_time(version.modified),
        "x-oss-hash-crc64ecma": str(version.crc64),
        **version_headers(bucket, version),
    }
    return Answer(200, headers)


def delete(service: Service, call: Call) -> Answer:
    """DeleteObject. Deleting what is not there is no error."""
    with service.writing(call.bucket) as (db, bucket, freed):
        headers = _delete_one(service, db, bucket, freed, call.key, call.version_id)[0]
    return Answer(204, headers)


def delete_multiple(service: Service, call: Call) -> Answer:
    """DeleteMultipleObjects."""
    root = parse(call.read_document(), "Delete")
    named = [
        (node.findtext("Key") or "", text_of(node, "VersionId") or None)
        for node in root.findall("Object")
    ]
    if not named or len(named) > _MAX_DELETES or not all(key for key, _ in named):
        raise OssError(400, "MalformedXML", "Name 1 to 1,000 objects, each with its key.")
    deleted = []
    with service.writing(call.bucket) as (db, bucket, freed):
        for key, version_id in named:
            headers, marker = _delete_one(service, db, bucket, freed, key, version_id)
            deleted.append(
                (
                    "Deleted",
                    [
                        ("Key", call.encode(key)),
                        ("VersionId", version_id),
                        ("DeleteMarker", True if marker else None),
                        ("DeleteMarkerVersionId", headers["x-oss-version-id"] if marker else None),
                    ],
                )
            )
    if text_of(root, "Quiet") == "true":
        return Answer()
    encoding = [("EncodingType", call.encoding)]
    return xml_answer(document("DeleteResult", [*encoding, *deleted]))


def xml_answer(text: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer 200 with a document."""
    return Answer(200, {"Content-Type": "application/xml", **(headers or {})}, text)


def check_overwrite(db: sqlite3.Connection, bucket: Bucket, call: Call) -> None:
    """Hold ``x-oss-forbid-overwrite``; a bucket that keeps versions overwrites nothing.

    Raises:
        OssError: FileAlreadyExists.
    """
    forbidden = call.headers.get("x-oss-forbid-overwrite", "").lower() == "true"
    if forbidden and not bucket.versioning:
        latest = find_latest(db, bucket.name, call.key)
        if latest is not None and latest.kind != DELETE_MARKER:
            raise OssError(
                409,
                "FileAlreadyExists",
                "The object you specified already exists and can not be overwritten.",
            )


def resolve(db: sqlite3.Connection, bucket: Bucket, link: Version) -> Version:
    """Return the object that a symlink means.

    Raises:
        OssError: SymlinkTargetNotExist, or InvalidTargetType for a link to a link.
    """
    target = find_latest(db, bucket.name, unquote(link.attributes.target))
    if target is None or target.kind == DELETE_MARKER:
        raise OssError(404, "SymlinkTargetNotExist", "The symlink's target object does not exist.")
    if target.kind == SYMLINK:
        raise OssError(400, "InvalidTargetType", "The symlink's target is a symlink.")
    return target


def _find_readable(
    db: sqlite3.Connection, bucket: Bucket, call: Call, now: int
) -> tuple[Version, dict[str, str]]:
    """Return the version whose body is meant, through a symlink, and the headers of it."""
    version = get_version(db, bucket, call.key, call.version_id)
    if version.kind != SYMLINK:
        return version, object_headers(bucket, version, now)
    target = resolve(db, bucket, version)
    acl = target.attributes.acl if target.attributes.acl != "default" else bucket.acl
    if call.anonymous and not acl.startswith("public-read"):  # the link's own has been looked at
        raise access_denied("You have no right to access the target of this symlink.")
    headers = object_headers(bucket, target, now)
    headers["x-oss-object-type"] = SYMLINK
    headers["Last-Modified"] = http_time(max(version.modified, target.modified))
    return target, headers | version_headers(bucket, version)


def _overridden(call: Call) -> dict[str, str]:
    """Return the headers that the query of a GetObject asks to be answered with."""
    found = {
        name.title(): value
        for name in sorted(CONTENT_HEADERS)
        if (value := call.query.get(f"response-{name}"))
    }
    if found and call.anonymous:
        raise access_denied("Anonymous requests must not override response headers.")
    return found


def _new_version(
    service: Service,
    bucket: Bucket,
    key: str,
    kind: str,
    arrived: Arrived,
    attributes: Attributes,
) -> Version:
    return Version(
        name=key,
        version_id=new_version_id(bucket),
        kind=kind,
        size=arrived.saved.size,
        etag=service.new_etag(arrived.md5),
        crc64=arrived.saved.crc64,
        modified=service.now(),
        attributes=attributes,
    )


def _find_appendable(
    db: sqlite3.Connection, bucket: Bucket, key: str, position: int
) -> Version | None:
    version = find_latest(db, bucket.name, key)
    if version is not None and version.kind == DELETE_MARKER:
        version = None
    if version is not None and version.kind != "Appendable":
        raise OssError(409, "ObjectNotAppendable", "The object is not appendable.")
    size = version.size if version is not None else 0
    if position != size:
        raise OssError(
            409,
            "PositionNotEqualToLength",
            "Position is not equal to file length.",
            headers={"x-oss-next-append-position": str(size)},
        )
    return version


def _delete_one(
    service: Service,
    db: sqlite3.Connection,
    bucket: Bucket,
    freed: list[str],
    key: str,
    version_id: str | None,
) -> tuple[dict[str, str], bool]:
    """Delete an object or a version; return the headers, and whether it made or was a marker."""
    if version_id is None:
        marker, bodies = delete_object(db, bucket, key, service.now())
        freed.extend(bodies)
        return (marker_headers(marker), True) if marker else ({}, False)
    gone, bodies = delete_version(db, bucket, key, version_id)
    freed.extend(bodies)
    if gone is not None and gone.kind == DELETE_MARKER:
        return marker_headers(gone), True
    return {"x-oss-version-id": version_id}, False


def _base64(digest: bytes | None) -> str:
    return "" if digest is None else base64.b64encode(digest).decode()
