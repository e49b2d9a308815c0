"""``mb``: make a directory store."""

from __future__ import annotations

import click

import cipherbucket as cb
from cipherbucket.cli.options.config import trust_store, trusts_store, url_of_folder
from cipherbucket.cli.terminal.help import Command
from cipherbucket.text import printable


@click.command(
    cls=Command,
    examples=(
        "cipherbucket mb file:///data/store",
        'cipherbucket mb "file://$PWD/store"',
        "cipherbucket mb records://",
    ),
)
@click.argument("url")
@trust_store("Make the store", "Otherwise that is refused.")
def mb(url: str) -> None:
    """Make a store in a folder that is new or empty: file:///absolute/path.

    NAME:// stands for the folder that cipherbucket.toml gives the store of this name.
    """
    url = url_of_folder(url)
    cb.make_bucket(url, trusted=trusts_store(url.removesuffix("/")))
    click.echo(f"made a store at {printable(url)}")
