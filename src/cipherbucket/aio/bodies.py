"""Bodies that come asynchronously, as pieces of bytes.

Rule: a piece is asked for only when the one before has been taken, so that a fast producer waits
and no more than a few MiB are in memory. What the body raises passes unchanged.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable
from typing import Any, Protocol, TypeGuard

from cipherbucket.errors import UsageError
from cipherbucket.writing.readers import view_of
from cipherbucket.writing.source import PutBody

PIECE = 1 << 20
"""Bytes that are read at a time, and that small pieces are gathered to."""


class AsyncReadable(Protocol):
    """An asynchronous file, such as one of ``anyio`` or ``aiofiles``, or Starlette's upload."""

    def read(self, size: int, /) -> Awaitable[bytes]:
        """Read some bytes, at most ``size``; none at the end."""


AsyncBody = AsyncIterable[bytes] | AsyncReadable
AnyBody = PutBody | AsyncBody
"""What `AsyncBucket.put` takes: what `Bucket.put` does, asynchronous iterables and files."""


def is_asynchronous(body: object) -> TypeGuard[AsyncBody]:
    """Return whether a body has to be awaited."""
    return (
        hasattr(body, "__aiter__")
        or inspect.iscoroutinefunction(getattr(body, "read", None))
        or inspect.isasyncgenfunction(getattr(body, "aiter_bytes", None))
    )


async def pieces(body: Any) -> AsyncGenerator[memoryview | bytearray, None]:
    """Yield the bytes of an asynchronous body, small pieces gathered to some of `PIECE` bytes.

    An asynchronous generator is closed at the end; a file stays open.

    Raises:
        UsageError: It gives something else than bytes.
        And what the body raises.
    """
    came = _pieces_as_they_come(body)
    try:
        gathered = bytearray()
        async for piece in came:
            view = view_of(piece)
            if view is None:
                kind = type(piece).__name__
                raise UsageError(f"an asynchronous body gives bytes, this one gave {kind}")
            if not gathered and len(view) >= PIECE:
                yield view
                continue
            gathered += view
            if len(gathered) >= PIECE:
                yield gathered
                gathered = bytearray()
        if gathered:
            yield gathered
    finally:
        if inspect.isasyncgen(came):
            await came.aclose()


def _pieces_as_they_come(body: Any) -> AsyncIterator[object]:
    if hasattr(body, "aiter_bytes"):  # a response of httpx
        return aiter(body.aiter_bytes())
    content = getattr(body, "content", None)
    if inspect.iscoroutinefunction(getattr(content, "read", None)):  # a response of aiohttp
        return _reads(content)
    if hasattr(body, "read"):
        return _reads(body)
    return aiter(body)


async def _reads(file: Any) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE):
        yield piece
