"""``restore``: make archived objects readable for some days.

Rule: what is not archived, or is being restored already, needs nothing and is no failure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import click

import cipherbucket as cb
from cipherbucket.cli.copying.sources import objects_at
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.errors import say
from cipherbucket.cli.options.addresses import SERVICES
from cipherbucket.cli.options.config import open_without_keys, split_url
from cipherbucket.cli.options.outcomes import Facts, outcome_options, shown, would
from cipherbucket.cli.options.parsing import split_object_url
from cipherbucket.cli.options.passes import RECURSIVE, VERSION_ID, workers_option
from cipherbucket.cli.options.wildcards import literal_name
from cipherbucket.cli.terminal.help import Command
from cipherbucket.workers.threads import Halt, run

_WORKERS = 16
_NOT_ARCHIVED = "not archived"
_READABLE = "readable already"
_UNDER_WAY = "being restored already"
_NOTHING_TO_DO = {
    "InvalidObjectState": _NOT_ARCHIVED,
    "OperationNotSupported": _NOT_ARCHIVED,
    "RestoreAlreadyInProgress": _UNDER_WAY,
}
"""Refusals of OSS and S3 that leave nothing to do, and what is said of them."""

_ARCHIVES_OF_S3 = {"GLACIER", "DEEP_ARCHIVE"}


@click.command(
    cls=Command,
    examples=(
        "cipherbucket restore oss://bucket/2019/ledger.csv",
        "cipherbucket restore --days 7 -r oss://bucket/2019/",
        "cipherbucket restore -r --dry-run oss://bucket/2019/",
    ),
)
@click.argument("url")
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=1,
    show_default=True,
    metavar="N",
    help="How many days they stay readable, 1 to 365; each class of storage has its own limit.",
)
@RECURSIVE
@VERSION_ID
@workers_option("With -r: objects at once. Default: 16.")
@outcome_options("name, size")
def restore(
    url: str,
    days: int,
    recursive: bool,
    version_id: str | None,
    workers: int | None,
    dry_run: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    r"""Ask the store to make the archived object at URL readable, or with -r all that lie below it.

    It takes from minutes to two days, by the class of storage. Run the same command again to see
    how far it is: each object is asked for now, being restored already, readable already (and
    stays so longer), or not archived; the last line counts them, and -v says it of each. With
    --dry-run nothing is asked for. In quotes, '*' and '?' in a name stand for anything but '/',
    and '**' for anything; '\*', '\?' and '\\' in such a name are the characters themselves. No key
    is needed. The service bills the restoring and the copy that it makes.

    The exit code is 1 if an object failed, and 3 if there is nothing at URL.
    """
    store_url, _ = split_url(url)
    if not store_url.startswith(SERVICES):
        raise cb.UsageError(f"{store_url} has no archive, there is nothing to restore")
    if version_id is not None and recursive:
        raise cb.UsageError("--version-id is for one object", hint="leave out -r")
    tally = Tally(
        partial(_foreseen, as_json=as_json) if dry_run else shown(verbose=verbose, as_json=as_json)
    )
    tally.verb = "would restore" if dry_run else "restoring"
    with open_without_keys(store_url) as bucket:
        if version_id is not None:
            _, name = split_object_url(url)
            listed, alone = iter([cb.Entry(name=literal_name(name))]), True
        else:
            meant = objects_at(url, bucket, recursive=recursive)
            meant.refuse_missing(bucket)
            listed, alone = meant.entries(bucket), meant.is_one
        ask = _look if dry_run else partial(_ask, days)
        work = partial(_restore, tally, partial(ask, bucket, version_id))
        if alone:
            for entry in listed:
                if (why := work(entry)) is not None:
                    say(f"{entry.name!r}: {why}")
                    return 0
        else:
            run(listed, partial(_attempt, tally, work), workers=workers or _WORKERS, halt=Halt())
    return tally.report(quiet=False)


def _foreseen(facts: Facts, *, as_json: bool) -> None:
    if facts.get("reason") != _NOT_ARCHIVED:  # which most may be, below a folder
        would(facts, as_json=as_json)


def _attempt(tally: Tally, work: Callable[[cb.Entry], str | None], entry: cb.Entry) -> None:
    """Restore one of several, whose failure stops nothing else."""
    with tally.attempt(entry.name):
        work(entry)


def _restore(tally: Tally, ask: Callable[[str], str | None], entry: cb.Entry) -> str | None:
    """Restore one object, unless the listing says that it is not archived; return why not."""
    listed = entry.storage_class
    why = ask(entry.name) if not listed or _is_archive(listed) else _NOT_ARCHIVED
    if why is None:
        tally.add(entry.size, name=entry.name)
    else:
        tally.add_skipped(why, name=entry.name)
    return why


def _look(bucket: cb.Bucket, version_id: str | None, name: str) -> str | None:
    """Return why there is nothing to restore; None where there is."""
    info = bucket.access.store.head(name, version_id=version_id)
    classes = (info.place_headers.get(f"x-{each}-storage-class", "") for each in ("oss", "amz"))
    if not any(map(_is_archive, classes)):
        return _NOT_ARCHIVED
    if info.restore is None:
        return None
    return _UNDER_WAY if "true" in info.restore else _READABLE


def _ask(days: int, bucket: cb.Bucket, version_id: str | None, name: str) -> str | None:
    """Have an object restored; return why there was nothing to do, None where there was."""
    try:
        asked = bucket.restore(name, days=days, version_id=version_id)
    except cb.StoreError as error:
        if error.code not in _NOTHING_TO_DO:
            raise
        return _NOTHING_TO_DO[error.code]
    return None if asked else _READABLE


def _is_archive(storage_class: str) -> bool:
    return storage_class.endswith("Archive") or storage_class in _ARCHIVES_OF_S3
