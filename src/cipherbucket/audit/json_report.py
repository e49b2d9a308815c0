"""An audit as JSON, for programs: a mapping for each object, and one for the whole.

Rule: objects are written as they come, so that a million of them take no more memory than one.
docs/audit.md promises every field; a change of one counts `SCHEMA` up, a new one does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cipherbucket.audit.audited_object import FORMATS, AuditedObject, AuditedRecipient
from cipherbucket.audit.facts import TOOL, AuditFacts
from cipherbucket.audit.findings import FINDINGS
from cipherbucket.audit.retirement import Retirement, names_of_asked
from cipherbucket.audit.summary import AGES, FormatCounts, KeyUse

SCHEMA = 1


def lines(facts: AuditFacts, objects: Iterable[AuditedObject]) -> Iterator[dict[str, Any]]:
    """Yield a mapping for each object, and a last one for the whole (docs/audit.md)."""
    questions = [answer.question for answer in facts.summary.asked]
    for each in objects:
        yield {
            "type": "object",
            "name": each.name,
            "version_id": each.version_id,
            "format": each.format,
            "stored_size": each.stored_size,
            "size": each.size,
            "modified": each.modified.isoformat() if each.modified is not None else None,
            "verified": each.verified,
            "iv": each.iv,
            "recipients": [_recipient(recipient) for recipient in each.recipients],
            "removed": [_recipient(recipient) for recipient in each.removed],
            "findings": list(each.findings),
            "retire": names_of_asked(each, questions),
            "reason": each.reason or None,
        }
    yield report(facts)


def _recipient(recipient: AuditedRecipient) -> dict[str, Any]:
    return {
        "kind": recipient.label.kind,
        "description": recipient.label.description,
        "wrap_algorithm": recipient.algorithm,
        "rsa_bits": recipient.bits,
        "key": recipient.key_id,
        "kms_key": recipient.kms_id,
    }


def report(facts: AuditFacts) -> dict[str, Any]:
    """Return all but the single objects."""
    scope, summary = facts.scope, facts.summary
    retirements = facts.retirements
    return {
        "type": "audit",
        "schema": SCHEMA,
        "tool": TOOL,
        "url": scope.url,
        "prefix": scope.prefix,
        "inventory": scope.inventory.isoformat() if scope.inventory is not None else None,
        "started": scope.started.isoformat(),
        "finished": facts.finished.isoformat(),
        "versions": facts.versions,
        "footers": scope.footers,
        "asked_kms": scope.asked_kms,
        "uploads": scope.uploads,
        "resumed": facts.resumed,
        "ring": [{"id": key_id, "description": text} for key_id, text in scope.ring],
        "objects": summary.objects,
        "names": summary.names,
        "stored_bytes": summary.stored_size,
        "verified": summary.verified,
        "random_ivs": summary.random_ivs,
        "concerned": summary.concerned,
        "formats": _formats(summary.formats),
        "algorithms": {
            name: _formats(counts) for name, counts in sorted(summary.algorithms.items())
        },
        "ages": [
            {"age": age, "formats": _formats(counts)}
            for (age, _), counts in zip(AGES, summary.ages, strict=True)
        ],
        "keys": [_key(use, retirements.get(use.label)) for use in summary.keys_by_size()],
        "findings": [
            {
                "finding": code,
                "text": FINDINGS[code].text,
                "objects": count,
                "first": names,
                "reasons": [
                    {"reason": reason, "objects": number}
                    for reason, number in summary.reasons(code)
                ],
            }
            for code, (count, names) in summary.findings.items()
        ],
        "retire": [
            {"key": each.question.text, **_retirement(each), "first": each.first}
            for each in facts.answers
        ],
        "notes": facts.notes,
    }


def _key(use: KeyUse, retirement: Retirement | None) -> dict[str, Any]:
    return {
        "kind": use.label.kind,
        "description": use.label.description,
        "key": use.key_id,
        "kms_keys": sorted(use.kms_ids),
        "rsa_bits": sorted(use.bits),
        "objects": use.objects,
        "stored_bytes": use.stored_size,
        "formats": _formats(use.formats),
        "oldest": use.oldest.isoformat() if use.oldest is not None else None,
        "newest": use.newest.isoformat() if use.newest is not None else None,
        "first": use.first,
        "retire": _retirement(retirement) if retirement is not None else None,
    }


def _retirement(each: Retirement) -> dict[str, Any]:
    return {
        "answer": each.answer,
        "objects": each.objects,
        "alone": each.alone,
        "removed": each.removed,
        "reasons": each.reasons,
    }


def _formats(counts: FormatCounts) -> dict[str, dict[str, int]]:
    return {
        name: {"objects": counts[name][0], "stored_bytes": counts[name][1]}
        for name in FORMATS
        if name in counts
    }
