"""Objects as open files of fsspec.

Rule: a file to write to becomes an object when it is closed, unless it is closed because of an
exception. fsspec, and most of what is built on it, closes its files then as well, and would leave
half an object. So a file that is closed while an exception is being handled that was not there
when the file was opened stores nothing, and warns of it.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cipherbucket.errors import CipherbucketWarning, UsageError, not_copied
from cipherbucket.reading.file import ObjectFile
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.workers.progress import Progress
from cipherbucket.writing.ciphertext import OBJECT_OF_ITS_OWN
from cipherbucket.writing.file import ObjectWriter

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer
    from fsspec.spec import AbstractFileSystem


class FileToRead(io.BufferedIOBase):
    """A seekable file over an object; pickled, it is file system, path and position.

    Attributes:
        fs: The file system.
        path: The path in it.
    """

    mode = "rb"

    def __init__(self, fs: AbstractFileSystem, path: str, file: ObjectFile) -> None:
        super().__init__()
        self.fs = fs
        self.path = path
        self.blocksize = fs.blocksize
        self._file = file

    @property
    def info(self) -> ObjectInfo:
        """What is known of the object; see `ObjectFile.info`."""
        return self._file.info

    @property
    def size(self) -> int:
        """Bytes of plaintext."""
        return self._file.info.size

    @property
    def full_name(self) -> str:
        """The path with its protocol."""
        return str(self.fs.unstrip_protocol(self.path))

    def read(self, size: int | None = -1, /) -> bytes:
        """Read; see `ObjectFile.read`."""
        return self._file.read(size)

    def read1(self, size: int = -1, /) -> bytes:
        """Read what is there; see `ObjectFile.read1`."""
        return self._file.read1(size)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer; see `ObjectFile.readinto`."""
        return self._file.readinto(buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line; see `ObjectFile.readline`."""
        return self._file.readline(size)

    def read_ranges(self, ranges: Iterable[tuple[int, int]]) -> list[bytes]:
        """Read many ranges at once; see `ObjectFile.read_ranges`."""
        return self._file.read_ranges(ranges)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position; see `ObjectFile.seek`."""
        return self._file.seek(offset, whence)

    def close(self) -> None:
        """Release the connection."""
        self._file.close()
        super().close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _read_again, (self.fs, self.path, self.tell())


def _read_again(fs: AbstractFileSystem, path: str, position: int) -> FileToRead:
    file = fs.open(path, "rb")
    assert isinstance(file, FileToRead)
    file.seek(position)
    return file


class FileToWrite(io.BufferedIOBase):
    """A file whose bytes become an object when it is closed, or when a transaction ends.

    Attributes:
        fs: The file system.
        path: The path in it.
        autocommit: Whether `close` stores the object; else `commit` does.
    """

    def __init__(
        self,
        fs: AbstractFileSystem,
        path: str,
        mode: str,
        writer: ObjectWriter,
        *,
        autocommit: bool,
    ) -> None:
        super().__init__()
        self.fs = fs
        self.path = path
        self.mode = mode
        self.autocommit = autocommit
        self.blocksize = fs.blocksize
        self._writer = writer
        self._before = sys.exception()

    @property
    def info(self) -> ObjectInfo:
        """The object that was stored; see `ObjectWriter.info`."""
        return self._writer.info

    @property
    def full_name(self) -> str:
        """The path with its protocol."""
        return str(self.fs.unstrip_protocol(self.path))

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._writer.tell()

    def write(self, data: ReadableBuffer, /) -> int:
        """Encrypt bytes and keep or send them; see `ObjectWriter.write`."""
        if self.closed:  # which the writer is not, in a transaction
            raise UsageError("the file is closed", name=self.path)
        return self._writer.write(data)

    def close(self) -> None:
        """Store the object, unless an exception or a transaction is under way.

        Warns:
            CipherbucketWarning: Nothing is stored because of an exception.
        """
        if self.closed:
            return
        try:
            cause = sys.exception()
            if cause is not None and cause is not self._before:
                self.discard()
                warnings.warn(
                    f"{self.path!r} is not stored: its file was closed while a"
                    f" {type(cause).__name__} was being handled",
                    CipherbucketWarning,
                    stacklevel=2,
                )
            elif self.autocommit:
                self._writer.close()
        finally:
            super().close()

    def commit(self) -> None:
        """Store the object at the end of a transaction."""
        if not self._writer.closed:
            self._writer.close()

    def discard(self) -> None:
        """Store nothing."""
        self._writer.abort()

    __reduce__ = not_copied("a file that is being written", OBJECT_OF_ITS_OWN)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
            super().close()

    def __del__(self) -> None:
        """Store nothing; the inherited one would close."""

    def _dealloc_warn(self, _: object) -> None:
        """Store nothing: an `io.TextIOWrapper` over this was forgotten, and is about to close it.

        Python calls this on what such a wrapper holds, as on its own files.
        """
        self.discard()
        super().close()


class CompressedFileToWrite(io.BufferedIOBase):
    """What compresses, and the file behind it, as one: closing the first alone stores nothing.

    Args:
        compressor: Writes what it compresses to ``file``.
        file: Becomes the object.
    """

    def __init__(self, compressor: Any, file: FileToWrite) -> None:
        super().__init__()
        self._compressor = compressor
        self._file = file

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Compress bytes, and encrypt what comes out."""
        self._compressor.write(data)
        return memoryview(data).nbytes

    def close(self) -> None:
        """Store the object, unless an exception or a transaction is under way."""
        if not self.closed:
            try:
                self._compressor.close()
                self._file.close()
            finally:
                super().close()

    __reduce__ = not_copied("a file that is being written", OBJECT_OF_ITS_OWN)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._file.discard()
            super().close()

    def __del__(self) -> None:
        """Store nothing; the inherited one would close."""

    def _dealloc_warn(self, _: object) -> None:
        """Store nothing; see `FileToWrite`."""
        self._file.discard()
        super().close()


def slice_of(file: ObjectFile, start: int | None, end: int | None) -> bytes:
    """Read a slice as Python counts, from the end where a bound is negative."""
    first, last, _ = slice(start, end).indices(file.info.size)
    file.seek(first)
    return file.read(max(0, last - first))


def slices_of(file: ObjectFile, slices: Iterable[tuple[int | None, int | None]]) -> list[bytes]:
    """Read many slices; near ones are fetched together, others in parallel."""
    ranges = []
    for start, end in slices:
        first, last = start or 0, end if end is not None else -1
        if first < 0 or last < 0:
            first, last, _ = slice(start, end).indices(file.info.size)
        ranges.append((first, max(0, last - first)))
    return file.read_ranges(ranges)


def progress_to(callback: Any) -> Progress:
    """Return what tells a callback of fsspec how far a transfer is."""

    def tell(done: int, size: int | None) -> None:
        if size is not None and callback.size != size:
            callback.set_size(size)
        callback.absolute_update(done)

    return tell
