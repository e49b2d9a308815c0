"""Whether a master key can be retired, by what objects say of their keys.

Rule: yes is a promise, and whoever believes it may destroy the key. It is never given where an
object could need the key and not say so: one that was not looked at, not understood or not opened,
a key without a description, a description that is nearly the one asked about; nor for a name that
neither an object nor a given key goes by. Then the answer is unknown, with the reason.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from cipherbucket.audit.audited_object import AuditedObject, AuditedRecipient
from cipherbucket.audit.findings import UNASKED, UNREADABLE
from cipherbucket.audit.key_labels import KeyLabel, canonical, kms_id_of
from cipherbucket.bulk.outcomes import FAILED
from cipherbucket.errors import UsageError
from cipherbucket.format.description import Description
from cipherbucket.keys.base import MasterKey, kind_of
from cipherbucket.keys.kms.key import AliKmsKey
from cipherbucket.keys.ring import check_key
from cipherbucket.text import count

MOST_NAMES = 100
"""Names of objects that are kept of every finding, and of a key that is asked about."""
_REASONS = {
    FAILED: "could not be looked at",
    UNREADABLE: "with an envelope that cannot be understood",
    "stripped": "sealed, without their metadata",
    "wrong": "not opened by the key that they name",
    "kms": "of a KMS key that the KMS does not name",
    UNASKED: "of KMS keys, and the KMS could not be asked which",
    "undescribed": "with a key that is not described",
    "unnamed": "of KMS keys whose ids are not known (--ask-kms)",
    "alias": "of KMS keys, and an alias does not say which key it is: ask by its id",
    "nameless": "of keys that were not given, and this key has no description to know it by",
    "like": "of keys that were not given, whose description is nearly this one",
}
"""Why an object may need a key that it does not name."""
_NO_SUCH_NAME = (
    "no object and no key here goes by that name: a misspelling gets no yes; name the key's file"
    " or a key of cipherbucket.toml"
)


@dataclass(frozen=True, slots=True)
class Question:
    """A key that is asked about.

    Attributes:
        text: As it was asked.
        description: Its description, as `canonical` writes it.
        kind: ``rsa``, ``aes`` or ``kms``; None for any.
        kms_id: The id of the KMS key; None for an alias, and for keys of other kinds.
        exists: Whether there is such a key, whatever objects say: it was given, or some list of
            keys has it. A name that nobody goes by may be another key's, misspelled.
    """

    text: str
    description: str
    kind: str | None = None
    kms_id: str | None = None
    exists: bool = False

    @classmethod
    def about(cls, key: MasterKey | str) -> Question:
        """Ask about a master key, or about the description that names one.

        Args:
            key: A key, the JSON text of a description, or the id of a KMS key.

        Raises:
            UsageError: The description is no JSON object of strings.
        """
        if not isinstance(key, str):
            check_key(key)
            kinds = {kind_of(each) for each in key.algorithms}
            kms_id = kms_id_of(key.id) if isinstance(key, AliKmsKey) else None
            kind = kinds.pop() if len(kinds) == 1 else None
            return replace(cls.by_description(key.description, kind, kms_id), exists=True)
        if key.lstrip().startswith("{"):
            return cls.by_description(Description(key))
        return cls.by_description({"kms": key}, "kms")

    @classmethod
    def by_description(
        cls, description: Mapping[str, str], kind: str | None = None, kms_id: str | None = None
    ) -> Question:
        """Ask about the key of a description."""
        text = canonical(description)
        if kind in {None, "kms"}:
            kms_id = kms_id or KeyLabel("kms", text).kms_id
        return cls(text or "no description", text, kind, kms_id)

    def knowing(self, keys: Iterable[Question]) -> Question:
        """Return this question, about a key that exists if it is one of these."""
        return replace(self, exists=self.exists or any(map(self._is_of_same_key, keys)))

    def _is_of_same_key(self, other: Question) -> bool:
        if other.kind is not None and not self.may_be(other.kind):
            return False
        same_id = self.kms_id is not None and self.kms_id == other.kms_id
        return same_id or self.description == other.description

    @property
    def is_alias(self) -> bool:
        """Whether it is about a KMS key, and nobody knows which without asking the KMS."""
        named = _entries(self.description) or {}
        return self.kms_id is None and self.kind in {None, "kms"} and set(named) == {"kms"}

    def is_about(self, recipient: AuditedRecipient) -> bool:
        """Return whether a recipient is this key, by its label or by what the KMS said."""
        label = recipient.label
        if not self.may_be(label.kind):
            return False
        if label.description == self.description:  # a damaged label is no description's
            return True
        named = kms_id_of(recipient.kms_id) if recipient.kms_id is not None else label.kms_id
        return named is not None and named == self.kms_id

    def doubt(self, recipient: AuditedRecipient, *, opened: bool) -> str | None:
        """Return why a recipient, which is not this key by its label, may be so still.

        Args:
            recipient: One that `is_about` denies.
            opened: Whether it is known to be the key of the ring that it names.

        Returns:
            A word of `_REASONS`; None where it is another key.
        """
        label = recipient.label
        if opened or not self.may_be(label.kind):
            return None
        if label.kind == "kms" and self.is_alias:
            return "alias"
        if label.kind == "kms" and self.kms_id is not None:
            return self._kms_doubt(recipient)
        if not label.is_certain:
            return "undescribed"
        like = recipient.key_id is None and _holds(label.description, self.description)
        return ("like" if self.description else "nameless") if like else None

    def _kms_doubt(self, recipient: AuditedRecipient) -> str | None:
        label = recipient.label
        if recipient.kms_id is not None:
            return None
        if not label.is_certain:
            return "undescribed"
        known = label.kms_id or kms_id_of(recipient.key_id or "")
        return "unnamed" if known is None else None

    def may_be(self, kind: str) -> bool:
        """Return whether it can be about a key of this kind at all."""
        return self.kind in {None, "other", kind} or kind == "other"


@dataclass
class Retirement:
    """Whether a key can be retired.

    Attributes:
        question: Which key.
        objects: How many objects name it.
        alone: How many of them name no other key.
        removed: How many sealed objects name it in their footer only.
        first: Names of the first objects, with the version where those were looked at.
        reasons: Why no more is known, where that is so.
        doubts: For each reason that lies in objects: how many.
    """

    question: Question
    objects: int = 0
    alone: int = 0
    removed: int = 0
    first: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    doubts: dict[str, int] = field(default_factory=dict)

    @property
    def answer(self) -> str:
        """``yes``, ``no`` or ``unknown``."""
        return "no" if self.objects else "unknown" if self.reasons else "yes"

    def add(self, found: AuditedObject) -> None:
        """Count an object that names the key, or that may be of it."""
        if any(map(self.question.is_about, found.recipients)):
            self.objects += 1
            self.alone += len(found.recipients) == 1
            if len(self.first) < MOST_NAMES:
                self.first.append(found.place)
        elif any(map(self.question.is_about, found.removed)):
            self.removed += 1
        for doubt in self._doubts(found):
            self.doubts[doubt] = self.doubts.get(doubt, 0) + 1

    def _doubts(self, found: AuditedObject) -> set[str]:
        if found.format in {FAILED, UNREADABLE}:
            return {found.format}
        if "stripped" in found.findings:
            return {"stripped"}
        if "wrong-key" in found.findings or "altered" in found.findings:
            return {"wrong"}
        if "kms" in found.findings and any(
            each.kms_id is None for each in found.recipients if each.label.kind == "kms"
        ):
            return {"kms"}
        if UNASKED in found.findings and self.question.may_be("kms"):
            return {UNASKED}
        # Several keys of the ring may have opened it: which of them did is not known then.
        ours = [each for each in found.recipients if each.key_id is not None]
        opened = ours[0] if found.verified and len(ours) == 1 else None
        doubts = (
            self.question.doubt(each, opened=each is opened)
            for each in found.recipients
            if not self.question.is_about(each)
        )
        return {doubt for doubt in doubts if doubt is not None}

    def with_reasons(self, common: list[str], thing: str) -> Retirement:
        """Put its doubts into words, after those that concern every key.

        Args:
            common: Those.
            thing: What was counted: ``object`` or ``version``.
        """
        own = (
            f"{count(self.doubts[what], thing)} {text}"
            for what, text in _REASONS.items()
            if what in self.doubts
        )
        self.reasons = [*common, *own]
        if not (self.objects or self.removed or self.question.exists):
            self.reasons.append(_NO_SUCH_NAME)
        return self


def names_of_asked(found: AuditedObject, questions: Iterable[Question]) -> list[str]:
    """Return which of the keys that are asked about an object names, as they were asked."""
    return [each.text for each in questions if any(map(each.is_about, found.recipients))]


@lru_cache(4096)
def _holds(description: str, part: str) -> bool:
    """Return whether a description has all entries of another, as people read them.

    Whoever asks by a part of a description, or in another spelling, means the key all the same.
    """
    whole, asked = _entries(description), _entries(part)
    if whole is None or asked is None:  # long ones are cut: what was cut off may be what was asked
        return whole is None
    folded = {_folded(name): _folded(text) for name, text in whole.items()}
    return all(folded.get(_folded(name)) == _folded(text) for name, text in asked.items())


def _entries(description: str) -> Mapping[str, str] | None:
    try:
        return Description(description)
    except (UsageError, json.JSONDecodeError):
        return None


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
