"""What ``rotate`` and ``reencrypt`` accept: one object or many, which, how fast.

Rule: an option that is for many objects is refused for one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.options.config import KeyName
from cipherbucket.cli.options.named_key import named_key_option
from cipherbucket.cli.options.passes import RECURSIVE, rate_option, workers_option

_OPTIONS = (
    RECURSIVE,
    click.option(
        "--to",
        "new_key_files",
        multiple=True,
        type=KeyName(),
        metavar="KEY",
        help="New key, instead of the first of -k; a public half does. Repeatable: an object gets"
        " the first that can write its format, so that an AES key and an RSA key serve all.",
    ),
    click.option(
        "--only",
        metavar="KEY",
        callback=named_key_option,
        help="Only objects of this key: NAME=VALUE or the JSON of its description, or its file.",
    ),
    click.option(
        "-n",
        "--dry-run",
        is_flag=True,
        help="Change nothing; say what would be done, and what would fail.",
    ),
    workers_option("With -r: objects at once. Default: 16, or 4 where all bytes go through here."),
    rate_option(),
    click.option(
        "--json", "as_json", is_flag=True, help="With -r: one JSON object a line, for programs."
    ),
    click.option("-q", "--quiet", is_flag=True, help="No progress; only what failed."),
)


@dataclass(frozen=True, kw_only=True)
class RotationOptions:
    """What both commands accept.

    Attributes:
        recursive: All objects below the URL.
        only: Only objects of this key.
        dry_run: Nothing is changed.
        workers: Objects at once; None for the usual.
        limit_rate: Most bytes a second.
        as_json: A line of JSON for each object.
        quiet: No progress; only what failed.
    """

    recursive: bool
    only: cb.MasterKey | cb.Description | None
    dry_run: bool
    workers: int | None
    limit_rate: int | None
    as_json: bool
    quiet: bool

    def check(self) -> None:
        """Refuse options that one object has no use for."""
        many = {
            "--json": self.as_json,
            "--only": self.only is not None,
            "--workers": self.workers is not None,
        }
        for option, given in many.items():
            if given and not self.recursive:
                raise cb.UsageError(f"{option} is for many objects", hint="add -r, or leave it out")


def rotation_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it gets them as ``options``."""

    @wraps(function)
    def with_options(*args: Any, **kwargs: Any) -> Any:
        given = {each.name: kwargs.pop(each.name) for each in fields(RotationOptions)}
        options = RotationOptions(**given)
        options.check()
        return function(*args, options=options, **kwargs)

    command: Callable[..., Any] = with_options
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
