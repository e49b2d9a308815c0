"""Options of ``cp`` and ``mv`` that say which objects are copied, and what is shown of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from cipherbucket.cli.options.outcomes import COPY_OUTCOMES


@dataclass(frozen=True)
class Choosing:
    """What is copied and shown.

    Attributes:
        recursive: Whether sources are folders or prefixes.
        update: Whether only what is newer is copied.
        skip_existing: Whether only what is missing is copied.
        dry_run: Whether it is only printed what would be done.
        verbose: Whether it is said of each object what was done.
        as_json: Whether it is printed as JSON.
    """

    recursive: bool
    update: bool
    skip_existing: bool
    dry_run: bool
    verbose: bool
    as_json: bool

    @property
    def asked(self) -> str | None:
        """Name an option that cannot be had for a pipe."""
        given = {
            "--update": self.update,
            "--skip-existing": self.skip_existing,
            "--dry-run": self.dry_run,
            "--json": self.as_json,
        }
        return next((option for option, is_given in given.items() if is_given), None)


_OPTIONS = (
    click.option("-r", "--recursive", is_flag=True, help="A folder, or all objects below a URL."),
    click.option(
        "-u",
        "--update",
        is_flag=True,
        help="Only what is not there, or was written later than what is there.",
    ),
    click.option("--skip-existing", is_flag=True, help="Only what is not there."),
    click.option(
        "--if-absent",
        is_flag=True,
        help="Only where there is nothing of that name yet; anything else fails.",
    ),
    COPY_OUTCOMES,
)


def choosing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it gets them as ``choosing``."""

    @wraps(function)
    def with_choosing(*args: Any, **kwargs: Any) -> Any:
        choosing = Choosing(**{name: kwargs.pop(name) for name in Choosing.__annotations__})
        return function(*args, choosing=choosing, **kwargs)

    command: Callable[..., Any] = with_choosing
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
