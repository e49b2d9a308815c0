"""Commands and groups: their help ends with examples, and no argument may be empty.

Rule: an empty argument is a variable that was not set. ``Path("")`` would be the working directory.
"""

from __future__ import annotations

from typing import Any

import click


class Command(click.Command):
    """A command with examples of its use, one a line."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what is empty, then parse."""
        _refuse_empty(self, ctx, args)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples as they stand, never wrapped: they are there to be copied."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{' ' * formatter.current_indent}{example}\n")


class Group(Command, click.Group):
    """A group of commands, itself with examples."""

    command_class = Command


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
