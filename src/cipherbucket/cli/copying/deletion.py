"""Whether, and how much, ``sync --delete`` deletes.

Rule: more than half of the target, or more than `MOST`, only if that number was allowed; nothing if
nothing of the source is meant.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cipherbucket as cb
from cipherbucket.cli.copying.changed_kinds import InTheWayError
from cipherbucket.cli.copying.names_on_disk import NamesOnDisk
from cipherbucket.cli.options.globs import Globs
from cipherbucket.text import count

MOST = 1_000
"""More are deleted only if it was said how many may be."""


@dataclass(frozen=True)
class Deletion:
    """Whether what is only in the target is deleted.

    Attributes:
        wanted: Whether it is.
        most: How many may be deleted; None for half of the target, and no more than `MOST`.
        offered: Whether the command has ``--delete``.
    """

    wanted: bool = False
    most: int | None = None
    offered: bool = True

    def too_many(
        self, doomed: int, counted: int, there: int, globs: Globs, *, dry_run: bool
    ) -> cb.UsageError | None:
        """Return what is wrong with deleting so many; None if nothing is.

        Args:
            doomed: How many would be deleted.
            counted: How many of them are not replaced by something of their name.
            there: How many are in the target.
            globs: Which names are meant.
            dry_run: Whether nothing is deleted anyway.
        """
        most = self.most
        if most is not None:
            if doomed <= most:
                return None
            limit = f"and --max-delete is {most:,}"
        elif counted * 2 > there:
            limit = "more than half"
        elif doomed > MOST:
            limit = f"more than {MOST:,}"
        else:
            return None
        meant = "" if globs.take_all else " that the patterns take"
        return cb.UsageError(
            f"--delete would delete {doomed:,} of {count(there, 'object')} in the target{meant},"
            f" {limit}",
            hint=("" if dry_run else "--dry-run shows them; ")
            + f"if it is meant, add --max-delete {doomed}",
        )


NOT_OFFERED = Deletion(offered=False)
"""Of commands without ``--delete``."""


def nothing_meant(globs: Globs) -> cb.UsageError:
    """Return what is wrong with deleting where nothing of the source is meant."""
    empty = "the source is empty, so --delete would delete all that is in the target"
    if not globs.take_all:
        empty = (
            "the patterns take nothing of the source, so --delete would delete all that they"
            " take in the target"
        )
    by = "use rm -r" if globs.take_all else "delete them with rm"
    hint = f"check that the source is there and mounted; if it is meant, {by}"
    return cb.UsageError(empty, hint=hint)


@dataclass
class Plan:
    """What is left to do when all that could be copied was.

    Attributes:
        superfluous: The names that are only in the target.
        in_target: How many names that are meant are in the target.
        replaced: How many names are a file on one side and a folder on the other.
        source_is_empty: Whether nothing of the source is meant.
        is_refused: Whether nothing is deleted, whatever is tried again.
        blocked: What could not be copied because something is in its way.
    """

    superfluous: NamesOnDisk
    in_target: int = 0
    replaced: int = 0
    source_is_empty: bool = True
    is_refused: bool = False
    blocked: list[InTheWayError] = field(default_factory=list)
