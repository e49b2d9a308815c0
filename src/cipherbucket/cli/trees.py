"""Folders and prefixes, object by object.

Law: names come from a hostile store. One becomes a file only if every part of it is an ordinary
name, and only below the target folder: no link in that folder is followed, and nothing but a
regular file is ever replaced. One object that fails is told at the end and stops no other.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, say
from cipherbucket.cli.text import amount, count, printable


class Tally:
    """What has been done so far, and what failed."""

    def __init__(self) -> None:
        self._done = 0
        self._bytes = 0
        self._notes: list[str] = []
        self._failures: list[str] = []

    def add(self, size: int) -> None:
        """Count a transfer that succeeded."""
        self._done += 1
        self._bytes += size

    def note(self, text: str) -> None:
        """Keep what should be said at the end."""
        self._notes.append(text)

    @contextmanager
    def attempt(self, label: str) -> Iterator[None]:
        """Do one thing; keep its failure for the end."""
        try:
            yield
        except cb.CipherbucketError as error:
            text = one_line(error)
            self._failures.append(text if error.name is not None else f"{label!r}: {text}")
        except OSError as error:
            self._failures.append(f"{label!r}: {error.strerror or error}")

    def report(self, *, quiet: bool) -> int:
        """Say what was done; return the exit code."""
        if not quiet:
            for note in self._notes:
                say(printable(note))
        for failure in self._failures:
            say(printable(failure))
        if not quiet or self._failures:
            failed = f"; {len(self._failures):,} failed" if self._failures else ""
            say(f"copied {count(self._done, 'object')}, {amount(self._bytes)}{failed}")
        return 1 if self._failures else 0


def files_below(folder: Path, store_url: str, tally: Tally) -> Iterator[tuple[str, Path, int]]:
    """Give the files below a folder, sorted: relative name with slashes, path, size.

    Links to files are followed, links to folders are not, because they can lead in circles. The
    folder of the store that is written to is left out, like all that is no file.
    """
    store = Path(store_url.removeprefix("file://")) if store_url.startswith("file://") else None
    pending = [("", folder)]
    while pending:
        prefix, current = pending.pop()
        entries: list[os.DirEntry[str]] = []
        with tally.attempt(str(current)), os.scandir(current) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
        below = []
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                if store is not None and path.samefile(store):
                    tally.note(f"left out {path}: it is the store that is written to")
                else:
                    below.append((f"{prefix}{entry.name}/", path))
                continue
            kind, size = _kind_of(path)
            if kind is None:
                yield f"{prefix}{entry.name}", path, size
            else:
                tally.note(f"left out {path}: {kind}")
        pending += reversed(below)


def _kind_of(path: Path) -> tuple[str | None, int]:
    """Say what a path is if it is no file, and how long it is if it is one."""
    try:
        status = path.stat()
    except OSError:
        return ("a link that leads nowhere" if path.is_symlink() else None), 0
    if stat.S_ISREG(status.st_mode):
        return None, status.st_size
    if stat.S_ISDIR(status.st_mode):
        return "a link to a folder", 0
    return "no file but a device, pipe or socket", 0


class TargetFolder:
    """A folder that objects of a hostile store are written below."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: set[tuple[int, int]] = set()

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
        if (status.st_dev, status.st_ino) in self._written:
            raise cb.UsageError(
                f"{path} was just written for another object, whose name is the same to this"
                " file system",
                hint="copy it by itself to another name",
            )
        return path

    def remember(self, path: Path) -> None:
        """Remember what was written, since file systems take names for one that stores do not."""
        status = path.lstat()
        self._written.add((status.st_dev, status.st_ino))


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


def is_folder_marker(relative: str, size: int) -> bool:
    """Tell whether an object only stands for a folder, as consoles of stores make them."""
    return not size and (not relative or relative.endswith("/"))


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
