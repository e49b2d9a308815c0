"""Which names of a shared pass were worked on, by the ranges that workers did.

Rule: a range says that its names were given to a worker, and not that all went well: the next run
lists it again, and does what the ledger does not say to be done. A range is written down as (a name
that comes before it, its last name; None for no end).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cipherbucket.bulk.steps import StepDone
from cipherbucket.objects.split import NameRange


def last_before(end: str) -> str | None:
    """Return the last name that an end of `split` leaves room for; None without an end."""
    return end.removesuffix("\0") or None


def done_by(names: NameRange, came: StepDone) -> tuple[str, str | None] | None:
    """Return the range that a step has done, as `Ledger.merge` takes it; None for no name."""
    last = came.last if came.last is not None else last_before(names.end_before)
    return (names.start_after, last) if last is None or last > names.start_after else None


def joined(done: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, str]]:
    """Yield ranges that are done as a listing takes them, those in one that touch.

    Args:
        done: As `Ledger.done_ranges` returns them, in order.
    """
    start, last = "", ""
    for after, until in done:
        if after > last:
            if last > start:
                yield start, f"{last}\0"
            start = after
        if until is None:
            yield start, ""
            return
        last = max(last, until)
    if last > start:
        yield start, f"{last}\0"


def not_done(names: NameRange, done: Sequence[tuple[str, str | None]]) -> Iterator[NameRange]:
    """Yield what of a range none of the ranges that are done holds.

    Args:
        names: The range; where it has an end, that is a name with a zero byte, as of `split`.
        done: As `Ledger.done_ranges` returns them, in order.
    """
    start, end = names.start_after, names.end_before
    for after, last in done:
        if end and f"{after}\0" >= end:
            break
        if after > start:
            yield NameRange(start, f"{after}\0")
        if last is None:
            return
        start = max(start, last)
        if end and f"{start}\0" >= end:
            return
    yield NameRange(start, end)
