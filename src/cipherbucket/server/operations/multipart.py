"""Multipart uploads: a part is a body, and completing names bodies; no byte is moved.

Rule: nothing of an upload is visible until it completes, and completing is one transaction. The
object gets what the request that initiated the upload said of it, but for the ACL: that is a header
of the completion, and is documented nowhere for the initiation.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from urllib.parse import quote

from cipherbucket.format.crc64 import crc64_combine
from cipherbucket.server.catalog import (
    Bucket,
    Piece,
    Upload,
    UploadedPart,
    Version,
    find_upload,
    list_parts,
    remove_upload,
    save_part,
    save_upload,
)
from cipherbucket.server.errors import OssError, invalid_argument, malformed_xml, no_such_upload
from cipherbucket.server.numbers import number_given, whole_number
from cipherbucket.server.operations import client_encryption
from cipherbucket.server.operations.copying import find_source
from cipherbucket.server.operations.object_headers import (
    attributes_of,
    check_acl,
    check_key,
    check_readable,
    metadata_of,
)
from cipherbucket.server.operations.objects import check_overwrite, xml_answer
from cipherbucket.server.request_body import SizedBody
from cipherbucket.server.service import Answer, Call, Service
from cipherbucket.server.versions import add_version, get_pieces, new_version_id, version_headers
from cipherbucket.server.xml import Node, document, iso_time, parse, text_of
from cipherbucket.stores.records import MAX_PARTS

MIN_PART = 100 << 10
"""Fewest bytes of every part but the last, 100 KiB."""
_COPY_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{1,18})")
_CLIENT_ENCRYPTION = {
    "key": "ClientEncryptionKey",
    "start": "ClientEncryptionStart",
    "cek-alg": "ClientEncryptionCekAlg",
    "wrap-alg": "ClientEncryptionWrapAlg",
    "data-size": "ClientEncryptionDataSize",
    "part-size": "ClientEncryptionPartSize",
}


def initiate(service: Service, call: Call) -> Answer:
    """InitiateMultipartUpload."""
    check_key(call.key)
    with service.writing(call.bucket) as (db, bucket, _):
        attributes = attributes_of(call.headers, bucket)
        client_encryption.check_initiate(attributes.metadata)
        check_overwrite(db, bucket, call)
        upload = Upload(secrets.token_hex(16).upper(), call.key, service.now(), attributes)
        save_upload(db, call.bucket, upload)
    return xml_answer(
        document(
            "InitiateMultipartUploadResult",
            [
                ("EncodingType", call.encoding),
                ("Bucket", call.bucket),
                ("Key", call.encode(call.key)),
                ("UploadId", upload.upload_id),
            ],
        ),
        attributes.encryption,
    )


def upload_part(service: Service, call: Call) -> Answer:
    """UploadPart."""
    number = _part_number(call)
    with service.reading(call.bucket) as (db, _):
        upload = _get_upload(db, call)
    client_encryption.check_part(upload.attributes.metadata, metadata_of(call.headers))
    with service.arriving(call) as arrived:
        part = UploadedPart(
            number,
            arrived.saved.body,
            arrived.saved.size,
            service.new_etag(arrived.md5),
            arrived.saved.crc64,
            service.now(),
        )
        with service.writing(call.bucket) as (db, _, freed):
            _get_upload(db, call)
            freed.extend(save_part(db, upload.upload_id, part))
    return Answer(
        headers={
            "ETag": f'"{part.etag}"',
            "x-oss-hash-crc64ecma": str(part.crc64),
            **upload.attributes.encryption,
        }
    )


def upload_part_copy(service: Service, call: Call) -> Answer:
    """UploadPartCopy: the bytes are read once, because a part has a CRC of its own."""
    number = _part_number(call)
    with service.catalog.reading() as db:
        upload = _get_upload(db, call)
        source, version = find_source(db, call)
        check_readable(version, int(service.now().timestamp()))
        client_encryption.check_part_copy(version.attributes.metadata)
        start, stop = _copy_range(call, version.size)
        reader = service.bodies.open(get_pieces(db, version), start, stop)
    try:
        body = SizedBody(reader.blocks(), stop - start, hashed=service.settings.md5_etags)
        saved = service.bodies.save(body)
    finally:
        reader.close()
    part = UploadedPart(
        number, saved.body, saved.size, service.new_etag(body.md5), saved.crc64, service.now()
    )
    try:
        with service.writing(call.bucket) as (db, _, freed):
            _get_upload(db, call)
            freed.extend(save_part(db, upload.upload_id, part))
    except BaseException:
        service.bodies.discard([saved.body])
        raise
    headers = {"x-oss-copy-source-version-id": version.version_id} if source.versioning else {}
    headers |= {"ETag": f'"{part.etag}"', "x-oss-hash-crc64ecma": str(part.crc64)}
    elements = [("LastModified", iso_time(part.modified)), ("ETag", f'"{part.etag}"')]
    return xml_answer(document("CopyPartResult", elements), headers)


def complete(service: Service, call: Call) -> Answer:
    """CompleteMultipartUpload."""
    every = call.headers.get("x-oss-complete-all", "").lower() == "yes"
    text = call.read_document()
    if every and text.strip():
        raise invalid_argument("A body and x-oss-complete-all exclude each other.")
    acl = check_acl(call.headers.get("x-oss-object-acl") or "default")
    named = None if every else _named_parts(text)
    with service.writing(call.bucket) as (db, bucket, freed):
        upload = _get_upload(db, call)
        parts = _chosen_parts(list_parts(db, upload.upload_id), named)
        client_encryption.check_complete(upload.attributes.metadata, [part.size for part in parts])
        check_overwrite(db, bucket, call)
        version = _completed(service, bucket, upload, parts, acl)
        pieces = [Piece(part.body, part.size) for part in parts]
        freed.extend(add_version(db, bucket, version, pieces))
        freed.extend(remove_upload(db, upload.upload_id))
    location = f"http://{call.host}/{call.bucket}/{quote(call.key, safe='')}"
    return xml_answer(
        document(
            "CompleteMultipartUploadResult",
            [
                ("EncodingType", call.encoding),
                ("Location", location),
                ("Bucket", call.bucket),
                ("Key", call.encode(call.key)),
                ("ETag", f'"{version.etag}"'),
            ],
        ),
        {
            "ETag": f'"{version.etag}"',
            "x-oss-hash-crc64ecma": str(version.crc64),
            **version_headers(bucket, version),
        },
    )


def abort(service: Service, call: Call) -> Answer:
    """AbortMultipartUpload."""
    with service.writing(call.bucket) as (db, _, freed):
        upload = _get_upload(db, call)
        freed.extend(remove_upload(db, upload.upload_id))
    return Answer(204)


def list_uploaded_parts(service: Service, call: Call) -> Answer:
    """ListParts, with what client-side encryption needs to continue an upload."""
    after = _number(call, "part-number-marker", 0, 0, MAX_PARTS)
    limit = _number(call, "max-parts", 1000, 1, 1000)
    with service.reading(call.bucket) as (db, _):
        upload = _get_upload(db, call)
        parts = list_parts(db, upload.upload_id, after)
    truncated = len(parts) > limit
    parts = parts[:limit]
    found = client_encryption.encryption_of(upload.attributes.metadata)
    return xml_answer(
        document(
            "ListPartsResult",
            [
                ("EncodingType", call.encoding),
                ("Bucket", call.bucket),
                ("Key", call.encode(call.key)),
                ("UploadId", upload.upload_id),
                ("StorageClass", upload.attributes.storage_class),
                ("PartNumberMarker", after),
                ("NextPartNumberMarker", parts[-1].number if parts else after),
                ("MaxParts", limit),
                ("IsTruncated", truncated),
                *((tag, found.get(suffix)) for suffix, tag in _CLIENT_ENCRYPTION.items()),
                *map(_part_node, parts),
            ],
        )
    )


def _part_node(part: UploadedPart) -> Node:
    return (
        "Part",
        [
            ("PartNumber", part.number),
            ("LastModified", iso_time(part.modified)),
            ("ETag", f'"{part.etag}"'),
            ("HashCrc64ecma", str(part.crc64)),
            ("Size", part.size),
        ],
    )


def _get_upload(db: sqlite3.Connection, call: Call) -> Upload:
    upload_id = call.query.get("uploadId", "")
    upload = find_upload(db, call.bucket, call.key, upload_id)
    if upload is None:
        raise no_such_upload(upload_id)
    return upload


def _part_number(call: Call) -> int:
    return _number(call, "partNumber", 0, 1, MAX_PARTS)


def _number(call: Call, name: str, default: int, least: int, most: int) -> int:
    return number_given(name, call.query.get(name) or str(default), least, most)


def _copy_range(call: Call, size: int) -> tuple[int, int]:
    header = call.headers.get("x-oss-copy-source-range")
    if not header:
        return 0, size
    match = _COPY_RANGE.fullmatch(header.strip())
    if match is None or int(match[2]) < int(match[1]):
        return 0, size
    start, stop = int(match[1]), int(match[2]) + 1
    if stop > size:
        raise OssError(416, "InvalidRange", "The requested range cannot be satisfied.")
    return start, stop


def _named_parts(text: bytes) -> list[tuple[int, str]]:
    named = []
    for node in parse(text, "CompleteMultipartUpload").findall("Part"):
        number = whole_number(text_of(node, "PartNumber"))
        if number is None:
            raise malformed_xml("A part number is no number.")
        named.append((number, text_of(node, "ETag").strip('"').upper()))
    if not 1 <= len(named) <= MAX_PARTS:
        raise malformed_xml(f"Name 1 to {MAX_PARTS:,} parts.")
    if any(a >= b for (a, _), (b, _) in pairwise(named)):
        raise OssError(
            400,
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts list must specified in order by "
            "part number.",
        )
    return named


def _chosen_parts(
    there: list[UploadedPart], named: list[tuple[int, str]] | None
) -> list[UploadedPart]:
    by_number = {part.number: part for part in there}
    if named is None:
        named = [(part.number, part.etag) for part in there]
    if not named:
        raise malformed_xml("The upload has no parts.")
    chosen = []
    for number, etag in named:
        part = by_number.get(number)
        if part is None or part.etag != etag:
            raise OssError(
                400,
                "InvalidPart",
                "One or more of the specified parts could not be found or the specified entity tag "
                "might not have matched the part's entity tag.",
                details={"PartNumber": str(number), "ETag": etag},
            )
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < MIN_PART:
            raise OssError(
                400,
                "EntityTooSmall",
                "Your proposed upload smaller than the minimum allowed size.",
                details={"PartNumber": str(part.number), "MinSizeAllowed": str(MIN_PART)},
            )
    return chosen


def _completed(
    service: Service, bucket: Bucket, upload: Upload, parts: list[UploadedPart], acl: str
) -> Version:
    return Version(
        name=upload.name,
        version_id=new_version_id(bucket),
        kind="Multipart",
        size=sum(part.size for part in parts),
        etag=f"{secrets.token_hex(16).upper()}-{len(parts)}",
        crc64=reduce(lambda crc, part: crc64_combine(crc, part.crc64, part.size), parts, 0),
        modified=service.now(),
        attributes=replace(upload.attributes, acl=acl),
    )
