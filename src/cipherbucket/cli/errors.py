"""What goes wrong, in one line on stderr and one exit code.

====  =========================================================================
 0    done
 1    some of the work failed, or an error of no other kind
 2    usage: an argument that cannot be done
 3    no such object
 4    keys: unreadable, missing, or not the one that opens the object
 5    the object is not what it should be: envelope, policy, integrity
 6    the store failed
 7    audit: there are findings, or a key that cannot be retired or perhaps not
130   interrupted (143 terminated, 141 when the reader of stdout has gone)
====  =========================================================================

Law: no traceback for what a user can cause; it is shown with ``--debug``. The library's hints
speak of Python; here they are turned into options.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn, TextIO

import click
from click.exceptions import Exit, NoArgsIsHelpError

import cipherbucket as cb
from cipherbucket.text import printable

EXIT_CODES = {
    0: "done",
    1: "some of the work failed, or an error of no other kind",
    2: "usage: an argument that cannot be done",
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
_INTERRUPTED = 130
_READER_GONE = 141
_ONE_FORMAT = "rotate"  # reads no format beside that which it writes
_UNDONE = "interrupted; what was not finished has been undone"

# From the library's words to the command line's, the longer ones first.
_OPTIONS = (
    (
        "if it should be plaintext, open with policy=Policy(plaintext=True); if not,",
        (
            "if it was sealed and lost its metadata, 'cipherbucket repair URL' gives them back;"
            " if it should be plaintext, read it with --plaintext; if neither,"
        ),
    ),
    (
        "give each key a description of its own",
        "give each key a description of its own, in FILE.json beside it, or in cipherbucket.toml",
    ),
    ("or say allow_weak=True", "or say --allow-weak-key"),
    ("give passphrase=, or set", "answer the question on a terminal, or set"),
    ("read the object with key=", "read the object with --force-key KEY"),
    ("read with key=", "read with --force-key KEY"),
    (
        "add the key with this description",
        "add the key with this description by -k KEY; of a file, with FILE.json beside it",
    ),
    ("try key= with the right one", "try --force-key KEY with the right one"),
    (
        "give it description={...}",
        "if FILE.json was beside the key, put it back; give new keys one with keygen",
    ),
    (
        "add its public half to the keys, or say whom it is for: recipients=[...]",
        (
            "add its public half with -k KEY, or say whom the new one is for: --recipient KEY;"
            " if it is to read no more, name the others so, or remove it first: cipherbucket"
            " rotate --only KEY"
        ),
    ),
    (
        "leave context= away, or read only sealed objects: format='sealed'",
        "if it should be sealed, someone replaced it; if not, leave --context away",
    ),
    ("leave context= away", "leave --context away"),
    (
        "give the pairs it was written with: context={...}",
        "give the pairs it was written with: --context NAME=VALUE",
    ),
    (
        "give the very pairs that it was written with: context={...}",
        "give the very pairs that it was written with: --context NAME=VALUE",
    ),
    ("read it with as_name=", "read it with --as-name NAME"),
    ("open the bucket with format='sealed'", "add --format sealed"),
    (
        "reencrypt with kinds=['plaintext'] encrypts it",
        "cipherbucket reencrypt --kind plaintext encrypts it",
    ),
    (
        "reencrypt with kinds=['oss-v1'] writes it anew",
        "cipherbucket reencrypt --kind oss-v1 writes it anew",
    ),
    ('use format="sealed"', "use --format sealed"),
)

_KINDS = re.compile(r"\bkinds=\['([a-z0-9-]+)'\]")
_PART_SIZE = re.compile(r"\bpart_size=(\d+) does")
_FORMAT = re.compile(
    r"(the object has format (\S+), this bucket accepts [^()]*) \(name the format in"
    r" policy=Policy\(formats=\.\.\.\)\)"
)


def exit_code(error: Exception) -> int:
    """Return the exit code of an error."""
    if isinstance(error, cb.UsageError) and error.message.startswith(_BUSY):
        return 1
    return next((code for kind, code in _CODES if isinstance(error, kind)), 1)


def one_line(error: Exception) -> str:
    """Say in one line what happened and what to do next."""
    hint = error.hint if isinstance(error, cb.CipherbucketError) else None
    if isinstance(error, OSError) and not isinstance(error, cb.CipherbucketError):
        text = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        text += error.strerror or str(error)
    else:
        text = str(error)
    return printable(" ".join(in_options(f"{text} ({hint})" if hint else text).split()))


def say(text: str) -> None:
    """Write a line about what is going on to stderr."""
    click.echo(f"cipherbucket: {text}", err=True)


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
        _fail(text or _UNDONE, _INTERRUPTED, debug=debug)
    except BrokenPipeError:
        _drop_stdout()
        raise Exit(_READER_GONE) from None
    except cb.CipherbucketError as error:
        _fail(one_line(error), exit_code(error), debug=debug)
    except OSError as error:
        _drop_stdout()  # it may be what failed
        _fail(one_line(error), exit_code(error), debug=debug)
    except Exception as error:  # noqa: BLE001  a bug, of which a user should know so much
        text = f"unexpected {type(error).__name__}: {one_line(error)}"
        _fail(f"{text} (a bug; run it with 'cipherbucket --debug')", 1, debug=debug)


@contextmanager
def ended() -> Iterator[None]:
    """End the process, with one line, on what was wrong with the arguments."""
    try:
        yield
    except NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "cipherbucket"
        text = " ".join(error.format_message().split()).rstrip(".")
        say(printable(f"{text} (see: {path} --help)"))
        sys.exit(error.exit_code)
    except click.Abort:
        say("interrupted")
        sys.exit(_INTERRUPTED)


def _fail(text: str, code: int, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exc()
    if code == _INTERRUPTED and sys.stderr.isatty():
        click.echo(err=True)  # after the terminal's ^C
    say(text)
    raise Exit(code) from None


def in_options(text: str) -> str:
    """Turn the hints of the library, which speak of Python, into options."""
    for python, option in _OPTIONS:
        text = text.replace(python, option)
    text = _KINDS.sub(r"--kind \1", text)
    text = _PART_SIZE.sub(r"--part-size \1 does", text)
    return _FORMAT.sub(_naming_the_option, text)


def _naming_the_option(refused: re.Match[str]) -> str:
    """Say how to read an object whose format was refused, and what may be behind it."""
    text, its = refused[1], refused[2]
    if _running() == _ONE_FORMAT:
        return f"{text} (a run is for one format: run it once more with --format {its})"
    if its == "sealed":
        return f"{text} (read it with --format sealed, or beside others with --accept sealed)"
    return (
        f"{text} (if it should have this format, read it with --accept {its};"
        " if not, someone put it in a sealed object's place)"
    )


def _running() -> str | None:
    """Return the name of the command that runs."""
    context = click.get_current_context(silent=True)
    return context.find_root().invoked_subcommand if context is not None else None


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
            shown_before(message, category, filename, lineno, file, line)
            return
        text = printable(in_options(" ".join(str(message).split())))
        if text not in said:
            said.add(text)
            say(f"warning: {text}")

    shown_before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always", cb.CipherbucketWarning)
        warnings.showwarning = show
        yield


class _Said(logging.Handler):
    """Say each record in one line, as all else is said."""

    def emit(self, record: logging.LogRecord) -> None:
        say(printable(record.getMessage()))


@contextmanager
def _logged(*, debug: bool) -> Iterator[None]:
    """Write the library's log to stderr: its warnings, or with ``--debug`` all of it.

    The default chain of credentials logs with handlers of its own, traceback and all, what comes
    back from it as an error, too.
    """
    chain, log = logging.getLogger("credentials"), logging.getLogger("cipherbucket")
    if not debug:
        before_us, chain.disabled = chain.disabled, True
        warned = _Said(logging.WARNING)
        log.addHandler(warned)
        try:
            yield
        finally:
            log.removeHandler(warned)
            chain.disabled = before_us
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
