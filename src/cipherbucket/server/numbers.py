"""Whole numbers as requests write them: ASCII digits, not too many, within bounds."""

from __future__ import annotations

from cipherbucket.server.errors import invalid_argument

MOST = 10**18
_MAX_DIGITS = 19


def whole_number(text: str, least: int = 0, most: int = MOST) -> int | None:
    """Read a number; None where it is none or lies outside ``least`` to ``most``."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        return None
    number = int(text)
    return number if least <= number <= most else None


def number_given(name: str, text: str, least: int = 0, most: int = MOST) -> int:
    """Read the number that a request gives as ``name``.

    Raises:
        OssError: InvalidArgument.
    """
    number = whole_number(text, least, most)
    if number is None:
        raise invalid_argument(f"{name} must be a number, {least} to {most}.", name, text[:100])
    return number
