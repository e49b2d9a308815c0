"""An object as a seekable, buffered binary file over range reads.

Law: every fetch is bound to the object as it was when it was opened. Another body under the same
name is an error, never a mixture. Where a sealed object ends is told only after its last chunk was
opened.
"""

from __future__ import annotations

import io
from collections.abc import Callable

from cipherbucket.errors import UsageError, named
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.sealed import Sealed
from cipherbucket.format.span import Span
from cipherbucket.info import ObjectInfo
from cipherbucket.reader import ObjectStream, fetch_same, stream_of
from cipherbucket.stores.base import Store

_BUFFER = 128 << 10

FetchSpan = Callable[[Span], ObjectStream]


class _RangeReader(io.RawIOBase):
    """Each read is one fetch of just the bytes asked for."""

    def __init__(self, info: ObjectInfo, fetch: FetchSpan) -> None:
        self._info = info
        self._fetch = fetch
        self._position = 0
        # Without an authentic end there is nothing to look at.
        self._end_seen = info.envelope is None or info.envelope.seal is None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_END:
            self._see_end()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._info.size}
        if whence not in base:
            raise UsageError(f"whence is 0, 1 or 2, not {whence}", name=self._info.name)
        if base[whence] + offset < 0:
            raise UsageError("a position cannot be negative", name=self._info.name)
        self._position = base[whence] + offset
        return self._position

    def readall(self) -> bytes:
        # The inherited one would fetch the rest in pieces of a few KiB.
        if self._position >= self._info.size:
            self._see_end()
            return b""
        with self._fetch(Span(self._position)) as stream:
            data = stream.read()
        self._end_seen = True
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        if self._position >= self._info.size and view:
            self._see_end()
            return 0
        if not view:
            return 0
        with self._fetch(Span(self._position, len(view))) as stream:
            view = view[: stream.length]
            filled = 0
            while filled < len(view):
                filled += stream.readinto(view[filled:])
        self._position += filled
        return filled

    def _see_end(self) -> None:
        """Open the last chunk of a sealed object, so that its size is more than a claim."""
        if not self._end_seen:
            self._fetch(Span(self._info.size)).close()
            self._end_seen = True


class ObjectFile(io.BufferedReader):
    """A seekable, buffered binary file over an object; each miss of the buffer is one fetch.

    Attributes:
        info: The object as it was when it was opened. If it is replaced meanwhile, the next
            fetch raises `ObjectChangedError`.
    """

    def __init__(self, info: ObjectInfo, fetch: FetchSpan) -> None:
        super().__init__(_RangeReader(info, fetch), _BUFFER)
        self.info = info

    @property
    def name(self) -> str:
        """The object's name."""
        return self.info.name


def open_file(store: Store, info: ObjectInfo, cipher: Ctr | Sealed | None) -> ObjectFile:
    """Make a seekable file whose every fetch is bound to the object as ``info`` tells it."""

    def fetch(span: Span) -> ObjectStream:
        incoming = fetch_same(store, info, span)
        try:
            with named(info.name):
                return stream_of(incoming, info, cipher, span)
        except BaseException:
            incoming.close()
            raise

    return ObjectFile(info, fetch)
