"""What can be wrong with an object, by the code that reports and programs use.

Rule: all that reports say of a finding stands in its row here. The codes are public and do not
change; ``inspector.py`` detects them, and docs/audit.md explains them to users.
"""

from __future__ import annotations

from dataclasses import dataclass

from cipherbucket.bulk.outcomes import FAILED
from cipherbucket.envelopes.policy import PLAINTEXT

UNREADABLE = "unreadable"
UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What reports say of one finding.

    Attributes:
        text: What was found, to follow a number of objects.
        advice: What it means, or what to do about it.
        with_reasons: Whether the reasons are counted and listed: where nothing else says what to
            do.
    """

    text: str
    advice: str
    with_reasons: bool = False


FINDINGS = {
    PLAINTEXT: Finding(
        "not encrypted",
        "Whoever can read the bucket can read them. Encrypt them, or move them away.",
    ),
    "stripped": Finding(
        "the body of a sealed object without its metadata",
        "Nobody can read them as they are; repair gives them their metadata back.",
    ),
    UNREADABLE: Finding(
        "an envelope that cannot be understood",
        "Nobody can read them as they are; restore them from a copy.",
        with_reasons=True,
    ),
    FAILED: Finding(
        "could not be looked at",
        "Nothing is known of them. Audit again, with the rights that it takes.",
        with_reasons=True,
    ),
    UNASKED: Finding(
        "of a KMS key, and the KMS could not be asked which",
        "They are reported as they describe themselves. Audit again when the KMS answers.",
        with_reasons=True,
    ),
    "altered": Finding(
        "recipients that no owner of the object wrote",
        "Someone changed who can open them. Restore the metadata, and find out who it was.",
    ),
    "wrong-key": Finding(
        "not opened by the given key that its description names",
        "The description is another key's, or someone altered the envelope.",
    ),
    "moved": Finding(
        "sealed under another name",
        "Someone put an object in another one's place, or copied it without its keys.",
    ),
    "length": Finding(
        "another length than the envelope records",
        "They were cut off, extended or replaced; restore them from a copy.",
    ),
    "unknown-key": Finding(
        "a master key that was not given",
        "Somebody must have the key. If nobody does, nobody can read them.",
    ),
    "undescribed": Finding(
        "a master key without a description, or with a damaged one",
        "When the key is replaced, nobody can know which objects still need it.",
    ),
    "kms": Finding(
        "wrapped by another KMS key than the description names, or by an unknown one",
        "What the description says of the key is not so; the KMS's log shows who wrapped it.",
    ),
    "v1": Finding(
        "the old V1 format",
        "Only old programs for Python write it. Write these objects anew.",
    ),
    "weak-rsa": Finding(
        "an RSA key of less than 2,048 bits",
        "Too short since 2013 (NIST SP 800-131A). Write these objects anew.",
    ),
    "both-formats": Finding(
        "an RSA key that is used for the OSS format and for the sealed one",
        "It is as strong as its weaker use, PKCS#1 v1.5. Keep one key for each format.",
    ),
    "removed": Finding(
        "sealed, with a removed recipient still in the footer",
        "Whoever had that key can still open them. Reencrypt them, if that is not wanted.",
    ),
    "footer": Finding(
        "sealed, with a footer that is damaged or another object's",
        "If the metadata are lost, these cannot be repaired; the body may be damaged.",
    ),
}
"""All findings; the worst first, which is their order in every report."""
