"""The plaintext of an object on its way in: bytes, a path, a file object or an iterable.

Rule: a source knows whether reading it again is certain to give the same bytes, and whether it can
be read again at all; what depends on either asks here and nowhere else.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, Protocol, Self, cast

from cipherbucket.errors import CipherbucketError, SourceError, UsageError
from cipherbucket.local_files.folders import open_file
from cipherbucket.local_files.paths import local_path
from cipherbucket.workers.progress import Progress, Ticker
from cipherbucket.workers.rate_limit import RateLimit

PutBody = bytes | bytearray | memoryview | os.PathLike[str] | BinaryIO | IO[bytes] | Iterable[bytes]
"""What can be put: bytes, a path, a binary file object, or an iterable of bytes."""


class _Reader(Protocol):
    def readinto(self, buffer: memoryview, /) -> int | None: ...


class Source:
    """A plaintext body: bytes, a path, a binary file object or an iterable of bytes.

    Args:
        body: A ``str`` is none of these: encode it, or make it a ``pathlib.Path``.
        progress: Told as the plaintext is read.
        rate_limit: Waits before what was read goes on.

    Attributes:
        rate_limit: Also says in what blocks to read.
        size: Length in bytes; None when it shows only at the end.
        immutable: Whether reading again is certain to give the same bytes.
        rereadable: Whether it can be read again at all.

    Raises:
        UsageError: The body is none of the accepted kinds.
        SourceError: The file cannot be opened.
    """

    def __init__(
        self,
        body: PutBody,
        *,
        progress: Progress | None = None,
        rate_limit: RateLimit | None = None,
    ) -> None:
        self._owned: io.FileIO | None = None
        self._state: tuple[int, int] | None = None
        self._origin = 0
        self.immutable = False
        self._ticker = Ticker(progress)
        self.rate_limit = rate_limit or RateLimit()
        self.rereadable = True
        self.size: int | None
        self._reader: _Reader
        if isinstance(body, bytes | bytearray | memoryview):
            if isinstance(body, memoryview) and not body.c_contiguous:
                body = body.tobytes()
            # BytesIO shares immutable bytes and copies the others, which could change meanwhile.
            self._reader = io.BytesIO(body)
            self.immutable = True
            self.size = memoryview(body).nbytes
        elif isinstance(body, os.PathLike):
            self._reader = self._owned = _opened(body)
            self._state = _state_of(self._owned)
            self.size = None if self._state is None else self._state[0]
            self.rereadable = self.size is not None
        elif hasattr(body, "read"):
            self._adopt(cast("IO[bytes]", body))
        elif isinstance(body, Iterable) and not isinstance(body, str):
            self._reader = _IterableReader(iter(body))
            self.size, self.rereadable = None, False
        else:
            raise UsageError(
                f"a body is bytes, a path, a binary file or an iterable of bytes,"
                f" not {type(body).__name__}",
                hint="text: text.encode(); a file: pathlib.Path(name)",
            )

    def _adopt(self, file: IO[bytes]) -> None:
        """Take a file object that stays the caller's: from its position on, never closed."""
        if isinstance(file, io.TextIOBase):
            raise UsageError("the file is open in text mode", hint="open it in mode 'rb'")
        if getattr(file, "closed", False):
            raise UsageError("the file is closed")
        self._reader = cast("_Reader", file) if hasattr(file, "readinto") else _ReadReader(file)
        self.size, self.rereadable = None, False
        if hasattr(file, "seekable") and file.seekable():
            self._origin = file.tell()
            self.size = max(0, file.seek(0, os.SEEK_END) - self._origin)
            file.seek(self._origin)
            self.rereadable = True

    def set_size(self, size: int) -> None:
        """Take the word of somebody who knows how many bytes will come.

        Raises:
            UsageError: It is known to be another number, or is none.
        """
        if size < 0 or self.size not in {None, size}:
            raise UsageError(
                f"the body was said to have {size:,} bytes"
                + ("" if self.size is None else f" and has {self.size:,}")
            )
        self.size = size

    def rewind(self) -> None:
        """Go back to the beginning.

        Raises:
            SourceError: This source can be read only once.
        """
        if not self.rereadable:
            raise SourceError(
                "the body would have to be sent again and can be read only once",
                hint="put it again; a path or a seekable file is put again by itself",
            )
        cast("IO[bytes]", self._reader).seek(self._origin)
        if self._owned is not None:  # it may be another now; from here on it must stay so
            self._state = _state_of(self._owned)

    def read_into(self, buffer: memoryview) -> int:
        """Fill ``buffer`` as far as there are bytes.

        Raises:
            SourceError: The source cannot be read.
        """
        filled = 0
        while filled < len(buffer):
            try:
                count = self._reader.readinto(buffer[filled:])
            except CipherbucketError:  # of an object that is the source
                raise
            except OSError as error:
                raise SourceError(f"the body cannot be read: {error.strerror or error}") from error
            if count is None:
                raise SourceError("the body is a non-blocking file with nothing to read yet")
            if not count:
                break
            if not 0 <= count <= len(buffer) - filled:
                raise SourceError("the body says that it gave more bytes than there was room for")
            filled += count
            self.rate_limit.wait(count)
        return filled

    def check_unchanged(self) -> None:
        """See that a file is as it was when reading began: what was read is of one time.

        Raises:
            SourceError: Somebody wrote to it meanwhile.
        """
        if self._owned is not None and _state_of(self._owned) != self._state:
            raise SourceError(
                "the file was changed while it was read",
                hint="put it again when nobody writes to it",
            )

    def report(self, done: int, *, last: bool = False) -> None:
        """Report progress; at the end the size is known, if it was not before."""
        self._ticker.tick(done, done if last else self.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._owned is not None:
            self._owned.close()


def _opened(body: os.PathLike[str]) -> io.FileIO:
    path = Path(local_path(body))
    try:
        file = open_file(body)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # a zero byte
        raise SourceError(f"{str(path)!r} is no path") from error
    return file


def _state_of(file: io.FileIO) -> tuple[int, int] | None:
    """Return size and time of change of a regular file; pipes and devices have neither."""
    status = os.fstat(file.fileno())
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


class _IterableReader:
    """An iterable of bytes as something to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readinto(self, buffer: memoryview, /) -> int:
        while not self._rest:
            try:
                piece = next(self._pieces)
            except StopIteration:
                return 0
            if not isinstance(piece, bytes | bytearray | memoryview):
                raise UsageError(
                    f"an iterable body gives bytes, this one gave {type(piece).__name__}"
                )
            view = memoryview(piece)
            self._rest = (view if view.c_contiguous else memoryview(view.tobytes())).cast("B")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _ReadReader:
    """A file object that can only ``read``."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readinto(self, buffer: memoryview, /) -> int:
        data = self._file.read(len(buffer))
        if not isinstance(data, bytes):
            raise UsageError("the file gave text", hint="open it in mode 'rb'")
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)
