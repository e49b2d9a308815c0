"""`OssError`, and its kinds that are not made of an answer of OSS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OSS_CLIENT_ERROR_STATUS = -1
OSS_REQUEST_ERROR_STATUS = -2
OSS_INCONSISTENT_ERROR_STATUS = -3
OSS_FORMAT_ERROR_STATUS = -4
OSS_SELECT_CLIENT_ERROR_STATUS = -5

_REQUEST_ID = "x-oss-request-id"


class OssError(Exception):
    """Root of them all.

    Attributes:
        status: The HTTP status; negative where there was no answer.
        headers: Headers of the answer.
        body: What it said, cut.
        details: The same by name.
        request_id: What the service's support asks for.
        code: The service's code, such as ``NoSuchKey``.
        message: Its words.
        ec: Its fine-grained code, such as ``0026-00000001``.
    """

    status: int = 0
    code: str = ""
    _in_words = False  # no answer is behind it: its text is its body

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes | str,
        details: Mapping[str, str],
    ) -> None:
        super().__init__(status, headers, body, details)
        self.status = status
        self.headers = headers
        self.request_id = headers.get(_REQUEST_ID, "")
        self.body = body
        self.details = details
        self.code = details.get("Code", "")
        self.message = details.get("Message", "")
        self.ec = details.get("EC", "")

    def __str__(self) -> str:
        """Give status, request id and what is known as one dictionary."""
        known = self.body if self._in_words else self.details
        return str({"status": self.status, _REQUEST_ID: self.request_id, "details": known})


class ClientError(OssError):
    """The call cannot be done."""

    _in_words = True

    def __init__(self, message: str) -> None:
        super().__init__(OSS_CLIENT_ERROR_STATUS, {}, f"ClientError: {message}", {})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self.body).removeprefix("ClientError: "),)


def hinted(message: str, hint: str) -> ClientError:
    """Return the exception that says what is wrong, and what to do instead."""
    return ClientError(f"{message} ({hint})")


class RequestError(OssError):
    """No answer came, or it broke off.

    Attributes:
        exception: What the transport says.
    """

    _in_words = True

    def __init__(self, e: object) -> None:
        super().__init__(OSS_REQUEST_ERROR_STATUS, {}, f"RequestError: {e}", {})
        self.exception = e

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.exception,)


class InconsistentError(OssError):
    """What is stored, or what came, is not what it should be."""

    _in_words = True

    def __init__(self, message: str, request_id: str = "") -> None:
        headers = {_REQUEST_ID: request_id}
        body = f"InconsistentError: {message}"
        super().__init__(OSS_INCONSISTENT_ERROR_STATUS, headers, body, {})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self.body).removeprefix("InconsistentError: "), self.request_id)


class OpenApiFormatError(OssError):
    """An answer of the KMS, or what it holds, cannot be understood."""

    _in_words = True

    def __init__(self, message: str) -> None:
        super().__init__(OSS_FORMAT_ERROR_STATUS, {}, message, {})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.body,)


class OpenApiServerError(OssError):
    """The KMS refused or failed."""

    def __init__(self, status: int, request_id: str, message: str, error_code: str) -> None:
        details = {"Code": error_code, "Message": message}
        super().__init__(status, {_REQUEST_ID: request_id}, "", details)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.request_id, self.message, self.code)
