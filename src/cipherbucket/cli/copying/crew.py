"""Work of several threads, while the main thread hears of signals at once.

Law: tasks are drawn one at a time, by whichever thread is free, so that a listing is never ahead
of the work and never in memory. A listing that fails ends the drawing; what is under way is
finished. On a signal all are told to stop, waited for a moment, and left behind if they do not
heed: the threads are daemons, the process ends without them, and what is raised tells of it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

Task = TypeVar("Task")
_Ended = queue.SimpleQueue[BaseException | None]
_GRACE = 1.0
"""Seconds that are waited for threads to stop: more than the library waits for its own."""
_LEFT_BEHIND = "some threads were at work still"


class StoppedError(BaseException):
    """Raised in a thread whose work is not wanted any more, where nothing may keep it."""


def do_all(
    tasks: Iterable[Task],
    work: Callable[[Task], None],
    *,
    workers: int,
    stop: threading.Event,
) -> None:
    """Do all tasks, several at once.

    Args:
        tasks: Drawn from by the threads, one at a time.
        work: Does one; it tells of its own failures, and heeds ``stop``.
        workers: 1 or more.
        stop: Set here when all have to stop.

    Raises:
        What drawing or working raised; or what a signal raises.
    """
    drawn = _Drawn(tasks)
    ended: _Ended = queue.SimpleQueue()
    labour = partial(_labour, drawn, work, stop, ended)
    threads = [threading.Thread(target=labour, daemon=True) for _ in range(workers)]
    try:
        for thread in threads:
            thread.start()
        errors = [error for error in [ended.get() for _ in threads] if error is not None]
    except BaseException as broken:
        stop.set()
        deadline = time.monotonic() + _GRACE
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            broken.add_note(_LEFT_BEHIND)
        raise
    # Those that were stopped by the first failure say so, perhaps before it.
    for error in sorted(errors, key=lambda error: isinstance(error, StoppedError)):
        raise error


def left_behind(error: BaseException) -> bool:
    """Tell whether threads did not heed when this was raised: nothing is known of their work."""
    return _LEFT_BEHIND in getattr(error, "__notes__", ())


def _labour(
    drawn: Iterable[Task], work: Callable[[Task], None], stop: threading.Event, ended: _Ended
) -> None:
    try:
        for task in drawn:
            if stop.is_set():
                break
            _do(task, work, stop)
    except BaseException as error:  # noqa: BLE001  told to the caller's thread
        ended.put(error)
    else:
        ended.put(None)


def _do(task: Task, work: Callable[[Task], None], stop: threading.Event) -> None:
    try:
        work(task)
    except BaseException:
        stop.set()
        raise


class _Drawn(Iterator[Task]):
    """An iterable that several threads draw from."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks = iter(tasks)
        self._lock = threading.Lock()

    def __next__(self) -> Task:
        with self._lock:
            return next(self._tasks)
