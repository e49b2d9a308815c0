"""What a way of copying a tree offers; the three are in `directions` and `between_stores`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from cipherbucket.cli.copying.listings import Item, MergedItem
from cipherbucket.cli.copying.shared_limits import SharedLimits
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.copying.written import Seen


class Copied(NamedTuple):
    """What one copy came to.

    Attributes:
        size: In bytes.
        identity: `Item.identity` of what is in the target now; empty if that is not known.
        seen: What the listings do not show of source and target; None where they show all.
    """

    size: int
    identity: str
    seen: tuple[Seen | None, Seen | None] = (None, None)


class Direction(Protocol):
    """One of the three ways."""

    def sources(self, tally: Tally) -> Iterator[Item]:
        """List what is to be on the other side, too; count what is left out."""

    def targets(self, tally: Tally) -> Iterator[Item]:
        """List what is on the other side."""

    def name_of(self, source: Item) -> str:
        """Return the name of the object that is written, or that a file comes from."""

    def ends(self, source: Item) -> tuple[str, str]:
        """Return where a copy comes from and goes to: paths or URLs."""

    def resumes(self, store_url: str, name: str) -> bool:
        """Return whether it would go on with an interrupted transfer of this object."""

    def leaves_out(self, item: MergedItem, tally: Tally) -> bool:
        """Return whether a name is neither copied nor deleted, and count it if so."""

    def check(self, source: Item, target: Item | None) -> None:
        """Refuse, for a dry run, what `copy` would refuse for its name or its target.

        Raises:
            UsageError: It would; an InTheWayError, too.
            PreconditionFailedError: ``--if-absent``, and something is there.
        """

    def check_removable(self, source: Item) -> None:
        """Refuse, with a UsageError, to move what must stay; before it is copied."""

    def remove(self, source: Item, copied: Copied) -> None:
        """Remove a source that was copied.

        Raises:
            ObjectChangedError, SourceError: It is another by now, and stays.
        """

    def is_newer(self, source: Item, target: Item) -> bool:
        """Return whether the source was written after the target."""

    def difference(self, source: Item, target: Item, *, checksum: bool) -> str | None:
        """Say why something has to be copied; None if it need not be.

        Args:
            source: It.
            target: What has its name on the other side.
            checksum: Whether contents are compared, and not times.
        """

    def copy(self, source: Item, limits: SharedLimits) -> Copied:
        """Copy one.

        Raises:
            InTheWayError: A folder is where the file is to be, or the reverse.
        """

    def gives_away(self, source: Item) -> bool:
        """Return whether a worker may copy an item, of each name once; else this process does."""

    def adopt(self, source: Item, copied: Copied) -> None:
        """Take what a worker has copied for copied by this process."""

    def has_copy(self, source: Item, copied: Copied) -> bool:
        """Return whether what a worker has copied is in the target, and what it said."""

    def is_still(self, source: Item, seen: Sequence[Seen | None]) -> bool:
        """Return whether both sides are what they were in what a listing does not show.

        Args:
            source: It; the listings show both sides as they were.
            seen: `Copied.seen`.
        """

    def delete(self, relative: str) -> None:
        """Delete in the target."""
