"""Multipart uploads in S3: begun, filled with parts sent or copied, completed or aborted.

Rule: what may have been done is not done again by botocore. A begun upload whose answer was lost
would stay behind unseen; only what is the same when repeated is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import quote

from cipherbucket.errors import PreconditionFailedError, UploadNotFoundError
from cipherbucket.format.crc64 import Crc
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.contract import broken, check_parts
from cipherbucket.stores.http.understood import document_of
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.records import MAX_PARTS, NOTHING, Part, StoredObject
from cipherbucket.stores.requests import NewObject
from cipherbucket.stores.s3.answers import decoded_checksum, stored_object
from cipherbucket.stores.s3.client import S3Client
from cipherbucket.stores.s3.header_text import metadata_headers


def begin_upload(client: S3Client, new: NewObject) -> str:
    """Begin an upload and return its id."""
    answer = client.send(
        "CreateMultipartUpload",
        new.name,
        headers={**new.headers, **metadata_headers(new.metadata)},
        once=True,  # an answer that was lost leaves an upload behind
    )
    with document_of(answer, new.name) as root:
        if root.text("Key", new.name) != new.name:
            raise ValueError("the upload is none of this object")
        return root.id("UploadId")


def _crc64(part: Element) -> int | None:
    text = part.text("ChecksumCRC64NVME", "")
    return decoded_checksum(text, 8) if text else None


def upload_part(client: S3Client, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
    """Send a part."""
    answer = client.send("UploadPart", name, body=body, UploadId=upload_id, PartNumber=number)
    stored = stored_object(name, answer.headers, len(body))
    return Part(number, len(body), stored.etag, stored.crc64, stored.crc)


def copy_part(
    client: S3Client,
    source: StoredObject,
    version_id: str | None,
    target: str,
    upload_id: str,
    number: int,
    start: int,
    stop: int,
) -> Part:
    """Make bytes ``start`` to ``stop`` of an object a part, as long as it has its ETag."""
    headers = {
        "x-amz-copy-source": copy_source(client.bucket, source.name, version_id),
        "x-amz-copy-source-range": f"bytes={start}-{stop - 1}",
        "x-amz-copy-source-if-match": f'"{source.etag}"',
    }
    try:
        answer = client.send(
            "UploadPartCopy", target, headers=headers, UploadId=upload_id, PartNumber=number
        )
    except PreconditionFailedError as error:
        error.name = source.name  # it is the source that is another
        raise
    with document_of(answer, source.name) as root:
        return Part(number, stop - start, root.etag())


def copy_source(bucket: str, name: str, version_id: str | None) -> str:
    """Return what ``x-amz-copy-source`` says of an object, or of a version of it."""
    version = "" if version_id is None else f"?versionId={quote(version_id, safe='')}"
    return f"/{bucket}/{quote(name)}{version}"


def list_parts(client: S3Client, name: str, upload_id: str) -> list[Part]:
    """List the parts that have arrived, by number."""
    parts: list[Part] = []
    marker = 0
    while True:
        with client.reading(
            "ListParts", name, UploadId=upload_id, PartNumberMarker=marker or None
        ) as page:
            found = [
                Part(
                    item.number("PartNumber"),
                    item.number("Size"),
                    item.etag(),
                    _crc64(item),
                    Crc.NVME,
                )
                for item in page.all("Part")
            ]
            parts += check_parts(found, name)
            if not page.flag("IsTruncated"):
                return parts
            following = page.number("NextPartNumberMarker")
        if not found or not marker < following <= MAX_PARTS:
            raise broken("it does not advance", name)
        if len(parts) > MAX_PARTS:
            raise broken(f"more than {MAX_PARTS:,} parts", name)
        marker = following


def complete_upload(
    client: S3Client,
    name: str,
    upload_id: str,
    parts: Sequence[Part],
    conditions: Mapping[str, str] = NOTHING,
) -> str | None:
    """Make the object of these parts.

    Args:
        client: The bucket's.
        name: The object's name.
        upload_id: From `begin_upload`.
        parts: In ascending order.
        conditions: Headers that say what must hold of the name.

    Returns:
        Its version, in a bucket that keeps versions.
    """
    named = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
    answer = client.send(
        "CompleteMultipartUpload",
        name,
        headers=conditions,
        once=bool(conditions),  # one that held at the first request would not at the second
        UploadId=upload_id,
        MultipartUpload={"Parts": named},
    )
    with document_of(answer, name) as root:
        if root.text("Key", name) != name:
            raise ValueError("the object that was completed is another")
        root.etag()
    return answer.headers.get("x-amz-version-id")


def abort_upload(client: S3Client, name: str, upload_id: str) -> None:
    """Abort an upload; one that is not there is no error."""
    with suppress(UploadNotFoundError):
        client.send("AbortMultipartUpload", name, UploadId=upload_id)
