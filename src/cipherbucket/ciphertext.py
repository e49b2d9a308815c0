"""A plaintext's encryption on its way to the store.

Law: the same key and counter never see two plaintexts. A body may be sent twice only when the
same ciphertext is certain to come out: when the source is immutable bytes, or when the ciphertext
itself was kept. Everything else must be sealed anew under a new data key, if the source can be
read again, or fails.

One buffer of 1 MiB serves a whole object (two where a cipher does not work in place): read into,
encrypted, handed to the store.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from cipherbucket.errors import SourceError
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.source import Source

BLOCK = 1 << 20
"""Bytes read, encrypted and handed on at a time: a multiple of every format's chunk."""
SPOOL_THRESHOLD = 16 << 20
"""Above this a body of unknown length goes through a temporary file, as ciphertext."""


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


class Spool:
    """The ciphertext of a source whose length shows only at its end; kept, so it can be resent.

    Up to `SPOOL_THRESHOLD` bytes stay in memory, more go to an unnamed temporary file that only
    this user can read, and that the system removes with the process.

    Attributes:
        plain_size: Length of the plaintext in bytes.

    Raises:
        SourceError: The source cannot be read, or there is no room for the temporary file.
    """

    def __init__(
        self, source: Source, cipher: ContentCipher, content_md5: str | None = None
    ) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=SPOOL_THRESHOLD)  # noqa: SIM115
        self._size = 0
        try:
            for block in _encrypted(source, cipher, None, content_md5):
                self._size += len(block)
                self._write(block)
            self.plain_size = cipher.layout.size(self._size)
        except BaseException:
            self._file.close()
            raise

    def _write(self, block: memoryview) -> None:
        try:
            self._file.write(block)
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._file.close()


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
    source: Source, cipher: ContentCipher, size: int | None, content_md5: str | None
) -> Iterator[memoryview]:
    """Yield the ciphertext in blocks, each valid until the next.

    Length and MD5 are checked before the last block is handed out, because a store that has
    every byte it was promised may make the object visible at once.
    """
    plain, out = cipher.buffers(BLOCK if size is None else max(1, min(BLOCK, size)))
    md5 = hashlib.md5(usedforsecurity=False) if content_md5 is not None else None
    done = 0
    while done != size:
        block = plain if size is None else plain[: size - done]
        block = block[: source.read_into(block)]
        done += len(block)
        if md5 is not None:
            md5.update(block)
        if done == size or len(block) < len(plain):
            break
        yield cipher.encrypt(done - len(block), block, out, last=False)
        source.report(done)
    else:
        block = plain[:0]
    if size is not None and (done < size or source.read_into(memoryview(bytearray(1)))):
        change = f"ended after {done:,}" if done < size else "grew beyond"
        raise SourceError(
            f"the body was said to have {size:,} bytes and {change}",
            hint="something wrote to it meanwhile; put it again",
        )
    if md5 is not None and base64.b64encode(md5.digest()).decode() != content_md5:
        raise SourceError("the plaintext does not have the MD5 that was given for it")
    if ciphertext := cipher.encrypt(done - len(block), block, out, last=True):
        yield ciphertext
    source.report(done, last=True)
