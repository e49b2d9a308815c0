"""What all audited objects come to: counts, keys, findings, and whether a key can be retired.

Law: one pass over the objects, in order, and memory that does not grow with their number: of every
finding the first hundred names are kept, of every key the first few, and keys beyond a number that
no honest bucket has are counted together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cipherbucket.audit.audited_object import (
    FINDINGS,
    FORMATS,
    GONE,
    UNASKED,
    UNREADABLE,
    AuditedObject,
    KeyLabel,
    described,
    kind_of,
)
from cipherbucket.audit.retirement import FIRST, Question, Retirement, question_of
from cipherbucket.bulk.ledger import FAILED
from cipherbucket.envelopes.policy import PLAINTEXT
from cipherbucket.format.footer import MIN_FOOTER
from cipherbucket.format.sealed import HEADER, TAG
from cipherbucket.keys.base import MasterKey

FIRST_OF_KEY = 10
"""So many of every other key."""
MOST_KEYS = 500
"""Keys beyond are counted as one."""
MOST_ALGORITHMS = 20
"""Wrap algorithms beyond are counted as one; there are not half as many."""
MORE = "more algorithms"
OTHERS = KeyLabel("other", "more keys")
MOST_REASONS = 50
"""Reasons for a finding beyond are counted as one."""
OTHER_REASONS = "other reasons"
_TOLD_WHY = (FAILED, UNASKED, UNREADABLE)
"""Findings whose reasons are counted: of these nothing else says what to do."""
_REQUEST = re.compile(r"\brequest(?: id)? [\w-]+")
AGES = (
    ("under 30 days", 30),
    ("30 to 90 days", 90),
    ("90 days to 1 year", 365),
    ("1 to 2 years", 730),
    ("2 to 5 years", 1826),
    ("over 5 years", None),
)
"""Spans of age, and the days that each ends before."""

_LEAST_SEALED = HEADER + TAG + MIN_FOOTER
"""Bytes of the shortest sealed object."""

Tally = dict[str, list[int]]
"""By format: how many objects, and how many stored bytes."""


@dataclass
class KeyUse:
    """What is known of one master key by the objects that name it.

    Attributes:
        label: By what it is known.
        formats: Objects and stored bytes by format.
        bits: Lengths of RSA keys under this label; two mean two keys.
        key: Id of the key of the ring; None where the ring has none.
        kms: Ids of the KMS keys that the KMS named, when it was asked.
        alone: How many objects name no other key.
        removed: How many sealed objects name it in their footer only.
        first: Names of the first objects.
        oldest: When the oldest of its objects was written.
        newest: When the newest was.
    """

    label: KeyLabel
    formats: Tally = field(default_factory=dict)
    bits: set[int] = field(default_factory=set)
    key: str | None = None
    kms: set[str] = field(default_factory=set)
    alone: int = 0
    removed: int = 0
    first: list[str] = field(default_factory=list)
    oldest: datetime | None = None
    newest: datetime | None = None

    @property
    def objects(self) -> int:
        """How many objects name it."""
        return sum(count for count, _ in self.formats.values())

    @property
    def stored_size(self) -> int:
        """Their stored bytes."""
        return sum(size for _, size in self.formats.values())

    @property
    def serves_both(self) -> bool:
        """Whether it is an RSA key that wraps for the OSS format and for the sealed one."""
        return (
            self.label.kind == "rsa"
            and "sealed" in self.formats
            and not {"oss", "oss-v1"}.isdisjoint(self.formats)
        )


class Summary:
    """Sums up objects, one after another.

    Args:
        now: Ages are counted from here.
        questions: Keys that are asked about.
        ring: The keys at hand; told of also if no object names them.

    Attributes:
        objects: How many there are; those that were gone when they were looked at are not.
        stored_size: Their stored bytes.
        verified: How many envelopes a key of the ring has opened.
        concerned: How many objects have findings of their own.
        formats: Objects and stored bytes by format.
        algorithms: By wrap algorithm, and then by format: objects and stored bytes.
        ages: For each of `AGES`: objects and stored bytes by format.
        keys: What is known of each key.
        findings: By code: how many objects, and the names of the first.
        reasons: By the code of a finding that has any: how many objects for each reason.
        asked: Whether each of the keys that are asked about can be retired.
        keeps_versions: Whether an object told of a version.
        unread: How many objects without an envelope are long enough to be sealed ones that lost
            theirs.
    """

    def __init__(
        self,
        now: datetime,
        questions: Iterable[Question] = (),
        ring: Iterable[MasterKey] = (),
    ) -> None:
        self.objects = 0
        self.stored_size = 0
        self.verified = 0
        self.concerned = 0
        self.formats: Tally = {}
        self.algorithms: dict[str, Tally] = {}
        self.ages: list[Tally] = [{} for _ in AGES]
        self.keys: dict[KeyLabel, KeyUse] = {}
        self._of_ring: dict[KeyLabel, Retirement] = {}
        for key in ring:
            label = KeyLabel(kind_of(min(key.algorithms)), described(key.description))
            self.keys[label] = KeyUse(label, key=key.id)
            self._of_ring[label] = Retirement(question_of(key))
        self.findings: dict[str, tuple[int, list[str]]] = {}
        self.reasons: dict[str, dict[str, int]] = {}
        self.asked = [Retirement(question) for question in questions]
        self.keeps_versions = False
        self.unread = 0
        self._now = now

    def add(self, found: AuditedObject) -> None:
        """Count one object."""
        _count(self.formats, found)
        self.keeps_versions = self.keeps_versions or found.version_id is not None
        if found.format == GONE:
            return
        self.objects += 1
        self.stored_size += found.stored_size
        self.verified += found.verified is True
        self.concerned += bool(found.findings)
        if found.modified is not None:
            days = (self._now - found.modified) / timedelta(days=1)
            place = next(i for i, (_, end) in enumerate(AGES) if end is None or days < end)
            _count(self.ages[place], found)
        for code in found.findings:
            count, first = self.findings.get(code, (0, []))
            if len(first) < FIRST:
                first.append(found.name)
            self.findings[code] = count + 1, first
            if code in _TOLD_WHY and found.reason:
                self._count_reason(code, found)
        for label in dict.fromkeys(each.label for each in found.recipients):
            self._count_key(label, found)
        for name in {self._counted_as(each.algorithm) for each in found.recipients}:
            _count(self.algorithms.setdefault(name, {}), found)
        for label in {each.label for each in found.removed}:
            self._use(label).removed += 1
        for retirement in (*self.asked, *self._of_ring.values()):
            retirement.add(found)
        # What is shorter cannot be a sealed body.
        self.unread += found.format == PLAINTEXT and found.stored_size >= _LEAST_SEALED

    def _count_reason(self, code: str, found: AuditedObject) -> None:
        # Neither the object's name nor the number of a request makes it another reason.
        reason = found.reason.removeprefix(f"{found.name!r}: ")
        reason = _REQUEST.sub("request ...", reason)
        counts = self.reasons.setdefault(code, {})
        if reason not in counts and len(counts) >= MOST_REASONS:
            reason = OTHER_REASONS
        counts[reason] = counts.get(reason, 0) + 1

    def why(self, code: str) -> list[tuple[str, int]]:
        """Return the reasons for a finding and how many objects have each, most first."""
        counts = self.reasons.get(code, {})
        return sorted(counts.items(), key=lambda each: (each[0] == OTHER_REASONS, -each[1]))

    def _counted_as(self, algorithm: str) -> str:
        full = len(self.algorithms) >= MOST_ALGORITHMS
        return MORE if full and algorithm not in self.algorithms else algorithm

    def _use(self, label: KeyLabel) -> KeyUse:
        if label not in self.keys and len(self.keys) >= MOST_KEYS:
            label = OTHERS
        return self.keys.setdefault(label, KeyUse(label))

    def _count_key(self, label: KeyLabel, found: AuditedObject) -> None:
        use = self._use(label)
        _count(use.formats, found)
        for each in found.recipients:
            if each.label == label and use.label is not OTHERS:
                use.bits.update([each.bits] if each.bits is not None else [])
                use.key = use.key or each.key
                if each.kms is not None and len(use.kms) < FIRST_OF_KEY:
                    use.kms.add(each.kms)
        use.alone += len(found.recipients) == 1
        if len(use.first) < FIRST_OF_KEY:
            use.first.append(found.name)
        if found.modified is not None:
            use.oldest = min(use.oldest or found.modified, found.modified)
            use.newest = max(use.newest or found.modified, found.modified)

    def use_order(self) -> list[KeyUse]:
        """Return the keys by the bytes they protect, most first."""
        return sorted(self.keys.values(), key=lambda use: (-use.stored_size, use.label))

    def both_formats(self) -> list[KeyUse]:
        """Return the RSA keys that serve the OSS format and the sealed one."""
        return [use for use in self.use_order() if use.serves_both]

    def found(self) -> dict[str, tuple[int, list[str]]]:
        """Return all findings in the order of `FINDINGS`; keys that serve both formats, too."""
        both = self.both_formats()
        names = [name for use in both for name in use.first][:FIRST]
        of_keys = {"both-formats": (sum(use.objects for use in both), names)} if both else {}
        findings = {**self.findings, **of_keys}
        return {code: findings[code] for code in FINDINGS if code in findings}

    def retirements(self, common: list[str]) -> dict[KeyLabel, Retirement]:
        """Answer for every key that an object names or the ring has: can it be retired?

        Args:
            common: Why nothing can be told of any key; empty where nothing speaks against it.
        """
        answers = {}
        for use in self.use_order():
            if not use.label.is_certain or use.label is OTHERS:
                continue
            if use.label in self._of_ring:
                answers[use.label] = self._of_ring[use.label].because(common)
                continue
            kind, description = use.label
            answer = Retirement(
                Question(description, description, kind),
                use.objects,
                use.alone,
                use.removed,
                use.first,
            )
            # Nobody has counted what may be of a key that nothing but footers name.
            answers[use.label] = answer.because([*common, _UNASKED] if not use.objects else common)
        return answers

    def answers(self, common: list[str]) -> list[Retirement]:
        """Answer for the keys that were asked about; see `retirements`."""
        return [answer.because(common) for answer in self.asked]


_UNASKED = "footers alone name it; whether other objects may be of it is told if it is asked about"


def _count(tally: Tally, found: AuditedObject) -> None:
    assert found.format in FORMATS
    both = tally.setdefault(found.format, [0, 0])
    both[0] += 1
    both[1] += found.stored_size
