"""Multipart uploads in OSS: begun, filled with parts sent or copied, completed or aborted.

Rule: what may have been done is not done again by the SDK. A begun upload whose answer was lost
would stay behind unseen; only what is the same when repeated is retried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from urllib.parse import quote

import alibabacloud_oss_v2 as sdk

from cipherbucket.errors import StoreError, UploadNotFoundError
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.oss.client import OssClient
from cipherbucket.stores.oss.errors import service_errors
from cipherbucket.stores.oss.headers import CRC64, metadata_headers, stored_object
from cipherbucket.stores.oss.listing import not_advancing
from cipherbucket.stores.oss.xml import Element
from cipherbucket.stores.records import MAX_PARTS, Part, StoredObject
from cipherbucket.stores.requests import NewObject

_ENVELOPE_FIELDS = {
    "ClientEncryptionKey": "client-side-encryption-key",
    "ClientEncryptionStart": "client-side-encryption-start",
    "ClientEncryptionCekAlg": "client-side-encryption-cek-alg",
    "ClientEncryptionWrapAlg": "client-side-encryption-wrap-alg",
    "ClientEncryptionDataSize": "client-side-encryption-data-size",
    "ClientEncryptionPartSize": "client-side-encryption-part-size",
}


def begin_upload(client: OssClient, new: NewObject) -> str:
    """Begin an upload and return its id."""
    with service_errors(new.name):
        result = client.sdk.initiate_multipart_upload(
            sdk.InitiateMultipartUploadRequest(
                bucket=client.bucket,
                key=new.name,
                encoding_type="url",
                metadata=new.metadata,
                headers={**client.added_headers, **new.headers},
            ),
            retry_max_attempts=1,  # an answer that was lost leaves an upload behind
        )
    if not result.upload_id:
        raise StoreError("the store began no upload", name=new.name)
    return str(result.upload_id)


def upload_part(client: OssClient, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
    """Send a part, with the metadata that OSS wants repeated with each."""
    response = client.send(
        "UploadPart",
        "PUT",
        name,
        headers=metadata_headers(body.metadata),
        query={"partNumber": str(number), "uploadId": upload_id},
        body=body,
    )
    answer = stored_object(name, response.headers, len(body))
    return Part(number, len(body), answer.etag, answer.crc64)


def copy_part(
    client: OssClient,
    source: StoredObject,
    version_id: str | None,
    target: str,
    upload_id: str,
    number: int,
    start: int,
    stop: int,
) -> Part:
    """Make bytes ``start`` to ``stop`` of an object a part, as long as it has its ETag."""
    with service_errors(source.name):
        result = client.sdk.upload_part_copy(
            sdk.UploadPartCopyRequest(
                bucket=client.bucket,
                key=target,
                part_number=number,
                upload_id=upload_id,
                source_key=source.name,
                source_version_id=None if version_id is None else quote(version_id),
                source_range=f"bytes={start}-{stop - 1}",
                if_match=f'"{source.etag}"',
            )
        )
        crc64 = result.headers.get(CRC64)
        etag = result.etag.strip('"')
        return Part(number, stop - start, etag, int(crc64) if crc64 else None)


def list_parts(client: OssClient, name: str, upload_id: str) -> list[Part]:
    """List the parts that have arrived, by number."""
    parts: list[Part] = []
    marker = 0
    while True:
        with _page_of_parts(client, name, upload_id, marker) as page:
            parts += [
                Part(item.number("PartNumber"), item.number("Size"), item.etag(""), item.crc64())
                for item in page.all("Part")
            ]
            if not page.flag("IsTruncated", "false"):
                return parts
            following = page.number("NextPartNumberMarker")
        if not marker < following <= MAX_PARTS:
            raise not_advancing(name)
        marker = following


def upload_metadata(client: OssClient, name: str, upload_id: str) -> Mapping[str, str]:
    """Return the envelope fields of ListParts; it leaves out the description."""
    with _page_of_parts(client, name, upload_id, 0) as page:
        return {field: page.text(tag) for tag, field in _ENVELOPE_FIELDS.items() if page.has(tag)}


def complete_upload(
    client: OssClient,
    name: str,
    upload_id: str,
    parts: Sequence[Part],
    *,
    if_absent: bool,
    acl: str | None,
) -> str | None:
    """Make the object of these parts.

    Args:
        client: The bucket's.
        name: The object's name.
        upload_id: From `begin_upload`.
        parts: In ascending order.
        if_absent: Only if there is no object of this name.
        acl: The object's; of the headers of a new object the one that a completion brings.

    Returns:
        Its version, in a bucket that keeps versions.
    """
    with service_errors(name):
        result = client.sdk.complete_multipart_upload(
            sdk.CompleteMultipartUploadRequest(
                bucket=client.bucket,
                key=name,
                upload_id=upload_id,
                encoding_type="url",
                headers=dict(client.added_headers),
                forbid_overwrite=if_absent or None,
                acl=acl,
                complete_multipart_upload=sdk.CompleteMultipartUpload(
                    parts=[
                        sdk.UploadPart(part_number=part.number, etag=f'"{part.etag}"')
                        for part in parts
                    ]
                ),
            )
        )
    version: str | None = result.version_id
    return version


def abort_upload(client: OssClient, name: str, upload_id: str) -> None:
    """Abort an upload, if there is one."""
    with suppress(UploadNotFoundError):
        client.send("AbortMultipartUpload", "DELETE", name, query={"uploadId": upload_id})


def _page_of_parts(
    client: OssClient, name: str, upload_id: str, marker: int
) -> AbstractContextManager[Element]:
    query = {
        "uploadId": upload_id,
        "part-number-marker": marker,
        "max-parts": 1000,
        "encoding-type": "url",
    }
    return client.reading("ListParts", query, name)
