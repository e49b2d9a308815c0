"""Ranges: what was asked for, and how it lies in what the store sent.

Law: the counter and the cut follow the response, never the request. A store may ignore a range
and send the whole object; what it says it sent is what is decrypted, and a response that does not
cover the request is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cipherbucket.errors import IntegrityError, UsageError

_HTTP_RANGE = re.compile(r"(?:bytes=)?([0-9]{0,20})-([0-9]{0,20})")


@dataclass(frozen=True, slots=True)
class Span:
    """A range of plaintext bytes, as asked for.

    Attributes:
        start: First byte, from 0.
        length: How many bytes; None for all to the end. Clipped at the end of the object.
        tail: The last so many bytes, instead of start and length.

    Raises:
        UsageError: A negative number, or ``tail`` beside the others.
    """

    start: int = 0
    length: int | None = None
    tail: int | None = None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.length or 0) < 0 or (self.tail or 0) < 0:
            raise UsageError(
                "start, length and tail cannot be negative", hint="tail=n gives the last n bytes"
            )
        if self.tail is not None and (self.start or self.length is not None):
            raise UsageError("tail excludes start and length")

    @classmethod
    def from_http(cls, text: str) -> Span:
        """Parse ``first-last`` (inclusive), ``first-`` or ``-suffix`` (RFC 9110, section 14.1.2).

        Raises:
            UsageError: Anything else, several ranges among it.
        """
        match = _HTTP_RANGE.fullmatch(text.strip())
        if match is None or match.groups() == ("", ""):
            raise UsageError(
                f"{text!r} is no byte range", hint="write 0-99, 100- or -50 (one range)"
            )
        first, last = match.groups()
        if not first:
            return cls(tail=int(last))
        if not last:
            return cls(start=int(first))
        if int(last) < int(first):
            raise UsageError(f"range {text!r} ends before it begins")
        return cls(start=int(first), length=int(last) - int(first) + 1)

    def resolve(self, size: int) -> tuple[int, int]:
        """Return the span as offsets (start, stop) of a plaintext of ``size`` bytes."""
        if self.tail is not None:
            return max(0, size - self.tail), size
        stop = size if self.length is None else min(size, self.start + self.length)
        return min(self.start, size), stop

    def cut(self, first: int, stop: int, size: int) -> tuple[int, int]:
        """Find the span in a response.

        Args:
            first: Offset of the first byte that the response holds.
            stop: Offset after its last byte.
            size: Size of the whole object, as the response tells it.

        Returns:
            How many bytes to drop at the front, and how many to take after them.

        Raises:
            IntegrityError: The response does not hold the span.
        """
        start, end = self.resolve(size)
        if not (0 <= first <= start <= end <= stop <= size):
            raise IntegrityError(
                f"the store sent bytes {first:,} to {stop:,} of {size:,}"
                f" when {start:,} to {end:,} were asked for",
                hint="a proxy or the store mistreats ranges; read the whole object instead",
            )
        return start - first, end - start
