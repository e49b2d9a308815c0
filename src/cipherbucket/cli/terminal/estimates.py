"""How far many transfers are, as text, and by what the time that is left is estimated.

Rule: an object costs its bytes and a fixed amount beside. So many small ones are estimated by their
number, and a few large ones by their size.
"""

from __future__ import annotations

from cipherbucket.text import count

_EACH = 256 << 10


def work(size: int, objects: int) -> int:
    """Return what a time is estimated by: an object takes as long as so many bytes more."""
    return size + objects * _EACH


def progress_text(objects: int, of: int | None) -> str:
    """Say how many objects are done, and of how many where that is known."""
    return f"{objects:,} of {count(of, 'object')}" if of is not None else count(objects, "object")
