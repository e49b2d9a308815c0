"""Which objects a pass takes instead of a listing: those of an inventory, or the newer ones.

Rule: an inventory is a file here or an object that its service wrote, which nothing decrypts. What
was written after it was made is not in it; ``--since`` lists the bucket and takes just that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.hints import reasons_in_options
from cipherbucket.cli.options.parsing import complete_files, is_url, split_object_url
from cipherbucket.cli.options.passes import Decorator


def _time(_: click.Context, option: click.Parameter, text: str | None) -> datetime | None:
    """Read a time; one without a zone is UTC, as the reports write it."""
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise cb.UsageError(
            f"{option.opts[0]}: {text!r} is no time", hint="it is such as 2026-11-29T18:30Z"
        ) from None
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given


def inventory_options(note: str = "") -> Decorator:
    """Return ``--inventory``, ``--inventory-of`` and ``--since``; the help begins with a note."""
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
        click.option(
            "--since",
            metavar="TIME",
            callback=_time,
            help=f"{note}List the bucket, but take only objects that were written at this time or"
            " later, such as 2026-11-29T18:30Z: those that an inventory of that time lacks.",
        ),
    )

    def with_options(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return with_options


@dataclass(frozen=True)
class Chosen:
    """What these options name.

    Attributes:
        inventory: The manifest; None without one.
        of: The bucket that the inventory is of; None for that of the URL.
        since: When the oldest of the objects was written; None without a limit.
    """

    inventory: str | None = None
    of: str | None = None
    since: datetime | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """The options that were given."""
        values = {
            "--inventory": self.inventory,
            "--inventory-of": self.of,
            "--since": self.since,
        }
        return tuple(option for option, value in values.items() if value is not None)

    def refuse_for_one(self) -> None:
        """Refuse these options where there is one object.

        Raises:
            UsageError: One of them was given.
        """
        for option in self.given:
            raise cb.UsageError(f"{option} is for many objects", hint="add -r, or leave it out")


@dataclass(frozen=True)
class _Newer:
    """The objects of a listing that were written at a time or later, listed each time anew."""

    bucket: cb.Bucket
    prefix: str
    since: datetime

    def __iter__(self) -> Iterator[cb.Entry]:
        for each in self.bucket.list(self.prefix):
            if each.modified is None or each.modified >= self.since:
                yield each


@contextmanager
def opened_entries(
    chosen: Chosen, bucket: cb.Bucket, prefix: str, open_to_look: Callable[[str], cb.Bucket]
) -> Iterator[Iterable[cb.Entry] | None]:
    """Open what these options name; give None where the bucket is listed as a whole.

    Args:
        chosen: What they name.
        bucket: Whose objects are taken.
        prefix: What their names begin with.
        open_to_look: Opens the store of a URL that the inventory lies in.

    Raises:
        UsageError: Options that contradict each other; or the inventory cannot be read.
    """
    if chosen.inventory is None:
        if chosen.of is not None:
            raise cb.UsageError("--inventory-of says of which bucket --inventory is")
        yield None if chosen.since is None else _Newer(bucket, prefix, chosen.since)
        return
    if chosen.since is not None:
        raise cb.UsageError(
            "--since lists the bucket, and --inventory does not", hint="run one after the other"
        )
    if is_url(chosen.inventory):
        store_url, name = split_object_url(chosen.inventory)
        with open_to_look(store_url) as there:
            yield _of_store(cb.read_inventory(name, there, of=chosen.of), bucket)
    else:
        yield _of_store(cb.read_inventory(chosen.inventory, of=chosen.of), bucket)


def _of_store(inventory: cb.Inventory, bucket: cb.Bucket) -> cb.Inventory:
    inventory.check_is_of(bucket.access.store.url)
    return inventory


def names_of(
    bucket: cb.Bucket, prefix: str, entries: Iterable[cb.Entry] | None
) -> Iterator[cb.Entry]:
    """Yield what a pass goes over, to find out how much it is."""
    if entries is None:
        return bucket.list(prefix)
    return (entry for entry in entries if entry.name.startswith(prefix))


def not_looked_at(made: datetime) -> str:
    """Say what a pass over an inventory did not look at, and which option does."""
    return (
        f"made at {made:%Y-%m-%d %H:%M} UTC; what was written since was not looked at:"
        f" --since {made:%Y-%m-%dT%H:%M}Z takes it"
    )


def not_listed(since: datetime) -> str:
    """Say what a pass with ``--since`` did not look at."""
    return f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z; what was written before was not looked at"


def json_lines(report: Iterable[Mapping[str, Any]], since: datetime | None) -> Iterator[str]:
    """Yield the lines of a report; that of the whole has the time of ``--since`` as well."""
    for facts in report:
        more = {}
        if since is not None and facts["type"] != "object":
            more["since"] = since.astimezone(UTC).isoformat()
        yield json.dumps(reasons_in_options({**facts, **more}))
