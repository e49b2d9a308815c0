"""``mb``: make a directory store."""

from __future__ import annotations

import click

import cipherbucket as cb
from cipherbucket.cli.terminal.help import Command
from cipherbucket.text import printable


@click.command(
    cls=Command,
    examples=(
        "cipherbucket mb file:///data/store",
        'cipherbucket mb "file://$PWD/store"',
    ),
)
@click.argument("url")
def mb(url: str) -> None:
    """Make a store in a folder that is new or empty: file:///absolute/path."""
    cb.make_bucket(url)
    click.echo(f"made a store at {printable(url)}")
