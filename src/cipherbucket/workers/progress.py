"""Progress of a transfer, reported to the caller.

Rule: a caller hears of it at most ten times a second, and always of the end, where the total is
known.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

Progress = Callable[[int, int | None], None] | bool
"""Called with (bytes done, bytes in all or None), and once more at the end. True shows a line on
stderr, False shows nothing."""

_INTERVAL = 0.1


class Ticker:
    """Calls a `Progress`, at most ten times a second."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = _Line() if progress is True else progress or None
        self._next = 0.0
        self._reported: tuple[int, int | None] | None = None

    def tick(self, done: int, total: int | None) -> None:
        """Report how far it got, in bytes; the last call, ``done == total``, always passes."""
        if self._progress is None:
            return
        now = time.monotonic()
        if (done, total) != self._reported and (now >= self._next or done == total):
            self._next = now + _INTERVAL
            self._reported = (done, total)
            self._progress(done, total)


class _Line:
    """A line on stderr, written over until it is done."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        seconds = max(time.monotonic() - self._begun, 1e-3)
        share = f"{100 * done // total:3d} % of {total:,}" if total else f"{done:,}"
        ended = "\n" if done == total else ""
        sys.stderr.write(f"\r{share} bytes, {done / seconds / 1e6:,.1f} MB/s {ended}")
        sys.stderr.flush()
