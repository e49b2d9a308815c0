"""Key files, and what lies beside them, are read only where nobody else could have put them.

Rule: who can put another public half, or another description, in the place of one decides who reads
what is written. So a file is refused that others than its owner can write, or that lies in a folder
in which others can replace it. A public half must also belong to this user or to root. A private
key may be another user's, who could read all that it opens anyway.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path

from cipherbucket.errors import MasterKeyError
from cipherbucket.ownership import find_stranger, stranger_of


def read_kept(path: Path, also: Collection[int] | None = None) -> bytes:
    """Read a file that nobody else could have put there.

    Args:
        path: A file; a pipe is read to its end.
        also: Users who may own it beside this one and root; None for whoever owns it.

    Raises:
        OSError: It cannot be read.
        MasterKeyError: Somebody else could have put it there.
    """
    with path.open("rb") as file:
        _refuse_stranger(path, os.fstat(file.fileno()), also)
        return file.read()


def owner_of(path: Path) -> tuple[int, ...]:
    """Return who owns a file, as `read_kept` takes it; nobody if it is gone."""
    try:
        return (path.stat().st_uid,)
    except OSError:
        return ()


def refuse_other_owner(path: Path) -> None:
    """Refuse a file that belongs to another user, or lies in another's folder.

    Raises:
        MasterKeyError: It does.
    """
    try:
        _refuse_stranger(path, path.stat(), ())
    except OSError as error:
        raise MasterKeyError(f"key file {path}: {error.strerror}") from error


def _refuse_stranger(path: Path, status: os.stat_result, also: Collection[int] | None) -> None:
    allowed = (status.st_uid,) if also is None else also
    stranger = None
    try:
        if stat.S_ISREG(status.st_mode):
            stranger = find_stranger(path, allowed)
    except OSError:  # /dev/fd/3, which leads to a file that has no name any more
        pass
    stranger = stranger or stranger_of(path, status, allowed)
    if stranger is None:
        return
    raise MasterKeyError(
        f"{path} decides who can read what is written, and others can replace it: {stranger}",
        hint="copy it to a folder of your own, and compare its fingerprint with its owner's"
        if stranger.why.startswith("belongs")
        else f"look whether it is still what it was, then: chmod go-w {stranger.path}",
    )
