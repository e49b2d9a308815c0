"""What ``sync`` does in each of its directions: compare, copy, delete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cipherbucket as cb
from cipherbucket.cli.copying import object_transfers
from cipherbucket.cli.copying.folders import Tally
from cipherbucket.cli.copying.listings import Item, files_of, nanoseconds, objects_of
from cipherbucket.cli.copying.object_transfers import StoreToStore
from cipherbucket.cli.copying.shared_limits import SharedLimits
from cipherbucket.cli.copying.target_folder import TargetFolder
from cipherbucket.cli.options.access import SEALED, ReadArguments
from cipherbucket.cli.options.writing import WriteOptions

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
        """Copy, and return the bytes."""

    def delete(self, relative: str) -> None:
        """Delete in the target."""


class _Encrypted:
    """Files on one side, encrypted objects on the other."""

    def __init__(
        self,
        bucket: cb.Bucket,
        prefix: str,
        reading: ReadArguments,
        policy: cb.Policy,
        *,
        checksum: bool,
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._asked = reading
        self._policy = policy
        self._checksum = checksum

    def _differs(self, file: Item, stored: Item, *, newer: bool) -> str | None:
        """Compare, with as few requests as can be."""
        name = self._prefix + stored.relative
        if self._checksum:
            assert file.path is not None
            key, context = self._asked["key"], self._asked["context"]
            same = self._bucket.matches(name, file.path, key=key, context=context)
            return None if same else OTHER_CONTENT
        if newer:
            return NEWER
        if SEALED not in self._policy.formats:
            # A listing tells how much is stored: in format oss that is the plaintext's size.
            return OTHER_SIZE if stored.size != file.size else None
        info = self._bucket.head(name)
        if not _is_accepted(info, self._policy):
            return OTHER_FORMAT
        return OTHER_SIZE if info.size != file.size else None


class Up(_Encrypted):
    """From a folder to a store."""

    def __init__(
        self,
        folder: Path,
        bucket: cb.Bucket,
        prefix: str,
        reading: ReadArguments,
        writing: WriteOptions,
        tally: Tally,
        policy: cb.Policy,
        *,
        checksum: bool,
    ) -> None:
        super().__init__(bucket, prefix, reading, policy, checksum=checksum)
        self._folder = folder
        self._writing = writing
        self._tally = tally

    def sources(self) -> Iterator[Item]:
        """List the files."""
        return files_of(self._folder, (self._bucket.url,), self._tally, follow=True)

    def targets(self) -> Iterator[Item]:
        """List the objects."""
        return objects_of(self._bucket, self._prefix)

    def difference(self, source: Item, target: Item) -> str | None:
        """Compare: a file that was written after the object was stored goes up."""
        return self._differs(source, target, newer=source.modified > target.modified)

    def copy(self, source: Item, limits: SharedLimits) -> int:
        """Upload, once more if the file is not what was listed any more.

        The object is younger than the change then, so that no later run would see it by the time.

        Raises:
            SourceError: The file was changed both times.
        """
        assert source.path is not None
        name = self._prefix + source.relative
        state = source.size, source.modified
        for _ in range(_TIMES):
            info = object_transfers.upload(self._bucket, source.path, name, self._writing, limits)
            before, status = state, source.path.stat()
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
        self._bucket.delete(self._prefix + relative)


class Down(_Encrypted):
    """From a store to a folder."""

    def __init__(
        self,
        bucket: cb.Bucket,
        prefix: str,
        folder: Path,
        reading: ReadArguments,
        tally: Tally,
        policy: cb.Policy,
        *,
        checksum: bool,
    ) -> None:
        super().__init__(bucket, prefix, reading, policy, checksum=checksum)
        self._folder = folder
        self._target = TargetFolder(folder)
        self._tally = tally

    def sources(self) -> Iterator[Item]:
        """List the objects."""
        return objects_of(self._bucket, self._prefix)

    def targets(self) -> Iterator[Item]:
        """List the files."""
        if not self._folder.exists():
            return iter(())
        return files_of(self._folder, (self._bucket.url,), self._tally, follow=False)

    def difference(self, source: Item, target: Item) -> str | None:
        """Compare: an object that was stored after the file was written comes down.

        A response tells the time to the second and a listing perhaps more exactly.
        """
        newer = source.modified // _SECOND > target.modified // _SECOND
        return self._differs(target, source, newer=newer)

    def copy(self, source: Item, limits: SharedLimits) -> int:
        """Download, and give the file the object's time."""
        name = self._prefix + source.relative
        with self._target.claimed(source.relative) as path:
            info = object_transfers.download(self._bucket, name, path, self._asked, limits)
            modified = nanoseconds(info.modified)
            os.utime(path, ns=(modified, modified), follow_symlinks=False)
            self._target.remember(path)
        return info.size

    def delete(self, relative: str) -> None:
        """Delete a file, unless it was just written under a name that is the same to the disk."""
        path = self._folder / relative
        if not self._target.has_written(path):
            path.unlink()


class Across:
    """From a store to a store, or within one."""

    def __init__(
        self, stores: StoreToStore, prefix: str, target_prefix: str, *, checksum: bool
    ) -> None:
        self._stores = stores
        self._prefix = prefix
        self._target_prefix = target_prefix
        self._checksum = checksum

    def sources(self) -> Iterator[Item]:
        """List the objects here."""
        return objects_of(self._stores.origin, self._prefix)

    def targets(self) -> Iterator[Item]:
        """List the objects there."""
        return objects_of(self._stores.target, self._target_prefix)

    def difference(self, source: Item, target: Item) -> str | None:
        """Compare: what was stored here after it was stored there is copied."""
        if not self._checksum:
            if source.modified > target.modified:
                return NEWER
            if source.size == target.size:
                return None
        here = self._stores.origin.head(self._prefix + source.relative)
        there = self._stores.target.head(self._target_prefix + source.relative)
        if not self._checksum:  # the formats, or the names, may add other lengths
            return OTHER_SIZE if here.size != there.size else None
        if here.crc64 is None or there.crc64 is None:
            raise cb.UsageError("a store keeps no CRC-64 to compare", name=here.name)
        same = (here.crc64, here.stored_size) == (there.crc64, there.stored_size)
        return None if same else OTHER_CONTENT

    def copy(self, source: Item, limits: SharedLimits) -> int:
        """Copy as ``cp`` does."""
        name, target = self._prefix + source.relative, self._target_prefix + source.relative
        return self._stores.copy(name, target, limits, source.size).size

    def delete(self, relative: str) -> None:
        """Delete an object there."""
        self._stores.target.delete(self._target_prefix + relative)


def _is_accepted(info: cb.ObjectInfo, policy: cb.Policy) -> bool:
    """Tell whether an object has a format that is read: what has not is no copy of a file."""
    return policy.plaintext if info.envelope is None else info.format in policy.formats
