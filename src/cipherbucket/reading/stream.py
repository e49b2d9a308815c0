"""Plaintext on its way out: a stream of one range.

Rule: the envelope comes from the response that brings the body, and the counter and the cut follow
what that response says it holds. A whole read is good only when its end was reached: then lengths,
the CRC-64 of the ciphertext and, where it was recorded, the MD5 of the plaintext have been
compared. In format ``oss`` these detect accidents, not tampering (docs/security.md); in ``sealed``
no byte comes that is not authentic.
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
from typing import TYPE_CHECKING, NoReturn

from cipherbucket.errors import (
    EnvelopeError,
    IntegrityError,
    ObjectChangedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    RangeError,
    UsageError,
    named,
    not_copied,
)
from cipherbucket.format.cipher import OBJECT_AGAIN
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.envelope import Envelope, layout_of
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.format.sealed import CHUNK, Sealed, sealed_layout
from cipherbucket.format.span import Span, StoredSpan
from cipherbucket.reading.decryption import BLOCK, PlainBody, body_of, holds
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.unlock import USUAL_FOOTER, Fetch, Reading, unlock
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Incoming
from cipherbucket.workers.progress import Progress, Ticker

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_log = logging.getLogger("cipherbucket")
HELD = 64 << 10
"""Most bytes of plaintext that are read ahead for who reads lines, or as much as there is."""


class ObjectStream(io.BufferedIOBase):
    """The plaintext of an object or a range of it, read once from beginning to end.

    A binary file that cannot seek: `io.TextIOWrapper`, `shutil.copyfileobj` and their like take it.
    Iteration gives lines. Use it in a ``with`` statement, or read it to its end, or close it.

    Attributes:
        info: The object, from the same response as the body.
        length: How many bytes come.
        body: What decrypts it.
    """

    _incoming: Incoming

    def __init__(
        self,
        incoming: Incoming,
        info: ObjectInfo,
        body: PlainBody,
        progress: Progress | None = None,
    ) -> None:
        super().__init__()
        self.info = info
        self.length = body.left
        self._incoming = incoming
        self._held = io.BytesIO()
        """What was read ahead; `_ahead` bytes of it are still to come."""
        self._ahead = 0
        self.body = body
        self._ticker = Ticker(progress)
        whole = self.length == info.size
        recorded = info.envelope.content_md5 if info.envelope is not None else None
        self._md5 = hashlib.md5(usedforsecurity=False) if whole and recorded else None

    @property
    def name(self) -> str:
        """The object's name."""
        return self.info.name

    @property
    def mode(self) -> str:
        """``rb``."""
        return "rb"

    def readable(self) -> bool:
        """Return True."""
        return True

    def count_crc64(self) -> None:
        """Have `crc64` also of a range; to be called before anything is read."""
        self._incoming.counting = True

    @property
    def crc64(self) -> int:
        """CRC-64 of the stored bytes that were read so far."""
        return self._incoming.crc64

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill ``buffer`` with plaintext as far as bytes come; 0 at the end.

        Raises:
            IntegrityError: The object is not what was stored: in format ``oss`` found out at the
                end of a whole object, in ``sealed`` before any wrong byte is handed out.
            StoreError: The store failed meanwhile.
        """
        self._refuse_closed()
        view = memoryview(buffer).cast("B")
        count = self._held.readinto(view)
        self._ahead -= count
        return count + self._fill(view[count:])

    def _fill(self, view: memoryview) -> int:
        try:
            with named(self.info.name):
                count = self.body.readinto(view)
        except BaseException:
            self._incoming.close()
            raise
        if self._md5 is not None:
            self._check_md5(view[:count])
        self._ticker.tick(self.length - self.body.left, self.length)
        return count

    def _check_md5(self, view: memoryview) -> None:
        assert self._md5 is not None
        assert self.info.envelope is not None
        self._md5.update(view)
        digest = base64.b64encode(self._md5.digest()).decode() if not self.body.left else None
        if digest is not None and digest != self.info.envelope.content_md5:
            view[:] = bytes(len(view))
            raise IntegrityError(
                "the MD5 of the plaintext differs from the recorded one",
                name=self.info.name,
                hint="the object was damaged or altered; restore it from a copy",
            )

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes, or all that are left; ``b""`` at the end. Errors as `readinto`."""
        left = self._ahead + self.body.left
        wanted = left if size is None or size < 0 else min(size, left)
        block = memoryview(bytearray(min(wanted, BLOCK)))
        if wanted == len(block):
            return bytes(block[: self.readinto(block)])
        # A BytesIO hands its bytes over without a copy: large objects are in memory once.
        whole = io.BytesIO()
        while wanted:
            count = self.readinto(block[:wanted])
            whole.write(block[:count])
            wanted -= count
        return whole.getvalue()

    def readall(self) -> bytes:
        """Read all that is left. Errors as `readinto`."""
        return self.read()

    def read1(self, size: int = -1, /) -> bytes:
        """Read some bytes, at most ``size``; ``b""`` at the end. Errors as `readinto`."""
        ready = self._read_ahead() if size else 0
        return self.read(ready if size < 0 else min(size, ready))

    def peek(self, size: int = 0, /) -> bytes:
        """Return bytes that come next, one or more, without taking them. Errors as `readinto`."""
        self._read_ahead()
        data = self._held.read(max(size, io.DEFAULT_BUFFER_SIZE))
        self._held.seek(-len(data), io.SEEK_CUR)
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read to the end of the line, at most ``size`` bytes. Errors as `readinto`."""
        left = self._ahead + self.body.left if size is None or size < 0 else size
        pieces: list[bytes] = []
        while left and self._read_ahead():
            pieces.append(self._held.readline(left))
            self._ahead -= len(pieces[-1])
            left -= len(pieces[-1])
            if pieces[-1].endswith(b"\n"):
                break
        return b"".join(pieces)

    def _read_ahead(self) -> int:
        """Return how many bytes were read ahead, now that some were, if any are left."""
        self._refuse_closed()
        if not self._ahead:
            block = bytearray(min(HELD, self.body.left))
            self._ahead = self._fill(memoryview(block))
            self._held = io.BytesIO(block)
        return self._ahead

    def seek(self, *_: int) -> NoReturn:
        """Refuse: what was read does not come again."""
        raise io.UnsupportedOperation(
            f"{self.name!r}: a stream does not seek; bucket.open(name) gives a file that does"
        )

    def close(self) -> None:
        """Release the connection or file."""
        if not self.closed:
            self._incoming.close()
            self._held, self._ahead = io.BytesIO(), 0
        super().close()

    def _refuse_closed(self) -> None:
        if self.closed:
            raise UsageError("the stream is closed", name=self.name)

    __reduce__ = not_copied("a stream that is being read", OBJECT_AGAIN)


def open_stream(
    fetch: Fetch, span: Span, reading: Reading, *, progress: Progress | None = None
) -> ObjectStream:
    """Fetch a range and make a plaintext stream of it.

    One request suffices where the object has the format that is expected, but for the last bytes
    of a sealed object with an unusually long footer.

    Raises:
        The errors of `unlock`, and RangeError.
    """
    incoming, info, cipher = unlocked(fetch, span, reading)
    try:
        with named(info.name):
            if isinstance(cipher, Sealed) and (span.tail or 0) > BLOCK - CHUNK:
                # Where the last bytes begin depends on a size that the store claims, and more than
                # one batch is given out before the end comes: so it is looked at first.
                _see_end(fetch, incoming, info, cipher)
            stream = stream_of(incoming, info, cipher, span, progress)
            if span.start > info.size:  # whose end was read just now
                raise RangeError(
                    f"the range begins at byte {span.start:,} of an object of {info.size:,} bytes"
                )
            return stream
    except BaseException:
        incoming.close()
        raise


def unlocked(
    fetch: Fetch, span: Span, reading: Reading
) -> tuple[Incoming, ObjectInfo, Ctr | Sealed | None]:
    """Fetch what a range takes, and unlock the object with what comes along.

    Raises:
        The errors of `unlock`, and RangeError.
    """
    incoming = _request(fetch, span, reading)
    try:
        with named(incoming.stored.name):
            info, cipher = unlock(incoming.stored, reading, fetch)
            _log.debug("get %r: format %s, %d bytes in all", info.name, info.format, info.size)
            layout = layout_of(info.envelope)
            # Where nothing was a guess, asking again would bring the same.
            guessed = bool(layout.tag) or layout != reading.layout
            if guessed and not holds(incoming, layout, span):
                incoming = _request_again(fetch, span, incoming, info)
    except BaseException:
        incoming.close()
        raise
    return incoming, info, cipher


def _see_end(fetch: Fetch, incoming: Incoming, info: ObjectInfo, cipher: Sealed) -> None:
    """Open the last chunk of the very object that a response is of.

    Raises:
        IntegrityError: The object does not end where the store says.
    """
    end = Span(tail=0)
    first, stop = cipher.layout.needed(end, incoming.stored.size)
    try:
        answer = fetch(StoredSpan(first, stop - first), incoming.stored)
    except RangeError as error:  # of something shorter than the store has just described
        raise changed(info) from error
    with answer as last:
        if last.stored.size != incoming.stored.size or not _same_object(info, last):
            raise changed(info)
        stream_of(last, info, cipher, end)


def fetch_same(store: Store, info: ObjectInfo, span: Span) -> Incoming:
    """Fetch what a range takes of the very object that was looked at before.

    Raises:
        ObjectChangedError: It was replaced or deleted.
    """
    first, stop = layout_of(info.envelope).needed(span, info.stored_size)
    try:
        incoming = _fetch_bound(store, info, first, stop)
    except (ObjectNotFoundError, RangeError) as error:  # a RangeError: of something shorter
        raise changed(info) from error
    if incoming.stored.size != info.stored_size or not _same_object(info, incoming):
        incoming.close()
        raise changed(info)
    return incoming


def changed(info: ObjectInfo) -> ObjectChangedError:
    """Return the error for an object that was replaced or deleted."""
    return ObjectChangedError(
        "the object was replaced or deleted while it was being read",
        name=info.name,
        hint="read it again from the beginning",
    )


def _fetch_bound(store: Store, info: ObjectInfo, first: int, stop: int) -> Incoming:
    try:
        return store.get(
            info.name,
            start=first,
            length=stop - first,
            if_match=info.etag,
            version_id=info.version_id,
        )
    except PreconditionFailedError as error:
        if info.envelope is None or info.envelope.mac is None:
            raise changed(info) from error
    # A store may give another ETag when recipients change; the seal shows that it is the same.
    return store.get(info.name, start=first, length=stop - first)


def stream_of(
    incoming: Incoming,
    info: ObjectInfo,
    cipher: Ctr | Sealed | None,
    span: Span,
    progress: Progress | None = None,
) -> ObjectStream:
    """Make a stream of a response, whose object was unlocked before.

    Raises:
        IntegrityError: The response does not hold what was needed, or is not authentic.
    """
    body = body_of(incoming, cipher, layout_of(info.envelope), span)
    return ObjectStream(incoming, info, body, progress)


def _request(fetch: Fetch, span: Span, reading: Reading) -> Incoming:
    try:
        return fetch(reading.layout.request(span), None)
    except RangeError:
        if SEALED not in reading.policy.formats:
            raise
        # The store says that the object ends before. That is believed when its end was read.
        return fetch(sealed_layout(USUAL_FOOTER).request(Span(tail=0)), None)


def _request_again(fetch: Fetch, span: Span, incoming: Incoming, info: ObjectInfo) -> Incoming:
    """Fetch what is needed, now that it is known what that is."""
    incoming.close()
    first, stop = layout_of(info.envelope).needed(span, incoming.stored.size)
    try:
        again = fetch(StoredSpan(first, stop - first), incoming.stored)
    except RangeError as error:
        # It lay in the object a moment ago. Nobody is to take this for the object's end.
        raise changed(info) from error
    if again.stored.size != incoming.stored.size or not _same_object(info, again):
        again.close()
        raise changed(info)
    return again


def _same_object(info: ObjectInfo, now: Incoming) -> bool:
    """Return whether a response is of the object that was looked at before.

    Recipients that were changed meanwhile make no other object.
    """
    before = info.envelope
    if before is not None and before.seal is not None and before.mac is None:
        return True  # the envelope is of the body, whose chunks open or are another object's
    try:
        envelope = Envelope.parse(now.stored.metadata)
    except EnvelopeError:
        return False
    return envelope is None if before is None else before.same_object(envelope)
