"""Ranges: what was asked for, how it lies in what is stored, and how an object is parted.

Rule: the counter and the cut follow the response, never the request. A store may ignore a range
and send the whole object; what it says it sent is what is decrypted, and a response that does not
hold what was needed is an error. All formats share this arithmetic: a `Layout` is what they differ
in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cipherbucket.errors import IntegrityError, UsageError

_HTTP_RANGE = re.compile(r"(?:bytes=)?([0-9]{0,20})-([0-9]{0,20})")


@dataclass(frozen=True, slots=True)
class Span:
    """A range of bytes, as asked for.

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


@dataclass(frozen=True, slots=True)
class Layout:
    """How a plaintext lies in what is stored: ``head | chunks | foot``.

    Every chunk but the last holds ``chunk`` bytes of plaintext and is ``tag`` bytes longer. With
    tags the last chunk is always shorter than the others, and may hold nothing (docs/format.md,
    section 14.1). Without, what is stored is as long as the plaintext: see `PLAIN`.

    Attributes:
        head: Bytes before the first chunk.
        chunk: Bytes of plaintext in a chunk.
        tag: Bytes that a chunk grows by.
        foot: Bytes after the last chunk.
    """

    head: int
    chunk: int
    tag: int
    foot: int

    @property
    def grain(self) -> int:
        """What the size of every part but the last is a multiple of, in bytes of plaintext."""
        return self.chunk if self.tag else _GRAIN

    @property
    def stride(self) -> int:
        """Bytes of a whole chunk, as it is stored."""
        return self.chunk + self.tag

    def stored_size(self, size: int) -> int:
        """Return how many bytes are stored for a plaintext of ``size``."""
        return self.head + size + (self.tag and self.tag * (size // self.chunk + 1)) + self.foot

    def size(self, stored: int) -> int:
        """Return the length of the plaintext of which so many bytes are stored: a claim.

        Raises:
            IntegrityError: No plaintext has this length when stored.
        """
        chunks, rest = divmod(stored - self.head - self.foot, self.stride)
        if chunks < 0 or rest < self.tag:
            raise IntegrityError(
                f"{stored:,} bytes are no whole object of this format",
                hint="the object was truncated or extended; restore it from a copy",
            )
        return chunks * self.chunk + rest - self.tag

    def part_size(self, start: int, stop: int, *, last: bool) -> int:
        """Return how many bytes are stored for the plaintext from ``start`` to ``stop``."""
        whole = self.stored_size(stop - start) - self.head - self.foot
        ends = self.foot if last else -self.tag
        return (0 if start else self.head) + whole + ends

    def request(self, span: Span) -> StoredSpan:
        """Return what to ask a store for, before anything is known of the object."""
        if span.tail is not None:
            if not self.tag:
                return StoredSpan(tail=span.tail)
            chunks = span.tail // self.chunk + 2
            tail = span.tail + self.chunk + chunks * self.tag + self.foot
            return StoredSpan(tail=self.head + tail)
        first = self._begin(span.start)
        if span.length is None:
            return StoredSpan(first)
        return StoredSpan(first, self._end(span.start, span.start + span.length) - first)

    def needed(self, span: Span, stored: int) -> tuple[int, int]:
        """Return which stored bytes, as offsets, a read of ``span`` takes.

        Where the reader learns the end of the object, they go to the end of what is stored.
        """
        size = self.size(stored)
        start, stop = span.resolve(size)
        asked = span.start + span.length if span.length is not None else size + 1
        if asked > size or start == size:
            return self._begin(start), stored
        return self._begin(start), min(self._end(start, stop), stored - self.foot)

    def _begin(self, start: int) -> int:
        chunk = start // self.chunk
        return self.head + chunk * self.stride if chunk else 0

    def _end(self, start: int, stop: int) -> int:
        chunks = -(-stop // self.chunk)
        if self.tag:
            chunks = max(chunks, start // self.chunk + 1)  # a read of nothing opens a chunk too
        return self.head + chunks * self.stride


PLAIN = Layout(head=0, chunk=1, tag=0, foot=0)
"""Bodies that are as long as their plaintext: formats ``oss`` and ``oss-v1``, and plaintext."""


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """A range of stored bytes to ask for: from ``start`` on, or the last ``tail``."""

    start: int = 0
    length: int | None = None
    tail: int | None = None


MIN_PART_SIZE = 100 << 10
"""Least size of every part but the last, in bytes (OSS, "Multipart upload"); S3 wants 5 MiB."""
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
        part_size: Bytes of plaintext in a part: a multiple of the layout's grain (16 in format
            ``oss``, 16,384 in ``sealed``), ``min_part_size`` to 5 GiB when stored, large enough
            that 10,000 parts suffice. An object of one part may have a smaller one.
        layout: How the plaintext lies in what is stored.
        min_part_size: Least bytes that the store takes of every part but the last.
        equal: Whether the store takes only parts of one size, but for the last, which has no more.
            What of a part is stored beyond that size goes into the next (docs/format.md,
            section 14.8).

    Raises:
        UsageError: Sizes that break one of these rules; the hint names a size that works.
    """

    data_size: int
    part_size: int
    layout: Layout = PLAIN
    min_part_size: int = MIN_PART_SIZE
    equal: bool = False

    def __post_init__(self) -> None:
        if self.data_size < 1:
            raise UsageError(
                f"a multipart upload has 1 byte or more, not {self.data_size}",
                hint="an empty object is put at once: bucket.put(name, b'')",
            )
        layout, size, least = self.layout, self.part_size, self.min_part_size
        fault = None
        if size < 1 or size % layout.grain:
            fault = f"is no positive multiple of {layout.grain:,}"
        elif size < self.data_size and layout.part_size(size, 2 * size, last=False) < least:
            fault = f"is under the least part of {least:,} bytes that the store takes"
        elif layout.stored_size(size) > MAX_PART_SIZE:
            fault = f"is over the largest part of {MAX_PART_SIZE:,} bytes"
        elif self.sent > MAX_PARTS:
            fault = f"makes {self.sent:,} parts, more than {MAX_PARTS:,}"
        if fault is not None:
            raise UsageError(
                f"a part size of {self.part_size:,} bytes {fault}",
                hint=f"part_size={good_part_size(self.data_size, layout)} does",
            )

    @property
    def count(self) -> int:
        """Number of parts."""
        return -(-self.data_size // self.part_size)

    @property
    def stored_size(self) -> int:
        """Bytes that are stored in all."""
        return self.layout.stored_size(self.data_size)

    @property
    def sent(self) -> int:
        """Number of parts as they are sent: one more, where the last would be larger than all."""
        return -(-self.stored_size // self._equal_size) if self._carries else self.count

    def lead(self, number: int) -> int:
        """Return how many bytes of the part before are sent at the beginning of a part."""
        return self.layout.head if self._carries and number > 1 else 0

    def cut(self, number: int, stored: memoryview) -> list[tuple[int, memoryview]]:
        """Return what is sent, by the number of the part.

        Args:
            number: Of a part.
            stored: What is stored of it, behind the `lead` of the part before. What goes into the
                next part is left out.
        """
        if not self._carries:
            return [(number, stored)]
        size = self._equal_size
        if number < self.count:
            return [(number, stored[:size])]
        starts = range(0, len(stored), size)
        return [(number + k, stored[start : start + size]) for k, start in enumerate(starts)]

    @property
    def _carries(self) -> bool:
        return self.equal and self.layout.head > 0 and self.count > 1

    @property
    def _equal_size(self) -> int:
        return self.part_size // self.layout.chunk * self.layout.stride

    def offsets(self, number: int) -> tuple[int, int]:
        """Return where part ``number`` (from 1) begins and ends in the plaintext.

        Raises:
            UsageError: There is no such part.
        """
        if not 1 <= number <= self.count:
            raise UsageError(f"there is no part {number}: they are 1 to {self.count:,}")
        start = (number - 1) * self.part_size
        return start, min(start + self.part_size, self.data_size)


def good_part_size(data_size: int, layout: Layout = PLAIN) -> int:
    """Return a part size for an object of ``data_size`` bytes: 16 MiB, or more where it must be."""
    # With tags one part is left for what may go beyond the last (`PartPlan.sent`).
    least = -(-data_size // (MAX_PARTS - 1 if layout.tag else MAX_PARTS))
    return max(_DEFAULT_PART_SIZE, -(-least // layout.grain) * layout.grain)


def growing_part_size(number: int) -> int:
    """Return the size of part ``number`` (from 1) of an object whose length is not known.

    16 MiB for the first 1,000, then twice as much for each 1,000 more, at most 4 GiB, so that
    10,000 parts hold 11.7 TiB (docs/format.md, section 14.8). Where a store wants equal parts, all
    have 16 MiB.
    """
    return _DEFAULT_PART_SIZE << min((number - 1) // 1000, 8)
