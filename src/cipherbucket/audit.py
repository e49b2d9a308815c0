"""An audit: every object under a prefix, looked at once, and what it comes to.

Strategy: the walk looks at objects and writes down what it finds in a ledger on disk; summary and
reports are made from there, in byte order of names, each in one pass. So an audit that was
interrupted goes on, and memory does not grow with the number of objects.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from cipherbucket.audit_facts import AuditFacts, AuditScope
from cipherbucket.audit_object import AuditedObject, KeyLabel, described, kind_of
from cipherbucket.audit_summary import Question, Retirement, Summary
from cipherbucket.description import Description
from cipherbucket.errors import StoreError, UsageError
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.ledger import Ledger
from cipherbucket.stores.base import Store


class Audit:
    """What an audit found. Use it in a ``with`` statement, or close it.

    Args:
        scope: What was looked at.
        ledger: What was found; closed, and removed, with the audit.
        ring: The keys at hand.
        probed: Whether the store told of versions beside its objects; None where it did not say.
        questions: The keys that are asked about.
    """

    def __init__(
        self,
        scope: AuditScope,
        ledger: Ledger,
        ring: KeyRing,
        probed: bool | None,
        questions: Sequence[Question] = (),
    ) -> None:
        self.scope = scope
        self._ledger = ledger
        self._ring = ring
        self._probed = probed
        self._questions = tuple(questions)
        self._finished = datetime.now(UTC)

    def objects(self) -> Iterator[AuditedObject]:
        """Go through all objects, in byte order of names; they are read from disk as they come."""
        return map(AuditedObject.of, self._ledger.outcomes())

    @cached_property
    def facts(self) -> AuditFacts:
        """What all objects come to."""
        summary = Summary(self.scope.started, self._questions, _labels(self._ring))
        for each in self.objects():
            summary.add(each)
        return AuditFacts(self.scope, summary, self._finished, self._probed)

    @property
    def summary(self) -> Summary:
        """Counts, keys and findings."""
        return self.facts.summary

    @property
    def retirements(self) -> list[Retirement]:
        """For every key that an object names or the ring has: can it be retired?"""
        return self.facts.retirements

    @property
    def answers(self) -> list[Retirement]:
        """For the keys that were asked about: can they be retired?"""
        return self.facts.answers

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield a mapping for each object, and `whole` at the end; JSON can hold them."""
        from cipherbucket.audit_report import lines  # noqa: PLC0415  only reports need it

        return lines(self.facts, self.objects())

    def whole(self) -> dict[str, Any]:
        """Return all but the single objects, as a mapping that JSON can hold (docs/audit.md)."""
        from cipherbucket.audit_report import whole  # noqa: PLC0415  only reports need it

        return whole(self.facts)

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a line for each object; a file that is there is replaced when all is written.

        Raises:
            UsageError: It cannot be written.
        """
        from cipherbucket.audit_report import write_csv  # noqa: PLC0415  only reports need it

        write_csv(path, self.facts, self.objects())

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write one page that needs nothing else; a file that is there is replaced.

        Raises:
            UsageError: It cannot be written.
        """
        from cipherbucket.audit_page import page  # noqa: PLC0415  only reports need it
        from cipherbucket.audit_report import whole_file  # noqa: PLC0415

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


def question_of(key: MasterKey | str) -> Question:
    """Ask about a master key, or about the description that names one.

    Args:
        key: A key, the JSON text of a description, or the id of a KMS key.

    Raises:
        UsageError: The description is no JSON object of strings.
    """
    if not isinstance(key, str):
        return Question.of(key.description, _kind(key))
    if key.lstrip().startswith("{"):
        return Question.of(Description(key))
    return Question.of({"kms": key}, "kms")


def ledger_of(scope: AuditScope, strict_iv: bool) -> Ledger:
    """Open the ledger of an audit; one with other keys or questions to the store is another."""
    how = f"{scope.versions} {scope.footers} {scope.asked_kms} {strict_iv}"
    ring = (text for pair in sorted(scope.ring) for text in pair)
    return Ledger.open("audit", scope.url, scope.prefix, how, *ring)


def keeps_versions(store: Store, prefix: str) -> bool | None:
    """Ask the store for a version; None where it does not tell."""
    with suppress(StoreError):
        try:
            # An unversioned bucket of OSS lists its objects as version "null".
            first = next(iter(store.list_versions(prefix)), None)
        except UsageError:
            return False
        return first is not None and first.version_id != "null"
    return None


def ring_of(ring: KeyRing) -> tuple[tuple[str, str], ...]:
    """Return what a report tells of the keys at hand."""
    return tuple((key.id, described(key.description)) for key in ring.keys)


def _labels(ring: KeyRing) -> dict[KeyLabel, str]:
    return {KeyLabel(_kind(key), described(key.description)): key.id for key in ring.keys}


def _kind(key: MasterKey) -> str:
    return kind_of(min(key.algorithms))
