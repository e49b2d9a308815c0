"""One run of ``sync``: copy what is missing or differs, then delete.

Rule: nothing is deleted unless everything else went well, and all of both listings came; nothing if
the source is empty; and nothing that the source has, or has as no folder, though it was left out.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import click

import cipherbucket as cb
from cipherbucket.cli.copying.listings import MergedItem, merged
from cipherbucket.cli.copying.shared_limits import SharedLimits, shared_limits
from cipherbucket.cli.copying.sync_directions import NOT_THERE, Direction
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.options.copying import CopyOptions
from cipherbucket.cli.options.globs import Globs
from cipherbucket.text import printable


@dataclass(frozen=True)
class Sync:
    """One run of ``sync``.

    Attributes:
        direction: From where to where.
        globs: Which names are meant.
        tally: Counts what is done.
        options: How files are copied.
        delete: Whether what is only in the target is deleted.
        dry_run: Whether it is only printed what would be done.
    """

    direction: Direction
    globs: Globs
    tally: Tally
    options: CopyOptions
    delete: bool
    dry_run: bool

    def carry_out(self) -> None:
        """Copy what has to be, then delete."""
        with (
            tempfile.TemporaryFile("w+") as file,
            shared_limits(
                self.options, lambda: not self.dry_run, shown=not self.dry_run, many=True
            ) as limits,
        ):
            superfluous = _NamesOnDisk(file)

            def work(item: MergedItem) -> None:
                with self.tally.attempt(item.relative):
                    self._copy(item, limits)

            limits.do_all(self._items(superfluous, limits), work)
            if not any(True for _ in self._to_delete(superfluous)):
                return
            if self.tally.failed:
                self.tally.note("nothing was deleted, because not everything went well")
                return
            if superfluous.source_is_empty:
                raise cb.UsageError(
                    "the source is empty, so --delete would delete all that is in the target",
                    hint="see that the source is there and mounted; if it is meant, use rm -r",
                )
            limits.do_all(self._to_delete(superfluous), self._delete)

    def _items(self, superfluous: _NamesOnDisk, limits: SharedLimits) -> Iterator[MergedItem]:
        for item in merged(self.direction.sources(), self.direction.targets()):
            if item.source is not None:
                superfluous.source_is_empty = False
            if not self.globs.take(item.relative):
                continue
            if item.source is not None:
                yield item
            elif self.delete:
                superfluous.add(item.relative)
        limits.progress.expect_no_more()

    def _to_delete(self, superfluous: _NamesOnDisk) -> Iterator[str]:
        """Give what is only in the target, now that all is known that the source left out."""
        return (name for name in superfluous.names() if not self.tally.has_left_out(name))

    def _copy(self, item: MergedItem, limits: SharedLimits) -> None:
        source, target = item.source, item.target
        assert source is not None
        reason = NOT_THERE if target is None else self.direction.difference(source, target)
        if reason is None:
            self.tally.add_unchanged()
        elif self.dry_run:
            click.echo(f"would copy {printable(item.relative)} ({reason})")
        else:
            limits.progress.expect(source.size)
            with limits.lane(source.size):
                self.tally.add(self.direction.copy(source, limits))

    def _delete(self, relative: str) -> None:
        if self.dry_run:
            click.echo(f"would delete {printable(relative)}")
            return
        with self.tally.attempt(relative):
            self.direction.delete(relative)
            self.tally.add_deleted()


class _NamesOnDisk:
    """Names in a temporary file, however many, that are only in the target."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.source_is_empty = True

    def add(self, name: str) -> None:
        self._file.write(json.dumps(name) + "\n")

    def names(self) -> Iterator[str]:
        self._file.seek(0)
        return (json.loads(line) for line in self._file)
