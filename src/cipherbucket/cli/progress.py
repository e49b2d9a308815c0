"""A progress bar on stderr, where stderr is a terminal; nothing at all elsewhere.

Law: stdout is never touched. The bar counts plaintext bytes over one transfer or a whole tree.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cipherbucket.cli.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Meter:
    """Adds up the bytes of transfers that follow each other; this one shows nothing."""

    def of(self, label: str) -> Callable[[int, int | None], None] | None:
        """Begin the transfer of one object and return what the library reports to."""
        del label
        return None


class _BarMeter(Meter):
    """Shows a bar."""

    def __init__(self, progress: Progress, task: TaskID, total: int | None) -> None:
        self._progress = progress
        self._task = task
        self._total = total
        self._before = 0
        self._done = 0

    def of(self, label: str) -> Callable[[int, int | None], None]:
        self._before += self._done
        self._done = 0
        self._progress.update(self._task, description=printable(label))

        def report(done: int, total: int | None) -> None:
            self._done = done
            whole = self._total if self._total is not None else total
            self._progress.update(self._task, completed=self._before + done, total=whole)

        return report


@contextmanager
def metered(*, shown: bool, total: Callable[[], int | None] | None = None) -> Iterator[Meter]:
    """Give a meter.

    Args:
        shown: Whether a bar is wanted; it is shown if stderr is a terminal.
        total: Computes the bytes of all transfers, called only if there is a bar. None for one
            transfer, which tells its own.
    """
    if not shown or not sys.stderr.isatty():
        yield Meter()
        return
    from rich.console import Console  # noqa: PLC0415  rich takes longer to load than a small copy
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.table import Column  # noqa: PLC0415

    name = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    progress = Progress(
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=20),
        DownloadColumn(binary_units=True, table_column=Column(no_wrap=True, justify="right")),
        TransferSpeedColumn(table_column=Column(no_wrap=True, justify="right", min_width=10)),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        expand=True,
        redirect_stdout=False,
    )
    whole = total() if total is not None else None
    with progress:
        yield _BarMeter(progress, progress.add_task("", total=whole), whole)
