"""Reads the table of every name out of `docs/oss2.md`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "oss2.md"
STATES = ("same", "better", "not offered")


@dataclass(frozen=True)
class Entry:
    """What the page says of a name: one of `STATES`, and in which words."""

    state: str
    said: str


def entries() -> dict[tuple[str, str], Entry]:
    """Return what the page says, by place and name.

    Raises:
        ValueError: A name stands twice, or something is no such table.
    """
    found: dict[tuple[str, str], Entry] = {}
    table = PAGE.read_text("utf-8").partition("## Every name")[2]
    for section in table.split("\n### ")[1:]:
        heading, _, text = section.partition("\n")
        place = heading.split("`")[1].removeprefix("oss2.")
        for row in re.findall(r"^\| (`.*)\|$", text, re.MULTILINE):
            names, state, said = (cell.strip() for cell in row.split(" | ", 2))
            if state not in STATES:
                raise ValueError(f"{place}: {row[:60]}")
            for name in re.findall(r"`([^`]+)`", names):
                if (place, name) in found:
                    raise ValueError(f"{place}.{name} stands twice")
                found[place, name] = Entry(state, said)
    return found
