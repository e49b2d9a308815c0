"""Wildcards in the URL of an object, in quotes so that the shell leaves them alone.

Rule: ``*`` and ``?`` stand for anything but ``/``, ``**`` for anything, ``[a-c]`` for one of these
characters. A name that is there as it is written is meant as it is written, whatever characters it
has: only where no name begins so is it a pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import cipherbucket as cb
from cipherbucket.cli.options.config import split_url

_TOKEN = re.compile(r"\*\*|\*|\?|\[[!^]?\]?[^]]*\]|.", re.DOTALL)
_WILD = re.compile(r"[*?[]")
_ANY = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


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
        return _WILD.split(self.text, maxsplit=1)[0]

    @property
    def folder(self) -> str:
        """The prefix up to its last slash."""
        return self.prefix[: self.prefix.rfind("/") + 1]

    def fits(self, name: str) -> bool:
        """Return whether a name fits as a whole."""
        return re.fullmatch(_translated(self.text), name, re.DOTALL) is not None

    def fits_below(self, name: str) -> bool:
        """Return whether a name, or a folder that it lies in, fits."""
        below = f"{_translated(self.text.rstrip('/'))}(/.*)?"
        return re.fullmatch(below, name, re.DOTALL) is not None


def pattern_of(url: str, bucket: cb.Bucket) -> Pattern | None:
    """Return the pattern in a URL; None where its name is meant as it is written."""
    _, name = split_url(url)
    if not has_wildcards(name) or next(iter(bucket.list(name)), None) is not None:
        return None
    return Pattern(name)


def has_wildcards(name: str) -> bool:
    """Return whether a name has characters that could be a pattern."""
    return _WILD.search(name) is not None


def _translated(text: str) -> str:
    return "".join(map(_as_expression, _TOKEN.findall(text)))


def _as_expression(token: str) -> str:
    if token in _ANY:
        return _ANY[token]
    if len(token) > 1:  # a class of characters
        inside = token[1:-1].replace("\\", r"\\").replace("[", r"\[")
        return f"[^/{inside[1:]}]" if inside[0] in "!^" else f"(?!/)[{inside}]"
    return re.escape(token)
