"""A store that lies: an OSS bucket over HTTP that tells the truth but for one operation.

`honest_store` gives the truth; a lie bends it, or says something in its place. The lies are in
`lies_in_http` (heads, lengths, bodies, time) and `lies_in_xml` (documents, listings).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

from tests.support.honest_store import Asked, Honest
from tests.support.scripted_http import Answer, Request, Wire, scripted

from cipherbucket.server.errors import OssError

Headers = Iterable[tuple[str, str | bytes]]

LISTINGS = frozenset(
    {
        "list_objects",
        "list_objects_v2",
        "list_object_versions",
        "list_uploads",
        "list_uploaded_parts",
    }
)
DOCUMENTS = LISTINGS | {
    "initiate",
    "complete",
    "copy_object",
    "upload_part_copy",
    "delete_multiple",
    "get_acl",
    "get_tagging",
}
"""Operations that are answered in XML."""
LOOKS = frozenset({"head_object", "get_object_meta"})
UNANSWERED = frozenset({"delete", "abort", "delete_tagging"})
"""Operations whose right answer is 204."""
EMPTY = frozenset({"put_acl", "put_tagging", "put_symlink", "restore", "get_symlink"})
"""Operations whose right answer is 200 or 202, and nothing else."""
WRITES = frozenset({"put_object", "upload_part"})
ALL = DOCUMENTS | LOOKS | UNANSWERED | EMPTY | WRITES | {"get_object"}


@dataclass
class Exchange:
    """A request that is to be lied to.

    Attributes:
        asked: What is asked.
        number: How many were lied to before it.
    """

    asked: Asked
    number: int
    _honest: Honest

    @property
    def operation(self) -> str:
        """What is asked, in any bucket."""
        return self.asked.operation.rpartition(".")[2]

    @property
    def head(self) -> bool:
        """Whether the answer has no body."""
        return self.asked.request.method == "HEAD"

    @cached_property
    def truth(self) -> Answer:
        """Do what is asked, and return the right answer."""
        return self._honest.answer(self.asked)

    def written(
        self, status: int | str, headers: Headers, body: bytes | Iterable[bytes] = b""
    ) -> Answer:
        """Return an answer of just these headers.

        Args:
            status: The status, or all of the first line behind the version.
            headers: As they are sent.
            body: Bytes, whose length is added unless it is given; or blocks.
        """

        def write(wire: Wire) -> None:
            wire.write(head_of(status, headers, body))
            if not self.head:
                for block in [body] if isinstance(body, bytes) else body:
                    wire.write(block)

        return Answer(raw=write)

    def bent(self, *headers: tuple[str, str | bytes], body: bytes | None = None) -> Answer:
        """Return the right answer with other headers of these names, or another body."""
        told = self.truth
        names = {name.lower() for name, _ in headers}
        if body is not None:
            names.add("content-length")
        kept = [(name, text) for name, text in told.headers.items() if name not in names]
        dated = [] if "date" in names else [("date", "Mon, 30 Nov 2026 04:00:00 GMT")]
        given = [header for header in headers if header[1] != ""]
        return self.written(
            told.status, [*dated, *kept, *given], told.body if body is None else body
        )


def head_of(status: int | str, headers: Headers, body: bytes | Iterable[bytes]) -> bytes:
    """Return the head of an answer."""
    line = f"{status} X" if isinstance(status, int) else status
    given = [(name.lower(), text) for name, text in headers]
    names = {name for name, _ in given}
    if isinstance(body, bytes) and not names & {"content-length", "transfer-encoding"}:
        given.append(("content-length", str(len(body))))
    given.append(("connection", "close"))
    texts = (
        name.encode() + b": " + (text if isinstance(text, bytes) else text.encode()) + b"\r\n"
        for name, text in given
    )
    return f"HTTP/1.1 {line}\r\n".encode() + b"".join(texts) + b"\r\n"


Tell = Callable[[Exchange], Answer]
SURE, SAME, BELIEVED = "sure", "same", "believed"


@dataclass(frozen=True)
class Lie:
    """A lie.

    Attributes:
        name: What it is called.
        tell: Answers a request; the truth itself, where there is nothing to bend.
        on: Which operations it concerns.
        kind: `SURE`: whoever hears it fails. `SAME`: whoever goes on comes to what is true.
            `BELIEVED`: nobody can know better; but nothing is lost by it.
        slow: Whether it takes the time of a timeout.
        later: Whether it is also told from the second answer on.
        status: The status that an error is to name, if it is one of the store.
        topic: What it is about, for verbs that do not ask about that.
    """

    name: str
    tell: Tell
    on: frozenset[str] = ALL
    kind: str = SURE
    slow: bool = False
    later: bool = False
    status: int | None = None
    topic: str = ""


@dataclass(frozen=True)
class Told:
    """One lie to one operation.

    Attributes:
        lie: The lie.
        operation: As `Asked.operation` has it.
        since: How many requests are answered truly before it.
    """

    lie: Lie
    operation: str
    since: int = 0


@dataclass
class Lying:
    """A running store.

    Attributes:
        url: Where it listens.
        honest: What it has.
        told: What is not true.
        counts: How often each operation was asked for.
        elsewhere: Requests that are none to it: somebody followed a redirect.
        lies: How many lies were told.
    """

    honest: Honest
    told: Told | None
    url: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    elsewhere: list[Request] = field(default_factory=list)
    lies: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> Answer:
        """Answer a request."""
        if request.target.startswith("/elsewhere"):
            self.elsewhere.append(request)
        try:
            asked = self.honest.understand(request)
        except OssError:
            return self.honest(request)
        with self._lock:
            number = self.counts[asked.operation]
            self.counts[asked.operation] += 1
        told = self.told
        if told is None or asked.operation != told.operation or number < told.since:
            return self.honest.answer(asked)
        exchange = Exchange(asked, self.lies, self.honest)
        answer = told.lie.tell(exchange)
        if "truth" not in vars(exchange) or answer is not exchange.truth:
            with self._lock:
                self.lies += 1
        return answer


@contextmanager
def lying_store(
    honest: Honest,
    told: Told | None = None,
    spoken: Callable[[Callable[[Request], Answer]], Callable[[Request], Answer]] = lambda a: a,
) -> Iterator[Lying]:
    """Serve a store while the block runs; what it holds changes as it is asked to.

    ``spoken`` turns the protocol of OSS, which is told lies in, into another one.
    """
    lying = Lying(honest, told)
    with scripted(spoken(lying.answer)) as server:
        lying.url = server.url
        yield lying


def changed(answer: Answer, **fields: object) -> Answer:
    """Return an answer with other fields, and its length right."""
    new = replace(answer, **fields)  # type: ignore[arg-type]
    return replace(new, headers={**new.headers, "content-length": str(len(new.body))})
