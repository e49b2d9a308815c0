"""Errors of OSS in our words: what the service's codes and the SDK's exceptions mean.

Rule: every error carries status, code, EC, request id and host as attributes; of the service's own
words only what is printable is shown, cut to a length.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from alibabacloud_oss_v2 import exceptions

from cipherbucket.errors import (
    CipherbucketError,
    ObjectNotFoundError,
    PreconditionFailedError,
    RangeError,
    StoreError,
    TransientStoreError,
    UploadNotFoundError,
)
from cipherbucket.stores.oss.http import TRANSIENT_STATUSES


@contextmanager
def service_errors(name: str | None = None) -> Iterator[None]:
    """Turn the SDK's exceptions into ours, with status, code, EC, request id and host."""
    try:
        yield
    except (
        ET.ParseError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        if isinstance(error, CipherbucketError):
            raise
        raise StoreError(
            f"the store's answer cannot be understood ({type(error).__name__})", name=name
        ) from error
    except exceptions.BaseError as error:
        cause: Exception = error
        while isinstance(cause, exceptions.OperationError) and cause.unwrap() is not None:
            cause = cause.unwrap()
        ours = _translated(cause, name)
        # One that our transport raised keeps its own cause; it is the SDK's error's cause itself.
        raise ours from (cause if ours.__traceback__ is None else ours.__cause__)


def _translated(error: Exception, name: str | None) -> CipherbucketError:
    inner: BaseException | None = error
    if isinstance(error, exceptions.RequestError | exceptions.ResponseError):
        inner = error.unwrap()
    elif isinstance(error, exceptions.CredentialsBaseError):
        inner = error.__context__  # what our provider of credentials says of them
    if isinstance(inner, CipherbucketError):
        return inner
    if isinstance(error, exceptions.ServiceError):
        return _service_error(error, name)
    if isinstance(error, exceptions.RequestError | exceptions.ResponseError):
        return TransientStoreError(f"the request failed: {type(inner).__name__}", name=name)
    if isinstance(error, exceptions.CredentialsBaseError):
        return StoreError(
            "there are no usable credentials",
            name=name,
            hint="set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
        )
    # What the libraries below the SDK say may repeat what was to be sent.
    said = _words(error) if isinstance(error, exceptions.BaseError) else type(error).__name__
    return StoreError(f"the SDK refused the request: {said}", name=name)


_BY_CODE: Mapping[str, tuple[type[CipherbucketError], str, str | None]] = {
    "NoSuchKey": (ObjectNotFoundError, "no such object", None),
    "NoSuchVersion": (ObjectNotFoundError, "no such version", None),
    "SymlinkTargetNotExist": (ObjectNotFoundError, "the symlink leads nowhere", None),
    "NoSuchUpload": (UploadNotFoundError, "no such unfinished upload", "begin the upload anew"),
    "FileAlreadyExists": (PreconditionFailedError, "there is an object of this name", None),
    "PreconditionFailed": (PreconditionFailedError, "the object is not the one expected", None),
    "InvalidPart": (PreconditionFailedError, "a part named is not there", "upload it again"),
    "InvalidRange": (RangeError, "the range begins after the end of the object", None),
    "InvalidObjectState": (
        StoreError,
        "the object is archived and must be restored before it is read",
        "restore it: bucket.restore(name), then wait until it is ready",
    ),
    "NoSuchBucket": (StoreError, "no such bucket", "check the bucket's name, region and endpoint"),
    "AccessDenied": (StoreError, "access denied", "check the bucket's policy and the access key"),
    "InvalidAccessKeyId": (StoreError, "the access key is unknown", "check OSS_ACCESS_KEY_ID"),
    "SignatureDoesNotMatch": (
        StoreError,
        "the signature does not match",
        "check OSS_ACCESS_KEY_SECRET, and the region",
    ),
    "RequestTimeTooSkewed": (StoreError, "this machine's clock is wrong", "set the clock"),
}


def _words(text: object) -> str:
    """Return the store's words, cut and printable: they go to logs and terminals."""
    return "".join(char if char.isprintable() else "?" for char in str(text or "")[:200])


def _service_error(error: Any, name: str | None) -> CipherbucketError:
    status, code = int(error.status_code), _words(error.code)
    if status == 404 and str(error.request_target).startswith("HEAD "):
        code = "NoSuchKey"  # the answer to a HEAD has no body to say it
    if status == 412:
        code = "PreconditionFailed"
    host = urlsplit(str(error.request_target).partition(" ")[2]).netloc
    details = (
        f"(HTTP {status}, {code}, EC {_words(error.ec) or '-'},"
        f" request {_words(error.request_id) or '-'}, {host})"
    )
    if status in TRANSIENT_STATUSES:
        ours: CipherbucketError = TransientStoreError(f"the store failed {details}", name=name)
    elif code in _BY_CODE:
        kind, text, hint = _BY_CODE[code]
        ours = kind(f"{text} {details}", name=name, hint=hint)
    else:
        ours = StoreError(f"the store refused: {_words(error.message)} {details}", name=name)
    if isinstance(ours, StoreError):
        ours.status, ours.code, ours.ec = status, code, error.ec or None
        ours.request_id, ours.host = error.request_id or None, host
    return ours
