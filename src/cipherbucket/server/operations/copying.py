"""Copies: the new version names the same bodies.

Rule: a copy takes the source's metadata, or with REPLACE the request's, never a mixture. A copy of
an object onto itself without a directive replaces its metadata, as OSS documents. Client-side
encryption headers are not changed by any copy.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from urllib.parse import unquote

from cipherbucket.server.catalog import SYMLINK, Attributes, Bucket, Version
from cipherbucket.server.errors import invalid_argument
from cipherbucket.server.operations import client_encryption
from cipherbucket.server.operations.object_headers import attributes_of, check_key, check_readable
from cipherbucket.server.operations.objects import check_overwrite, resolve, xml_answer
from cipherbucket.server.operations.ranges import check_conditions
from cipherbucket.server.service import Answer, Call, Service, get_bucket
from cipherbucket.server.versions import (
    add_version,
    get_pieces,
    get_version,
    new_version_id,
    version_headers,
)
from cipherbucket.server.xml import document, iso_time

_SOURCE = "x-oss-copy-source"
_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def copy_object(service: Service, call: Call) -> Answer:
    """CopyObject."""
    check_key(call.key)
    now = service.now()
    with service.writing(call.bucket) as (db, bucket, freed):
        source_bucket, source = find_source(db, call)
        check_readable(source, int(now.timestamp()))
        check_overwrite(db, bucket, call)
        replaced = _replaces_metadata(call, source_bucket, source)
        attributes = _copied_attributes(call, bucket, source, replaced=replaced)
        client_encryption.check_copy(
            source.attributes.metadata, attributes.metadata, replace=replaced
        )
        version = Version(
            name=call.key,
            version_id=new_version_id(bucket),
            kind=source.kind if source.kind == SYMLINK else "Normal",
            size=source.size,
            etag=source.etag if service.settings.md5_etags else service.new_etag(),
            crc64=source.crc64,
            modified=now,
            attributes=attributes,
        )
        freed.extend(add_version(db, bucket, version, get_pieces(db, source)))
    headers = {
        "ETag": f'"{version.etag}"',
        "x-oss-hash-crc64ecma": str(version.crc64),
        **version_headers(bucket, version),
        **attributes.encryption,
    }
    if source_bucket.versioning:
        headers["x-oss-copy-source-version-id"] = source.version_id
    elements = [("LastModified", iso_time(now)), ("ETag", f'"{version.etag}"')]
    return xml_answer(document("CopyObjectResult", elements), headers)


def find_source(db: sqlite3.Connection, call: Call) -> tuple[Bucket, Version]:
    """Return the source that a copy names, if its conditions hold.

    Raises:
        OssError: There is none, it cannot be named so, or a condition does not hold.
    """
    header = call.headers[_SOURCE]
    path, _, query = header.partition("?")
    name, _, key = path.lstrip("/").partition("/")
    key = unquote(key)
    version_id = (
        unquote(query.removeprefix("versionId=")) if query.startswith("versionId=") else None
    )
    if not name or not key:
        raise invalid_argument("The copy source must be /bucket/object.", _SOURCE, header)
    bucket = get_bucket(db, unquote(name))
    version = get_version(db, bucket, key, version_id)
    conditions = {
        condition: call.headers[f"{_SOURCE}-{condition}"]
        for condition in _CONDITIONS
        if f"{_SOURCE}-{condition}" in call.headers
    }
    check_conditions(conditions, version.etag, version.modified)
    if version.kind == SYMLINK and "partNumber" in call.query:
        version = resolve(db, bucket, version)
    return bucket, version


def _replaces_metadata(call: Call, source_bucket: Bucket, source: Version) -> bool:
    directive = call.headers.get("x-oss-metadata-directive", "").upper()
    if directive not in {"", "COPY", "REPLACE"}:
        raise invalid_argument(
            "The directive is COPY or REPLACE.", "x-oss-metadata-directive", directive
        )
    onto_itself = source_bucket.name == call.bucket and source.name == call.key
    return directive == "REPLACE" or (onto_itself and not directive)


def _copied_attributes(
    call: Call, bucket: Bucket, source: Version, *, replaced: bool
) -> Attributes:
    given = attributes_of(call.headers, bucket)
    theirs = source.attributes
    tagging = call.headers.get("x-oss-tagging-directive", "").upper()
    if replaced and source.name == call.key and "x-oss-storage-class" not in call.headers:
        given.storage_class = theirs.storage_class  # new metadata are no reason to move it
    return replace(
        given,
        metadata=given.metadata if replaced else theirs.metadata,
        headers=given.headers if replaced else theirs.headers,
        tags=given.tags if tagging == "REPLACE" else theirs.tags,
        target=theirs.target,
        md5=theirs.md5,
    )
