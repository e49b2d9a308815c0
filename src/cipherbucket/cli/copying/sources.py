"""Where the names of a copy come from: files and folders, objects and prefixes, also several.

Rule: every item has a name relative to the target. One folder or prefix gives the names below it.
Of several sources each keeps its own last part, as with cp of a shell: ``cp -r a b TARGET`` makes
a/... and b/.... A pattern gives the names below the last folder before its first wildcard. Two
sources that would give one name are refused before anything is copied.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import cipherbucket as cb
from cipherbucket.cli.copying.listings import (
    Item,
    file_identity,
    is_folder_marker,
    item_of,
    nanoseconds,
    object_identity,
)
from cipherbucket.cli.copying.local_files import files_below, source_file
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.copying.written import Seen, is_as_seen
from cipherbucket.cli.no_object import (
    ADD_R,
    FOLDER_AND_GLOBS,
    LEAVE_OUT_R,
    NAME_OR_R,
    no_object,
    nothing_below,
)
from cipherbucket.cli.options.config import split_url
from cipherbucket.cli.options.parsing import folder_name, split_object_url
from cipherbucket.cli.options.wildcards import Pattern, has_wildcards, meant_by
from cipherbucket.local_files.folders import Folder, Place, open_source

COPY_ONE = "copy one file or object with cp"
"""The way on of commands that take folders alone."""
_SECOND = 1_000_000_000


@dataclass(frozen=True)
class Files:
    """A folder, or one file.

    Attributes:
        path: It.
        below: What the names of its files begin with in the target; of one file, its whole name.
        folder: The folder, held open; None for one file.
        number: Its device and number, where another process opens it.
    """

    path: Path
    below: str
    folder: Folder | None
    number: tuple[int, int] | None = None

    def items(self, stores: Sequence[str], tally: Tally) -> Iterator[Item]:
        """List the files."""
        if self.folder is not None:
            for item in files_below(self.path, stores, tally):
                yield replace(item, relative=self.below + item.relative)
            return
        with tally.attempt(str(self.path)):
            status = self.path.stat()
            led = (status.st_dev, status.st_ino) if self.path.is_symlink() else None
            identity = file_identity(status)
            yield Item(self.below, status.st_size, status.st_mtime_ns, identity, followed=led)

    def opened(self, item: Item) -> AbstractContextManager[Path | Place]:
        """Give the place of a file."""
        if self.folder is None:
            return nullcontext(self.path)
        inside = replace(item, relative=item.relative.removeprefix(self.below))
        return source_file(self.folder, inside)

    def closed(self) -> Files:
        """Return the same for another process, which opens the folder itself."""
        return replace(self, folder=None, number=_number(self.folder))

    def reopened(self, stack: ExitStack) -> Files:
        """Return what was `closed`, with its folder open until the stack is closed.

        Raises:
            SourceError: Another folder has its path by now, whose files are not those of a listing.
        """
        is_folder = not self.below or self.below.endswith("/")
        folder = stack.enter_context(open_source(self.path)) if is_folder else None
        if _number(folder) != self.number:
            raise cb.SourceError(
                f"{self.path} is another folder than the one that was listed",
                hint="run the same command again",
            )
        return replace(self, folder=folder)

    def path_of(self, item: Item) -> Path:
        """Return the path of a file, for messages and comparisons."""
        if self.folder is None:
            return self.path
        return self.path / item.relative.removeprefix(self.below)

    def remove(self, item: Item) -> None:
        """Remove a file that was copied, if it is still the one that was listed.

        Raises:
            SourceError: It was changed, or replaced, meanwhile; or it cannot be removed.
            OSError: It cannot be looked at.
        """
        with self.opened(item) as place:
            status = place.status() if isinstance(place, Place) else place.lstat()
            if item.followed or status is None or file_identity(status) != item.identity:
                raise cb.SourceError(
                    "the file is another than the one that was copied; both are left",
                    name=str(self.path_of(item)),
                    hint="move it again",
                )
            try:
                if isinstance(place, Place):
                    os.unlink(place.name, dir_fd=place.folder.descriptor)
                else:
                    place.unlink()
            except OSError as error:
                raise cb.SourceError(
                    f"the file was copied and cannot be removed: {error.strerror}; both are left",
                    name=str(self.path_of(item)),
                    hint="see who may write to its folder, and remove it",
                ) from error


def _number(folder: Folder | None) -> tuple[int, int] | None:
    if folder is None:
        return None
    status = os.fstat(folder.descriptor)
    return status.st_dev, status.st_ino


@dataclass(frozen=True)
class Objects:
    """The objects below a prefix, one object, or those that fit a pattern.

    Attributes:
        prefix: What the names begin with; of one object, its name.
        parent: What is taken away from a name to make it relative.
        fits: Whether a name is meant.
        missing: What is wrong if there is none; of one object that is known.
        is_one: Whether it is one object.
        is_folder: Whether it is all below a prefix.
        named: What the user gave, without the store.
        renamed: What this one is called in the target.
        takes_wildcards: Whether some would have been signs, in a command that takes single objects.
    """

    prefix: str
    parent: str
    fits: Callable[[str], bool]
    missing: str
    named: str
    is_one: bool = False
    is_folder: bool = False
    renamed: str = ""
    takes_wildcards: bool = True

    def named_alone(self) -> Objects:
        """Return the same for another process, which asks for names and lists nothing."""
        return replace(self, fits=bool)

    def takes(self, name: str) -> bool:
        """Return whether an object of this name is one of them, if it is there."""
        return name.startswith(self.prefix) and self.fits(name)

    def entries(self, bucket: cb.Bucket) -> Iterator[cb.Entry]:
        """List all that is meant."""
        for entry in bucket.list(self.prefix):
            if self.fits(entry.name):
                yield entry
            if self.is_one:  # it comes first of its listing
                return

    def items(self, bucket: cb.Bucket) -> Iterator[Item]:
        """List the objects but for those that only stand for folders."""
        for entry in self.entries(bucket):
            item = item_of(entry, self.renamed or entry.name.removeprefix(self.parent))
            if not is_folder_marker(item.relative, entry.size):
                yield item

    def name_of(self, item: Item) -> str:
        """Return the name of an object."""
        return self.prefix if self.is_one else self.parent + item.relative

    def refuse_missing(self, bucket: cb.Bucket) -> None:
        """Refuse what no name fits: it was mistyped, or what was there is gone.

        Raises:
            ObjectNotFoundError: There is nothing.
        """
        if (self.is_folder and not self.prefix) or next(self.items(bucket), None) is not None:
            return
        if self.is_one:
            raise no_object(self.prefix, bucket, ADD_R)
        if self.is_folder and self.takes_wildcards:
            raise nothing_below(self.prefix, bucket, self.missing, wildcards=None)
        if self.is_folder:
            raise nothing_below(self.prefix, bucket, self.missing, COPY_ONE, FOLDER_AND_GLOBS)
        raise cb.ObjectNotFoundError(self.missing)


def files_of(
    paths: Sequence[str],
    stack: ExitStack,
    *,
    recursive: bool,
    name: str | None = None,
    one: str = LEAVE_OUT_R,
) -> list[Files]:
    """Open files and folders until the stack is closed.

    Args:
        paths: They.
        stack: Closes them.
        recursive: Whether they may be folders.
        name: What one file is called in the target; None for its own name.
        one: What to do if it is one file where a folder is meant.

    Raises:
        UsageError: One is missing, or is a folder without ``recursive``; or two have one name.
    """
    alone = len(paths) == 1
    found = []
    for each in paths:
        path = Path(each)
        if not path.exists():
            raise no_such_file(each, "folder" if recursive and alone else "file")
        if recursive and alone and not path.is_dir():
            raise cb.UsageError(f"{each} is no folder", hint=one)
        own = Path(os.path.realpath(path)).name if path.name in {"", "..", "."} else path.name
        if path.is_dir():
            if not recursive:
                raise cb.UsageError(f"{each} is a folder", hint="add -r to copy all in it")
            folder = stack.enter_context(open_source(path))
            found.append(Files(path, "" if alone else f"{own}/", folder))
        else:
            found.append(Files(path, name or own, None))
    _refuse_twice([each.below.rstrip("/") for each in found if each.below])
    return found


def no_such_file(path: str, kind: str = "file") -> cb.UsageError:
    """Return the error of a file or a folder that is not there."""
    shells = has_wildcards(path) and not os.path.lexists(path)
    hint = "the shell replaces wildcards of files: leave out the quotes, and see that a file fits"
    return cb.UsageError(f"{path}: there is no such {kind}", hint=hint if shells else None)


def sources_at(
    urls: Sequence[str],
    bucket: cb.Bucket,
    *,
    recursive: bool,
    name: str | None = None,
    patterns: bool = True,
) -> list[Objects]:
    """Return the objects that URLs of one bucket stand for, to be copied.

    Args:
        urls: They.
        bucket: Where they are.
        recursive: Whether they are prefixes.
        name: What one object is called in the target; None for the last part of its name.
        patterns: Whether they may be patterns.

    Raises:
        UsageError: Two would get one name, or one could be a name and a pattern.
        ObjectNotFoundError: There is nothing at one of them.
    """
    found = [objects_at(url, bucket, recursive=recursive, patterns=patterns) for url in urls]
    if len(urls) > 1:
        found = [
            replace(each, parent=_parent(each.parent)) if each.is_folder else each for each in found
        ]
    if name is not None:
        found = [replace(each, renamed=name) for each in found]
    for each in found:
        each.refuse_missing(bucket)
    if len(found) > 1:
        if all(each.is_one or each.is_folder for each in found):
            _refuse_twice([each.prefix.removeprefix(each.parent) for each in found])
        else:  # only the names tell; they are listed once more when they are copied
            _refuse_same([each.items(bucket) for each in found])
    return found


def objects_at(url: str, bucket: cb.Bucket, *, recursive: bool, patterns: bool = True) -> Objects:
    """Return the objects that a URL stands for; there may be none.

    Args:
        url: It.
        bucket: Where it is.
        recursive: Whether it is a prefix.
        patterns: Whether it may be a pattern.

    Raises:
        UsageError: It could be a name and a pattern.
    """
    _, written = split_url(url) if recursive else split_object_url(url, NAME_OR_R)
    name = meant_by(written, bucket, recursive=recursive) if patterns else written
    if isinstance(name, Pattern):
        fits = name.fits_below if recursive else name.fits
        missing = f"there is no object that fits '{name.text}'"
        return Objects(name.prefix, name.folder, fits, missing, name.text)
    if recursive:
        prefix = folder_name(name)
        missing = f"there is no object whose name begins with {prefix!r}"
        return Objects(
            prefix,
            prefix,
            lambda _: True,
            missing,
            prefix,
            is_folder=True,
            takes_wildcards=patterns,
        )
    return Objects(name, _parent(name), lambda each: each == name, "", name, is_one=True)


def merged_items(listings: Sequence[Iterator[Item]]) -> Iterator[Item]:
    """Give the items of several listings in byte order, each with the number of its listing.

    Raises:
        UsageError: Two listings have one name.
    """
    numbered = [_numbered(items, number) for number, items in enumerate(listings)]
    before: tuple[str, int] | None = None
    for item in heapq.merge(*numbered, key=lambda item: os.fsencode(item.relative)):
        if before is not None and before[0] == item.relative and before[1] != item.source:
            raise _twice(item.relative)
        before = item.relative, item.source
        yield item


def remove_copied(bucket: cb.Bucket, name: str, item: Item, seen: Seen | None) -> None:
    """Remove an object that was copied, if it is still the one that was listed.

    Args:
        bucket: Where it is.
        name: Its name.
        item: As it was listed.
        seen: What else it was before it was copied; None if its time shows that.

    Raises:
        ObjectChangedError: It was replaced meanwhile.
    """
    info = bucket.head(name)
    # The time shows what an ETag need not: other metadata, or this very copy.
    if (
        object_identity(info.etag, info.stored_size) != item.identity
        or not _same_time(item.modified, nanoseconds(info.modified))
        or not (seen is None or is_as_seen(info, seen))
    ):
        raise cb.ObjectChangedError(
            "the object is another than the one that was copied; both are left",
            name=name,
            hint="move it again",
        )
    bucket.delete(name)


def _same_time(listed: int, told: int) -> bool:
    """Return whether two times are one; either may be to the second alone."""
    if listed % _SECOND and told % _SECOND:
        return listed == told
    return listed // _SECOND == told // _SECOND


def _numbered(items: Iterator[Item], number: int) -> Iterator[Item]:
    return (replace(item, source=number) for item in items) if number else items


def _parent(name: str) -> str:
    return name.rstrip("/").rpartition("/")[0] + "/" * ("/" in name.rstrip("/"))


def _refuse_same(listings: Sequence[Iterator[Item]]) -> None:
    for _ in merged_items(listings):
        pass


def _twice(name: str) -> cb.UsageError:
    return cb.UsageError(f"two sources would both become {name!r}", hint="copy them one by one")


def _refuse_twice(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise _twice(name)
