"""Text broken at blanks where a terminal would break it in the middle of a word.

Rule: only what people read on a terminal is broken. A program, or a file, gets one line.
"""

from __future__ import annotations

import os
import textwrap
from typing import TextIO


def wrapped(text: str, stream: TextIO, indent: int = 0, columns: int | None = None) -> str:
    """Return text as it goes to a stream.

    Args:
        text: One line.
        stream: Where it goes.
        indent: Blanks before all lines but the first; fewer where a word fits only then.
        columns: How wide it may be; None for the terminal's width.
    """
    width = columns if columns is not None else width_of(stream)
    if width <= 2 * indent or len(text) <= width:
        return text
    longest = max(map(len, text.split()))
    blanks = " " * (min(indent, width - longest) if longest <= width else indent)
    first, *others = textwrap.wrap(
        text,
        width,
        subsequent_indent=blanks,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )
    if (
        others and longest > width and len(first) < indent
    ):  # a label alone: what follows is too long for any row
        first = f"{first:<{indent}}{others.pop(0).lstrip()}"
    return "\n".join((first, *others))


def width_of(stream: TextIO) -> int:
    """Return the width of a terminal; 0 for what is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):
        return 0
