"""What ``cp`` and ``mv`` do with their arguments.

Rule: one file, object or pipe is copied by itself, and its error is the command's. Several, a
folder, a prefix or a pattern are a tree, in which each fails by itself.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import cipherbucket as cb
from cipherbucket.cli.copying.choices import (
    NOT_NEWER,
    THERE,
    Choice,
    Reason,
    resumed_copy,
    what_is_missing,
    what_is_newer,
    whatever_is_there,
)
from cipherbucket.cli.copying.groups import shared_out
from cipherbucket.cli.copying.one_object import CopiedObject, ObjectCopy
from cipherbucket.cli.copying.own_files import OwnFiles
from cipherbucket.cli.copying.places import place_of
from cipherbucket.cli.copying.sides import Sides, writer_of
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.copying.tree_copy import TreeCopy
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.choosing import Choosing
from cipherbucket.cli.options.config import open_without_keys, split_url
from cipherbucket.cli.options.copying import CopyOptions
from cipherbucket.cli.options.globs import Globs
from cipherbucket.cli.options.outcomes import shown, would
from cipherbucket.cli.options.parsing import PIPE, descriptor_of, is_special, is_url
from cipherbucket.cli.options.wildcards import Pattern, has_wildcards, meant_by
from cipherbucket.cli.options.writing import WriteOptions


@dataclass(frozen=True)
class CopyCommand:
    """One ``cp`` or ``mv``.

    Attributes:
        sources: Paths or URLs.
        target: Path or URL.
        choosing: What is copied, and what is shown.
        access: Keys and formats.
        writing: How copies are written.
        options: How they are made.
        moves: Whether sources are removed.
    """

    sources: tuple[str, ...]
    target: str
    choosing: Choosing
    access: AccessOptions
    writing: WriteOptions
    options: CopyOptions
    moves: bool = False

    def run(self, size: int | None = None, version_id: str | None = None) -> int:
        """Check the arguments and copy; return the exit code.

        Args:
            size: How many bytes come from stdin.
            version_id: Which version of one object is copied.
        """
        self._refuse_contradictions(size)
        self.options.executors.refuse_for_one(recursive=self._is_tree)
        if version_id is not None:
            return self._copy_version(version_id)
        single, moves = self._single, self.moves
        if single is not None and not (moves or is_url(single)):
            OwnFiles(self.access).warn_of_copy(Path(single))
        if single is None:
            recursive = self.choosing.recursive
            return self._copy_tree(
                Sides(
                    self.sources,
                    self.target,
                    self.access,
                    self.writing,
                    recursive=recursive,
                    moves=moves,
                )
            )
        if self._is_piped or not (self.choosing.asked or self.choosing.verbose or moves):
            return self._copy_one(single, size)
        folder, name = _folder_and_name(self.target)
        name = name or _last_part(single)
        return self._copy_tree(
            Sides(
                (single,),
                folder,
                self.access,
                self.writing,
                recursive=False,
                name=name,
                patterns=False,
                moves=moves,
            )
        )

    @property
    def _is_tree(self) -> bool:
        """Whether the target is a folder that several things may go to."""
        return self._single is None

    @cached_property
    def _single(self) -> str | None:
        """The one file, pipe or object that is copied, without escapes; None for a tree."""
        source = self.sources[0]
        if self.choosing.recursive or len(self.sources) > 1:
            return None
        if not (is_url(source) and has_wildcards(source)):
            return source
        store_url, written = split_url(source)
        with open_without_keys(store_url, self.access.origin) as bucket:
            name = meant_by(written, bucket)
        return None if isinstance(name, Pattern) else f"{store_url}/{name}"

    @property
    def _is_piped(self) -> bool:
        """Whether bytes come or go through a pipe, or what else is open or special."""
        ends = (*self.sources, self.target)
        return any(
            descriptor_of(each) is not None or is_special(Path(each))
            for each in ends
            if not is_url(each)
        )

    def _refuse_contradictions(self, size: int | None) -> None:
        if self.choosing.update and self.choosing.skip_existing:
            raise cb.UsageError(
                "--update and --skip-existing exclude each other", hint="leave one out"
            )
        if self._is_tree and is_special(Path(self.target)):
            raise cb.UsageError(f"{self.target} is no folder", hint="copy one object to it")
        if self._is_piped and self._is_tree:
            raise cb.UsageError("a pipe holds one object", hint="leave out -r; copy one by one")
        asked = "mv" if self.moves else self.choosing.asked
        if self._is_piped and asked is not None:
            way = "use cp" if self.moves else "leave it out"
            raise cb.UsageError(f"{asked} is not for pipes and devices", hint=way)
        if size is not None and (self._is_tree or descriptor_of(self.sources[0]) is None):
            raise cb.UsageError("--size is for what comes from stdin", hint="leave it out")
        if self.access.as_name is not None and (self._is_tree or not is_url(self.sources[0])):
            raise cb.UsageError("--as-name is for reading one object", hint="leave it out")
        if self.options.mode is not None and (is_url(self.target) or self.target == PIPE):
            raise cb.UsageError("--mode is for local files that are written", hint="leave it out")
        if not (self._is_tree or Globs.given().take_all):
            raise cb.UsageError("--include and --exclude are for folders", hint="add -r")
        several = len(self.sources) > 1
        if several and not (is_url(self.target) or Path(self.target).is_dir()):
            raise cb.UsageError(
                f"{self.target} is no folder, and there are several sources",
                hint=f"make it: mkdir {self.target}",
            )

    def _copy_one(self, source: str, size: int | None) -> int:
        copying = ObjectCopy(self.access, self.writing, self.options)
        up, down = is_url(self.target), is_url(source)
        if up and down:
            return self._shown(source, copying.store_to_store(source, self.target))
        return self._shown(
            source,
            copying.upload(source, self.target, size)
            if up
            else copying.download(source, self.target),
        )

    def _copy_version(self, version_id: str) -> int:
        source = self._single
        if source is None or not is_url(source):
            hint = "leave it out"
            if self.choosing.recursive:
                hint = "leave out -r"
            elif len(self.sources) == 1 and is_url(self.sources[0]):
                hint = r"name one without wildcards; \* and \? are the characters"
            raise cb.UsageError("--version-id is for one object of a store", hint=hint)
        choosing = self.choosing
        if choosing.update or choosing.skip_existing:
            raise cb.UsageError(
                f"--version-id and {choosing.asked} exclude each other", hint="leave one out"
            )
        copying = ObjectCopy(self.access, self.writing, self.options, choosing.dry_run)
        copy = copying.store_to_store if is_url(self.target) else copying.download
        return self._shown(source, copy(source, self.target, version_id))

    def _shown(self, source: str, copied: CopiedObject) -> int:
        """Show what was done to one object, or would be, where that is asked for."""
        choosing = self.choosing
        show = shown(verbose=choosing.verbose, as_json=choosing.as_json)
        if choosing.dry_run:
            show = partial(would, as_json=choosing.as_json)
        if show is not None:
            action = "would copy" if choosing.dry_run else "copied"
            show({"action": action, "source": source, **copied._asdict()})
        return 0

    def _copy_tree(self, sides: Sides) -> int:
        with ExitStack() as stack:
            direction = sides.open(stack)
            reason: Reason = whatever_is_there
            skipped = THERE
            if self.choosing.update:
                reason, skipped = what_is_newer(direction), NOT_NEWER
            elif self.choosing.skip_existing:
                reason = what_is_missing
            choosing = self.choosing
            needs_targets = choosing.update or choosing.skip_existing or choosing.dry_run
            if self.moves:  # what was moved is gone from the source: nothing has to be remembered
                choice = Choice(reason, skipped=skipped, needs_targets=needs_targets, foreseen=True)
            else:
                choice = stack.enter_context(
                    resumed_copy(
                        reason,
                        *(place_of(each, self.access.origin) for each in self.sources),
                        place_of(sides.target),
                        writer_of(direction),
                        self.writing.identity,
                        skipped=skipped,
                        resume=self.options.resume,
                        needs_targets=needs_targets,
                        dry_run=choosing.dry_run,
                    )
                )
            tally = Tally(shown(verbose=self.choosing.verbose, as_json=self.choosing.as_json))
            tally.verb = "moved" if self.moves else "copied"
            return TreeCopy(
                direction,
                choice,
                Globs.given(),
                tally,
                self.options,
                dry_run=self.choosing.dry_run,
                moves=self.moves,
                as_json=self.choosing.as_json,
                single=not self._is_tree,
                shared=shared_out(sides, direction, self.options, dry_run=choosing.dry_run),
            ).carry_out()


def _last_part(source: str) -> str | None:
    """Return the name that a copy has in a folder, so that nothing else there is looked at."""
    name = split_url(source)[1].rpartition("/")[2] if is_url(source) else Path(source).name
    return None if name in {"", "..", "."} else name


def _folder_and_name(target: str) -> tuple[str, str | None]:
    """Split the target of one copy into a folder and a name; None for the source's own."""
    if is_url(target):
        store_url, name = split_url(target)
        folder, slash, last = name.rpartition("/")
        return f"{store_url}/{folder}{slash}", last or None
    path = Path(target)
    if path.is_dir() or target.endswith("/"):
        return target, None
    return str(path.parent), path.name
