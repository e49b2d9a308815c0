"""On which line of a TOML document each name stands.

``tomllib`` returns what a document says and not where. This walks over a document that ``tomllib``
has read, so it knows the text to be well formed: it looks for where names and values end, and
judges neither.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping

Path = tuple[str | int, ...]
"""Names from the root; a number is the place in an array."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_NAME = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})'
    r'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_OTHER = re.compile(r"[^,\]}\n#]+")  # numbers, dates, true and false


def lines_of(text: str) -> dict[Path, int]:
    """Return the line, from 1, of every name and every element of an array.

    Args:
        text: A document that ``tomllib.loads`` takes.
    """
    walk = _Walk(text)
    walk.document()
    return walk.lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """Return the line of a name, or of the nearest table around it; 1 if there is none."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Walk:
    """A walk over one document."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._breaks = [place for place, char in enumerate(text) if char == "\n"]
        self._lengths: dict[Path, int] = {}  # of arrays of tables, so far

    def document(self) -> None:
        """Walk to the end."""
        table: Path = ()
        while self._next():
            table = self._header() if self._take("[") else self._pair(table)

    def _next(self) -> str:
        """Skip what says nothing; return the character there, "" at the end."""
        blank = _BLANK.match(self._text, self._at)
        assert blank is not None
        self._at = blank.end()
        return self._text[self._at : self._at + 1]

    def _take(self, char: str) -> bool:
        if self._next() != char:
            return False
        self._at += 1
        return True

    def _line(self) -> int:
        return bisect_right(self._breaks, self._at - 1) + 1

    def _names(self) -> list[tuple[str, int]]:
        """Walk over a name with dots, and return its parts with their lines."""
        names = []
        while True:
            self._next()
            line = self._line()
            names.append((self._name(), line))
            if not self._take("."):
                return names

    def _name(self) -> str:
        found = _NAME.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        name = found[0]
        return str(tomllib.loads(f"name = {name}")["name"]) if name[0] in "\"'" else name

    def _header(self) -> Path:
        """Walk over ``[a.b]`` or ``[[a.b]]``; return the table that begins."""
        one_of_many = self._text[self._at : self._at + 1] == "["
        self._at += one_of_many
        names = self._names()
        self._take("]")
        self._at += one_of_many  # the second bracket follows at once
        table: Path = ()
        for place, (name, line) in enumerate(names):
            table += (name,)
            is_last = place == len(names) - 1
            self.lines[table] = line if is_last else self.lines.get(table, line)
            if is_last and one_of_many:
                number = self._lengths.get(table, 0)
                self._lengths[table] = number + 1
                table += (number,)
                self.lines[table] = line
            elif table in self._lengths:
                table += (self._lengths[table] - 1,)
        return table

    def _pair(self, table: Path) -> Path:
        """Walk over ``a.b = value``; return the table it stands in."""
        path = table
        for name, line in self._names():
            path += (name,)
            self.lines.setdefault(path, line)
        self._take("=")
        self._value(path)
        return table

    def _value(self, path: Path) -> None:
        if self._take("["):
            number = 0
            while not self._take("]"):
                self.lines[(*path, number)] = self._line()
                self._value((*path, number))
                self._take(",")
                number += 1
        elif self._take("{"):
            while not self._take("}"):
                self._pair(path)
                self._take(",")
        else:
            found = _STRING.match(self._text, self._at) or _OTHER.match(self._text, self._at)
            assert found is not None
            self._at = found.end()
