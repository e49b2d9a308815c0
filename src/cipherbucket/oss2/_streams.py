"""What programs hand over or take as a stream: a stretch of a file, and bytes that change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from cipherbucket.errors import not_copied
from cipherbucket.oss2._client_errors import hinted

_CHUNK = 8192


class SizedFileAdapter:
    """The next ``size`` bytes of a file, as a file.

    Args:
        file_object: Open for reading bytes; read from its position on.
        size: In bytes.
    """

    def __init__(self, file_object: Any, size: int) -> None:
        self.file_object = file_object
        self.size = size
        self.offset = 0

    def read(self, amt: int | None = None) -> bytes:
        """Read at most ``amt`` bytes, or all that are left."""
        left = self.size - self.offset
        wanted = left if amt is None or amt < 0 else min(amt, left)
        if not wanted:
            return b""
        data: bytes = self.file_object.read(wanted)
        self.offset += wanted
        return data

    @property
    def len(self) -> int:
        """Bytes in all."""
        return self.size


class CipherStream:
    """Bytes that pass through a cipher while they are read.

    Args:
        data: Bytes, text, a file or an iterable of bytes.
        change: What becomes of the next bytes.
        discard: How many bytes of the result are left out at the start.
    """

    def __init__(self, data: Any, change: Callable[[bytes], bytes], discard: int = 0) -> None:
        self._pieces = _pieces(data)
        self._change = change
        self._discard = discard
        self._rest = b""

    def read(self, amt: int | None = None) -> bytes:
        """Read at most ``amt`` bytes, or all that are left."""
        parts, filled = [self._rest], len(self._rest)
        while amt is None or amt < 0 or filled < amt:
            piece = next(self._pieces, None)
            if piece is None:
                break
            changed = self._change(piece)
            skipped = min(self._discard, len(changed))
            self._discard -= skipped
            parts.append(changed[skipped:])
            filled += len(parts[-1])
        data = b"".join(parts)
        stop = len(data) if amt is None or amt < 0 else amt
        self._rest = data[stop:]
        return data[:stop]

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(_CHUNK):
            yield piece

    __reduce__ = not_copied("a stream that is being read", "make another of its own source", hinted)


class ProgressStream:
    """Bytes that are counted while they are read.

    Args:
        data: Bytes, text, a file or an iterable of bytes.
        progress_callback: Called after each read with (bytes read, bytes in all or None).
        size: Bytes in all, if known.
    """

    def __init__(
        self, data: Any, progress_callback: Callable[[int, int | None], object], size: int | None
    ) -> None:
        self._source = CipherStream(data, bytes)
        self._callback = progress_callback
        self.size = size
        self.offset = 0

    @property
    def len(self) -> int | None:
        """Bytes in all, if known."""
        return self.size

    def read(self, amt: int | None = None) -> bytes:
        """Read at most ``amt`` bytes, or all that are left."""
        data = self._source.read(amt)
        self.offset += len(data)
        self._callback(self.offset, self.size)
        return data

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(_CHUNK):
            yield piece


def make_progress_adapter(
    data: Any, progress_callback: Callable[[int, int | None], object], size: int | None = None
) -> ProgressStream:
    """Return a stream that counts what is read of it; see `ProgressStream`."""
    if size is None and isinstance(data, str):
        size = len(data.encode())
    elif size is None and hasattr(data, "__len__"):
        size = len(data)
    elif size is None and hasattr(data, "len"):
        size = data.len
    elif size is None and hasattr(data, "seek"):
        here = data.tell()
        data.seek(0, os.SEEK_END)
        size = data.tell() - here  # not every `seek` returns it
        data.seek(here)
    return ProgressStream(data, progress_callback, size)


def _pieces(data: Any) -> Iterator[bytes]:
    if isinstance(data, str):
        data = data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        yield bytes(data)
    elif hasattr(data, "read"):
        while piece := data.read(_CHUNK):
            yield piece
    else:
        yield from data
