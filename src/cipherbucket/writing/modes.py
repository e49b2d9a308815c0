"""The modes in which an object is opened: those of Python's `open` that an object can have.

Rule: ``b`` may be left out only together with the mode. Text is the binary file in an
`io.TextIOWrapper`, in UTF-8 unless another encoding is named, whatever the locale.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from cipherbucket.errors import UsageError
from cipherbucket.keys.base import MasterKey

_BINARY = ("rb", "wb", "xb")
_TEXT = ("r", "rt", "w", "wt", "x", "xt")


class ReadingArguments(TypedDict, total=False):
    """Arguments of `Bucket.open` that only reading has, and ``context``."""

    key: MasterKey | None
    context: Mapping[str, str]
    as_name: str | None
    footer_recipients: bool
    version_id: str | None


class ReadingTextArguments(ReadingArguments, total=False):
    """The same, and those of text."""

    encoding: str | None
    errors: str | None
    newline: str | None


class WritingArguments(TypedDict, total=False):
    """Arguments of `Bucket.open` that only writing has, and ``context``."""

    metadata: Mapping[str, str]
    content_type: str | None
    headers: Mapping[str, str]
    recipients: Sequence[MasterKey]
    context: Mapping[str, str]
    bind_name: bool
    if_absent: bool


class WritingTextArguments(WritingArguments, total=False):
    """The same, and those of text."""

    encoding: str | None
    errors: str | None
    newline: str | None


class TextArguments(TypedDict):
    """Arguments of `io.TextIOWrapper`."""

    encoding: str
    errors: str | None
    newline: str | None


@dataclass(frozen=True)
class OpenMode:
    """A mode, with the arguments that only some modes have.

    Attributes:
        mode: As it was given.
        text: How the text is encoded; None in a binary mode.
    """

    mode: str
    text: TextArguments | None

    @property
    def reads(self) -> bool:
        """Whether the object is read."""
        return self.mode.startswith("r")

    @property
    def only_new(self) -> bool:
        """Whether there may be no object of the name yet."""
        return self.mode.startswith("x")


def open_mode(
    name: str,
    mode: str,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    *,
    reading: Sequence[object],
    writing: Sequence[object],
) -> OpenMode:
    """Return a mode, with its arguments looked at.

    Args:
        name: The object's name.
        mode: As of `open`.
        encoding: Of text.
        errors: What becomes of what cannot be encoded or decoded.
        newline: How lines end.
        reading: The arguments that only reading has.
        writing: Those that only writing has.

    Raises:
        UsageError: It is no mode of an object, or has arguments of another one.
    """
    if mode not in _BINARY + _TEXT:
        raise UsageError(
            f"mode {mode!r}: an object is opened 'rb', 'wb' or 'xb', or 'r', 'w' or 'x' for text",
            name=name,
            hint="an object is never changed in its middle: read it, and put it anew",
        )
    found = OpenMode(mode, _text_arguments(name, mode, encoding, errors, newline))
    other = writing if found.reads else reading
    if any(argument or isinstance(argument, str) for argument in other):
        verb = "get" if found.reads else "put"
        raise UsageError(
            f"an argument that mode {mode!r} does not have",
            name=name,
            hint=f"mode 'rb' takes those of get, 'wb' those of put; see bucket.{verb}",
        )
    return found


def _text_arguments(
    name: str, mode: str, encoding: str | None, errors: str | None, newline: str | None
) -> TextArguments | None:
    if mode in _BINARY:
        if not encoding == errors == newline is None:
            raise UsageError(
                f"mode {mode!r} has no encoding, errors or newline",
                name=name,
                hint=f"mode {mode.replace('b', 't')!r} is for text",
            )
        return None
    arguments = TextArguments(encoding=encoding or "utf-8", errors=errors, newline=newline)
    try:
        trial = io.TextIOWrapper(io.BytesIO(), **arguments)
        trial.detach()
    except (LookupError, TypeError, ValueError) as error:
        raise UsageError(f"text cannot be opened so: {error}", name=name) from error
    return arguments
