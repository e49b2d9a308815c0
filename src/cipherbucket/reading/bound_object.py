"""One object, read in any order: unlocked with its first fetch, and the very same at each other.

Rule: another body under the same name is an error, never a mixture. Of a sealed object whole chunks
are handed on, since they have to be opened anyway.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from cipherbucket.errors import named, not_copied
from cipherbucket.format.cipher import OBJECT_AGAIN
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.envelope import layout_of
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.format.sealed import Sealed
from cipherbucket.format.span import Span
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import ObjectStream, fetch_same, stream_of, unlocked
from cipherbucket.reading.unlock import Reading, fetch_from, unlock
from cipherbucket.stores.base import Store


class BoundObject:
    """An object that is looked at with the first fetch. May be used by several threads at once.

    Args:
        store: Where it lies.
        reading: How it is to be read.
        version_id: This version rather than the newest.
    """

    def __init__(self, store: Store, reading: Reading, version_id: str | None) -> None:
        self.name = reading.name
        self._store = store
        self._reading = reading
        self._version_id = version_id
        self._fetch = fetch_from(store, reading.name, None, version_id)
        self._lock = threading.Lock()
        self._info: ObjectInfo | None = None
        self._cipher: Ctr | Sealed | None = None

    @property
    def known(self) -> ObjectInfo | None:
        """What is known of it; None before the first request."""
        return self._info

    @property
    def expects_seal(self) -> bool:
        """Whether it is sealed, or must be supposed to be."""
        if self._info is None:
            return self._reading.format == SEALED
        return bool(layout_of(self._info.envelope).tag)

    def head(self) -> ObjectInfo:
        """Return what is known of it; ask for its metadata if nothing is.

        Raises:
            The errors of `unlock`, and ObjectNotFoundError.
        """
        with self._lock:
            if self._info is None:
                stored = self._store.head(self.name, version_id=self._version_id)
                self._keep(*unlock(stored, self._reading, self._fetch))
            assert self._info is not None
            return self._info

    def forward(self, span: Span) -> Forward:
        """Fetch what a range takes, in one request.

        Raises:
            RangeError: It begins after the end, by the store's word; only before anything is
                known of the object.
            ObjectChangedError: It is not the object of the first request.
            And the errors of `unlock`.
        """
        with self._lock:
            incoming = None
            if self._info is None:
                incoming, found, cipher = unlocked(self._fetch, span, self._reading)
                self._keep(found, cipher)
            info = self._info
            assert info is not None
        if incoming is None:
            incoming = fetch_same(self._store, info, span)
        try:
            with named(self.name):
                begun, ends = _whole_chunks(span, info)
                stream = stream_of(incoming, info, self._cipher, begun)
                return Forward(stream, begun.start, ends=ends)
        except BaseException:
            incoming.close()
            raise

    __reduce__ = not_copied("an object that is being read", OBJECT_AGAIN)

    def _keep(self, info: ObjectInfo, cipher: Ctr | Sealed | None) -> None:
        if self._version_id is not None:
            info = replace(info, version_id=self._version_id)
        self._cipher = cipher
        self._info = info


class Forward:
    """A response that is being read, and where in the object it stands.

    Attributes:
        at: Offset of the next byte.
        ends: Whether the object's end is proved once the last byte was read.
    """

    def __init__(self, stream: ObjectStream, at: int, *, ends: bool) -> None:
        self._stream = stream
        self.at = at
        self.ends = ends

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return self._stream.body.left

    def readinto(self, view: memoryview) -> int:
        """Fill ``view`` as far as bytes come. Errors as `ObjectStream.readinto`."""
        count = self._stream.readinto(view)
        self.at += count
        return count

    __reduce__ = not_copied("a stream that is being read", OBJECT_AGAIN)

    def close(self) -> None:
        """Release the connection."""
        self._stream.close()


def _whole_chunks(span: Span, info: ObjectInfo) -> tuple[Span, bool]:
    """Widen a range to the chunks that it touches; say whether reading it shows the object's end.

    It takes no stored byte more.
    """
    layout = layout_of(info.envelope)
    start, stop = span.resolve(info.size)
    first = start // layout.chunk * layout.chunk
    _, end = layout.needed(span, info.stored_size)
    if not layout.tag:
        return Span(start, max(0, stop - start)), stop >= info.size
    if end == info.stored_size:
        return Span(first), True
    chunks = max(-(-stop // layout.chunk), start // layout.chunk + 1)
    return Span(first, min(chunks * layout.chunk, info.size) - first), False
