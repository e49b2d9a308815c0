"""Source and target of a tree copy, opened: what ``cp -r`` and ``sync`` have in common.

Rule: what cannot be right is refused before a key is read or anything is listed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import cipherbucket as cb
from cipherbucket.cli.copying.between_stores import BetweenStores
from cipherbucket.cli.copying.direction import Direction
from cipherbucket.cli.copying.directions import ToFolder, ToStore
from cipherbucket.cli.copying.encrypted_objects import EncryptedObjects
from cipherbucket.cli.copying.own_files import OwnFiles
from cipherbucket.cli.copying.places import refuse_folder_of
from cipherbucket.cli.copying.sources import COPY_ONE, Files, Objects, files_of, sources_at
from cipherbucket.cli.copying.store_to_store import StoreToStore
from cipherbucket.cli.no_object import LEAVE_OUT_R
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.config import split_url
from cipherbucket.cli.options.globs import Globs
from cipherbucket.cli.options.parsing import folder_name, is_url, split_tree_url
from cipherbucket.cli.options.wildcards import Pattern, escaped
from cipherbucket.cli.options.writing import WriteOptions


@dataclass(frozen=True)
class Sides:
    """Folders, files, prefixes or objects, and where they are copied to; one side is in a store.

    Attributes:
        sources: Paths, or URLs of one store.
        target: Path or URL, taken as a folder.
        access: Keys and formats.
        writing: How copies are written.
        recursive: Whether folders and prefixes are meant; else files and objects.
        name: What one file or object is called in the target; None for its own name.
        checksum: Whether contents are compared.
        dry_run: Whether nothing is written, so that no key is needed.
        keep_times: Whether a file gets its object's time.
        patterns: Whether URLs of sources may have wildcards.
        moves: Whether sources are removed.
        whole: Whether one rule has to hold for all below a prefix; else each name that another
            rule holds for is refused by itself.
        found: What the sources are, where that is known already: in a worker, which lists nothing.
    """

    sources: tuple[str, ...]
    target: str
    access: AccessOptions
    writing: WriteOptions
    recursive: bool = True
    name: str | None = None
    checksum: bool = False
    dry_run: bool = False
    keep_times: bool = False
    patterns: bool = True
    moves: bool = False
    whole: bool = False
    found: Sequence[Files] | Sequence[Objects] | None = None

    def open(self, stack: ExitStack) -> Direction:
        """Open both until the stack is closed.

        Raises:
            UsageError: One of them is no folder, or they lie in each other.
            ObjectNotFoundError: There is nothing at the URL of a source.
        """
        down = [is_url(each) for each in self.sources]
        if any(down) and not all(down):
            raise cb.UsageError(
                "some sources are URLs and others are not", hint="copy them one after the other"
            )
        if not any(down):
            return self._upload(stack)
        return self._between(stack) if is_url(self.target) else self._download(stack)

    def _upload(self, stack: ExitStack) -> Direction:
        store_url, prefix = split_tree_url(self.target)
        one = LEAVE_OUT_R if self.patterns else COPY_ONE
        files = self._reopened(stack) or files_of(
            self.sources, stack, recursive=self.recursive, name=self.name, one=one
        )
        own = OwnFiles(self.access)
        for each in map(Path, self.sources):
            refuse_folder_of(store_url, each)
            if self.moves and not each.is_dir():
                own.refuse_removal(each)
        access = self.access.at(store_url, prefix, whole=self.whole)
        bucket = stack.enter_context(
            (access.open if self.dry_run else access.open_to_write)(store_url)
        )
        if self.dry_run:
            bucket.access.store.check_writable()
        else:
            _refuse_useless_key(bucket)
        objects = EncryptedObjects(bucket, access.reading, access.policy)
        alone = len(self.sources) == 1 and not self.recursive
        takes_own = self.moves or alone
        return ToStore(files, objects, prefix, self.writing, own, takes_own, self.name)

    def _download(self, stack: ExitStack) -> Direction:
        folder = Path(self.target)
        if folder.exists() and not folder.is_dir():
            way = "copy one object without -r" if self.patterns else COPY_ONE
            raise cb.UsageError(f"{folder} is no folder", hint=way if self.name is None else None)
        store_url, prefix = self._origin()
        refuse_folder_of(store_url, folder)
        access = self.access.at(store_url, prefix, whole=self.whole)
        bucket = stack.enter_context(access.open(store_url))
        origins = self._sources_at(bucket)
        objects = EncryptedObjects(bucket, access.reading, access.policy)
        download = ToFolder(
            origins,
            objects,
            folder,
            self.writing,
            OwnFiles(self.access),
            self.name,
            keep_times=self.keep_times,
        )
        return stack.enter_context(closing(download))

    def _between(self, stack: ExitStack) -> Direction:
        places = self._origin(), split_tree_url(self.target)
        stores = stack.enter_context(
            StoreToStore(self.access, self.writing, *places, whole=self.whole)
        )
        if stores.same_store and self._is_alone and places[0][1] == places[1][1]:
            raise cb.UsageError("source and target are the same place", hint="name another")
        if self.checksum and not stores.unchanged:
            raise cb.UsageError(
                "what is encrypted anew has another checksum", hint="leave out --checksum"
            )
        if self.moves and stores.could_be_one and not stores.same_store:
            raise cb.UsageError(
                "source and target are buckets of one name at two hosts, which could be one bucket:"
                " removing the source could remove the copy",
                hint="copy with cp, see with ls that the copies are in another bucket, and remove"
                " the source with rm",
            )
        origins = self._sources_at(stores.origin)
        prefix, globs = places[1][1], Globs.given() if self.found is None else Globs([])
        return BetweenStores(stores, origins, prefix, globs, self.name, self.moves)

    def _reopened(self, stack: ExitStack) -> list[Files]:
        return [each.reopened(stack) for each in self.found or () if isinstance(each, Files)]

    def _sources_at(self, bucket: cb.Bucket) -> list[Objects]:
        if self.found is not None:
            return [each for each in self.found if isinstance(each, Objects)]
        return sources_at(
            self.sources,
            bucket,
            recursive=self.recursive,
            name=self.name,
            patterns=self.patterns,
        )

    @property
    def _is_alone(self) -> bool:
        return self.recursive and len(self.sources) == 1

    def _origin(self) -> tuple[str, str]:
        """Return the store of all sources, and the folder that all of them are in."""
        stores, names = zip(*map(split_url, self.sources), strict=True)
        if len(set(stores)) > 1:
            raise cb.UsageError(
                "the sources are in several stores", hint="copy from one store after the other"
            )
        patterns = [Pattern(each if self.patterns else escaped(each)) for each in names]
        if self._is_alone and patterns[0].is_literal:
            return stores[0], folder_name(patterns[0].literal)
        prefixes = [each.prefix for each in patterns]
        common = os.path.commonprefix(prefixes)  # noqa: RUF071  of characters; cut at a slash below
        return stores[0], common[: common.rfind("/") + 1]


def writer_of(direction: Direction) -> str:
    """Return the format and the key that copies are encrypted with; empty where none are."""
    if isinstance(direction, ToStore):
        bucket = direction.objects.bucket
    elif isinstance(direction, BetweenStores) and not direction.stores.unchanged:
        bucket = direction.stores.target
    else:
        return ""
    return f"{bucket.format} {bucket.ring.writer(bucket.format).id}"


def _refuse_useless_key(bucket: cb.Bucket) -> None:
    """Refuse a key that cannot write before it fails every file."""
    bucket.ring.writer(bucket.format).algorithm_for(bucket.format)
