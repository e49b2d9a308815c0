"""A file read by position, so that several threads share one descriptor."""

from __future__ import annotations

import os

from cipherbucket.errors import SourceError


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
