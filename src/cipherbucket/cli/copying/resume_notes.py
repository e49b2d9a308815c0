"""Says how to resume what was interrupted, and that a transfer is resumed when it is.

Rule: nothing is promised that was not looked for: there is a journal, or a thread is still at work
that may leave one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import cipherbucket as cb
from cipherbucket.cli.errors import AGAIN, INTERRUPTED, LogLines, log_written, say
from cipherbucket.workers.threads import Halt

_AGAIN_PERHAPS = "run the same command again, it goes on with what it can"
_UNDONE = "what was not finished has been undone"
_log = logging.getLogger("cipherbucket")


@contextmanager
def resumable(is_resumable: Callable[[], bool], halt: Halt, *, quiet: bool) -> Iterator[None]:
    """Say how to go on with what is done here, if it breaks off.

    Args:
        is_resumable: Whether, after it broke off, there is something to go on with.
        halt: Knows of threads that were left behind.
        quiet: Do not say that an earlier transfer goes on.
    """
    try:
        with _resumptions_said(shown=not quiet):
            yield
    except KeyboardInterrupt:
        then = _again(is_resumable, halt) or _UNDONE
        raise KeyboardInterrupt(f"{INTERRUPTED}; {then}") from None
    except SystemExit:  # of a signal
        if again := _again(is_resumable, halt):
            with suppress(OSError):  # the terminal may be what went away
                say(f"terminated; {again}")
        raise
    except cb.CipherbucketError as error:
        if is_resumable():
            error.hint = f"{error.hint}; {AGAIN}" if error.hint else AGAIN
        raise


def _again(is_resumable: Callable[[], bool], halt: Halt) -> str | None:
    """Say how to go on; a journal that a thread is at still is not found among those left."""
    if is_resumable():
        return AGAIN
    return _AGAIN_PERHAPS if halt.left_behind else None


def is_abandoned(store_url: str, name: str) -> bool:
    """Return whether there is an interrupted transfer of this object."""
    return any((each.store, each.name) == (store_url, name) for each in cb.abandoned())


def is_resumption(record: logging.LogRecord) -> bool:
    """Return whether a line of the library's log is about a transfer that goes on."""
    return record.levelno == logging.INFO and "going on with" in str(record.msg)


@contextmanager
def _resumptions_said(*, shown: bool) -> Iterator[None]:
    """Say those lines of the library's log that are about transfers that go on."""
    if not shown or _log.isEnabledFor(logging.INFO):  # the whole log is shown already
        yield
        return
    handler = LogLines(logging.INFO)
    handler.addFilter(is_resumption)
    with log_written(handler, logging.INFO):
        yield
