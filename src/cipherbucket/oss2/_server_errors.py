"""What OSS refuses or fails with: `ServerError`, and its kinds by HTTP status and code.

A kind without a code is for answers that bring none, and the root of its kinds.
"""

from __future__ import annotations

import base64
import binascii
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Protocol

from cipherbucket.oss2._client_errors import OssError

_ERROR = "x-oss-err"
"""Where an answer to HEAD, which has no body, says what went wrong."""
_KEPT = 4096
"""Most bytes of an error's body that are kept."""
_SIGNED = re.compile(
    rb"(?s)<(StringToSign|StringToSignBytes|CanonicalRequest|SignatureProvided)\b.*?(?:</\1>|\Z)"
)
"""What was signed, a security token among it: a wrong signature is answered with it."""
_KINDS: dict[tuple[int, str], type[ServerError]] = {}


class ServerError(OssError):
    """The service refused or failed."""

    def __init_subclass__(cls, status: int | None = None, code: str | None = None) -> None:
        """Register a kind by its status and code; None takes the class's name as the code.

        A class of a program's own has no status, and is not registered.
        """
        super().__init_subclass__()
        if status is not None:
            cls.status, cls.code = status, cls.__name__ if code is None else code
            _KINDS[cls.status, cls.code] = cls


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
    body = _SIGNED.sub(b"", resp.read(_KEPT))
    text = body
    if not body and (encoded := resp.headers.get(_ERROR)) is not None:
        try:
            text = _SIGNED.sub(b"", base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            text = b""
    details = _details(text)
    kind = _KINDS.get((resp.status, details.get("Code", "")), ServerError)
    return kind(resp.status, resp.headers, body, details)


def _details(text: bytes) -> dict[str, str]:
    try:
        root = ET.fromstring(text)  # noqa: S314  at most a few KiB, and expat expands no bombs
    except ET.ParseError:
        raw = text.decode("utf-8", "replace")
        if "<Error>" not in raw:
            return {}
        found = {name: re.search(f"<{name}>(.*?)</{name}>", raw) for name in ("Code", "Message")}
        return {name: match.group(1) for name, match in found.items() if match is not None}
    if root.tag != "Error":
        return {}
    return {child.tag: child.text or "" for child in root}


class NotFound(ServerError, status=404, code=""):
    """Something of this name is not there."""


class Conflict(ServerError, status=409, code=""):
    """Something else is there."""


class NotModified(ServerError, status=304, code=""):
    """A condition on the time or ETag did not hold."""


class InvalidArgument(ServerError, status=400):
    """A header or parameter that cannot be."""

    @property
    def name(self) -> str | None:
        """Which one."""
        return self.details.get("ArgumentName")

    @property
    def value(self) -> str | None:
        """What it was."""
        return self.details.get("ArgumentValue")


class PositionNotEqualToLength(Conflict, status=409):
    """Something was appended at a place that is not the end."""

    @property
    def next_position(self) -> int:
        """Where the end is."""
        return int(self.headers.get("x-oss-next-append-position", "0"))


class MalformedXml(ServerError, status=400, code="MalformedXML"):
    """400 MalformedXML."""


class InvalidRequest(ServerError, status=400):
    """400 InvalidRequest."""


class OperationNotSupported(ServerError, status=400):
    """400 OperationNotSupported."""


class InvalidDigest(ServerError, status=400):
    """400 InvalidDigest."""


class InvalidObjectName(ServerError, status=400):
    """400 InvalidObjectName."""


class NotImplemented(ServerError, status=400):  # noqa: A001
    """400 NotImplemented."""


class InvalidEncryptionRequest(ServerError, status=400):
    """400 InvalidEncryptionRequest."""


class BucketReplicationAlreadyExist(ServerError, status=400):
    """400 BucketReplicationAlreadyExist."""


class InvalidEncryptionAlgorithmError(ServerError, status=400):
    """400 InvalidEncryptionAlgorithmError."""


class ObjectAlreadyExists(ServerError, status=400):
    """400 ObjectAlreadyExists."""


class PartNotSequential(ServerError, status=400):
    """400 PartNotSequential."""


class InvalidWORMConfiguration(ServerError, status=400):
    """400 InvalidWORMConfiguration."""


class AccessDenied(ServerError, status=403):
    """403 AccessDenied."""


class SignatureDoesNotMatch(ServerError, status=403):
    """403 SignatureDoesNotMatch."""


class WORMConfigurationLocked(ServerError, status=403):
    """403 WORMConfigurationLocked."""


class NoSuchWORMConfiguration(ServerError, status=404):
    """404 NoSuchWORMConfiguration."""


class NoSuchTransferAccelerationConfiguration(ServerError, status=404):
    """404 NoSuchTransferAccelerationConfiguration."""


class RestoreAlreadyInProgress(ServerError, status=409):
    """409 RestoreAlreadyInProgress."""


class PreconditionFailed(ServerError, status=412):
    """412 PreconditionFailed."""


class NoSuchBucket(NotFound, status=404):
    """404 NoSuchBucket."""


class NoSuchKey(NotFound, status=404):
    """404 NoSuchKey."""


class NoSuchUpload(NotFound, status=404):
    """404 NoSuchUpload."""


class NoSuchWebsite(NotFound, status=404, code="NoSuchWebsiteConfiguration"):
    """404 NoSuchWebsiteConfiguration."""


class NoSuchLifecycle(NotFound, status=404):
    """404 NoSuchLifecycle."""


class NoSuchCors(NotFound, status=404, code="NoSuchCORSConfiguration"):
    """404 NoSuchCORSConfiguration."""


class NoSuchLiveChannel(NotFound, status=404):
    """404 NoSuchLiveChannel."""


class NoSuchBucketPolicy(NotFound, status=404):
    """404 NoSuchBucketPolicy."""


class NoSuchInventory(NotFound, status=404):
    """404 NoSuchInventory."""


class NoSuchReplicationRule(NotFound, status=404):
    """404 NoSuchReplicationRule."""


class NoSuchServerSideEncryptionRule(NotFound, status=404):
    """404 NoSuchServerSideEncryptionRule."""


class BucketNotEmpty(Conflict, status=409):
    """409 BucketNotEmpty."""


class ObjectNotAppendable(Conflict, status=409):
    """409 ObjectNotAppendable."""


class ChannelStillLive(Conflict, status=409):
    """409 ChannelStillLive."""


class LiveChannelDisabled(Conflict, status=409):
    """409 LiveChannelDisabled."""
