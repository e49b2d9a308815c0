"""What became of many objects in a pass that changes their keys.

Law: of every object that was not done it says why. Objects are read from the ledger as they are
asked for, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from cipherbucket._version import __version__
from cipherbucket.bulk.ledger import FAILED, Ledger, Outcome

DONE, DUE, SKIPPED = "done", "due", "skipped"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many objects, and how many stored bytes they have."""

    objects: int = 0
    stored_size: int = 0


@dataclass(frozen=True, slots=True)
class RotatedObject:
    """What became of one object.

    Attributes:
        name: The object's name.
        status: ``done``; ``due``, of a dry run; ``skipped``, nothing was to be done; ``failed``.
        stored_size: Stored bytes.
        reason: Why it was skipped, or failed.
        error: The class of the error it failed with.
    """

    name: str
    status: str
    stored_size: int
    reason: str = ""
    error: str = ""

    @classmethod
    def of(cls, outcome: Outcome) -> RotatedObject:
        """Read what a ledger keeps."""
        texts = (str(outcome.detail.get(name, "")) for name in ("reason", "error"))
        return cls(outcome.name, outcome.status, outcome.size, *texts)


class RotationReport:
    """What a pass did. Close it, or use it in a ``with`` statement: its ledger is on disk.

    Attributes:
        verb: ``rotate`` or ``reencrypt``.
        url: URL of the store.
        prefix: Of the names.
        dry_run: Whether nothing was changed.
        done: Objects that were changed, by this run and those that it went on from.
        due: Objects that would be: of a dry run.
        skipped: Objects that nothing was to be done with.
        failed: Objects that could not be done; the next run tries them again.
        reasons: Why objects were skipped, with how many.
        moved: Bytes that went, or would go, through this machine, there and back.
        versions_left: Objects whose old version is still there, under its old key.
        resumed: How many objects earlier runs had done.
    """

    def __init__(self, ledger: Ledger, verb: str, url: str, prefix: str, *, dry_run: bool) -> None:
        self.verb, self.url, self.prefix, self.dry_run = verb, url, prefix, dry_run
        self._ledger = ledger
        self._finished = datetime.now(UTC)
        counts = {status: Tally(*tally) for status, tally in ledger.counts().items()}
        self.done = counts.get(DONE, Tally())
        self.due = counts.get(DUE, Tally())
        self.skipped = counts.get(SKIPPED, Tally())
        self.failed = counts.get(FAILED, Tally())
        self.reasons: Mapping[str, int] = ledger.reasons(SKIPPED)
        self.moved = ledger.total("moved")
        self.versions_left = ledger.total("version_left")
        self.resumed = ledger.resumed

    def failures(self) -> Iterator[RotatedObject]:
        """Go through what failed, in byte order of names."""
        return map(RotatedObject.of, self._ledger.outcomes(FAILED))

    def objects(self) -> Iterator[RotatedObject]:
        """Go through all objects, in byte order of names."""
        return map(RotatedObject.of, self._ledger.outcomes())

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield a mapping for each object, and one for the whole (docs/rotation.md)."""
        for each in self.objects():
            yield {
                "type": "object",
                "name": each.name,
                "status": each.status,
                "stored_size": each.stored_size,
                "error": each.error or None,
                "reason": each.reason or None,
            }
        tallies = {DONE: self.done, DUE: self.due, SKIPPED: self.skipped, FAILED: self.failed}
        yield {
            "type": self.verb,
            "schema": 1,
            "url": self.url,
            "prefix": self.prefix,
            "tool": f"cipherbucket {__version__}",
            "dry_run": self.dry_run,
            "finished": self._finished.isoformat(),
            "counts": {
                status: {"objects": tally.objects, "stored_bytes": tally.stored_size}
                for status, tally in tallies.items()
            },
            "reasons": dict(self.reasons),
            "moved": self.moved,
            "versions_left": self.versions_left,
            "resumed": self.resumed,
        }

    def close(self) -> None:
        """Let go of the ledger; where nothing failed there is nothing to go on with."""
        if not self.failed.objects:
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
