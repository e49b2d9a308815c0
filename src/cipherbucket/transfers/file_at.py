"""A file read by position, as plaintext or as what it would be in a store.

Rule: the descriptor's own position is never used, so that several threads can share one.
"""

from __future__ import annotations

import os

from cipherbucket.errors import SourceError
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.writing.ciphertext import encrypt_part


class FileAt:
    """An open file from an offset on; see `cipherbucket.writing.ciphertext.Readable`."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._descriptor = descriptor
        self._offset = offset

    def read_into(self, buffer: memoryview) -> int:
        """Fill ``buffer`` as far as there are bytes."""
        filled = 0
        try:
            while filled < len(buffer):
                count = os.preadv(self._descriptor, [buffer[filled:]], self._offset + filled)
                if not count:
                    break
                filled += count
        except OSError as error:
            raise SourceError(f"the file cannot be read: {error.strerror}") from error
        self._offset += filled
        return filled


def read_as_stored(
    descriptor: int, cipher: ContentCipher | None, start: int, stop: int, *, last: bool
) -> tuple[memoryview, int]:
    """Read a range of a file, and encrypt it as it lies in an object's body.

    Args:
        descriptor: The file, open for reading.
        cipher: The object's; None for plaintext.
        start: Offset of the range in the plaintext.
        stop: Offset after it.
        last: Whether the plaintext ends with it.

    Returns:
        The stored bytes, and how many bytes of the file there were. If these are fewer than were
        asked for, the stored bytes are of no use.

    Raises:
        SourceError: The file cannot be read.
    """
    source = FileAt(descriptor, start)
    if cipher is not None:
        return encrypt_part(source, cipher, start, stop, last=last)
    plain = memoryview(bytearray(stop - start))
    return plain, source.read_into(plain)
