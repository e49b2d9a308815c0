"""What `AsyncBucket.get` and `AsyncBucket.open` return: streams and files whose calls are awaited.

Rule: each call is a call of the synchronous file in a worker thread, one at a time. A call that was
cancelled has moved the file by nobody knows how much, so it ends the file: one that is read is
closed, one that is written stores nothing.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from anyio import get_cancelled_exc_class

from cipherbucket.aio.bodies import PIECE
from cipherbucket.aio.threads import Threads
from cipherbucket.errors import not_copied
from cipherbucket.format.cipher import OBJECT_AGAIN
from cipherbucket.reading.file import ObjectFile
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import ObjectStream
from cipherbucket.writing.ciphertext import OBJECT_OF_ITS_OWN
from cipherbucket.writing.file import ObjectTextWriter, ObjectWriter

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Result = TypeVar("Result")
Text_co = TypeVar("Text_co", bytes, str, covariant=True)


class _Readable(Protocol[Text_co]):
    def read(self, size: int, /) -> Text_co: ...

    def readline(self, size: int = -1, /) -> Text_co: ...

    def close(self) -> None: ...


class _Calls:
    """One call of a file after the other; a cancelled one ends the file."""

    def __init__(self, threads: Threads, end: Callable[[], None]) -> None:
        self._threads = threads
        self._end = end
        self._lock = threading.Lock()  # held by threads: a task could be cancelled as it waits

    async def run(self, call: Callable[[], Result]) -> Result:
        """Do a call of the file in a thread."""
        try:
            return await self._threads.run(partial(self._alone, call))
        except get_cancelled_exc_class():
            await self.finish(self._end)
            raise

    async def finish(self, call: Callable[[], Result]) -> Result:
        """Do the file's last call, whether or not the task is cancelled."""
        return await self._threads.finish(partial(self._alone, call))

    def _alone(self, call: Callable[[], Result]) -> Result:
        with self._lock:
            return call()


class _Reading(Generic[Text_co]):
    """What streams and files have in common that are read."""

    def __init__(self, file: _Readable[Text_co], threads: Threads) -> None:
        self._readable: _Readable[Text_co] = file
        self._calls = _Calls(threads, file.close)

    async def read(self, size: int = -1) -> Text_co:
        """Read ``size`` bytes or characters, or all that are left; empty at the end."""
        return await self._calls.run(partial(self._readable.read, size))

    async def readline(self, size: int = -1) -> Text_co:
        """Read to the end of the line, at most ``size`` bytes or characters."""
        return await self._calls.run(partial(self._readable.readline, size))

    async def aclose(self) -> None:
        """Release the connection."""
        await self._calls.finish(self._readable.close)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Text_co:
        if line := await self.readline():
            return line
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    __reduce__ = not_copied("a file that is being read", OBJECT_AGAIN)


class AsyncObjectStream(_Reading[bytes]):
    """The plaintext of an object or a range of it, read once; made by `AsyncBucket.get`.

    Iteration gives blocks of 1 MiB, the last one of what is left, where `ObjectStream` gives lines.
    Errors are those of `ObjectStream`.
    """

    def __init__(self, stream: ObjectStream, threads: Threads) -> None:
        super().__init__(stream, threads)
        self._stream = stream

    @property
    def info(self) -> ObjectInfo:
        """The object, from the same response as the body."""
        return self._stream.info

    @property
    def length(self) -> int:
        """How many bytes come."""
        return self._stream.length

    async def read(self, size: int = -1) -> bytes:
        """Read ``size`` bytes, or all that are left; ``b""`` at the end."""
        if 0 <= size <= PIECE:
            return await super().read(size)
        # A BytesIO hands its bytes over without a copy: large objects are in memory once.
        whole = io.BytesIO()
        while size and (block := await super().read(PIECE if size < 0 else min(size, PIECE))):
            whole.write(block)  # a task that is cancelled waits for one block, not for all
            size -= len(block) if size > 0 else 0
        return whole.getvalue()

    async def __anext__(self) -> bytes:
        if block := await self.read(PIECE):
            return block
        raise StopAsyncIteration


class AsyncObjectFile(_Reading[bytes]):
    """A seekable file over an object; made by `AsyncBucket.open`. Iteration gives lines.

    See `ObjectFile`, also for errors.
    """

    def __init__(self, file: ObjectFile, threads: Threads) -> None:
        super().__init__(file, threads)
        self._file = file

    async def info(self) -> ObjectInfo:
        """Return the object as it was when it was first asked for; see `ObjectFile.info`."""
        return await self._calls.run(lambda: self._file.info)

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position; see `ObjectFile.seek`."""
        return await self._calls.run(partial(self._file.seek, offset, whence))

    async def tell(self) -> int:
        """Return the position."""
        return await self._calls.run(self._file.tell)

    async def read_ranges(
        self, ranges: Iterable[tuple[int, int]], *, workers: int | None = None
    ) -> list[bytes]:
        """Read many ranges, several at once; see `ObjectFile.read_ranges`."""
        return await self._calls.run(partial(self._file.read_ranges, ranges, workers=workers))


class AsyncTextFile(_Reading[str]):
    """An object as text to read; made by `AsyncBucket.open`. Iteration gives lines."""

    def __init__(self, file: io.TextIOWrapper, threads: Threads) -> None:
        super().__init__(file, threads)


class _Writing:
    """What files have in common that are written."""

    def __init__(self, file: ObjectWriter | ObjectTextWriter, threads: Threads) -> None:
        self._writer = file
        self._calls = _Calls(threads, file.abort)

    @property
    def info(self) -> ObjectInfo:
        """The object that was stored; see `ObjectWriter.info`."""
        return self._writer.info

    async def aclose(self) -> None:
        """Store the object, unless that was done or given up; see `ObjectWriter.close`.

        A task that was cancelled before stores nothing; one that is cancelled meanwhile is so when
        the object is stored.
        """
        await self._calls.run(self._writer.close)

    async def abort(self) -> None:
        """Close the file and store nothing; without effect if it was closed."""
        await self._calls.finish(self._writer.abort)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.aclose()
        else:
            await self.abort()

    __reduce__ = not_copied("a file that is being written", OBJECT_OF_ITS_OWN)


class AsyncObjectWriter(_Writing):
    """A file whose bytes become an object when it is closed; made by `AsyncBucket.open`.

    As with `ObjectWriter`, nothing is stored if the ``async with`` block is left by an exception,
    or a cancellation.
    """

    def __init__(self, file: ObjectWriter, threads: Threads) -> None:
        super().__init__(file, threads)
        self._file = file

    async def write(self, data: ReadableBuffer) -> int:
        """Encrypt bytes and keep or send them; see `ObjectWriter.write`."""
        return await self._calls.run(partial(self._file.write, data))


class AsyncTextWriter(_Writing):
    """A text file that becomes an object when it is closed; otherwise as `AsyncObjectWriter`."""

    def __init__(self, file: ObjectTextWriter, threads: Threads) -> None:
        super().__init__(file, threads)
        self._file = file

    async def write(self, text: str) -> int:
        """Encrypt characters and keep or send them."""
        return await self._calls.run(partial(self._file.write, text))
