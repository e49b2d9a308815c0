"""What refusals of S3 mean, in errors of ours.

Rule: the services behind the protocol differ in words and agree in codes, so the code decides. What
is shown of an answer is cut and printable, and of a URL its host alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

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
_CREDENTIALS = "check the AWS_ variables, the profile, or what credentials= was given"
_LOG_IN = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile of ~/.aws/config"
)
_CHECK_ENDPOINT = "check the endpoint (AWS_ENDPOINT_URL)"
_BY_CODE: Mapping[str, tuple[type[CipherbucketError], str, str | None]] = {
    "NoSuchKey": (ObjectNotFoundError, "there is no such object", None),
    "NoSuchVersion": (ObjectNotFoundError, "no such version", _VERSIONS),
    "NoSuchUpload": (UploadNotFoundError, "no such unfinished upload", "begin the upload anew"),
    "PreconditionFailed": (PreconditionFailedError, "the object is not the one expected", None),
    "InvalidPart": (PreconditionFailedError, "a part named is not there", "upload it again"),
    "InvalidRange": (RangeError, "the range begins after the end of the object", None),
    "InvalidObjectState": (
        StoreError,
        "the object is archived and must be restored before it is read",
        "restore it: bucket.restore(name), then wait until it is ready",
    ),
    "NoSuchBucket": (StoreError, "no such bucket", "check the bucket's name, region and endpoint"),
    "InvalidAccessKeyId": (StoreError, "the access key is unknown", _CREDENTIALS),
    "SignatureDoesNotMatch": (
        StoreError,
        "the signature does not match",
        "check the secret access key and the region; something on the way may change requests",
    ),
    "ExpiredToken": (StoreError, "the credentials have expired", _CREDENTIALS),
    "InvalidToken": (StoreError, "the session token is not valid", _CREDENTIALS),
    "RequestTimeTooSkewed": (StoreError, "this machine's clock is wrong", "set the clock"),
    "EntityTooSmall": (
        StoreError,
        "a part is smaller than the store takes",
        "upload it again with larger parts: 5 MiB or more",
    ),
    "MetadataTooLarge": (
        StoreError,
        "the object has more metadata than the store keeps",
        "give it less metadata, or fewer recipients",
    ),
}
_TRANSIENT_CODES = {
    "ConditionalRequestConflict",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
}
_ELSEWHERE = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
}
_PROXY_ASKS = 407
_REGION = re.compile(r"[a-z]{2,}-[a-z0-9-]{1,40}")
_HTTPS_WANTED = (b"HTTP request was sent to HTTPS port", b"HTTP request to an HTTPS server")
"""What nginx and Go answer to plain HTTP where they speak TLS."""
_NO_METHOD, _NO_CONTENT_HERE = 405, "x-amz-delete-marker"


def no_credentials(name: str | None) -> StoreError:
    """Return the error of a request that nothing was found to sign with."""
    return StoreError("no access key for S3 was found", name=name, hint=_LOG_IN)


def not_sent(error: Exception, name: str | None) -> StoreError:
    """Return what botocore means that failed before the store was asked."""
    return StoreError(
        f"the request could not be signed and sent: {words(error)}",
        name=name,
        hint=f"the store was not asked; {_CREDENTIALS}",
    )


def may_pass(status: int) -> bool:
    """Return whether the same request may go well the next time, after this answer."""
    return status in {408, 429} or (status >= 500 and status not in {501, 505})


def is_elsewhere(answer: Response) -> bool:
    """Return whether an answer sends the request to another region, where it is made anew."""
    code = getattr(refusal(answer), "code", None)
    return answer.status in {301, 302, 307} or code in _ELSEWHERE


def code_and_region(answer: Response) -> bytes:
    """Return a refusal as botocore may read it, which fails over documents of other shapes."""
    said = _said(answer)
    fields = (f"<{key}>{escape(said.get(key, ''))}</{key}>" for key in ("Code", "Region"))
    return f"<Error>{''.join(fields)}</Error>".encode() if said else b""


def refusal(answer: Response) -> CipherbucketError:
    """Return the error that an answer is which is not 2xx; its body has been read."""
    said = _said(answer)
    if answer.status == 404 and answer.method == "HEAD":
        said.setdefault("Code", "NoSuchKey")
    if answer.status == 412:
        said["Code"] = "PreconditionFailed"
    transient = may_pass(answer.status) or said.get("Code") in _TRANSIENT_CODES
    return _error(answer, said, transient=transient)


def refusal_within(answer: Response, document: Element) -> CipherbucketError:
    """Return the error that a 200 holds: S3 finds some only after it began to answer."""
    said = _fields(document)
    return _error(answer, said, transient=said.get("Code") in _TRANSIENT_CODES)


def exists(name: str) -> ObjectExistsError:
    """Return the refusal of a name that an object has already."""
    return ObjectExistsError("there is an object of this name already", name=name)


def _said(answer: Response) -> dict[str, str]:
    try:
        document = Element.of(answer.data)
        return _fields(document) if document.kind == "Error" else {}
    except ValueError:
        return {}


def _fields(document: Element) -> dict[str, str]:
    fields = ("Code", "Message", "RequestId", "Region", "Endpoint", "ArgumentName")
    return {field: text for field in fields if (text := document.text(field, ""))}


def _error(answer: Response, said: Mapping[str, str], *, transient: bool) -> CipherbucketError:
    code, host = words(said.get("Code")), urlsplit(answer.url).netloc
    request_id = words(said.get("RequestId") or answer.headers.get("x-amz-request-id"))
    details = f"(HTTP {answer.status}, {code or 'no code'}, request {request_id or '-'}, {host})"
    known = _BY_CODE.get(code)
    if code == "InvalidArgument" and said.get("ArgumentName") == "versionId":
        known = _BY_CODE["NoSuchVersion"]  # an id that no version can have
    if answer.status == _NO_METHOD and answer.headers.get(_NO_CONTENT_HERE) == "true":
        marker = "this version is a delete marker, which has no content"
        known = (ObjectNotFoundError, marker, _VERSIONS)
    if transient:
        ours: CipherbucketError = TransientStoreError(f"the store failed {details}")
    elif known is not None:
        kind, text, hint = known
        ours = kind(f"{text} {details}", hint=hint)
    else:
        message, hint = _explained(answer, said, code)
        ours = StoreError(f"{message} {details}", hint=hint)
    if isinstance(ours, StoreError):
        ours.status, ours.code = answer.status, code or None
        ours.request_id, ours.host = request_id or None, host
    return ours


def _explained(answer: Response, said: Mapping[str, str], code: str) -> tuple[str, str | None]:
    """Return what a refusal means that is not in `_BY_CODE`, and what to do next."""
    message, hint = words(said.get("Message")), None
    region = answer.headers.get("x-amz-bucket-region") or said.get("Region", "")
    if code in _ELSEWHERE and _REGION.fullmatch(region):
        hint = f"the bucket is elsewhere: set AWS_REGION={region}"
    elif code == "AccessDenied" or (answer.status == 403 and not code):
        hint = "check the bucket's policy and the access key"
        return f"access denied: {message or 'the store does not say why'}", hint
    elif not code:
        message, hint = _of_somebody_else(answer)
    return f"the store refused: {message or 'it does not say why'}", hint


def _of_somebody_else(answer: Response) -> tuple[str, str]:
    if answer.status == _PROXY_ASKS:
        return "its proxy wants a user name and a password", PROXY_PASSWORD
    if any(words in answer.data for words in _HTTPS_WANTED):
        return "it speaks https, and http was asked", WRITE_HTTPS
    return "", f"{_CHECK_ENDPOINT}; a proxy may answer in its place"
