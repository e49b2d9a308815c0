"""A folder that objects are written below.

Rule: names come from a hostile store. One becomes a file only if every part of it is an ordinary
name, and only below the target folder: no link in that folder is followed, and nothing but a
regular file is ever replaced. Two names that are one to the file system never become one file,
also not when they are on their way at once.
"""

from __future__ import annotations

import os
import stat
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cipherbucket as cb


class TargetFolder:
    """A folder that objects of a hostile store are written below.

    Args:
        folder: Made when the first object comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[int, str] = {}
        self._claims = threading.Condition()
        self._claimed: set[str] = set()

    @contextmanager
    def claimed(self, relative: str) -> Iterator[Path]:
        """Give the path for a name, as `place` does, and keep names away that could be the same.

        Raises:
            UsageError, OSError: As `place`.
        """
        folded = _folded(relative)
        with self._claims:
            while folded in self._claimed:
                self._claims.wait()
            self._claimed.add(folded)
        try:
            yield self.place(relative)
        finally:
            with self._claims:
                self._claimed.discard(folded)
                self._claims.notify_all()

    def place(self, relative: str) -> Path:
        """Find the path for a name, and make the folders that lead to it.

        Raises:
            UsageError: The name would leave the folder, or something is in its way.
            OSError: A folder cannot be made.
        """
        *folders, last = safe_parts(relative)
        self._folder.mkdir(parents=True, exist_ok=True)
        current = self._folder
        for part in folders:
            current /= part
            if current.is_symlink():
                raise cb.UsageError(f"{current} is a link and is not followed")
            current.mkdir(exist_ok=True)
        path = current / last
        status = _status(path)
        if status is None:
            return path
        if not stat.S_ISREG(status.st_mode):
            raise cb.UsageError(f"{path} is no file and is not replaced")
        if self._is_ours(status):
            raise cb.UsageError(
                f"{path} was just written for another object, whose name is the same to this"
                " file system",
                hint="copy it by itself to another name",
            )
        return path

    def remember(self, path: Path) -> None:
        """Remember what was written, since file systems take names for one that stores do not."""
        identity = _identity(path.lstat())
        with self._claims:
            self._written[identity] = str(path)

    def has_written(self, path: Path) -> bool:
        """Return whether this very file was written here, perhaps under a name like it."""
        status = _status(path)
        return status is not None and self._is_ours(status)

    def _is_ours(self, status: os.stat_result) -> bool:
        """Return whether a file is one that was written here and is where it was written still.

        When another process replaces what was written, the number of its file is free for any.
        """
        identity = _identity(status)
        path = self._written.get(identity)
        if path is None:
            return False
        there = _status(Path(path))
        return there is not None and _identity(there) == identity


def safe_parts(relative: str) -> tuple[str, ...]:
    """Split an object's name into the parts of a path below a folder.

    Raises:
        UsageError: It begins with a slash, or a part is empty, ``.`` or ``..``, or holds what no
            file name can.
    """
    parts = tuple(relative.split("/"))
    if {"", ".", ".."}.intersection(parts) or "\0" in relative or not _is_text(relative):
        raise cb.UsageError(
            "the name makes no path below the target folder",
            hint="copy the object by itself: cipherbucket cp URL FILE",
        )
    return parts


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _identity(status: os.stat_result) -> int:
    """Return device and file as one number, of which a great many can be remembered."""
    return status.st_dev << 64 | status.st_ino


def _folded(name: str) -> str:
    """Return what is the same for all names that some file system takes for one."""
    once = unicodedata.normalize("NFKD", name).casefold()
    visible = "".join(char for char in once if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKD", visible)
