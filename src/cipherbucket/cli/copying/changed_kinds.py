"""What was a folder and became a file, or the reverse.

A store can hold ``item`` and ``item/x``, a folder cannot. Where a file of one name and a folder of
the same name meet, what is only in the target makes room, at the end and for what was fetched by
then: with ``--delete`` alone, and of regular files and folders that are empty without them alone.
Anything else in there (a link, what the patterns leave out) stays, and is an error.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass

import cipherbucket as cb
from cipherbucket.cli.copying.listings import MergedItem
from cipherbucket.local_files.folders import Folder


class InTheWayError(cb.UsageError):
    """A folder lies where a file is to be, or the reverse.

    Attributes:
        relative: The name that was to be written.
        replace: Writes it all the same, and returns its bytes: called with the names that may be
            deleted for it. None in a dry run.
    """

    def __init__(
        self, way: str, relative: str, replace: Callable[[Collection[str]], int] | None = None
    ) -> None:
        super().__init__(
            f"{way!r} is a {'folder' if way == relative else 'file'} in the target and"
            f" a {'file' if way == relative else 'folder'} in the source",
            hint="move it away, or add --delete",
        )
        self.relative = relative
        self.replace = replace


@dataclass
class _Seen:
    name: str
    in_source: bool
    in_target: bool
    counted: bool = False

    def became(self, other: _Seen) -> bool:
        """Return whether one is in the source alone and the other in the target alone."""
        sides = {(self.in_source, self.in_target), (other.in_source, other.in_target)}
        return sides == {(True, False), (False, True)}


class ChangedKinds:
    """Counts, while two listings pass, the names that are a file here and a folder there.

    Attributes:
        count: How many there were.
    """

    def __init__(self) -> None:
        self.count = 0
        self._begun: list[_Seen] = []  # each begins the next: as many as a name has characters

    def look_at(self, item: MergedItem) -> None:
        """Look at the next name of both listings."""
        seen = _Seen(item.relative, item.source is not None, item.target is not None)
        while self._begun and not seen.name.startswith(self._begun[-1].name):
            self._begun.pop()
        for each in self._begun:
            inside = seen.name.startswith(each.name + "/")
            if inside and each.became(seen) and not each.counted:
                each.counted = True
                self.count += 1
        self._begun.append(seen)


def making_room(names: Iterable[str], wanted: Collection[str]) -> set[str]:
    """Choose, of names, those that are a folder of one that is wanted, or lie below one."""
    above = {each for name in wanted for each in _folders_of(name)}
    return {
        name for name in names if name in above or any(each in wanted for each in _folders_of(name))
    }


def find_in_the_way(root: Folder, relative: str) -> str | None:
    """Return what is a file where the name has a folder, or the folder that has the name itself."""
    for above in _folders_of(relative):
        status = _status(root, above)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return above if status is not None and stat.S_ISREG(status.st_mode) else None
    status = _status(root, relative)
    return relative if status is not None and stat.S_ISDIR(status.st_mode) else None


def make_room(root: Folder, relative: str, removable: Collection[str]) -> None:
    """Delete what is in the way of a name, if all of it may be deleted.

    Args:
        root: The target folder.
        relative: The name.
        removable: The names of files in it that may be deleted.

    Raises:
        UsageError: Something in the way may not be deleted, and nothing was; or it cannot be.
        OSError: It cannot be looked at.
    """
    way = find_in_the_way(root, relative)
    if way is None:
        return
    files, folders = ([way], []) if way != relative else _all_in(root, way)
    for each in files:
        status = _status(root, each)
        if each not in removable or status is None or not stat.S_ISREG(status.st_mode):
            raise cb.UsageError(
                f"{each!r} is in the way, and --delete does not delete it",
                name=relative,
                hint="it is in the source, left out by the patterns, or no file; move it away",
            )
    for each in files:
        _remove(root, each, os.unlink)
    for each in reversed(folders):
        _remove(root, each, os.rmdir)


def _all_in(root: Folder, folder: str) -> tuple[list[str], list[str]]:
    """Return all that is in a folder that is no folder, and the folders, each after its own."""
    files: list[str] = []
    folders = [folder]
    for each in folders:
        with root.below(each.split("/")) as opened, os.scandir(opened.descriptor) as entries:
            names = sorted(f"{each}/{entry.name}" for entry in entries)
        for name in names:
            status = _status(root, name)
            is_folder = status is not None and stat.S_ISDIR(status.st_mode)
            (folders if is_folder else files).append(name)
    return files, folders


def _remove(root: Folder, relative: str, how: Callable[..., None]) -> None:
    *folders, last = relative.split("/")
    try:
        with suppress(FileNotFoundError), root.below(folders) as folder:
            how(last, dir_fd=folder.descriptor)
    except OSError as error:
        raise cb.UsageError(
            f"{relative!r} is in the way and cannot be deleted: {error.strerror}",
            hint="see who may write to its folder, or move it away",
        ) from error


def _status(root: Folder, relative: str) -> os.stat_result | None:
    *folders, last = relative.split("/")
    try:
        with root.below(folders) as folder:
            return folder.status(last)
    except (cb.UsageError, OSError):  # a link, or gone: it shows when the file is to be written
        return None


def _folders_of(relative: str) -> list[str]:
    parts = relative.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]
