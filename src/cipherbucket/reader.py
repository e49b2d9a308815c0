"""Plaintext on its way out: a stream of one range, and a seekable file over range reads.

Law: a byte is decrypted where the response says it lies. A whole read is good only when its end
was reached: then lengths, the CRC-64 of the ciphertext and, where it was recorded, the MD5 of the
plaintext have been compared. In format ``oss`` these detect accidents, not tampering
(docs/security.md).
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from cipherbucket.errors import (
    IntegrityError,
    ObjectChangedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    UsageError,
    named,
)
from cipherbucket.format.ctr import Ctr, CtrStream
from cipherbucket.format.span import Span
from cipherbucket.info import ObjectInfo
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.policy import Policy
from cipherbucket.progress import Progress, Ticker
from cipherbucket.seal import unseal
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Incoming

BLOCK = 1 << 20
"""Bytes fetched and decrypted at a time."""
_BUFFER = 128 << 10


class ObjectStream:
    """The plaintext of an object or a range of it, read once from beginning to end.

    Use it in a ``with`` statement, or read it to its end, or close it.

    Attributes:
        info: The object, from the same response as the body.
        length: How many bytes come.
    """

    def __init__(
        self,
        incoming: Incoming,
        info: ObjectInfo,
        cipher: Ctr | None,
        span: Span,
        progress: Progress | None = None,
    ) -> None:
        self.info = info
        drop, self.length = span.cut(incoming.start, incoming.stop, info.size)
        self._incoming = incoming
        self._left = self.length
        self._ticker = Ticker(progress)
        self._stream: CtrStream | None = None
        if cipher is not None:
            self._stream = cipher.stream(incoming.start + drop)
        whole = self.length == info.size
        recorded = info.envelope.content_md5 if info.envelope is not None else None
        self._md5 = hashlib.md5(usedforsecurity=False) if whole and recorded else None
        while drop:
            drop -= incoming.readinto(bytearray(min(drop, BLOCK)))

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        """Fill ``buffer`` with plaintext as far as bytes come; 0 at the end.

        Raises:
            IntegrityError: At the end of a whole object: its bytes are not what was stored.
            StoreError: The store failed meanwhile.
        """
        view = memoryview(buffer)[: self._left]
        count = self._incoming.readinto(view)
        view = view[:count]
        if self._stream is not None:
            self._stream.apply(view)
        self._left -= count
        if self._md5 is not None:
            self._check_md5(view)
        self._ticker.tick(self.length - self._left, self.length)
        return count

    def _check_md5(self, view: memoryview) -> None:
        assert self._md5 is not None
        assert self.info.envelope is not None
        self._md5.update(view)
        digest = base64.b64encode(self._md5.digest()).decode() if not self._left else None
        if digest is not None and digest != self.info.envelope.content_md5:
            view[:] = bytes(len(view))
            raise IntegrityError(
                "the MD5 of the plaintext differs from the recorded one",
                name=self.info.name,
                hint="the object was damaged or altered; restore it from a copy",
            )

    def read(self, size: int = -1, /) -> bytes:
        """Read ``size`` bytes, or all that are left; ``b""`` at the end. Errors as `readinto`."""
        wanted = self._left if size < 0 else min(size, self._left)
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

    def __iter__(self) -> Iterator[bytes]:
        """Yield what is left in blocks of at most 1 MiB."""
        while block := self.read(BLOCK):
            yield block

    def close(self) -> None:
        """Release the connection or file."""
        self._incoming.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


Fetch = Callable[[Span], ObjectStream]


class _RangeReader(io.RawIOBase):
    """Each read is one fetch of just the bytes asked for."""

    def __init__(self, info: ObjectInfo, fetch: Fetch) -> None:
        self._info = info
        self._fetch = fetch
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._info.size}
        if whence not in base:
            raise UsageError(f"whence is 0, 1 or 2, not {whence}", name=self._info.name)
        if base[whence] + offset < 0:
            raise UsageError("a position cannot be negative", name=self._info.name)
        self._position = base[whence] + offset
        return self._position

    def readall(self) -> bytes:
        # The inherited one would fetch the rest in pieces of a few KiB.
        rest = self._info.size - self._position
        if rest <= 0:
            return b""
        with self._fetched(rest) as stream:
            data = stream.read()
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        view = view[: max(0, self._info.size - self._position)]
        if not view:
            return 0
        with self._fetched(len(view)) as stream:
            filled = 0
            while filled < len(view):
                filled += stream.readinto(view[filled:])
        self._position += filled
        return filled

    def _fetched(self, length: int) -> ObjectStream:
        stream = self._fetch(Span(self._position, length))
        if stream.info.envelope != self._info.envelope or stream.info.size != self._info.size:
            stream.close()
            raise _changed(self._info)
        return stream


class ObjectFile(io.BufferedReader):
    """A seekable, buffered binary file over an object; each miss of the buffer is one fetch.

    Attributes:
        info: The object as it was when it was opened. If it is replaced meanwhile, the next
            fetch raises `ObjectChangedError`.
    """

    def __init__(self, info: ObjectInfo, fetch: Fetch) -> None:
        super().__init__(_RangeReader(info, fetch), _BUFFER)
        self.info = info

    @property
    def name(self) -> str:
        """The object's name."""
        return self.info.name


def unlock(
    info: ObjectInfo, ring: KeyRing, policy: Policy, *, key: MasterKey | None = None
) -> Ctr | None:
    """Admit an object and unwrap its data key.

    Returns:
        The cipher, or None for plaintext that the policy accepts.

    Raises:
        PolicyError, EnvelopeError, NoMatchingKeyError, WrongKeyError, IntegrityError: See
            `Bucket.get`.
    """
    with named(info.name):
        policy.admit(info.envelope)
        if info.envelope is None:
            return None
        cipher = unseal(info.envelope, ring, policy, key=key)
        info.check_lengths()
        return cipher


def open_stream(
    incoming: Incoming,
    span: Span,
    ring: KeyRing,
    policy: Policy,
    *,
    key: MasterKey | None = None,
    progress: Progress | None = None,
) -> ObjectStream:
    """Make a plaintext stream of a store's response, whose metadata brings the envelope.

    Raises:
        The errors of `unlock`; the response is closed then.
    """
    try:
        with named(incoming.stored.name):
            info = ObjectInfo.of(incoming.stored)
            cipher = unlock(info, ring, policy, key=key)
            return ObjectStream(incoming, info, cipher, span, progress)
    except BaseException:
        incoming.close()
        raise


def open_file(store: Store, info: ObjectInfo, cipher: Ctr | None) -> ObjectFile:
    """Make a seekable file whose every fetch is bound to the object as ``info`` tells it."""

    def fetch(span: Span) -> ObjectStream:
        try:
            incoming = store.get(
                info.name,
                start=span.start,
                length=span.length,
                if_match=info.etag,
                version_id=info.version_id,
            )
        except (PreconditionFailedError, ObjectNotFoundError) as error:
            raise _changed(info) from error
        try:
            with named(info.name):
                return ObjectStream(incoming, ObjectInfo.of(incoming.stored), cipher, span)
        except BaseException:
            incoming.close()
            raise

    return ObjectFile(info, fetch)


def _changed(info: ObjectInfo) -> ObjectChangedError:
    return ObjectChangedError(
        "the object was replaced or deleted while it was being read",
        name=info.name,
        hint="open it again",
    )
