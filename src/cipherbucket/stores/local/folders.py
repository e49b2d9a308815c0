"""Folders held by their descriptors, and the files in them: no link is followed, whoever made it.

Rule: a folder of a store may have been written by anybody, a tarball of ours included. What lies
in it is opened relative to the descriptor of the folder that holds it, and only if it is what
cipherbucket makes there: a regular file or a folder. So no name and no link in a store leads out
of it. A pipe or a device is refused before it could block or do anything.
"""

# Path objects would cost more than the system calls that they wrap:
# ruff: noqa: PTH208

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from cipherbucket.errors import UsageError
from cipherbucket.stores.bodies import Buffer

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_ODD = {errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ENODEV}
"""What opening says of a link, of a file in a folder's place, of a socket and a device."""
_COPY_BLOCK = 1 << 20
_CANNOT_COPY_INSIDE = {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM}


class OddFileError(OSError):
    """Where a file or folder of the store should lie there is something else."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(errno.ELOOP, f"{path} is no {what}")


class StoreFolder:
    """A folder of a store; its descriptor is opened at the first use, and kept.

    Args:
        path: The folder of the store, as the user named it; or the name of one in `parent`,
            which must be no link.
        parent: The folder that it lies in; None for the store's own.
    """

    __slots__ = ("_closed", "_fd", "_name", "_parent")

    def __init__(self, path: str | os.PathLike[str], parent: StoreFolder | None = None) -> None:
        self._name = os.fspath(path)
        self._parent = parent
        self._fd = -1
        self._closed = False

    @property
    def path(self) -> str:
        """Where it is, to show it."""
        return self._name if self._parent is None else f"{self._parent.path}/{self._name}"

    @property
    def fd(self) -> int:
        """The descriptor.

        Raises:
            FileNotFoundError: There is no such folder.
            OddFileError: There is something else.
            UsageError: It has been closed.
        """
        return self._fd if self._fd >= 0 else self._open()

    def _open(self) -> int:
        with _opening:  # threads that use a store at once open each of its folders once
            if self._closed:
                raise UsageError("this store has been closed")
            if self._fd < 0:
                self._fd = self._opened()
            return self._fd

    def _opened(self) -> int:
        if self._parent is None:
            return os.open(self.path, _FOLDER)
        try:
            return os.open(self._name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._parent.fd)
        except OSError as error:
            if error.errno in _ODD:
                raise OddFileError(self.path, "folder") from error
            raise

    def folder(self, name: str) -> StoreFolder:
        """Open a folder in this one, for a short time. Close it.

        Raises:
            FileNotFoundError: There is none.
            OddFileError: There is something else.
        """
        inner = StoreFolder(name, self)
        inner._fd = inner._opened()
        return inner

    def create(self) -> None:
        """Make the folder where it is missing."""
        assert self._parent is not None
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._name, 0o700, dir_fd=self._parent.fd)

    def names(self) -> list[str]:
        """List what lies in it; nothing where there is no such folder."""
        try:
            # Of its own, because the position in a folder belongs to the descriptor.
            fd = os.open(".", _FOLDER, dir_fd=self.fd)
        except FileNotFoundError:
            return []
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)

    def status(self, name: str) -> os.stat_result | None:
        """Say what lies there under a name, links not followed; None for nothing."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open_file(self, name: str) -> int:
        """Open a regular file to read.

        Raises:
            FileNotFoundError: There is none.
            OddFileError: It is a link, a pipe, or anything else.
        """
        try:
            fd = os.open(name, _READ, dir_fd=self.fd)
        except OSError as error:
            if error.errno in _ODD:
                raise OddFileError(f"{self.path}/{name}", "regular file") from error
            raise
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        raise OddFileError(f"{self.path}/{name}", "regular file")

    def read_file(self, name: str, most: int) -> bytes:
        """Read a small regular file.

        Raises:
            FileNotFoundError: There is none.
            OddFileError: It is something else.
            ValueError: It has more than ``most`` bytes.
        """
        fd = self.open_file(name)
        try:
            text = os.read(fd, most + 1)
        finally:
            os.close(fd)
        if len(text) > most:
            raise ValueError(f"it has more than {most:,} bytes")
        return text

    def new_file(self, name: str) -> int:
        """Make a file that is not there yet, and open it to write.

        Raises:
            FileExistsError: It is there.
        """
        return os.open(name, _NEW_FILE, 0o600, dir_fd=self.fd)

    def write_file(self, name: str, blocks: Iterable[Buffer]) -> None:
        """Write a file that is not there yet and make it last; block by block as they come.

        Raises:
            FileExistsError: It is there.
        """
        fd = self.new_file(name)
        try:
            for block in blocks:
                written = os.write(fd, block)
                while written < len(block):  # a full disk, or more than the 2 GiB of one call
                    written += os.write(fd, memoryview(block)[written:])
            sync(fd)
        finally:
            os.close(fd)

    def join_files(self, name: str, source: StoreFolder, pieces: Iterable[str]) -> int:
        """Write a file of the bytes of others, end to end, inside the kernel where it can.

        Returns:
            Its size in bytes.

        Raises:
            FileNotFoundError: One of them is not there.
            OddFileError: One is no regular file.
        """
        fd = self.new_file(name)
        try:
            for piece in pieces:
                read = source.open_file(piece)
                try:
                    append(fd, read)
                finally:
                    os.close(read)
            sync(fd)
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def rename(self, old: str, new: str) -> None:
        """Give what lies there another name, in place of what has it."""
        os.rename(old, new, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def link(self, old: str, target: StoreFolder, new: str) -> None:
        """Give a file a second name; of a link it is the link that gets one."""
        os.link(old, new, src_dir_fd=self.fd, dst_dir_fd=target.fd, follow_symlinks=False)

    def unlink(self, name: str) -> None:
        """Remove a name, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.fd)

    def remove(self, name: str) -> None:
        """Remove a folder of files in this one, as far as it can be; folders in it stay."""
        with contextlib.suppress(OSError):
            with self.folder(name) as inner:
                for each in inner.names():
                    with contextlib.suppress(OSError):
                        inner.unlink(each)
            os.rmdir(name, dir_fd=self.fd)

    def sync(self) -> None:
        """Return when the names in it are on the disk."""
        sync(self.fd)

    def close(self) -> None:
        """Close the descriptor for good."""
        self._closed = True
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self._fd >= 0:  # of a store that nobody closed; at the end modules may be gone
            close(self._fd)


_opening = threading.RLock()  # a folder's opens the one above it
# A child must not find it held by a thread that it does not have.
os.register_at_fork(
    before=_opening.acquire, after_in_parent=_opening.release, after_in_child=_opening.release
)


def sync(fd: int) -> None:
    """Return when the file is on the disk."""
    if sys.platform == "darwin":  # fsync there leaves the bytes in the drive's cache
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def sync_folder(path: str | Path) -> None:
    """Return when the names in a folder are on the disk."""
    with StoreFolder(path) as folder:
        folder.sync()


def append(target: int, source: int) -> None:
    """Write all of a file at the end of another, inside the kernel where it can."""
    if sys.platform == "linux":
        try:
            while os.copy_file_range(source, target, 1 << 30):
                pass
        except OSError as error:
            if error.errno not in _CANNOT_COPY_INSIDE:
                raise
        else:
            return
    buffer = memoryview(bytearray(_COPY_BLOCK))  # both files stand where the kernel stopped
    while count := os.readv(source, [buffer]):
        written = 0
        while written < count:
            written += os.write(target, buffer[written:count])


def copy_data(source: int, target: int, most: int) -> bool:
    """Copy a file into a new one; what was never written in it, however large, is not copied.

    Returns:
        Whether there were no more than ``most`` bytes; else the copy is not whole.
    """
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    at = copied = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
            end = os.lseek(source, at, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:  # no data after this
                raise
            return True
        while at < end:
            block = os.pread(source, min(_COPY_BLOCK, end - at), at)
            copied += len(block)
            if copied > most:
                return False
            if not block:  # it was cut short meanwhile
                return True
            at += os.pwrite(target, block, at)
    return True
