"""Who may have made a directory store, and whether this process may write it.

Rule: a store that only this user and root can write is ours. Any other may be read, as input from a
stranger, and is neither written nor recovered nor cleaned, unless its owner is said to be trusted.
One that cannot be written, such as a backup that is mounted, is read in the same way.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cipherbucket.errors import StoreError
from cipherbucket.local_files.ownership import Stranger, find_stranger, stranger_of
from cipherbucket.stores.local.folders import StoreFolder
from cipherbucket.stores.local.index import BESIDE, INDEX_NAME

FOLDERS = ("bodies", "staging", "uploads")
_WAY_ON = (
    "if you trust whoever can write there: --trust-store; or trusted = true under [stores.NAME] in"
    " cipherbucket.toml, and NAME:// in the command; or trusted=True in Python"
)


@dataclass(frozen=True)
class ReadOnly:
    """Why a store is only read.

    Attributes:
        why: In a few words, with the owner.
        hint: The way on.
        stranger: Whether somebody else could have made it.
    """

    why: str
    hint: str
    stranger: bool

    def error(self, url: str, name: str | None = None) -> StoreError:
        """Return what is to be raised for a write."""
        return StoreError(f"{url} is only read: {self.why}", name=name, hint=self.hint)


def reason_to_only_read(root: StoreFolder, *, trusted: bool) -> ReadOnly | None:
    """Say why a store must not, or cannot, be written; None if it may be.

    Args:
        root: Its folder.
        trusted: Whether those who can write it are trusted.

    Raises:
        OSError: It may not be looked into.
    """
    if not trusted and (stranger := _stranger_in(root)) is not None:
        return of_stranger(stranger)
    for name in (".", INDEX_NAME, *FOLDERS):
        if root.status(name) is not None and not _writable(root, name):
            readable = f"{root.path}/{name}".removesuffix("/.")
            return ReadOnly(
                f"{readable} cannot be written",
                "the store's folder and all in it must be writable",
                stranger=False,
            )
    return None


def of_stranger(stranger: Stranger) -> ReadOnly:
    """Say that a store, or the place for one, is a stranger's."""
    return ReadOnly(str(stranger), _WAY_ON, stranger=True)


def stranger_at(path: Path) -> Stranger | None:
    """Say whether a stranger could have put a folder there, or could put one there.

    Raises:
        OSError: A part of the path may not be looked at.
    """
    for place in (path, *path.parents):
        if os.path.lexists(place):
            return find_stranger(place)
    return None


def _stranger_in(root: StoreFolder) -> Stranger | None:
    if (stranger := find_stranger(root.path)) is not None:
        return stranger
    for name in (INDEX_NAME, *(f"{INDEX_NAME}{end}" for end in BESIDE), *FOLDERS):
        status = root.status(name)
        if status is None:
            continue
        if (stranger := stranger_of(Path(root.path, name), status)) is not None:
            return stranger
    return None


def _writable(root: StoreFolder, name: str) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(name, os.W_OK, dir_fd=root.fd, effective_ids=effective)
