"""Calls in worker threads, which a cancelled task waits for.

Rule: a call that has begun is asked to stop, and waited for, before the cancellation goes on. So
what was cancelled does nothing behind its caller's back. `asyncio` cancels a task whatever
shields it, and again; therefore each call is a future that tells whether its thread has ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TypeVar

from anyio import CancelScope, CapacityLimiter, get_cancelled_exc_class, sleep, to_thread
from anyio.lowlevel import RunVar

from cipherbucket.errors import UsageError

Result = TypeVar("Result")

THREADS = 16
"""Calls of one bucket that are under way at once, unless another number is given."""
_LOOK = 0.005
"""Seconds between two looks at a thread that is waited for."""


class Threads:
    """The worker threads of one bucket.

    Args:
        most: Calls at once in each event loop, 1 or more; further ones wait.

    Raises:
        UsageError: Another number.
    """

    def __init__(self, most: int) -> None:
        if not isinstance(most, int) or most < 1:
            raise UsageError(f"{most!r} threads do nothing", hint="1 or more")
        self._most = most
        # Each event loop has its own: one of two loops would wait for what the other lets go.
        self._limiter: RunVar[CapacityLimiter] = RunVar("cipherbucket")

    async def run(
        self,
        call: Callable[[], Result],
        *,
        stop: Callable[[], None] | None = None,
        undo: Callable[[Result], object] | None = None,
    ) -> Result:
        """Do a call in a thread.

        Args:
            call: What it raises passes unchanged.
            stop: Called when the task is cancelled, to have the call end soon.
            undo: Called in a thread with the result that a cancelled task does not get.
        """
        async with self._limiter_here():
            future: Future[Result] = Future()
            try:
                await _begun(future, call)
            except get_cancelled_exc_class():
                if not future.cancel():
                    if stop is not None:
                        stop()
                    await _ended(future)
                    if undo is not None and future.exception() is None:
                        await self.finish(partial(undo, future.result()))
                raise
            return future.result()

    def _limiter_here(self) -> CapacityLimiter:
        limiter = self._limiter.get(None)
        if limiter is None:
            limiter = CapacityLimiter(self._most)
            self._limiter.set(limiter)
        return limiter

    async def finish(self, call: Callable[[], Result]) -> Result:
        """Do a call in a thread whether or not the task is cancelled, and without waiting for one.

        It is for what ends something: closing and aborting.
        """
        cancelled: BaseException | None = None
        while True:
            future: Future[Result] = Future()
            try:
                with CancelScope(shield=True):
                    await _begun(future, call)
            except get_cancelled_exc_class() as error:
                cancelled = error
                if future.cancel():
                    continue
                await _ended(future)
            if cancelled is not None:
                raise cancelled
            return future.result()


async def _begun(future: Future[Result], call: Callable[[], Result]) -> None:
    # Its own limiter: the one of anyio is shared with all of a program, and may be used up by
    # threads that wait for us.
    await to_thread.run_sync(
        _done, future, call, abandon_on_cancel=True, limiter=CapacityLimiter(math.inf)
    )


def _done(future: Future[Result], call: Callable[[], Result]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001  raised where the future is asked
            future.set_exception(error)
        else:
            future.set_result(result)


async def _ended(future: Future[Result]) -> None:
    while not future.done():
        with suppress(get_cancelled_exc_class()), CancelScope(shield=True):
            await sleep(_LOOK)
