"""Options that commands over many objects share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from cipherbucket.cli.options.parsing import byte_size
from cipherbucket.text import amount

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

RECURSIVE: Decorator = click.option(
    "-r", "--recursive", is_flag=True, help="All objects below URL, which is taken as a folder."
)
JSON_LINES: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line, for programs."
)
HUMAN: Decorator = click.option(
    "-h", "--human-readable", "human", is_flag=True, help="Sizes with units, such as 1.2 GiB."
)
HELP_WITHOUT_H = {"help_option_names": ["--help"]}
"""Context settings of a command that has `HUMAN`: there ``-h`` is not for help."""
VERSION_ID: Decorator = click.option(
    "--version-id", metavar="ID", help="This version rather than the newest; ls --versions lists."
)


def size_text(size: int, *, human: bool) -> str:
    """Write a size as `HUMAN` says: with a unit, or in bytes."""
    return amount(size) if human else f"{size:,}"


def workers_option(text: str) -> Decorator:
    """Return the option ``--workers``, with its help."""
    return click.option("--workers", type=click.IntRange(1, 64), metavar="N", help=text)


def rate_option(note: str = "") -> Decorator:
    """Return the option ``--limit-rate``, with what its help says beside."""
    return click.option(
        "--limit-rate",
        metavar="RATE",
        callback=byte_size,
        help=f"At most so many bytes a second: 500K, 10M, 1.5G (K is 1,024).{note}",
    )
