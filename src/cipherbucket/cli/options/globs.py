"""``--include`` and ``--exclude``, of which the last that fits decides, in the order given."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import click

from cipherbucket.cli.terminal.help import Command

_ORDER = "cipherbucket.globs"


class GlobCommand(Command):
    """A command that learns in which order its ``--include`` and ``--exclude`` were given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and keep the order of the two options; click gives each by itself."""
        rest = super().parse_args(ctx, list(args))
        values, _, order = self.make_parser(ctx).parse_args(args=list(args))
        given = {kind: iter(values.get(kind, ())) for kind in ("include", "exclude")}
        ctx.meta[_ORDER] = [
            (next(given[each.name]), each.name == "include") for each in order if each.name in given
        ]
        return rest


class Globs:
    """Which names are meant.

    What fits a folder means all that is below it: no name ends or begins with a slash, so
    ``secrets`` and ``secrets/`` are one, as are ``/a``, ``./a`` and ``a``.

    Args:
        patterns: Each with whether it includes; the last that fits decides.
    """

    def __init__(self, patterns: list[tuple[str, bool]]) -> None:
        self._patterns = [(_below(glob), glob, includes) for glob, includes in patterns]
        self._fitted: set[str] = set()

    @classmethod
    def given(cls) -> Globs:
        """Return those of the command that runs."""
        return cls(click.get_current_context().meta[_ORDER])

    @property
    def take_all(self) -> bool:
        """Whether there are no patterns, so that every name is meant."""
        return not self._patterns

    @property
    def idle(self) -> list[str]:
        """The patterns that no name has fitted, as they were given."""
        return [glob for _, glob, _ in self._patterns if glob not in self._fitted]

    def take(self, relative: str) -> bool:
        """Return whether a name is meant; all are that no pattern fits."""
        decision = True
        for pattern, glob, includes in self._patterns:
            if fnmatchcase(relative, pattern) or fnmatchcase(relative, f"{pattern}/*"):
                self._fitted.add(glob)
                decision = includes
        return decision


def _below(glob: str) -> str:
    """Return a pattern that can fit a name."""
    pattern = glob.removeprefix("./").lstrip("/")
    return f"{pattern}*" if pattern.endswith("/") else pattern


def glob_options(function: Any) -> Any:
    """Give a `GlobCommand` its two options."""
    for kind, text in (
        ("exclude", "Leave out names that fit: neither copied nor deleted. Repeatable."),
        ("include", "Take names that fit, though an --exclude before it fits them. Repeatable."),
    ):
        function = click.option(
            f"--{kind}", metavar="GLOB", multiple=True, expose_value=False, help=text
        )(function)
    return function
