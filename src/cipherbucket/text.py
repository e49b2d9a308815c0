"""How names, sizes, counts, times, log lines and tracebacks are written for people.

Rule: what comes from a store, a disk or an error is never written raw, because it can hold escape
sequences of terminals (C0 and C1), line breaks, marks that turn the direction of text, and others
that nobody sees.
"""

from __future__ import annotations

import logging
import traceback
from datetime import datetime

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def printable(text: str) -> str:
    """Escape, as Python does, every character that is not printable."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def printable_traceback(error: BaseException) -> str:
    """Write the traceback of an error: its lines are Python's own, what it quotes is escaped."""
    lines = []
    for piece in traceback.format_exception(error):
        text = piece.removesuffix("\n")
        # A piece that is indented is of a frame; one that is not, and no link, quotes an error.
        whole = not text.startswith((" ", "\n"))
        lines += [printable(line) for line in ([text] if whole else text.split("\n"))]
    return "\n".join(lines)


class PrintableFormatter(logging.Formatter):
    """Writes a record of the log in one line, with a traceback below it, and nothing of it raw."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's lines."""
        bare = logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None})
        line = printable(super().format(bare))
        error = record.exc_info[1] if record.exc_info else None
        return line if error is None else f"{line}\n{printable_traceback(error)}"


def amount(size: float) -> str:
    """Write a number of bytes with a unit: ``1 byte``, ``3.4 MiB``."""
    if size < 1024:
        return "1 byte" if size == 1 else f"{size:,.0f} bytes"
    power = 0
    while round(size, 1) >= 1024 and power < len(_UNITS):
        size, power = size / 1024, power + 1
    return f"{size:,.1f} {_UNITS[power - 1]}"


def count(number: int, thing: str) -> str:
    """Write a number of things: ``1 object``, ``2 objects``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def moment(when: datetime | None) -> str:
    """Write a time in UTC, to the second."""
    return when.strftime("%Y-%m-%d %H:%M:%SZ") if when is not None else ""


def duration(seconds: float) -> str:
    """Write a span of time: ``42 s``, ``5:07 min``, ``3:20 h``, ``12 days``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    if whole < 48 * 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
    return f"{whole // 86400:,} days"
