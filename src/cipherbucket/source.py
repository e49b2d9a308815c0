"""The plaintext of an object on its way in, and its encryption on the way to the store.

Law: the same key and counter never see two plaintexts. A body may be sent twice only when the
same ciphertext is certain to come out: when the source is immutable bytes, or when the ciphertext
itself was kept. Everything else must be sealed anew under a new data key, if the source can be
read again, or fails.

One buffer of 1 MiB serves a whole object: read into, encrypted in place, handed to the store.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Protocol, Self, cast

from cipherbucket.errors import SourceError, UsageError
from cipherbucket.format.ctr import Ctr
from cipherbucket.progress import Progress, Ticker

BLOCK = 1 << 20
"""Bytes read, encrypted and handed on at a time."""
SPOOL_THRESHOLD = 16 << 20
"""Above this a body of unknown length goes through a temporary file, as ciphertext."""

PutBody = bytes | bytearray | memoryview | os.PathLike[str] | BinaryIO | IO[bytes] | Iterable[bytes]
"""What can be put: bytes, a path, a binary file object, or an iterable of bytes."""


class _Reader(Protocol):
    def readinto(self, buffer: memoryview, /) -> int | None: ...


class Source:
    """A plaintext body: bytes, a path, a binary file object or an iterable of bytes.

    Args:
        body: A ``str`` is none of these: encode it, or make it a ``pathlib.Path``.
        progress: Told as the plaintext is read.

    Attributes:
        size: Length in bytes; None when it shows only at the end.
        immutable: Whether reading again is certain to give the same bytes.
        rereadable: Whether it can be read again at all.

    Raises:
        UsageError: The body is none of the accepted kinds.
        SourceError: The file cannot be opened.
    """

    def __init__(self, body: PutBody, *, progress: Progress | None = None) -> None:
        self._owned: io.FileIO | None = None
        self._origin = 0
        self.immutable = False
        self._ticker = Ticker(progress)
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
            self._reader = self._owned = _opened(Path(body))
            self.size = _size_of(self._owned)
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

    def read_into(self, buffer: memoryview) -> int:
        """Fill ``buffer`` as far as there are bytes.

        Raises:
            SourceError: The source cannot be read.
        """
        filled = 0
        while filled < len(buffer):
            try:
                count = self._reader.readinto(buffer[filled:])
            except OSError as error:
                raise SourceError(f"the body cannot be read: {error.strerror or error}") from error
            if count is None:
                raise SourceError("the body is a non-blocking file with nothing to read yet")
            if not count:
                break
            filled += count
        return filled

    def report(self, done: int, *, last: bool = False) -> None:
        """Report progress; at the end the size is known, if it was not before."""
        self._ticker.tick(done, done if last else self.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._owned is not None:
            self._owned.close()


class EncryptedSource:
    """A source of known size as a body for a store: ciphertext of the same length.

    Args:
        source: Its size is known; it stands at its beginning.
        cipher: Drawn for this object alone.
        content_md5: Base64 MD5 that the plaintext must turn out to have, if any.
    """

    def __init__(self, source: Source, cipher: Ctr, content_md5: str | None = None) -> None:
        assert source.size is not None
        self._source = source
        self._cipher = cipher
        self._md5 = content_md5
        self._size = source.size
        self._begun = False

    def __len__(self) -> int:
        return self._size

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

    Raises:
        SourceError: The source cannot be read, or there is no room for the temporary file.
    """

    def __init__(self, source: Source, cipher: Ctr, content_md5: str | None = None) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=SPOOL_THRESHOLD)  # noqa: SIM115
        self._size = 0
        try:
            for block in _encrypted(source, cipher, None, content_md5):
                self._size += len(block)
                self._write(block)
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


def _encrypted(
    source: Source, cipher: Ctr, size: int | None, content_md5: str | None
) -> Iterator[memoryview]:
    """Yield the ciphertext in blocks, each valid until the next.

    Length and MD5 are checked before the last block is handed out, because a store that has
    every byte it was promised may make the object visible at once.
    """
    buffer = memoryview(bytearray(BLOCK if size is None else max(1, min(BLOCK, size))))
    stream = cipher.stream()
    md5 = hashlib.md5(usedforsecurity=False) if content_md5 is not None else None
    done = 0
    while done != size:
        block = buffer if size is None else buffer[: size - done]
        block = block[: source.read_into(block)]
        done += len(block)
        if md5 is not None:
            md5.update(block)
        if done == size or not block:
            break
        stream.apply(block)
        yield block
        source.report(done)
    else:
        block = buffer[:0]
    if size is not None and (done < size or source.read_into(memoryview(bytearray(1)))):
        change = f"ended after {done:,}" if done < size else "grew beyond"
        raise SourceError(
            f"the body was said to have {size:,} bytes and {change}",
            hint="something wrote to it meanwhile; put it again",
        )
    if md5 is not None and base64.b64encode(md5.digest()).decode() != content_md5:
        raise SourceError("the plaintext does not have the MD5 that was given for it")
    stream.apply(block)
    if block:
        yield block
    source.report(done, last=True)


def _opened(path: Path) -> io.FileIO:
    try:
        file = io.FileIO(path, "rb")
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # a zero byte
        raise SourceError(f"{str(path)!r} is no path") from error
    return file


def _size_of(file: io.FileIO) -> int | None:
    """Return a regular file's size; pipes and devices show theirs only at the end."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


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
