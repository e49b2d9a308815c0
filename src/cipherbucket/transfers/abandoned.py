"""Transfers that were interrupted and not resumed: found by their journals, and cleared.

Rule: a journal says what to remove, so only one that nobody else could have written is believed,
and it is locked while that is done. Of local files nothing is removed but a temporary file of our
own, by its pattern, beside the file that was written.
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cipherbucket.local_files.folders import open_folder
from cipherbucket.transfers.journal import SUFFIX, Line, header_of
from cipherbucket.transfers.state import (
    ELSEWHERE,
    ForeignFileError,
    open_own,
    state_folder,
    why_not_ours,
)
from cipherbucket.transfers.target_file import TEMPORARY

_log = logging.getLogger("cipherbucket")

_MOST = 1 << 20
"""Bytes of a journal in which its first two lines are looked for."""


@dataclass(frozen=True)
class Abandoned:
    """A transfer that was interrupted and not resumed since.

    Attributes:
        path: Its journal.
        kind: ``upload`` or ``download``; ``unusable`` for a journal that cannot be read.
        store: URL of the store.
        name: The object's name.
        file: The local file.
        upload_id: The store's id of an upload.
        temporary: The file that a download was written to so far.
    """

    path: Path
    kind: str
    store: str = ""
    name: str = ""
    file: str = ""
    upload_id: str | None = None
    temporary: str | None = None

    def clear(self, abort: Callable[[Abandoned], None]) -> bool:
        """Remove the journal, and what the transfer left behind.

        Args:
            abort: Called with an upload whose id is known, to abort it in its store. One whose id
                was not noted cannot be distinguished from others there.

        Returns:
            False if it is not what was found any more, or another process works with it: then
            nothing was removed.

        Raises:
            UsageError: Another user's link leads to the folder of a download.
            OSError: The journal cannot be removed.
            And what ``abort`` raises: the journal stays then.
        """
        with _claimed(self) as is_ours:
            if is_ours:
                if self.kind == "upload" and self.upload_id is not None:
                    abort(self)
                if self.kind == "download":
                    _remove_temporary(self)
                self.path.unlink()
            return is_ours


def abandoned(folder: Path | None = None) -> Iterator[Abandoned]:
    """Find the transfers that no process works on now.

    What somebody else could have put into the folder is left out, with a warning in the log.

    Args:
        folder: Where the journals lie; None for the usual place.
    """
    folder = folder or state_folder()
    try:
        why = why_not_ours(folder)
    except OSError:  # there is no such folder, or it may not be looked at
        return
    if why is not None:
        _log.warning("%s: transfers in it are neither listed nor cleared (%s)", why, ELSEWHERE)
        return
    for path in sorted(folder.glob("*" + SUFFIX)):
        try:
            descriptor = open_own(path, os.O_RDONLY)
        except ForeignFileError as error:
            _log.warning("%s (%s)", error.message, error.hint)
            continue
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            first = header_of(os.pread(descriptor, _MOST, 0).split(b"\n")[:-1])
        except OSError:  # somebody is at it
            continue
        finally:
            os.close(descriptor)  # and the lock with it, before a caller takes its time
        yield _described(path, first)


def _described(path: Path, first: Line) -> Abandoned:
    needed: list[Any] = [first.get(name) for name in ("kind", "store", "name", "file")]
    further: list[Any] = [first.get(name) for name in ("upload_id", "temporary")]
    known = all(isinstance(each, str) for each in needed) and needed[0] in {"upload", "download"}
    if not known or not all(each is None or isinstance(each, str) for each in further):
        return Abandoned(path, "unusable")
    return Abandoned(path, *needed, *further)


def _remove_temporary(each: Abandoned) -> None:
    """Remove the temporary file of a download, if it is one of ours."""
    name, folder = str(each.temporary), Path(each.file).parent
    if not TEMPORARY.fullmatch(name) or not folder.is_absolute():
        return
    with suppress(FileNotFoundError, NotADirectoryError), open_folder(folder) as opened:
        status = opened.status(name)
        if status is None or not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            return
        if status.st_uid == os.geteuid():
            os.unlink(name, dir_fd=opened.descriptor)


@contextmanager
def _claimed(each: Abandoned) -> Iterator[bool]:
    """Keep others away from a journal; False if it is not what it was, or somebody is at it."""
    try:
        descriptor = open_own(each.path, os.O_RDWR)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _lock(descriptor) and _is_still(each, descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Take the lock that keeps out whoever transfers or clears, and lets the journal be read.

    Of two that clear, both take the exclusive lock first, and the second does not get it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(each: Abandoned, descriptor: int) -> bool:
    """Return whether what is locked is what lies there, and describes the same transfer."""
    try:
        there = each.path.lstat()
    except FileNotFoundError:
        return False
    locked = os.fstat(descriptor)
    if (there.st_dev, there.st_ino) != (locked.st_dev, locked.st_ino):
        return False
    return any(now == each for now in abandoned(each.path.parent))
