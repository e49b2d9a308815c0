"""The files below a folder, as a listing.

Rule: a folder is walked in the order in which stores list names, a folder at a time, so that both
can be compared as they come.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cipherbucket as cb
from cipherbucket.cli.copying.listings import Item, file_identity
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.local_files.folders import Folder, Place, status_behind

TEMPORARY = re.compile(r"\.cipherbucket-[0-9a-f]{16}\.part")
"""Name of the file that a download is written to until it is finished."""
_NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


def files_below(
    folder: Path, stores: Iterable[str], tally: Tally, *, follow: bool = True
) -> Iterator[Item]:
    """Give the files below a folder, in byte order of their relative names.

    Links to folders are never followed, because they can lead in circles. What is no file, a link
    of another user, the folder of a store that is at work, and the temporary file of a download
    are left out.

    Args:
        folder: Where to look.
        stores: URLs of the stores at work.
        tally: Counts what fails, and what is left out.
        follow: Whether links to files are followed; else they are left out, like all that is left
            out then without a word: it is the target, where only files are ours.
    """
    own = [Path(url.removeprefix("file://")) for url in stores if url.startswith("file://")]
    pending = [_entries(folder, "", tally)]
    while pending:
        found = next(pending[-1], None)
        if found is None:
            pending.pop()
            continue
        relative, entry = found
        path = Path(entry.path)
        kind: str | None = None
        if entry.is_dir(follow_symlinks=False):
            if not _is_one_of(own, path):
                pending.append(_entries(path, relative + "/", tally))
                continue
            kind = "it is the store that is written to"
        else:
            status: os.stat_result | None = None
            with tally.attempt(str(path)):
                kind, status = _kind_of(entry, follow=follow)
            if kind is None:
                if status is not None:
                    led = (status.st_dev, status.st_ino) if entry.is_symlink() else None
                    identity = file_identity(status)
                    yield Item(relative, status.st_size, status.st_mtime_ns, identity, followed=led)
                elif follow:
                    tally.lose_sight(relative)
                continue
        if follow:
            tally.leave_out(relative, str(path), kind)


def _is_one_of(stores: Iterable[Path], folder: Path) -> bool:
    """Return whether a folder is that of a store; one that is gone, of either, is none."""
    for store in stores:
        with suppress(OSError):
            if folder.samefile(store):
                return True
    return False


@contextmanager
def source_file(folder: Folder, item: Item) -> Iterator[Place]:
    """Give the place of a file that was listed below a folder, in its own folder, which is open.

    Raises:
        UsageError: A folder on the way was replaced by a link.
        OSError: It is gone.
    """
    *folders, name = item.relative.split("/")
    with folder.below(folders) as there:
        yield Place(there, name, item.followed)


def _entries(folder: Path, prefix: str, tally: Tally) -> Iterator[tuple[str, os.DirEntry[str]]]:
    entries: list[os.DirEntry[str]] | None = None
    with tally.attempt(str(folder)), os.scandir(folder) as scan:
        entries = sorted(scan, key=_place)
    if entries is None:
        tally.lose_sight(prefix.removesuffix("/"))
        return iter(())
    return ((prefix + entry.name, entry) for entry in entries)


def _place(entry: os.DirEntry[str]) -> bytes:
    """Sort a folder where the names of what is in it stand in a listing."""
    return os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"")


def _kind_of(entry: os.DirEntry[str], *, follow: bool) -> tuple[str | None, os.stat_result | None]:
    """Say what a path is if it is no file; if it is one, what is known of it.

    Neither, if it is gone from the target in the meantime.

    Raises:
        OSError: It cannot be found out.
    """
    path = Path(entry.path)
    if TEMPORARY.fullmatch(path.name):
        return "a download that is not finished", None
    try:
        status = path.stat() if follow else path.lstat()
        if follow and entry.is_symlink():
            status = status_behind(entry.path)
    except cb.UsageError as error:  # what is read through it would be another user's choice
        return error.message, None
    except OSError as error:
        if not follow and error.errno == errno.ENOENT:
            return None, None
        if error.errno in _NOWHERE and path.is_symlink():
            return "a link that leads nowhere", None
        raise
    if stat.S_ISREG(status.st_mode):
        return None, status
    folder = stat.S_ISDIR(status.st_mode)
    return "a link to a folder" if folder else "no file but a device, pipe or socket", None


def file_at(folder: Path, relative: str) -> Iterator[Item]:
    """Give one file of a folder, if it is there and a regular one."""
    with suppress(OSError):
        status = (folder / relative).lstat()
        if stat.S_ISREG(status.st_mode):
            yield Item(relative, status.st_size, status.st_mtime_ns, file_identity(status))
