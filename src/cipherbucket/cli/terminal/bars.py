"""Progress bars and a counter; imported only where they are shown, because rich loads slowly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from cipherbucket.text import amount, count, printable

_MOST_LINES = 4


class _Rate(ProgressColumn):
    """Bytes a second, in the units of the other columns."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{amount(speed)}/s" if speed else "", style="progress.data.speed")


class _Bars:
    """A line for each of the first few transfers that run, and one for all of them."""

    def __init__(self, screen: Progress, *, many: bool) -> None:
        self._screen = screen
        self._all = screen.add_task("total", total=None) if many else None
        self._lines = threading.Semaphore(_MOST_LINES)

    @contextmanager
    def transfer(self, label: str) -> Iterator[Callable[[int, int | None], None]]:
        if not self._lines.acquire(blocking=False):
            yield lambda _done, _total: None
            return
        line = self._screen.add_task(printable(label), total=None)
        try:
            yield lambda done, total: self._screen.update(line, completed=done, total=total)
        finally:
            self._lines.release()
            if self._all is not None:
                self._screen.remove_task(line)

    def total(self, done: int, objects: int, size: int | None) -> None:
        if self._all is not None:
            text = f"total, {count(objects, 'object')} done"
            self._screen.update(self._all, completed=done, total=size, description=text)

    def end(self) -> None:
        """Show all as done, also where the total shows only now."""
        for task in self._screen.tasks:
            if task.total is None or task.total < task.completed:
                self._screen.update(task.id, total=task.completed)


@contextmanager
def transfer_bars(*, many: bool) -> Iterator[_Bars]:
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
    ) as screen:
        bars = _Bars(screen, many=many)
        yield bars
        bars.end()


@contextmanager
def object_counter(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Count objects on stderr, with their rate; what it yields is called with the number."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:,.0f} objects " + what, markup=False),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as screen:
        task = screen.add_task("", total=None, rate="")

        def show(done: int, _: int | None) -> None:
            speed = screen.tasks[0].speed
            screen.update(task, completed=done, rate=f"{speed:,.0f} a second" if speed else "")

        yield show
