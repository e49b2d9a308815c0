"""``cp -r``: folders and prefixes, several files at once; an exit code comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import cipherbucket as cb
from cipherbucket.cli.copying import object_transfers
from cipherbucket.cli.copying.crew import do_all
from cipherbucket.cli.copying.folders import (
    FileBelow,
    Tally,
    files_below,
    is_folder_marker,
    refuse_missing,
)
from cipherbucket.cli.copying.object_transfers import Between
from cipherbucket.cli.copying.one_object import refuse_present
from cipherbucket.cli.copying.resume_notes import resumable
from cipherbucket.cli.copying.shared_limits import Steering
from cipherbucket.cli.copying.target_folder import TargetFolder
from cipherbucket.cli.options.access import Access
from cipherbucket.cli.options.copying import Manner
from cipherbucket.cli.options.parsing import split_tree_url
from cipherbucket.cli.options.writing import Writing
from cipherbucket.cli.terminal.progress import metered, summed

Task = TypeVar("Task")


@dataclass(frozen=True)
class TreeCopying:
    """The directions."""

    access: Access
    writing: Writing
    manner: Manner
    tally: Tally = field(default_factory=Tally)

    def up(self, source: str, url: str) -> int:
        """Store the files below a folder."""
        folder = Path(source)
        if not folder.is_dir():
            raise cb.UsageError(f"{source} is no folder", hint="leave -r away to copy a file")
        store_url, prefix = split_tree_url(url)

        def sizes() -> Iterator[int]:
            return (file.size for file in files_below(folder, [store_url], Tally()))

        with self.access.at(store_url, prefix).open_to_write(store_url) as bucket:
            refuse_useless_key(bucket)
            with self._steered(sizes, partial(_is_left, bucket.url, prefix)) as steering:

                def upload(file: FileBelow) -> None:
                    name = prefix + file.relative
                    with self.tally.attempt(name), steering.lane(file.size):
                        info = object_transfers.upload(
                            bucket, file.path, name, self.writing, steering
                        )
                        self.tally.add(info.size)

                self._do_all(files_below(folder, [store_url], self.tally), upload, steering)
        return self.tally.report(quiet=self.manner.quiet)

    def down(self, url: str, target: str) -> int:
        """Read the objects below a prefix into files."""
        store_url, prefix = split_tree_url(url)
        folder = TargetFolder(Path(target))
        if Path(target).exists() and not Path(target).is_dir():
            raise cb.UsageError(f"{target} is no folder", hint="leave -r away to copy one object")
        with self.access.at(store_url, prefix).open(store_url) as bucket:
            refuse_missing(bucket, prefix)
            asked = self.access.asked
            left = partial(_is_left, bucket.url, prefix)
            with self._steered(lambda: _sizes(bucket, prefix), left) as steering:

                def download(entry: cb.Entry) -> None:
                    relative = entry.name.removeprefix(prefix)
                    if is_folder_marker(relative, entry.size):
                        self.tally.note(f"left out {entry.name!r}: it only stands for a folder")
                        return
                    with (
                        self.tally.attempt(entry.name),
                        folder.claimed(relative) as path,
                        steering.lane(entry.size),
                    ):
                        refuse_present(path, self.writing)
                        info = object_transfers.download(bucket, entry.name, path, asked, steering)
                        self.tally.add(info.size)
                        folder.remember(path)

                self._do_all(bucket.list(prefix), download, steering)
        return self.tally.report(quiet=self.manner.quiet)

    def between(self, url: str, target_url: str) -> int:
        """Copy the objects below a prefix to another store, or within one."""
        store_url, prefix = split_tree_url(url)
        target_store, target_prefix = split_tree_url(target_url)
        places = (store_url, prefix), (target_store, target_prefix)
        with Between(self.access, self.writing, *places) as stores:
            refuse_missing(stores.origin, prefix)
            entries: Iterable[cb.Entry] = stores.origin.list(prefix)
            if stores.same_store and target_prefix.startswith(prefix):
                entries = list(entries)  # to the end first: what is written is listed, too

            def sizes() -> Iterator[int]:
                return _sizes(stores.origin, prefix)

            with self._steered(sizes) as steering:

                def copy(entry: cb.Entry) -> None:
                    target = target_prefix + entry.name.removeprefix(prefix)
                    with self.tally.attempt(entry.name), steering.lane(entry.size):
                        info = stores.copy(entry.name, target, steering, entry.size)
                        self.tally.add(info.size)

                self._do_all(entries, copy, steering)
        return self.tally.report(quiet=self.manner.quiet)

    @contextmanager
    def _steered(
        self, sizes: Callable[[], Iterable[int]], left: Callable[[], bool] = lambda: False
    ) -> Iterator[Steering]:
        manner = self.manner
        with (
            resumable(left, quiet=manner.quiet),
            metered(shown=not manner.quiet, lines=manner.progress, many=True) as meter,
            summed(meter, sizes),
        ):
            yield Steering(manner, meter)

    def _do_all(
        self, tasks: Iterable[Task], work: Callable[[Task], None], steering: Steering
    ) -> None:
        try:
            do_all(tasks, work, workers=self.manner.files_at_once, stop=steering.stop)
        except cb.CipherbucketError:
            self.tally.report(quiet=self.manner.quiet)  # a listing broke off; what was done is told
            raise


def refuse_useless_key(bucket: cb.Bucket) -> None:
    """Refuse a key that cannot write before it fails every file."""
    bucket.ring.writer(bucket.format).algorithm_for(bucket.format)


def _sizes(bucket: cb.Bucket, prefix: str) -> Iterator[int]:
    return (entry.size for entry in bucket.list(prefix))


def _is_left(store_url: str, prefix: str) -> bool:
    """Tell whether a transfer below a prefix was interrupted."""
    return any(each.store == store_url and each.name.startswith(prefix) for each in cb.abandoned())
