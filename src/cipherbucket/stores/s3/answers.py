"""What proves that S3 did what it was asked, operation by operation, and what headers say.

Rule: a 2xx alone proves nothing; a web page of something in between has one too. What was stored
has an ETag. What is answered by a document is answered by the document of this operation, and what
is answered by nothing has no body. An ``<Error>`` in a 200 is an error.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from cipherbucket.errors import IntegrityError, StoreError
from cipherbucket.format.crc64 import Crc
from cipherbucket.stores.http.client import Response
from cipherbucket.stores.http.described import check_headers
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.records import CONTENT_HEADERS, S3_HEADERS, StoredObject
from cipherbucket.stores.s3.errors import refusal_within
from cipherbucket.stores.s3.header_text import from_header

META = "x-amz-meta-"
_DOCUMENTS: Mapping[str, str] = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CopyObject": "CopyObjectResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectTagging": "Tagging",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
    "UploadPartCopy": "CopyPartResult",
}
"""The outermost element of the answer to an operation; some services write ``Response`` for
``Result``, and S3's own clients do not look."""
_WITH_ETAG = frozenset({"GetObject", "HeadObject", "PutObject", "UploadPart"})
_STATUSES: Mapping[str, tuple[int, ...]] = {
    "AbortMultipartUpload": (204,),
    "DeleteObject": (204,),
    "GetObject": (200, 206),
    "RestoreObject": (200, 202),
}
"""By operation; 200 where it is not named."""
CHECKSUMS: Mapping[Crc, tuple[str, int]] = {
    Crc.NVME: ("x-amz-checksum-crc64nvme", 8),
    Crc.CRC32: ("x-amz-checksum-crc32", 4),
}
"""The header of each kind, and its length in bytes."""
_PAGES = (b"<html", b"<!doctype html")
_ONCE = frozenset({"x-amz-version-id", *(header for header, _ in CHECKSUMS.values())})
_EPOCH = datetime.fromtimestamp(0, UTC)


def check_proof(operation: str, answer: Response) -> None:
    """Refuse an answer that does not prove that the operation was done.

    The document of an answer becomes its ``document``.

    Args:
        operation: Its name in the documents of S3, such as ``PutObject``.
        answer: Its body has been read, unless the operation is ``GetObject``.

    Raises:
        ValueError: It proves nothing.
        CipherbucketError: It holds an error.
    """
    check_headers(answer, "x-amz-", _ONCE)
    if answer.data[:64].lstrip().lower().startswith(_PAGES):
        raise StoreError(
            f"{urlsplit(answer.url).netloc} answered {operation} with a web page, unlike S3",
            hint="check the endpoint (AWS_ENDPOINT_URL); a proxy or a sign-in page may answer in"
            " its place",
        )
    if answer.status not in _STATUSES.get(operation, (200,)):
        raise ValueError(f"HTTP {answer.status} is no answer to {operation}")
    if operation in _WITH_ETAG and not answer.headers.get("etag", "").strip('"'):
        raise ValueError(f"an answer to {operation} without ETag")
    kind = _DOCUMENTS.get(operation)
    if kind is None:
        if answer.data.strip():
            raise ValueError(f"an answer to {operation} that has a body")
        return
    # While S3 completes an upload it sends blanks, so that nothing breaks the connection.
    answer.document = Element.of(answer.data.lstrip(), plus=True)
    if answer.document.kind == "Error":
        raise refusal_within(answer, answer.document)
    if answer.document.kind not in {kind, f"{operation}Response"}:
        raise ValueError(f"{answer.document.kind[:60]} is no answer to {operation}")


def stored_object(name: str, headers: Mapping[str, str], size: int) -> StoredObject:
    """Read an object's description from the headers of a GET, HEAD or PUT answer.

    Args:
        name: The name that was asked for.
        headers: Names in lower case.
        size: Size of the whole object in bytes.
    """
    crc, crc64 = _checksum(name, headers)
    return StoredObject(
        name=name,
        size=size,
        etag=headers.get("etag", "").strip('"'),
        modified=_date(headers),
        crc64=crc64,
        crc=crc,
        metadata={
            key.removeprefix(META): from_header(text)
            for key, text in headers.items()
            if key.startswith(META)
        },
        headers={
            key: text
            for key, text in headers.items()
            if key in CONTENT_HEADERS or key in S3_HEADERS
        },
        version_id=headers.get("x-amz-version-id"),
        restore=headers.get("x-amz-restore"),
    )


def decoded_checksum(text: str, size: int) -> int:
    """Return a checksum that came in base64.

    Args:
        text: As it came.
        size: Its length in bytes.

    Raises:
        ValueError: It is none of that length.
    """
    raw = b64decode(text, validate=True)
    if len(raw) != size:
        raise ValueError(f"a checksum of {len(raw)} bytes")
    return int.from_bytes(raw)


def _checksum(name: str, headers: Mapping[str, str]) -> tuple[Crc, int | None]:
    """Return the CRC that the store keeps of the whole object, if it keeps one.

    One of several parts is made of theirs, not of the object's bytes, unless its type says so.
    """
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT":
        for crc, (header, size) in CHECKSUMS.items():
            text = headers.get(header, "")
            if not text or "-" in text:
                continue
            try:
                return crc, decoded_checksum(text, size)
            except ValueError:
                raise IntegrityError("the store's checksum is none", name=name) from None
    return Crc.NVME, None


def _date(headers: Mapping[str, str]) -> datetime:
    """Return Last-Modified; a PUT's answer has only the Date it was given at."""
    try:
        parsed = parsedate_to_datetime(headers.get("last-modified") or headers.get("date", ""))
    except (ValueError, OverflowError):
        return _EPOCH
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
