"""Many ranges of one object at once.

Rule: neighbours are fetched in one request, gaps of at most 64 KiB included, and the requests run
in parallel. All are of the same object, or it is an error.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cipherbucket.errors import RangeError, UsageError
from cipherbucket.format.span import Span
from cipherbucket.reading.bound_object import BoundObject, Forward
from cipherbucket.reading.decryption import BLOCK
from cipherbucket.workers.threads import Halt, run

GAP = 64 << 10
"""Most bytes between two ranges that are fetched together."""
LONGEST = 8 << 20
"""Most bytes that ranges are fetched together for; a single range may be longer."""


@dataclass
class Run:
    """Ranges that are fetched together.

    Attributes:
        start: Offset of the first byte.
        stop: Offset after the last.
        members: Number, start and length of each range.
    """

    start: int
    stop: int
    members: list[tuple[int, int, int]] = field(default_factory=list)


def read_ranges(
    source: BoundObject, ranges: Iterable[tuple[int, int]], workers: int
) -> list[bytes]:
    """Return the bytes of each range, in the order of the ranges. See `ObjectFile.read_ranges`."""
    asked = list(ranges)
    results: list[bytes] = [b""] * len(asked)
    runs = runs_of(asked)
    if not runs:
        return results
    halt = Halt()
    begun: dict[int, Forward] = {}

    def work(number: int) -> None:
        one = runs[number]
        forward = begun.pop(number, None) or source.forward(Span(one.start, one.stop - one.start))
        _cut(one, forward, source, results, halt)

    # The first request unlocks the object; the others then need not ask again what it is.
    if source.known is None:
        begun[0] = source.forward(Span(runs[0].start, runs[0].stop - runs[0].start))
    if len(runs) == 1:
        work(0)
        return results
    try:
        run(range(len(runs)), work, workers=min(workers, len(runs)), halt=halt)
    finally:
        for forward in begun.values():
            forward.close()
    return results


def runs_of(ranges: Sequence[tuple[int, int]]) -> list[Run]:
    """Join ranges that lie close to each other.

    Raises:
        UsageError: A negative number.
    """
    runs: list[Run] = []
    for number in sorted(range(len(ranges)), key=lambda n: ranges[n]):
        start, length = ranges[number]
        if start < 0 or length < 0:
            raise UsageError("start and length cannot be negative")
        stop = start + length
        near = bool(runs) and start <= runs[-1].stop + GAP
        if near and (start < runs[-1].stop or stop - runs[-1].start <= LONGEST):
            runs[-1].stop = max(runs[-1].stop, stop)
        else:
            runs.append(Run(start, stop))
        runs[-1].members.append((number, start, length))
    return runs


def _cut(one: Run, forward: Forward, source: BoundObject, results: list[bytes], halt: Halt) -> None:
    first = forward.at
    try:
        data = _read_all(forward, one.stop - first, halt)
    finally:
        forward.close()
    info = source.known
    assert info is not None
    for number, start, length in one.members:
        if start > info.size:  # whose end was read just now
            raise RangeError(
                f"the range begins at byte {start:,} of an object of {info.size:,} bytes",
                name=info.name,
            )
        results[number] = data[start - first : start - first + length]


def _read_all(forward: Forward, wanted: int, halt: Halt) -> bytes:
    """Read to the end; keep what is wanted."""
    whole = io.BytesIO()
    block = memoryview(bytearray(min(BLOCK, forward.left)))
    while forward.left:
        count = forward.readinto(block[: forward.left])
        whole.write(block[: max(0, min(count, wanted - whole.tell()))])
        halt.passed(count)
    return whole.getvalue()
