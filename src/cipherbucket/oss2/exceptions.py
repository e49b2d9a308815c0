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
    ServerError,
    SignatureDoesNotMatch,
    WORMConfigurationLocked,
    make_exception,
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
