"""What an audit tells of one object.

Law: nothing here is a secret, wrapped or not, and all of it is small: a store that fills the
metadata of a million objects fills neither memory nor disk. All of it is the store's word, unless
``verified`` says that a key of the ring has opened the envelope.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from cipherbucket.bulk.ledger import FAILED, Outcome
from cipherbucket.envelopes.policy import PLAINTEXT
from cipherbucket.errors import EnvelopeError
from cipherbucket.format.description import Description
from cipherbucket.format.recipient_fields import Recipient

UNREADABLE = "unreadable"
GONE = "gone"
UNASKED = "unasked"
FORMATS = ("oss", "oss-v1", "sealed", PLAINTEXT, UNREADABLE, FAILED, GONE)
"""What an object can be, in the order of every report."""

FINDINGS = {
    PLAINTEXT: "not encrypted",
    "stripped": "the body of a sealed object without its metadata",
    UNREADABLE: "an envelope that cannot be understood",
    FAILED: "could not be looked at",
    UNASKED: "of a KMS key, and the KMS could not be asked which",
    "altered": "recipients that no owner of the object wrote",
    "wrong-key": "not opened by the key at hand that its description names",
    "moved": "sealed under another name",
    "length": "another length than the envelope records",
    "unknown-key": "a master key that is not at hand",
    "undescribed": "a master key without a description, or with a damaged one",
    "kms": "wrapped by another KMS key than the description names, or by one that nobody can tell",
    "v1": "the old V1 format",
    "weak-rsa": "an RSA key of less than 2,048 bits",
    "both-formats": "an RSA key that serves the OSS format and the sealed one",
    "removed": "sealed, with a removed recipient still in the footer",
    "footer": "sealed, with a footer that is damaged or another object's",
}
"""What can be wrong with objects, by its code; the worst first."""
UNDESCRIBED, DAMAGED = "", "damaged: "
"""The label of a key without a description, and what that of a damaged one begins with."""
_KMS = re.compile(r'\{"kms":"([^"\\]+)"\}')
_KMS_ID = re.compile(r"(?:acs:kms:[^:]*:[^:]*:key/)?([^:/]+)")
_LONGEST = 400
"""Characters of a description, or of a reason, that are kept."""


class KeyLabel(NamedTuple):
    """By what the master key of an object is known without it.

    Attributes:
        kind: ``rsa``, ``aes``, ``kms`` or ``other``: keys of two kinds may share a description.
        description: Compact JSON with sorted names; "" for none, ``damaged: ...`` for no JSON. A
            long one is cut and ends with its SHA-256.
    """

    kind: str
    description: str

    @property
    def is_certain(self) -> bool:
        """Whether it names a key at all."""
        return bool(self.description) and not self.description.startswith(DAMAGED)

    @property
    def kms_id(self) -> str | None:
        """The id of the KMS key that it names; None for an alias or anything else."""
        named = _KMS.fullmatch(self.description)
        return kms_id_of(named[1]) if named is not None else None


@dataclass(frozen=True, slots=True)
class AuditedRecipient:
    """One master key that an object names.

    Attributes:
        label: By what the key is known.
        algorithm: The wrap algorithm, as it stands on the wire.
        bits: Length of the RSA key by the wrapped key's; None for other kinds.
        key: Id of the key of the ring that has this label; None where none has.
        kms: Id of the KMS key that the KMS named when it was asked.
    """

    label: KeyLabel
    algorithm: str
    bits: int | None
    key: str | None = None
    kms: str | None = None


@dataclass(frozen=True, slots=True)
class AuditedObject:
    """One object, or one version of it.

    Attributes:
        name: The object's name.
        format: One of `FORMATS`.
        stored_size: Stored bytes.
        version_id: In a store that keeps versions; also where only the newest is looked at.
        size: Bytes of plaintext, as far as the store can be believed; None where not known.
        modified: When body or metadata were last written; None where not known.
        verified: True where a key of the ring opened the envelope, False where the key that it
            names did not, None where that was not tried.
        recipients: The master keys that it names.
        removed: Those that only the footer of a sealed object names still.
        findings: Codes of `FINDINGS`.
        reason: Why it could not be looked at, understood or opened.
    """

    name: str
    format: str
    stored_size: int
    version_id: str | None = None
    size: int | None = None
    modified: datetime | None = None
    verified: bool | None = None
    recipients: tuple[AuditedRecipient, ...] = ()
    removed: tuple[AuditedRecipient, ...] = ()
    findings: tuple[str, ...] = ()
    reason: str = ""

    def outcome(self, version_id: str | None) -> Outcome:
        """Return it as a ledger keeps it, under the version that was listed, if versions were."""
        detail: dict[str, Any] = {"findings": self.findings}
        if self.modified is not None:
            detail["modified"] = self.modified.isoformat()
        for name in ("version_id", "size", "verified", "reason"):
            if (value := getattr(self, name)) not in {None, ""}:
                detail[name] = value
        for name in ("recipients", "removed"):
            if keys := getattr(self, name):
                detail[name] = [
                    [*each.label, each.algorithm, each.bits, each.key, each.kms] for each in keys
                ]
        if UNASKED in self.findings:  # to be asked again by the run that goes on
            detail["format"] = self.format
            return Outcome(self.name, FAILED, self.stored_size, detail, version_id)
        return Outcome(self.name, self.format, self.stored_size, detail, version_id)

    @classmethod
    def of(cls, outcome: Outcome) -> AuditedObject:
        """Read what a ledger keeps."""
        detail = outcome.detail
        if outcome.status == FAILED and "format" not in detail:  # written by the walk
            return cls(
                outcome.name,
                FAILED,
                outcome.size,
                outcome.version_id,
                findings=(FAILED,),
                reason=cut(str(detail.get("reason", ""))),
            )
        modified = detail.get("modified")
        return cls(
            outcome.name,
            detail.get("format", outcome.status),
            outcome.size,
            detail.get("version_id"),
            detail.get("size"),
            datetime.fromisoformat(modified) if modified else None,
            detail.get("verified"),
            _recipients(detail, "recipients"),
            _recipients(detail, "removed"),
            tuple(detail["findings"]),
            detail.get("reason", ""),
        )


def label_of(recipient: Recipient) -> KeyLabel:
    """Return by what the key of a recipient is known."""
    kind = kind_of(recipient.algorithm)
    try:
        return KeyLabel(kind, described(recipient.description))
    except EnvelopeError:
        return KeyLabel(kind, DAMAGED + cut(recipient.description_text))


def described(description: Mapping[str, str]) -> str:
    """Write a description so that equal ones are equal texts."""
    return cut(Description(dict(description)).text)


def readable(description: str) -> str:
    """Write a description for people: characters, not their numbers; a cut one stays as it is."""
    try:
        return json.dumps(json.loads(description), ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        return description


def kms_id_of(named: str) -> str | None:
    """Return the id of a KMS key that is named by id or ARN; None for an alias."""
    found = _KMS_ID.fullmatch(named)
    return found[1] if found is not None else None


def kind_of(algorithm: str) -> str:
    """Return what kind of key a wrap algorithm, of any format, is of."""
    folded = algorithm.casefold()
    if folded.startswith("rsa"):
        return "rsa"
    if folded.startswith("kms") or folded.endswith("-kms"):
        return "kms"
    return "aes" if folded.startswith("aes-") else "other"


def cut(text: str) -> str:
    """Cut a long text so that two which differ stay different."""
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:_LONGEST]}... ({len(text):,} characters, SHA-256 {digest})"


def _recipients(detail: Mapping[str, Any], name: str) -> tuple[AuditedRecipient, ...]:
    return tuple(
        AuditedRecipient(KeyLabel(kind, description), algorithm, bits, key, kms)
        for kind, description, algorithm, bits, key, kms in detail.get(name, ())
    )
