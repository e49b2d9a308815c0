"""An audit: every object under a prefix, looked at once, and what it comes to.

Strategy: the walk looks at objects and writes down what it finds in a ledger on disk; summary and
reports are made from there, in byte order of names, each in one pass. So an audit that was
interrupted goes on, and memory does not grow with the number of objects.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from cipherbucket.audit.audited_object import AuditedObject, described
from cipherbucket.audit.facts import AuditFacts, AuditScope, Beside
from cipherbucket.audit.retirement import Question, Retirement
from cipherbucket.audit.summary import Summary
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.errors import StoreError, UsageError
from cipherbucket.keys.ring import KeyRing
from cipherbucket.stores.base import Store


class Audit:
    """What an audit found. Use it in a ``with`` statement, or close it.

    Args:
        scope: What was looked at.
        ledger: What was found; closed, and removed, with the audit.
        ring: The keys at hand.
        beside: What the store has beside its objects.
        questions: The keys that are asked about.
    """

    def __init__(
        self,
        scope: AuditScope,
        ledger: Ledger,
        ring: KeyRing,
        beside: Beside,
        questions: Sequence[Question] = (),
    ) -> None:
        self.scope = scope
        self._ledger = ledger
        self._ring = ring
        self._beside = beside
        self._questions = tuple(questions)
        self._finished = datetime.now(UTC)

    def objects(self) -> Iterator[AuditedObject]:
        """Go through all objects, in byte order of names; they are read from disk as they come."""
        return map(AuditedObject.of, self._ledger.outcomes())

    @cached_property
    def facts(self) -> AuditFacts:
        """What all objects come to."""
        summary = Summary(self.scope.started, self._questions, self._ring.keys)
        for each in self.objects():
            summary.add(each)
        kept = self._ledger.kept
        scope = replace(self.scope, started=self._ledger.begun) if kept else self.scope
        return AuditFacts(scope, summary, self._finished, self._beside, kept)

    @property
    def summary(self) -> Summary:
        """Counts, keys and findings."""
        return self.facts.summary

    @property
    def retirements(self) -> list[Retirement]:
        """For every key that an object names or the ring has: can it be retired?"""
        return list(self.facts.retirements.values())

    @property
    def answers(self) -> list[Retirement]:
        """For the keys that were asked about: can they be retired?"""
        return self.facts.answers

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield a mapping for each object, and `whole` at the end; JSON can hold them."""
        from cipherbucket.audit.json_report import lines  # noqa: PLC0415  only reports need it

        return lines(self.facts, self.objects())

    def whole(self) -> dict[str, Any]:
        """Return all but the single objects, as a mapping that JSON can hold (docs/audit.md)."""
        from cipherbucket.audit.json_report import whole  # noqa: PLC0415  only reports need it

        return whole(self.facts)

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a line for each object; a file that is there is replaced when all is written.

        Raises:
            UsageError: It cannot be written.
        """
        from cipherbucket.audit.json_report import write_csv  # noqa: PLC0415  only reports need it

        write_csv(path, self.facts, self.objects())

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write one page that needs nothing else; a file that is there is replaced.

        Raises:
            UsageError: It cannot be written.
        """
        from cipherbucket.audit.html_page import page  # noqa: PLC0415  only reports need it
        from cipherbucket.audit.json_report import whole_file  # noqa: PLC0415

        with whole_file(path) as file:
            file.write(page(self.facts))

    def close(self) -> None:
        """Forget what was found on the way: the next audit looks at every object anew."""
        self._ledger.finish()
        self._ledger.close()

    def keep(self) -> None:
        """Close it, and leave what was found for the next audit of the same objects and keys."""
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:  # such as a report that could not be written
            self.keep()


def ledger_of(scope: AuditScope, strict_iv: bool) -> Ledger:
    """Open the ledger of an audit; one with other keys or questions to the store is another."""
    how = f"{scope.versions} {scope.footers} {scope.asked_kms} {strict_iv}"
    ring = (text for pair in sorted(scope.ring) for text in pair)
    return Ledger.open("audit", scope.url, scope.prefix, how, *ring, looks=True)


def beside(store: Store, prefix: str, *, versions: bool) -> Beside:
    """Ask a store what it has beside the objects that it lists.

    Args:
        store: The store.
        prefix: Of the names.
        versions: Whether old versions are what is asked for; they are looked at otherwise.
    """
    uploads = None
    with suppress(StoreError):
        uploads = len(store.list_uploads(prefix))
    return Beside(_keeps_versions(store, prefix) if versions else False, uploads)


def _keeps_versions(store: Store, prefix: str) -> bool | None:
    """Look for an old version or a delete marker; None where the store does not tell."""
    with suppress(StoreError):
        try:
            # An unversioned bucket of OSS lists its objects as version "null". So does one whose
            # versioning is suspended, among others: all of them have to be gone through.
            return any(
                each.version_id != "null" or each.is_delete_marker or not each.is_latest
                for each in store.list_versions(prefix)
            )
        except UsageError:
            return False
    return None


def ring_of(ring: KeyRing) -> tuple[tuple[str, str], ...]:
    """Return what a report tells of the keys at hand."""
    return tuple((key.id, described(key.description)) for key in ring.keys)
