"""Locks of a directory store: on the store, and on what is under way in it.

Rule: whoever makes a body, or replaces a sidecar, holds the marker of that id from before the first
byte until after the commit: a file, and the lock on it. The system gives up the lock of a process
that dies, however it dies, and leaves the file. So a marker whose lock can be had shows that a
process died, and which id to look after. Only the holder of the lock removes the marker.
Whoever uses the store shares a lock on its folder; a repair has it alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from typing import Self

from cipherbucket.errors import TransientStoreError
from cipherbucket.stores.local.folders import OddFileError, StoreFolder

ID = re.compile(r"[0-9a-f]{32}")
"""What bodies and their markers are called: 16 random bytes."""
_MARKER = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def lock_store(root: StoreFolder, *, alone: bool) -> None:
    """Lock the folder of a store, for use or for repair.

    The lock is given up when the folder's descriptor, and what forks made of it, has been closed.

    Raises:
        TransientStoreError: A repair is under way; or ``alone``, and somebody uses the store.
    """
    try:
        fcntl.flock(root.fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError as error:
        what = "in use" if alone else "being repaired"
        raise TransientStoreError(
            f"file://{root.path} is {what}", hint="try again when nobody else works on it"
        ) from error


class Marker:
    """A marker whose lock this process holds. Closing gives up the lock and leaves the marker."""

    def __init__(self, etag: str, folder: StoreFolder, fd: int) -> None:
        self.etag = etag
        self._folder = folder
        self._fd = fd

    def drop(self) -> None:
        """Remove the marker: the work is done or undone. The lock is held until it is closed."""
        with contextlib.suppress(OSError):  # the work stands all the same; recovery tries again
            self._folder.unlink(self.etag)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


class Markers:
    """The folder of the markers of one directory store."""

    def __init__(self, folder: StoreFolder) -> None:
        self._folder = folder

    def take_new(self) -> Marker:
        """Draw an id for a new body and mark it."""
        while True:
            etag = secrets.token_hex(16)
            marker = self.take(etag)
            if marker is not None:
                return marker

    def take(self, etag: str, *, create: bool = True) -> Marker | None:
        """Take the lock of an id's marker.

        Args:
            etag: The id.
            create: Make the marker where there is none.

        Returns:
            The marker; None if another process holds it, or has just removed it, or if there is
            none and none was to be made.

        Raises:
            OddFileError: A link or the like has its name.
        """
        flags = os.O_CREAT | _MARKER if create else _MARKER
        try:
            fd = os.open(etag, flags, 0o600, dir_fd=self._folder.fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
                raise OddFileError(f"{self._folder.path}/{etag}", "regular file") from error
            raise
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OddFileError(f"{self._folder.path}/{etag}", "regular file")
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between opening and locking, another may have found the marker unlocked, finished
            # its work and removed it. Then this lock is of a file that nobody else can find.
            if os.fstat(fd).st_nlink:
                return Marker(etag, self._folder, fd)
        except BlockingIOError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return None

    def listed(self) -> list[str]:
        """List the ids that have a marker."""
        return [name for name in self._folder.names() if ID.fullmatch(name)]
