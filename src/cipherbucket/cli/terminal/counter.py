"""How many objects a command has looked at so far, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counted(what: str, *, shown: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """Give what a pass over objects tells its progress; None where nobody sees it.

    Args:
        what: What happens to the objects.
        shown: Whether it is wanted; it is shown if stderr is a terminal.
    """
    if not shown or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415  takes long to load
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:,.0f} objects " + what, markup=False),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as progress:
        task = progress.add_task("", total=None, rate="")

        def tell(done: int, _: int | None) -> None:
            speed = progress.tasks[0].speed
            rate = f"{speed:,.0f} a second" if speed else ""
            progress.update(task, completed=done, rate=rate)

        yield tell
