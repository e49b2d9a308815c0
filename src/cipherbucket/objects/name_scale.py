"""Names as numbers, so that there is a middle between two of them and a density around one.

Rule: the scale is made for what lies between two names. Each character after what both begin with
is a digit: its rank among the characters that names nearby have at that position, with all digits,
all letters of a case, and all code points beyond ASCII, between those that were seen.
"""

from __future__ import annotations

import string
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, takewhile

_DIGITS = 40
"""So many characters place a name; those behind them are not looked at."""
_CLASSES = [
    *((ord(each[0]), ord(each[-1])) for each in (string.digits, string.ascii_uppercase)),
    (ord("a"), ord("z")),
    (0x80, 0xD7FF),
    (0xE000, 0x10FFFF),
]


def common_beginning(a: str, b: str) -> str:
    """Return what two names begin with."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))
    return "".join(character for character, _ in same)


class NameScale:
    """A scale for the names between two.

    Attributes:
        common: What both begin with.
    """

    def __init__(self, low: str, high: str, names: Iterable[str]) -> None:
        self.common = common_beginning(low, high)
        seen: list[set[int]] = []
        for name in (low, high, *names):
            tail = self._tail(name)
            while len(seen) < len(tail):
                seen.append(set())
            for found, character in zip(seen, tail, strict=False):
                found.add(ord(character))
        if seen:  # at the first, any character between the two, of classes that were seen
            seen[0] |= _between(min(seen[0]), max(seen[0]), seen[0])
        self._positions = [_Ranks(found) for found in seen]

    def _tail(self, name: str) -> str:
        start = len(self.common)
        return name[start : start + _DIGITS]

    def number(self, name: str) -> int:
        """Return where a name lies; 0 is the common beginning itself."""
        tail, number = self._tail(name), 0
        for at, ranks in enumerate(self._positions):
            digit = ranks.rank(ord(tail[at])) if at < len(tail) else 0
            number = number * ranks.base + digit
        return number

    def name(self, number: int) -> str:
        """Return a text that lies about there."""
        digits: list[int] = []
        for ranks in reversed(self._positions):
            number, digit = divmod(number, ranks.base)
            digits.append(digit)
        text = self.common
        for ranks, digit in zip(self._positions, reversed(digits), strict=True):
            if digit == 0:  # the text ends here
                break
            text += ranks.character(digit)
        return text


def _between(low: int, high: int, seen: Iterable[int]) -> set[int]:
    """Return the first and last code points, from one to another, of each class that was seen."""
    found = {each for each in _CLASSES if any(each[0] <= code <= each[1] for code in seen)}
    return {code for first, last in found for code in (max(first, low), min(last, high))}


class _Ranks:
    """The ranks of code points at one position: 1 and more, in order; 0 is for no character."""

    def __init__(self, seen: Iterable[int]) -> None:
        self._runs = _runs(sorted(seen))
        lengths = [last - first + 1 for first, last in self._runs]
        self._starts = [1, *accumulate(lengths, initial=1)][1:]
        self.base = self._starts[-1]

    def rank(self, code: int) -> int:
        at = bisect_right(self._runs, (code, 0x110000)) - 1
        if at < 0:
            return 1
        first, last = self._runs[at]
        return self._starts[at] + min(code, last) - first

    def character(self, rank: int) -> str:
        at = bisect_right(self._starts, rank) - 1
        return chr(self._runs[at][0] + rank - self._starts[at])


def _runs(codes: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and last code point of each class, and others one by one."""
    runs: list[tuple[int, int]] = []
    for code in codes:
        kind = next((each for each in _CLASSES if each[0] <= code <= each[1]), (code, code))
        if runs and runs[-1][0] >= kind[0]:
            runs[-1] = (runs[-1][0], code)
        else:
            runs.append((code, code))
    return runs
