"""Making a directory store, and sweeping what processes leave behind when they die.

Rule: the index decides. A marked id that an object has keeps its body and gets the sidecar that
its row asks for; a marked id that no object has loses body and sidecar. Bodies that objects lost
are noted in the table ``garbage`` by the very transaction that took them away, so any process can
remove them; a note is struck out only when the removal has reached the disk, because a body that
came back would come back with its sidecar.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from cipherbucket.errors import CipherbucketError, StoreError, UsageError
from cipherbucket.local_files.ownership import find_stranger
from cipherbucket.stores.local.files import Files
from cipherbucket.stores.local.folders import sync_folder
from cipherbucket.stores.local.index import INDEX_NAME, Index, create_index
from cipherbucket.stores.local.tables import (
    REPAIR_HINT,
    find_body,
    forget_garbage,
    list_garbage,
)
from cipherbucket.stores.local.trust import FOLDERS, of_stranger, stranger_at

FORGET_AT = 512
"""How many notes of removed bodies are struck out at once: up to 256 folders are synced for it."""


def is_store(path: str | os.PathLike[str]) -> bool:
    """Say whether a folder is a directory store: whether it holds an index."""
    # os.path's is false, where Path's raises, for what can be no path: part of a long object name.
    return os.path.isfile(os.path.join(path, INDEX_NAME))  # noqa: PTH113, PTH118


def create_store(root: Path, *, trusted: bool = False) -> None:
    """Make a store in a new or empty folder; where another process has just made it, take that.

    The index comes last, so that a folder is a store from one moment to the next. What a process
    left that died over this is no obstacle.

    Args:
        root: The folder.
        trusted: Whether those who can write there are trusted.

    Raises:
        UsageError: The folder holds other things, or lies inside a store of ours.
        StoreError: It is a store that has lost its index, or a stranger can write there.
    """
    check_not_lost(root)
    if not trusted and (stranger := stranger_at(root)) is not None:
        raise of_stranger(stranger).error(f"file://{root}")
    for above in root.parents:
        # Else whoever can write in /tmp could keep all others from making a store below it.
        if is_store(above) and find_stranger(above / INDEX_NAME) is None:
            raise UsageError(f"file://{root} lies inside the directory store file://{above}")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    others = [
        path.name
        for path in root.iterdir()
        if path.name not in FOLDERS and not path.name.startswith(INDEX_NAME)
    ]
    if others:
        raise UsageError(
            f"file://{root} is no directory store, and not empty: it holds {min(others)!r}",
            hint="give the folder of a directory store; or one to be made, new or empty",
        )
    with contextlib.closing(Files(root)) as files:
        files.create()
    with contextlib.suppress(FileExistsError):
        create_index(root / INDEX_NAME)
    sync_folder(root)
    sync_folder(root.parent)


def check_not_lost(root: Path) -> None:
    """Refuse a folder that has bodies, or the rest of an index, and no index.

    Raises:
        StoreError: It is so.
    """
    # In this order: a store that is being made gets its index before anything else.
    with contextlib.closing(Files(root)) as files:
        rest = os.path.lexists(root / f"{INDEX_NAME}-wal") or any(files.bodies_present())
    if rest and not is_store(root):
        raise StoreError(
            f"file://{root} is a directory store whose {INDEX_NAME} is gone",
            hint=f"{REPAIR_HINT}file://{root}",
        )


def settle(db: sqlite3.Connection, files: Files, etag: str) -> None:
    """Make the files of an id what the index says. Its marker must be held."""
    stored = find_body(db, etag)
    if stored is None:
        files.remove(etag)
        return
    files.remove_unfinished_sidecar(etag)
    with contextlib.suppress(FileNotFoundError, ValueError):
        if files.load_sidecar(etag) == stored:
            return
    files.save_sidecar(stored, replace=True)


class Sweeper:
    """Removes the bodies that no object has any more."""

    def __init__(self, index: Index, files: Files) -> None:
        self._index = index
        self._files = files
        self._removed: list[str] = []

    def recover(self) -> None:
        """Finish or undo what processes that died were doing."""
        marked = self._files.markers.listed()
        if marked:
            # As the only writer: nobody commits a body or replaces a sidecar meanwhile.
            with self._index.writing() as db:
                for etag in marked:
                    marker = self._files.markers.take(etag, create=False)
                    if marker is not None:
                        with marker:
                            settle(db, self._files, etag)
                            marker.drop()
        with self._index.reading() as db:
            garbage = list_garbage(db)
        for etag in garbage:
            self._files.remove(etag)
        if len(garbage) >= FORGET_AT:
            self._forget(garbage)

    def discard(self, etag: str | None) -> None:
        """Remove a body that an object has just lost, if it had one.

        What was asked of the store has been done by then: a failure here is nobody's failure, the
        note in the index stays for the next opening.
        """
        if etag is None:
            return
        with contextlib.suppress(OSError, sqlite3.Error, CipherbucketError):
            self._files.remove(etag)
            self._removed.append(etag)
            if len(self._removed) < FORGET_AT:
                return
            # Two threads may take one list, and a note be lost: the next opening strikes it out.
            removed, self._removed = self._removed, []
            self._forget(removed)

    def _forget(self, etags: list[str]) -> None:
        for etag in {etag[:2]: etag for etag in etags}.values():  # one of each folder
            with self._files.shard(etag) as shard:
                shard.sync()
        with self._index.writing() as db:
            forget_garbage(db, etags)
