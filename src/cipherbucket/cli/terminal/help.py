"""Commands and groups: their help ends with examples, and no argument may be empty.

Rule: an empty argument is a variable that was not set. ``Path("")`` would be the working directory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.exceptions import NoSuchOption

from cipherbucket.cli.usage import ArgumentsMissingError, no_such_command

_UNBROKEN = "\N{NON-BREAKING HYPHEN}"


class _Formatter(click.HelpFormatter):
    """Breaks no line at a hyphen: ``--max-delete`` is one word."""

    def write(self, string: str) -> None:
        """Write, with hyphens as they were."""
        super().write(string.replace(_UNBROKEN, "-"))

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        super().write_text(text.replace("-", _UNBROKEN))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write options, each with its text."""
        unbroken = [(first, text.replace("-", _UNBROKEN)) for first, text in rows]
        super().write_dl(unbroken, col_max, col_spacing)


class _Context(click.Context):
    formatter_class = _Formatter


class Command(click.Command):
    """A command with examples of its use, one a line."""

    context_class = _Context

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what is empty, then parse; without any argument, show how it is used."""
        return _parsed(self, ctx, args, super().parse_args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples."""
        _write_examples(self.examples, formatter)


class Group(click.Group):
    """A group of commands, itself with examples."""

    command_class = Command
    context_class = _Context

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what is empty, then parse."""
        return _parsed(self, ctx, args, super().parse_args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples."""
        _write_examples(self.examples, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the one that may have been meant."""
        given = args[0]
        if not given.startswith("-") and self.get_command(ctx, given) is None:
            raise click.UsageError(no_such_command(given, self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)


def _write_examples(examples: tuple[str, ...], formatter: click.HelpFormatter) -> None:
    """Write examples as they stand, never wrapped: they are there to be copied."""
    with formatter.section("Examples"):
        for example in examples:
            formatter.write(f"{' ' * formatter.current_indent}{example}\n")


def _parsed(
    command: click.Command,
    ctx: click.Context,
    args: list[str],
    parse: Callable[[click.Context, list[str]], list[str]],
) -> list[str]:
    if not args and not ctx.resilient_parsing and any(map(_is_needed, command.params)):
        raise ArgumentsMissingError("arguments are missing", ctx)
    try:
        _refuse_empty(command, ctx, args)
        return parse(ctx, args)
    except click.UsageError as error:
        error.ctx = error.ctx or ctx
        if isinstance(error, NoSuchOption):
            error.word = _word_of(error.option_name, args)  # type: ignore[attr-defined]
        raise


def _word_of(option: str, args: list[str]) -> str:
    """Return the word that an option was read from, such as -dash for -d."""
    letter = option.lstrip("-")
    words = (each for each in args if each.startswith("-") and letter in each)
    return next(words, option)


def _is_needed(param: click.Parameter) -> bool:
    return isinstance(param, click.Argument) and param.required


def _refuse_empty(command: click.Command, ctx: click.Context, args: list[str]) -> None:
    """Refuse arguments, and values of options, that are empty.

    Raises:
        UsageError: There is one.
    """
    if ctx.resilient_parsing:  # a shell completes the line
        return
    given, _, _ = command.make_parser(ctx).parse_args(args=list(args))
    for param in command.get_params(ctx):
        value = given.get(param.name or "")
        if value == "" or (isinstance(value, list | tuple) and "" in value):
            name = param.opts[0] if isinstance(param, click.Option) else param.human_readable_name
            raise click.UsageError(f"{name} is empty; perhaps a variable is not set", ctx)
