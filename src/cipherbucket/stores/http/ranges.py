"""Ranges over HTTP (RFC 9110, section 14): how one is asked for, and what an answer holds.

Rule: what comes is what the answer says it is, if that can be; it may be more than was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cipherbucket.errors import IntegrityError
from cipherbucket.format.span import Span

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_SIZE = re.compile(r"[0-9]{1,18}")  # fits an offset of 64 bits


def content_length(name: str, headers: Mapping[str, str]) -> int:
    """Return the length of the body that comes.

    Raises:
        IntegrityError: The answer does not say, or not in digits.
    """
    text = headers.get("content-length", "")
    if not _SIZE.fullmatch(text):
        raise IntegrityError("the store does not say how long its answer is", name=name)
    return int(text)


def range_header(span: Span) -> str | None:
    """Return the ``Range`` header of a range; None for the whole."""
    if span.tail is not None:
        return f"bytes=-{span.tail}"
    if span.length is not None:
        return f"bytes={span.start}-{span.start + span.length - 1}"
    return f"bytes={span.start}-" if span.start else None


def received_range(name: str, status: int, headers: Mapping[str, str]) -> tuple[int, int, int]:
    """Return which bytes an answer to GET holds.

    Returns:
        Offset of the first byte, offset after the last, and the size of the whole object. A 200
        is the whole object, whatever range was asked for.

    Raises:
        IntegrityError: A 206 whose Content-Range is missing or absurd.
    """
    length = content_length(name, headers)
    if status != 206:
        return 0, length, length
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if match is not None:
        first, last, size = map(int, match.groups())
        if first <= last < size and last - first + 1 == length:
            return first, last + 1, size
    raise IntegrityError(
        f"the store sent a range of {length:,} bytes as"
        f" {headers.get('content-range', 'nothing in particular')[:80]!r}",
        name=name,
        hint="a proxy or the store mistreats ranges; read the whole object instead",
    )
