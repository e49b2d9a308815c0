"""A folder that objects are written below.

Rule: names come from a hostile store. One becomes a file only if every part of it is an ordinary
name, and only below the target folder: no link in that folder is followed, and nothing but a
regular file is ever replaced or deleted. The folders are held open meanwhile, so that this is true
also of links that another user makes in the middle of it. Two names that are one to the file system
never become one file, also not when they are on their way at once.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import unicodedata
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import cipherbucket as cb
from cipherbucket.cli.copying.changed_kinds import find_in_the_way, make_room
from cipherbucket.cli.copying.listings import file_identity
from cipherbucket.cli.copying.places import refuse_folder_of
from cipherbucket.local_files.folders import Folder, Place, open_folder

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOOK = _OPEN | getattr(os, "O_PATH", 0)


class TargetFolder:
    """A folder that objects of a hostile store are written below; a context manager.

    Args:
        folder: As the user named it; made when the first object comes, and held open from then on.
        store_url: Where the objects lie; nothing is written into the folder of that store.
    """

    def __init__(self, folder: Path, store_url: str = "") -> None:
        self._path = folder
        self._store_url = store_url
        self._outside: set[str] = set()
        self._folder: Folder | None = None
        self._opening = threading.Lock()
        self._written: dict[int, str] = {}
        self._claims = threading.Condition()
        self._claimed: set[str] = set()
        self._given: set[int] = set()

    def check(self, relative: str) -> None:
        """Refuse, for a dry run, a name that no file can be written under.

        Raises:
            UsageError: The name would leave the folder, or the folder it is in cannot be written.
        """
        folder = self._path.joinpath(*safe_parts(relative)[:-1])
        there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
        if there.is_dir() and not os.access(there, os.W_OK | os.X_OK):
            raise _unwritable(self._path / relative, os.strerror(errno.EACCES))

    @contextmanager
    def claimed(self, relative: str) -> Iterator[Place]:
        """Give the place for a name, and keep names away that could be the same.

        Raises:
            UsageError: The name would leave the folder or lead into the store's, or something is in
                its way; or a folder cannot be made.
        """
        folded = _folded(relative)
        with self._claims:
            while folded in self._claimed:
                self._claims.wait()
            self._claimed.add(folded)
        try:
            with self._placed(relative) as place:
                yield place
        finally:
            with self._claims:
                self._claimed.discard(folded)
                self._claims.notify_all()

    @contextmanager
    def _placed(self, relative: str) -> Iterator[Place]:
        *folders, last = safe_parts(relative)
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(self._opened(make=True).below(folders, make=True))
                self._refuse_store(folder)
                place = Place(folder, last)
                status = place.status()
            except OSError as error:
                raise _unwritable(self._path / relative, error.strerror) from error
            if status is not None and not stat.S_ISREG(status.st_mode):
                raise cb.UsageError(f"{place} is no file and is not replaced")
            if status is not None and self._was_written(status):
                raise cb.UsageError(
                    f"{place} was just written for another object, whose name is the same to this"
                    " file system",
                    hint="copy it by itself to another name",
                )
            yield place

    def _refuse_store(self, folder: Folder) -> None:
        """Refuse the folder of the store, which can lie below the target folder."""
        if folder.path not in self._outside:
            refuse_folder_of(self._store_url, Path(folder.path))
            self._outside.add(folder.path)

    def remember(self, place: Place) -> None:
        """Remember what was written, since file systems take names for one that stores do not."""
        status = place.status()
        if status is not None:
            self.remember_number((status.st_dev, status.st_ino), Path(place))

    def remember_number(self, number: tuple[int, int], path: Path) -> None:
        """Remember what was written, by device and number of the file."""
        with self._claims:
            self._written[_identity(*number)] = str(path)

    def is_new(self, relative: str) -> bool:
        """Return whether no file system takes a name for one that was asked for before.

        Of a great many names a few that are new count as known.
        """
        folded = hash(_folded(relative))
        is_new = folded not in self._given
        self._given.add(folded)
        return is_new

    def holds(self, relative: str, identity: str) -> bool:
        """Return whether a file is there that is known by this `file_identity`."""
        with suppress(OSError, cb.UsageError):
            *folders, last = safe_parts(relative)
            with self._opened().below(folders) as folder:
                status = folder.status(last)
            return status is not None and file_identity(status) == identity
        return False

    def delete(self, relative: str) -> None:
        """Delete a file, unless it was just written under a name that is the same to the disk.

        Raises:
            UsageError: It is no regular file, or a link is on the way to it.
            OSError: It is gone, or cannot be deleted.
        """
        *folders, last = relative.split("/")
        with self._opened().below(folders) as folder:
            status = folder.status(last)
            if status is not None and not stat.S_ISREG(status.st_mode):
                raise cb.UsageError(f"{Place(folder, last)} is no file and is not deleted")
            if status is None or not self._was_written(status):
                os.unlink(last, dir_fd=folder.descriptor)

    def find_in_the_way(self, relative: str) -> str | None:
        """Return what is a file where a name has a folder, or the folder that has the name."""
        # There is no target folder yet, or the name leads out of it, or into the store.
        with suppress(OSError, cb.UsageError):
            safe_parts(relative)
            way = find_in_the_way(self._opened(), relative)
            if way is not None:
                with self._opened().below(way.split("/")[:-1]) as folder:
                    self._refuse_store(folder)
            return way
        return None

    @contextmanager
    def temporary(self, relative: str) -> Iterator[Place]:
        """Give the place for a file that is moved when it is finished, and removed if not.

        It is always the same for a name, so that a download that was interrupted can go on, and
        what a killed process left is replaced.
        """
        digest = hashlib.sha256(os.fsencode(relative)).hexdigest()
        place = Place(self._opened(), f".cipherbucket-{digest[:16]}.part")
        try:
            yield place
        finally:
            with suppress(FileNotFoundError):
                os.unlink(place.name, dir_fd=place.folder.descriptor)

    def move(self, finished: Place, relative: str, removable: Collection[str]) -> None:
        """Move a file to the place for a name, after what is in its way was deleted.

        Args:
            finished: The file.
            relative: The name.
            removable: The names of files that may be deleted for it.

        Raises:
            UsageError: Something in the way may not be deleted, and nothing was; or it cannot be.
            OSError: The file cannot be moved.
        """
        make_room(self._opened(), relative, removable)
        with self.claimed(relative) as place:
            here, there = finished.folder.descriptor, place.folder.descriptor
            os.rename(finished.name, place.name, src_dir_fd=here, dst_dir_fd=there)
            self.remember(place)

    def close(self) -> None:
        """Close the folder."""
        with self._opening:
            if self._folder is not None:
                self._folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, *, make: bool = False) -> Folder:
        with self._opening:
            if self._folder is None:
                self._folder = open_folder(self._path, make=make)
            return self._folder

    def _was_written(self, status: os.stat_result) -> bool:
        """Return whether a file is one that was written here and is where it was written still.

        When another process replaces what was written, the number of its file is free for any.
        """
        identity = _identity(status.st_dev, status.st_ino)
        path = self._written.get(identity)
        if path is None:
            return False
        there = _status(Path(path))
        return there is not None and _identity(there.st_dev, there.st_ino) == identity


def _unwritable(path: Path, reason: str | None) -> cb.UsageError:
    return cb.UsageError(
        f"{path} cannot be written: {reason}",
        hint="check that the folder can be made, and is writable",
    )


def safe_parts(relative: str) -> tuple[str, ...]:
    """Split an object's name into the parts of a path below a folder.

    Raises:
        UsageError: It begins with a slash, or a part is empty, ``.`` or ``..``, or holds what no
            file name can.
    """
    parts = tuple(relative.split("/"))
    if {"", ".", ".."}.intersection(parts) or "\0" in relative or not _is_text(relative):
        raise cb.UsageError(
            "the name makes no path below the target folder",
            hint="copy the object by itself: cipherbucket cp URL FILE",
        )
    return parts


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def set_time(place: Place, modified: int) -> None:
    """Give a file that was written its time, in nanoseconds since 1970.

    Raises:
        UsageError: Somebody put another file there meanwhile.
        OSError: It is gone, or cannot be opened.
    """
    file: int | str
    try:
        file = descriptor = os.open(place.name, _OPEN, dir_fd=place.folder.descriptor)
    except PermissionError:  # its permissions let its owner not read it
        descriptor = os.open(place.name, _LOOK, dir_fd=place.folder.descriptor)
        file = f"/proc/self/fd/{descriptor}"
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_nlink != 1:
            raise cb.UsageError(f"{place} was replaced meanwhile")
        os.utime(file, ns=(modified, modified))
    finally:
        os.close(descriptor)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _identity(device: int, number: int) -> int:
    """Return device and file as one number, of which a great many can be remembered."""
    return device << 64 | number


def _folded(name: str) -> str:
    """Return what is the same for all names that some file system takes for one."""
    once = unicodedata.normalize("NFKD", name).casefold()
    visible = "".join(char for char in once if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKD", visible)
