"""Errors of OSS in our words: what the service's answers mean (the SDK's: `sdk_errors`).

Rule: every error carries status, code, EC, request id and host as attributes, as far as the answer
says them: a proxy's error has no document, and may have no header that could be counted on. Of the
service's own words only what is printable is shown, cut to a length. An ``<Error>`` is an error
whatever the status says.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import urlsplit

from cipherbucket.errors import (
    CipherbucketError,
    ObjectExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    RangeError,
    StoreError,
    TransientStoreError,
    UploadNotFoundError,
)
from cipherbucket.network import PROXY_PASSWORD
from cipherbucket.stores.http.client import Response
from cipherbucket.stores.http.no_answer import WRITE_HTTPS
from cipherbucket.stores.http.understood import words
from cipherbucket.stores.http.xml import Element

_VERSIONS = "bucket.versions(name) lists them"
_DELETE_MARKER = (
    ObjectNotFoundError,
    "this version is a delete marker, which has no content",
    _VERSIONS,
)
_BY_CODE: Mapping[str, tuple[type[CipherbucketError], str, str | None]] = {
    "NoSuchKey": (ObjectNotFoundError, "there is no such object", None),
    "NoSuchVersion": (ObjectNotFoundError, "no such version", _VERSIONS),
    "SymlinkTargetNotExist": (ObjectNotFoundError, "the symlink leads nowhere", None),
    "NoSuchUpload": (UploadNotFoundError, "no such unfinished upload", "begin the upload anew"),
    "FileAlreadyExists": (ObjectExistsError, "there is an object of this name already", None),
    "PreconditionFailed": (PreconditionFailedError, "the object is not the one expected", None),
    "InvalidPart": (PreconditionFailedError, "a part named is not there", "upload it again"),
    "InvalidRange": (RangeError, "the range begins after the end of the object", None),
    "InvalidObjectState": (
        StoreError,
        "the object is archived and must be restored before it is read",
        "restore it: bucket.restore(name), then wait until it is ready",
    ),
    "NoSuchBucket": (StoreError, "no such bucket", "check the bucket's name, region and endpoint"),
    "InvalidAccessKeyId": (StoreError, "the access key is unknown", "check OSS_ACCESS_KEY_ID"),
    "SignatureDoesNotMatch": (
        StoreError,
        "the signature does not match",
        "check OSS_ACCESS_KEY_SECRET, and the region",
    ),
    "RequestTimeTooSkewed": (StoreError, "this machine's clock is wrong", "set the clock"),
}


ELSEWHERE = "the bucket is elsewhere"
"""How the hint begins if the bucket is in another region."""
_CHECK_ENDPOINT = "check the endpoint (OSS_ENDPOINT)"
_PROXY_ASKS = 407
_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_REGION = re.compile(r"oss-([a-z]{2,}-[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com\Z")
_SCHEME_AND_HOST = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?(?=[/?]|\Z)")
"""What is shown of a URL, of which the rest may hold a signature."""
_HTTPS_WANTED = (b"HTTP request was sent to HTTPS port", b"HTTP request to an HTTPS server")
"""What nginx and Go answer to plain HTTP where they speak TLS."""


def may_pass(status: int) -> bool:
    """Return whether the same request may go well the next time, after this answer."""
    return status in {408, 429} or (status >= 500 and status not in {501, 505})


def refusal(answer: Response) -> CipherbucketError:
    """Return the error that an answer is which is not 2xx; its body has been read."""
    body = answer.data
    try:
        if not body:  # a HEAD's
            body = b64decode(answer.headers.get("x-oss-err", ""), validate=True)
        document = Element.of(body)
        said = _fields(document) if document.kind == "Error" else {}
    except ValueError:
        said = {}
    if answer.status == 404 and answer.method == "HEAD":
        said.setdefault("Code", "NoSuchKey")
    if answer.status == 412:
        said["Code"] = "PreconditionFailed"
    return _error(answer, said, transient=may_pass(answer.status))


def refusal_within(answer: Response, document: Element) -> CipherbucketError:
    """Return the error that a 200 holds: OSS finds some only after it began to answer."""
    said = _fields(document)
    return _error(answer, said, transient=said.get("Code") in _TRANSIENT_CODES)


def _fields(document: Element) -> dict[str, str]:
    fields = ("Code", "Message", "EC", "RequestId", "Endpoint")
    return {field: text for field in fields if (text := document.text(field, ""))}


_TRANSIENT_CODES = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown"}


def _error(answer: Response, said: Mapping[str, str], *, transient: bool) -> CipherbucketError:
    code, host = words(said.get("Code")), urlsplit(answer.url).netloc
    ec = words(said.get("EC") or answer.headers.get("x-oss-ec"))
    request_id = words(said.get("RequestId") or answer.headers.get("x-oss-request-id"))
    details = (
        f"(HTTP {answer.status}, {code or 'no code'}, EC {ec or '-'},"
        f" request {request_id or '-'}, {host})"
    )
    is_marker = answer.status == 405 and answer.headers.get("x-oss-delete-marker") == "true"
    known = _DELETE_MARKER if is_marker else _BY_CODE.get(code)
    if transient:
        ours: CipherbucketError = TransientStoreError(f"the store failed {details}")
    elif known is not None:
        kind, text, hint = known
        ours = kind(f"{text} {details}", hint=hint)
    else:
        message, hint = _explained(answer, said, code)
        ours = StoreError(f"{message} {details}", hint=hint)
    if isinstance(ours, StoreError):
        ours.status, ours.code, ours.ec = answer.status, code or None, ec or None
        ours.request_id, ours.host = request_id or None, host
    return ours


def _explained(answer: Response, said: Mapping[str, str], code: str) -> tuple[str, str | None]:
    """Return what a refusal means that is not in `_BY_CODE`, and what to do next."""
    message, hint = words(said.get("Message")), None
    if endpoint := _ENDPOINT.fullmatch(said.get("Endpoint", "")):
        region = _REGION.match(endpoint[0])
        where = f"OSS_REGION={region[1]} and OSS_ENDPOINT" if region else "OSS_ENDPOINT"
        hint = f"{ELSEWHERE}: set {where}={endpoint[0]}"
    elif code == "AccessDenied":
        hint = "check the bucket's policy and the access key"
    elif answer.status // 100 == 3 and (moved := _SCHEME_AND_HOST.match(_location(answer))):
        message = message or f"it sends to {moved[0]}"
        hint = f"nothing was asked at {moved[0]}; {_CHECK_ENDPOINT}"
    elif not code:
        message, hint = _of_somebody_else(answer)
    start = "access denied" if code == "AccessDenied" else "the store refused"
    return f"{start}: {message or 'it does not say why, as OSS does'}", hint


def _of_somebody_else(answer: Response) -> tuple[str, str]:
    if answer.status == _PROXY_ASKS:
        return "its proxy wants a user name and a password", PROXY_PASSWORD
    if any(words in answer.data for words in _HTTPS_WANTED):
        return "it speaks https, and http was asked", WRITE_HTTPS
    return "", f"{_CHECK_ENDPOINT}; a proxy may answer in its place"


def _location(answer: Response) -> str:
    return answer.headers.get("location", "")
