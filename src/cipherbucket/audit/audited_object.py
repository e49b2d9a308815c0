"""What an audit knows of one object.

Rule: nothing here is a secret, wrapped or not, and all of it is small: a store that fills the
metadata of a million objects fills neither memory nor disk. All of it is the store's word, unless
``verified`` says that a key of the ring has opened the envelope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cipherbucket.audit.findings import UNASKED, UNREADABLE
from cipherbucket.audit.key_labels import KeyLabel, shortened
from cipherbucket.bulk.outcomes import FAILED, Outcome
from cipherbucket.envelopes.policy import PLAINTEXT

GONE = "gone"
FORMATS = ("oss", "oss-v1", "sealed", PLAINTEXT, UNREADABLE, FAILED, GONE)
"""What an object can be, in the order of every report."""


@dataclass(frozen=True, slots=True)
class AuditedRecipient:
    """One master key that an object names.

    Attributes:
        label: By what the key is known.
        algorithm: The wrap algorithm, as it stands on the wire.
        bits: Length of the RSA key by the wrapped key's; None for other kinds.
        key_id: Id of the key of the ring that has this label; None where none has.
        kms_id: Id of the KMS key that the KMS named when it was asked.
    """

    label: KeyLabel
    algorithm: str
    bits: int | None
    key_id: str | None = None
    kms_id: str | None = None


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
        iv: Of an object of format ``oss`` that a key of the ring opened: ``masked`` or ``random``.
        listed_version: The version, where versions were looked at.
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
    iv: str | None = None
    listed_version: str | None = None

    @property
    def place(self) -> str:
        """What reports call it: its name, and the version if others of the name are looked at."""
        return f"{self.name} (version {self.listed_version})" if self.listed_version else self.name

    def outcome(self, version_id: str | None) -> Outcome:
        """Return it as a ledger keeps it, under the version that was listed, if versions were."""
        detail: dict[str, Any] = {"findings": self.findings}
        if self.modified is not None:
            detail["modified"] = self.modified.isoformat()
        for name in ("version_id", "size", "verified", "reason", "iv"):
            if (value := getattr(self, name)) not in {None, ""}:
                detail[name] = value
        for name in ("recipients", "removed"):
            if keys := getattr(self, name):
                detail[name] = [
                    [*each.label, each.algorithm, each.bits, each.key_id, each.kms_id]
                    for each in keys
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
                reason=shortened(str(detail.get("reason", ""))),
                listed_version=outcome.version_id,
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
            detail.get("iv"),
            outcome.version_id,
        )


def _recipients(detail: Mapping[str, Any], name: str) -> tuple[AuditedRecipient, ...]:
    return tuple(
        AuditedRecipient(KeyLabel(kind, description), algorithm, bits, key_id, kms_id)
        for kind, description, algorithm, bits, key_id, kms_id in detail.get(name, ())
    )
