"""The files of an inventory, fetched from where it lies: a store, or a folder of this machine.

Rule: what is handed out was read to its end, and has the length and the MD5 that the manifest says.
From a store it comes by way of a temporary file, one at a time. In a folder only the last parts of
a data file's name count, so that no manifest leads out of the folder that holds the inventory.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Protocol

from cipherbucket.errors import CipherbucketError, IntegrityError, UsageError
from cipherbucket.inventory.manifest import MAX_MANIFEST, DataFile
from cipherbucket.stores.base import Store

_BLOCK = 1 << 20
_LIKE_THE_SERVICE = (
    "keep data files as the service lays them out: in the folder data/ beside that of the manifest,"
    " or next to it"
)


class Files(Protocol):
    """Where an inventory lies."""

    @property
    def name(self) -> str:
        """What the manifest is called there."""

    def manifest(self) -> bytes:
        """Return the manifest, at most `MAX_MANIFEST` bytes and one."""

    def data(self, file: DataFile) -> IO[bytes]:
        """Return a data file, compared with the manifest, at its beginning."""


class FilesInStore:
    """An inventory where the service wrote it: data files lie under the names of the manifest."""

    def __init__(self, store: Store, name: str) -> None:
        self.name = name
        self._store = store

    def manifest(self) -> bytes:
        """Fetch the manifest.

        Raises:
            StoreError: It is not there, or the store failed.
        """
        with self._store.get(self.name, length=MAX_MANIFEST + 1) as incoming:
            data = bytearray(incoming.stop)
            return bytes(data[: incoming.readinto(data)])

    def data(self, file: DataFile) -> IO[bytes]:
        """Fetch a data file.

        Raises:
            IntegrityError: It is not the one that the manifest describes.
            StoreError: It is not there, or the store failed.
            UsageError: There is no room for it on the disk.
        """
        with self._store.get(file.key) as incoming, _on_disk() as copy:
            if incoming.stored.size != file.size:
                raise _other_file(file.key)
            block = memoryview(bytearray(_BLOCK))
            _compared(lambda: block[: incoming.readinto(block)], copy.write, file, file.key)
            return copy


class FilesInFolder:
    """An inventory that was downloaded."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self.name = str(self._path)

    def manifest(self) -> bytes:
        """Read the manifest.

        Raises:
            UsageError: It cannot be read.
        """
        with _opened(self._path) as file:
            return file.read(MAX_MANIFEST + 1)

    def data(self, file: DataFile) -> IO[bytes]:
        """Open a data file.

        Raises:
            IntegrityError: It is not the one that the manifest describes.
            UsageError: It is not there, or cannot be read.
        """
        parts = file.key.split("/")[-2:]
        if {"", ".", ".."} & set(parts) or "\0" in file.key:
            raise IntegrityError("a data file has no usable name", name=file.key)
        folder = self._path.absolute().parent
        places = (
            base.joinpath(*tail) for base in (folder.parent, folder) for tail in (parts, parts[-1:])
        )
        path = next((place for place in places if _is_file(place)), None)
        if path is None:
            raise UsageError(
                f"data file {parts[-1]} of {self.name} is not there", hint=_LIKE_THE_SERVICE
            )
        opened = _opened(path)
        try:
            _compared(lambda: opened.read(_BLOCK), None, file, str(path))
            opened.seek(0)
        except BaseException:
            opened.close()
            raise
        return opened


def _compared(
    read: Callable[[], bytes | memoryview],
    write: Callable[[bytes | memoryview], object] | None,
    file: DataFile,
    name: str,
) -> None:
    digest, size = hashlib.md5(usedforsecurity=False), 0
    while (block := read()) and size <= file.size:
        size += len(block)
        digest.update(block)
        if write is not None:
            write(block)
    if size != file.size or digest.hexdigest() != file.md5:
        raise _other_file(name)


def _other_file(name: str) -> IntegrityError:
    return IntegrityError(
        "this data file is not the one that the manifest describes: another size or MD5",
        name=name,
        hint="fetch it again, or take the next inventory",
    )


@contextmanager
def _on_disk() -> Iterator[IO[bytes]]:
    """Make a temporary file; it is left open, at its beginning, unless something fails."""
    try:
        copy = TemporaryFile(prefix="cipherbucket-")  # noqa: SIM115  the caller closes it
    except OSError as error:
        raise _no_room(error) from error
    try:
        yield copy
        copy.seek(0)
    except OSError as error:
        copy.close()
        if isinstance(error, CipherbucketError):  # the store's
            raise
        raise _no_room(error) from error
    except BaseException:
        copy.close()
        raise


def _no_room(error: OSError) -> UsageError:
    return UsageError(
        f"a data file of the inventory cannot be kept on this machine: {error.strerror}",
        hint="point TMPDIR to a folder with room for it",
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for a file, or a folder that is closed to us
        return False


def _opened(path: Path) -> io.BufferedReader:
    try:
        # Nothing waits for the other end of a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UsageError(f"{path} is no file")
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from error
    return io.BufferedReader(io.FileIO(descriptor, closefd=True))
