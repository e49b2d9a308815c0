"""A tree is copied, by ``cp -r`` and by ``sync``; then ``sync`` deletes.

Rule: what fails by itself stops nothing else; a listing that breaks off ends the run. Nothing is
deleted unless everything else went well, and all of both listings came; nothing that the source
has, or has as no folder, though it was left out; and no more than `deletion` says.

What is a file on one side and a folder on the other cannot be both in a folder of files. It makes
room at the end, for what was fetched by then: see `cipherbucket.cli.copying.changed_kinds`.

A dry run lists what would be done, and is refused after that where the run would be.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import cipherbucket as cb
from cipherbucket.cli.copying.changed_kinds import ChangedKinds, InTheWayError, making_room
from cipherbucket.cli.copying.choices import BEFORE, Choice
from cipherbucket.cli.copying.deletion import NOT_OFFERED, Deletion, Plan, nothing_meant
from cipherbucket.cli.copying.direction import Copied, Direction
from cipherbucket.cli.copying.directions import ToFolder
from cipherbucket.cli.copying.groups import Outcome, SidesByName, Workers, groups_of
from cipherbucket.cli.copying.listings import Item, MergedItem, merged
from cipherbucket.cli.copying.names_on_disk import NamesOnDisk
from cipherbucket.cli.copying.shared_limits import SharedLimits, shared_limits
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.errors import say
from cipherbucket.cli.in_order import in_order
from cipherbucket.cli.options.copying import CopyOptions
from cipherbucket.cli.options.executors import ExecutorOptions
from cipherbucket.cli.options.globs import Globs
from cipherbucket.cli.options.outcomes import would
from cipherbucket.cli.options.parsing import is_file


@dataclass(frozen=True)
class TreeCopy:
    """One run of ``cp -r`` or ``sync``.

    Attributes:
        direction: From where to where.
        choice: What has to be copied.
        globs: Which names are meant.
        tally: Counts what is done.
        options: How files are copied.
        deletion: Whether what is only in the target is deleted.
        dry_run: Whether it is only printed what would be done.
        moves: Whether a source is removed when it was copied.
        as_json: Whether that is printed as JSON.
        single: Whether it is of one object, whose failure is that of the run.
        shared: What workers copy between; None where this process copies.
    """

    direction: Direction
    choice: Choice
    globs: Globs
    tally: Tally
    options: CopyOptions
    deletion: Deletion = NOT_OFFERED
    dry_run: bool = False
    moves: bool = False
    as_json: bool = False
    single: bool = False
    shared: SidesByName | None = None

    @property
    def _writes_lines(self) -> bool:
        """Whether each outcome is a line on the terminal, which a bar would be drawn over."""
        return self.tally.shows_each and not (self.as_json and is_file(1))

    def carry_out(self) -> int:
        """Copy what has to be, then delete; return the exit code."""
        report = partial(
            self.tally.report, quiet=self.options.quiet, dry_run=self.dry_run, single=self.single
        )
        self.tally.remembers = self.deletion.wanted
        if self.dry_run:
            self.tally.verb = f"would {self._verb}"
        if not self.options.quiet:
            self.globs.note()
        executors = ExecutorOptions() if self.shared is None else self.options.executors
        with tempfile.TemporaryFile("w+") as file, executors.opened() as executor:
            plan = Plan(NamesOnDisk(file))
            try:
                with shared_limits(
                    self.options,
                    lambda: self._goes_on(plan),
                    shown=not self.dry_run and not self._writes_lines,
                    many=True,
                    sizes=self._sizes if self.choice.foreseen and not self.dry_run else None,
                ) as limits:
                    if self.dry_run:
                        self._foresee(self._items(plan, limits), limits)
                    elif self.shared is not None and executor is not None:
                        self._share_out(Workers(executor, self.shared), plan, limits)
                    else:
                        limits.do_all(self._items(plan, limits), partial(self._work, plan, limits))
                    self._finish(plan, limits)
            except cb.CipherbucketError:
                if not self.single:
                    report()  # a listing broke off; say what was done
                raise
        if not (self.tally.failed or self.dry_run):
            self.choice.finish()
        for glob in self.globs.idle if not self.options.quiet else ():
            say(f"the pattern {glob!r} fitted no name")
        return report()

    @property
    def _verb(self) -> str:
        return "move" if self.moves else "copy"

    def _goes_on(self, plan: Plan) -> bool:
        """Return whether the same command, run again, begins where this one ended."""
        if self.dry_run or plan.is_refused or not self.options.resume:
            return False
        return self.tally.made_progress or any(
            self.direction.resumes(each.store, each.name) for each in cb.abandoned()
        )

    def _sizes(self) -> Iterator[int]:
        found = self.direction.sources(Tally())
        return (each.size for each in found if self.globs.take(each.relative))

    def _work(self, plan: Plan, limits: SharedLimits, item: MergedItem) -> None:
        assert item.source is not None
        with self._attempt(item.source):
            if self._reason(item, limits) is not None:
                self._copy(item.source, plan, limits)

    def _share_out(self, workers: Workers, plan: Plan, limits: SharedLimits) -> None:
        """Decide here what has to be copied, and have it copied by workers, group by group."""
        kept_here: list[Item] = []

        def copy_there(group: list[Item]) -> None:
            for source, copied in workers.copied(group, limits):
                name = self.direction.name_of(source)
                with self._attempt(source), limits.progress.running(name) as show:
                    show(source.size, source.size)
                    self._end(source, copied, plan, limits)

        groups = groups_of(self._given_away(plan, limits, kept_here))
        limits.do_all(groups, copy_there, workers=workers.groups_at_once)
        for source in kept_here:
            with self._attempt(source):
                self._copy(source, plan, limits)

    def _given_away(
        self, plan: Plan, limits: SharedLimits, kept_here: list[Item]
    ) -> Iterator[Item]:
        def is_due(item: MergedItem) -> bool:
            assert item.source is not None
            with self._attempt(item.source):
                if self._reason(item, limits) is not None:
                    if self.moves:
                        self.direction.check_removable(item.source)
                    return True
            return False

        items = in_order(self._items(plan, limits), is_due, workers=self.options.files_at_once)
        for source in (item.source for item, due in items if due and item.source is not None):
            if self.direction.gives_away(source):
                self._expect(source, limits)
                yield source
            else:
                kept_here.append(source)

    def _end(self, source: Item, copied: Outcome, plan: Plan, limits: SharedLimits) -> None:
        """Write down what became of an item in a worker."""
        if isinstance(copied, Exception):
            raise copied
        if copied is None:  # something is in its way
            self._transfer(source, plan, limits)
            return
        self.direction.adopt(source, copied)
        if self.moves and not self.direction.has_copy(source, copied):
            raise cb.ObjectChangedError(
                "its copy is another, or is not there, so it is left", hint="move it again"
            )
        self._write_down(source, copied)

    def _attempt(self, source: Item) -> AbstractContextManager[None]:
        name = self.direction.name_of(source)
        return nullcontext() if self.single else self.tally.attempt(name)

    def _reason(self, item: MergedItem, limits: SharedLimits) -> str | None:
        """Return why an item has to be copied, or count it as skipped."""
        copied_before = self.choice.was_copied(item, self.direction)
        reason = None if copied_before else self.choice.reason(item)
        if reason is None and item.source is not None:
            self._skip(item.source, limits, copied_before=copied_before)
        return reason

    def _foresee(self, items: Iterator[MergedItem], limits: SharedLimits) -> None:
        """Print what would be copied, in the order of names."""

        def due(item: MergedItem) -> str | None:
            assert item.source is not None
            with self._attempt(item.source):
                if (reason := self._reason(item, limits)) is not None:
                    with self._set_aside([]):
                        self.direction.check(item.source, item.target)
                    if self.moves:
                        self.direction.check_removable(item.source)
                return reason
            return None

        for item, reason in in_order(items, due, workers=self.options.files_at_once):
            # Outside of the attempt: a reader who is gone is no failure of this file.
            if reason is not None and item.source is not None:
                self.tally.foresee(item.source.size, stored=isinstance(self.direction, ToFolder))
                self._would(self._verb, item.relative, reason)

    def _skip(self, source: Item, limits: SharedLimits, *, copied_before: bool) -> None:
        why = BEFORE if copied_before else self.choice.skipped
        self.tally.add_skipped(why, **self._ends(source))
        if self.choice.foreseen:
            limits.progress.expect_not(source.size)

    def _ends(self, source: Item) -> dict[str, str]:
        return dict(zip(("source", "target"), self.direction.ends(source), strict=True))

    def _would(self, verb: str, name: str, reason: str | None = None) -> None:
        facts = {"action": f"would {verb}", "name": name}
        would(facts if reason is None else {**facts, "reason": reason}, as_json=self.as_json)

    def _items(self, plan: Plan, limits: SharedLimits) -> Iterator[MergedItem]:
        kinds = ChangedKinds()
        for item in self._listed(plan):
            if not self.globs.take(item.relative):
                continue
            concerned = item.source is not None or self.deletion.wanted
            if concerned and self.direction.leaves_out(item, self.tally):
                if item.source is not None and self.choice.foreseen:
                    limits.progress.expect_not(item.source.size)
                continue
            plan.in_target += item.target is not None
            kinds.look_at(item)
            if item.source is not None:
                plan.source_is_empty = False
                yield item
            elif self.deletion.wanted:
                plan.superfluous.add(item.relative)
        plan.replaced = kinds.count
        if not self.choice.foreseen:
            limits.progress.expect_no_more()

    def _listed(self, plan: Plan) -> Iterator[MergedItem]:
        targets = self.direction.targets(self.tally) if self.choice.needs_targets else iter(())
        try:
            yield from merged(self.direction.sources(self.tally), targets)
        except cb.UsageError:  # of the names: to run it again would not help, but perhaps harm
            plan.is_refused = True
            raise

    def _finish(self, plan: Plan, limits: SharedLimits) -> None:
        """Delete, after all that could be copied was."""
        doomed = sum(1 for _ in self._to_delete(plan))
        if not doomed and not plan.blocked:
            return
        if self.tally.failed:
            self.tally.note("nothing was deleted, because not everything went well")
            for each in plan.blocked:
                self.tally.note(f"not copied, because something is in its way: {each.relative!r}")
            return
        if plan.source_is_empty:
            plan.is_refused = True
            raise nothing_meant(self.globs)
        if self.dry_run:
            for name in self._to_delete(plan):
                self._would("delete", name)
                self.tally.foresee_deletion()
        refusal = self.globs.misplaced(self._to_delete(plan)) or self.deletion.too_many(
            # A folder that became a file, or the reverse, is one that is replaced.
            doomed,
            doomed - plan.replaced,
            plan.in_target,
            self.globs,
            dry_run=self.dry_run,
        )
        if refusal is not None:
            plan.is_refused = True
            raise refusal
        if not self.dry_run:
            self._delete_all(plan, limits)

    def _delete_all(self, plan: Plan, limits: SharedLimits) -> None:
        gone = self._make_room(plan)
        if self.tally.failed:
            self.tally.note("nothing else was deleted, because not everything went well")
            return
        for name in gone:
            self.tally.add_deleted(name)
        limits.do_all((each for each in self._to_delete(plan) if each not in gone), self._delete)

    def _make_room(self, plan: Plan) -> set[str]:
        """Copy what had something in its way; return the names that may have gone for it."""
        gone = making_room(self._to_delete(plan), {each.relative for each in plan.blocked})
        for blocked in plan.blocked:
            assert blocked.replace is not None
            with self.tally.attempt(blocked.relative):
                self.tally.add(blocked.replace(gone))
        return gone

    def _to_delete(self, plan: Plan) -> Iterator[str]:
        """Give what is only in the target, now that all is known that the source left out."""
        return (name for name in plan.superfluous.names() if not self.tally.has_left_out(name))

    def _copy(self, source: Item, plan: Plan, limits: SharedLimits) -> None:
        self._expect(source, limits)
        self._transfer(source, plan, limits)

    def _expect(self, source: Item, limits: SharedLimits) -> None:
        if not self.choice.foreseen:
            limits.progress.expect(source.size)

    def _transfer(self, source: Item, plan: Plan, limits: SharedLimits) -> None:
        with limits.lane(source.size), self._set_aside(plan.blocked):
            if self.moves:
                self.direction.check_removable(source)
            self._write_down(source, self.direction.copy(source, limits))

    def _write_down(self, source: Item, copied: Copied) -> None:
        """Write down that an item was copied, and remove it if it is moved."""
        self.choice.add(source, copied)
        if self.moves:
            self.direction.remove(source, copied)
        self.tally.add(copied.size, **self._ends(source))

    @contextmanager
    def _set_aside(self, blocked: list[InTheWayError]) -> Iterator[None]:
        """Keep for the end what something is in the way of, if that may be deleted."""
        try:
            yield
        except InTheWayError as error:
            if not self.deletion.offered:
                error.hint = "move it away, or copy one of them by itself to another name"
            if not self.deletion.wanted:
                raise
            blocked.append(error)

    def _delete(self, relative: str) -> None:
        with self.tally.attempt(relative):
            self.direction.delete(relative)
            self.tally.add_deleted(relative)
