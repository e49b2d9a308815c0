"""Work done by a few threads, that stops at the first failure and within a second of an interrupt.

Rule: the caller's thread does no work of its own, so that it hears of everything at once. Tasks are
drawn one at a time, by whichever thread is free, so that a listing is never ahead of the work and
never in memory. When one task fails no other is begun; what is under way is asked to stop, waited
for a moment, and left behind if it does not stop, blocked in a system call. The threads are
daemons: a process that ends does not wait for them, as it would for a `ThreadPoolExecutor`.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

MEMORY = 256 << 20
"""Most bytes of parts that are in memory at once; beyond, fewer threads work."""
_TICK = 0.1
_GRACE = 0.8
"""Seconds that are waited for threads to stop, usually."""


class StoppedError(BaseException):
    """Raised in a thread whose work is not wanted any more; never seen by a caller.

    It is no `Exception`, so that nothing on the way takes it for a failure of the work.
    """


class Halt:
    """Tells threads to stop, and holds them back while a rate is limited.

    Args:
        rate: Bytes a second that all threads together may move; None for no limit.
        above: That of a larger work which this is a part of: its rate is kept, its bytes are
            counted, and when it is set this stops. This can be set by itself.
    """

    def __init__(self, rate: float | None = None, above: Halt | None = None) -> None:
        self._above = above
        self._event = threading.Event()
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = time.monotonic()
        self._done = 0
        self.done = 0
        """Bytes done so far, by all threads; what has to be done again is not subtracted."""
        self.left_behind = False
        """Whether threads did not stop when they were asked: nothing is known of their work."""

    def slice_of(self, most: int) -> int:
        """Return how many bytes to move at a time, so that a rate makes no long pauses."""
        if self._above is not None:
            most = self._above.slice_of(most)
        return most if self._rate is None else max(16 << 10, int(min(most, self._rate / 8)))

    def set(self) -> None:
        """Ask all to stop."""
        self._event.set()

    def passed(self, count: int) -> None:
        """Count bytes that are moved; wait if they are too many, and stop where asked to.

        Raises:
            StoppedError: Somebody asked.
        """
        wait = 0.0
        if self._above is not None:
            self._above.passed(count)
        self._count(count)
        with self._lock:
            if self._rate is not None and count > 0:
                now = time.monotonic()
                self._free_at = max(now, self._free_at) + count / self._rate
                wait = self._free_at - now
        if self._event.is_set() or (wait > 0 and self._event.wait(wait)):
            raise StoppedError

    def skipped(self, count: int) -> None:
        """Count bytes that need not be moved; a negative number for those that must be again."""
        if self._above is not None:
            self._above.skipped(count)
        self._count(count)

    def _count(self, count: int) -> None:
        with self._lock:
            self._done += count
            self.done = max(self.done, self._done)


def usual_workers() -> int:
    """Return how many threads transfer at once by default: 4, or one a core if these are fewer."""
    return min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)


def run(
    tasks: Iterable[Task],
    work: Callable[[Task], object],
    *,
    workers: int,
    halt: Halt,
    tick: Callable[[], None] = lambda: None,
    grace: float = _GRACE,
) -> None:
    """Do all tasks, in order of their beginning, in ``workers`` threads.

    Args:
        tasks: Drawn from one at a time, by the threads.
        work: Does one; what it raises stops all.
        workers: 1 or more.
        halt: Set when all have to stop; ``work`` notices by calling `Halt.passed`.
        tick: Called in this thread some ten times a second.
        grace: Seconds that are waited for threads to stop. One whose work runs threads of its own
            needs more than they do.

    Raises:
        The first thing that a task raised; or KeyboardInterrupt.
    """
    drawn = _Drawn(tasks)
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def draw_and_work() -> None:
        try:
            for task in drawn:
                halt.passed(0)
                work(task)
        except BaseException as error:  # noqa: BLE001  raised in the caller's thread
            ended.put(error)
            halt.set()  # the caller's thread may not come to it before others begin more
        else:
            ended.put(None)

    # All are made before any begins: an interrupt may come while one is being started.
    threads = [threading.Thread(target=draw_and_work, daemon=True) for _ in range(workers)]
    try:
        for thread in threads:
            thread.start()
        for _ in threads:
            if (error := _waited(ended, tick)) is not None:
                raise error
    except BaseException:
        halt.set()
        deadline = time.monotonic() + grace
        begun = [thread for thread in threads if thread.ident is not None]
        for thread in begun:
            thread.join(max(0.0, deadline - time.monotonic()))
        halt.left_behind = any(thread.is_alive() for thread in begun)
        raise
    tick()


class _Drawn(Iterator[Task]):
    """An iterable that several threads draw from."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks = iter(tasks)
        self._lock = threading.Lock()

    def __next__(self) -> Task:
        with self._lock:
            return next(self._tasks)


def _waited(
    ended: queue.SimpleQueue[BaseException | None], tick: Callable[[], None]
) -> BaseException | None:
    while True:
        try:
            return ended.get(timeout=_TICK)
        except queue.Empty:
            tick()
