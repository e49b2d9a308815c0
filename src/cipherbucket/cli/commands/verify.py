"""``verify``: read objects through, to know that they can be read, and are what was stored.

Rule: an object is read by the rule of ``cipherbucket.toml`` that holds for it, with its keys and
limits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, resumed_when_repeated, say
from cipherbucket.cli.failures import Failures
from cipherbucket.cli.hints import in_options
from cipherbucket.cli.no_object import ADD_R, FOLDER, NAME_OR_R, missing_said, nothing_below
from cipherbucket.cli.options.access import FORMATS, UNBOUND, AccessOptions, access_options
from cipherbucket.cli.options.executors import ExecutorOptions, executor_options
from cipherbucket.cli.options.inventory import (
    Chosen,
    inventory_options,
    json_lines,
    names_of,
    not_listed,
    not_looked_at,
    opened_entries,
)
from cipherbucket.cli.options.parsing import split_object_url, split_tree_url
from cipherbucket.cli.options.passes import JSON_LINES, RECURSIVE, rate_option, workers_option
from cipherbucket.cli.options.places import opened_by_rules
from cipherbucket.cli.terminal.help import Command
from cipherbucket.cli.terminal.progress import summed, transfer_progress
from cipherbucket.text import amount, count, printable

_WORDS = {
    "verified": "verified",
    "due": "to be verified: key and envelope fit",
    "plaintext": "not encrypted, of which nothing can be verified",
    "failed": "failed",
    "gone": "gone since they were listed",
}


@click.command(
    cls=Command,
    examples=(
        "cipherbucket verify -k cmk.pem file:///data/store/report.pdf",
        "cipherbucket verify -r -k cmk.pem -k vault.key file:///data/store/",
        "cipherbucket verify -r --json -k cmk.pem oss://bucket/ | jq 'select(.error)'",
    ),
)
@click.argument("url")
@RECURSIVE
@click.option(
    "-n",
    "--dry-run",
    is_flag=True,
    help="With -r: read no bodies, but for their first bytes; see whether keys and rules let each"
    " object be read.",
)
@JSON_LINES
@workers_option("Objects at once. Default: 4, or one a core.")
@rate_option(" With -r.")
@executor_options("With -r. ")
@inventory_options("With -r. ")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@access_options(reads=True)
def verify(
    url: str,
    recursive: bool,
    dry_run: bool,
    as_json: bool,
    workers: int | None,
    limit_rate: int | None,
    inventory: str | None,
    inventory_of: str | None,
    since: datetime | None,
    executors: ExecutorOptions,
    quiet: bool,
    access: AccessOptions,
) -> int:
    """Read and decrypt the object at URL, or with -r all objects below it, and keep nothing.

    This checks the envelope, the key, the lengths, the store's checksum, and of sealed objects
    every byte, name and context. Where a rule of cipherbucket.toml holds, each object is read by
    its own, with its keys, formats and limits; -k, --format and --accept go before it as
    for cat. Elsewhere objects of all formats are read, and plaintext is shown as such, unless
    --format says which there should be. With -r the exit code is 1 if an object failed; what
    was verified is not read again when the same command is given after an interrupt or a failure
    and within a week, unless it was written since.
    """
    chosen = Chosen(inventory, inventory_of, since)
    executors.refuse_for_one(recursive=recursive)
    executors.refuse_with("--limit-rate", limit_rate)
    if not recursive:
        if dry_run:
            raise cb.UsageError("--dry-run is for many objects", hint="add -r, or leave it out")
        chosen.refuse_for_one()
        return _verify_one(url, access, as_json=as_json)
    store_url, prefix = split_tree_url(url)
    if access.as_name is not None:
        raise cb.UsageError("--as-name is for one object", hint="leave out -r or --as-name")
    with (
        opened_by_rules(access, store_url, prefix, _open_bound) as places,
        opened_entries(chosen, places.bucket, prefix, access.open_to_look) as entries,
    ):
        bucket = places.bucket
        total: list[int] = []

        def sizes() -> Iterator[int]:
            return (entry.size for entry in names_of(bucket, prefix, entries))

        with (
            resumed_when_repeated(),
            executors.opened() as executor,
            transfer_progress(shown=not (quiet or dry_run)) as progress,
            progress.running(printable(f"{store_url}/{prefix}")) as report,
            summed(sizes, total.append) if progress.shows else nullcontext(),
        ):
            came = cb.verify_all(
                prefix=prefix,
                **places.arguments(executor),
                key=executors.key(access.forced, access.force_key, access),
                context=access.context,
                dry_run=dry_run,
                workers=workers,
                limit_rate=limit_rate,
                progress=lambda done, _: report(done, total[0] if total else None),
                entries=entries,
            )
        with came:
            code = _report(came, as_json=as_json, whole=not prefix, since=since)
            if not came.counts and since is None:
                say(one_line(nothing_below(prefix, bucket, "no objects there")))
            return code


def _verify_one(url: str, access: AccessOptions, *, as_json: bool) -> int:
    store_url, name = split_object_url(url, NAME_OR_R)
    with (
        _open_bound(access.at(store_url, name, whole=False), store_url) as bucket,
        missing_said(bucket, name, ADD_R, FOLDER),
    ):
        info = cb.verify(bucket, name, **access.reading)
    status = "verified" if info.envelope is not None else "plaintext"
    if as_json:
        facts: dict[str, Any] = {
            "type": "object",
            "name": name,
            "status": status,
            "format": info.format,
            "size": info.size,
            "stored_size": info.stored_size,
        }
        click.echo(json.dumps(facts))
    else:
        how = f"format {info.format}, " if info.envelope is not None else ""
        click.echo(f"{printable(name)}: {_WORDS[status]} ({how}{count(info.size, 'byte')})")
    return 0


def _report(came: cb.Verification, *, as_json: bool, whole: bool, since: datetime | None) -> int:
    """Write what was found, failures to stderr; the code of a misspelt folder is that of ``ls``."""
    nothing = 0 if came.counts or whole or since is not None else 3
    if as_json:
        for line in json_lines(came.lines(), since):
            click.echo(line)
        return 1 if came.failed.objects else nothing
    failures = Failures()
    for each in came.failures():
        failures.add(each.name, in_options(each.reason.removeprefix(f"{each.name!r}: ")))
    for failed in failures.lines():
        say(failed)
    counted = [status for status in _WORDS if status in came.counts]
    for status in counted:
        number, size = came.counts[status]
        click.echo(f"{count(number, 'object')} {_WORDS[status]}, {amount(size)} stored")
    if came.resumed:
        earlier = f"{count(came.resumed, 'object')} of these were read by an earlier run"
        click.echo(f"{earlier}, begun {came.started:%Y-%m-%d %H:%M} UTC, and not again")
    if came.inventory is not None:
        click.echo(f"inventory {not_looked_at(came.inventory)}")
    if since is not None:
        click.echo(f"since {not_listed(since)}")
    return 1 if came.failed.objects else nothing


def _open_bound(bound: AccessOptions, store_url: str) -> cb.Bucket:
    """Open a store for an object, or for what lies below a prefix but under no further rule.

    Where a rule of `cipherbucket.toml` holds, objects are read by it, as ``get`` reads them: what
    it refuses is not verified. Elsewhere they may be of any kind, unless it was said of which.
    """
    chosen = bound.chosen_format is not None or bound.accepted_formats
    if chosen or (bound.rule is not None and bound.rule.line):
        return bound.open(store_url)
    policy = cb.Policy(FORMATS, plaintext=True, unbound_names=UNBOUND in bound.accept)
    return replace(bound, rule=None).open_without_rule(store_url, policy)
