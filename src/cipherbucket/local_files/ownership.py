"""Who could have put a file or a folder where it lies.

Rule: what only this user and root can write is ours. Anything else on the local disk (another
owner, write permission for others) is input from a stranger. Folders count with all the folders
above them, because whoever can write one of those can put another in place of the one below. A
folder with the sticky bit, such as ``/tmp``, lets nobody replace what belongs to others. A group
that is one user's private group, as Debian and Fedora make them, counts as that user; but not where
an access list (POSIX.1e) names further users, since the group's bits then stand for all of them.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

MOST_LINKS = 40
"""How many links a path may lead through, as on Linux (path_resolution(7))."""
_ACCESS_LIST = "system.posix_acl_access"
"""The extended attribute that holds an access list on Linux (acl(5))."""


@dataclass(frozen=True)
class Stranger:
    """A file or folder that somebody else could have put there.

    Attributes:
        path: Which one; it may be a folder above the one asked for.
        why: Whose it is, or who can write it: ``belongs to user alice``, ``can be written by others
            (mode 0777)``.
        is_mine: Whether this user can take the permission away.
    """

    path: Path
    why: str
    is_mine: bool = False

    def __str__(self) -> str:
        return f"{self.path} {self.why}"

    @property
    def remedy(self) -> str:
        """What the user can do about it."""
        if self.is_mine:
            return f"chmod go-w {shlex.quote(str(self.path))}"
        return "copy it to a folder of your own"


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
    users = {status.st_uid, os.geteuid(), 0}
    return bool(status.st_mode & 0o020) and not any(
        _is_private_group(status.st_gid, each) for each in users
    )


def stranger_of(path: Path, status: os.stat_result, also: Collection[int] = ()) -> Stranger | None:
    """Say of one file or folder, without those above it, whether it is a stranger's.

    Args:
        path: What to call it.
        status: What `os.fstat` or `os.lstat` says of it.
        also: Further users who are no strangers.
    """
    if not is_ours(status, also):
        return Stranger(path, f"belongs to {owner_name(status.st_uid)}")
    if others_can_write(status) or _is_opened_by_list(path, status):
        why = f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
        return Stranger(path, why, is_mine=os.geteuid() in {0, status.st_uid})
    return None


def find_stranger(path: str | os.PathLike[str], also: Collection[int] = ()) -> Stranger | None:
    """Say whether a stranger could have put a file or folder there.

    Args:
        path: It, and every folder and link on the way to it from the root, is looked at.
        also: Further users who are no strangers, such as the owner of a file that was named. It
            does not count for what lies in a folder such as ``/tmp``, where anybody can put files
            under a name that is expected.

    Returns:
        The first from the root that is a stranger's, or None.

    Raises:
        OSError: A part of the path is not there or may not be looked at.
    """
    left = list(Path(os.path.abspath(path)).parts)  # noqa: PTH100  resolve() would follow links
    here = Path(left.pop(0))
    links, is_shared = 0, False
    while True:
        status = here.lstat()
        if (stranger := stranger_of(here, status, () if is_shared else also)) is not None:
            return stranger
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > MOST_LINKS:
                raise OSError(f"{path} leads through too many links")
            target = here.parent / here.readlink()
            left = [*target.parts[1:], *left]
            here, is_shared = Path(target.parts[0]), False
            continue
        if not left:
            return None
        following = left.pop(0)
        is_shared = bool(status.st_mode & stat.S_ISVTX and status.st_mode & 0o022)
        here = here.parent if following == ".." else here / following


def owner_name(uid: int) -> str:
    """Name a user in a message: ``user alice``, or ``user 1234`` where the number has no name."""
    try:
        import pwd  # noqa: PLC0415  not everywhere

        return f"user {pwd.getpwuid(uid).pw_name}"
    except (ImportError, KeyError):
        return f"user {uid}"


def _is_opened_by_list(path: Path, status: os.stat_result) -> bool:
    """Return whether an access list lets more users write than the mode tells."""
    mode = status.st_mode
    is_sticky = stat.S_ISDIR(mode) and mode & stat.S_ISVTX
    if stat.S_ISLNK(mode) or is_sticky or not mode & 0o020 or not hasattr(os, "getxattr"):
        return False
    try:
        return bool(os.getxattr(path, _ACCESS_LIST))
    except OSError:  # it has none, as nearly always
        return False


def _is_private_group(gid: int, uid: int) -> bool:
    try:
        import grp  # noqa: PLC0415  not everywhere
        import pwd  # noqa: PLC0415

        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except (ImportError, KeyError):
        return False
    alone = set(group.gr_mem) <= {user.pw_name}
    return alone and user.pw_gid == gid and user.pw_name == group.gr_name
