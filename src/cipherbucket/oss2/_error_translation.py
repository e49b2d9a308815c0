"""From the library's errors to oss2's exceptions.

An exception is made of the service's answer where there is one, and else of what this library
found out. That is its ``__context__`` in any case, which tracebacks leave out: its message and its
hint are a part of the exception's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING

from cipherbucket.errors import (
    CipherbucketError,
    KmsError,
    MasterKeyError,
    NoMatchingKeyError,
    ObjectChangedError,
    RangeError,
    SecurityError,
    SourceError,
    StoreError,
    UsageError,
    WrongKeyError,
    missing_extra,
)
from cipherbucket.oss2._answers import Answers, response_of
from cipherbucket.oss2._messages import message_of
from cipherbucket.oss2.exceptions import (
    ClientError,
    InconsistentError,
    OpenApiServerError,
    OssError,
    RequestError,
    ServerError,
    make_exception,
)
from cipherbucket.oss2.headers import OSS_REQUEST_ID
from cipherbucket.oss2.http import Response

if TYPE_CHECKING:
    from cipherbucket.stores.http.client import Response as StoreResponse


_OF_KEYS = (NoMatchingKeyError, WrongKeyError)
_KMS_CODES = {"SignatureDoesNotMatch": "InvalidAccessKeySecret"}
"""What oss2's KMS client makes of a code: what it signed was right, so the secret is wrong."""


@contextmanager
def oss2_errors() -> Iterator[Answers]:
    """Collect the answers that come inside, and turn errors into oss2's."""
    answers = Answers([], sys.exception())
    try:
        with _answers_seen() as answers.seen:
            yield answers
    except CipherbucketError as error:
        raise _oss2_error(error, answers) from None


@contextmanager
def key_errors() -> Iterator[None]:
    """Turn errors of master keys into oss2's; the store need not be installed."""
    outer = sys.exception()
    try:
        yield
    except CipherbucketError as error:
        raise _oss2_error(error, Answers([], outer)) from None


class _ProviderFailedError(CipherbucketError):
    """A program's own provider of credentials raised the cause of this."""


@contextmanager
def provider_errors() -> Iterator[None]:
    """Carry what a program's own provider of credentials raises through the store."""
    try:
        yield
    except (CipherbucketError, OssError):
        raise
    except Exception as error:
        raise _ProviderFailedError("the provider of credentials failed") from error


@contextmanager
def _answers_seen() -> Iterator[list[StoreResponse]]:
    try:
        from cipherbucket.stores.http.client import answers_seen  # noqa: PLC0415  the extra
    except ImportError as error:
        raise missing_extra("the OSS SDK is not installed", "oss") from error
    with answers_seen() as seen:
        yield seen


def _oss2_error(error: CipherbucketError, answers: Answers) -> Exception:
    """Return the exception of oss2 that says the same."""
    if (inner := _of_oss2(error, answers.outer)) is not None:
        return inner
    refused = error.__cause__ if isinstance(error, MasterKeyError) else error  # no such KMS key
    if isinstance(refused, KmsError) and refused.status is not None:
        code = _KMS_CODES.get(refused.code or "", refused.code or "")
        return OpenApiServerError(refused.status, refused.request_id or "", message_of(error), code)
    if (raised := _of_a_file(error, error.__cause__)) is not None:
        return raised
    if isinstance(error, ObjectChangedError) and isinstance(error.__cause__, StoreError):
        error = error.__cause__  # the service said so
    if isinstance(error, RangeError | StoreError):
        return _of_the_service(error, answers)
    if isinstance(error, SecurityError) and (
        not isinstance(error, _OF_KEYS) or answers.of_another_kind
    ):
        return InconsistentError(message_of(error), answers.newest_request_id)
    return ClientError(message_of(error))


def _of_a_file(error: CipherbucketError, cause: BaseException | None) -> Exception | None:
    """Return what a local file or a body raised, if it did.

    Where the way to a body breaks, oss2 says of it what it says of the way to the service.
    """
    if isinstance(error, UsageError):
        return cause if isinstance(cause, OSError) else None
    if not isinstance(error, SourceError) or not isinstance(cause, Exception):
        return None
    broken = isinstance(cause, OSError | HTTPException) and not getattr(cause, "filename", None)
    return RequestError(message_of(error)) if broken else cause


def _of_the_service(error: CipherbucketError, answers: Answers) -> OssError:
    refused = answers.refusal(error)
    if refused is not None and not _answered_by_a_proxy(error):
        return make_exception(response_of(refused))
    if not isinstance(error, StoreError):
        return beyond_the_end(error)
    return RequestError(message_of(error)) if error.status is None else _of_another_thread(error)


def _answered_by_a_proxy(error: CipherbucketError) -> bool:
    """Return whether the answer is a proxy's: it does not say what it means, but the error does."""
    asks = HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
    return isinstance(error, StoreError) and error.status == asks


def _of_another_thread(error: StoreError) -> ServerError:
    """Return the exception for an answer that a worker got, or that a proxy gave."""
    details = {"Code": error.code, "Message": message_of(error), "EC": error.ec}
    body = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in details.items() if text)
    headers = {OSS_REQUEST_ID: error.request_id or ""}
    answer = Response(error.status or 0, headers, f"<Error>{body}</Error>".encode())
    return make_exception(answer)


def beyond_the_end(error: CipherbucketError | None = None) -> ServerError:
    """Return the exception for a range that begins after the end, as the service words it."""
    message = "The requested range cannot be satisfied" if error is None else message_of(error)
    return ServerError(416, {}, b"", {"Code": "InvalidRange", "Message": message})


def _of_oss2(error: BaseException, outer: BaseException | None) -> Exception | None:
    """Return what a provider of credentials or keys raised, wherever it was caught.

    Args:
        error: What arrived here.
        outer: What the program was handling when it called: no part of this call.
    """
    within: BaseException | None = error
    for _ in range(20):
        if within is None or within is outer:
            return None
        if isinstance(within, OssError):
            return within
        if isinstance(within, _ProviderFailedError) and isinstance(within.__cause__, Exception):
            return within.__cause__
        within = within.__cause__ or within.__context__
    return None
