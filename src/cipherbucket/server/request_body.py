"""Bodies between the event loop and the threads that work with stores, in bounded memory.

Strategy: the event loop puts what the client sends into a small buffer and stops receiving while it
is full; a thread takes from it, block by block. Neither waits for the other holding a lock. A body
that ends early raises in the thread, so that the store makes nothing of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

from cipherbucket.server.asgi import Receive
from cipherbucket.server.errors import BrokenRequestError
from cipherbucket.stores.bodies import Buffer

HIGH_WATER = 1 << 20
"""Bytes of one request that wait in memory for its thread before receiving pauses."""
SPOOL_THRESHOLD = 1 << 20
"""Above this a body of unknown length waits in a temporary file for its end."""


class RequestBody:
    """The body of a request, fed by the event loop and read by one thread.

    Args:
        length: From Content-Length, or None for a body in chunks.

    Attributes:
        length: As given.
        cut: Break off after so many bytes, as if the client had; for faults.
    """

    def __init__(self, length: int | None) -> None:
        self.length = length
        self.cut: int | None = None
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._arrived = threading.Condition()
        self._blocks: list[bytes] = []
        self._held = 0
        self._ended = False
        self._broken = False

    async def feed(self, receive: Receive) -> None:
        """Receive the body until its end, pausing while the buffer is full."""
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                self.abort()
                return
            more = message.get("more_body", False)
            block = message.get("body", b"")
            with self._arrived:
                if block:
                    self._blocks.append(block)
                    self._held += len(block)
                self._ended = not more
                full = more and self._held >= HIGH_WATER
                if full:
                    self._room.clear()
                self._arrived.notify()
            if full:
                await self._room.wait()

    def abort(self) -> None:
        """Break the body off; whoever reads it gets `BrokenRequestError`."""
        with self._arrived:
            self._broken = not self._ended
            self._ended = True
            self._arrived.notify()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks as they arrive.

        Raises:
            BrokenRequestError: The client went away before the end.
        """
        read = 0
        ended = False
        while not ended:
            with self._arrived:
                self._arrived.wait_for(lambda: self._blocks or self._ended)
                blocks, self._blocks = self._blocks, []
                ended = self._ended
                broken = self._broken
                paused, self._held = self._held >= HIGH_WATER, 0
            if paused:
                self._loop.call_soon_threadsafe(self._room.set)
            for block in blocks:
                read += len(block)
                if self.cut is not None and read > self.cut:
                    raise BrokenRequestError
                yield block
            if broken:
                raise BrokenRequestError

    def read(self, limit: int) -> bytes:
        """Read all of a body that must be small.

        Raises:
            BrokenRequestError: The client went away before the end.
            ValueError: It has more than ``limit`` bytes.
        """
        data = bytearray()
        for block in self:
            data += block
            if len(data) > limit:
                raise ValueError(f"the body has more than {limit:,} bytes")
        return bytes(data)


class SizedBody:
    """A body on its way into a store: its length is known, and its MD5 afterwards if asked for.

    Args:
        source: Where the bytes come from, once.
        length: How many.
        hashed: Compute the MD5.
    """

    def __init__(self, source: Iterator[bytes], length: int, *, hashed: bool) -> None:
        self._source = source
        self._length = length
        self._md5 = hashlib.md5(usedforsecurity=False) if hashed else None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Buffer]:
        for block in self._source:
            if self._md5 is not None:
                self._md5.update(block)
            yield block

    @property
    def md5(self) -> bytes | None:
        """The MD5 of the bytes that have passed; None where it was not asked for."""
        return None if self._md5 is None else self._md5.digest()


def spooled(body: RequestBody, limit: int) -> tuple[Iterator[bytes], int]:
    """Read a body of unknown length to its end.

    Args:
        body: The body.
        limit: Most bytes that it may have.

    Returns:
        The bytes once more, and how many; held in memory, or in a temporary file if they are many.

    Raises:
        BrokenRequestError: The client went away before the end.
        ValueError: It has more than ``limit`` bytes.
    """
    file: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL_THRESHOLD)  # noqa: SIM115  see _blocks
    try:
        for block in body:
            file.write(block)
            if file.tell() > limit:
                raise ValueError(f"the body has more than {limit:,} bytes")
        length = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return _blocks(file), length


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(SPOOL_THRESHOLD):
            yield block
