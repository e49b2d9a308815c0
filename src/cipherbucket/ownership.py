"""Who could have put a file or a folder where it lies.

Rule: what only this user and root can write is ours. Anything else on the local disk (another
owner, write permission for others) is input from a stranger. Folders count with all the folders
above them, because whoever can write one of those can put another in place of the one below. A
folder with the sticky bit, such as ``/tmp``, lets nobody replace what belongs to others. A group
that is one user's private group, as Debian and Fedora make them, counts as that user.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_MOST_LINKS = 40
"""How many links a path may lead through, as on Linux (path_resolution(7))."""


@dataclass(frozen=True)
class Stranger:
    """A file or folder that somebody else could have put there.

    Attributes:
        path: Which one; it may be a folder above the one asked for.
        why: Whose it is, or who can write it: ``belongs to alice``, ``can be written by others
            (mode 0777)``.
    """

    path: Path
    why: str

    def __str__(self) -> str:
        return f"{self.path} {self.why}"


def is_ours(status: os.stat_result, also: Collection[int] = ()) -> bool:
    """Return whether the owner is this user, root or one of ``also``."""
    return status.st_uid in {0, os.geteuid(), *also}


def others_can_write(status: os.stat_result) -> bool:
    """Return whether others than the owner can write a file, or replace what is in a folder."""
    if stat.S_ISLNK(status.st_mode):  # its mode means nothing
        return False
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return False
    if status.st_mode & 0o002:
        return True
    return bool(status.st_mode & 0o020) and not _is_private_group(status.st_gid, status.st_uid)


def stranger_of(path: Path, status: os.stat_result, also: Collection[int] = ()) -> Stranger | None:
    """Say of one file or folder, without those above it, whether it is a stranger's.

    Args:
        path: What to call it.
        status: What `os.fstat` or `os.lstat` says of it.
        also: Further users who are no strangers.
    """
    if not is_ours(status, also):
        return Stranger(path, f"belongs to {owner_name(status.st_uid)}")
    if others_can_write(status):
        return Stranger(path, f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})")
    return None


def find_stranger(path: str | os.PathLike[str], also: Collection[int] = ()) -> Stranger | None:
    """Say whether a stranger could have put a file or folder there.

    Args:
        path: It, and every folder and link on the way to it from the root, is looked at.
        also: Further users who are no strangers, such as the owner of a file that was named.

    Returns:
        The first from the root that is a stranger's, or None.

    Raises:
        OSError: A part of the path is not there or may not be looked at.
    """
    left = list(Path(os.path.abspath(path)).parts)  # noqa: PTH100  resolve() would follow links
    here = Path(left.pop(0))
    links = 0
    while True:
        status = here.lstat()
        if (stranger := stranger_of(here, status, also)) is not None:
            return stranger
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(f"{path} leads through too many links")
            target = here.parent / here.readlink()
            left = [*target.parts[1:], *left]
            here = Path(target.parts[0])
            continue
        if not left:
            return None
        following = left.pop(0)
        here = here.parent if following == ".." else here / following


def owner_name(uid: int) -> str:
    """Return the name of a user, or ``user 1234`` where the number has none."""
    try:
        import pwd  # noqa: PLC0415  not everywhere

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return f"user {uid}"


def _is_private_group(gid: int, uid: int) -> bool:
    try:
        import grp  # noqa: PLC0415  not everywhere
        import pwd  # noqa: PLC0415

        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except (ImportError, KeyError):
        return False
    alone = set(group.gr_mem) <= {user.pw_name}
    return alone and user.pw_gid == gid and user.pw_name == group.gr_name
