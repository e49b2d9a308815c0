"""Wildcards in the URL of an object, in quotes so that the shell leaves them alone.

Rule: ``*`` and ``?`` stand for anything but ``/``, ``**`` for anything. A name that is there as it
is written is meant as it is written: only where no name begins so is it a pattern. Brackets are
none of these signs, because names have them ("report[1].pdf").

A name comes from the store. Whether it fits is found in a time that grows with its length times
that of the pattern, whatever both are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import cipherbucket as cb
from cipherbucket.cli.options.config import split_url

_SIGN = re.compile(r"(\*\*+|\*|\?)")
_STARS = {"*", "**"}


@dataclass(frozen=True)
class Pattern:
    """Names that fit.

    Attributes:
        text: The pattern.
    """

    text: str

    @property
    def prefix(self) -> str:
        """What every name that fits begins with."""
        return _SIGN.split(self.text, maxsplit=1)[0]

    @property
    def folder(self) -> str:
        """The prefix up to its last slash."""
        return self.prefix[: self.prefix.rfind("/") + 1]

    def fits(self, name: str) -> bool:
        """Return whether a name fits as a whole."""
        return self._end in self._places_after(name, len(name))

    def fits_below(self, name: str) -> bool:
        """Return whether a name, or a folder that it lies in, fits."""
        ends = [at for at, char in enumerate(name) if char == "/"]
        return self.fits(name) or any(self._end in self._places_after(name, at) for at in ends)

    @cached_property
    def _signs(self) -> list[str]:
        """The pattern, a character or a sign each."""
        signs: list[str] = []
        for piece in _SIGN.split(self.text.rstrip("/")):
            signs += ["**"] if piece.startswith("**") else [piece] if _SIGN.match(piece) else piece
        return signs

    @property
    def _end(self) -> int:
        return len(self._signs)

    def _places_after(self, name: str, stop: int) -> set[int]:
        """Return where in the pattern one can be when the first characters of a name are read."""
        places = self._passed({0})
        for char in name[:stop]:
            following = set()
            for place in places:
                sign = self._signs[place] if place < self._end else None
                if sign == "**" or (sign == "*" and char != "/"):
                    following.add(place)
                elif sign == char or (sign == "?" and char != "/"):
                    following.add(place + 1)
            places = self._passed(following)
            if not places:
                break
        return places

    def _passed(self, places: set[int]) -> set[int]:
        """Add the places behind stars, which may stand for nothing."""
        for place in sorted(places):
            at = place
            while at < self._end and self._signs[at] in _STARS:
                at += 1
                places.add(at)
        return places


def pattern_of(url: str, bucket: cb.Bucket) -> Pattern | None:
    """Return the pattern in a URL; None where its name is meant as it is written."""
    _, name = split_url(url)
    if not has_wildcards(name) or next(iter(bucket.list(name)), None) is not None:
        return None
    return Pattern(name)


def has_wildcards(name: str) -> bool:
    """Return whether a name has characters that could be a pattern."""
    return _SIGN.search(name) is not None
