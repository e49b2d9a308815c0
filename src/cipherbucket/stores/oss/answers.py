"""What proves that OSS did what it was asked, operation by operation.

Rule: a 2xx alone proves nothing; a web page of something in between has one too. What was stored
has an ETag. What is answered by a document is answered by the document of this operation, and what
is answered by nothing has no body. An ``<Error>`` in a 200 is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from cipherbucket.errors import StoreError
from cipherbucket.stores.http.client import Response
from cipherbucket.stores.http.described import check_headers
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.oss.errors import refusal_within
from cipherbucket.stores.oss.headers import CRC64

_DOCUMENTS: Mapping[str, str] = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CopyObject": "CopyObjectResult",
    "DeleteMultipleObjects": "DeleteResult",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectTagging": "Tagging",
    "InitiateMultipartUpload": "InitiateMultipartUploadResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
    "UploadPartCopy": "CopyPartResult",
}
"""The outermost element of the answer to an operation."""
_WITH_ETAG = frozenset(
    {"GetObject", "GetObjectMeta", "HeadObject", "PutObject", "PutSymlink", "UploadPart"}
)
_STATUSES: Mapping[str, tuple[int, ...]] = {
    "DELETE": (204,),
    "GetObject": (200, 206),
    "RestoreObject": (200, 202),
}
"""By operation, or else by method; 200 where neither is named."""
_PAGES = (b"<html", b"<!doctype html")
_ONCE = frozenset({CRC64, "x-oss-version-id"})
CALLBACK = "x-oss-callback"
"""With this header, the answer to an operation that has callbacks is another server's body."""
_CALLBACK_FAILED = 203
_WITH_CALLBACK = frozenset({"CompleteMultipartUpload", "PutObject"})


def check_proof(operation: str, answer: Response, sent: Mapping[str, str]) -> None:
    """Refuse an answer that does not prove that the operation was done.

    The document of an answer becomes its ``document``.

    Args:
        operation: Its name in the documents of OSS, such as ``PutObject``.
        answer: Its body has been read, unless the operation is ``GetObject``.
        sent: The request's headers, names in lower case.

    Raises:
        ValueError: It proves nothing.
        CipherbucketError: It holds an error.
    """
    check_headers(answer, "x-oss-", _ONCE)
    if answer.data[:64].lstrip().lower().startswith(_PAGES):
        raise StoreError(
            f"{urlsplit(answer.url).netloc} answered {operation} with a web page, unlike OSS",
            hint="check the endpoint (OSS_ENDPOINT); a proxy or a sign-in page may answer in its"
            " place",
        )
    statuses = _STATUSES.get(operation) or _STATUSES.get(answer.method, (200,))
    if answer.status not in statuses:
        if answer.status == _CALLBACK_FAILED:
            _refuse_error(Element.of(answer.data), answer)
        raise ValueError(f"HTTP {answer.status} is no answer to {operation}")
    if operation in _WITH_ETAG and not answer.headers.get("etag", "").strip('"'):
        raise ValueError(f"an answer to {operation} without ETag")
    if CALLBACK in sent and operation in _WITH_CALLBACK:
        return
    kind = _DOCUMENTS.get(operation)
    if kind is None:
        if answer.data:
            raise ValueError(f"an answer to {operation} that has a body")
        return
    answer.document = Element.of(answer.data)
    _refuse_error(answer.document, answer)
    if answer.document.kind != kind:
        raise ValueError(f"{answer.document.kind[:60]} is no answer to {operation}")


def _refuse_error(document: Element, answer: Response) -> None:
    if document.kind == "Error":
        raise refusal_within(answer, document)
