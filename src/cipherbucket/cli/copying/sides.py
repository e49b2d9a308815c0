"""Source and target of a tree copy, opened: what ``cp -r`` and ``sync`` have in common.

Rule: what cannot be right is refused before a key is read or anything is listed.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import cipherbucket as cb
from cipherbucket.cli.copying.directions import (
    BetweenStores,
    Direction,
    Download,
    EncryptedObjects,
    Upload,
)
from cipherbucket.cli.copying.listings import refuse_missing
from cipherbucket.cli.copying.places import refuse_folder_of
from cipherbucket.cli.copying.store_to_store import StoreToStore
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.parsing import is_url, split_tree_url
from cipherbucket.cli.options.writing import WriteOptions
from cipherbucket.local_files.folders import open_source


@dataclass(frozen=True)
class Sides:
    """A folder or a prefix, and another, one of which is in a store.

    Attributes:
        source: Path or URL.
        target: Path or URL.
        access: Keys and formats.
        writing: How copies are written.
        checksum: Whether contents are compared.
        dry_run: Whether nothing is written, so that no key is needed.
        keep_times: Whether a file gets its object's time.
    """

    source: str
    target: str
    access: AccessOptions
    writing: WriteOptions
    checksum: bool = False
    dry_run: bool = False
    keep_times: bool = False

    def open(self, stack: ExitStack) -> Direction:
        """Open both until the stack is closed.

        Raises:
            UsageError: One of them is no folder, or they lie in each other.
            ObjectNotFoundError: There is nothing below the URL of the source.
        """
        if is_url(self.source) and is_url(self.target):
            return self._between(stack)
        return self._upload(stack) if is_url(self.target) else self._download(stack)

    def _upload(self, stack: ExitStack) -> Direction:
        folder = Path(self.source)
        if not folder.is_dir():
            raise cb.UsageError(f"{folder} is no folder", hint="cp without -r copies a file")
        store_url, prefix = split_tree_url(self.target)
        refuse_folder_of(store_url, folder)
        access = self.access.at(store_url, prefix)
        bucket = stack.enter_context(
            (access.open if self.dry_run else access.open_to_write)(store_url)
        )
        if self.dry_run:
            bucket.access.store.check_writable()
        else:
            _refuse_useless_key(bucket)
        root = stack.enter_context(open_source(folder))
        objects = EncryptedObjects(bucket, prefix, access.reading, access.policy)
        return Upload(folder, root, objects, self.writing)

    def _download(self, stack: ExitStack) -> Direction:
        folder = Path(self.target)
        if folder.exists() and not folder.is_dir():
            raise cb.UsageError(f"{folder} is no folder", hint="cp without -r copies one object")
        store_url, prefix = split_tree_url(self.source)
        refuse_folder_of(store_url, folder)
        access = self.access.at(store_url, prefix)
        bucket = stack.enter_context(access.open(store_url))
        refuse_missing(bucket, prefix)
        objects = EncryptedObjects(bucket, prefix, access.reading, access.policy)
        download = Download(objects, folder, self.writing, keep_times=self.keep_times)
        return stack.enter_context(closing(download))

    def _between(self, stack: ExitStack) -> Direction:
        places = split_tree_url(self.source), split_tree_url(self.target)
        stores = stack.enter_context(StoreToStore(self.access, self.writing, *places))
        if stores.same_store and places[0][1] == places[1][1]:
            raise cb.UsageError("source and target are the same place", hint="name another")
        if self.checksum and not stores.unchanged:
            raise cb.UsageError(
                "what is encrypted anew has another checksum", hint="leave out --checksum"
            )
        refuse_missing(stores.origin, places[0][1])
        return BetweenStores(stores, places[0][1], places[1][1])


def writer_of(direction: Direction) -> str:
    """Return the format and the key that copies are encrypted with; empty where none are."""
    if isinstance(direction, Upload):
        bucket = direction.objects.bucket
    elif isinstance(direction, BetweenStores) and not direction.stores.unchanged:
        bucket = direction.stores.target
    else:
        return ""
    return f"{bucket.format} {bucket.ring.writer(bucket.format).id}"


def _refuse_useless_key(bucket: cb.Bucket) -> None:
    """Refuse a key that cannot write before it fails every file."""
    bucket.ring.writer(bucket.format).algorithm_for(bucket.format)
