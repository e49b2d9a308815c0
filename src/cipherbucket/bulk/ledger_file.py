"""The file of a ledger: where it lies, who may have put it, and what has to be in it.

Rule: it is ours, or it is not used. One that is damaged, or of another version, is replaced: what
it said is looked at again. It is locked from the moment it is open.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from cipherbucket.errors import UsageError
from cipherbucket.transfers.state import check_own, open_own, state_folder, state_or_none

_log = logging.getLogger("cipherbucket")

_LOOKS = 5
_PAUSE = 0.05
"""Seconds between two looks at a ledger that is to be removed."""
_VERSION = 5
_SCHEMA = """\
CREATE TABLE outcomes (
    name BLOB NOT NULL,      -- UTF-8
    version_id TEXT NOT NULL,
    validator TEXT NOT NULL, -- of the object that was worked on, as a listing shows it
    status TEXT NOT NULL,
    size INTEGER NOT NULL,
    detail TEXT NOT NULL,    -- JSON
    run INTEGER NOT NULL,    -- the last in which a listing showed it
    PRIMARY KEY (name, version_id)
) WITHOUT ROWID"""
_STARTED = "CREATE TABLE pass (started TEXT NOT NULL)"
_RANGES = """\
CREATE TABLE ranges (
    start_after BLOB NOT NULL, -- UTF-8; all names after it ...
    last BLOB                  -- ... up to this one were done by a worker; NULL for all
)"""

_STEPS = """\
CREATE TABLE steps (
    start_after BLOB NOT NULL, -- UTF-8; a worker was given the names after it (or this part) ...
    end_before BLOB NOT NULL   -- ... and before this one; empty for all
)"""


def path_of(purpose: str, *identity: str) -> Path | None:
    """Return where the ledger of a pass is kept; None if nothing can be kept."""
    folder = state_or_none(state_folder())
    digest = hashlib.sha256(json.dumps([purpose, *identity]).encode()).hexdigest()
    return None if folder is None else folder / f"{purpose}-{digest[:32]}.ledger"


class LedgerInUseError(UsageError):
    """Another process, or thread, has the ledger open."""


def opened(path: Path) -> sqlite3.Connection:
    """Open a ledger; one that is damaged, or of another version, is replaced.

    Raises:
        ForeignFileError: Somebody else could have put it, or a file that SQLite keeps beside it.
        LedgerInUseError: Another process has it.
        UsageError: It cannot be opened.
    """
    for last in (False, True):
        db = None
        try:
            for each in files_of(path):
                check_own(each)
            os.close(open_own(path, os.O_RDWR | os.O_CREAT))
            db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            _prepare(db)
        except (OSError, sqlite3.Error, _OtherVersionError) as error:
            if db is not None:
                db.close()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise LedgerInUseError(
                    f"another process is at this pass: {path} is locked",
                    hint="wait for it, or stop it; two at once would do all work twice",
                ) from error
            if last or isinstance(error, OSError):
                raise unusable(path, error) from error
            _log.warning("%s cannot be used (%s): the pass starts again", path, error)
            for each in files_of(path):
                each.unlink(missing_ok=True)
        else:
            return db
    raise AssertionError


def unusable(path: Path, error: Exception) -> UsageError:
    """Return what is said where no ledger can be kept."""
    return UsageError(
        f"no ledger can be kept at {path}: {error}",
        hint="free space there, or point CIPHERBUCKET_STATE to a folder that can be written",
    )


class _OtherVersionError(Exception):
    pass


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA trusted_schema=OFF")
    db.execute("PRAGMA locking_mode=EXCLUSIVE")  # until it is closed; a killed process holds none
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")  # a power cut loses the last lines, and damages none
    db.execute("BEGIN EXCLUSIVE")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        db.execute(_SCHEMA)
        db.execute(_STARTED)
        db.execute(_RANGES)
        db.execute(_STEPS)
        db.execute("INSERT INTO pass VALUES (?)", (datetime.now(UTC).isoformat(),))
        db.execute(f"PRAGMA user_version={_VERSION}")
    elif version != _VERSION:
        raise _OtherVersionError(f"version {version}")
    # Before the first write: another schema could hold triggers.
    tables = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_master")}
    if tables != {_SCHEMA, _STARTED, _RANGES, _STEPS}:
        raise _OtherVersionError("another schema")
    db.execute("COMMIT")
    if db.execute("SELECT count(*) FROM pass").fetchone() != (1,):
        raise _OtherVersionError("without its start")


def remove_unused(path: Path) -> None:
    """Remove a ledger, unless a process has it open or somebody else could have put it there.

    Two processes that want to remove it may each find it locked by the other, so both look again.
    """
    for _ in range(_LOOKS):
        if not path.exists():
            return
        try:
            with closing(opened(path)):
                for each in reversed(files_of(path)):
                    each.unlink(missing_ok=True)
        except LedgerInUseError:
            time.sleep(_PAUSE * random.uniform(0.5, 1))  # noqa: S311  not in step
        except UsageError:
            return


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the file, and those that SQLite keeps beside it."""
    return tuple(Path(f"{path}{end}") for end in ("", "-wal", "-shm", "-journal"))
