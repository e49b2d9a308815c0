"""The audit as a table: no spreadsheet runs what stands in it, and names come back as they were."""

import csv
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support.counts import count
from tests.support.documents import ROOT, blocks

import cipherbucket as cb
from cipherbucket.audit.csv_report import COLUMNS

SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\u2212")
BLANKS = (
    "",
    " ",
    "\t",
    "\r",
    "\n",
    "\0",
    "\xa0",
    "\u2003",
    "\u3000",
    "\u200b",
    "\ufeff",
    "'",
    '"',
    "\x85",
)
BEFORE = (
    "",
    "a",
    ";",
    "a;",
    "a,",
    "a|",
    "a\t",
    "a\r\n",
    "a\u2028",
    'a;"',
    "a; '",
    "a;;",
    ",'",
    "a\xa0;",
)
TEXTS = [f"{start}{blank}{sign}1+1" for start in BEFORE for blank in BLANKS for sign in SIGNS]
HARMLESS = [
    "a-b, c.txt",
    "50% = half;a",
    '{"desc":"2026","team":"x"}',
    "(none)",
    "/a",
    ".a",
    "é",
    "1",
]
SEPARATORS = ",;|\t"


def written(path: Path, texts: list[str]) -> str:
    """Return the table of an audit in which these texts are names, or the reasons of failures."""
    store = cb.MemoryStore()
    for name in texts:
        store.put(name, b"plain")
    with cb.audit.run(cb.Bucket(store, cb.KeyRing())) as audit:
        audit.write_csv(path)
    return path.read_bytes().decode()


def cells(text: str, separator: str, *, quoted: bool) -> Iterator[str]:
    """Read a table as a spreadsheet with this separator does, or one that knows no quotes."""
    if quoted:
        lines = csv.reader(text.splitlines(keepends=True), delimiter=separator)
        yield from itertools.chain.from_iterable(lines)
    else:
        for line in re.split(r"[\r\n\x0b\x0c\x85\u2028\u2029]", text):
            yield from line.split(separator)


def begins(cell: str) -> str:
    """Return the first character of a cell that a spreadsheet looks at, in its usual form."""
    bare = re.sub(r'\A["\s\x00-\x20\u200b\ufeff]+', "", cell)
    return unicodedata.normalize("NFKC", bare[:1]).replace("\u2212", "-")


def test_no_cell_is_a_formula_whatever_separates_them(tmp_path: Path) -> None:
    texts = TEXTS[:: count(1, 7)]
    text = written(tmp_path / "audit.csv", texts)
    for separator, quoted in itertools.product(SEPARATORS, (True, False)):
        found = list(cells(text, separator, quoted=quoted))
        assert len(found) > len(texts) / 2
        assert not [cell for cell in found if begins(cell) in set("=+-@")]


def test_a_cell_begins_with_no_tab_line_end_or_zero(tmp_path: Path) -> None:
    text = written(tmp_path / "audit.csv", ["\ta", "\ra", "\na", "\0a"])
    for row in csv.reader(text.splitlines(keepends=True)):
        assert not any(cell.startswith(("\t", "\r", "\n", "\0")) for cell in row)


def test_the_documented_way_to_read_gives_every_name_as_it_was(tmp_path: Path) -> None:
    (code,) = (block for block in blocks(ROOT / "docs/audit.md", "python") if "DictReader" in block)
    page: dict[str, Any] = {}
    exec(code, page)
    rows: Callable[[Path], Iterator[dict[str, str]]] = page["rows"]
    texts = sorted(
        {*TEXTS[:: count(1, 5)], *HARMLESS, "'a", "''=", "a,'=", "a,''-", "a;'b", "\u202egnp.exe"}
    )
    written(tmp_path / "audit.csv", texts)
    found = list(rows(tmp_path / "audit.csv"))
    assert sorted(row["name"] for row in found) == texts
    assert list(found[0]) == list(COLUMNS)


def test_what_is_no_formula_stands_as_it_is(tmp_path: Path) -> None:
    text = written(tmp_path / "audit.csv", HARMLESS)
    names = {row[0] for row in csv.reader(text.splitlines())}
    assert names >= set(HARMLESS)
