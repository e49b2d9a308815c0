"""``restore``: make archived objects readable for some days.

Rule: what is not archived, or is being restored already, needs nothing and is no failure.
"""

from __future__ import annotations

from functools import partial

import click

import cipherbucket as cb
from cipherbucket.cli.copying.sources import objects_at
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.options.config import open_without_keys, split_url
from cipherbucket.cli.options.outcomes import outcome_options, shown, would
from cipherbucket.cli.options.parsing import split_object_url
from cipherbucket.cli.options.passes import RECURSIVE, VERSION_ID, workers_option
from cipherbucket.cli.terminal.help import Command
from cipherbucket.workers.threads import Halt, run

_WORKERS = 16
_ARCHIVED = {"Archive", "ColdArchive", "DeepColdArchive"}
_NOTHING_TO_DO = {
    "OperationNotSupported": "skipped, not archived",
    "RestoreAlreadyInProgress": "skipped, being restored already",
}
"""Refusals of OSS that leave nothing to do, and what is said of them."""


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
@outcome_options
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
    """Ask OSS to make the archived object at URL readable, or with -r all that lie below it.

    It takes from minutes to two days, by the class of storage: run the same command again to see
    what is being restored still, or read the object. What is not archived is left as it is. In
    quotes, '*' and '?' in a name stand for anything but '/', and '**' for anything. No key is
    needed. OSS bills the restoring and the copy that it makes.

    The exit code is 1 if an object failed, and 3 if there is nothing at URL.
    """
    store_url, _ = split_url(url)
    if not store_url.startswith("oss://"):
        raise cb.UsageError(f"{store_url} has no archive, there is nothing to restore")
    if version_id is not None and recursive:
        raise cb.UsageError("--version-id is for one object", hint="leave out -r")
    tally = Tally(shown(verbose=verbose, as_json=as_json))
    tally.verb = "restoring"
    with open_without_keys(store_url) as bucket:
        if version_id is not None:
            _, name = split_object_url(url)
            listed = iter([cb.Entry(name=name)])
        else:
            meant = objects_at(url, bucket, recursive=recursive)
            meant.refuse_missing(bucket)
            listed = meant.entries(bucket)
        if dry_run:
            work = partial(_foresee, bucket, tally, version_id=version_id, as_json=as_json)
        else:
            work = partial(_restore, bucket, tally, version_id=version_id, days=days)
        run(listed, work, workers=workers or _WORKERS, halt=Halt())
    return tally.report(quiet=dry_run)


def _foresee(
    bucket: cb.Bucket, tally: Tally, entry: cb.Entry, *, version_id: str | None, as_json: bool
) -> None:
    archived = False
    with tally.attempt(entry.name):
        stored = bucket.access.store.head(entry.name, version_id=version_id)
        archived = stored.oss_headers.get("x-oss-storage-class") in _ARCHIVED
    if archived:  # outside of the attempt: a reader who is gone is no failure of this object
        would({"action": "would restore", "name": entry.name}, as_json=as_json)


def _restore(
    bucket: cb.Bucket, tally: Tally, entry: cb.Entry, *, version_id: str | None, days: int
) -> None:
    with tally.attempt(entry.name):
        try:
            bucket.restore(entry.name, days=days, version_id=version_id)
        except cb.StoreError as error:
            if error.code not in _NOTHING_TO_DO:
                raise
            tally.add_skipped(_NOTHING_TO_DO[error.code], name=entry.name)
        else:
            tally.add(entry.size, name=entry.name)
