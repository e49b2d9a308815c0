"""What all audited objects come to: counts, keys, findings, and whether a key can be retired.

Law: one pass over the objects, in order, and memory that does not grow with their number: of every
finding the first hundred names are kept, of every key the first few, and keys beyond a number that
no honest bucket has are counted together. A key can be retired when no object names it; what could
not be looked at makes the answer unknown, never yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from cipherbucket.audit_object import (
    FINDINGS,
    FORMATS,
    GONE,
    UNREADABLE,
    AuditedObject,
    AuditedRecipient,
    KeyLabel,
    described,
)
from cipherbucket.ledger import FAILED

FIRST = 100
"""So many names of objects are kept of every finding, and of a key that is asked about."""
FIRST_OF_KEY = 10
"""So many of every other key."""
MOST_KEYS = 500
"""Keys beyond are counted as one."""
OTHERS = KeyLabel("other", "more keys")
AGES = (
    ("under 30 days", 30),
    ("30 to 90 days", 90),
    ("90 days to 1 year", 365),
    ("1 to 2 years", 730),
    ("2 to 5 years", 1826),
    ("over 5 years", None),
)
"""Spans of age, and the days that each ends before."""

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


@dataclass(frozen=True, slots=True)
class Question:
    """A key that is asked about.

    Attributes:
        text: As it was asked.
        description: Its description, as `described` writes it.
        kind: ``rsa``, ``aes`` or ``kms``; None for any.
    """

    text: str
    description: str
    kind: str | None = None

    @classmethod
    def of(cls, description: Mapping[str, str], kind: str | None = None) -> Question:
        """Ask about the key of a description."""
        text = described(description)
        return cls(text or "no description", text, kind)

    @property
    def names_kms_key(self) -> bool:
        """Whether it is about a KMS key by its id."""
        return KeyLabel("kms", self.description).kms_id is not None

    def is_about(self, recipient: AuditedRecipient) -> bool:
        """Tell whether a recipient is this key, by its label or by what the KMS said."""
        label = recipient.label
        if self.kind not in {None, label.kind}:
            return False
        if label.description == self.description:  # a damaged label is no description's
            return True
        return recipient.kms is not None and self.description == described({"kms": recipient.kms})


@dataclass
class Retirement:
    """Whether a key can be retired.

    Attributes:
        question: Which key.
        objects: How many objects name it.
        alone: How many of them name no other key.
        removed: How many sealed objects name it in their footer only.
        first: Names of the first objects.
        reasons: Why no more is known, where that is so.
    """

    question: Question
    objects: int = 0
    alone: int = 0
    removed: int = 0
    first: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def answer(self) -> str:
        """``yes``, ``no`` or ``unknown``."""
        return "no" if self.objects else "unknown" if self.reasons else "yes"

    def add(self, found: AuditedObject) -> None:
        """Count an object that names the key."""
        if any(map(self.question.is_about, found.recipients)):
            self.objects += 1
            self.alone += len(found.recipients) == 1
            if len(self.first) < FIRST:
                self.first.append(found.name)
        elif any(map(self.question.is_about, found.removed)):
            self.removed += 1


class Summary:
    """Sums up objects, one after another.

    Args:
        now: Ages are counted from here.
        questions: Keys that are asked about.
        ring: Ids of the keys of the ring by their labels; told also if no object names them.

    Attributes:
        objects: How many there are; those that were gone when they were looked at are not.
        stored_size: Their stored bytes.
        verified: How many envelopes a key of the ring has opened.
        concerned: How many objects have findings of their own.
        formats: Objects and stored bytes by format.
        ages: For each of `AGES`: objects and stored bytes by format.
        keys: What is known of each key.
        findings: By code: how many objects, and the names of the first.
        asked: Whether each of the keys that are asked about can be retired.
        keeps_versions: Whether an object told of a version.
    """

    def __init__(
        self,
        now: datetime,
        questions: Iterable[Question] = (),
        ring: Mapping[KeyLabel, str] = MappingProxyType({}),
    ) -> None:
        self.objects = 0
        self.stored_size = 0
        self.verified = 0
        self.concerned = 0
        self.formats: Tally = {}
        self.ages: list[Tally] = [{} for _ in AGES]
        self.keys = {label: KeyUse(label, key=key_id) for label, key_id in ring.items()}
        self.findings: dict[str, tuple[int, list[str]]] = {}
        self.asked = [Retirement(question) for question in questions]
        self.keeps_versions = False
        self._now = now
        self._unsure: dict[str, int] = {}

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
        for label in dict.fromkeys(each.label for each in found.recipients):
            self._count_key(label, found)
        for label in {each.label for each in found.removed}:
            self._use(label).removed += 1
        for retirement in self.asked:
            retirement.add(found)
        self._note_unsure(found)

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

    def _note_unsure(self, found: AuditedObject) -> None:
        """Count what might be of any key, or of any of a kind."""
        kms = (each for each in found.recipients if each.label.kind == "kms" and each.kms is None)
        if any(each.label.is_certain and each.label.kms_id is None for each in kms):
            self._note("unnamed")
        if found.format in {FAILED, UNREADABLE}:
            self._note(found.format)
        elif "stripped" in found.findings:
            self._note("stripped")
        elif "wrong-key" in found.findings or "altered" in found.findings:
            self._note("wrong")
        elif "kms" in found.findings and any(
            each.kms is None for each in found.recipients if each.label.kind == "kms"
        ):
            self._note("kms")
        elif found.verified is not True:
            unnamed = (each for each in found.recipients if not each.label.is_certain)
            for kind in {each.label.kind for each in unnamed if each.kms is None}:
                self._note("undescribed " + kind)

    def _note(self, what: str) -> None:
        self._unsure[what] = self._unsure.get(what, 0) + 1

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

    def retirements(self, versions: str) -> list[Retirement]:
        """Answer for every key that an object names or the ring has: can it be retired?

        Args:
            versions: Why old versions may name a key; "" where they do not.
        """
        answers = []
        for use in self.use_order():
            kind, description = use.label
            if use.label.is_certain and use.label is not OTHERS:
                question = Question(description, description, kind)
                answers.append(Retirement(question, use.objects, use.alone, use.removed, use.first))
        return [self._with_reasons(answer, versions) for answer in answers]

    def answers(self, versions: str) -> list[Retirement]:
        """Answer for the keys that were asked about; see `retirements`."""
        return [self._with_reasons(answer, versions) for answer in self.asked]

    def _with_reasons(self, answer: Retirement, versions: str) -> Retirement:
        question = answer.question
        reasons = [versions] if versions else []
        for what, text in _REASONS.items():
            if count := self._unsure.get(what):
                reasons.append(f"{objects(count)} {text}")
        unnamed = sum(
            count
            for what, count in self._unsure.items()
            if what.startswith("undescribed ")
            and question.kind in {None, what.removeprefix("undescribed ")}
        )
        if unnamed:
            reasons.append(f"{objects(unnamed)} with a key that is not described")
        if question.names_kms_key and (count := self._unsure.get("unnamed")):
            reasons.append(f"{objects(count)} of KMS keys whose ids are not told (--ask-kms)")
        answer.reasons = reasons
        return answer


_REASONS = {
    FAILED: "could not be looked at",
    UNREADABLE: "with an envelope that cannot be understood",
    "stripped": "sealed, without their metadata",
    "wrong": "not opened by the key that they name",
    "kms": "of a KMS key that the KMS does not tell",
}


def objects(count: int) -> str:
    """Write a number of objects."""
    return f"{count:,} object{'' if count == 1 else 's'}"


def _count(tally: Tally, found: AuditedObject) -> None:
    assert found.format in FORMATS
    both = tally.setdefault(found.format, [0, 0])
    both[0] += 1
    both[1] += found.stored_size
