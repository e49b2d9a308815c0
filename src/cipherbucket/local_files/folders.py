"""Folders that are held open, so that nobody can put another in their place.

Rule: a path that the user names is taken as named: links on it are followed if this user or root
made them, and another user's link is an error. A name that comes from outside leads through no link
at all (`Folder.below`). From then on files are made, renamed and removed relative to the open
folder: whatever takes its place under its path changes nothing.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Self

from cipherbucket.errors import UsageError
from cipherbucket.local_files.ownership import MOST_LINKS, is_ours, owner_name

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASS = _OPEN | getattr(os, "O_PATH", 0)
"""Opens a folder on the way: on Linux it need not be readable, as for any path."""
_IS_LINK = {errno.ELOOP, errno.ENOTDIR}


class Folder:
    """An open folder; a context manager that closes it.

    Attributes:
        path: What it was called when it was opened, absolute and without links.
        descriptor: For the ``dir_fd`` of functions in `os`; -1 when it is closed, so that a thread
            which is late can use no other file that got its number.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def below(self, parts: Iterable[str], *, make: bool = False) -> Folder:
        """Open a folder below this one, through no link.

        Args:
            parts: Names, of which none has a slash.
            make: Make those that are missing.

        Raises:
            UsageError: One of them is a link, or ``..``.
            OSError: One is missing or no folder, or cannot be opened or made.
        """
        *passed, last = (*parts,) or (".",)
        here, path = self.descriptor, self.path
        opened: list[int] = []
        try:
            if ".." in {*passed, last}:
                raise UsageError(f"{_joined(path, '..')} leads out of the folder")
            for part in passed:
                path = _joined(path, part)
                here = _entered(here, part, path, _PASS, make=make)
                opened.append(here)
            path = _joined(path, last)
            return Folder(path, _entered(here, last, path, _OPEN, make=make))
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def status(self, name: str) -> os.stat_result | None:
        """Return what there is under a name, without following a link; None for nothing."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Close it; more than once is no harm."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Place(os.PathLike[str]):
    """A name in an open folder, where a file is or is to be; a link of that name is not followed.

    As a path it is what the file is called in messages and journals.

    Attributes:
        folder: The folder.
        name: Without a slash.
        followed: Device and number of the file that a link of that name leads to: only to read
            that one, it is followed. None for no link.
    """

    folder: Folder
    name: str
    followed: tuple[int, int] | None = None

    def __fspath__(self) -> str:
        """Return the path."""
        return _joined(self.folder.path, self.name)

    def __str__(self) -> str:
        """Return the path."""
        return self.__fspath__()

    def status(self) -> os.stat_result | None:
        """Return what is there, without following a link; None for nothing."""
        return self.folder.status(self.name)

    def opened(self, _path: str, flags: int) -> int:
        """Open what is there; `open` calls it as ``opener``.

        Raises:
            OSError: It cannot be opened, or is a link, or one that leads elsewhere by now.
        """
        flags |= os.O_NONBLOCK | (0 if self.followed else os.O_NOFOLLOW)
        descriptor = os.open(self.name, flags, dir_fd=self.folder.descriptor)
        status = os.fstat(descriptor)
        if self.followed not in {None, (status.st_dev, status.st_ino)}:
            os.close(descriptor)
            raise OSError(errno.ESTALE, "the link was changed to lead to another file")
        return descriptor


def open_file(path: str | os.PathLike[str]) -> io.FileIO:
    """Open a file to read it.

    Raises:
        OSError: It cannot be opened.
        ValueError: The path holds a zero byte.
    """
    return io.FileIO(os.fspath(path), "rb", opener=path.opened if isinstance(path, Place) else None)


def open_without_waiting(path: str, flags: int) -> int:
    """Open a path as an ``opener`` of `open`; a pipe does not wait for its other end.

    Raises:
        OSError: It cannot be opened.
    """
    return os.open(path, flags | os.O_NONBLOCK)


def open_source(path: str | os.PathLike[str]) -> Folder:
    """Open a folder that is only read, through any link that the user named.

    Raises:
        OSError: It is no folder, or cannot be opened.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    return Folder(os.fspath(path), os.open(path, flags))


def open_folder(path: str | os.PathLike[str], *, make: bool = False) -> Folder:
    """Open a folder that the user named.

    Args:
        path: Links on it are followed if they are this user's or root's.
        make: Make it, and the folders above it, where they are missing.

    Raises:
        UsageError: A link is another user's.
        OSError: It is missing or no folder, or cannot be opened or made.
    """
    here, at, name = _walked(os.fspath(path), make=make)
    try:
        there = _joined(at, name or ".")
        return Folder(there, _entered(here, name or ".", there, _OPEN, make=make))
    finally:
        os.close(here)


def place_of(path: str | os.PathLike[str]) -> Place:
    """Find where a file is, or is to be, that the user named; its folder is the caller's to close.

    Args:
        path: Links are followed, also the last, if they are this user's or root's.

    Raises:
        UsageError: A link is another user's, or the path names a folder by ``.``, ``..`` or a slash
            at its end.
        OSError: The folder is missing or cannot be opened.
    """
    text = os.fspath(path)
    here, at, name = _walked(text)
    try:
        if not name or text.rpartition("/")[2] in {"", "."}:
            raise UsageError(f"{text} is a folder", hint="name a file")
        return Place(Folder(at, os.open(".", _OPEN, dir_fd=here)), name)
    finally:
        os.close(here)


def status_behind(link: str) -> os.stat_result:
    """Return what is known of the file that a link leads to.

    Args:
        link: The folder that it lies in is taken as it was found.

    Raises:
        UsageError: It, or another link that it leads through, is another user's.
        OSError: It leads nowhere, or may not be looked at.
    """
    folder, name = os.path.split(link)
    flags = (_PASS & ~os.O_NOFOLLOW) | os.O_DIRECTORY
    here, _, last = _walked(name, begin=(os.open(folder or ".", flags), folder))
    try:
        return os.stat(last or ".", dir_fd=here, follow_symlinks=False)
    finally:
        os.close(here)


def open_special(path: str | os.PathLike[str]) -> BinaryIO | None:
    """Open the device or pipe that a path of the user leads to, to write to it.

    Returns:
        The open file; None if there is nothing, or a regular file or folder.

    Raises:
        UsageError: It is another user's, unless this process has it open; or a link on the path is.
        OSError: It cannot be opened.
    """
    try:
        place = place_of(path)
    except OSError:
        return None
    with place.folder as folder:
        status = place.status()
        if status is not None and folder.path == _open_files():
            return os.fdopen(os.dup(int(place.name)), "wb")
        if status is None or stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            return None
        if not is_ours(status):
            raise UsageError(
                f"{place} belongs to {owner_name(status.st_uid)}, who would get what is written",
                hint="name another path",
            )
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.fdopen(os.open(place.name, flags, dir_fd=folder.descriptor), "wb")
        opened = os.fstat(file.fileno())
        if (status.st_dev, status.st_ino) != (opened.st_dev, opened.st_ino):
            file.close()
            raise UsageError(f"{place} was replaced meanwhile")
        return file


def _walked(
    text: str, *, make: bool = False, begin: tuple[int, str] | None = None
) -> tuple[int, str, str]:
    """Open the folder that holds the last part of a path, which is no link now.

    Args:
        text: The path.
        make: Make missing folders.
        begin: The folder that it begins in, with its path; it is closed.

    Returns:
        The folder's descriptor, its path without links, and the last part; the last is empty if
        the path itself is that folder's.
    """
    if begin is None:
        start, at = ("/", "/") if text.startswith("/") else (".", os.getcwd())  # noqa: PTH109
        begin = os.open(start, _PASS), at
    here, at = begin
    left = _parts_of(text)
    links = 0
    try:
        while left:
            part = left.pop()
            there = _joined(at, part)
            target = None if part == ".." else _target_of(here, part, there)
            if target is not None and at == _open_files() and not target.startswith("/"):
                target = None  # what is open has no path: a pipe, or a socket
            if target is not None:
                links += 1
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                left += _parts_of(target)
                if not target.startswith("/"):
                    continue
                part = there = "/"
            elif not left and part != "..":
                return here, at, part
            entered = _entered(here, part, there, _PASS, make=make)
            os.close(here)
            here = entered
            at = at.rpartition("/")[0] or "/" if part == ".." else there
    except BaseException:
        os.close(here)
        raise
    return here, at, ""


def _open_files() -> str:
    """Return the folder where Linux shows what this process has open, as links."""
    return f"/proc/{os.getpid()}/fd"


def _parts_of(path: str) -> list[str]:
    """Split a path into parts, the last first."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]


def _target_of(folder: int, name: str, path: str) -> str | None:
    """Return what a link says; None for all else.

    Raises:
        UsageError: The link is neither this user's nor root's.
    """
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            return None
        target = os.readlink(name, dir_fd=folder)
        again = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not is_ours(status):
        raise UsageError(
            f"{path} is a link that belongs to {owner_name(status.st_uid)}, and is not followed",
            hint="name the path that it leads to, if it is meant",
        )
    # It was read between two looks: another link in its place meanwhile shows in the second.
    if (status.st_ino, status.st_ctime_ns) != (again.st_ino, again.st_ctime_ns):
        raise OSError(errno.EAGAIN, f"the link {path} was replaced meanwhile")
    return target


def _entered(folder: int, name: str, path: str, flags: int, *, make: bool) -> int:
    """Open a folder in another, through no link."""
    try:
        try:
            return os.open(name, flags, dir_fd=folder)
        except FileNotFoundError:
            if not make:
                raise
        with suppress(FileExistsError):  # another thread, or user, made it: what it is shows next
            os.mkdir(name, dir_fd=folder)
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in _IS_LINK:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                raise UsageError(f"{path} is a link and is not followed") from error
        raise


def _joined(path: str, name: str) -> str:
    return path if name == "." else f"{path.removesuffix('/')}/{name}"
