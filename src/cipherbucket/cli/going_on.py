"""What was interrupted: how to go on is told when it stops, and that it goes on when it does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import cipherbucket as cb
from cipherbucket.cli.errors import say
from cipherbucket.cli.text import printable

_AGAIN = "run the same command again to go on"
_log = logging.getLogger("cipherbucket")


@contextmanager
def resumable(left: Callable[[], bool], *, quiet: bool) -> Iterator[None]:
    """Do what can be gone on with, and tell of it.

    Args:
        left: Tells, after it broke off, whether there is something to go on with.
        quiet: Do not say that an earlier transfer goes on.
    """
    try:
        with _said(shown=not quiet):
            yield
    except KeyboardInterrupt:
        if left():
            raise KeyboardInterrupt(f"interrupted; {_AGAIN}") from None
        raise
    except SystemExit:  # of a signal
        if left():
            with suppress(OSError):  # the terminal may be what went away
                say(f"terminated; {_AGAIN}")
        raise
    except cb.CipherbucketError as error:
        if left():
            error.hint = f"{error.hint}; {_AGAIN}" if error.hint else _AGAIN
        raise


def is_abandoned(store_url: str, name: str) -> bool:
    """Tell whether there is an interrupted transfer of this object."""
    return any((each.store, each.name) == (store_url, name) for each in cb.abandoned())


class _GoingOn(logging.Handler):
    """Says those lines of the library's log that tell of transfers that go on."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.INFO and "going on with" in str(record.msg):
            say(printable(record.getMessage()))


@contextmanager
def _said(*, shown: bool) -> Iterator[None]:
    before = _log.level
    if not shown or _log.isEnabledFor(logging.INFO):  # the whole log is shown already
        yield
        return
    handler = _GoingOn(logging.INFO)
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    try:
        yield
    finally:
        _log.removeHandler(handler)
        _log.setLevel(before)
