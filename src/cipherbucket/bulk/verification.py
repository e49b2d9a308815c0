"""Reading objects through, to know that they can be read.

Law: an object is verified when all of it was read, decrypted with its key and compared with all
that is recorded of it, as `Bucket.get` does. What is read is thrown away, a block at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from cipherbucket._version import __version__
from cipherbucket.bulk.ledger import FAILED, Ledger, Outcome
from cipherbucket.envelopes.policy import PLAINTEXT
from cipherbucket.errors import ObjectNotFoundError
from cipherbucket.reading.decryption import BLOCK
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import ObjectStream
from cipherbucket.stores.records import Entry
from cipherbucket.workers.threads import Halt

VERIFIED, GONE = "verified", "gone"
STATUSES = (VERIFIED, PLAINTEXT, FAILED, GONE)


@dataclass(frozen=True, slots=True)
class VerifiedObject:
    """What became of one object.

    Attributes:
        name: The object's name.
        status: ``verified``; ``plaintext``, of which only the store's own checksum was compared;
            ``failed``; or ``gone``, deleted since it was listed.
        stored_size: Stored bytes.
        reason: Why it failed.
        error: The class of the error it failed with.
        format: Its format, where it was read.
    """

    name: str
    status: str
    stored_size: int
    reason: str = ""
    error: str = ""
    format: str = ""

    @classmethod
    def of(cls, outcome: Outcome) -> VerifiedObject:
        """Read what a ledger keeps."""
        detail = outcome.detail
        texts = (str(detail.get(name, "")) for name in ("reason", "error", "format"))
        return cls(outcome.name, outcome.status, outcome.size, *texts)


class Verification:
    """What reading all objects under a prefix came to. Use it in a ``with`` statement.

    Attributes:
        url: URL of the store.
        prefix: Of the names.
        counts: For each status: how many objects, and their stored bytes.
        resumed: How many of them an earlier run has read, and this one has not.
        begun: When that run began, UTC; else this one.
    """

    def __init__(self, url: str, prefix: str, ledger: Ledger) -> None:
        self.url = url
        self.prefix = prefix
        self.counts = ledger.counts()
        self.resumed = ledger.kept
        self.begun = ledger.begun
        self._finished = datetime.now(UTC)
        self._ledger = ledger

    @property
    def failed(self) -> int:
        """How many objects failed."""
        return self.counts.get(FAILED, (0, 0))[0]

    def failures(self) -> Iterator[VerifiedObject]:
        """Go through the objects that failed, in byte order of names."""
        return map(VerifiedObject.of, self._ledger.outcomes(FAILED))

    def objects(self) -> Iterator[VerifiedObject]:
        """Go through all objects, in byte order of names."""
        return map(VerifiedObject.of, self._ledger.outcomes())

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield one JSON object for each object, and a last one for the whole (docs/audit.md)."""
        for each in self.objects():
            yield {
                "type": "object",
                "name": each.name,
                "status": each.status,
                "format": each.format or None,
                "stored_size": each.stored_size,
                "error": each.error or None,
                "reason": each.reason or None,
            }
        yield {
            "type": "verify",
            "schema": 1,
            "url": self.url,
            "prefix": self.prefix,
            "tool": f"cipherbucket {__version__}",
            "resumed": self.resumed,
            "started": self.begun.isoformat(),
            "finished": self._finished.isoformat(),
            "counts": {
                status: {"objects": self.counts[status][0], "stored_bytes": self.counts[status][1]}
                for status in STATUSES
                if status in self.counts
            },
        }

    def close(self) -> None:
        """Forget it; where objects failed, keep what was done, so that these are tried again."""
        if not self.failed:
            self._ledger.finish()
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def read_through(stream: ObjectStream, halt: Halt | None = None) -> ObjectInfo:
    """Read a stream to its end and throw away what comes.

    Raises:
        StoppedError: ``halt`` was set.
        And what reading raises.
    """
    block = memoryview(bytearray(min(BLOCK, max(1, stream.length))))
    with stream:
        while count := stream.readinto(block):
            if halt is not None:
                halt.passed(count)
    return stream.info


def verified(entry: Entry, info: ObjectInfo) -> Outcome:
    """Return what a ledger keeps of an object that was read."""
    status = VERIFIED if info.envelope is not None else PLAINTEXT
    return Outcome(entry.name, status, info.stored_size, {"format": info.format})


def gone(entry: Entry, error: ObjectNotFoundError) -> Outcome:
    """Return what a ledger keeps of an object that was deleted since it was listed."""
    return Outcome(entry.name, GONE, entry.size, {"reason": error.message})
