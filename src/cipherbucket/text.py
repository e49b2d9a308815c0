"""How names, sizes, counts and times are written for people.

Rule: what comes from a store or a disk is never written raw, because a name can hold escape
sequences of terminals, line breaks and marks that turn the direction of text.
"""

from __future__ import annotations

from datetime import datetime

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def printable(text: str) -> str:
    """Escape, as Python does, every character that is not printable."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


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
