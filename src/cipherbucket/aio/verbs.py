"""What makes a verb of `AsyncBucket` of one of `Bucket`: the same arguments, awaited.

Rule: types, arguments and documentation are those of the synchronous verb. A verb that reports its
progress is stopped by it: what is raised there ends the work, as any failure does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial, wraps
from itertools import islice
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from cipherbucket.aio.threads import Threads
from cipherbucket.bucket import Bucket
from cipherbucket.workers.progress import Progress, Ticker
from cipherbucket.workers.threads import Halt

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Opened = TypeVar("Opened")

_PAGE = 1000
"""Entries that are taken of a listing at a time: those of one request."""


class InThreads(Protocol):
    """What the verbs work with."""

    @property
    def bucket(self) -> Bucket:
        """The synchronous bucket."""

    @property
    def threads(self) -> Threads:
        """Its threads."""


def awaited(
    verb: Callable[Concatenate[Bucket, Arguments], Result],
) -> Callable[Concatenate[InThreads, Arguments], Coroutine[Any, Any, Result]]:
    """Make a verb that is done in a thread."""

    @wraps(verb)
    async def call(of: InThreads, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        return await of.threads.run(partial(verb, of.bucket, *args, **kwargs))

    return call


def stopped(
    verb: Callable[Concatenate[Bucket, Arguments], Result],
) -> Callable[Concatenate[InThreads, Arguments], Coroutine[Any, Any, Result]]:
    """Make a verb with ``progress=``, that is stopped when the task is cancelled."""

    @wraps(verb)
    async def call(of: InThreads, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        halt = Halt()
        kwargs["progress"] = _progress_until(halt, kwargs.get("progress"))  # type: ignore[arg-type]
        return await of.threads.run(partial(verb, of.bucket, *args, **kwargs), stop=halt.set)

    return call


def opening(
    verb: Callable[Concatenate[Bucket, Arguments], Result],
    opened: Callable[[Result, Threads], Opened],
    undo: Callable[[Result], object],
) -> Callable[Concatenate[InThreads, Arguments], Coroutine[Any, Any, Opened]]:
    """Make a verb that opens something, which ``undo`` closes if the task was cancelled."""

    @wraps(verb)
    async def call(of: InThreads, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Opened:
        result = await of.threads.run(partial(verb, of.bucket, *args, **kwargs), undo=undo)
        return opened(result, of.threads)

    return call


def listed(
    verb: Callable[Concatenate[Bucket, Arguments], Iterator[Result]],
) -> Callable[Concatenate[InThreads, Arguments], AsyncIterator[Result]]:
    """Make a verb that lists, a page at a time."""

    @wraps(verb)
    def call(
        of: InThreads, /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> AsyncIterator[Result]:
        return Listing(partial(verb, of.bucket, *args, **kwargs), of.threads)

    return call


class Listing(AsyncIterator[Result]):
    """A listing as an async iterator, which may be left at any place: there is nothing to close."""

    def __init__(self, begin: Callable[[], Iterator[Result]], threads: Threads) -> None:
        self._begin = begin
        self._threads = threads
        self._left: Iterator[Result] | None = None
        self._page: Iterator[Result] = iter(())

    async def __anext__(self) -> Result:
        for entry in self._page:
            return entry
        await self._threads.run(self._read_page)
        for entry in self._page:
            return entry
        raise StopAsyncIteration

    def _read_page(self) -> None:
        """Take a page, which stays for the next call where the task of this one is cancelled."""
        if self._left is None:
            self._left = self._begin()
        self._page = iter(list(islice(self._left, _PAGE)))


def _progress_until(halt: Halt, progress: Progress | None) -> Progress:
    """Return a progress that raises as soon as a halt is set."""
    ticker = Ticker(progress)

    def report(done: int, total: int | None) -> None:
        halt.passed(0)
        ticker.tick(done, total)

    return report
