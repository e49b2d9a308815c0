"""The progress bars; imported only where they are shown, because rich takes long to load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from cipherbucket.cli.terminal.meter import Meter, Report
from cipherbucket.cli.terminal.text import amount, count, printable

_MOST_LINES = 4


class _Rate(ProgressColumn):
    """Bytes a second, in the units of the other columns."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{amount(speed)}/s" if speed else "", style="progress.data.speed")


class BarMeter(Meter):
    """A line for each of the first few transfers that run, and one for all of them."""

    shows = True

    def __init__(self, progress: Progress, *, many: bool) -> None:
        self._progress = progress
        self._many = many
        self._lock = threading.Lock()
        self._now: dict[object, int] = {}
        self._lines: set[object] = set()
        self._before = 0
        self._ended = 0
        self._expected = 0
        self._all_known = False
        self._all = progress.add_task("total", total=None) if many else None

    @contextmanager
    def running(self, label: str) -> Iterator[Report]:
        """Follow the transfer of one object."""
        mine = object()
        with self._lock:
            shown = len(self._lines) < _MOST_LINES
            if shown:
                self._lines.add(mine)
        line = self._progress.add_task(printable(label), total=None) if shown else None

        def report(done: int, total: int | None) -> None:
            if line is not None:
                self._progress.update(line, completed=done, total=total)
            with self._lock:
                self._now[mine] = done
                self._show_all()

        try:
            yield report
        finally:
            with self._lock:
                self._lines.discard(mine)
                self._before += self._now.pop(mine, 0)
                self._ended += 1
                self._show_all()
            if line is not None and self._many:
                self._progress.remove_task(line)

    def expect(self, size: int) -> None:
        """Count what is to come."""
        with self._lock:
            self._expected += size
            if self._all_known:
                self._show_total()

    def expect_no_more(self) -> None:
        """Show the total, and so the time that is left."""
        with self._lock:
            self._all_known = True
            self._show_total()

    def end(self) -> None:
        """Show all as done, also where the total shows only now."""
        if self._all is not None:
            task = self._task(self._all)
            if task.total is None or task.total < task.completed:
                self._progress.update(self._all, total=task.completed)
            return
        for task in self._progress.tasks:  # a pipe
            if task.total is None:
                self._progress.update(task.id, total=task.completed)

    def _show_all(self) -> None:
        if self._all is not None:
            done = self._before + sum(self._now.values())
            text = f"total, {count(self._ended, 'object')} done"
            self._progress.update(self._all, completed=done, description=text)

    def _show_total(self) -> None:
        if self._all is not None:
            self._progress.update(self._all, total=self._expected)

    def _task(self, task_id: TaskID) -> Task:
        return next(task for task in self._progress.tasks if task.id == task_id)


@contextmanager
def bar(*, many: bool) -> Iterator[Meter]:
    """Show bars on stderr until the transfers are over; the total's stays on the screen."""
    name = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    with Progress(
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=20),
        DownloadColumn(binary_units=True, table_column=Column(no_wrap=True, justify="right")),
        _Rate(table_column=Column(no_wrap=True, justify="right", min_width=11)),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=Console(stderr=True),
        expand=True,
        redirect_stdout=False,
    ) as progress:
        meter = BarMeter(progress, many=many)
        yield meter
        meter.end()
