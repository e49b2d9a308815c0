"""Rebuilding the index of a directory store from the sidecars beside its bodies.

Rule: a repair has the store alone, destroys no index and removes only what is known to be nobody's:
bodies noted as garbage, bodies whose writer died before it had written the sidecar, bodies that a
later one of the same name replaces, parts of uploads that no index holds. What it cannot judge it
reports and leaves where it is. A sound index has the first word: what was under way is settled by
it, and its unfinished uploads are kept. Whenever a repair is cut short, it can be begun again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cipherbucket.errors import CipherbucketError, StoreError, UsageError
from cipherbucket.stores.local.files import Files
from cipherbucket.stores.local.folders import OddFileError
from cipherbucket.stores.local.index import BESIDE, INDEX_NAME, Index, create_index, index_error
from cipherbucket.stores.local.locks import lock_store
from cipherbucket.stores.local.recovery import Sweeper
from cipherbucket.stores.local.rows import (
    BadRowError,
    id_of_row,
    metadata_of_upload,
    part_of_row,
    upload_of_row,
)
from cipherbucket.stores.local.tables import (
    UnknownVersionError,
    add_garbage,
    find_object,
    list_garbage,
    save_object,
    scan_objects,
)
from cipherbucket.stores.local.trust import reason_to_only_read
from cipherbucket.stores.local.uploads import Uploads

_Row = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairReport:
    """What a repair did, and what it leaves to you.

    Attributes:
        restored: How many objects the new index has.
        orphans: How many bodies were nobody's and have been removed.
        unreadable: Sidecars that cannot be understood; they and their bodies stay.
        differing: Bodies that are missing, or of another size than their sidecars say; what is
            there stays, no object has them.
        nameless: Bodies without a sidecar; they stay, no object has them.
        set_aside: What the index before is called now, if there was one.
    """

    restored: int
    orphans: int
    unreadable: tuple[Path, ...]
    differing: tuple[Path, ...]
    nameless: tuple[Path, ...]
    set_aside: Path | None


@dataclass(slots=True)
class _OldIndex:
    """What a sound index knows that sidecars do not."""

    uploads: list[_Row] = field(default_factory=list)
    parts: list[_Row] = field(default_factory=list)
    garbage: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Findings:
    restored: int = 0
    orphans: set[str] = field(default_factory=set)
    unreadable: list[Path] = field(default_factory=list)
    differing: list[Path] = field(default_factory=list)
    nameless: list[Path] = field(default_factory=list)


def repair_index(path: str | os.PathLike[str], *, trusted: bool = False) -> RepairReport:
    """Rebuild the index of a directory store, lost, damaged or sound.

    Args:
        path: The store's folder; nobody may use the store meanwhile, this process included.
        trusted: Repair it even if others than this user and root can write there, or own it.

    Returns:
        What was done. Of two bodies that claim one name the one written last has it.

    Raises:
        UsageError: The folder is no directory store.
        TransientStoreError: The store is in use.
        StoreError: The folder cannot be read or written, or its version is unknown; or others
            can write there.
    """
    root = Path(path).absolute()
    try:
        if (status := _status(root / "bodies")) is None or not stat.S_ISDIR(status.st_mode):
            raise UsageError(f"file://{root} is no directory store: it has no folder of bodies")
        with contextlib.closing(Files(root)) as files:
            only_read = reason_to_only_read(files.root, trusted=trusted)
            if only_read is not None:
                raise only_read.error(f"file://{root}")
            lock_store(files.root, alone=True)
            return _repair(root, files)
    except sqlite3.Error as error:
        raise index_error(error, f"file://{root}", None) from error
    except OSError as error:
        if isinstance(error, CipherbucketError):
            raise
        where = f": {error.filename}" if error.filename else ""
        raise StoreError(f"file://{root}: {error.strerror or error}{where}") from error


def _repair(root: Path, files: Files) -> RepairReport:
    files.create()  # a folder may have been lost with the index
    old = _read_old_index(files)
    unfinished = set(files.markers.listed())
    found = _Findings()

    def fill(db: sqlite3.Connection) -> None:
        for etag in old.garbage:
            add_garbage(db, etag)
        db.executemany("INSERT INTO uploads VALUES (?, ?, ?, ?, ?)", old.uploads)
        db.executemany("INSERT INTO parts VALUES (?, ?, ?, ?, ?)", old.parts)
        for etag in sorted(set(files.bodies_present()) - old.garbage):
            _claim(db, files, etag, unfinished, found)
        found.orphans.update(list_garbage(db))
        (found.restored,) = db.execute("SELECT count(*) FROM objects").fetchone()

    fresh = root / f"{INDEX_NAME}.rebuilt"
    fresh.unlink(missing_ok=True)  # of a repair that was cut short
    create_index(fresh, fill)
    # What stays must not keep a marker: opening the store would remove it.
    _drop_markers(files, unfinished - found.orphans)
    set_aside = _set_aside(root)
    fresh.rename(root / INDEX_NAME)
    files.root.sync()
    removed = sum(_removed(files, etag) for etag in found.orphans)
    _drop_markers(files, unfinished & found.orphans)
    with contextlib.closing(Index(files.root)) as index:
        Uploads(index, files).sweep()
    return RepairReport(
        restored=found.restored,
        orphans=removed,
        unreadable=tuple(found.unreadable),
        differing=tuple(found.differing),
        nameless=tuple(found.nameless),
        set_aside=set_aside,
    )


def _status(path: Path) -> os.stat_result | None:
    """Say what lies there, links not followed."""
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read_old_index(files: Files) -> _OldIndex:
    """Let a sound index settle what was under way, and read what only it knows."""
    if files.root.status(INDEX_NAME) is None:
        return _OldIndex()
    try:
        with contextlib.closing(Index(files.root)) as index:
            with index.reading() as db:
                if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    return _OldIndex()
                old = _OldIndex(*_checked_uploads(db))
            Sweeper(index, files).recover()
            with index.reading() as db:
                _write_lost_sidecars(db, files)
                old.garbage.update(list_garbage(db))
                return old
    except UnknownVersionError:
        raise
    except (sqlite3.Error, StoreError, BadRowError, OddFileError):
        return _OldIndex()


def _checked_uploads(db: sqlite3.Connection) -> tuple[list[_Row], list[_Row]]:
    """Return the rows of unfinished uploads and of their parts.

    Raises:
        BadRowError: One cannot be ours.
    """
    uploads = db.execute("SELECT id, name, started, metadata, headers FROM uploads").fetchall()
    for row in uploads:
        metadata_of_upload(upload_of_row(row[:3]).name, row[3:])
    parts = db.execute("SELECT upload, number, size, etag, crc64 FROM parts").fetchall()
    for row in parts:
        id_of_row("parts", row[0])
        part_of_row(row[1:])
    return uploads, parts


def _write_lost_sidecars(db: sqlite3.Connection, files: Files) -> None:
    """Give bodies that a sound index knows the sidecars that they lost: the index is the truth."""
    for entry in scan_objects(db, b""):
        stored = find_object(db, entry.name)
        if stored is None:
            continue
        try:
            files.load_sidecar(stored.etag)
        except (FileNotFoundError, ValueError):
            if files.body_size(stored.etag) == stored.size:
                files.save_sidecar(stored, replace=True)


def _claim(
    db: sqlite3.Connection, files: Files, etag: str, unfinished: set[str], found: _Findings
) -> None:
    """Give a body its name, unless a later one has it, or say why it cannot have one."""
    try:
        stored = files.load_sidecar(etag)
    except FileNotFoundError:
        if etag in unfinished:  # no object ever had it: a commit comes after the sidecar
            found.orphans.add(etag)
        else:
            found.nameless.append(Path(files.body(etag)))
        return
    except ValueError:
        found.unreadable.append(Path(files.sidecar(etag)))
        return
    if files.body_size(etag) != stored.size:
        found.differing.append(Path(files.body(etag)))
        return
    there = find_object(db, stored.name)
    if there is not None and there.modified > stored.modified:
        add_garbage(db, etag)
    else:
        save_object(db, stored)  # and the body that had the name becomes garbage


def _set_aside(root: Path) -> Path | None:
    """Rename the log of the index, which SQLite would replay, and give the index a second name.

    The index has its own until the new one takes it: a repair that is cut short in between finds
    it there when it is begun again, with all that only it knows. What is no file is renamed.
    """
    aside = root / f"{INDEX_NAME}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    kept = None
    for suffix in BESIDE:
        with contextlib.suppress(FileNotFoundError):
            (root / f"{INDEX_NAME}{suffix}").rename(f"{aside}{suffix}")
            kept = aside
    status = _status(root / INDEX_NAME)
    if status is None:
        return kept
    if stat.S_ISREG(status.st_mode):
        os.link(root / INDEX_NAME, aside)
    else:
        (root / INDEX_NAME).rename(aside)
    return aside


def _removed(files: Files, etag: str) -> bool:
    with files.shard(etag) as shard:
        there = any(shard.status(name) is not None for name in (etag, f"{etag}.json"))
    files.remove(etag)
    return there


def _drop_markers(files: Files, etags: set[str]) -> None:
    for etag in etags:
        marker = files.markers.take(etag, create=False)
        if marker is not None:
            with marker:
                marker.drop()
