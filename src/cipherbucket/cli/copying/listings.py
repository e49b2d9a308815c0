"""Two listings side by side, neither of which is ever in memory.

Rule: both are in byte order of names. A listing that is not would make files seem missing that are
there, and others superfluous that are not: it is an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import cipherbucket as cb

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Item:
    """A file or an object, by its name relative to the folder.

    Attributes:
        relative: With slashes.
        size: In bytes; of an object those that are stored.
        modified: In nanoseconds since 1970.
        identity: What changes whenever it is replaced or changed; never a time alone.
        state: Of an object, what changes with its metadata, too, beside the identity.
        followed: Device and number of a file that was found through a link.
        source: Which of several sources it is of.
    """

    relative: str
    size: int
    modified: int
    identity: str = ""
    state: str = ""
    followed: tuple[int, int] | None = None
    source: int = 0


@dataclass(frozen=True, slots=True)
class MergedItem:
    """What one name is on both sides; at least one is there."""

    relative: str
    source: Item | None
    target: Item | None


def objects_of(bucket: cb.Bucket, prefix: str, only: str | None = None) -> Iterator[Item]:
    """List the objects below a prefix; those that only stand for folders are left out.

    Args:
        bucket: Where they are.
        prefix: It.
        only: One name below it, which is all that is looked for; None for all.
    """
    for entry in bucket.list(prefix + (only or "")):
        if only is not None and entry.name != prefix + only:
            return
        relative = entry.name.removeprefix(prefix)
        if not is_folder_marker(relative, entry.size):
            yield item_of(entry, relative)


def item_of(entry: cb.Entry, relative: str) -> Item:
    """Return an object of a listing, under the name that it has relative to a folder."""
    identity = object_identity(entry.etag, entry.size)
    modified = nanoseconds(entry.modified)
    return Item(relative, entry.size, modified, identity, f"{identity} {modified}")


def object_identity(etag: str, stored_size: int) -> str:
    """Return what changes whenever an object is written anew."""
    return f"{etag} {stored_size}"


def file_identity(status: os.stat_result) -> str:
    """Return what changes whenever a file is replaced or changed.

    A file that was moved here with an older time has another number, or another change time, which
    no program can set.
    """
    number = f"{status.st_dev}:{status.st_ino}"
    return f"{number} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def file_number(identity: str) -> tuple[int, int]:
    """Return device and number of a file by its `file_identity`."""
    device, _, number = identity.partition(" ")[0].partition(":")
    return int(device), int(number)


def merged(source: Iterator[Item], target: Iterator[Item]) -> Iterator[MergedItem]:
    """Put two listings side by side.

    Raises:
        StoreError: One of them is not in order.
    """
    left, right = _Ordered(source), _Ordered(target)
    while left.item is not None or right.item is not None:
        mine, theirs = left.key, right.key
        if theirs is None or (mine is not None and mine <= theirs):
            assert left.item is not None
            yield MergedItem(left.item.relative, left.item, right.item if mine == theirs else None)
            left.advance()  # only now: what comes next may fail
            if mine == theirs:
                right.advance()
        else:
            assert right.item is not None
            yield MergedItem(right.item.relative, None, right.item)
            right.advance()


class _Ordered:
    """A listing with the item that is next in it."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self.item: Item | None = None
        self.key: bytes | None = None
        self.advance()

    def advance(self) -> None:
        before = self.key
        self.item = next(self._items, None)
        self.key = None if self.item is None else os.fsencode(self.item.relative)
        if before is not None and self.key is not None and self.key <= before:
            raise cb.StoreError(
                "the listing is not in order of names, so nothing can be compared with it",
                name=os.fsdecode(self.key),
            )


def nanoseconds(when: datetime | None) -> int:
    """Return a time as files have it."""
    if when is None:
        return 0
    return (when - _EPOCH) // timedelta(microseconds=1) * 1000


def is_folder_marker(relative: str, size: int) -> bool:
    """Return whether an object only stands for a folder, as consoles of stores make them."""
    return not size and (not relative or relative.endswith("/"))
