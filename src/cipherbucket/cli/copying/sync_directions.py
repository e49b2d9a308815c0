"""What ``sync`` does in each of its directions: compare, copy, delete.

Rule: a comparison takes what the listings say, and asks for an object by itself only where they
cannot decide. Which names are compared or deleted is decided in `sync` alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import cipherbucket as cb
from cipherbucket.cli.copying import object_transfers
from cipherbucket.cli.copying.changed_kinds import InTheWayError
from cipherbucket.cli.copying.listings import Item, nanoseconds, objects_of
from cipherbucket.cli.copying.local_files import files_below, source_file
from cipherbucket.cli.copying.shared_limits import SharedLimits
from cipherbucket.cli.copying.store_to_store import StoreToStore
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.copying.target_folder import TargetFolder, set_time
from cipherbucket.cli.options.access import SEALED, ReadArguments
from cipherbucket.cli.options.writing import WriteOptions
from cipherbucket.local_files.folders import Folder, Place

_SECOND = 1_000_000_000
_TIMES = 2
NOT_THERE, OTHER_SIZE, NEWER, OTHER_CONTENT = "not there", "other size", "newer", "other content"
OTHER_FORMAT = "other format"


class Direction(Protocol):
    """One of the three ways."""

    def sources(self) -> Iterator[Item]:
        """List what is to be on the other side, too."""

    def targets(self) -> Iterator[Item]:
        """List what is on the other side."""

    def difference(self, source: Item, target: Item) -> str | None:
        """Say why something has to be copied; None if it need not be."""

    def copy(self, source: Item, limits: SharedLimits) -> int:
        """Copy, and return the bytes.

        Raises:
            InTheWayError: A folder is where the file is to be, or the reverse.
        """

    def delete(self, relative: str) -> None:
        """Delete in the target."""


@dataclass(frozen=True)
class EncryptedObjects:
    """The objects below a prefix, which are compared with files.

    Attributes:
        bucket: Where they are.
        prefix: What their names begin with.
        reading: How they are opened.
        policy: What is accepted of them.
        checksum: Whether contents are compared, and not times.
    """

    bucket: cb.Bucket
    prefix: str
    reading: ReadArguments
    policy: cb.Policy
    checksum: bool

    def listed(self) -> Iterator[Item]:
        """List them."""
        return objects_of(self.bucket, self.prefix)

    def difference(self, path: Path, file: Item, stored: Item, *, newer: bool) -> str | None:
        """Compare an object with a file, with as few requests as can be."""
        name = self.prefix + stored.relative
        if self.checksum:
            key, context = self.reading["key"], self.reading["context"]
            same = self.bucket.matches(name, path, key=key, context=context)
            return None if same else OTHER_CONTENT
        if newer:
            return NEWER
        if SEALED not in self.policy.formats:
            # A listing says how much is stored: in format oss that is the plaintext's size.
            return OTHER_SIZE if stored.size != file.size else None
        info = self.bucket.head(name)
        if not self._accepts(info):
            return OTHER_FORMAT
        return OTHER_SIZE if info.size != file.size else None

    def _accepts(self, info: cb.ObjectInfo) -> bool:
        """Return whether an object is one that is read: any other is no copy of a file."""
        try:
            self.policy.admit(info.envelope)
        except cb.PolicyError:
            return False
        return True


@dataclass(frozen=True)
class UploadSync:
    """From a folder to a store."""

    folder: Path
    root: Folder
    objects: EncryptedObjects
    writing: WriteOptions
    tally: Tally

    def sources(self) -> Iterator[Item]:
        """List the files."""
        return files_below(self.folder, (self.objects.bucket.url,), self.tally)

    def targets(self) -> Iterator[Item]:
        """List the objects."""
        return self.objects.listed()

    def difference(self, source: Item, target: Item) -> str | None:
        """Compare: a file that was written after the object was stored goes up."""
        newer = source.modified > target.modified
        path = self.folder / source.relative
        return self.objects.difference(path, source, target, newer=newer)

    def copy(self, source: Item, limits: SharedLimits) -> int:
        """Upload, once more if the file is not what was listed any more.

        The object is younger than the change then, so that no later run would see it by the time.

        Raises:
            SourceError: The file was changed both times.
        """
        path, name = self.folder / source.relative, self.objects.prefix + source.relative
        state = source.size, source.modified
        for _ in range(_TIMES):
            with source_file(self.root, source) as place:
                info = object_transfers.upload(
                    self.objects.bucket, place, name, self.writing, limits
                )
            before, status = state, path.stat()
            state = status.st_size, status.st_mtime_ns
            if state == before:
                return info.size
        raise cb.SourceError(
            "the file was changed while it was copied, what is stored may be a mixture",
            name=name,
            hint="sync again with --checksum when nobody writes to it",
        )

    def delete(self, relative: str) -> None:
        """Delete an object."""
        self.objects.bucket.delete(self.objects.prefix + relative)


class DownloadSync:
    """From a store to a folder."""

    def __init__(self, objects: EncryptedObjects, folder: Path, tally: Tally) -> None:
        self.objects = objects
        self.folder = folder
        self.tally = tally
        self._target = TargetFolder(folder, objects.bucket.url)

    def sources(self) -> Iterator[Item]:
        """List the objects."""
        return self.objects.listed()

    def targets(self) -> Iterator[Item]:
        """List the files."""
        if not self.folder.exists():
            return iter(())
        return files_below(self.folder, (self.objects.bucket.url,), self.tally, follow=False)

    def difference(self, source: Item, target: Item) -> str | None:
        """Compare: an object that was stored after the file was written comes down.

        A response gives the time to the second and a listing perhaps more exactly.
        """
        newer = source.modified // _SECOND > target.modified // _SECOND
        return self.objects.difference(self.folder / target.relative, target, source, newer=newer)

    def copy(self, source: Item, limits: SharedLimits) -> int:
        """Download, and give the file the object's time.

        Raises:
            InTheWayError: A folder is where the file is to be, or the reverse.
        """
        try:
            with self._target.claimed(source.relative) as place:
                info = self._download(source, place, limits)
                set_time(place, nanoseconds(info.modified))
                self._target.remember(place)
        except (cb.UsageError, OSError):
            way = self._target.find_in_the_way(source.relative)
            if way is None:
                raise
            replace = partial(self._replace, source, limits)
            raise InTheWayError(way, source.relative, replace) from None
        return info.size

    def _replace(self, source: Item, limits: SharedLimits, removable: Collection[str]) -> int:
        """Download beside what is in the way, and only then delete that."""
        with self._target.temporary(source.relative) as place:
            info = self._download(source, place, limits)
            set_time(place, nanoseconds(info.modified))
            self._target.move(place, source.relative, removable)
        return info.size

    def _download(self, source: Item, place: Place, limits: SharedLimits) -> cb.ObjectInfo:
        objects, name = self.objects, self.objects.prefix + source.relative
        return object_transfers.download(objects.bucket, name, place, objects.reading, limits)

    def delete(self, relative: str) -> None:
        """Delete a file, unless it was just written under a name that is the same to the disk."""
        self._target.delete(relative)

    def close(self) -> None:
        """Close the folder."""
        self._target.close()


@dataclass(frozen=True)
class StoreToStoreSync:
    """From a store to a store, or within one."""

    stores: StoreToStore
    prefix: str
    target_prefix: str
    checksum: bool

    def sources(self) -> Iterator[Item]:
        """List the objects here."""
        return objects_of(self.stores.origin, self.prefix)

    def targets(self) -> Iterator[Item]:
        """List the objects there."""
        return objects_of(self.stores.target, self.target_prefix)

    def difference(self, source: Item, target: Item) -> str | None:
        """Compare: what was stored here after it was stored there is copied."""
        if not self.checksum:
            if source.modified > target.modified:
                return NEWER
            if source.size == target.size:
                return None
        here = self.stores.origin.head(self.prefix + source.relative)
        there = self.stores.target.head(self.target_prefix + source.relative)
        if not self.checksum:  # the formats, or the names, may add other lengths
            return OTHER_SIZE if here.size != there.size else None
        if here.crc64 is None or there.crc64 is None:
            raise cb.UsageError("a store keeps no CRC-64 to compare", name=here.name)
        same = (here.crc64, here.stored_size) == (there.crc64, there.stored_size)
        return None if same else OTHER_CONTENT

    def copy(self, source: Item, limits: SharedLimits) -> int:
        """Copy as ``cp`` does."""
        name, target = self.prefix + source.relative, self.target_prefix + source.relative
        return self.stores.copy(name, target, limits, source.size).size

    def delete(self, relative: str) -> None:
        """Delete an object there."""
        self.stores.target.delete(self.target_prefix + relative)
