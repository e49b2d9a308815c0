"""Progress on stderr: bars where it is a terminal, lines where they are asked for, else nothing.

Law: stdout is never touched. Bytes of plaintext are counted, of objects that are copied unchanged
those that are stored.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from cipherbucket.cli.errors import say
from cipherbucket.cli.terminal.meter import Meter, Report
from cipherbucket.cli.terminal.text import amount, count, printable

_EVERY = 3.0
"""Seconds between two lines."""


@contextmanager
def metered(*, shown: bool, lines: bool = False, many: bool = False) -> Iterator[Meter]:
    """Give a meter.

    Args:
        shown: Whether bars are wanted; they are shown if stderr is a terminal.
        lines: Whether lines are wanted where it is none.
        many: Whether several transfers are followed, and summed up.
    """
    if shown and sys.stderr.isatty():
        from cipherbucket.cli.terminal.bar import bar  # noqa: PLC0415  brings rich

        with bar(many=many) as meter:
            yield meter
    elif lines and not sys.stderr.isatty():
        line = LineMeter(many=many)
        yield line
        line.end()
    else:
        yield Meter()


@contextmanager
def summed(meter: Meter, sizes: Callable[[], Iterable[int]]) -> Iterator[None]:
    """Let a meter know how many bytes there are in all, found out beside the transfers.

    It is only for show: what fails here fails there, too, and is told there.
    """
    if not meter.shows:
        yield
        return
    over = threading.Event()

    def add() -> None:
        try:
            for size in sizes():
                if over.is_set():
                    return
                meter.expect(size)
        except Exception:  # noqa: BLE001  told by the transfers themselves
            return
        meter.expect_no_more()

    thread = threading.Thread(target=add, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(0.5)


class LineMeter(Meter):
    """Writes a line every few seconds, and one at the end."""

    shows = True

    def __init__(self, *, many: bool) -> None:
        self._many = many
        self._begun = time.monotonic()
        self._next = self._begun + _EVERY
        self._lock = threading.Lock()
        self._label = ""
        self._before = 0
        self._now: dict[object, int] = {}
        self._ended = 0
        self._expected = 0
        self._total: int | None = None

    @contextmanager
    def running(self, label: str) -> Iterator[Report]:
        """Follow the transfer of one object."""
        mine = object()
        self._label = label

        def report(done: int, total: int | None) -> None:
            with self._lock:
                self._now[mine] = done
                if not self._many:
                    self._total = total
                now = time.monotonic()
                if now < self._next:
                    return
                self._next = now + _EVERY
                text = self._text(now)
            say(text)

        try:
            yield report
        finally:
            with self._lock:
                self._before += self._now.pop(mine, 0)
                self._ended += 1

    def expect(self, size: int) -> None:
        """Count what is to come."""
        with self._lock:
            self._expected += size
            if self._total is not None:
                self._total = self._expected

    def expect_no_more(self) -> None:
        """Know the total."""
        with self._lock:
            self._total = self._expected

    def end(self) -> None:
        """Write the last line."""
        say(self._text(time.monotonic()))

    def _text(self, now: float) -> str:
        done = self._before + sum(self._now.values())
        rate = done / max(now - self._begun, 1e-3)
        of_all = f" of {amount(self._total)}" if self._total is not None else ""
        left = ""
        if self._total is not None and rate > 0 and done < self._total:
            left = f", {duration((self._total - done) / rate)} left"
        what = count(self._ended, "object") if self._many else printable(self._label)
        return f"{what}: {amount(done)}{of_all}, {amount(rate)}/s{left}"


def duration(seconds: float) -> str:
    """Write a span of time: ``42 s``, ``5:07 min``, ``3:20 h``, ``12 days``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    if whole < 48 * 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
    return f"{whole // 86400:,} days"
