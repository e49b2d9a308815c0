"""Ciphertext that comes out of a store, turned into plaintext: one body class for each kind.

Rule: a byte is decrypted where the response says it lies. Of a sealed body nothing is given out but
what was authentic: a batch of chunks is opened as a whole or not at all, and where the end of the
object is reported, its last chunk and its footer have been checked before (docs/format.md,
section 14.6).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol

from cipherbucket.errors import IntegrityError, not_copied
from cipherbucket.format.cipher import OBJECT_AGAIN
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.sealed import CHUNK, HEADER, TAG, Sealed, damaged
from cipherbucket.format.span import Layout, Span
from cipherbucket.stores.bodies import Incoming

BLOCK = 1 << 20
"""Bytes of plaintext fetched and decrypted at a time."""


class PlainBody(Protocol):
    """A range of plaintext, read once."""

    @property
    def left(self) -> int:
        """How many bytes are still to come."""

    def readinto(self, view: memoryview, /) -> int:
        """Fill ``view`` as far as bytes come; 0 at the end."""


class CounterBody:
    """Plaintext of a body as long as itself: formats ``oss`` and ``oss-v1``, and plaintext.

    Args:
        incoming: Holds what `Layout.needed` says.
        cipher: None where the body is plaintext.
        start: Offset of the first byte that is wanted.
        stop: Offset after the last.
    """

    def __init__(self, incoming: Incoming, cipher: Ctr | None, start: int, stop: int) -> None:
        self._incoming = incoming
        self._stream = cipher.stream(start) if cipher is not None else None
        self.left = stop - start
        _skip(incoming, start - incoming.start)

    __reduce__ = not_copied("a body that is being read", OBJECT_AGAIN)

    def readinto(self, view: memoryview, /) -> int:
        """Fill ``view`` as far as bytes come; 0 at the end."""
        view = view[: self.left]
        count = self._incoming.readinto(view)
        if self._stream is not None:
            self._stream.apply(view[:count])
        self.left -= count
        return count


class SealedBody:
    """Plaintext of a sealed body, opened in batches of at most 1 MiB.

    Args:
        incoming: Holds what `Layout.needed` says.
        cipher: The object's.
        span: What is wanted.

    Raises:
        IntegrityError: What is fetched at once is not authentic: header, or the one chunk that
            must be opened before an empty range can be given out.
    """

    def __init__(self, incoming: Incoming, cipher: Sealed, span: Span) -> None:
        self.tags = hashlib.sha256()
        """SHA-256 of the tags of the chunks opened so far, for a journal."""
        layout, stored = cipher.layout, incoming.stored.size
        start, stop = span.resolve(layout.size(stored))
        first, end = layout.needed(span, stored)
        self._incoming = incoming
        self._cipher = cipher
        self._ends = end == stored
        self._chunk = start // CHUNK
        self._encrypted = (stored - layout.foot if self._ends else end) - max(first, HEADER)
        self._drop = start % CHUNK
        self.left = stop - start
        room = min(-(-self._encrypted // layout.stride) * CHUNK, BLOCK)
        # An empty last chunk is opened together with what is before it, hence the one tag more.
        self._data = memoryview(bytearray(room // CHUNK * layout.stride + TAG))
        self._plain = memoryview(bytearray(room))
        self._window = self._plain[:0]
        self._open_front(max(first, HEADER))
        if not self.left:
            self._open_batch(self._plain)

    def readinto(self, view: memoryview, /) -> int:
        """Fill ``view`` as far as bytes come; 0 at the end.

        Raises:
            IntegrityError: What comes is not what was sealed; what it would have filled is wiped.
        """
        view = view[: self.left]
        filled = 0
        while filled < len(view):
            if not self._window:
                free = view[filled:]
                # Straight into the caller's memory, where all of a batch fits.
                straight = not self._drop and len(free) >= len(self._plain)
                batch = self._open_batch(free if straight else self._plain)
                batch = batch[self._drop :]
                self._drop = 0
                if straight:
                    filled += len(batch)
                    continue
                self._window = batch
            count = min(len(view) - filled, len(self._window))
            view[filled : filled + count] = self._window[:count]
            self._window = self._window[count:]
            filled += count
        self.left -= filled
        if not self.left:
            self._incoming.close()  # a store that sent more than was asked for is not read on
        return filled

    __reduce__ = not_copied("a body that is being read", OBJECT_AGAIN)

    def _open_front(self, position: int) -> None:
        header = memoryview(bytearray(HEADER))
        if self._incoming.start == 0:
            _fill(self._incoming, header)
            if not hmac.compare_digest(header, self._cipher.seal.header):
                raise damaged()
        _skip(self._incoming, position - (self._incoming.start or HEADER))

    def _open_batch(self, out: memoryview) -> memoryview:
        whole = len(self._data) - TAG
        data = self._data[: self._encrypted if self._encrypted <= whole + TAG else whole]
        if not data:  # an earlier batch failed and somebody reads on
            raise damaged()
        _fill(self._incoming, data)
        self._encrypted -= len(data)
        footer = self._read_footer() if self._ends and not self._encrypted else None
        count = self._cipher.decrypt(self._chunk, data, out[: len(self._plain)])
        if footer is not None and hashlib.sha256(footer).digest() != self._cipher.seal.footer_hash:
            out[:count] = bytes(count)
            raise damaged()
        for start in range(0, len(data), CHUNK + TAG):
            stop = min(start + CHUNK + TAG, len(data))
            self.tags.update(data[stop - TAG : stop])
            self._chunk += 1
        return out[:count]

    def _read_footer(self) -> memoryview:
        footer = memoryview(bytearray(self._cipher.layout.foot))
        _fill(self._incoming, footer)
        return footer


def body_of(
    incoming: Incoming, cipher: Ctr | Sealed | None, layout: Layout, span: Span
) -> PlainBody:
    """Return the plaintext of a response.

    Raises:
        IntegrityError: The response does not hold what was needed, or is not authentic.
    """
    if not holds(incoming, layout, span):
        first, stop = layout.needed(span, incoming.stored.size)
        raise IntegrityError(
            f"the store sent bytes {incoming.start:,} to {incoming.stop:,} of"
            f" {incoming.stored.size:,} when {first:,} to {stop:,} were needed",
            hint="a proxy or the store mistreats ranges; read the whole object instead",
        )
    if isinstance(cipher, Sealed):
        return SealedBody(incoming, cipher, span)
    start, stop = span.resolve(incoming.stored.size)
    return CounterBody(incoming, cipher, start, stop)


def holds(incoming: Incoming, layout: Layout, span: Span) -> bool:
    """Return whether a response holds all that reading ``span`` takes."""
    first, stop = layout.needed(span, incoming.stored.size)
    return 0 <= incoming.start <= first <= stop <= incoming.stop <= incoming.stored.size


def _fill(incoming: Incoming, view: memoryview) -> None:
    if incoming.readinto(view) < len(view):
        raise damaged()


def _skip(incoming: Incoming, count: int) -> None:
    waste = memoryview(bytearray(min(count, BLOCK)))
    while count:
        count -= incoming.readinto(waste[:count])
