"""Processes that share the work of a command, and end with it.

Rule: nothing that a command began outlives it, whether it ends by an error, by Ctrl-C or is killed.
What goes wrong in a process is said by the command alone.

They are spawned: each is a fresh interpreter. A forked one would have this one's open stores,
ledgers and locks, and a server that forks would be one process more to stop.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import parent_process
from typing import Any

_SECONDS_TO_END = 10.0
"""A process that does not end by itself in this time is killed."""


@contextmanager
def processes(number: int) -> Iterator[Executor]:
    """Give an executor of so many processes, started when they are needed."""
    context = _Spawning()
    log_level = logging.getLogger("cipherbucket").getEffectiveLevel()
    executor = _Processes(number, context, (log_level <= logging.DEBUG,))
    try:
        yield executor
        executor.shutdown()
    except BaseException:
        executor.end()
        raise


class _Processes(ProcessPoolExecutor):
    """An executor whose processes begin nothing more once they were asked to end."""

    def __init__(self, number: int, context: _Spawning, arguments: tuple[bool]) -> None:
        super().__init__(number, context, _begin, arguments)
        self._spawning = context

    def end(self) -> None:
        """End the processes, whatever they are doing, and wait for the executor's own thread.

        That thread frees semaphores, and Python complains of those that are freed halfway. It fails
        at futures that were cancelled, which is nobody's concern any more.
        """
        thread: Any = self._executor_manager_thread
        self.shutdown(wait=False, cancel_futures=True)
        threading.excepthook = lambda _: None
        self._spawning.end()
        if thread is not None:
            thread.join(_SECONDS_TO_END)
        threading.excepthook = threading.__excepthook__

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a process call something."""
        return super().submit(_called, call, *args, **kwargs)


def _called(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return call(*args, **kwargs)
    except SystemExit:  # by `_end`; what is queued would be begun after it
        os._exit(128 + signal.SIGTERM)


class _Spawning(SpawnContext):
    """Makes processes that Ctrl-C does not reach, not even while they start, and ends them."""

    def __init__(self) -> None:
        self._made: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802  its name
        """Make one; the executor calls it."""
        made = _Unreached(*args, **kwargs)
        self._made.append(made)
        return made

    def end(self) -> None:
        """Ask all to end, and kill those that do not."""
        alive = [each for each in self._made if each.pid is not None and each.is_alive()]
        until = time.monotonic() + _SECONDS_TO_END
        try:
            for each in alive:
                each.terminate()
            ends = [each.sentinel for each in alive]
            while ends and (left := until - time.monotonic()) > 0:
                ended = wait(ends, left)
                ends = [each for each in ends if each not in ended]
        finally:
            for each in alive:
                each.kill()


class _Unreached(SpawnProcess):
    def start(self) -> None:
        """Start with SIGINT blocked, which a process inherits: a terminal sends it to all."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(debug: bool) -> None:
    """Make a process a worker; it runs there first.

    The command says what is wrong with keys, and what came of the work, so that its workers say
    nothing: no warning twice, and no traceback of what is stopped.
    """
    signal.signal(signal.SIGTERM, _end)
    if not debug:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end(number: int, frame: object) -> None:  # noqa: ARG001  the signature
    """Leave what is being done as after an interrupt, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + number)


def _end_with_parent() -> None:
    """End when the command was killed: nobody takes what is done any more."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(128 + signal.SIGTERM)
