"""What programs hand over or take as a stream: a stretch of a file, and bytes that change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

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
        discard: How many bytes of the result are left out at the beginning.
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
