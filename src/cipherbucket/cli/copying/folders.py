"""Folders and what is done with all in them.

Law: one object that fails is told at the end and stops no other. Folders are walked in the order
in which stores list names, a folder at a time, so that the two can be compared as they come.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, say
from cipherbucket.text import amount, count, printable

_NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_TEMPORARY = re.compile(r"\.cipherbucket-[0-9a-f]{16}\.part")


@dataclass(frozen=True, slots=True)
class FileBelow:
    """A file: its relative name with slashes, its path, its size, its time in nanoseconds."""

    relative: str
    path: Path
    size: int
    modified: int


class Tally:
    """What has been done so far, by several threads, and what failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = 0
        self._bytes = 0
        self._unchanged = 0
        self._deleted = 0
        self._notes: list[str] = []
        self._left_out: set[str] = set()
        self._failures: list[str] = []

    def add(self, size: int) -> None:
        """Count a transfer that succeeded."""
        with self._lock:
            self._done += 1
            self._bytes += size

    def add_unchanged(self) -> None:
        """Count what was the same on both sides."""
        with self._lock:
            self._unchanged += 1

    def add_deleted(self) -> None:
        """Count what was deleted."""
        with self._lock:
            self._deleted += 1

    @property
    def failures(self) -> tuple[str, ...]:
        """What failed so far, a line each."""
        return tuple(self._failures)

    @property
    def failed(self) -> bool:
        """Whether anything failed so far."""
        return bool(self._failures)

    def note(self, text: str) -> None:
        """Keep what should be said at the end."""
        self._notes.append(text)

    def leave_out(self, relative: str, text: str) -> None:
        """Keep what is there and not copied, and what should be said of it at the end."""
        self._left_out.add(relative)
        self.note(text)

    def has_left_out(self, relative: str) -> bool:
        """Tell whether a name was left out, or one that it lies below."""
        if not self._left_out:
            return False
        parts = relative.split("/")
        return any("/".join(parts[:end]) in self._left_out for end in range(1, len(parts) + 1))

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
            others = f"; {self._unchanged:,} unchanged" if self._unchanged else ""
            others += f"; {self._deleted:,} deleted" if self._deleted else ""
            say(f"copied {count(self._done, 'object')}, {amount(self._bytes)}{others}{failed}")
        return 1 if self._failures else 0


def files_below(
    folder: Path, stores: Iterable[str], tally: Tally, *, follow: bool = True
) -> Iterator[FileBelow]:
    """Give the files below a folder, in byte order of their relative names.

    Links to folders are never followed, because they can lead in circles. What is no file, the
    folder of a store that is at work, and the temporary file of a download are left out.

    Args:
        folder: Where to look.
        stores: URLs of the stores at work.
        tally: Told what fails, and what is left out.
        follow: Whether links to files are followed; else they are left out, like all that is left
            out then without a word: it is the target, where only files are ours.
    """
    own = [Path(url.removeprefix("file://")) for url in stores if url.startswith("file://")]
    pending = [_entries(folder, "", tally)]
    while pending:
        found = next(pending[-1], None)
        if found is None:
            pending.pop()
            continue
        relative, entry = found
        path = Path(entry.path)
        kind: str | None = None
        if entry.is_dir(follow_symlinks=False):
            if not any(store.is_dir() and path.samefile(store) for store in own):
                pending.append(_entries(path, relative + "/", tally))
                continue
            kind = "it is the store that is written to"
        else:
            status: os.stat_result | None = None
            with tally.attempt(str(path)):
                kind, status = _kind_of(path, follow=follow)
            if kind is None:
                if status is not None:
                    yield FileBelow(relative, path, status.st_size, status.st_mtime_ns)
                continue
        if follow:
            tally.leave_out(relative, f"left out {path}: {kind}")


def _entries(folder: Path, prefix: str, tally: Tally) -> Iterator[tuple[str, os.DirEntry[str]]]:
    entries: list[os.DirEntry[str]] = []
    with tally.attempt(str(folder)), os.scandir(folder) as scan:
        entries = sorted(scan, key=_place)
    return ((prefix + entry.name, entry) for entry in entries)


def _place(entry: os.DirEntry[str]) -> bytes:
    """Sort a folder where the names of what is in it stand in a listing."""
    return os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"")


def _kind_of(path: Path, *, follow: bool) -> tuple[str | None, os.stat_result | None]:
    """Say what a path is if it is no file; if it is one, what is known of it.

    Neither, if it is gone from the target in the meantime.

    Raises:
        OSError: It cannot be told.
    """
    if _TEMPORARY.fullmatch(path.name):
        return "a download that is not finished", None
    try:
        status = path.stat() if follow else path.lstat()
    except OSError as error:
        if not follow and error.errno == errno.ENOENT:
            return None, None
        if error.errno in _NOWHERE and path.is_symlink():
            return "a link that leads nowhere", None
        raise
    if stat.S_ISREG(status.st_mode):
        return None, status
    if stat.S_ISDIR(status.st_mode):
        return "a link to a folder", None
    return "no file but a device, pipe or socket", None


def refuse_missing(bucket: cb.Bucket, prefix: str) -> None:
    """Refuse a prefix that no name begins with: it was mistyped, or what was there is gone.

    Raises:
        ObjectNotFoundError: There is nothing below it.
    """
    if prefix and next(iter(bucket.list(prefix)), None) is None:
        raise cb.ObjectNotFoundError(f"there is no object whose name begins with {prefix!r}")


def is_folder_marker(relative: str, size: int) -> bool:
    """Tell whether an object only stands for a folder, as consoles of stores make them."""
    return not size and (not relative or relative.endswith("/"))
