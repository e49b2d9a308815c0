"""The errors that the endpoint answers: OSS's codes, statuses and EC numbers.

Rule: an error is the exception `OssError` wherever it arises, and becomes XML in one place. EC
numbers are those of Alibaba Cloud's public pages; where none is known it is `UNKNOWN_EC`, never an
invented one.
"""

from __future__ import annotations

from collections.abc import Mapping

UNKNOWN_EC = "0000-00000000"


class OssError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        code: OSS's error code, as in ``<Code>``.
        message: One sentence.
        ec: OSS's number of the exact cause, as in ``<EC>``.
        details: Further elements of the XML.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        ec: str = UNKNOWN_EC,
        *,
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.ec = ec
        self.details = dict(details or {})
        self.headers = dict(headers or {})


class BrokenRequestError(Exception):
    """The client went away before its request was complete; nobody is there to be answered."""


def invalid_argument(
    message: str, name: str = "", value: str = "", ec: str = UNKNOWN_EC
) -> OssError:
    """Return 400 InvalidArgument, naming the argument where there is one."""
    details = {"ArgumentName": name, "ArgumentValue": value} if name else {}
    return OssError(400, "InvalidArgument", message, ec, details=details)


def no_such_bucket(bucket: str) -> OssError:
    """Return 404 NoSuchBucket."""
    return OssError(
        404,
        "NoSuchBucket",
        "The specified bucket does not exist.",
        "0015-00000101",
        details={"BucketName": bucket},
    )


def no_such_key(key: str, headers: Mapping[str, str] | None = None) -> OssError:
    """Return 404 NoSuchKey; ``headers`` are those of a delete marker."""
    return OssError(
        404,
        "NoSuchKey",
        "The specified key does not exist.",
        "0026-00000001",
        details={"Key": key},
        headers=headers,
    )


def no_such_upload(upload_id: str) -> OssError:
    """Return 404 NoSuchUpload."""
    return OssError(
        404,
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may "
        "have been aborted or completed.",
        "0042-00000002",
        details={"UploadId": upload_id},
    )


def access_denied(message: str, ec: str = "0003-00000001") -> OssError:
    """Return 403 AccessDenied."""
    return OssError(403, "AccessDenied", message, ec)


def precondition_failed(condition: str) -> OssError:
    """Return 412 PreconditionFailed for a condition by its header's name."""
    return OssError(
        412,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold.",
        details={"Condition": condition},
    )


def not_modified(headers: Mapping[str, str] | None = None) -> OssError:
    """Return 304, which has no body."""
    return OssError(304, "NotModified", "Not Modified", headers=headers)


def malformed_xml(message: str = "The XML you provided was not well-formed.") -> OssError:
    """Return 400 MalformedXML."""
    return OssError(400, "MalformedXML", message)


def not_implemented(what: str) -> OssError:
    """Return 400 NotImplemented: no 5xx, which clients would try again."""
    return OssError(400, "NotImplemented", f"This endpoint does not implement {what}.")


def internal_error(
    message: str = "We encountered an internal error. Please try again.",
) -> OssError:
    """Return 500 InternalError."""
    return OssError(500, "InternalError", message)
