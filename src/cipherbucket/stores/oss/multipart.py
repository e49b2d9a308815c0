"""Multipart uploads in OSS: begun, filled with parts sent or copied, completed or aborted.

Rule: what may have been done is not done again by the SDK. A begun upload whose answer was lost
would stay behind unseen; only what is the same when repeated is retried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from urllib.parse import quote
from xml.sax.saxutils import escape

from cipherbucket.errors import PreconditionFailedError, UploadNotFoundError
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.contract import broken, check_parts
from cipherbucket.stores.http.understood import document_of
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.oss.answers import CALLBACK
from cipherbucket.stores.oss.client import OssClient
from cipherbucket.stores.oss.headers import metadata_headers, stored_object
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
    answer = client.send(
        "InitiateMultipartUpload",
        "POST",
        new.name,
        headers={**new.headers, **metadata_headers(new.metadata)},
        query={"uploads": "", "encoding-type": "url"},
        once=True,  # an answer that was lost leaves an upload behind
    )
    with document_of(answer, new.name) as root:
        if root.name("Key", new.name) != new.name:
            raise ValueError("the upload is none of this object")
        return root.id("UploadId")


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
    origin = copy_source(client.bucket, source.name, version_id)
    headers = {
        "x-oss-copy-source": origin,
        "x-oss-copy-source-range": f"bytes={start}-{stop - 1}",
        "x-oss-copy-source-if-match": f'"{source.etag}"',
    }
    query = {"partNumber": str(number), "uploadId": upload_id}
    try:
        answer = client.send("UploadPartCopy", "PUT", target, headers=headers, query=query)
    except PreconditionFailedError as error:
        error.name = source.name  # it is the source that is another
        raise
    with document_of(answer, source.name) as root:
        etag = root.etag()
    crc64 = stored_object(target, answer.headers, stop - start).crc64
    return Part(number, stop - start, etag, crc64)


def copy_source(bucket: str, name: str, version_id: str | None) -> str:
    """Return what ``x-oss-copy-source`` says of an object, or of a version of it."""
    version = "" if version_id is None else f"?versionId={quote(version_id)}"
    return f"/{bucket}/{quote(name)}{version}"


def list_parts(client: OssClient, name: str, upload_id: str) -> list[Part]:
    """List the parts that have arrived, by number."""
    parts: list[Part] = []
    marker = 0
    while True:
        with _page_of_parts(client, name, upload_id, marker) as page:
            found = [
                Part(item.number("PartNumber"), item.number("Size"), item.etag(), item.crc64())
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
    named = "".join(
        f'<Part><PartNumber>{part.number}</PartNumber><ETag>"{escape(part.etag)}"</ETag></Part>'
        for part in parts
    )
    headers = {} if acl is None else {"x-oss-object-acl": acl}
    if if_absent:
        headers["x-oss-forbid-overwrite"] = "true"
    answer = client.send(
        "CompleteMultipartUpload",
        "POST",
        name,
        headers=headers,
        query={"uploadId": upload_id, "encoding-type": "url"},
        body=f"<CompleteMultipartUpload>{named}</CompleteMultipartUpload>".encode(),
    )
    if CALLBACK not in client.added_headers:
        with document_of(answer, name) as root:
            root.etag()
    return answer.headers.get("x-oss-version-id")


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
