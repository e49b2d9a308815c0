"""The files that an endpoint keeps: for their owner alone, wherever they lie, under any umask.

Rule: what somebody else could have put there, or could replace, is refused. SQLite gives the files
beside a database the permissions of the database.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from cipherbucket.errors import UsageError
from cipherbucket.stores.local.trust import stranger_at

_BESIDE = ("", "-wal", "-shm", "-journal")


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it, where they are missing.

    Raises:
        UsageError: Others could have put it there, or it cannot be made.
    """
    refuse_strangers(path)
    missing = [each for each in (path, *path.parents) if not os.path.lexists(each)]
    try:
        for each in reversed(missing):
            with suppress(FileExistsError):
                each.mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(f"folder {path} cannot be made: {error.strerror}") from error


def make_private_database(path: Path) -> None:
    """Make an empty file for a database; one that is there gets 0600.

    Raises:
        UsageError: It, or a file that SQLite keeps beside it, could be somebody else's.
    """
    for end in _BESIDE:
        each = path.with_name(path.name + end)
        if os.path.lexists(each):
            refuse_strangers(each)
            if not stat.S_ISREG(each.lstat().st_mode):
                raise UsageError(f"{each} is no file", hint="remove it, or name another folder")
            # By its name: to close a descriptor of it would release SQLite's locks.
            each.chmod(0o600)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def refuse_strangers(path: Path) -> None:
    """Refuse what others could have put there, or could put there.

    Raises:
        UsageError: They could.
    """
    if (stranger := stranger_at(path)) is not None:
        raise UsageError(f"{path} could be somebody else's: {stranger}", hint=stranger.remedy)
