"""An object as a seekable, buffered binary file over range reads.

Law: every fetch is bound to the object as it was when it was opened. Another body under the same
name is an error, never a mixture. Where a sealed object ends is told only after its last chunk was
opened.
"""

from __future__ import annotations

import io
from collections.abc import Callable

from cipherbucket.errors import (
    ObjectChangedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    UsageError,
    named,
)
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.sealed import Sealed
from cipherbucket.format.span import PLAIN, Span
from cipherbucket.info import ObjectInfo
from cipherbucket.reader import ObjectStream, stream_of
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Incoming

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
    layout = PLAIN if info.envelope is None else info.envelope.layout
    envelope = info.envelope
    # Where the envelope came from the body, a chunk is of this object or does not open.
    of_body = envelope is not None and envelope.seal is not None and envelope.mac is None
    metadata_may_change = envelope is not None and envelope.mac is not None

    def fetch(span: Span) -> ObjectStream:
        incoming = _bound(span)
        try:
            with named(info.name):
                if incoming.stored.size != info.stored_size:
                    raise _changed(info)
                if not of_body:
                    _compare(info, ObjectInfo.of(incoming.stored))
                return stream_of(incoming, info, cipher, span)
        except BaseException:
            incoming.close()
            raise

    def _bound(span: Span) -> Incoming:
        first, stop = layout.needed(span, info.stored_size)
        try:
            return store.get(
                info.name,
                start=first,
                length=stop - first,
                if_match=info.etag,
                version_id=info.version_id,
            )
        except PreconditionFailedError as error:
            if not metadata_may_change:
                raise _changed(info) from error
        except ObjectNotFoundError as error:
            raise _changed(info) from error
        # A store may give an object whose recipients were changed another ETag; its seal tells.
        try:
            return store.get(info.name, start=first, length=stop - first)
        except ObjectNotFoundError as error:
            raise _changed(info) from error

    return ObjectFile(info, fetch)


def _compare(opened: ObjectInfo, now: ObjectInfo) -> None:
    before = opened.envelope
    same = now.envelope is None if before is None else before.same_object(now.envelope)
    if not same:
        raise _changed(opened)


def _changed(info: ObjectInfo) -> ObjectChangedError:
    return ObjectChangedError(
        "the object was replaced or deleted while it was being read",
        name=info.name,
        hint="open it again",
    )
