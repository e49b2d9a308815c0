"""What was interrupted: how to go on is told when it stops, and that it goes on when it does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import cipherbucket as cb
from cipherbucket.cli.copying.crew import left_behind
from cipherbucket.cli.errors import say
from cipherbucket.cli.terminal.text import printable

_AGAIN = "run the same command again to go on"
_AGAIN_PERHAPS = "run the same command again, it goes on with what it can"
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
    except KeyboardInterrupt as error:
        if again := _again(left, error):
            raise KeyboardInterrupt(f"interrupted; {again}") from None
        raise
    except SystemExit as error:  # of a signal
        if again := _again(left, error):
            with suppress(OSError):  # the terminal may be what went away
                say(f"terminated; {again}")
        raise
    except cb.CipherbucketError as error:
        if left():
            error.hint = f"{error.hint}; {_AGAIN}" if error.hint else _AGAIN
        raise


def _again(left: Callable[[], bool], error: BaseException) -> str | None:
    """Say how to go on; a journal that a thread is at still is not found among those left."""
    if left():
        return _AGAIN
    return _AGAIN_PERHAPS if left_behind(error) else None


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
