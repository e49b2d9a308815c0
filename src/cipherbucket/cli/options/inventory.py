"""The option ``--inventory`` of passes: the objects of an inventory instead of a listing.

Rule: an inventory is a file here or an object that its service wrote, which nothing decrypts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.parsing import complete_files, is_url, split_object_url
from cipherbucket.cli.options.passes import Decorator


def inventory_options(note: str = "") -> Decorator:
    """Return ``--inventory`` and ``--inventory-of``; the help begins with a note."""
    options = (
        click.option(
            "--inventory",
            metavar="MANIFEST",
            shell_complete=complete_files,
            help=f"{note}Do not list the bucket: take the objects of this inventory of OSS or S3, a"
            " manifest.json here or its URL. Each is looked at as it is now; what was written since"
            " the inventory was made is not.",
        ),
        click.option(
            "--inventory-of",
            metavar="BUCKET",
            help="The bucket that the inventory is of, if it is not that of URL but one with the"
            " same objects.",
        ),
    )

    def with_options(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return with_options


@contextmanager
def opened_inventory(
    manifest: str | None, of: str | None, access: AccessOptions
) -> Iterator[cb.Inventory | None]:
    """Open what these options name; None without them.

    Raises:
        UsageError: A bucket without an inventory; or it cannot be read.
    """
    if manifest is None:
        if of is not None:
            raise cb.UsageError("--inventory-of says of which bucket --inventory is")
        yield None
    elif is_url(manifest):
        store_url, name = split_object_url(manifest)
        with access.open_to_look(store_url) as bucket:
            yield cb.read_inventory(name, bucket, of=of)
    else:
        yield cb.read_inventory(manifest, of=of)


def names_of(bucket: cb.Bucket, prefix: str, inventory: cb.Inventory | None) -> Iterator[cb.Entry]:
    """Yield what a pass goes over, to find out how much it is."""
    if inventory is None:
        return bucket.list(prefix)
    return (entry for entry in inventory if entry.name.startswith(prefix))


def not_looked_at(made: datetime) -> str:
    """Say what a pass over an inventory did not look at."""
    return f"made at {made:%Y-%m-%d %H:%M} UTC; what was written since was not looked at"
