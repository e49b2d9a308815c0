"""An audit as a table (CSV), for spreadsheets: a line for each object.

Rule: names are chosen by whoever may write to the store, and a spreadsheet is not to take one, or a
piece of one, for a formula (OWASP, "CSV Injection"). Which character separates fields depends on
the reader's country: where it is the semicolon, a name is split in its middle, quotes or not. So an
apostrophe stands before whatever could begin a formula there, too. docs/audit.md says how a program
takes them out again. A new column is a row of `COLUMNS`, at its end.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Sequence

from cipherbucket.audit.audited_object import AuditedObject, AuditedRecipient
from cipherbucket.audit.facts import AuditFacts
from cipherbucket.audit.report_file import report_file
from cipherbucket.audit.retirement import Question, names_of_asked

_SIGNS = "=+@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212-"
"""What begins a formula; some spreadsheets take the forms of other keyboards, too."""
_ENDS = r",;|\x00-\x1f\x85\u2028\u2029"
"""What ends a field or a line in some country's settings."""
# A sign counts also behind quotes and blanks of any kind, which a spreadsheet may leave out.
_FORMULA = re.compile(rf"\A(?=[^\w./(\[{{])|(?<=[{_ENDS}])(?=[^\w{_ENDS}]*[{_SIGNS}])")
_Cell = str | int | Sequence[str] | None


def write_csv(
    path: str | os.PathLike[str], facts: AuditFacts, objects: Iterable[AuditedObject]
) -> None:
    """Write a line for each object.

    Several keys of one object stand one a line in their field. Every text is in quotes, and an
    apostrophe stands in it before what a spreadsheet would take for a formula.

    Raises:
        UsageError: The file cannot be written.
    """
    questions = [answer.question for answer in facts.summary.asked]
    with report_file(path) as file:
        writer = csv.writer(file, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(COLUMNS)
        for each in objects:
            writer.writerow([_cell(value(each, questions)) for value in COLUMNS.values()])


def _cell(value: _Cell) -> str | int:
    if value is None or isinstance(value, int):
        return "" if value is None else value
    return _FORMULA.sub("'", value if isinstance(value, str) else "\n".join(value))


def _descriptions(recipients: Iterable[AuditedRecipient]) -> list[str]:
    return [each.label.description or "(no description)" for each in recipients]


def _known(ids: Iterable[str | None]) -> list[str]:
    return [each for each in ids if each is not None]


COLUMNS: dict[str, Callable[[AuditedObject, Sequence[Question]], _Cell]] = {
    "name": lambda each, _: each.name,
    "version_id": lambda each, _: each.version_id,
    "format": lambda each, _: each.format,
    "stored_bytes": lambda each, _: each.stored_size,
    "plaintext_bytes": lambda each, _: each.size,
    "modified": lambda each, _: each.modified.isoformat() if each.modified is not None else None,
    "wrap_algorithms": lambda each, _: [key.algorithm for key in each.recipients],
    "keys": lambda each, _: _descriptions(each.recipients),
    "rsa_bits": lambda each, _: [str(key.bits) for key in each.recipients if key.bits is not None],
    "keys_in_ring": lambda each, _: _known(key.key_id for key in each.recipients),
    "kms_keys": lambda each, _: _known(key.kms_id for key in each.recipients),
    "removed_keys": lambda each, _: _descriptions(each.removed),
    "verified": lambda each, _: {True: "yes", False: "no", None: None}[each.verified],
    "findings": lambda each, _: each.findings,
    "retire": names_of_asked,
    "reason": lambda each, _: each.reason,
    "iv": lambda each, _: each.iv,
}
"""The columns by their headings, from left to right, and what stands in them."""
