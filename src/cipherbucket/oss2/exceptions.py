"""The exceptions of oss2, made of what the store answered or of what we found out ourselves.

::

    OssError                    .status .code .message .ec .request_id .headers .body .details
    ├── ClientError             the call; refused before anything was sent, or by a key
    ├── RequestError            no answer; .exception is what the transport says
    ├── InconsistentError       the object is not what it should be
    ├── OpenApiFormatError      an answer of the KMS cannot be understood
    ├── OpenApiServerError      the KMS refused or failed
    └── ServerError             OSS refused or failed; by (status, code):
        ├── NotFound            NoSuchKey, NoSuchBucket, NoSuchUpload ...
        ├── Conflict            ...
        └── AccessDenied, PreconditionFailed, NotModified, InvalidArgument ...

What this library found out is the ``__context__``; what it says, and what to do next, stand in the
message of the exception.
"""

from __future__ import annotations

import base64
import binascii
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import Protocol

from cipherbucket.oss2._client_errors import (
    OSS_CLIENT_ERROR_STATUS,
    OSS_FORMAT_ERROR_STATUS,
    OSS_INCONSISTENT_ERROR_STATUS,
    OSS_REQUEST_ERROR_STATUS,
    OSS_SELECT_CLIENT_ERROR_STATUS,
    ClientError,
    InconsistentError,
    OpenApiFormatError,
    OpenApiServerError,
    OssError,
    RequestError,
    ServerError,
)
from cipherbucket.oss2._server_errors import (
    AccessDenied,
    BucketNotEmpty,
    BucketReplicationAlreadyExist,
    ChannelStillLive,
    Conflict,
    InvalidArgument,
    InvalidDigest,
    InvalidEncryptionAlgorithmError,
    InvalidEncryptionRequest,
    InvalidObjectName,
    InvalidRequest,
    InvalidWORMConfiguration,
    LiveChannelDisabled,
    MalformedXml,
    NoSuchBucket,
    NoSuchBucketPolicy,
    NoSuchCors,
    NoSuchInventory,
    NoSuchKey,
    NoSuchLifecycle,
    NoSuchLiveChannel,
    NoSuchReplicationRule,
    NoSuchServerSideEncryptionRule,
    NoSuchTransferAccelerationConfiguration,
    NoSuchUpload,
    NoSuchWebsite,
    NoSuchWORMConfiguration,
    NotFound,
    NotImplemented,  # noqa: A004  a name of oss2
    NotModified,
    ObjectAlreadyExists,
    ObjectNotAppendable,
    OperationNotSupported,
    PartNotSequential,
    PositionNotEqualToLength,
    PreconditionFailed,
    RestoreAlreadyInProgress,
    SignatureDoesNotMatch,
    WORMConfigurationLocked,
)

__all__ = [
    "OSS_CLIENT_ERROR_STATUS",
    "OSS_FORMAT_ERROR_STATUS",
    "OSS_INCONSISTENT_ERROR_STATUS",
    "OSS_REQUEST_ERROR_STATUS",
    "OSS_SELECT_CLIENT_ERROR_STATUS",
    "AccessDenied",
    "BucketNotEmpty",
    "BucketReplicationAlreadyExist",
    "ChannelStillLive",
    "ClientError",
    "Conflict",
    "InconsistentError",
    "InvalidArgument",
    "InvalidDigest",
    "InvalidEncryptionAlgorithmError",
    "InvalidEncryptionRequest",
    "InvalidObjectName",
    "InvalidRequest",
    "InvalidWORMConfiguration",
    "LiveChannelDisabled",
    "MalformedXml",
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchCors",
    "NoSuchInventory",
    "NoSuchKey",
    "NoSuchLifecycle",
    "NoSuchLiveChannel",
    "NoSuchReplicationRule",
    "NoSuchServerSideEncryptionRule",
    "NoSuchTransferAccelerationConfiguration",
    "NoSuchUpload",
    "NoSuchWORMConfiguration",
    "NoSuchWebsite",
    "NotFound",
    "NotImplemented",
    "NotModified",
    "ObjectAlreadyExists",
    "ObjectNotAppendable",
    "OpenApiFormatError",
    "OpenApiServerError",
    "OperationNotSupported",
    "OssError",
    "PartNotSequential",
    "PositionNotEqualToLength",
    "PreconditionFailed",
    "RequestError",
    "RestoreAlreadyInProgress",
    "ServerError",
    "SignatureDoesNotMatch",
    "WORMConfigurationLocked",
    "make_exception",
]

_ERROR = "x-oss-err"
"""Where an answer to HEAD, which has no body, says what went wrong."""
_KEPT = 4096
"""Most bytes of an error's body that are kept."""


class Answer(Protocol):
    """What an exception is made of."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""

    def read(self, amt: int, /) -> bytes:
        """Read some of the body."""


def make_exception(resp: Answer) -> ServerError:
    """Return the exception that an answer of the service means."""
    body = resp.read(_KEPT)
    text = body
    if not body and (told := resp.headers.get(_ERROR)) is not None:
        try:
            text = base64.b64decode(told, validate=True)
        except (binascii.Error, ValueError):
            text = b""
    details = _details(text)
    kind = _kinds().get((resp.status, details.get("Code", "")), ServerError)
    return kind(resp.status, resp.headers, body, details)


def _kinds() -> dict[tuple[int, str], type[ServerError]]:
    """Return the exceptions by status and code; one without a code is for answers without one."""
    return {(kind.status, kind.code): kind for kind in _below(ServerError)}


def _below(kind: type[ServerError]) -> Iterator[type[ServerError]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from _below(sub)


def _details(text: bytes) -> dict[str, str]:
    try:
        root = ET.fromstring(text)  # noqa: S314  at most a few KiB, and expat expands no bombs
    except ET.ParseError:
        words = text.decode("utf-8", "replace")
        if "<Error>" not in words:
            return {}
        found = {name: re.search(f"<{name}>(.*?)</{name}>", words) for name in ("Code", "Message")}
        return {name: match.group(1) for name, match in found.items() if match is not None}
    if root.tag != "Error":
        return {}
    return {child.tag: child.text or "" for child in root}
