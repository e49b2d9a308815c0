"""``-n``, ``-v`` and ``--json``: what is shown of each object that a command writes or deletes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import click

from cipherbucket.cli.errors import say, write_line
from cipherbucket.text import amount, printable

DRY_RUN = click.option(
    "-n",
    "--dry-run",
    is_flag=True,
    help="Only print what would be done, a line each. What would refuse the run refuses this, too.",
)
VERBOSE = click.option(
    "-v", "--verbose", is_flag=True, help="Say of each object, on stderr, what was done to it."
)
Facts = Mapping[str, str | int]


def outcome_options(fields: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the three options.

    Args:
        fields: What is in the JSON of an object, apart from the action.
    """
    as_json = click.option(
        "--json",
        "as_json",
        is_flag=True,
        help=f"Write one JSON object a line to stdout for each object: action, {fields}.",
    )
    return lambda function: DRY_RUN(VERBOSE(as_json(function)))


COPY_OUTCOMES = outcome_options("source, target, size")


def shown(*, verbose: bool, as_json: bool) -> Callable[[Facts], None] | None:
    """Return what shows the facts of an outcome; None where nothing is shown."""
    if as_json:
        return write_json
    return _say_line if verbose else None


def would(facts: Facts, *, as_json: bool) -> None:
    """Print what a dry run would do."""
    if as_json:
        write_json(facts)
    else:
        write_line(_line(facts))


def write_json(facts: Mapping[str, str | int | None]) -> None:
    r"""Write a line of JSON; bytes of a file's name that are no UTF-8 are escaped, as ``\xe9``."""
    write_line(json.dumps({name: _in_unicode(value) for name, value in facts.items()}))


def _in_unicode(value: str | int | None) -> str | int | None:
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _say_line(facts: Facts) -> None:
    if facts["action"] != "failed":  # said at the end, with the way on
        say(_line(facts))


def _line(facts: Facts) -> str:
    name = facts.get("name", facts.get("source", ""))
    text = f"{facts['action']} {printable(str(name))}"
    if "target" in facts:
        text += f" -> {printable(str(facts['target']))}"
    more = [str(facts["reason"])] if "reason" in facts else []
    more += [amount(int(facts["size"]))] if "size" in facts else []
    return f"{text} ({', '.join(more)})" if more else text
