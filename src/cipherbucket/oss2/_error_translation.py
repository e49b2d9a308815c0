"""One call of a program: its requests, what came back, and errors in oss2's words.

An exception is made of the service's answer where there is one, and else of what this library
found out. That is its ``__context__`` in any case, which tracebacks leave out: its message and its
hint are a part of the exception's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING

from cipherbucket.errors import (
    CipherbucketError,
    KmsError,
    MasterKeyError,
    MissingExtraError,
    NoMatchingKeyError,
    ObjectChangedError,
    RangeError,
    SecurityError,
    SourceError,
    StoreError,
    UsageError,
    WrongKeyError,
)
from cipherbucket.oss2._messages import told
from cipherbucket.oss2.exceptions import (
    ClientError,
    InconsistentError,
    OpenApiServerError,
    OssError,
    RequestError,
    ServerError,
    make_exception,
)
from cipherbucket.oss2.headers import (
    DEPRECATED_CLIENT_SIDE_ENCRYPTION_KEY,
    DEPRECATED_CLIENT_SIDE_ENCRYPTION_WRAP_ALG,
    KMS_ALI_WRAP_ALGORITHM,
    OSS_CLIENT_SIDE_ENCRYPTION_WRAP_ALG,
    RSA_NONE_OAEPWithSHA1AndMGF1Padding,
)
from cipherbucket.oss2.http import Response

if TYPE_CHECKING:
    from cipherbucket.stores.oss.requests import Response as Seen


_OF_KEYS = (NoMatchingKeyError, WrongKeyError)
_KMS_CODES = {"SignatureDoesNotMatch": "InvalidAccessKeySecret"}
"""What oss2's KMS client makes of a code: what it signed was right, so the secret is wrong."""


class Exchange:
    """What came back so far.

    Attributes:
        seen: The answers, the newest last.
        outer: The exception that the program was handling when it called, if any.
        wrap_alg: The wrap algorithm of the provider, where an object is read.
    """

    def __init__(self, seen: list[Seen], outer: BaseException | None) -> None:
        self.seen = seen
        self.outer = outer
        self.wrap_alg: str | None = None

    def answer(self, *methods: str) -> Response:
        """Return the newest good answer to requests of these methods."""
        for answer in reversed(self.seen):
            if answer.method in methods and answer.status // 100 == 2:
                return shown(answer)
        raise InconsistentError(f"the service did not answer a {methods[0]}")

    def refusal(self, error: CipherbucketError) -> Seen | None:
        """Return the answer that an error is about, if there was one."""
        if isinstance(error, RangeError):  # after a 416 the object was looked at once more
            return next((seen for seen in reversed(self.seen) if seen.status == 416), None)
        told_id = getattr(error, "request_id", None)
        for seen in reversed(self.seen):
            if seen.status // 100 != 2 and seen.headers.get("x-oss-request-id") == told_id:
                return seen
        newest = self.seen[-1] if self.seen else None
        return newest if newest is not None and newest.status // 100 != 2 else None

    @property
    def of_another_kind(self) -> bool:
        """Whether an object was wrapped by a key of another kind than the provider has."""
        headers = self.seen[-1].headers if self.seen else {}
        found = headers.get(OSS_CLIENT_SIDE_ENCRYPTION_WRAP_ALG)
        if DEPRECATED_CLIENT_SIDE_ENCRYPTION_KEY in headers:
            of_kms = headers.get(DEPRECATED_CLIENT_SIDE_ENCRYPTION_WRAP_ALG) == "kms"
            found = KMS_ALI_WRAP_ALGORITHM if of_kms else RSA_NONE_OAEPWithSHA1AndMGF1Padding
        return found is not None and self.wrap_alg not in {None, found}


@contextmanager
def exchange() -> Iterator[Exchange]:
    """Look at answers inside, and turn errors into oss2's."""
    call = Exchange([], sys.exception())
    try:
        with _answers() as call.seen:
            yield call
    except CipherbucketError as error:
        raise in_oss2_words(error, call) from None


@contextmanager
def _answers() -> Iterator[list[Seen]]:
    try:
        from cipherbucket.stores.oss.requests import answers_seen  # noqa: PLC0415  the extra
    except ImportError as error:
        raise MissingExtraError(
            "the OSS SDK is not installed", hint="pip install 'cipherbucket[oss]'"
        ) from error
    with answers_seen() as seen:
        yield seen


def shown(answer: Seen) -> Response:
    """Return an answer as programs see it."""
    return Response(answer.status, usual_case(answer.headers), body=answer.data)


def in_oss2_words(error: CipherbucketError, call: Exchange) -> Exception:
    """Return the exception of oss2 that says the same."""
    if (inner := _of_oss2(error, call.outer)) is not None:
        return inner
    refused = error.__cause__ if isinstance(error, MasterKeyError) else error  # no such KMS key
    if isinstance(refused, KmsError) and refused.status is not None:
        code = _KMS_CODES.get(refused.code or "", refused.code or "")
        return OpenApiServerError(refused.status, refused.request_id or "", told(error), code)
    if isinstance(error, UsageError | SourceError) and isinstance(error.__cause__, OSError):
        return error.__cause__  # of a local file
    if isinstance(error, ObjectChangedError) and isinstance(error.__cause__, StoreError):
        error = error.__cause__  # the service said so
    if isinstance(error, RangeError | StoreError):
        return _of_the_service(error, call)
    if isinstance(error, SecurityError) and (
        not isinstance(error, _OF_KEYS) or call.of_another_kind
    ):
        request_id = call.seen[-1].headers.get("x-oss-request-id", "") if call.seen else ""
        return InconsistentError(told(error), request_id)
    return ClientError(told(error))


def _of_the_service(error: CipherbucketError, call: Exchange) -> OssError:
    refused = call.refusal(error)
    if refused is not None:
        return make_exception(shown(refused))
    if not isinstance(error, StoreError):
        return beyond_the_end(error)
    return RequestError(told(error)) if error.status is None else _of_another_thread(error)


def _of_another_thread(error: StoreError) -> ServerError:
    """Return the exception for an answer that a worker got, which is not seen here."""
    details = {"Code": error.code, "Message": told(error), "EC": error.ec}
    body = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in details.items() if text)
    headers = {"x-oss-request-id": error.request_id or ""}
    answer = Response(error.status or 0, headers, f"<Error>{body}</Error>".encode())
    return make_exception(answer)


def beyond_the_end(error: CipherbucketError | None = None) -> ServerError:
    """Return the exception for a range that begins after the end, as the service words it."""
    message = "The requested range cannot be satisfied" if error is None else told(error)
    return ServerError(416, {}, b"", {"Code": "InvalidRange", "Message": message})


def _of_oss2(error: BaseException, outer: BaseException | None) -> OssError | None:
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
        within = within.__cause__ or within.__context__
    return None


def usual_case(headers: Mapping[str, str]) -> dict[str, str]:
    """Write the names of HTTP's own headers as usual; those of OSS are in lower case."""
    return {
        name if name.startswith("x-oss-") else _titled(name): text for name, text in headers.items()
    }


def _titled(name: str) -> str:
    return {"etag": "ETag", "content-md5": "Content-MD5"}.get(name, name.title())
