"""Progress on stderr: bars where it is a terminal, lines where they are asked for, else nothing.

Rule: stdout is never touched. Bytes of plaintext are counted, of objects that are copied unchanged
those that are stored. What needs rich is in `bars`, which is imported only where it is shown.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Protocol

from cipherbucket.cli.errors import say
from cipherbucket.cli.terminal.estimates import progress_text, work
from cipherbucket.text import amount, duration

Report = Callable[[int, int | None], None]
"""Called with (done, in all or None), as the library calls it."""
_EVERY = 3.0
"""Seconds between two lines."""


class Display(Protocol):
    """What shows the progress of transfers; called by one thread at a time but for `transfer`."""

    def transfer(self, label: str) -> AbstractContextManager[Report]:
        """Show one transfer."""

    def total(self, done: int, objects: int, size: int | None, of: int | None) -> None:
        """Show bytes and objects done, and how many there are of both where that is known."""


class Progress:
    """Follows transfers, also several at once, and sums them up.

    Args:
        display: Shows them; None where nobody looks.
    """

    def __init__(self, display: Display | None = None) -> None:
        self._display = display
        self._lock = threading.Lock()
        self._running: dict[object, int] = {}
        self._ended_bytes = 0
        self._ended = 0
        self._expected = self._expected_objects = 0
        self._all_known = False

    @property
    def shows(self) -> bool:
        """Whether anybody sees it."""
        return self._display is not None

    @contextmanager
    def running(self, label: str) -> Iterator[Report]:
        """Follow the transfer of one object."""
        if self._display is None:
            yield lambda _done, _total: None
            return
        this = object()
        with self._display.transfer(label) as show:

            def report(done: int, total: int | None) -> None:
                show(done, total)
                with self._lock:
                    self._running[this] = done
                    self._show_total()

            try:
                yield report
            finally:
                with self._lock:
                    self._ended_bytes += self._running.pop(this, 0)
                    self._ended += 1
                    self._show_total()

    def expect(self, size: int) -> None:
        """Count an object of so many bytes that is to be transferred."""
        self._expect(size, 1)

    def expect_not(self, size: int) -> None:
        """Take back that an object of so many bytes is to be transferred."""
        self._expect(-size, -1)

    def _expect(self, size: int, objects: int) -> None:
        with self._lock:
            self._expected += size
            self._expected_objects += objects
            if self._all_known:
                self._show_total()

    def expect_no_more(self) -> None:
        """Show the total from now on, and so the time that is left."""
        with self._lock:
            self._all_known = True
            self._show_total()

    def _show_total(self) -> None:
        if self._display is not None:
            done = self._ended_bytes + sum(self._running.values())
            expected = self._expected, self._expected_objects
            known = expected if self._all_known else (None, None)
            self._display.total(done, self._ended, *known)


@contextmanager
def transfer_progress(
    *, shown: bool, lines: bool = False, many: bool = False
) -> Iterator[Progress]:
    """Show the progress of transfers.

    Args:
        shown: Whether bars are wanted; they are shown if stderr is a terminal.
        lines: Whether lines are wanted where no bars are shown.
        many: Whether several transfers are followed, and summed up.
    """
    if shown and sys.stderr.isatty():
        from cipherbucket.cli.terminal.bars import transfer_bars  # noqa: PLC0415  brings rich

        with transfer_bars(many=many) as bars:
            yield Progress(bars)
    elif lines:
        display = _Lines(many=many)
        yield Progress(display)
        display.end()
    else:
        yield Progress()


@contextmanager
def object_count(
    what: str, listing: Callable[[], Iterable[object]], *, shown: bool
) -> Iterator[Report | None]:
    """Show on a terminal how many objects were gone through; give None where nobody sees it.

    Args:
        what: What happens to the objects.
        listing: Lists them, in a thread of its own, to count how many there are.
        shown: Whether it is wanted; it is shown if stderr is a terminal.
    """
    if not shown or not sys.stderr.isatty():
        yield None
        return
    from cipherbucket.cli.terminal.bars import object_counter  # noqa: PLC0415  brings rich

    with (
        object_counter(what) as (show, show_total),
        summed(lambda: (1 for _ in listing()), show_total),
    ):
        yield show


def summed(
    amounts: Callable[[], Iterable[int]], show: Callable[[int], None]
) -> AbstractContextManager[None]:
    """Find out, beside the work, how much of it there is.

    Args:
        amounts: Gives the amount of each object, in a thread of its own.
        show: Called with the sum.
    """
    total = 0

    def add(amount_of_one: int) -> None:
        nonlocal total
        total += amount_of_one

    return _listed_beside(amounts, add, lambda: show(total))


def total_found(
    progress: Progress, sizes: Callable[[], Iterable[int]]
) -> AbstractContextManager[None]:
    """Find out, beside the transfers, how many bytes there are in all, where that is shown."""
    if not progress.shows:
        return nullcontext()
    return _listed_beside(sizes, progress.expect, progress.expect_no_more)


@contextmanager
def _listed_beside(
    amounts: Callable[[], Iterable[int]], add: Callable[[int], None], end: Callable[[], None]
) -> Iterator[None]:
    """Go through a listing in a thread of its own, as long as the block runs.

    It is only for show: what fails here fails in the block, too, and is reported there.
    """
    over = threading.Event()

    def go_through() -> None:
        with suppress(Exception):
            for each in amounts():
                if over.is_set():
                    return
                add(each)
            end()

    thread = threading.Thread(target=go_through, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(0.5)


class _Lines:
    """Writes a line every few seconds, and one at the end."""

    def __init__(self, *, many: bool) -> None:
        self._many = many
        self._label = ""
        self._done, self._objects = 0, 0
        self._of: int | None = None
        self._size: int | None = None
        self._begun = time.monotonic()
        self._next = self._begun + _EVERY

    @contextmanager
    def transfer(self, label: str) -> Iterator[Report]:
        self._label = label

        def report(_: int, size: int | None) -> None:
            if not self._many:
                self._size = size

        yield report

    def total(self, done: int, objects: int, size: int | None, of: int | None) -> None:
        self._done, self._objects, self._of = done, objects, of
        if self._many:
            self._size = size
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            self.end()

    def _share_left(self, size: int) -> float:
        """Return how much is left for what is done, by bytes and objects."""
        done = work(self._done, self._objects)
        return (work(size, self._of or 0) - done) / done

    def end(self) -> None:
        """Write how far it got."""
        rate = self._done / max(time.monotonic() - self._begun, 1e-3)
        size = self._size
        of_all = f" of {amount(size)}" if size is not None else ""
        left = ""
        if size is not None and 0 < self._done < size:
            seconds = time.monotonic() - self._begun
            left = f", {duration(seconds * self._share_left(size))} left"
        what = progress_text(self._objects, self._of) if self._many else self._label
        say(f"{what}: {amount(self._done)}{of_all}, {amount(rate)}/s{left}")
