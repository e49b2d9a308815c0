"""Progress bars and a counter; imported only where they are shown, because rich loads slowly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from cipherbucket.cli.terminal.estimates import progress_text, work
from cipherbucket.text import amount, printable

_MOST_LINES = 4


class _Bytes(ProgressColumn):
    """Bytes done, and bytes in all where they are known."""

    def render(self, task: Task) -> Text:
        done, size = task.fields["done"], task.fields["size"]
        of_all = f" of {amount(size)}" if size is not None else ""
        return Text(f"{amount(done)}{of_all}", style="progress.download")


class _Rate(ProgressColumn):
    """Bytes a second."""

    def render(self, task: Task) -> Text:
        seconds = task.finished_time or task.elapsed
        rate = task.fields["done"] / seconds if seconds else 0
        return Text(f"{amount(rate)}/s" if rate else "", style="progress.data.speed")


class _Bars:
    """A line for each of the first few transfers that run, and one for all of them."""

    def __init__(self, screen: Progress, *, many: bool) -> None:
        self._screen = screen
        self._all = _added(screen, "total") if many else None
        self._objects = 0
        self._lines = threading.Semaphore(_MOST_LINES)

    @contextmanager
    def transfer(self, label: str) -> Iterator[Callable[[int, int | None], None]]:
        if not self._lines.acquire(blocking=False):
            yield lambda _done, _total: None
            return
        line = _added(self._screen, printable(label))
        try:
            yield lambda done, total: self._screen.update(
                line, completed=done, total=total, done=done, size=total
            )
        finally:
            self._lines.release()
            if self._all is not None:
                self._screen.remove_task(line)

    def total(self, done: int, objects: int, size: int | None, of: int | None) -> None:
        self._objects = objects
        if self._all is not None:
            self._screen.update(
                self._all,
                completed=work(done, objects),
                total=work(size, of or 0) if size is not None else None,
                description=progress_text(objects, of),
                done=done,
                size=size,
            )

    def end(self) -> None:
        """Show all as done, also where the total shows only now."""
        for task in self._screen.tasks:
            if task.total is None or task.total < task.completed:
                self._screen.update(task.id, total=task.completed)

    def clear(self) -> None:
        """Leave no total on the screen where nothing was transferred."""
        if self._all is not None and not self._objects:
            self._screen.remove_task(self._all)


def _added(screen: Progress, text: str) -> TaskID:
    return screen.add_task(text, total=None, done=0, size=None)


@contextmanager
def transfer_bars(*, many: bool) -> Iterator[_Bars]:
    """Show bars on stderr until the transfers are over; the total's stays on the screen."""
    name = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    with Progress(
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=20),
        _Bytes(table_column=Column(no_wrap=True, justify="right")),
        _Rate(table_column=Column(no_wrap=True, justify="right", min_width=11)),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=Console(stderr=True),
        expand=True,
        redirect_stdout=False,
    ) as screen:
        bars = _Bars(screen, many=many)
        try:
            yield bars
            bars.end()
        finally:
            bars.clear()


@contextmanager
def object_counter(
    what: str,
) -> Iterator[tuple[Callable[[int, int | None], None], Callable[[int], None]]]:
    """Count objects on stderr, with their rate.

    Yields:
        What is called with the number that is done, and with the number there is.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as screen:
        task = screen.add_task(f"0 objects {what}", total=None, rate="")

        def show(done: int, _: int | None) -> None:
            speed, total = screen.tasks[0].speed, screen.tasks[0].total
            text = progress_text(done, int(total) if total is not None else None)
            rate = f"{speed:,.0f} a second" if speed else ""
            screen.update(task, completed=done, description=f"{text} {what}", rate=rate)

        try:
            yield show, lambda total: screen.update(task, total=total)
        except BaseException:
            screen.live.transient = not screen.tasks[0].completed  # only the error is to be seen
            raise
