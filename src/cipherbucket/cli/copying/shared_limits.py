"""What several transfers share: the rate, the room for large ones, and the word to stop.

The library keeps a rate by itself where it moves a large file in parts. What is small, or goes
through a pipe, is held back here, in the calls by which the library reports progress; in the same
calls a thread hears that its work is not wanted any more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cipherbucket.cli.copying.crew import StoppedError
from cipherbucket.cli.options.copying import LARGE, Manner
from cipherbucket.cli.terminal.meter import Meter, Report


class Steering:
    """Holds transfers back, stops them, and lets a meter follow them.

    Args:
        manner: The rate.
        meter: What follows them.

    Attributes:
        manner: How transfers are made.
        meter: What follows them.
        stop: Set when all have to stop.
    """

    def __init__(self, manner: Manner, meter: Meter) -> None:
        self.manner = manner
        self.meter = meter
        self.stop = threading.Event()
        self._rate = manner.rate
        self._free_at = time.monotonic()
        self._lock = threading.Lock()
        self._lanes = threading.Condition()
        self._small = 0
        self._large = False
        self._large_waiting = 0

    @contextmanager
    def running(self, label: str, *, in_parts: bool) -> Iterator[Report]:
        """Follow one transfer.

        Args:
            label: What it is called.
            in_parts: Whether the library moves it in parts, and keeps the rate, if it is large.
        """
        passed = 0
        with self.meter.running(label) as show:

            def report(done: int, total: int | None) -> None:
                nonlocal passed
                if self.stop.is_set():
                    raise StoppedError
                kept_there = in_parts and total is not None and total > LARGE
                if self._rate is not None and not kept_there:
                    self._hold_back(done - passed)
                passed = max(passed, done)
                show(done, total)

            yield report

    @contextmanager
    def lane(self, size: int) -> Iterator[None]:
        """Wait until there is room for a transfer of so many bytes.

        Large ones go one after the other, each in parts of its own; small ones go beside them,
        unless a rate is kept, which then is the large one's alone.
        """
        large = size > LARGE
        with self._lanes:
            self._large_waiting += large
            try:
                while not self.stop.is_set() and not self._is_free(large=large):
                    self._lanes.wait(0.1)
            finally:
                self._large_waiting -= large
            if self.stop.is_set():
                raise StoppedError
            self._large = self._large or large
            self._small += not large
        try:
            yield
        finally:
            with self._lanes:
                if large:
                    self._large = False
                else:
                    self._small -= 1
                self._lanes.notify_all()

    def _is_free(self, *, large: bool) -> bool:
        if large:
            return not self._large and not (self._rate is not None and self._small)
        return self._rate is None or not (self._large or self._large_waiting)

    def _hold_back(self, count: int) -> None:
        if self._rate is None or count <= 0:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(now, self._free_at) + count / self._rate
            wait = self._free_at - now
        if self.stop.wait(wait):
            raise StoppedError
