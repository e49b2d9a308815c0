"""An audit as JSON and as CSV: for programs, and for spreadsheets.

Law: objects are written as they come, so that a million of them take no more memory than one.
Names are chosen by whoever may write to the store: a spreadsheet is not to take one for a formula.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from cipherbucket.audit.audited_object import FINDINGS, FORMATS, AuditedObject, AuditedRecipient
from cipherbucket.audit.facts import TOOL, AuditFacts
from cipherbucket.audit.retirement import Question, Retirement
from cipherbucket.audit.summary import AGES, KeyUse, Tally
from cipherbucket.errors import CipherbucketError, UsageError

SCHEMA = 1
COLUMNS = (
    "name",
    "version_id",
    "format",
    "stored_bytes",
    "plaintext_bytes",
    "modified",
    "wrap_algorithms",
    "keys",
    "rsa_bits",
    "keys_in_ring",
    "kms_keys",
    "removed_keys",
    "verified",
    "findings",
    "retire",
    "reason",
)
# Some spreadsheets take the wide forms of East Asian keyboards, too.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")


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
            "recipients": [_recipient(recipient) for recipient in each.recipients],
            "removed": [_recipient(recipient) for recipient in each.removed],
            "findings": list(each.findings),
            "retire": _names(each, questions),
            "reason": each.reason or None,
        }
    yield whole(facts)


def write_csv(
    path: str | os.PathLike[str], facts: AuditFacts, objects: Iterable[AuditedObject]
) -> None:
    """Write a line for each object.

    Several keys of one object stand one a line in their field. A text that a spreadsheet would
    take for a formula has an apostrophe before it.

    Raises:
        UsageError: The file cannot be written.
    """
    questions = [answer.question for answer in facts.summary.asked]
    with whole_file(path) as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for each in objects:
            writer.writerow([_cell(value) for value in _row(each, questions)])


def _row(each: AuditedObject, questions: list[Question]) -> tuple[object, ...]:
    keys = each.recipients
    return (
        each.name,
        each.version_id,
        each.format,
        each.stored_size,
        each.size,
        each.modified.isoformat() if each.modified is not None else None,
        [key.algorithm for key in keys],
        [key.label.description or "(no description)" for key in keys],
        [str(key.bits) for key in keys if key.bits is not None],
        [key.key for key in keys if key.key is not None],
        [key.kms for key in keys if key.kms is not None],
        [key.label.description or "(no description)" for key in each.removed],
        {True: "yes", False: "no", None: None}[each.verified],
        list(each.findings),
        _names(each, questions),
        each.reason,
    )


def _cell(value: object) -> str | int:
    if value is None:
        return ""
    if isinstance(value, int):
        return value
    text = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _names(each: AuditedObject, questions: list[Question]) -> list[str]:
    """Return which of the keys that are asked about an object names."""
    return [q.text for q in questions if any(map(q.is_about, each.recipients))]


def _recipient(recipient: AuditedRecipient) -> dict[str, Any]:
    return {
        "kind": recipient.label.kind,
        "description": recipient.label.description,
        "wrap_algorithm": recipient.algorithm,
        "rsa_bits": recipient.bits,
        "key": recipient.key,
        "kms_key": recipient.kms,
    }


def whole(facts: AuditFacts) -> dict[str, Any]:
    """Return all but the single objects."""
    scope, summary = facts.scope, facts.summary
    retirements = facts.retirements
    return {
        "type": "audit",
        "schema": SCHEMA,
        "tool": TOOL,
        "url": scope.url,
        "prefix": scope.prefix,
        "started": scope.started.isoformat(),
        "finished": facts.finished.isoformat(),
        "versions": facts.versions,
        "footers": scope.footers,
        "asked_kms": scope.asked_kms,
        "uploads": facts.beside.uploads,
        "resumed": facts.resumed,
        "ring": [{"id": key_id, "description": text} for key_id, text in scope.ring],
        "objects": summary.objects,
        "stored_bytes": summary.stored_size,
        "verified": summary.verified,
        "concerned": summary.concerned,
        "formats": _tally(summary.formats),
        "algorithms": {name: _tally(each) for name, each in sorted(summary.algorithms.items())},
        "ages": [
            {"age": age, "formats": _tally(tally)}
            for (age, _), tally in zip(AGES, summary.ages, strict=True)
        ],
        "keys": [_key(use, retirements.get(use.label)) for use in summary.use_order()],
        "findings": [
            {
                "finding": code,
                "text": FINDINGS[code],
                "objects": count,
                "first": names,
                "reasons": [
                    {"reason": reason, "objects": number} for reason, number in summary.why(code)
                ],
            }
            for code, (count, names) in summary.found().items()
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
        "key": use.key,
        "kms_keys": sorted(use.kms),
        "rsa_bits": sorted(use.bits),
        "objects": use.objects,
        "stored_bytes": use.stored_size,
        "formats": _tally(use.formats),
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


def _tally(tally: Tally) -> dict[str, dict[str, int]]:
    return {
        name: {"objects": tally[name][0], "stored_bytes": tally[name][1]}
        for name in FORMATS
        if name in tally
    }


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[str]]:
    """Give a text file that takes a path's place when all of it is written, and not before.

    Raises:
        UsageError: It cannot be written.
    """
    target = Path(path)
    if target.exists() and not target.is_file():  # /dev/stdout, say, which it would replace
        raise UsageError(f"{target} is not a file", hint="name a file; it is replaced")
    part: str | None = None
    try:
        descriptor, part = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
        with os.fdopen(
            descriptor, "w", encoding="utf-8", errors="backslashreplace", newline=""
        ) as (file):
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(target)
        part = None
    except OSError as error:
        if isinstance(error, CipherbucketError):
            raise
        raise UsageError(
            f"{target} cannot be written: {error.strerror or error}",
            hint="name a file in a folder that you may write to",
        ) from error
    finally:
        if part is not None:
            with suppress(OSError):
                Path(part).unlink()
