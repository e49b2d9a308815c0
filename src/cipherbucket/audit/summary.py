"""What all audited objects add up to: counts, keys, findings, and whether a key can be retired.

Rule: one pass over the objects, in order, and memory that does not grow with their number: of every
finding the first hundred names are kept, of every key the first few, and keys beyond a number that
no honest bucket has are counted together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from cipherbucket.audit.audited_object import FORMATS, GONE, AuditedObject
from cipherbucket.audit.findings import FINDINGS
from cipherbucket.audit.key_labels import KeyLabel, canonical
from cipherbucket.audit.retirement import MOST_NAMES, Question, Retirement
from cipherbucket.envelopes.policy import PLAINTEXT
from cipherbucket.format.ctr import RANDOM
from cipherbucket.format.footer import MIN_FOOTER
from cipherbucket.format.sealed import HEADER, TAG
from cipherbucket.keys.base import MasterKey, kind_of

MOST_NAMES_OF_KEY = 10
"""Names of objects that are kept of a key that is not asked about, and ids that the KMS named."""
MOST_KEYS = 500
"""Keys beyond are counted as one."""
MOST_ALGORITHMS = 20
"""Wrap algorithms beyond are counted as one; there are not half as many."""
OTHER_ALGORITHMS = "more algorithms"
OTHER_KEYS = KeyLabel("other", "more keys")
_BOTH_FORMATS = "both-formats"
MOST_REASONS = 50
"""Reasons for a finding beyond are counted as one."""
OTHER_REASONS = "other reasons"
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

_ONLY_IN_FOOTERS = (
    "footers alone name it; whether other objects may be of it is answered if it is asked about"
)

FormatCounts = dict[str, list[int]]
"""By format: how many objects, and how many stored bytes."""


@dataclass
class KeyUse:
    """What is known of one master key by the objects that name it.

    Attributes:
        label: By what it is known.
        formats: Objects and stored bytes by format.
        bits: Lengths of RSA keys under this label; two mean two keys.
        key_id: Id of the key of the ring; None where the ring has none.
        kms_ids: Ids of the KMS keys that the KMS named, when it was asked.
        alone: How many objects name no other key.
        removed: How many sealed objects name it in their footer only.
        first: Names of the first objects.
        oldest: When the oldest of its objects was written.
        newest: When the newest was.
    """

    label: KeyLabel
    formats: FormatCounts = field(default_factory=dict)
    bits: set[int] = field(default_factory=set)
    key_id: str | None = None
    kms_ids: set[str] = field(default_factory=set)
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
    def is_in_both_formats(self) -> bool:
        """Whether it is an RSA key that is used for the OSS format and for the sealed one."""
        return (
            self.label.kind == "rsa"
            and "sealed" in self.formats
            and not {"oss", "oss-v1"}.isdisjoint(self.formats)
        )


class Summary:
    """Adds up objects, one after another.

    Args:
        now: Ages are counted from here.
        questions: Keys that are asked about.
        ring: The keys given; reported even if no object names them.

    Attributes:
        objects: How many there are, or versions where those are looked at; those that were gone
            when they were looked at are not.
        names: How many names these have.
        stored_size: Their stored bytes.
        verified: How many envelopes a key of the ring has opened.
        random_ivs: How many of these have a random IV, in format ``oss``.
        concerned: How many objects have findings.
        formats: Objects and stored bytes by format.
        algorithms: By wrap algorithm, and then by format: objects and stored bytes.
        ages: For each of `AGES`: objects and stored bytes by format.
        keys: What is known of each key.
        asked: Whether each of the keys that are asked about can be retired.
        has_versions: Whether an object has a version id.
        maybe_stripped: How many objects without an envelope are long enough to be sealed ones
            that lost theirs.
    """

    def __init__(
        self,
        now: datetime,
        questions: Iterable[Question] = (),
        ring: Iterable[MasterKey] = (),
    ) -> None:
        self.objects = 0
        self.names = 0
        self._last_name: str | None = None
        self.stored_size = 0
        self.verified = 0
        self.random_ivs = 0
        self.concerned = 0
        self.formats: FormatCounts = {}
        self.algorithms: dict[str, FormatCounts] = {}
        self.ages: list[FormatCounts] = [{} for _ in AGES]
        self.keys: dict[KeyLabel, KeyUse] = {}
        self._of_ring: dict[KeyLabel, Retirement] = {}
        for key in ring:
            label = KeyLabel(kind_of(min(key.algorithms)), canonical(key.description))
            self.keys[label] = KeyUse(label, key_id=key.id)
            self._of_ring[label] = Retirement(Question.about(key))
        self._findings: dict[str, tuple[int, list[str]]] = {}
        self._reasons: dict[str, dict[str, int]] = {}
        self.asked = [Retirement(question) for question in questions]
        self.has_versions = False
        self.maybe_stripped = 0
        self._now = now

    def add(self, found: AuditedObject) -> None:
        """Count one object."""
        _count(self.formats, found)
        self.has_versions = self.has_versions or found.version_id is not None
        if found.format == GONE:
            return
        self.objects += 1
        self.names += found.name != self._last_name  # they come in order of names
        self._last_name = found.name
        self.stored_size += found.stored_size
        self.verified += found.verified is True
        self.random_ivs += found.iv == RANDOM
        self.concerned += bool(found.findings)
        if found.modified is not None:
            days = (self._now - found.modified) / timedelta(days=1)
            place = next(i for i, (_, end) in enumerate(AGES) if end is None or days < end)
            _count(self.ages[place], found)
        for code in found.findings:
            self._count_finding(code, found)
            if FINDINGS[code].with_reasons and found.reason:
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
        self.maybe_stripped += found.format == PLAINTEXT and found.stored_size >= _LEAST_SEALED

    def _count_finding(self, code: str, found: AuditedObject) -> None:
        count, first = self._findings.get(code, (0, []))
        if len(first) < MOST_NAMES:
            first.append(found.place)
        self._findings[code] = count + 1, first

    def _count_reason(self, code: str, found: AuditedObject) -> None:
        # Neither the object's name nor the number of a request makes it another reason.
        reason = found.reason.removeprefix(f"{found.name!r}: ")
        reason = _REQUEST.sub("request ...", reason)
        counts = self._reasons.setdefault(code, {})
        if reason not in counts and len(counts) >= MOST_REASONS:
            reason = OTHER_REASONS
        counts[reason] = counts.get(reason, 0) + 1

    def reasons(self, code: str) -> list[tuple[str, int]]:
        """Return the reasons for a finding and how many objects have each, most first."""
        counts = self._reasons.get(code, {})
        return sorted(counts.items(), key=lambda each: (each[0] == OTHER_REASONS, -each[1]))

    def _counted_as(self, algorithm: str) -> str:
        full = len(self.algorithms) >= MOST_ALGORITHMS
        return OTHER_ALGORITHMS if full and algorithm not in self.algorithms else algorithm

    def _use(self, label: KeyLabel) -> KeyUse:
        if label not in self.keys and len(self.keys) >= MOST_KEYS:
            label = OTHER_KEYS
        return self.keys.setdefault(label, KeyUse(label))

    def _count_key(self, label: KeyLabel, found: AuditedObject) -> None:
        use = self._use(label)
        _count(use.formats, found)
        for each in found.recipients:
            if each.label == label and use.label is not OTHER_KEYS:
                use.bits.update([each.bits] if each.bits is not None else [])
                use.key_id = use.key_id or each.key_id
                if each.kms_id is not None and len(use.kms_ids) < MOST_NAMES_OF_KEY:
                    use.kms_ids.add(each.kms_id)
        use.alone += len(found.recipients) == 1
        if len(use.first) < MOST_NAMES_OF_KEY:
            use.first.append(found.place)
        if found.modified is not None:
            use.oldest = min(use.oldest or found.modified, found.modified)
            use.newest = max(use.newest or found.modified, found.modified)

    def keys_by_size(self) -> list[KeyUse]:
        """Return the keys by the bytes they protect, most first."""
        return sorted(self.keys.values(), key=lambda use: (-use.stored_size, use.label))

    def keys_in_both_formats(self) -> list[KeyUse]:
        """Return the RSA keys that are used for the OSS format and for the sealed one."""
        return [use for use in self.keys_by_size() if use.is_in_both_formats]

    def with_findings_of_keys(self, found: AuditedObject) -> AuditedObject:
        """Return an object, once all are added, with what was found of the keys that it names."""
        if all(each.label not in self._labels_in_both_formats for each in found.recipients):
            return found
        codes = {*found.findings, _BOTH_FORMATS}
        return replace(found, findings=tuple(code for code in FINDINGS if code in codes))

    def add_findings_of_keys(self, found: AuditedObject) -> None:
        """Count what was found of the keys that an object names, once all objects are added."""
        if self.with_findings_of_keys(found) is not found:
            self.concerned += not found.findings
            self._count_finding(_BOTH_FORMATS, found)

    @cached_property
    def _labels_in_both_formats(self) -> set[KeyLabel]:
        return {use.label for use in self.keys_in_both_formats()}

    @property
    def findings(self) -> dict[str, tuple[int, list[str]]]:
        """By code, the worst first: how many objects, and the names of the first hundred."""
        return {code: self._findings[code] for code in FINDINGS if code in self._findings}

    def retirements(self, common: list[str], thing: str = "object") -> dict[KeyLabel, Retirement]:
        """Answer for every key that an object names or the ring has: can it be retired?

        Args:
            common: Why nothing is known of any key; empty where nothing speaks against it.
            thing: What was counted: ``object`` or ``version``.
        """
        answers = {}
        for use in self.keys_by_size():
            if not use.label.is_certain or use.label is OTHER_KEYS:
                continue
            if use.label in self._of_ring:
                answers[use.label] = self._of_ring[use.label].with_reasons(common, thing)
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
            answers[use.label] = answer.with_reasons(
                [*common, _ONLY_IN_FOOTERS] if not use.objects else common, thing
            )
        return answers

    def answers(self, common: list[str], thing: str = "object") -> list[Retirement]:
        """Answer for the keys that were asked about; see `retirements`."""
        return [answer.with_reasons(common, thing) for answer in self.asked]


def _count(counts: FormatCounts, found: AuditedObject) -> None:
    assert found.format in FORMATS
    both = counts.setdefault(found.format, [0, 0])
    both[0] += 1
    both[1] += found.stored_size
