"""Making and repairing directory stores."""

from __future__ import annotations

import click

import cipherbucket as cb
from cipherbucket.cli.command import Command
from cipherbucket.cli.errors import say
from cipherbucket.cli.text import count, printable


@click.command(
    cls=Command,
    short_help="Make a directory store.",
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


@click.command(
    cls=Command,
    short_help="Repair a directory store.",
    examples=("cipherbucket repair --index file:///data/store",),
)
@click.argument("url")
@click.option(
    "--index",
    is_flag=True,
    required=True,
    help="Rebuild the index from what lies beside the bodies. Nobody may use the store meanwhile."
    " The index that is there is set aside, not removed.",
)
def repair(url: str, index: bool) -> int:  # noqa: ARG001  required, so that the option says what
    """Rebuild what a directory store has lost or what was damaged.

    No key is needed. The exit code is 1 if something was found that no object can be made of; it
    is named and stays where it is.
    """
    if not url.startswith("file:///"):
        raise cb.UsageError(f"{url} is no directory store", hint="give file:///folder")
    report = cb.repair_index(url.removeprefix("file://"))
    click.echo(f"{count(report.restored, 'object')} in the index of {printable(url)}")
    if report.orphans:
        click.echo(f"{count(report.orphans, 'leftover')} of unfinished or old writes removed")
    if report.set_aside is not None:
        click.echo(f"the index before is kept as {printable(str(report.set_aside))}")
    left = {
        "cannot be understood": report.unreadable,
        "is missing, or not as long as recorded": report.differing,
        "is without name and metadata": report.nameless,
    }
    for what, paths in left.items():
        for path in paths:
            say(f"{printable(str(path))} {what}; it stays there")
    return 1 if any(left.values()) else 0
