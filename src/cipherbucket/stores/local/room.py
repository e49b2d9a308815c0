"""A full disk: reading and deleting go on, and nothing dies.

Rule: a store keeps a reserve, a file of some blocks that nobody uses. It is given up when opening
or deleting finds no room, and made again when there is plenty. Where that does not help, the store
is only read.

The shared memory of SQLite's WAL is a mapped file, of which SQLite writes one byte in each 4 KiB.
On a file system with smaller blocks the others are holes: a full disk then kills the process
(SIGBUS) where it touches one. There the index keeps a rollback journal, and nothing is mapped.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from cipherbucket.stores.local.folders import StoreFolder

T = TypeVar("T")

RESERVE = "reserve"
"""What the file is called, in ``staging``."""
RESERVE_BYTES = 256 << 10
_PLENTY = 4 * RESERVE_BYTES
_SCARCE = 4 * RESERVE_BYTES
"""With less room than this an error of SQLite, which does not say it always, is for lack of it."""
_MAPPED_BLOCK = 4096
_FULL = {errno.ENOSPC, errno.EDQUOT}
_PERHAPS_FULL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


def maps_safely(folder: StoreFolder) -> bool:
    """Say whether the WAL's shared memory can be used on the file system of a folder."""
    return os.fstatvfs(folder.fd).f_frsize >= _MAPPED_BLOCK


def result_code(error: sqlite3.Error) -> int:
    """Return SQLite's code of an error, without its details; 0 for an error of Python's own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def lacks_room(error: Exception, folder: StoreFolder) -> bool:
    """Say whether an error came because the disk is full."""
    if isinstance(error, sqlite3.Error):
        code = result_code(error)
        return code == sqlite3.SQLITE_FULL or (code in _PERHAPS_FULL and _room(folder) < _SCARCE)
    return isinstance(error, OSError) and error.errno in _FULL


def with_reserve(step: Callable[[], T], staging: StoreFolder) -> T:
    """Do something that takes little room; where there is none, give up the reserve for it."""
    try:
        return step()
    except (sqlite3.Error, OSError) as error:
        if not lacks_room(error, staging) or staging.status(RESERVE) is None:
            raise
    staging.unlink(RESERVE)
    staging.sync()  # what was given up can be used
    return step()


def keep_reserve(staging: StoreFolder) -> None:
    """Make the reserve where it is missing and there is plenty of room."""
    if staging.status(RESERVE) is not None or _room(staging) < _PLENTY:
        return
    if not hasattr(os, "posix_fallocate"):
        return
    with suppress(OSError):
        fd = staging.new_file(RESERVE)
        try:
            os.posix_fallocate(fd, 0, RESERVE_BYTES)
        finally:
            os.close(fd)


def _room(folder: StoreFolder) -> int:
    status = os.fstatvfs(folder.fd)
    return status.f_bavail * status.f_frsize
