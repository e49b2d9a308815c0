"""What stands in a peer's own way, as data: which cells fail, how, and why.

Rule: a cell is `OK` unless a limitation here says otherwise; a cell that fails without one, or
works in spite of one, fails the test. Most of the list follows from one fact: several SDKs compare
the *text* of a description, and no two families of SDKs write the same text for the same
description.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.interop.matrix import DEFAULT, DESCRIPTIONS, OURS, RANGES, SECOND_KEY, VERSIONS, Case

OK = "ok"
REFUSED = "refused"
WRONG = "wrong bytes"
NOT_WRITTEN = "not written"


@dataclass(frozen=True)
class _Cell:
    """A cell, and what the limitations ask of it."""

    writer: str
    reader: str
    case: Case

    @property
    def non_ascii(self) -> bool:
        return self.case.written.description == "non-ASCII"

    @property
    def second_key(self) -> bool:
        """Whether the object is under the reader's second key."""
        return self.case.group == SECOND_KEY and self.case.written.second_key

    @property
    def other_text(self) -> bool:
        """Whether the reader would have written another text for the same description."""
        name = self.case.written.description
        description = DEFAULT if name == "default" else DESCRIPTIONS[name]
        return description_text(self.writer, description) != description_text(
            self.reader, description
        )


@dataclass(frozen=True)
class Limitation:
    """A peer's own bug or rule.

    Attributes:
        mark: Its letter on the page.
        outcome: What the cell shows.
        reason: One or two sentences for the page.
        applies: Which cells it explains.
    """

    mark: str
    outcome: str
    reason: str
    applies: Callable[[_Cell], bool] = field(repr=False)


LIMITATIONS = (
    Limitation(
        "a",
        NOT_WRITTEN,
        "The HTTP library of the Java SDK turns bytes of a description that is not ASCII into "
        "question marks after the SDK has signed it: the signature does not match, nothing is "
        "written.",
        lambda cell: cell.writer == "Java 1" and cell.non_ascii,
    ),
    Limitation(
        "b",
        REFUSED,
        "The Go SDK 1 has one key. To read objects of others it needs `SetMasterCipherManager`, "
        "as in the column beside it.",
        lambda cell: cell.reader == "Go 1" and cell.second_key,
    ),
    Limitation(
        "c",
        REFUSED,
        "The Go SDK 1 compares the text of the description, not its meaning, and refuses its own "
        'key where another SDK wrote `{"desc": "key-1"}` with a blank or escaped a character in '
        "another way. With a `SetMasterCipherManager` it reads them all.",
        lambda cell: cell.reader == "Go 1" and cell.other_text,
    ),
    Limitation(
        "d",
        WRONG,
        "The Go SDK 1 takes the envelope from a HEAD of the newest version, and decrypts the older "
        "one with it: wrong bytes, without an error.",
        lambda cell: cell.reader.startswith("Go 1") and cell.case.group == VERSIONS,
    ),
    Limitation(
        "e",
        REFUSED,
        "alibabacloud-oss-v2 and the Go SDK 2 compare the text of the description too, and take "
        "their first key where no text is the same: the second key is never tried.",
        lambda cell: cell.reader in {"oss-v2", "Go 2"} and cell.second_key and cell.other_text,
    ),
    Limitation(
        "f",
        REFUSED,
        "The Java SDK takes no range without an end from an encrypted object.",
        lambda cell: (
            cell.reader == "Java 1" and cell.case.group == RANGES and cell.case.span.endswith("-")
        ),
    ),
    Limitation(
        "g",
        REFUSED,
        "oss2 decodes header values as Latin-1, the Go SDKs and C++ 2 write a description that is "
        "not ASCII as UTF-8: it matches no key.",
        lambda cell: cell.reader == "oss2" and cell.writer in {"Go 1", "Go 2"} and cell.non_ascii,
    ),
)
"""The first one that applies explains a cell."""


def description_text(peer: str, description: dict[str, str] | None) -> str:
    """Return the text a peer writes for a description, "" for none."""
    if not description:
        return ""
    if peer in {"oss2", "oss-v2"}:
        return json.dumps(description)
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), ensure_ascii=peer == OURS)
    if peer.startswith("Go"):
        for character in "<>&":
            text = text.replace(character, f"\\u{ord(character):04x}")
    if peer.startswith("Java"):
        text = text.replace("/", "\\/")
    return text


def limitation(writer: str, reader: str, case: Case) -> Limitation | None:
    """Return what keeps a reader from reading a case of a writer, None for nothing."""
    cell = _Cell(writer, reader, case)
    return next((entry for entry in LIMITATIONS if entry.applies(cell)), None)


def expected(writer: str, reader: str, case: Case) -> str:
    """Return the outcome a cell must have."""
    found = limitation(writer, reader, case)
    return found.outcome if found else OK
