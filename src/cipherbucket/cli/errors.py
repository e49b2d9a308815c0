"""What goes wrong, in one line on stderr and one exit code.

Rule: no traceback for what a user can cause; it is shown with ``--debug``. The library's hints
speak of Python; `cipherbucket.cli.hints` turns them into options. Beside `EXIT_CODES` there are
143, terminated, and 141, when the reader of stdout has gone. A dry run has the exit code that the
run would have, as far as that can be known without doing it; one of ``sync`` needs no key.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn, TextIO

import click
from click.exceptions import Exit, NoArgsIsHelpError

import cipherbucket as cb
from cipherbucket.cli.descriptors import name_of
from cipherbucket.cli.hints import in_options
from cipherbucket.cli.usage import ArgumentsMissingError, line_of
from cipherbucket.cli.wrapping import wrapped
from cipherbucket.text import PrintableFormatter, printable, printable_traceback

EXIT_CODES = {
    0: "done",
    1: "some of the work failed, or an error of no other kind",
    2: "usage: an argument that cannot be used",
    3: "no such object",
    4: "keys: unreadable, missing, or not the one that opens the object",
    5: "the object is not what it should be: envelope, policy, integrity",
    6: "the store failed",
    7: "audit: there are findings, or a key that cannot be retired or perhaps not",
    130: "interrupted",
}

# The first class that fits decides; PreconditionFailedError is an answer, not a failing store.
_CODES: tuple[tuple[type[Exception], int], ...] = (
    (cb.ObjectNotFoundError, 3),
    (cb.UploadNotFoundError, 3),
    (cb.MasterKeyError, 4),
    (cb.NoMatchingKeyError, 4),
    (cb.WrongKeyError, 4),
    (cb.KmsError, 4),
    (cb.PreconditionFailedError, 1),
    (cb.SecurityError, 5),
    (cb.StoreError, 6),
    (cb.UsageError, 2),
)
_BUSY = "another process is at this transfer"  # no wrong argument: it may pass
_LOG_RAW = ("credentials", "darabonba-core", "alibabacloud-tea")
_INTERRUPTED = 130
_INDENT = len("cipherbucket: ")
_READER_GONE = 141
AGAIN = "run the same command again to go on"
INTERRUPTED = "interrupted"


def exit_code(error: Exception) -> int:
    """Return the exit code of an error."""
    if isinstance(error, cb.UsageError) and error.message.startswith(_BUSY):
        return 1
    return next((code for kind, code in _CODES if isinstance(error, kind)), 1)


def one_line(error: Exception) -> str:
    """Say in one line what happened and what to do next."""
    hint = error.hint if isinstance(error, cb.CipherbucketError) else None
    if isinstance(error, OSError) and not isinstance(error, cb.CipherbucketError):
        named = error.filename
        named = name_of(named) if isinstance(named, int) else os.fsdecode(named or "")
        text = f"{named}: " if named else ""
        text += error.strerror or str(error)
    else:
        text = str(error)
    return printable(" ".join(in_options(f"{text} ({hint})" if hint else text).split()))


class OutputError(Exception):
    """What is written to stdout does not arrive; it is no failure of the object it is about.

    Attributes:
        cause: What the operating system says.
    """

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def write_line(text: str) -> None:
    """Write a line to stdout, also from a thread that takes care of what an object fails of.

    Raises:
        OutputError: It cannot be written; `reported` ends the command as that deserves.
    """
    try:
        click.echo(text)
    except OSError as error:
        raise OutputError(error) from error


def say(text: str) -> None:
    """Write a line about what is going on to stderr; what is not printable in it is escaped."""
    click.echo(wrapped(f"cipherbucket: {printable(text)}", sys.stderr, _INDENT), err=True)


@contextmanager
def reported(*, debug: bool) -> Iterator[None]:
    """Turn what a command raises into a line on stderr and an exit code, warnings into lines."""
    try:
        with _warnings_said(), _logged(debug=debug):
            yield
            if sys.stdout is not None:  # closed by who started the program
                sys.stdout.flush()
    except (click.ClickException, click.Abort, Exit):
        raise
    except (KeyboardInterrupt, EOFError) as error:  # the latter ends a question
        text = str(error) if isinstance(error, KeyboardInterrupt) else ""
        _fail(text or INTERRUPTED, _INTERRUPTED, debug=debug)
    except BrokenPipeError:
        _drop_stdout()
        raise Exit(_READER_GONE) from None
    except OutputError as error:
        _drop_stdout()
        if isinstance(error.cause, BrokenPipeError):
            raise Exit(_READER_GONE) from None
        _fail(f"stdout: {one_line(error.cause)}", 1, debug=debug)
    except cb.CipherbucketError as error:
        _fail(one_line(error), exit_code(error), debug=debug)
    except OSError as error:
        where = "stdout: " if _is_of_stdout(error) else ""
        _drop_stdout()
        _fail(f"{where}{one_line(error)}", exit_code(error), debug=debug)
    except Exception as error:  # noqa: BLE001  a bug, of which a user should know so much
        text = f"unexpected {type(error).__name__}: {one_line(error)}"
        _fail(f"{text} (a bug; run it with 'cipherbucket --debug')", 1, debug=debug)


@contextmanager
def resumed_when_repeated() -> Iterator[None]:
    """Say, of what is interrupted here, that the same command goes on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{INTERRUPTED}; {AGAIN}") from None


@contextmanager
def ended() -> Iterator[None]:
    """End the process, with one line, on what was wrong with the arguments."""
    try:
        yield
    except (NoArgsIsHelpError, ArgumentsMissingError) as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        say(line_of(error))
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        say(INTERRUPTED)
        sys.exit(_INTERRUPTED)


def _fail(text: str, code: int, *, debug: bool) -> NoReturn:
    if debug:
        error = sys.exception()
        assert error is not None
        click.echo(printable_traceback(error), err=True)
    if code == _INTERRUPTED and sys.stderr.isatty():
        click.echo(err=True)  # after the terminal's ^C
    say(text)
    raise Exit(code) from None


def _is_of_stdout(error: OSError) -> bool:
    """Return whether it was stdout that failed: click wrote to it, or `reported` flushed it."""
    (own, _), *below = traceback.walk_tb(error.__traceback__)
    last = below[-1][0] if below else own
    return last is own or (last.f_code is click.echo.__code__ and not last.f_locals["err"])


def _drop_stdout() -> None:
    """Point stdout at nothing: Python would complain when it flushes it at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def _warnings_said() -> Iterator[None]:
    """Say each warning of the library in one line, once."""
    said: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, cb.CipherbucketWarning):
            shown_before(printable(str(message)), category, filename, lineno, file, line)
            return
        text = in_options(" ".join(str(message).split()))
        if text not in said:
            said.add(text)
            say(f"warning: {text}")

    shown_before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always", cb.CipherbucketWarning)
        warnings.showwarning = show
        yield


class LogLines(logging.Handler):
    """Says each record of the log in one line, as all else is said."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record."""
        say(record.getMessage())


@contextmanager
def log_written(handler: logging.Handler, level: int | None = None) -> Iterator[None]:
    """Have the library's log written as well, at a level if it is another."""
    log = logging.getLogger("cipherbucket")
    before = log.level
    log.addHandler(handler)
    if level is not None:
        log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


@contextmanager
def _logged(*, debug: bool) -> Iterator[None]:
    """Write the library's log to stderr: its warnings, or with ``--debug`` all of it.

    The libraries of `_LOG_RAW` have handlers of their own, and what they log quotes the answers of
    services and the credentials in them: it is never shown.
    """
    if debug:
        handler: logging.Handler = logging.StreamHandler()
        handler.setFormatter(PrintableFormatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    else:
        handler = LogLines(logging.WARNING)
    loggers = [logging.getLogger(name) for name in _LOG_RAW]
    before = [each.disabled for each in loggers]
    for each in loggers:
        each.disabled = True
    try:
        with log_written(handler, logging.DEBUG if debug else None):
            yield
    finally:
        for each, was_disabled in zip(loggers, before, strict=True):
            each.disabled = was_disabled


def report_printable() -> None:
    """Let what nobody catches be reported without anything raw: in threads, and at the very end.

    So with what other libraries log where nobody listens.
    """

    def report(error: BaseException | None) -> None:
        if error is not None and not isinstance(error, SystemExit):
            click.echo(printable_traceback(error), err=True)

    sys.excepthook = lambda _, error, __: report(error)
    sys.unraisablehook = lambda unraisable: report(unraisable.exc_value)
    threading.excepthook = lambda uncaught: report(uncaught.exc_value)
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PrintableFormatter())
