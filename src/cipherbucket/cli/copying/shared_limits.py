"""What several transfers share: the rate, the room for large ones, and the request to stop.

The library keeps a rate by itself where it moves a large file in parts. What is small, or goes
through a pipe, is held back here, in the calls by which the library reports progress; in the same
calls a thread hears that its work is not wanted any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TypeVar

from cipherbucket.cli.copying.resume_notes import resumable
from cipherbucket.cli.options.copying import LARGE, CopyOptions
from cipherbucket.cli.terminal.progress import Progress, Report, total_found, transfer_progress
from cipherbucket.workers.threads import Halt, run

Task = TypeVar("Task")

_GRACE = 1.0
"""Seconds that are waited for threads to stop: more than the library waits for its own."""


class SharedLimits:
    """Holds transfers back, stops them, and lets their progress be followed.

    Args:
        options: The rate.
        progress: What follows them.
        halt: Keeps the rate, and is set when all have to stop.

    Attributes:
        options: How transfers are made.
        progress: What follows them.
    """

    def __init__(self, options: CopyOptions, progress: Progress, halt: Halt) -> None:
        self.options = options
        self.progress = progress
        self._halt = halt
        self._lanes = threading.Condition()
        self._small = 0
        self._large = False
        self._large_waiting = 0

    def do_all(
        self, tasks: Iterable[Task], work: Callable[[Task], None], *, workers: int | None = None
    ) -> None:
        """Do all tasks, several at once.

        A listing that fails ends the tasks; what is under way is finished.

        Args:
            tasks: Drawn from by the threads, one at a time.
            work: Does one; it reports its own failures.
            workers: How many at once; None for so many as files.

        Raises:
            What drawing or working raised; or what a signal raises.
        """
        broken: list[Exception] = []

        def listed() -> Iterator[Task]:
            try:
                yield from tasks
            except Exception as error:  # noqa: BLE001  raised below
                broken.append(error)

        workers = workers or self.options.files_at_once
        run(listed(), work, workers=workers, halt=self._halt, grace=_GRACE)
        for error in broken:
            raise error

    def go_on(self) -> None:
        """Return, unless all have to stop."""
        self._halt.passed(0)

    @contextmanager
    def running(self, label: str, *, in_parts: bool) -> Iterator[Report]:
        """Follow one transfer.

        Args:
            label: What it is called.
            in_parts: Whether the library moves it in parts, and keeps the rate, if it is large.
        """
        passed = 0
        with self.progress.running(label) as show:

            def report(done: int, total: int | None) -> None:
                nonlocal passed
                kept_there = in_parts and total is not None and total > LARGE
                self._halt.passed(0 if kept_there else done - passed)
                passed = max(passed, done)
                show(done, total)

            yield report

    @contextmanager
    def lane(self, size: int) -> Iterator[None]:
        """Wait until there is room for a transfer of so many bytes.

        Large ones go one after the other, each in parts of its own; small ones go beside them,
        unless a rate is kept, which then is the large one's alone.
        """
        large = size > LARGE
        with self._lanes:
            self._large_waiting += large
            try:
                while not self._is_free(large=large):
                    self.go_on()
                    self._lanes.wait(0.1)
                self.go_on()
            finally:
                self._large_waiting -= large
            self._large = self._large or large
            self._small += not large
        try:
            yield
        finally:
            with self._lanes:
                if large:
                    self._large = False
                else:
                    self._small -= 1
                self._lanes.notify_all()

    def _is_free(self, *, large: bool) -> bool:
        limited = self.options.rate is not None
        if large:
            return not self._large and not (limited and self._small)
        return not limited or not (self._large or self._large_waiting)


@contextmanager
def shared_limits(
    options: CopyOptions,
    is_resumable: Callable[[], bool] = lambda: False,
    *,
    shown: bool = True,
    many: bool = False,
    sizes: Callable[[], Iterable[int]] | None = None,
) -> Iterator[SharedLimits]:
    """Give transfers what they share, show their progress, and say how to go on if they break off.

    Args:
        options: How they are made.
        is_resumable: Whether, after they broke off, there is something to go on with.
        shown: Whether bars may be shown.
        many: Whether they are several.
        sizes: Gives the bytes of each; called in a thread of its own.
    """
    halt = Halt(options.rate)
    shown = shown and not options.quiet
    with (
        resumable(is_resumable, halt, quiet=options.quiet),
        transfer_progress(shown=shown, lines=options.progress, many=many) as progress,
        total_found(progress, sizes) if sizes is not None else nullcontext(),
    ):
        yield SharedLimits(options, progress, halt)
