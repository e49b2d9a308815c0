"""Two of the three ways of copying a tree: into a store, and out of one.

Rule: a comparison takes what the listings say, and asks for an object by itself only where they
cannot decide. Which names are copied or deleted is decided in `tree_copy` and `choices` alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cipherbucket as cb
from cipherbucket.cli.copying import object_transfers
from cipherbucket.cli.copying.changed_kinds import InTheWayError
from cipherbucket.cli.copying.direction import Copied
from cipherbucket.cli.copying.encrypted_objects import (
    NEWER,
    EncryptedObjects,
)
from cipherbucket.cli.copying.listings import (
    Item,
    MergedItem,
    file_identity,
    file_number,
    nanoseconds,
    object_identity,
    objects_of,
)
from cipherbucket.cli.copying.local_files import file_at, files_below
from cipherbucket.cli.copying.one_object import refuse_present, refuse_present_object
from cipherbucket.cli.copying.own_files import OwnFiles
from cipherbucket.cli.copying.shared_limits import SharedLimits
from cipherbucket.cli.copying.sources import Files, Objects, merged_items, remove_copied
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.copying.target_folder import TargetFolder, set_time
from cipherbucket.cli.copying.written import Seen, is_still, seen_of
from cipherbucket.cli.options.writing import WriteOptions
from cipherbucket.local_files.folders import Place

_SECOND = 1_000_000_000
_TIMES = 2


@dataclass(frozen=True)
class ToStore:
    """From folders and files to a store.

    Attributes:
        files: What goes up.
        objects: How it is compared.
        prefix: What the objects' names begin with.
        writing: How they are written.
        own: Files of the command, which are not removed.
        takes_own: Whether a private key among them is copied.
        only: The one name that is written, if it is one.
    """

    files: Sequence[Files]
    objects: EncryptedObjects
    prefix: str
    writing: WriteOptions
    own: OwnFiles
    takes_own: bool
    only: str | None = None

    def sources(self, tally: Tally) -> Iterator[Item]:
        """List the files."""
        store = (self.objects.bucket.url,)
        return merged_items([each.items(store, tally) for each in self.files])

    def targets(self, tally: Tally) -> Iterator[Item]:  # noqa: ARG002  nothing is left out
        """List the objects."""
        return objects_of(self.objects.bucket, self.prefix, self.only)

    def name_of(self, source: Item) -> str:
        """Return an object's name."""
        return self.prefix + source.relative

    def ends(self, source: Item) -> tuple[str, str]:
        """Return a file's path and its object's URL."""
        path = self.files[source.source].path_of(source)
        return str(path), f"{self.objects.bucket.url}/{self.name_of(source)}"

    def resumes(self, store_url: str, name: str) -> bool:
        """Say yes to what lies below the prefix."""
        return store_url == self.objects.bucket.url and name.startswith(self.prefix)

    def leaves_out(self, item: MergedItem, tally: Tally) -> bool:
        """Leave out private keys of the command, and its state."""
        if item.source is None or self.takes_own:
            return False
        path = self.files[item.source.source].path_of(item.source)
        return self.own.leave_out(item.relative, path, tally, beside=True)

    def check(self, source: Item, target: Item | None) -> None:
        """Refuse an object that another rule holds for, or that is there."""
        self.objects.bucket.access.check_name(self.name_of(source))
        refuse_present_object(self.name_of(source), target, self.writing)

    def check_removable(self, source: Item) -> None:
        """Refuse links, and the key that would be left encrypted under itself alone."""
        if source.followed is not None:
            raise cb.UsageError(
                "it is a link, which is not moved", hint="move the file that it leads to"
            )
        self.own.refuse_removal(self.files[source.source].path_of(source))

    def remove(self, source: Item, copied: Copied) -> None:  # noqa: ARG002
        """Remove a file, if it is the one that was copied."""
        self.files[source.source].remove(source)

    def is_newer(self, source: Item, target: Item) -> bool:
        """Compare: a file that was written after the object was stored goes up."""
        return source.modified > target.modified

    def difference(self, source: Item, target: Item, *, checksum: bool) -> str | None:
        """Compare a file with its object."""
        if not checksum and self.is_newer(source, target):
            return NEWER
        path, name = self.files[source.source].path_of(source), self.name_of(source)
        return self.objects.difference(name, target, path, source, checksum=checksum)

    def copy(self, source: Item, limits: SharedLimits) -> Copied:
        """Upload, once more if the file is not what was listed any more.

        The object is younger than the change then, so that no later run would see it by the time.

        Raises:
            SourceError: The file was changed both times.
        """
        files, name = self.files[source.source], self.name_of(source)
        path = files.path_of(source)
        state = source.size, source.modified
        for _ in range(_TIMES):
            with files.opened(source) as place:
                info = object_transfers.upload(
                    self.objects.bucket, place, name, self.writing, limits
                )
            before, status = state, path.stat()
            state = status.st_size, status.st_mtime_ns
            if state == before:
                identity = object_identity(info.etag, info.stored_size)
                return Copied(info.size, identity, (None, seen_of(info)))
        raise cb.SourceError(
            "the file was changed while it was copied, what is stored may be a mixture",
            name=name,
            hint="copy it again when nobody writes to it; sync finds it with --checksum",
        )

    def gives_away(self, source: Item) -> bool:  # noqa: ARG002
        """Say yes: no two names are one to a store."""
        return True

    def adopt(self, source: Item, copied: Copied) -> None:
        """Do nothing."""

    def has_copy(self, source: Item, copied: Copied) -> bool:
        """Look at the object."""
        return is_still(self.objects.bucket, self.name_of(source), copied.seen[1])

    def is_still(self, source: Item, seen: Sequence[Seen | None]) -> bool:
        """Look at the object."""
        return is_still(self.objects.bucket, self.name_of(source), seen[1])

    def delete(self, relative: str) -> None:
        """Delete an object."""
        self.objects.bucket.delete(self.prefix + relative)


class ToFolder:
    """From a store to a folder.

    Args:
        origins: What comes down.
        objects: How it is read.
        folder: Where to.
        writing: Whether files that are there are replaced.
        own: Files of the command, which are neither replaced nor deleted.
        only: What is written, where it is one file: nothing else is looked at.
        keep_times: Whether a file gets its object's time.
    """

    def __init__(
        self,
        origins: Sequence[Objects],
        objects: EncryptedObjects,
        folder: Path,
        writing: WriteOptions,
        own: OwnFiles,
        only: str | None = None,
        *,
        keep_times: bool,
    ) -> None:
        self._only = only
        self._own = own
        self.origins = origins
        self.objects = objects
        self.folder = folder
        self._writing = writing
        self._keep_times = keep_times
        self._target = TargetFolder(folder, objects.bucket.url)

    def sources(self, tally: Tally) -> Iterator[Item]:  # noqa: ARG002  nothing is left out
        """List the objects."""
        return merged_items([each.items(self.objects.bucket) for each in self.origins])

    def targets(self, tally: Tally) -> Iterator[Item]:
        """List the files."""
        if not self.folder.exists():
            return iter(())
        if self._only is not None:
            return file_at(self.folder, self._only)
        return files_below(self.folder, (self.objects.bucket.url,), tally, follow=False)

    def name_of(self, source: Item) -> str:
        """Return an object's name."""
        return self.origins[source.source].name_of(source)

    def ends(self, source: Item) -> tuple[str, str]:
        """Return an object's URL and its file's path."""
        name = self.name_of(source)
        return f"{self.objects.bucket.url}/{name}", str(self.folder / source.relative)

    def resumes(self, store_url: str, name: str) -> bool:
        """Say yes to objects that come down."""
        return store_url == self.objects.bucket.url and any(
            each.takes(name) for each in self.origins
        )

    def leaves_out(self, item: MergedItem, tally: Tally) -> bool:
        """Leave files of the command in the folder, though no object stands for them."""
        if item.source is not None:
            return False
        return self._own.leave_out(item.relative, self.folder / item.relative, tally)

    def check(self, source: Item, target: Item | None) -> None:  # noqa: ARG002
        """Refuse an object that another rule holds for, or what cannot be written for it."""
        self.objects.bucket.access.check_name(self.name_of(source))
        self._target.check(source.relative)
        self._own.refuse_replacement(self.folder / source.relative)
        if (way := self._target.find_in_the_way(source.relative)) is not None:
            raise InTheWayError(way, source.relative)
        refuse_present(self.folder / source.relative, self._writing)

    def check_removable(self, source: Item) -> None:
        """Refuse nothing: an object that is another rule's is refused when it is copied."""

    def remove(self, source: Item, copied: Copied) -> None:
        """Remove an object, if it is the one that was copied."""
        remove_copied(self.objects.bucket, self.name_of(source), source, copied.seen[0])

    def is_newer(self, source: Item, target: Item) -> bool:
        """Compare: an object that was stored after the file was written comes down.

        A response gives the time to the second and a listing perhaps more exactly.
        """
        return source.modified // _SECOND > target.modified // _SECOND

    def difference(self, source: Item, target: Item, *, checksum: bool) -> str | None:
        """Compare an object with its file."""
        if not checksum and self.is_newer(source, target):
            return NEWER
        path, name = self.folder / target.relative, self.name_of(source)
        return self.objects.difference(name, source, path, target, checksum=checksum)

    def copy(self, source: Item, limits: SharedLimits) -> Copied:
        """Download.

        Raises:
            InTheWayError: A folder is where the file is to be, or the reverse.
        """
        try:
            with self._target.claimed(source.relative) as place:
                refuse_present(place, self._writing)
                self._own.refuse_replacement(Path(place))
                copied = self._download(source, place, limits)
                self._target.remember(place)
        except (cb.UsageError, OSError):
            way = self._target.find_in_the_way(source.relative)
            if way is None:
                raise
            replace = partial(self._replace, source, limits)
            raise InTheWayError(way, source.relative, replace) from None
        return copied

    def _replace(self, source: Item, limits: SharedLimits, removable: Collection[str]) -> int:
        """Download beside what is in the way, and only then delete that."""
        with self._target.temporary(source.relative) as place:
            copied = self._download(source, place, limits)
            self._target.move(place, source.relative, removable)
        return copied.size

    def _download(self, source: Item, place: Place, limits: SharedLimits) -> Copied:
        objects, name = self.objects, self.name_of(source)
        info = object_transfers.download(objects.bucket, name, place, objects.reading, limits)
        if self._keep_times:
            set_time(place, nanoseconds(info.modified))
        status = place.status()
        return Copied(info.size, file_identity(status) if status is not None else "")

    def gives_away(self, source: Item) -> bool:
        """Say yes for the first of the names that some file system takes for one."""
        return self._target.is_new(source.relative)

    def adopt(self, source: Item, copied: Copied) -> None:
        """Remember the file, which is neither replaced nor deleted under another name."""
        self._target.remember_number(file_number(copied.identity), self.folder / source.relative)

    def has_copy(self, source: Item, copied: Copied) -> bool:
        """Look at the file."""
        return self._target.holds(source.relative, copied.identity)

    def is_still(self, source: Item, seen: Sequence[Seen | None]) -> bool:  # noqa: ARG002
        """Say yes: a file has nothing more, and an object with this ETag has the same content."""
        return True

    def delete(self, relative: str) -> None:
        """Delete a file, unless it was just written under a name that is the same to the disk."""
        self._target.delete(relative)

    def close(self) -> None:
        """Close the folder."""
        self._target.close()
