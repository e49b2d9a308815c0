"""A limit on how many bytes a second one stream moves; what several threads share is in `Halt`.

Rule: a wait comes before the bytes that it is for.
"""

from __future__ import annotations

import time

from cipherbucket.errors import UsageError

_STEP = 64 << 10
"""Blocks are multiples of this, which is a multiple of every format's chunk."""


class RateLimit:
    """Waits before bytes are moved, so that they move no faster than a rate.

    Rule: a stream that was slower by itself is not made slower still; nor may it then be faster for
    more than one block.

    Args:
        rate: Bytes a second; None for no limit.
    """

    def __init__(self, rate: float | None = None) -> None:
        self._rate = rate
        self._due = time.monotonic()

    def block(self, most: int) -> int:
        """Return how many bytes to move at a time: what takes a second, within bounds."""
        if self._rate is None:
            return most
        return max(_STEP, int(min(most, self._rate)) // _STEP * _STEP)

    def wait(self, count: int) -> None:
        """Wait until so many more bytes may be moved."""
        if self._rate is None or count <= 0:
            return
        takes = count / self._rate
        now = time.monotonic()
        self._due = max(self._due, now - takes) + takes
        if self._due > now:
            time.sleep(self._due - now)


def check_speed(workers: int | None, rate: float | None) -> None:
    """Refuse what moves nothing.

    Raises:
        UsageError: Not one worker, or a rate of less than 1 byte a second, or no numbers.
    """
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise UsageError(f"{workers!r} workers do nothing", hint="1 or more")
    if rate is None:
        return
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise UsageError(
            f"a rate is a number of bytes a second, not {type(rate).__name__}", hint="1 or more"
        )
    if not rate >= 1:  # nor what is no number
        raise UsageError(f"a rate of {rate} bytes a second moves nothing", hint="1 or more")
