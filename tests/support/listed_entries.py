"""Entries of a listing that no store has, work on them that does nothing, and what a ledger has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import Outcome
from cipherbucket.stores.records import Entry

TIME = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def entries(count: int) -> Iterator[Entry]:
    for number in range(count):
        yield Entry(name=f"object-{number:07}", size=number, etag=f"e{number}", modified=TIME)


def done(entry: Entry) -> Outcome:
    return Outcome(entry.name, "done", entry.size)


def names(ledger: Ledger, status: str | None = None) -> list[str]:
    return [outcome.name for outcome in ledger.outcomes(status)]
