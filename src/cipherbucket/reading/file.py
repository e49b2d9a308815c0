"""An object as a seekable binary file over range reads.

Rule: every fetch is bound to the object as it was at the first. Another body under the same name is
an error, never a mixture. Where a sealed object ends is said only after its last chunk was opened.

What is asked for out of order is fetched as it was asked for, in one request. Who reads on where
the last read ended gets a response that reaches further each time, and is read from as long as it
lasts (docs/decisions/0008-files-look-at-their-object-with-the-first-read.md).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cipherbucket.errors import RangeError, UsageError, not_copied
from cipherbucket.format.cipher import OBJECT_AGAIN
from cipherbucket.format.span import Span
from cipherbucket.reading.bound_object import BoundObject, Forward
from cipherbucket.reading.decryption import BLOCK
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.ranges import read_ranges
from cipherbucket.reading.stream import changed
from cipherbucket.workers.rate_limit import check_speed
from cipherbucket.workers.threads import usual_workers

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LEAST_WINDOW = 64 << 10
"""What is fetched at least where a read goes on, or does not say how much it wants."""
WINDOW = 8 << 20
"""After a window of so many bytes the next one reaches to the end of the object."""
SKIP = 64 << 10
"""A gap of so many bytes is read through rather than fetching anew."""
HELD = 256 << 10
"""Most bytes of plaintext that are kept for the next read."""


class ObjectFile(io.BufferedIOBase):
    """A seekable binary file over an object; made by `Bucket.open`.

    The first read fetches and unlocks the object, in one request, and raises what is wrong with
    it; `open` itself asks the store for nothing. If the object is replaced meanwhile, the next
    fetch raises `ObjectChangedError`.

    Reads out of order fetch what they ask for, in format ``sealed`` the chunks of 16 KiB that hold
    it. Reads in order are served from one response, for which more is asked each time. A few MiB
    are in memory at most, beside what is returned.

    Each call is done as a whole, also from several threads, as with `io.BufferedReader`; but all
    threads share one position. `read_ranges` has none.
    """

    _forward: Forward | None = None

    def __init__(self, source: BoundObject) -> None:
        super().__init__()
        self._source = source
        self._lock = threading.RLock()
        self._position = 0
        self._next: int | None = None
        """Where the last read ended."""
        self._is_sequential = False
        """Whether the read that is being done began there."""
        self._window = 0
        """Bytes that were asked for last."""
        self._held = bytearray()
        self._held_at = 0
        self._end_seen = False

    __reduce__ = not_copied("a file that is being read", OBJECT_AGAIN)

    @property
    def name(self) -> str:
        """The object's name."""
        return self._source.name

    @property
    def mode(self) -> str:
        """``rb``."""
        return "rb"

    @property
    def info(self) -> ObjectInfo:
        """The object as it was when it was first asked for.

        Before the first read this asks for its metadata, and raises what reading it would.
        """
        with self._lock:
            if self._source.known is None:
                self._refuse_closed()
            return self._source.head()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        with self._lock:
            self._refuse_closed()
            return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position. Only a seek from the end may ask the store, for what ends there.

        Raises:
            UsageError: A position before the beginning, or another ``whence`` than 0, 1 and 2.
        """
        with self._lock:
            self._refuse_closed()
            if whence == io.SEEK_SET:
                base = 0
            elif whence == io.SEEK_CUR:
                base = self._position
            elif whence == io.SEEK_END:
                base = self._see_end()
            else:
                raise UsageError(f"whence is 0, 1 or 2, not {whence}", name=self.name)
            if base + offset < 0:
                raise UsageError("a position cannot be negative", name=self.name)
            self._position = base + offset
            return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes, or all that are left; ``b""`` at the end.

        Raises:
            IntegrityError: The object is not what was stored.
            ObjectChangedError: It was replaced since the first read.
            And the first time the errors of `Bucket.get`.
        """
        left = None if size is None or size < 0 else size
        with self._one_read():
            if left is not None and left <= BLOCK:
                block = memoryview(bytearray(left))
                return bytes(block[: self._fill(block, left)])
            block = memoryview(bytearray(BLOCK))
            # A BytesIO hands its bytes over without a copy: large objects are in memory once.
            whole = io.BytesIO()
            while left != 0:
                room = block if left is None else block[:left]
                count = self._fill(room, left)
                whole.write(block[:count])
                if count < len(room):
                    break
                if left is not None:
                    left -= count
            return whole.getvalue()

    def readall(self) -> bytes:
        """Read all that is left, in one fetch. Errors as `read`."""
        return self.read()

    def read1(self, size: int = -1, /) -> bytes:
        """Read some bytes, at most ``size``, with one fetch at most. Errors as `read`."""
        with self._one_read():
            most = size if size >= 0 else LEAST_WINDOW
            data = bytes(self._ready(most)[:most]) if most else b""
            self._position += len(data)
            return data

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill ``buffer`` as far as there are bytes. Errors as `read`; it is wiped then."""
        view = memoryview(buffer).cast("B")
        with self._one_read():
            try:
                return self._fill(view, len(view))
            except BaseException:
                view[:] = bytes(len(view))
                raise

    def peek(self, size: int = 0, /) -> bytes:
        """Return bytes that come next, one or more, without moving. Errors as `read`."""
        with self._one_read():
            most = max(size, io.DEFAULT_BUFFER_SIZE)
            return bytes(self._ready(most)[:most])

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read to the end of the line, at most ``size`` bytes. Errors as `read`."""
        most = None if size is None or size < 0 else size
        with self._one_read():
            pieces: list[bytes] = []
            while most is None or most > 0:
                if not self._ready(LEAST_WINDOW):
                    break
                begin = self._position - self._held_at
                stop = len(self._held) if most is None else min(len(self._held), begin + most)
                newline = self._held.find(b"\n", begin, stop) + 1
                pieces.append(bytes(self._held[begin : newline or stop]))
                self._position += len(pieces[-1])
                if newline:
                    break
                if most is not None:
                    most -= len(pieces[-1])
            return b"".join(pieces)

    def read_ranges(
        self, ranges: Iterable[tuple[int, int]], *, workers: int | None = None
    ) -> list[bytes]:
        """Read many ranges; the position stays where it is.

        Ranges that lie within 64 KiB of each other are fetched together, at most 8 MiB, and what
        is left in parallel.

        Args:
            ranges: (start, length) of each, in any order. Lengths are clipped at the end.
            workers: Requests at once, 1 or more. None takes 4, or one for each core if these are
                fewer.

        Returns:
            The bytes of each range, in the order of the ranges.

        Raises:
            RangeError: A range begins after the end.
            UsageError: A negative number.
            And the errors of `read`.
        """
        check_speed(workers, None)
        with self._lock:
            self._refuse_closed()
        return read_ranges(self._source, ranges, workers or usual_workers())

    def close(self) -> None:
        """Release the connection."""
        if not self.closed:
            with self._lock:
                self._drop()
                self._held = bytearray()
        super().close()

    def _refuse_closed(self) -> None:
        if self.closed:
            raise UsageError("the file is closed", name=self.name)

    @contextmanager
    def _one_read(self) -> Iterator[None]:
        """Let a read be done as a whole; one that fails does not move."""
        with self._lock:
            self._refuse_closed()
            before = self._position
            self._is_sequential = before == self._next
            try:
                yield
            except BaseException:
                self._position = before
                raise
            self._next = self._position

    def _fill(self, view: memoryview, wanted: int | None) -> int:
        """Fill ``view`` from the position on, and move.

        Args:
            view: Where the bytes go.
            wanted: How many this and the next calls will take; None for all there are.
        """
        filled = 0
        while filled < len(view):
            room = view[filled:]
            ready = self._held_from(self._position)[: len(room)]
            if not ready:
                left = None if wanted is None else wanted - filled
                forward = self._forward_to(self._position, left)
                if forward is None:
                    break
                if forward.at < self._position or min(len(room), forward.left) < HELD:
                    self._hold(forward)
                    continue
                count = self._read(forward, room)
            else:
                count = len(ready)
                room[:count] = ready
            filled += count
            self._position += count
        return filled

    def _ready(self, wanted: int) -> memoryview:
        """Return bytes from the position on, fetched if there are none; empty at the end."""
        ready = self._held_from(self._position)
        while not ready:
            forward = self._forward_to(self._position, max(wanted, 1))
            if forward is None:
                break
            self._hold(forward)
            ready = self._held_from(self._position)
        return ready

    def _held_from(self, position: int) -> memoryview:
        begin = position - self._held_at
        return memoryview(self._held)[begin:] if begin >= 0 else memoryview(b"")

    def _hold(self, forward: Forward) -> None:
        at, data = forward.at, bytearray(min(forward.left, HELD))
        self._read(forward, memoryview(data))
        self._held, self._held_at = data, at

    def _read(self, forward: Forward, view: memoryview) -> int:
        try:
            count = forward.readinto(view)
        except BaseException:
            self._drop()
            raise
        self._let_go_at_end(forward)
        return count

    def _let_go_at_end(self, forward: Forward) -> None:
        if not forward.left:
            self._end_seen = self._end_seen or forward.ends
            self._drop()

    def _forward_to(self, position: int, wanted: int | None) -> Forward | None:
        """Return a response that holds the byte at ``position``; None where the object ends."""
        forward = self._forward
        if forward is not None and 0 <= position - forward.at < min(forward.left, SKIP):
            return forward
        known = self._source.known
        if known is not None and position >= known.size:
            self._see_end()
            return None
        length = self._length_to_ask(position, wanted, known)
        self._window = WINDOW if length is None else length
        self._drop()
        try:
            forward = self._forward = self._source.forward(Span(position, length))
        except RangeError as error:
            # The store says that the object ends before, and nothing else; so it is looked at.
            known = self._source.head()
            if position < known.size:
                raise changed(known) from error
            self._see_end()
            return None
        self._let_go_at_end(forward)
        if position < self._source.head().size:
            return forward
        self._see_end()
        return None

    def _length_to_ask(
        self, position: int, wanted: int | None, known: ObjectInfo | None
    ) -> int | None:
        if wanted is None or not self._is_sequential:
            return wanted
        if self._window >= WINDOW:
            return None
        length = max(wanted, min(WINDOW, max(LEAST_WINDOW, 2 * self._window)))
        # The end is seen with the last bytes rather than by a request of its own.
        return None if known is not None and position + length >= known.size else length

    def _see_end(self) -> int:
        """Return the size, which is more than a claim once a sealed object's last chunk is open."""
        if not self._end_seen and self._source.expects_seal:
            known = self._source.known
            forward = self._forward
            if forward is None or not forward.ends or forward.left > HELD:
                self._drop()
                span = Span(tail=0) if known is None else Span(known.size)
                forward = self._forward = self._source.forward(span)
            self._let_go_at_end(forward)
            while forward.left:
                self._hold(forward)
        return self._source.head().size

    def _drop(self) -> None:
        forward, self._forward = self._forward, None
        if forward is not None:
            forward.close()
