"""Key files, and what lies beside them, are read only where nobody else could have put them.

Rule: who can put another public half, or another description, in the place of one decides who reads
what is written. So a file is refused that others than its owner can write, or that lies in a folder
in which others can replace it. A public half must also belong to this user or to root. A private
key may be another user's, who could read all that it opens anyway; but not in a folder such as
``/tmp``, where it may have been put under an expected name. The owner is that of the open file,
whose bytes are used.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cipherbucket.errors import MasterKeyError, warn_caller
from cipherbucket.local_files.ownership import find_stranger, stranger_of

_LARGEST = 1 << 20


@dataclass(frozen=True)
class KeptFile:
    """A file that was read, and that nobody but its owner could have put there.

    Attributes:
        path: Which.
        data: All that it holds.
        status: What `os.fstat` said while it was open.
    """

    path: Path
    data: bytes
    status: os.stat_result

    @property
    def owner(self) -> tuple[int, ...]:
        """Who owns it, as `read_beside` takes it."""
        return (self.status.st_uid,)

    def refuse_other_owner(self) -> None:
        """Refuse it if it belongs to another user, or lies in another's folder.

        Raises:
            MasterKeyError: It does.
        """
        _refuse_stranger(self.path, self.status, ())


def read_key(path: Path) -> KeptFile:
    """Read a key file, whoever owns it; a pipe is read to its end.

    Raises:
        OSError: It cannot be read.
        MasterKeyError: Others than its owner could have put it there.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        _refuse_stranger(path, status, (status.st_uid,))
        return KeptFile(path, _all_of(path, file.read(_LARGEST + 1)), status)


def read_beside(path: Path, also: Collection[int]) -> bytes:
    """Read what lies beside a key file. A pipe, which would keep all waiting, is refused.

    Args:
        path: It.
        also: Users who may own it beside this one and root.

    Raises:
        OSError: It cannot be read, or is no regular file.
        MasterKeyError: Somebody else could have put it there.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is no regular file")
        _refuse_stranger(path, status, also)
        return _all_of(path, file.read(_LARGEST + 1))


def warn_if_replaceable(path: Path) -> None:
    """Warn of a new key file that is refused where it lies."""
    stranger = None
    with suppress(OSError):  # it is gone again
        stranger = find_stranger(path)
    if stranger is not None:
        warn_caller(
            f"{path} is refused where it lies, because others can replace it: {stranger};"
            f" {stranger.remedy}"
        )


def owner_of(path: Path) -> tuple[int, ...]:
    """Return who owns a key file that is not read; nobody if it is gone."""
    try:
        return (path.stat().st_uid,)
    except OSError:
        return ()


def _all_of(path: Path, data: bytes) -> bytes:
    if len(data) > _LARGEST:
        raise MasterKeyError(f"{path} has more than {_LARGEST:,} bytes, which no key file has")
    return data


def _refuse_stranger(path: Path, status: os.stat_result, also: Collection[int]) -> None:
    stranger = stranger_of(path, status, also)
    try:
        if stat.S_ISREG(status.st_mode):
            stranger = find_stranger(path, also) or stranger
    except OSError:  # /dev/fd/3, which leads to a file that has no name any more
        pass
    if stranger is None:
        return
    raise MasterKeyError(
        f"{path} decides who can read what is written, and others can replace it: {stranger}",
        hint=f"look whether it is still what it was, then: {stranger.remedy}"
        if stranger.is_mine
        else f"{stranger.remedy}, and compare its fingerprint with its owner's",
    )
