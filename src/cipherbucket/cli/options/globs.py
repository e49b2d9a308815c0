"""``--include`` and ``--exclude``, of which the last that fits decides, in the order given.

Rule: nothing is deleted that a pattern was to protect, as far as that can be seen. What deletes
refuses an ``--exclude`` that fits no name, and ``--include`` without any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import say
from cipherbucket.cli.terminal.help import Command

_ORDER = "cipherbucket.globs"
_ALL_ELSE = "to take only what fits it, put --exclude '*' before it"


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

    @property
    def include_alone(self) -> bool:
        """Whether every pattern includes, so that none leaves out anything."""
        return bool(self._patterns) and all(includes for _, _, includes in self._patterns)

    def note(self) -> None:
        """Say that ``--include`` has no effect, where it has none."""
        if self.include_alone:
            say(f"--include alone leaves out nothing; {_ALL_ELSE}")

    def refuse_include_alone(self) -> None:
        """Refuse to delete all, where ``--include`` was to choose what is deleted.

        Raises:
            UsageError: ``--include`` has no effect.
        """
        if self.include_alone:
            raise cb.UsageError(
                "--include alone leaves out nothing, so that all would be deleted", hint=_ALL_ELSE
            )

    def refuse_idle(self) -> None:
        """Refuse to delete where an ``--exclude`` has fitted no name.

        Raises:
            UsageError: There is one.
        """
        if self._idle_excludes:
            raise cb.UsageError(
                f"--exclude {self._idle_excludes[0]!r} fits no name; nothing was deleted",
                hint="correct it, or leave it out",
            )

    def deeper(self, name: str) -> cb.UsageError | None:
        """Return what is wrong with an ``--exclude`` that would keep a name if it lay at the top.

        Args:
            name: That of what would be deleted. A pattern with folders in it is taken as written,
                and so is one that begins with a slash; an ``--include`` after it has its way.
        """
        for at, (pattern, glob, includes) in enumerate(self._patterns):
            word = glob.removesuffix("**").removesuffix("*").rstrip("/")
            if includes or "/" in word or not _fits(f"/{name}", f"*/{pattern}"):
                continue
            later = (other for other, _, is_include in self._patterns[at + 1 :] if is_include)
            if not (_fits(name, pattern) or any(_fits(name, other) for other in later)):
                bare = glob.rstrip("/")
                return cb.UsageError(
                    f"--exclude {glob!r} fits at the top alone, and {name!r} would be deleted",
                    hint=f"to keep it in any folder, add --exclude '*/{bare}'; if the top alone is"
                    f" meant, write '/{bare}'",
                )
        return None

    def misplaced(self, doomed: Iterable[str]) -> cb.UsageError | None:
        """Return what is wrong with an ``--exclude`` that was to protect more than it fits.

        Args:
            doomed: The names of what would be deleted. A pattern that fits nothing nearly fits one
                if it does but for the folders before it, or for capital letters; one without a
                folder could be meant for all folders.
        """
        excludes = any(not includes for _, _, includes in self._patterns)
        idle = [(glob, _tails(glob)) for glob in self._idle_excludes]
        for name in doomed if excludes else ():
            for glob, tails in idle:
                if any(_fits(f"/{name.lower()}", f"*/{tail}") for tail in tails):
                    return cb.UsageError(
                        f"--exclude {glob!r} fits no name, and nearly fits {name!r}, which would be"
                        " deleted",
                        hint="write the name as it is below SOURCE, or '*/' before it for any"
                        " folder; if it is to protect something else, leave it out this time",
                    )
            if (refusal := self.deeper(name)) is not None:
                return refusal
        return None

    @property
    def _idle_excludes(self) -> list[str]:
        excludes = {glob for _, glob, includes in self._patterns if not includes}
        return [glob for glob in self.idle if glob in excludes]

    def take(self, relative: str) -> bool:
        """Return whether a name is meant; all are that no pattern fits."""
        decision = True
        for pattern, glob, includes in self._patterns:
            if _fits(relative, pattern):
                self._fitted.add(glob)
                decision = includes
        return decision


def _below(glob: str) -> str:
    """Return a pattern that can fit a name."""
    pattern = glob.removeprefix("./").lstrip("/")
    return f"{pattern}*" if pattern.endswith("/") else pattern


def _fits(name: str, pattern: str) -> bool:
    """Return whether a name, or a folder that it lies in, fits."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}/*")


def _tails(glob: str) -> list[str]:
    """Return what a pattern may have been meant as: without the folders that it begins with.

    The rest begins with a name: ``drafts/*.txt`` is not said of the texts of other folders.
    """
    parts = [part for part in glob.lower().split("/") if part not in {"", "."}]
    begins = [at for at, part in enumerate(parts) if at == 0 or not set("*?[").intersection(part)]
    tails = ["/".join(parts[at:]) for at in begins]
    return [tail for tail in tails if tail.strip("*?/")]


def glob_options(excluded: str, included: str) -> Callable[[Any], Any]:
    """Give a `GlobCommand` its two options.

    Args:
        excluded: What becomes of names that fit ``--exclude``.
        included: What becomes of names that fit ``--include``.
    """
    exclude = f"{excluded} 'secrets' and 'secrets/' are that folder with all below it, at the top;"
    exclude += " '*/secrets' in any folder. Repeatable."
    include = f"{included}, though an --exclude before it fits them; alone it leaves out nothing."
    include += " Repeatable."

    def decorated(function: Any) -> Any:
        for kind, text in (("exclude", exclude), ("include", include)):
            function = click.option(
                f"--{kind}", metavar="GLOB", multiple=True, expose_value=False, help=text
            )(function)
        return function

    return decorated


COPY_GLOBS = glob_options("Leave out names that fit GLOB.", "Take names that fit")
