"""The result of an audit: every object under a prefix, and what they add up to.

Strategy: the walk looks at objects and writes down what it finds in a ledger on disk; summary and
reports are made from there, in byte order of names, each in one pass; a second one where a finding
is about keys, which are known when all objects are. So an audit that was
interrupted goes on, and memory does not grow with the number of objects.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Self

from cipherbucket.audit.audited_object import AuditedObject
from cipherbucket.audit.facts import AuditFacts
from cipherbucket.audit.retirement import Question, Retirement
from cipherbucket.audit.scope import AuditScope
from cipherbucket.audit.summary import Summary
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.report import READ_THERE
from cipherbucket.errors import not_copied
from cipherbucket.keys.ring import KeyRing


class Audit:
    """What an audit found. Use it in a ``with`` statement, or close it.

    Args:
        scope: What was looked at.
        ledger: What was found; closed, and removed, with the audit.
        ring: The keys given.
        questions: The keys that are asked about.
    """

    def __init__(
        self,
        scope: AuditScope,
        ledger: Ledger,
        ring: KeyRing,
        questions: Sequence[Question] = (),
    ) -> None:
        self.scope = scope
        self._ledger = ledger
        self._ring = ring
        self._questions = tuple(questions)
        self._finished = datetime.now(UTC)

    __reduce__ = not_copied("an audit", READ_THERE)

    @property
    def ledger(self) -> Ledger:
        """What the audit has written down."""
        return self._ledger

    def objects(self) -> Iterator[AuditedObject]:
        """Go through all objects, in byte order of names; they are read from disk as they come."""
        return map(self.summary.with_findings_of_keys, self._looked_at())

    def _looked_at(self) -> Iterator[AuditedObject]:
        return map(AuditedObject.of, self._ledger.outcomes())

    @cached_property
    def facts(self) -> AuditFacts:
        """What all objects add up to."""
        summary = Summary(self.scope.started, self._questions, self._ring.keys)
        for each in self._looked_at():
            summary.add(each)
        if summary.keys_in_both_formats():
            for each in self._looked_at():
                summary.add_findings_of_keys(each)
        resumed = self._ledger.unchanged
        scope = replace(self.scope, started=self._ledger.started) if resumed else self.scope
        return AuditFacts(scope, summary, self._finished, resumed)

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
        """Yield a mapping for each object, and `report` at the end; JSON can hold them."""
        from cipherbucket.audit.json_report import lines  # noqa: PLC0415  only reports need it

        return lines(self.facts, self.objects())

    def report(self) -> dict[str, Any]:
        """Return all but the single objects, as a mapping that JSON can hold (docs/audit.md)."""
        from cipherbucket.audit.json_report import report  # noqa: PLC0415  only reports need it

        return report(self.facts)

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a line for each object; a file that is there is replaced when all is written.

        Raises:
            UsageError: It cannot be written.
        """
        from cipherbucket.audit.csv_report import write_csv  # noqa: PLC0415  only reports need it

        write_csv(path, self.facts, self.objects())

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write one page that needs nothing else; a file that is there is replaced.

        Raises:
            UsageError: It cannot be written.
        """
        from cipherbucket.audit.html_page import page  # noqa: PLC0415  only reports need it
        from cipherbucket.audit.report_file import report_file  # noqa: PLC0415

        with report_file(path) as file:
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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:  # such as a report that could not be written
            self.keep()
