"""Failures of a pass or a tree, gathered by kind.

Rule: each of a few is a line. Many of one kind are one line, with their number and the first names,
so that what is wrong with a thousand objects does not hide what is wrong with one. Memory does not
grow with their number.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from typing import NamedTuple

FEW = 3
_VARIES = re.compile(r"\S*/\S*|[0-9A-Fa-f]{8,}|[0-9]+")
"""Paths, numbers and ids of requests: what differs between two errors of one kind."""
_MOST = 50
"""Kinds that are told apart: an error whose text varies in another way fills no memory."""


class _Failure(NamedTuple):
    name: str
    text: str


class Failures:
    """What failed, by kind.

    Attributes:
        count: How many failed.
    """

    def __init__(self) -> None:
        self.count = 0
        self._kinds: dict[str | None, tuple[list[_Failure], int]] = {}
        """None is the kind of all that come when there are `_MOST` kinds."""

    def add(self, name: str, text: str) -> None:
        """Add one.

        Args:
            name: Of the object or the file.
            text: What is wrong with it.
        """
        self.count += 1
        kind: str | None = _VARIES.sub("", text.replace(name, ""))
        if kind not in self._kinds and len(self._kinds) >= _MOST:
            kind = None
        first, number = self._kinds.get(kind, ([], 0))
        bisect.insort(first, _Failure(name, text))
        self._kinds[kind] = first[:FEW], number + 1

    def lines(self) -> Iterator[str]:
        """Give what is to be said of them."""
        for kind, (first, number) in self._kinds.items():
            more = f"and {number - FEW:,} more"
            if kind is not None and number > FEW:
                names = ", ".join(repr(each.name) for each in first)
                yield f"{names} {more}: {first[0].text}"
                continue
            yield from (f"{each.name!r}: {each.text}" for each in first)
            if number > FEW:
                yield f"{more}, for other reasons"
