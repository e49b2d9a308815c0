"""The progress bar; imported only where one is shown, because rich takes long to load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

from cipherbucket.cli.meter import Meter
from cipherbucket.cli.text import amount, printable


class _Rate(ProgressColumn):
    """Bytes a second, in the units of the other columns."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{amount(speed)}/s" if speed else "", style="progress.data.speed")


class BarMeter(Meter):
    """Counts on a bar that stands for all transfers together."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._total = total
        self._before = 0
        self._done = 0

    def of(self, label: str) -> Callable[[int, int | None], None]:
        """Begin the next transfer."""
        self._before += self._done
        self._done = 0
        if self._task is None:
            self._task = self._progress.add_task(printable(label), total=self._total)
        task = self._task
        self._progress.update(task, description=printable(label))

        def report(done: int, total: int | None) -> None:
            self._done = done
            whole = self._total if self._total is not None else total
            self._progress.update(task, completed=self._before + done, total=whole)

        return report

    def end(self, size: int) -> None:
        """Show the transfer as done, also where its size shows only now."""
        self._done = size
        if self._task is not None:
            done = self._before + size
            total = self._total if self._total is not None else done
            self._progress.update(self._task, completed=done, total=total)


@contextmanager
def bar(total: int | None) -> Iterator[Meter]:
    """Show a bar on stderr until the transfers are over; it stays on the screen."""
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
        yield BarMeter(progress, total)
