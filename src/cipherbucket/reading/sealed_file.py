"""A plain file with the body of a sealed object, read as if it were an object in a store.

Rule: a file that is replaced meanwhile is not mixed with its successor. It has no metadata: all
that is known of it comes from its bytes.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from cipherbucket.errors import CipherbucketError, ObjectChangedError, SourceError, UsageError
from cipherbucket.format.span import StoredSpan
from cipherbucket.local_files.folders import open_without_waiting
from cipherbucket.local_files.paths import local_path
from cipherbucket.reading.unlock import Fetch
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.checks import clip
from cipherbucket.stores.records import StoredObject


class _Slice:
    """A file from a position on; closed with it, if it was opened for it."""

    def __init__(self, file: io.FileIO | BinaryIO, position: int, *, owned: bool) -> None:
        self._file = file
        self._position = position
        self._owned = owned

    def readinto(self, buffer: memoryview, /) -> int:
        self._file.seek(self._position)
        count: int = self._file.readinto(buffer)  # type: ignore[union-attr]
        self._position += count
        return count

    def close(self) -> None:
        if self._owned:
            self._file.close()


def fetch_from_file(path: str | os.PathLike[str] | BinaryIO) -> tuple[Fetch, StoredObject]:
    """Return how ranges of a file are fetched, and the file as a store would describe it.

    Raises:
        UsageError: It is neither a path nor a binary file.
        SourceError: It cannot be opened or is no regular file, or cannot seek.
    """
    if not isinstance(path, str | os.PathLike):
        return _fetch_from_object(path)
    name = local_path(path)
    with _opened(Path(path)) as file:
        status = os.fstat(file.fileno())
    stored = _stored(name, status.st_size)

    def fetch(span: StoredSpan, _: StoredObject | None) -> Incoming:
        first, stop = clip(name, stored.size, span)
        file = _opened(Path(path))
        if _identity(os.fstat(file.fileno())) != _identity(status):
            file.close()
            raise ObjectChangedError("the file was changed while it was being read", name=name)
        return Incoming(stored, first, stop, _Slice(file, first, owned=True), _errors_of)

    return fetch, stored


def _fetch_from_object(file: BinaryIO) -> tuple[Fetch, StoredObject]:
    name = str(getattr(file, "name", "a file"))
    if isinstance(file, io.TextIOBase) or not hasattr(file, "readinto"):
        raise UsageError("a sealed file is a path or a binary file", hint="open it in mode 'rb'")
    with _errors_of(name):
        if not file.seekable():
            raise SourceError(
                "a sealed file is read from its end, and this one cannot seek",
                hint="copy it to a temporary file first",
            )
        stored = _stored(name, file.seek(0, os.SEEK_END))

    def fetch(span: StoredSpan, _: StoredObject | None) -> Incoming:
        first, stop = clip(name, stored.size, span)
        return Incoming(stored, first, stop, _Slice(file, first, owned=False), _errors_of)

    return fetch, stored


def _stored(name: str, size: int) -> StoredObject:
    return StoredObject(name=name, size=size, etag="", modified=datetime.now(UTC))


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _opened(path: Path) -> io.FileIO:
    with _errors_of(str(path)):
        file = io.FileIO(path, "rb", opener=open_without_waiting)
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise SourceError(f"{path} is no regular file", hint="copy it to a temporary file first")


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    try:
        yield
    except CipherbucketError:
        raise
    except (OSError, ValueError) as error:
        raise SourceError(f"{name}: {getattr(error, 'strerror', None) or error}") from error
