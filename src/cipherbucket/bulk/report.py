"""What became of the objects of a pass, read from its ledger.

Rule: of every object that was not done the report says why. Objects are read from disk as they are
asked for, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from cipherbucket._version import __version__
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import FAILED, Outcome
from cipherbucket.errors import not_copied

READ_THERE = "read it where the pass ran, and send what its lines() or objects() yield"


class Tally(NamedTuple):
    """How many objects, and how many stored bytes they have."""

    objects: int = 0
    stored_size: int = 0

    def __bool__(self) -> bool:
        """Return whether there is any object."""
        return self.objects > 0


@dataclass(frozen=True, slots=True)
class ObjectOutcome:
    """What became of one object.

    Attributes:
        name: The object's name.
        status: A word of the pass; ``failed`` is tried again by the next run.
        stored_size: Stored bytes.
        reason: Why nothing was done, or why it failed.
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
    def of(cls, outcome: Outcome) -> ObjectOutcome:
        """Read what a ledger keeps."""
        detail = outcome.detail
        texts = (str(detail.get(name, "")) for name in ("reason", "error", "format"))
        return cls(outcome.name, outcome.status, outcome.size, *texts)

    def line(self) -> dict[str, Any]:
        """Return it as a mapping for JSON."""
        return {
            "type": "object",
            "name": self.name,
            "status": self.status,
            "stored_size": self.stored_size,
            "error": self.error or None,
            "reason": self.reason or None,
        }


class PassReport:
    """What a pass did. Close it, or use it in a ``with`` statement: its ledger is on disk.

    Attributes:
        url: URL of the store.
        prefix: Of the names.
        counts: How many objects each status has, and their stored bytes.
        inventory: When the inventory was made that the pass went over, UTC: what was written since
            was not looked at. None without an inventory.
        finished: When the pass ended, UTC.
    """

    def __init__(
        self, ledger: Ledger, url: str, prefix: str, inventory: datetime | None = None
    ) -> None:
        self.url = url
        self.prefix = prefix
        self.inventory = inventory
        self.counts: Mapping[str, Tally] = {
            status: Tally(*tally) for status, tally in ledger.counts().items()
        }
        self.finished = datetime.now(UTC)
        self._ledger = ledger

    @property
    def ledger(self) -> Ledger:
        """What the pass has written down."""
        return self._ledger

    @property
    def failed(self) -> Tally:
        """Objects that could not be done; the next run tries them again."""
        return self.counts.get(FAILED, Tally())

    def failures(self) -> Iterator[ObjectOutcome]:
        """Yield what failed, in byte order of names."""
        return map(ObjectOutcome.of, self._ledger.outcomes(FAILED))

    def objects(self) -> Iterator[ObjectOutcome]:
        """Yield all objects, in byte order of names."""
        return map(ObjectOutcome.of, self._ledger.outcomes())

    def summary(self, verb: str) -> dict[str, Any]:
        """Return what the last line of every report begins with, as a mapping for JSON."""
        return {
            "type": verb,
            "schema": 1,
            "url": self.url,
            "prefix": self.prefix,
            "inventory": self.inventory.isoformat() if self.inventory is not None else None,
            "tool": f"cipherbucket {__version__}",
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{tally.objects:,} {status}" for status, tally in self.counts.items())
        return f"{type(self).__name__}({self.url!r}, {self.prefix!r}: {counts or 'no objects'})"

    def close(self) -> None:
        """Close the ledger, and remove it where nothing failed: nothing is left to resume."""
        if not self.failed.objects:
            self._ledger.finish()
        self._ledger.close()

    __reduce__ = not_copied("a report", READ_THERE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
