"""``cp -r``: folders and prefixes, several files at once; an exit code comes of it.

Rule: each object fails by itself. Only a listing that breaks off ends the command, after what was
done so far has been reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import cipherbucket as cb
from cipherbucket.cli.copying import object_transfers
from cipherbucket.cli.copying.listings import Item, is_folder_marker, refuse_missing
from cipherbucket.cli.copying.local_files import files_below, source_file
from cipherbucket.cli.copying.one_object import refuse_present
from cipherbucket.cli.copying.places import refuse_folder_of
from cipherbucket.cli.copying.shared_limits import SharedLimits, shared_limits
from cipherbucket.cli.copying.store_to_store import StoreToStore
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.copying.target_folder import TargetFolder
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.copying import CopyOptions
from cipherbucket.cli.options.parsing import split_tree_url
from cipherbucket.cli.options.writing import WriteOptions
from cipherbucket.local_files.folders import open_source

Task = TypeVar("Task")


@dataclass(frozen=True)
class TreeCopy:
    """Copies all below a folder or a prefix, in each direction; what it returns is an exit code."""

    access: AccessOptions
    writing: WriteOptions
    options: CopyOptions
    tally: Tally = field(default_factory=Tally)

    def upload(self, source: str, url: str) -> int:
        """Store the files below a folder."""
        folder = Path(source)
        if not folder.is_dir():
            raise cb.UsageError(f"{source} is no folder", hint="leave out -r to copy a file")
        store_url, prefix = split_tree_url(url)
        refuse_folder_of(store_url, folder)

        def sizes() -> Iterator[int]:
            return (file.size for file in files_below(folder, [store_url], Tally()))

        with (
            self.access.at(store_url, prefix).open_to_write(store_url) as bucket,
            open_source(folder) as root,
        ):
            refuse_useless_key(bucket)
            is_left = partial(_is_abandoned_below, bucket.url, prefix)
            with shared_limits(self.options, is_left, many=True, sizes=sizes) as limits:

                def upload_one(file: Item) -> None:
                    name = prefix + file.relative
                    with (
                        self.tally.attempt(name),
                        limits.lane(file.size),
                        source_file(root, file) as place,
                    ):
                        info = object_transfers.upload(bucket, place, name, self.writing, limits)
                        self.tally.add(info.size)

                self._do_all(files_below(folder, [store_url], self.tally), upload_one, limits)
        return self.tally.report(quiet=self.options.quiet)

    def download(self, url: str, target: str) -> int:
        """Read the objects below a prefix into files."""
        store_url, prefix = split_tree_url(url)
        if Path(target).exists() and not Path(target).is_dir():
            raise cb.UsageError(f"{target} is no folder", hint="leave out -r to copy one object")
        refuse_folder_of(store_url, Path(target))
        with (
            self.access.at(store_url, prefix).open(store_url) as bucket,
            TargetFolder(Path(target), store_url) as folder,
        ):
            refuse_missing(bucket, prefix)
            reading = self.access.reading
            is_left = partial(_is_abandoned_below, bucket.url, prefix)
            sizes = partial(_sizes, bucket, prefix)
            with shared_limits(self.options, is_left, many=True, sizes=sizes) as limits:

                def download_one(entry: cb.Entry) -> None:
                    relative = entry.name.removeprefix(prefix)
                    if is_folder_marker(relative, entry.size):
                        self.tally.note(f"left out {entry.name!r}: it only stands for a folder")
                        return
                    with (
                        self.tally.attempt(entry.name),
                        folder.claimed(relative) as place,
                        limits.lane(entry.size),
                    ):
                        refuse_present(place, self.writing)
                        info = object_transfers.download(bucket, entry.name, place, reading, limits)
                        self.tally.add(info.size)
                        folder.remember(place)

                self._do_all(bucket.list(prefix), download_one, limits)
        return self.tally.report(quiet=self.options.quiet)

    def store_to_store(self, url: str, target_url: str) -> int:
        """Copy the objects below a prefix to another store, or within one."""
        store_url, prefix = split_tree_url(url)
        target_store, target_prefix = split_tree_url(target_url)
        places = (store_url, prefix), (target_store, target_prefix)
        with StoreToStore(self.access, self.writing, *places) as stores:
            if stores.same_store and prefix == target_prefix:
                raise cb.UsageError("source and target are the same place", hint="name another")
            refuse_missing(stores.origin, prefix)
            entries: Iterable[cb.Entry] = stores.origin.list(prefix)
            if stores.same_store and target_prefix.startswith(prefix):
                entries = list(entries)  # to the end first: what is written is listed, too

            sizes = partial(_sizes, stores.origin, prefix)
            with shared_limits(self.options, many=True, sizes=sizes) as limits:

                def copy_one(entry: cb.Entry) -> None:
                    target = target_prefix + entry.name.removeprefix(prefix)
                    with self.tally.attempt(entry.name), limits.lane(entry.size):
                        info = stores.copy(entry.name, target, limits, entry.size)
                        self.tally.add(info.size)

                self._do_all(entries, copy_one, limits)
        return self.tally.report(quiet=self.options.quiet)

    def _do_all(
        self, tasks: Iterable[Task], work: Callable[[Task], None], limits: SharedLimits
    ) -> None:
        try:
            limits.do_all(tasks, work)
        except cb.CipherbucketError:
            self.tally.report(quiet=self.options.quiet)  # a listing broke off; say what was done
            raise


def refuse_useless_key(bucket: cb.Bucket) -> None:
    """Refuse a key that cannot write before it fails every file."""
    bucket.ring.writer(bucket.format).algorithm_for(bucket.format)


def _sizes(bucket: cb.Bucket, prefix: str) -> Iterator[int]:
    return (entry.size for entry in bucket.list(prefix))


def _is_abandoned_below(store_url: str, prefix: str) -> bool:
    """Return whether a transfer below a prefix was interrupted."""
    return any(each.store == store_url and each.name.startswith(prefix) for each in cb.abandoned())
