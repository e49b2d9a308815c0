"""The third way of copying a tree: from a store to a store, or within one.

Rule: within a store nothing is written over what is still to be copied, and no copy is moved again.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

import cipherbucket as cb
from cipherbucket.cli.copying.direction import Copied
from cipherbucket.cli.copying.encrypted_objects import NEWER, difference_of_objects
from cipherbucket.cli.copying.listings import (
    Item,
    MergedItem,
    item_of,
    merged,
    object_identity,
    objects_of,
)
from cipherbucket.cli.copying.names_on_disk import NamesOnDisk
from cipherbucket.cli.copying.one_object import refuse_present_object
from cipherbucket.cli.copying.shared_limits import SharedLimits
from cipherbucket.cli.copying.sources import Objects, merged_items, remove_copied
from cipherbucket.cli.copying.store_to_store import StoreToStore
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.copying.written import Seen, is_still, seen_of
from cipherbucket.cli.options.globs import Globs

_YOUNG = 60_000_000_000
"""Nanoseconds: an object of this age may be changed in the second that a listing shows of its time,
also where the store's clock is not ours."""


@dataclass(frozen=True)
class BetweenStores:
    """From a store to a store, or within one.

    Attributes:
        stores: Both.
        origins: What is copied.
        target_prefix: What the copies' names begin with.
        globs: Which of them is meant.
        only: The one name that is written, if it is one.
        moves: Whether sources are removed.
    """

    stores: StoreToStore
    origins: Sequence[Objects]
    target_prefix: str
    globs: Globs
    only: str | None = None
    moves: bool = False

    def sources(self, tally: Tally) -> Iterator[Item]:  # noqa: ARG002  nothing is left out
        """List the objects here."""
        listed = merged_items([each.items(self.stores.origin) for each in self.origins])
        if not self.stores.could_be_one or all(each.is_one for each in self.origins):
            return listed
        # What names of sources and of copies both begin with, where there can be such names.
        pairs = [sorted((each.prefix, self.target_prefix), key=len) for each in self.origins]
        both = [longer for shorter, longer in pairs if longer.startswith(shorter)]
        common = os.path.commonprefix(both)  # noqa: RUF071  of characters
        return self._all_listed(listed, common) if both else listed

    def _all_listed(self, listed: Iterator[Item], prefix: str) -> Iterator[Item]:
        """List to the end before anything is written, which would be listed, too.

        Args:
            listed: What is to be copied.
            prefix: What names begin with that can be of a source and of a copy.

        Raises:
            UsageError: A copy would replace what is to be copied, or what was moved be moved again.
        """
        there = self.stores.target.list(prefix)
        targets = (item_of(each, each.name.removeprefix(self.target_prefix)) for each in there)
        with tempfile.TemporaryFile("w+") as file:
            kept = NamesOnDisk(file)
            for item in merged(listed, targets):
                if item.source is None:
                    continue
                if self.moves or item.target is not None:
                    self._refuse_source_as_target(item.source)
                kept.add(json.dumps(astuple(item.source)))
            yield from (Item(*json.loads(line)) for line in kept.names())

    def _refuse_source_as_target(self, item: Item) -> None:
        if not (self.stores.same_store and self.globs.take(item.relative)):
            return
        name, target = self.name_of(item), self.target_prefix + item.relative
        for each in self.origins:
            below = target.removeprefix(each.parent)
            if target != name and each.takes(target) and self.globs.take(below):
                raise cb.UsageError(
                    f"{name!r} would become {target!r}, which is to be"
                    f" {'moved' if self.moves else 'copied'}, too",
                    hint=f"{'move' if self.moves else 'copy'} to a place beside it; with -r that"
                    " can be left out by --exclude",
                )

    def targets(self, tally: Tally) -> Iterator[Item]:  # noqa: ARG002  nothing is left out
        """List the objects there."""
        return objects_of(self.stores.target, self.target_prefix, self.only)

    def name_of(self, source: Item) -> str:
        """Return an object's name."""
        return self.origins[source.source].name_of(source)

    def ends(self, source: Item) -> tuple[str, str]:
        """Return the URLs of both objects."""
        target = f"{self.stores.target.url}/{self.target_prefix}{source.relative}"
        return f"{self.stores.origin.url}/{self.name_of(source)}", target

    def resumes(self, store_url: str, name: str) -> bool:  # noqa: ARG002
        """Say no: copies from store to store have no journals."""
        return False

    def leaves_out(self, item: MergedItem, tally: Tally) -> bool:  # noqa: ARG002
        """Leave out nothing."""
        return False

    def check(self, source: Item, target: Item | None) -> None:
        """Refuse an object that another rule holds for, or that is its own copy, or is there."""
        name, copied = self.name_of(source), self.target_prefix + source.relative
        self.stores.refuse_same(name, copied)
        self.stores.origin.access.check_name(name)
        self.stores.target.access.check_name(copied)
        refuse_present_object(copied, target, self.stores.writing)

    def check_removable(self, source: Item) -> None:
        """Refuse nothing: an object that is another rule's is refused when it is copied."""

    def remove(self, source: Item, copied: Copied) -> None:
        """Remove an object, if it is the one that was copied."""
        remove_copied(self.stores.origin, self.name_of(source), source, copied.seen[0])

    def is_newer(self, source: Item, target: Item) -> bool:
        """Compare: what was stored here after it was stored there is copied."""
        return source.modified > target.modified

    def difference(self, source: Item, target: Item, *, checksum: bool) -> str | None:
        """Compare two objects."""
        if not checksum and self.is_newer(source, target):
            return NEWER
        here = self.stores.origin, self.name_of(source), source
        there = self.stores.target, self.target_prefix + source.relative, target
        return difference_of_objects(here, there, checksum=checksum)

    def copy(self, source: Item, limits: SharedLimits) -> Copied:
        """Copy an object."""
        name, target = self.name_of(source), self.target_prefix + source.relative
        before = None
        if time.time_ns() - source.modified < _YOUNG:
            before = seen_of(self.stores.origin.head(name))
        info = self.stores.copy(name, target, limits, source.size)
        identity = object_identity(info.etag, info.stored_size)
        return Copied(info.size, identity, (before, seen_of(info)))

    def gives_away(self, source: Item) -> bool:  # noqa: ARG002
        """Say yes: no two names are one to a store."""
        return True

    def adopt(self, source: Item, copied: Copied) -> None:
        """Do nothing."""

    def has_copy(self, source: Item, copied: Copied) -> bool:
        """Look at the object."""
        return is_still(self.stores.target, self.target_prefix + source.relative, copied.seen[1])

    def is_still(self, source: Item, seen: Sequence[Seen | None]) -> bool:
        """Look at both objects; at the source only if it was young when it was copied."""
        target = self.target_prefix + source.relative
        return is_still(self.stores.origin, self.name_of(source), seen[0]) and is_still(
            self.stores.target, target, seen[1]
        )

    def delete(self, relative: str) -> None:
        """Delete an object there."""
        self.stores.target.delete(self.target_prefix + relative)
