"""The state folder: where journals and ledgers lie, which only this user may have written.

Rule: what somebody else could have put there is neither read, changed nor removed, and nothing is
written beside it. That is a folder that belongs to another user or that others can write, one
below such a folder, a link, a file with a second name, and whatever is no regular file. Without a
state folder nothing is resumed, and that is all.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

from cipherbucket.errors import UsageError
from cipherbucket.local_files.ownership import find_stranger, stranger_of

_log = logging.getLogger("cipherbucket")

ELSEWHERE = "set CIPHERBUCKET_STATE to a folder of your own"
"""The way on where the state folder, or a file in it, may be another user's."""


class ForeignFileError(UsageError):
    """A file of the state folder that somebody else could have put there."""


def state_folder() -> Path:
    """Return where journals lie: ``CIPHERBUCKET_STATE``, or the user's state directory."""
    if folder := os.environ.get("CIPHERBUCKET_STATE"):
        return Path(folder)
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return Path(base).expanduser() / "cipherbucket" / "transfers"
    except RuntimeError:  # a user without a home: nothing can be below this
        return Path(os.devnull) / "cipherbucket"


def state_or_none(folder: Path) -> Path | None:
    """Return the folder of journals if it is ours and can be written; it is made if need be."""
    with suppress(OSError):
        why = why_not_ours(_nearest(folder))
        if why is None:
            _make(folder)
            why = why_not_ours(folder)
        if why is None and os.access(folder, os.W_OK | os.X_OK):
            return folder
        if why is not None:
            _log.warning("%s: what is interrupted will begin anew (%s)", why, ELSEWHERE)
            return None
    _log.warning(
        "%s cannot be written: what is interrupted will begin anew (%s)", folder, ELSEWHERE
    )
    return None


def why_not_ours(folder: Path) -> str | None:
    """Say who else could have put files into a folder; None if only this user and root could.

    Raises:
        OSError: It is not there, or may not be looked at.
    """
    if (stranger := find_stranger(folder)) is not None:
        return str(stranger)
    status = folder.stat()
    # The sticky bit keeps files from being replaced, and lets everybody add some.
    if status.st_mode & stat.S_ISVTX and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{folder} can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return None


def open_own(path: Path, flags: int) -> int:
    """Open a file of the state folder, or make it with ``O_CREAT``, readable by its owner alone.

    Raises:
        ForeignFileError: Somebody else could have put it there.
        OSError: It cannot be opened.
    """
    # Non-blocking: whoever opens a pipe would wait for its other end.
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    check_own(path)
    descriptor = os.open(path, flags, 0o600)
    try:
        _check(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_own(path: Path) -> None:
    """Refuse what somebody else could have put there; what is not there is no fault.

    Raises:
        ForeignFileError: Somebody else could have put it there.
        OSError: It cannot be looked at.
    """
    with suppress(FileNotFoundError):
        _check(path, path.lstat())


def _check(path: Path, status: os.stat_result) -> None:
    fault: object = stranger_of(path, status)
    if not stat.S_ISREG(status.st_mode):
        fault = f"{path} is no regular file"
    elif status.st_nlink > 1:
        fault = f"{path} has a second name"
    if fault is not None:
        raise ForeignFileError(
            f"{fault}, so it is neither used nor changed",
            hint=f"remove it if you know what it is, or {ELSEWHERE}",
        )


def _nearest(folder: Path) -> Path:
    """Return the folder, or the first above it that is there."""
    return next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))


def _make(folder: Path) -> None:
    """Make a folder and those above it, all for their owner alone, whatever the umask."""
    for each in (*reversed(folder.parents), folder):
        with suppress(FileExistsError):
            each.mkdir(mode=0o700)
    if not folder.is_dir():
        raise NotADirectoryError(str(folder))
