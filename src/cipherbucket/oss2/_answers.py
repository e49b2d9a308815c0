"""The answers of the service that came during one call of a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cipherbucket.errors import CipherbucketError, RangeError
from cipherbucket.oss2.exceptions import InconsistentError
from cipherbucket.oss2.headers import (
    DEPRECATED_CLIENT_SIDE_ENCRYPTION_KEY,
    DEPRECATED_CLIENT_SIDE_ENCRYPTION_WRAP_ALG,
    KMS_ALI_WRAP_ALGORITHM,
    OSS_CLIENT_SIDE_ENCRYPTION_WRAP_ALG,
    OSS_REQUEST_ID,
    RSA_NONE_OAEPWithSHA1AndMGF1Padding,
)
from cipherbucket.oss2.http import Response

if TYPE_CHECKING:
    from cipherbucket.stores.http.client import Response as StoreResponse


class Answers:
    """The answers so far.

    Attributes:
        seen: The newest last.
        outer: The exception that the program was handling when it called, if any.
        wrap_alg: The wrap algorithm of the provider, where an object is read.
    """

    def __init__(self, seen: list[StoreResponse], outer: BaseException | None) -> None:
        self.seen = seen
        self.outer = outer
        self.wrap_alg: str | None = None

    def newest(self, *methods: str) -> Response:
        """Return the newest good answer to requests of these methods."""
        for answer in reversed(self.seen):
            if answer.method in methods and answer.status // 100 == 2:
                return response_of(answer)
        raise InconsistentError(f"the service did not answer a {methods[0]}")

    def refusal(self, error: CipherbucketError) -> StoreResponse | None:
        """Return the answer that an error is about, if there was one."""
        if isinstance(error, RangeError):  # after a 416 the object was looked at once more
            return next((seen for seen in reversed(self.seen) if seen.status == 416), None)
        request_id = getattr(error, "request_id", None)
        for seen in reversed(self.seen):
            if seen.status // 100 != 2 and seen.headers.get(OSS_REQUEST_ID) == request_id:
                return seen
        newest = self.seen[-1] if self.seen else None
        return newest if newest is not None and newest.status // 100 != 2 else None

    @property
    def newest_request_id(self) -> str:
        """The request id of the newest answer; empty where none came."""
        return self.seen[-1].headers.get(OSS_REQUEST_ID, "") if self.seen else ""

    @property
    def of_another_kind(self) -> bool:
        """Whether an object was wrapped by a key of another kind than the provider has."""
        headers = self.seen[-1].headers if self.seen else {}
        found = headers.get(OSS_CLIENT_SIDE_ENCRYPTION_WRAP_ALG)
        if DEPRECATED_CLIENT_SIDE_ENCRYPTION_KEY in headers:
            of_kms = headers.get(DEPRECATED_CLIENT_SIDE_ENCRYPTION_WRAP_ALG) == "kms"
            found = KMS_ALI_WRAP_ALGORITHM if of_kms else RSA_NONE_OAEPWithSHA1AndMGF1Padding
        return found is not None and self.wrap_alg not in {None, found}


def response_of(answer: StoreResponse) -> Response:
    """Return an answer as programs see it."""
    headers = _usual_case(answer.headers)
    return Response(answer.status, headers, answer.data, document=answer.document)


def _usual_case(headers: Mapping[str, str]) -> dict[str, str]:
    """Write the names of HTTP's own headers as usual; those of OSS are in lower case."""
    return {
        name if name.startswith("x-oss-") else _titled(name): text for name, text in headers.items()
    }


def _titled(name: str) -> str:
    return {"etag": "ETag", "content-md5": "Content-MD5"}.get(name, name.title())
