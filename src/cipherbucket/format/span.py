"""Ranges: what was asked for, how it lies in what the store sent, and how an object is parted.

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


MIN_PART_SIZE = 100 << 10
"""Least size of every part but the last, in bytes (OSS, "Multipart upload")."""
MAX_PART_SIZE = 5 << 30
MAX_PARTS = 10_000
_DEFAULT_PART_SIZE = 16 << 20
_GRAIN = 16


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How an object of known size is cut into parts.

    Every part has ``part_size`` bytes but the last, which has the rest. Part n, counted from 1,
    begins at byte (n - 1) * part_size, so that any part can be encrypted without the others.

    Attributes:
        data_size: Bytes of plaintext, 1 or more.
        part_size: Bytes of a part: a multiple of 16, 100 KiB to 5 GiB, large enough that 10,000
            parts suffice. An object of one part may have a smaller one.

    Raises:
        UsageError: Sizes that break one of these rules; the hint names a size that works.
    """

    data_size: int
    part_size: int

    def __post_init__(self) -> None:
        if self.data_size < 1:
            raise UsageError(
                f"a multipart upload has 1 byte or more, not {self.data_size}",
                hint="an empty object is put at once: bucket.put(name, b'')",
            )
        fault = None
        if self.part_size < 1 or self.part_size % _GRAIN:
            fault = "is no positive multiple of 16"
        elif self.part_size < MIN_PART_SIZE and self.part_size < self.data_size:
            fault = f"is under the least part of {MIN_PART_SIZE:,} bytes"
        elif self.part_size > MAX_PART_SIZE:
            fault = f"is over the largest part of {MAX_PART_SIZE:,} bytes"
        elif self.count > MAX_PARTS:
            fault = f"makes {self.count:,} parts, more than {MAX_PARTS:,}"
        if fault is not None:
            raise UsageError(
                f"a part size of {self.part_size:,} bytes {fault}",
                hint=f"part_size={good_part_size(self.data_size)} does",
            )

    @property
    def count(self) -> int:
        """Number of parts."""
        return -(-self.data_size // self.part_size)

    def offsets(self, number: int) -> tuple[int, int]:
        """Return where part ``number`` (from 1) begins and ends in the plaintext.

        Raises:
            UsageError: There is no such part.
        """
        if not 1 <= number <= self.count:
            raise UsageError(f"there is no part {number}: they are 1 to {self.count:,}")
        start = (number - 1) * self.part_size
        return start, min(start + self.part_size, self.data_size)


def good_part_size(data_size: int) -> int:
    """Return a part size for an object of ``data_size`` bytes: 16 MiB, or more where it must be."""
    least = -(-data_size // MAX_PARTS)
    return max(_DEFAULT_PART_SIZE, -(-least // _GRAIN) * _GRAIN)
