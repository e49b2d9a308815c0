"""Audits of buckets that nobody has: what a look at each of many objects might have found.

``python -m tests.support.audit_scenes FILE`` writes the page that docs/audit.png shows.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cipherbucket.audit.audited_object import AuditedObject, AuditedRecipient
from cipherbucket.audit.key_labels import KeyLabel
from cipherbucket.audit.result import Audit
from cipherbucket.audit.retirement import Question
from cipherbucket.audit.scope import AuditScope
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.keys.ring import KeyRing
from cipherbucket.stores.records import Entry

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
RSA_2019 = KeyLabel("rsa", "")
RSA_2022 = KeyLabel("rsa", '{"desc":"2022"}')
RSA_2025 = KeyLabel("rsa", '{"desc":"2025","team":"billing"}')
KMS = KeyLabel("kms", '{"kms":"1234abcd-12ab-34cd-56ef-1234567890ab"}')
AES = KeyLabel("aes", '{"desc":"vault-2026"}')
_ALGORITHMS = {
    ("rsa", "oss"): "RSA/NONE/PKCS1Padding",
    ("rsa", "oss-v1"): "rsa",
    ("rsa", "sealed"): "RSA-OAEP-SHA-256",
    ("kms", "oss"): "KMS/ALICLOUD",
    ("aes", "sealed"): "AES-256-KWP",
}
_IN_RING = {
    RSA_2025: "SHA256:rv6Bsz3o1dUkHhT0fVXbsyVJm3mYw8yqFvKQm0lJx2E",
    AES: "AES-256:9f14c7a0b3d2e586",
}
# How likely, format, keys, days old at most, and mean size.
_KINDS = (
    (0.44, "oss", (RSA_2025,), 500, 3_000_000),
    (0.18, "oss", (RSA_2022,), 1500, 9_000_000),
    (0.13, "oss", (KMS,), 300, 700_000),
    (0.05, "oss-v1", (RSA_2019,), 2600, 2_000_000),
    (0.13, "sealed", (AES,), 200, 14_000_000),
    (0.03, "sealed", (AES, RSA_2025), 150, 5_000_000),
    (0.033, "plaintext", (), 2200, 6_000_000),
    (0.004, "unreadable", (), 900, 1_000_000),
    (0.003, "failed", (), 900, 1_000_000),
)
_FOLDERS = ("invoices/2026", "logs/edge", "backups/db", "exports/partner a&b", "hr/payroll")


def found(count: int, seed: int = 1) -> Iterator[AuditedObject]:
    """Make up what was found, in byte order of names."""
    dice = random.Random(seed)
    per_folder = -(-count // len(_FOLDERS))
    made = 0
    for folder in sorted(_FOLDERS):
        for number in range(per_folder):
            if made == count:
                return
            made += 1
            yield _one(f"{folder}/{number:07}.bin", dice)


def _one(name: str, dice: random.Random) -> AuditedObject:
    weights = [kind[0] for kind in _KINDS]
    _, kind, labels, days, mean = dice.choices(_KINDS, weights)[0]
    findings: list[str] = []
    if kind == "oss-v1":
        findings += ["undescribed", "v1", "weak-rsa"]
    if labels in {(RSA_2022,), (KMS,)} or kind == "oss-v1":
        findings.append("unknown-key")
    if kind in {"plaintext", "unreadable", "failed"}:
        findings.append(kind)
    removed: tuple[AuditedRecipient, ...] = ()
    if labels == (AES,) and dice.random() < 0.06:
        removed = (_recipient(RSA_2022, "sealed"),)
        findings.append("removed")
    return AuditedObject(
        name,
        kind,
        int(dice.expovariate(1 / mean)) + 1,
        size=int(mean) if labels else None,
        modified=None if kind == "failed" else NOW - timedelta(days=days * dice.random() ** 2),
        verified=True if any(label in _IN_RING for label in labels) else None,
        recipients=tuple(_recipient(label, kind) for label in labels),
        removed=removed,
        findings=tuple(findings),
        reason="client-side-encryption-start: missing" if kind == "unreadable" else "",
    )


def _recipient(label: KeyLabel, kind: str) -> AuditedRecipient:
    bits = {RSA_2019: 1024, RSA_2022: 2048, RSA_2025: 3072}.get(label)
    return AuditedRecipient(label, _ALGORITHMS[label.kind, kind], bits, _IN_RING.get(label))


def audit_of(count: int, *questions: Question, footers: bool = True) -> Audit:
    """Return the audit that would have found it, over a ledger on disk."""
    ring = tuple((key, label.description) for label, key in _IN_RING.items())
    scope = AuditScope(
        url="oss://examplebucket",
        prefix="",
        versions=False,
        footers=footers,
        asked_kms=False,
        started=NOW,
        ring=ring,
    )
    ledger = Ledger.open("audit", "made up", str(count))
    for each in found(count):
        ledger.add(Entry(name=each.name), each.outcome(None))
    return Audit(scope, ledger, KeyRing(), questions=questions)


def main() -> None:
    existing = replace(Question.by_description({"desc": "2018"}), exists=True)
    questions = (Question.by_description({"desc": "2022"}), existing)
    with audit_of(41_230, *questions) as audit:
        audit._finished = NOW + timedelta(seconds=62)
        audit.write_html(sys.argv[1])


if __name__ == "__main__":
    main()
