"""What commands that change objects in place accept: one object or many, which, how fast.

Rule: an option that is for many objects is refused for one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import wraps
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.options.config import KeyName
from cipherbucket.cli.options.executors import ExecutorOptions, executor_options
from cipherbucket.cli.options.inventory import Chosen, inventory_options
from cipherbucket.cli.options.outcomes import VERBOSE
from cipherbucket.cli.options.passes import RECURSIVE, Decorator, rate_option, workers_option

_DEFAULT_OF_WORKERS = "With -r: objects at once. Default: 16"
_KEYS = (
    click.option(
        "--to",
        "new_key_files",
        multiple=True,
        type=KeyName(),
        metavar="KEY",
        help="New key, instead of the first of -k; a public half is enough. Repeatable: an object"
        " gets the first that can write its format, so that an AES key and an RSA key serve all.",
    ),
    click.option(
        "--only",
        metavar="KEY",
        help="Only objects of this key: NAME=VALUE or the JSON of its description, or its file.",
    ),
    workers_option(f"{_DEFAULT_OF_WORKERS}, or 4 where all bytes go through here."),
    rate_option(),
    inventory_options("With -r. "),
    executor_options("With -r. "),
)
_OUTCOMES = (
    click.option(
        "-n",
        "--dry-run",
        is_flag=True,
        help="Change nothing; say what would be done, and what would fail.",
    ),
    VERBOSE,
    click.option(
        "--json", "as_json", is_flag=True, help="With -r: one JSON object a line, for programs."
    ),
    click.option("-q", "--quiet", is_flag=True, help="No progress; only what failed."),
)


@dataclass(frozen=True, kw_only=True)
class ChangeOptions:
    """What these commands accept.

    Attributes:
        recursive: All objects below the URL.
        dry_run: Nothing is changed.
        workers: Objects at once; None for the usual.
        verbose: It is said of each object what became of it.
        as_json: A line of JSON for each object.
        quiet: No progress; only what failed.
        only: Only objects of this key.
        limit_rate: Most bytes a second.
        inventory: The manifest whose objects are taken; None to list them.
        inventory_of: The bucket that it is of; None for that of the URL.
        since: Only objects that were written at this time or later.
        executors: Whose workers share the work.
    """

    recursive: bool
    dry_run: bool
    workers: int | None
    verbose: bool
    as_json: bool
    quiet: bool
    only: str | None = None
    limit_rate: int | None = None
    inventory: str | None = None
    inventory_of: str | None = None
    since: datetime | None = None
    executors: ExecutorOptions = field(default_factory=ExecutorOptions)

    @property
    def chosen(self) -> Chosen:
        """Which objects are taken instead of a listing."""
        return Chosen(self.inventory, self.inventory_of, self.since)

    def check(self) -> None:
        """Refuse options that one object has no use for."""
        self.executors.refuse_for_one(recursive=self.recursive)
        many = {
            "--json": self.as_json,
            "--only": self.only is not None,
            "--workers": self.workers is not None,
        }
        if self.recursive:
            return
        for option, given in many.items():
            if given:
                raise cb.UsageError(f"{option} is for many objects", hint="add -r, or leave it out")
        self.chosen.refuse_for_one()


def change_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of all that change objects; it gets them as ``options``."""
    workers = workers_option(f"{_DEFAULT_OF_WORKERS}.")
    further = inventory_options("With -r. "), executor_options("With -r. ")
    return _with_options(function, RECURSIVE, workers, *further, *_OUTCOMES)


def rotation_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of ``rotate`` and ``reencrypt``; it gets them as ``options``."""
    return _with_options(function, RECURSIVE, *_KEYS, *_OUTCOMES)


def _with_options(function: Callable[..., Any], *options: Decorator) -> Callable[..., Any]:
    @wraps(function)
    def with_options(*args: Any, **kwargs: Any) -> Any:
        names = [each.name for each in fields(ChangeOptions) if each.name in kwargs]
        chosen = ChangeOptions(**{name: kwargs.pop(name) for name in names})
        chosen.check()
        return function(*args, options=chosen, **kwargs)

    command: Callable[..., Any] = with_options
    for option in reversed(options):
        command = option(command)
    return command
