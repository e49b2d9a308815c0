"""A plaintext's encryption on its way to the store.

Rule: the same key and counter never see two plaintexts. A body may be sent twice only when the
same ciphertext is certain to come out: when the source is immutable bytes, or when the ciphertext
itself was kept. Everything else must be sealed anew under a new data key, if the source can be
read again, or fails.

One buffer of 1 MiB serves a whole object (two where a cipher does not work in place): read into,
encrypted, handed to the store.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol, Self

from cipherbucket.errors import SourceError, UsageError, not_copied
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.writing.source import Source

BLOCK = 1 << 20
"""Bytes read, encrypted and handed on at a time: a multiple of every format's chunk."""
SPOOL_THRESHOLD = 16 << 20
"""Above this a body of unknown length goes through a temporary file, as ciphertext."""


OBJECT_OF_ITS_OWN = "work from threads of one process, or let each process put objects of its own"
"""The way on for who wants to encrypt one object from several processes."""


class Readable(Protocol):
    """A plaintext as far as encryption goes."""

    def read_into(self, buffer: memoryview) -> int:
        """Fill ``buffer`` as far as there are bytes."""


class EncryptedSource:
    """A source of known size as a body for a store.

    Args:
        source: Its size is known; it stands at its beginning.
        cipher: Drawn for this object alone.
        content_md5: Base64 MD5 that the plaintext must turn out to have, if any.
    """

    def __init__(
        self, source: Source, cipher: ContentCipher, content_md5: str | None = None
    ) -> None:
        assert source.size is not None
        self._source = source
        self._cipher = cipher
        self._md5 = content_md5
        self._size = source.size
        self._begun = False

    def __len__(self) -> int:
        return self._cipher.layout.stored_size(self._size)

    def __iter__(self) -> Iterator[memoryview]:
        if self._begun:
            if not self._source.immutable:
                raise SourceError(
                    "the store asked for the same ciphertext again and the source may have changed",
                    hint="put it again: it will be sealed under a new data key",
                )
            self._source.rewind()
        self._begun = True
        yield from _encrypted(self._source, self._cipher, self._size, self._md5)

    __reduce__ = not_copied("a body that is being encrypted", OBJECT_OF_ITS_OWN)


class Blocks(ABC):
    """Plaintext that arrives in pieces of any size and is encrypted in whole blocks.

    `write` it or `draw` it from a source, then `seal`. What becomes of the ciphertext is a
    subclass's.

    Args:
        cipher: Drawn for this object alone.
        size: How many bytes come, where somebody said so.

    Attributes:
        plain_size: Bytes of plaintext that came so far.
    """

    def __init__(self, cipher: ContentCipher, *, size: int | None = None) -> None:
        self._cipher = cipher
        self._size_given = size
        self._plain, self._own = cipher.buffers(BLOCK)
        self._filled = 0
        self._process = os.getpid()
        self._most = BLOCK
        """Size of the block that is being filled: a multiple of the format's chunk."""
        self.plain_size = 0

    def room(self) -> memoryview:
        """Return where the next bytes of plaintext go: room for one or more."""
        return self._plain[self._filled : self._most]

    def advance(self, count: int) -> None:
        """Take so many bytes that were put into `room`."""
        self._filled += count
        self.plain_size += count
        if self._filled == self._most:
            self._encrypt(last=False)

    def write(self, data: memoryview) -> None:
        """Take the next bytes of the plaintext.

        Raises:
            SourceError: They are more than was said.
        """
        if self._size_given is not None and self.plain_size + len(data) > self._size_given:
            raise self._other_size("more")
        while data:
            room = self.room()[: len(data)]
            room[:] = data[: len(room)]
            data = data[len(room) :]
            self.advance(len(room))

    def draw(self, source: Readable) -> bool:
        """Take the next bytes of a source; tell whether it may have more."""
        room = self.room()
        count = source.read_into(room)
        self.advance(count)
        return count == len(room)

    def seal(self) -> None:
        """End the plaintext here.

        Raises:
            SourceError: It has fewer bytes than was said.
        """
        if self._size_given not in {None, self.plain_size}:
            raise self._other_size(f"only {self.plain_size:,}")
        self._encrypt(last=True)

    def _other_size(self, found: str) -> SourceError:
        return SourceError(
            f"the length of the body was given as {self._size_given:,}, and it has {found}"
        )

    def close(self) -> None:  # noqa: B027  what holds nothing has nothing to let go of
        """Let go of what is held here."""

    def _encrypt(self, *, last: bool) -> None:
        refuse_fork(self._process)
        block = self._plain[: self._filled]
        self._filled = 0
        self._keep(self.plain_size - len(block), block, last=last)

    __reduce__ = not_copied("a body that is being encrypted", OBJECT_OF_ITS_OWN)

    @abstractmethod
    def _keep(self, offset: int, block: memoryview, *, last: bool) -> None:
        """Encrypt a block and keep or send it."""


class Spool(Blocks):
    """The ciphertext of a source whose length shows only at its end; kept, so it can be resent.

    Up to `SPOOL_THRESHOLD` bytes stay in memory, more go to an unnamed temporary file that only
    this user can read, and that the system removes with the process.

    Raises:
        SourceError: There is no room for the temporary file.
    """

    def __init__(
        self, cipher: ContentCipher, content_md5: str | None = None, *, size: int | None = None
    ) -> None:
        super().__init__(cipher, size=size)
        self._content_md5 = content_md5
        self._md5 = hashlib.md5(usedforsecurity=False) if content_md5 is not None else None
        self._file = tempfile.SpooledTemporaryFile(max_size=SPOOL_THRESHOLD)  # noqa: SIM115
        self._size = 0

    def take(self, source: Source) -> None:
        """Read a source to its end, and seal.

        Raises:
            SourceError: The source cannot be read, or is another than its MD5 says.
        """
        while self.draw(source):
            source.report(self.plain_size)
        self.seal()
        source.report(self.plain_size, last=True)

    def _keep(self, offset: int, block: memoryview, *, last: bool) -> None:
        if self._md5 is not None:
            self._md5.update(block)
            if last:
                _check_md5(self._md5.digest(), self._content_md5)
        ciphertext = self._cipher.encrypt(offset, block, self._own, last=last)
        self._size += len(ciphertext)
        try:
            self._file.write(ciphertext)
        except OSError as error:
            raise SourceError(
                f"no room for the ciphertext of a body of unknown length: {error.strerror}",
                hint=f"free space in {tempfile.gettempdir()}, or point TMPDIR elsewhere",
            ) from error

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[memoryview]:
        self._file.seek(0)
        buffer = memoryview(bytearray(min(BLOCK, self._size)))
        while count := self._file.readinto(buffer):
            yield buffer[:count]

    def close(self) -> None:
        """Let go of the ciphertext."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def encrypt_part(
    source: Readable,
    cipher: ContentCipher,
    start: int,
    stop: int,
    *,
    last: bool | None,
    out: memoryview | None = None,
) -> tuple[memoryview, int]:
    """Read and encrypt one part of an object, in memory.

    Args:
        source: Stands where the part begins.
        cipher: The object's.
        start: Offset of the part in the plaintext.
        stop: Offset after it.
        last: Whether the plaintext ends with it; None if it does where the source ends before
            ``stop``, and else goes on.
        out: Where the ciphertext goes, if there is room already.

    Returns:
        The ciphertext, and how many bytes of plaintext the source had. If these are fewer than
        were asked for, and ``last`` was not None, the ciphertext is of no use.
    """
    if out is None:
        out = memoryview(bytearray(cipher.layout.part_size(start, stop, last=last is not False)))
    plain, own = cipher.buffers(min(BLOCK, stop - start))
    in_place = plain is own
    filled = 0
    for offset in range(start, max(stop, start + 1), BLOCK):
        end = min(stop, offset + BLOCK)
        block = out[filled : filled + end - offset] if in_place else plain[: end - offset]
        count = source.read_into(block)
        if count < len(block) and last is not None:
            return out, offset - start + count
        ends = count < len(block) or (bool(last) and end == stop)
        filled += len(cipher.encrypt(offset, block[:count], out[filled:], last=ends))
        if count < len(block):
            return out[:filled], offset - start + count
    return out[:filled], stop - start


def _encrypted(
    source: Source, cipher: ContentCipher, size: int, content_md5: str | None
) -> Iterator[memoryview]:
    """Yield the ciphertext in blocks, each valid until the next.

    Length, MD5 and whether a file was changed are checked before the last block is handed out,
    because a store that has every byte it was promised may make the object visible at once.
    """
    process = os.getpid()
    plain, out = cipher.buffers(max(1, min(source.rate_limit.block(BLOCK), size)))
    md5 = hashlib.md5(usedforsecurity=False) if content_md5 is not None else None
    block = plain[:0]
    done = 0
    while done < size:
        room = plain[: size - done]
        block = room[: source.read_into(room)]
        done += len(block)
        if md5 is not None:
            md5.update(block)
        if done == size or len(block) < len(room):
            break
        refuse_fork(process)
        yield cipher.encrypt(done - len(block), block, out, last=False)
        source.report(done)
    refuse_fork(process)
    if done < size or source.read_into(memoryview(bytearray(1))):
        change = f"ended after {done:,}" if done < size else "has more"
        raise SourceError(
            f"the length of the body was given as {size:,}, and it {change}",
            hint="something wrote to it meanwhile; put it again"
            if source.rereadable
            else "that number is wrong, or the body is not whole: look which, and put it again",
        )
    source.check_unchanged()
    if md5 is not None:
        _check_md5(md5.digest(), content_md5)
    if ciphertext := cipher.encrypt(done - len(block), block, out, last=True):
        yield ciphertext
    source.report(done, last=True)


def refuse_fork(process: int) -> None:
    """Refuse to go on encrypting in another process than the one that began.

    Raises:
        UsageError: The process was forked meanwhile: neither would know which places of the
            keystream the other has used.
    """
    if os.getpid() != process:
        raise UsageError(
            "what is being encrypted belongs to the process that began it",
            hint=OBJECT_OF_ITS_OWN,
        )


def _check_md5(digest: bytes, expected: str | None) -> None:
    if base64.b64encode(digest).decode() != expected:
        raise SourceError("the plaintext does not have the MD5 that was given for it")
