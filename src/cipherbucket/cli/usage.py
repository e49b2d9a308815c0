"""What is wrong with the arguments, in one line of ours: click's errors, and what may be meant.

Rule: the line names the option or the argument first and ends with the command to look at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import click
from click.exceptions import BadOptionUsage, MissingParameter, NoSuchOption

from cipherbucket.cli import habits

_FLAGS = 4
"""The longest word that is read as several options of a letter, such as -rfv."""
_CLOSE = 0.75
"""How alike two names are of which one is a slip, without their hyphens; 1 is the same."""
_NO_VALUE = "requires an argument"
_TOO_MANY = re.compile(r"Got unexpected extra arguments? \((.*)\)", re.DOTALL)


class ArgumentsMissingError(click.UsageError):
    """A command was run without any of its arguments: its usage and its examples are shown."""

    def show(self, file: object = None) -> None:  # noqa: ARG002  click's signature
        """Write them to stderr."""
        context = self.ctx
        assert context is not None
        click.echo(f"{context.command.get_usage(context)}\n", err=True)
        formatter = context.make_formatter()
        context.command.format_epilog(context, formatter)
        click.echo(f"{formatter.getvalue().strip()}\n", err=True)
        click.echo(f"All options: {context.command_path} --help", err=True)


def line_of(error: click.ClickException) -> str:
    """Say in one line what is wrong with the arguments."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "cipherbucket"
    return f"{_text(error)} (see: {path} --help)"


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Name what may have been meant, to be added to what is said; empty if nothing is close.

    Close is the one name that begins so, or a name that a slip of the fingers makes of another. One
    is never taken for its opposite, such as ``--progress`` for ``--no-progress``.
    """
    from difflib import get_close_matches  # noqa: PLC0415  only where something is wrong

    word = given.lstrip("-")
    opposites = {f"no-{word}", word.removeprefix("no-")} - {word}
    names = {each.lstrip("-"): each for each in sorted(known)}
    begun = [each for each in names if each.startswith(word)]
    close = begun if len(begun) == 1 else get_close_matches(word, names, 1, _CLOSE)
    meant = [names[each] for each in close if each not in opposites]
    return f"; did you mean {meant[0]!r}?" if meant else ""


def _text(error: click.ClickException) -> str:
    if isinstance(error, NoSuchOption):
        return _misplaced(error) or _unknown(error)
    if isinstance(error, MissingParameter) and error.ctx is not None:
        return _missing(error, error.ctx)
    if isinstance(error, click.BadParameter) and error.param is not None and error.ctx is not None:
        return f"{_name(error.param, error.ctx)}: {_plain(error.message)}"
    if isinstance(error, BadOptionUsage) and _NO_VALUE in error.message:
        return f"{error.option_name} takes a value, which is missing"
    if too_many := _TOO_MANY.match(error.message):
        return f"more arguments than it takes: {too_many[1]}"
    return _plain(error.format_message())


def _plain(text: str) -> str:
    """Begin without a capital, end without a full stop, and take one line."""
    text = " ".join(text.split()).rstrip(".")
    return text if text.partition(" ")[0].isupper() else text[:1].lower() + text[1:]


def _name(param: click.Parameter, context: click.Context) -> str:
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.make_metavar(context)


def _missing(error: MissingParameter, context: click.Context) -> str:
    """Name what is missing: which of several arguments it is, only who wrote them knows."""
    assert error.param is not None
    params = context.command.get_params(context)
    needed = [each for each in params if isinstance(each, click.Argument) and each.required]
    if error.param in needed and len(needed) > 1:
        return f"{' and '.join(_name(each, context) for each in needed)} are needed"
    return f"{_name(error.param, context)} is missing"


def no_such_command(given: str, known: Iterable[str]) -> str:
    """Say that there is no such command, and what it is called here."""
    if given in habits.EXPLAINED_COMMANDS:
        return f"no such command {given!r}: {habits.EXPLAINED_COMMANDS[given]}"
    ours = habits.COMMANDS.get(given)
    meant = did_you_mean(given, known) if ours is None else f"; did you mean {ours!r}?"
    return f"no such command {given!r}{meant}"


def _unknown(error: NoSuchOption) -> str:
    options = error.ctx.command.get_params(error.ctx) if error.ctx is not None else []
    shown = [each for each in options if isinstance(each, click.Option) and not each.hidden]
    known = [opt for each in shown for opt in each.opts]
    given = error.option_name
    name = _file_or_options(error)
    meant = "" if name and not given.startswith("--") else _meant(given, known)
    return f"no such option {given!r}{meant}{name}"


def _meant(given: str, known: list[str]) -> str:
    copies, syncs = "--no-resume" in known, "--max-delete" in known
    if given in {"-f", "--force"} and copies:
        return f": {habits.OVERWRITES}"
    if given in {"-u", "--update", "--skip-existing", "--ignore-existing"} and syncs:
        return f": {habits.COMPARES}"
    if habits.OPTIONS.get(given) in known:
        return f"; did you mean {habits.OPTIONS[given]!r}?"
    for each in (given, habits.OPTIONS.get(given)):
        if each in habits.EXPLAINED_OPTIONS:
            return f": {habits.EXPLAINED_OPTIONS[each]}"
    long = [opt for opt in known if opt.startswith("--")]
    return did_you_mean(given, long) if given.startswith("--") else ""


def _file_or_options(error: NoSuchOption) -> str:
    """Say how a name is written that begins with a hyphen, where it may be one."""
    word = getattr(error, "word", "")
    if os.path.lexists(word):
        return f"; for the file of this name write ./{word}, or put -- before it"
    if word.startswith("--") or len(word) <= _FLAGS:
        return ""
    return f"; if {word!r} is a name, put -- before it"


def _misplaced(error: NoSuchOption) -> str | None:
    """Say that an option of the program stood after the command; None if it is another error."""
    if error.ctx is None:
        return None
    program, option = error.ctx.find_root(), error.option_name
    if program is error.ctx or all(option not in each.opts for each in program.command.params):
        return None
    command = error.ctx.command_path.removeprefix(f"{program.command_path} ")
    return f"{option} goes before the command: {program.command_path} {option} ... {command}"
