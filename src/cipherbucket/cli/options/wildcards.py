r"""Wildcards in the URL of an object, in quotes so that the shell leaves them alone.

Rule: a name with ``*`` or ``?`` is a pattern. ``*`` and ``?`` stand for anything but ``/``, ``**``
for anything. In such a name ``\*``, ``\?`` and ``\\`` are the characters themselves, and every
other backslash is one, too. Brackets are no signs, because names have them ("report[1].pdf").

What a name means does not change with what is in the store, with one exception: an object that has
exactly the name of the pattern is taken, as long as the pattern fits no other object. Where it fits
others as well, either could be meant, and nothing is done.

A name comes from the store. Whether it fits is found in a time that grows with its length times
that of the pattern, whatever both are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import cipherbucket as cb

_TOKEN = re.compile(r"\\[*?\\]|\*\*|.", re.DOTALL)
_SPECIAL = re.compile(r"[*?\\]")


class _Sign(Enum):
    ONE = "?"
    STAR = "*"
    STARS = "**"


@dataclass(frozen=True)
class Pattern:
    """Names that fit.

    Attributes:
        text: The pattern, as it is written.
    """

    text: str

    @property
    def is_literal(self) -> bool:
        """Whether it has no sign, so that it is the name of one object."""
        return not any(isinstance(each, _Sign) for each in self._signs)

    @property
    def literal(self) -> str:
        """The name of the object that could be meant: each sign is a character."""
        return "".join(each.value if isinstance(each, _Sign) else each for each in self._signs)

    @property
    def prefix(self) -> str:
        """What every name that fits begins with."""
        signs = (at for at, each in enumerate(self._signs) if isinstance(each, _Sign))
        return "".join(map(str, self._signs[: next(signs, None)]))

    @property
    def folder(self) -> str:
        """The prefix up to its last slash."""
        return self.prefix[: self.prefix.rfind("/") + 1]

    def fits(self, name: str) -> bool:
        """Return whether a name fits as a whole."""
        *_, places = self._places_after(name)
        return self._end in places

    def fits_below(self, name: str) -> bool:
        """Return whether a name, or a folder that it lies in, fits."""
        return self.fits(name) or self.folder_of(name) is not None

    def folder_of(self, name: str) -> str | None:
        """Return the first folder that a name lies in and that fits, with its slash."""
        for read, places in enumerate(self._places_after(name)):
            if self._end not in places:
                continue
            if name[read : read + 1] == "/":
                return name[: read + 1]
            if self.text.endswith("/") and name[:read].endswith("/"):
                return name[:read]
        return None

    @cached_property
    def _signs(self) -> list[str | _Sign]:
        """The pattern, a character or a sign each."""
        if not has_wildcards(self.text):
            return list(self.text)
        return [_sign(token) for token in _TOKEN.findall(self.text)]

    @property
    def _end(self) -> int:
        return len(self._signs)

    def _places_after(self, name: str) -> Iterator[set[int]]:
        """Give where in the pattern one can be before a name, and after each of its characters."""
        places = self._passed({0})
        yield places
        for char in name:
            following = set()
            for place in places:
                sign = self._signs[place] if place < self._end else None
                if sign is _Sign.STARS or (sign is _Sign.STAR and char != "/"):
                    following.add(place)
                elif sign == char or (sign is _Sign.ONE and char != "/"):
                    following.add(place + 1)
            places = self._passed(following)
            yield places

    def _passed(self, places: set[int]) -> set[int]:
        """Add the places behind stars, which may stand for nothing."""
        for place in sorted(places):
            at = place
            while at < self._end and self._signs[at] in {_Sign.STAR, _Sign.STARS}:
                at += 1
                places.add(at)
        return places


def meant_by(name: str, bucket: cb.Bucket, *, recursive: bool = False) -> str | Pattern:
    r"""Return the name that is meant by what the user wrote, or the pattern.

    Args:
        name: What is written in the URL of an object.
        bucket: Where the object is; it is asked only if the name is a pattern.
        recursive: Whether it may be the name of a folder.

    Raises:
        UsageError: It is the name of an object, or of a folder, and fits others as a pattern.
    """
    pattern = Pattern(name)
    own = pattern.literal
    if pattern.is_literal:
        return own
    folder = own.rstrip("/") + "/"
    first = next(iter(bucket.list(own)), None)
    is_object = first is not None and first.name == own
    is_folder = recursive and next(iter(bucket.list(folder)), None) is not None
    if not (is_object or is_folder):
        return pattern
    fits = pattern.fits_below if recursive else pattern.fits
    for entry in bucket.list(pattern.prefix):
        is_own = entry.name == own or (is_folder and entry.name.startswith(folder))
        if not is_own and fits(entry.name):
            raise cb.UsageError(
                f"{own!r} is there, and as a pattern it fits others, such as {entry.name!r}",
                hint=f"in quotes, '{escaped(own)}' is that one alone",
            )
    return pattern if recursive and is_object else own


def literal_name(name: str) -> str:
    """Return the name of the one object that is meant where no pattern can be."""
    return Pattern(name).literal


def escaped(name: str) -> str:
    """Return how a name is written so that it is no pattern."""
    return _SPECIAL.sub(r"\\\g<0>", name) if has_wildcards(name) else name


def has_wildcards(name: str) -> bool:
    """Return whether a name has characters that could be a pattern."""
    return "*" in name or "?" in name


def _sign(token: str) -> str | _Sign:
    return _Sign(token) if has_wildcards(token) and token[0] != "\\" else token[-1]
