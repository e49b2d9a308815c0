"""What of a tree is copied: all of it, what is new, or what differs.

Rule: ``cp -r`` copies everything. It leaves out only what an earlier run of the same command copied
before it was interrupted, if both the source and the target are still what they were then: a ledger
has what both are known by. Everything else that is left out was asked for by an option.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import cipherbucket as cb
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import Outcome
from cipherbucket.cli.copying.direction import Copied, Direction
from cipherbucket.cli.copying.encrypted_objects import NEWER
from cipherbucket.cli.copying.listings import Item, MergedItem

NOT_THERE, ANYWAY = "not there", "there already"
BEFORE = "skipped, copied by an earlier run"
NOT_NEWER, THERE = "skipped, not newer", f"skipped, {ANYWAY}"
_COPIED = "copied"

Reason = Callable[[MergedItem], str | None]
"""Says why an item has to be copied; None if it need not be."""


def whatever_is_there(item: MergedItem) -> str:
    """Copy everything."""
    return NOT_THERE if item.target is None else ANYWAY


def what_is_missing(item: MergedItem) -> str | None:
    """Copy what has no namesake in the target."""
    return NOT_THERE if item.target is None else None


def what_is_newer(direction: Direction) -> Reason:
    """Copy what is missing, and what was written after its namesake in the target."""

    def reason(item: MergedItem) -> str | None:
        if item.source is None or item.target is None:
            return NOT_THERE
        return NEWER if direction.is_newer(item.source, item.target) else None

    return reason


def what_differs(direction: Direction, *, checksum: bool) -> Reason:
    """Copy what is missing, and what differs in time or size, or in content."""

    def reason(item: MergedItem) -> str | None:
        if item.source is None or item.target is None:
            return NOT_THERE
        return direction.difference(item.source, item.target, checksum=checksum)

    return reason


@dataclass
class Choice:
    """What is copied, and what is known of earlier runs.

    Attributes:
        reason: Why an item has to be copied.
        ledger: What earlier runs of the same command copied; None where none are remembered.
        skipped: What is said of an item for which there is no reason.
        needs_targets: Whether the target has to be listed.
        foreseen: Whether most of what is listed is copied, so that the total is known beforehand.
    """

    reason: Reason
    ledger: Ledger | None = None
    skipped: str = "unchanged"
    needs_targets: bool = True
    foreseen: bool = False

    def was_copied(self, item: MergedItem, direction: Direction) -> bool:
        """Return whether an earlier run copied it, and neither side has changed since.

        What the listings show is compared first, and only then each object looked at.
        """
        if self.ledger is None or item.source is None or item.target is None:
            return False
        written = self.ledger.validator(item.relative)
        if written is None:
            return False
        *sides, seen = json.loads(written)
        return sides == _sides(item.source, item.target.identity) and direction.is_still(
            item.source, seen
        )

    def add(self, source: Item, copied: Copied) -> None:
        """Write down what was copied; if that fails, an interrupted run will copy it again."""
        if self.ledger is not None and source.identity and copied.identity:
            written = json.dumps([*_sides(source, copied.identity), copied.seen])
            try:
                self.ledger.record(
                    Outcome(source.relative, _COPIED, copied.size, validator=written)
                )
            except cb.UsageError as error:
                self.ledger = None
                warnings.warn(str(error), cb.CipherbucketWarning, stacklevel=2)

    def finish(self) -> None:
        """Forget all of it: everything was copied."""
        if self.ledger is not None:
            self.ledger.finish()


@contextmanager
def resumed_copy(
    reason: Reason, *identity: str, skipped: str, resume: bool, needs_targets: bool, dry_run: bool
) -> Iterator[Choice]:
    """Copy for a reason, and go on with what an earlier run of the same command left.

    Args:
        reason: Why an item is copied.
        identity: All that makes this command another: places, keys, options of writing.
        resume: Whether what an earlier run copied counts.
        skipped: What is said of an item for which there is no reason.
        needs_targets: Whether the reason needs to know what is in the target.
        dry_run: Whether nothing is written, not even a ledger.

    Raises:
        UsageError: Another process runs the same command.
    """
    choose = partial(Choice, reason, skipped=skipped, foreseen=not needs_targets)
    if dry_run:
        with (Ledger.earlier("cp", *identity) if resume else None) or nullcontext() as earlier:
            yield choose(earlier, needs_targets=needs_targets or earlier is not None)
        return
    with Ledger.open("cp", *identity) as ledger:
        if not resume:
            ledger.clear()
        yield choose(ledger, needs_targets=needs_targets or ledger.resumed > 0)


def _sides(source: Item, target: str) -> list[str]:
    return [source.state or source.identity, target]
