"""The plaintext of an object on its way in: bytes, a path, a file object or an iterable.

Rule: a source knows whether reading it again is certain to give the same bytes, and whether it can
be read again at all; what depends on either asks here and nowhere else.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, BinaryIO, Self

from cipherbucket.errors import CipherbucketError, SourceError, UsageError
from cipherbucket.local_files.folders import open_file
from cipherbucket.local_files.paths import local_path
from cipherbucket.workers.progress import Progress, Ticker
from cipherbucket.workers.rate_limit import RateLimit
from cipherbucket.writing.readers import (
    Announced,
    Reader,
    file_reader,
    is_file,
    iteration,
    measured,
    view_of,
)

PutBody = bytes | bytearray | memoryview | os.PathLike[str] | BinaryIO | IO[bytes] | Iterable[bytes]
"""What can be put: bytes, a path, a binary file object, or an iterable of bytes."""


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
        self._came = 0
        self._announced = Announced(body)
        self._ticker = Ticker(progress)
        self.rate_limit = rate_limit or RateLimit()
        self.immutable, self.rereadable = False, True
        self.size: int | None
        self._file: Any = None
        self._reader: Reader
        if isinstance(body, os.PathLike):
            self._file = self._reader = self._owned = _opened(body)
            self._state = _state_of(self._owned)
            self.size = None if self._state is None else self._state[0]
            self.rereadable = self.size is not None
        elif is_file(body):
            self._adopt(body)
        elif (view := view_of(body)) is not None:
            # BytesIO shares immutable bytes and copies the others, which could change meanwhile.
            self._file = self._reader = io.BytesIO(body if isinstance(body, bytes) else view)
            self.immutable = True
            self.size = len(view)
        else:
            self._reader = iteration(body)
            self.size, self.rereadable = None, False

    def _adopt(self, file: Any) -> None:
        """Take a file object that stays the caller's: from its position on, never closed."""
        self._reader = file_reader(file)
        self.size, self.rereadable = None, False
        try:
            found = measured(file)
        except CipherbucketError:  # of an object that is the source
            raise
        except Exception as error:
            raise self._failed(error) from error
        if found is not None:
            self._file, self.rereadable = file, True
            self._origin, self.size = found

    def set_size(self, size: int) -> None:
        """Take the word of somebody who knows how many bytes will come.

        Raises:
            UsageError: It is known to be another number, or is none.
        """
        if size < 0 or self.size not in {None, size}:
            raise UsageError(
                f"the length of the body was given as {size:,}"
                + ("" if self.size is None else f", and it has {self.size:,}")
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
        try:
            self._file.seek(self._origin)
        except CipherbucketError:
            raise
        except Exception as error:
            raise self._failed(error) from error
        self._came = 0
        if self._owned is not None:  # it may be another now; from here on it must stay so
            self._state = _state_of(self._owned)

    def read_into(self, buffer: memoryview) -> int:
        """Fill ``buffer`` as far as there are bytes.

        Raises:
            SourceError: The source cannot be read, or ended before the length that it announced.
            UsageError: It gives no bytes.
        """
        filled = 0
        while filled < len(buffer):
            try:
                count = self._reader.readinto(buffer[filled:])
            except CipherbucketError:  # of an object that is the source
                raise
            except Exception as error:
                raise self._failed(error) from error
            if count is None:
                raise SourceError(
                    "the body is a non-blocking file with nothing to read yet",
                    hint="make it blocking, or read it elsewhere and put the bytes",
                )
            if not count:
                self._check_announced()
                break
            if not 0 <= count <= len(buffer) - filled:
                raise SourceError("the body says that it gave more bytes than there was room for")
            filled += count
            self._came += count
            self.rate_limit.wait(count)
        return filled

    def _failed(self, error: Exception) -> SourceError:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        kind = type(error).__name__
        if not isinstance(error, OSError):
            text = f"{kind}: {text}" if text else kind
        total = self.size if self.size is not None else self._announced.total
        of = "" if total is None else f" of {total:,}"
        after = f" beyond {self._came:,}{of} bytes" if self._came else ""
        hint = "open it in mode 'rb'" if isinstance(error, io.UnsupportedOperation) else None
        return SourceError(f"the body cannot be read{after}: {text or kind}", hint=hint)

    def _check_announced(self) -> None:
        if self.size is None and (missing := self._announced.missing(self._came)):
            total = self._announced.total or 0
            raise SourceError(
                f"the body ended after {total - missing:,} of {total:,} bytes",
                hint="the connection broke: ask for it again, and put that",
            )

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
