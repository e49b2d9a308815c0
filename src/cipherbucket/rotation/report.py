"""What became of many objects in a pass that changes their keys, or who can open them.

Rule: all numbers are those of the ledger, so a run that resumed others reports their work too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import FAILED
from cipherbucket.bulk.report import PassReport, Tally

DONE, DUE, SKIPPED = "done", "due", "skipped"


class RotationReport(PassReport):
    """What a pass did. Close it, or use it in a ``with`` statement: its ledger is on disk.

    The status of an object is ``done``; ``due``, of a dry run; ``skipped``, nothing was to be
    done; or ``failed``.

    Attributes:
        verb: ``rotate``, ``reencrypt``, ``recipients-add``, ``recipients-remove`` or ``repair``.
        dry_run: Whether nothing was changed.
        done: Objects that were changed, by this run and by those that it resumed.
        due: Objects that would be: of a dry run.
        skipped: Objects that nothing was to be done with.
        reasons: Why objects were skipped, with how many.
        moved: Bytes that went, or would go, through this machine, there and back.
        versions_left: Objects whose old version is still there, under its old key.
        resumed: How many objects earlier runs had done.
    """

    def __init__(
        self,
        ledger: Ledger,
        verb: str,
        url: str,
        prefix: str,
        *,
        dry_run: bool,
        inventory: datetime | None = None,
    ) -> None:
        super().__init__(ledger, url, prefix, inventory)
        self.verb, self.dry_run = verb, dry_run
        self.done = self.counts.get(DONE, Tally())
        self.due = self.counts.get(DUE, Tally())
        self.skipped = self.counts.get(SKIPPED, Tally())
        self.reasons: Mapping[str, int] = ledger.reasons(SKIPPED)
        self.moved = ledger.total("moved")
        self.versions_left = ledger.total("version_left")
        self.resumed = ledger.resumed

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield a mapping for each object, and one for the whole (docs/rotation.md)."""
        for each in self.objects():
            yield each.line()
        tallies = {DONE: self.done, DUE: self.due, SKIPPED: self.skipped, FAILED: self.failed}
        yield self.summary(self.verb) | {
            "dry_run": self.dry_run,
            "finished": self.finished.isoformat(),
            "counts": {
                status: {"objects": tally.objects, "stored_bytes": tally.stored_size}
                for status, tally in tallies.items()
            },
            "reasons": dict(self.reasons),
            "moved": self.moved,
            "versions_left": self.versions_left,
            "resumed": self.resumed,
        }
