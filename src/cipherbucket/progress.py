"""Progress of a transfer, told to the caller at most ten times a second."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[int, int | None], None]
"""Called with (bytes done, bytes in all or None), and once more at the end."""

_INTERVAL = 0.1


class Ticker:
    """Calls a `Progress` no more often than is of use."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._next = 0.0

    def tick(self, done: int, total: int | None) -> None:
        """Tell how far it got; the last call, ``done == total``, always passes."""
        if self._progress is None:
            return
        now = time.monotonic()
        if now >= self._next or done == total:
            self._next = now + _INTERVAL
            self._progress(done, total)
