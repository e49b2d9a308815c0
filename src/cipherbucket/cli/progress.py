"""A progress bar on stderr, where stderr is a terminal; nothing at all elsewhere.

Law: stdout is never touched. The bar counts plaintext bytes over one transfer or a whole tree.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cipherbucket.cli.meter import Meter


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
    from cipherbucket.cli.bar import bar  # noqa: PLC0415  brings rich

    with bar(total() if total is not None else None) as meter:
        yield meter
