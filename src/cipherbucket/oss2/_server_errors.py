"""What OSS refuses or fails with, one exception a status and code.

One without a code is for answers that bring none, and the root of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping

from cipherbucket.oss2._client_errors import ServerError


class NotFound(ServerError):  # noqa: N818  a name of oss2
    """Something of this name is not there."""

    status = 404


class Conflict(ServerError):  # noqa: N818
    """Something else is there."""

    status = 409


class NotModified(ServerError):  # noqa: N818
    """A condition on the time or ETag did not hold."""

    status = 304


class InvalidArgument(ServerError):  # noqa: N818
    """A header or parameter that cannot be.

    Attributes:
        name: Which one.
        value: What it was.
    """

    status = 400
    code = "InvalidArgument"

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes | str,
        details: Mapping[str, str],
    ) -> None:
        super().__init__(status, headers, body, details)
        self.name = details.get("ArgumentName")
        self.value = details.get("ArgumentValue")


class PositionNotEqualToLength(Conflict):
    """Something was appended at a place that is not the end.

    Attributes:
        next_position: Where the end is.
    """

    code = "PositionNotEqualToLength"

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes | str,
        details: Mapping[str, str],
    ) -> None:
        super().__init__(status, headers, body, details)
        self.next_position = int(headers.get("x-oss-next-append-position", "0"))


class MalformedXml(ServerError):  # noqa: N818
    """400 MalformedXML."""

    status = 400
    code = "MalformedXML"


class InvalidRequest(ServerError):  # noqa: N818
    """400 InvalidRequest."""

    status = 400
    code = "InvalidRequest"


class OperationNotSupported(ServerError):  # noqa: N818
    """400 OperationNotSupported."""

    status = 400
    code = "OperationNotSupported"


class InvalidDigest(ServerError):  # noqa: N818
    """400 InvalidDigest."""

    status = 400
    code = "InvalidDigest"


class InvalidObjectName(ServerError):  # noqa: N818
    """400 InvalidObjectName."""

    status = 400
    code = "InvalidObjectName"


class NotImplemented(ServerError):  # noqa: A001, N818
    """400 NotImplemented."""

    status = 400
    code = "NotImplemented"


class InvalidEncryptionRequest(ServerError):  # noqa: N818
    """400 InvalidEncryptionRequest."""

    status = 400
    code = "InvalidEncryptionRequest"


class BucketReplicationAlreadyExist(ServerError):  # noqa: N818
    """400 BucketReplicationAlreadyExist."""

    status = 400
    code = "BucketReplicationAlreadyExist"


class InvalidEncryptionAlgorithmError(ServerError):
    """400 InvalidEncryptionAlgorithmError."""

    status = 400
    code = "InvalidEncryptionAlgorithmError"


class ObjectAlreadyExists(ServerError):  # noqa: N818
    """400 ObjectAlreadyExists."""

    status = 400
    code = "ObjectAlreadyExists"


class PartNotSequential(ServerError):  # noqa: N818
    """400 PartNotSequential."""

    status = 400
    code = "PartNotSequential"


class InvalidWORMConfiguration(ServerError):  # noqa: N818
    """400 InvalidWORMConfiguration."""

    status = 400
    code = "InvalidWORMConfiguration"


class AccessDenied(ServerError):  # noqa: N818
    """403 AccessDenied."""

    status = 403
    code = "AccessDenied"


class SignatureDoesNotMatch(ServerError):  # noqa: N818
    """403 SignatureDoesNotMatch."""

    status = 403
    code = "SignatureDoesNotMatch"


class WORMConfigurationLocked(ServerError):  # noqa: N818
    """403 WORMConfigurationLocked."""

    status = 403
    code = "WORMConfigurationLocked"


class NoSuchWORMConfiguration(ServerError):  # noqa: N818
    """404 NoSuchWORMConfiguration."""

    status = 404
    code = "NoSuchWORMConfiguration"


class NoSuchTransferAccelerationConfiguration(ServerError):  # noqa: N818
    """404 NoSuchTransferAccelerationConfiguration."""

    status = 404
    code = "NoSuchTransferAccelerationConfiguration"


class RestoreAlreadyInProgress(ServerError):  # noqa: N818
    """409 RestoreAlreadyInProgress."""

    status = 409
    code = "RestoreAlreadyInProgress"


class PreconditionFailed(ServerError):  # noqa: N818
    """412 PreconditionFailed."""

    status = 412
    code = "PreconditionFailed"


class NoSuchBucket(NotFound):
    """404 NoSuchBucket."""

    status = 404
    code = "NoSuchBucket"


class NoSuchKey(NotFound):
    """404 NoSuchKey."""

    status = 404
    code = "NoSuchKey"


class NoSuchUpload(NotFound):
    """404 NoSuchUpload."""

    status = 404
    code = "NoSuchUpload"


class NoSuchWebsite(NotFound):
    """404 NoSuchWebsiteConfiguration."""

    status = 404
    code = "NoSuchWebsiteConfiguration"


class NoSuchLifecycle(NotFound):
    """404 NoSuchLifecycle."""

    status = 404
    code = "NoSuchLifecycle"


class NoSuchCors(NotFound):
    """404 NoSuchCORSConfiguration."""

    status = 404
    code = "NoSuchCORSConfiguration"


class NoSuchLiveChannel(NotFound):
    """404 NoSuchLiveChannel."""

    status = 404
    code = "NoSuchLiveChannel"


class NoSuchBucketPolicy(NotFound):
    """404 NoSuchBucketPolicy."""

    status = 404
    code = "NoSuchBucketPolicy"


class NoSuchInventory(NotFound):
    """404 NoSuchInventory."""

    status = 404
    code = "NoSuchInventory"


class NoSuchReplicationRule(NotFound):
    """404 NoSuchReplicationRule."""

    status = 404
    code = "NoSuchReplicationRule"


class NoSuchServerSideEncryptionRule(NotFound):
    """404 NoSuchServerSideEncryptionRule."""

    status = 404
    code = "NoSuchServerSideEncryptionRule"


class BucketNotEmpty(Conflict):
    """409 BucketNotEmpty."""

    status = 409
    code = "BucketNotEmpty"


class ObjectNotAppendable(Conflict):
    """409 ObjectNotAppendable."""

    status = 409
    code = "ObjectNotAppendable"


class ChannelStillLive(Conflict):
    """409 ChannelStillLive."""

    status = 409
    code = "ChannelStillLive"


class LiveChannelDisabled(Conflict):
    """409 LiveChannelDisabled."""

    status = 409
    code = "LiveChannelDisabled"
