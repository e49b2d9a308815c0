"""``ls``: list objects, their versions, or the stores that are known.

Rule: names are printed with what is not printable escaped; ``--json`` gives them exactly. Sizes of
plaintext are the store's word until the object is read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeVar

import click

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, say
from cipherbucket.cli.known_stores import list_known_stores
from cipherbucket.cli.options.addresses import SERVICES
from cipherbucket.cli.options.config import (
    TRUST_TO_READ,
    open_without_keys,
    split_url,
)
from cipherbucket.cli.options.passes import HELP_WITHOUT_H, HUMAN, JSON_LINES, size_text
from cipherbucket.cli.options.wildcards import Pattern, meant_by
from cipherbucket.cli.terminal.help import Command
from cipherbucket.cli.wrapping import width_of
from cipherbucket.text import count, moment, printable

_DELETED = "deleted"
_ID_WIDTH = 64
"""That of OSS."""
_NAME_WIDTH = 20
_WIDE = 16 + 2 + 20 + 2 + _ID_WIDTH + 2 + _NAME_WIDTH
"""Columns of a terminal that take a version and a name of twenty characters."""
_WIDE_LONG = 16 + 2 + 16 + 2 + 9 + 2 + 20 + 2 + _NAME_WIDTH
"""Those that take a line of ``-l`` without a storage class."""
_CLASS_WIDTH = 15
_OLD = "  (old)"


_Listed = TypeVar("_Listed")


@dataclass
class _Listing:
    """How lines are written, and what they come to.

    Attributes:
        long: Whether format and plaintext size are added.
        classes: Whether storage classes are, which only OSS and S3 have.
        human: Whether sizes have units.
        as_json: Whether lines are JSON.
        folded: Whether ids of versions, or with `long` names, are on lines of their own.
        header: Whether one is written before the first line.
        objects: How many objects, or versions, there were.
        others: How many folded names, or delete markers, there were.
        stored: Their stored bytes in all.
        malformed: Whether one cannot be understood.
    """

    long: bool
    classes: bool
    human: bool
    as_json: bool
    folded: bool
    header: bool
    objects: int = 0
    others: int = 0
    stored: int = 0
    malformed: bool = False

    def size(self, size: int | None) -> str:
        """Write a size for its column."""
        return self.column("" if size is None else size_text(size, human=self.human))

    def column(self, text: str) -> str:
        """Write what stands in a column of sizes."""
        return f"{text:>{13 if self.folded and self.long else 16}}"


@click.command(
    cls=Command,
    context_settings=HELP_WITHOUT_H,
    examples=(
        "cipherbucket ls",
        "cipherbucket ls file:///data/store/",
        "cipherbucket ls -lrh file:///data/store/reports/",
        "cipherbucket ls 'oss://bucket/logs/2026-1?-*.csv'",
        "cipherbucket ls --versions oss://bucket/report.pdf",
        "cipherbucket ls --json -r file:///data/store/ | jq -r .name",
    ),
)
@click.argument("url", required=False)
@click.option(
    "-l",
    "--long",
    is_flag=True,
    help="Add plaintext size and format, object by object; in OSS and S3 the storage class, too.",
)
@click.option("-r", "--recursive", is_flag=True, help="All names; do not fold them at '/'.")
@HUMAN
@click.option("--total", is_flag=True, help="End with what it comes to, as on a terminal.")
@click.option(
    "--versions",
    is_flag=True,
    help="All versions and delete markers, with their ids; of a name the newest first.",
)
@JSON_LINES
@TRUST_TO_READ
def ls(
    url: str | None,
    long: bool,
    recursive: bool,
    human: bool,
    total: bool,
    versions: bool,
    as_json: bool,
) -> int:
    r"""List the objects whose names begin as URL does: stored size, time (UTC) and name.

    Names are folded at the next '/', like folders; not with --versions, where old marks what is not
    the newest version and deleted is a delete marker. No key is needed. The exit
    code is 3 if no name begins so, and 1 if -l met an object whose envelope or length cannot be
    understood.

    In quotes, '*' and '?' in a name stand for anything but '/', and '**' for anything: then
    objects and folders are listed whose whole names fit, and with -r all in these folders. '\*' and
    '\?' are the characters themselves.

    Without URL: the stores of cipherbucket.toml by name, and the buckets of the account, where
    OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET are set or the default chain of credentials has
    something to look at; oss:// lists these alone, and always asks; s3:// lists those in S3.
    """
    if url is None or url in SERVICES:
        given = {"-l": long, "-r": recursive, "--total": total, "--versions": versions}
        if any(given.values()):
            names = " and ".join(option for option, is_given in given.items() if is_given)
            raise cb.UsageError(f"{names}: for objects alone", hint="give the URL of a store")
        list_known_stores(as_json=as_json, service=url)
        return 0
    if versions and long:
        raise cb.UsageError("-l is not for versions", hint="leave out -l or --versions")
    store_url, written = split_url(url)
    on_terminal = sys.stdout.isatty() and not as_json
    classes = long and store_url.startswith(SERVICES)
    wide = _WIDE_LONG + (_CLASS_WIDTH + 2 if classes else 0) if long else _WIDE
    folded = on_terminal and width_of(sys.stdout) < wide
    shown = _Listing(long, classes, human, as_json, folded, header=on_terminal)
    with open_without_keys(store_url) as bucket:
        meant = meant_by(written, bucket, recursive=recursive)
        if versions:
            _list_versions(bucket, meant, shown, recursive=recursive)
        else:
            _list_objects(bucket, meant, shown, recursive=recursive)
    found = shown.objects or shown.others
    missing = written and not found
    if (total and not missing) or (on_terminal and found):
        _write_total(shown, "version" if versions else "object")
    if missing:
        what = f"fits '{meant.text}'" if isinstance(meant, Pattern) else f"begins with {meant!r}"
        say(f"there is no object whose name {what}")
        return 3
    return 1 if shown.malformed else 0


def _begun(listed: Iterator[_Listed], shown: _Listing, *, versions: bool) -> Iterator[_Listed]:
    """Write the header when the first has come: where there is nothing, there is none."""
    first = list(islice(listed, 1))
    if first and shown.header:
        _write_header(shown, versions=versions)
    return chain(first, listed)


def _write_header(shown: _Listing, *, versions: bool) -> None:
    columns = [shown.column("STORED")]
    if shown.long:
        columns += [shown.column("PLAINTEXT"), f"{'FORMAT':<9}"]
    if shown.classes:
        columns.append(f"{'CLASS':<{_CLASS_WIDTH}}")
    columns.append(f"{'MODIFIED':<20}")
    if versions:
        columns += (
            ["NAME, VERSION BELOW"] if shown.folded else [f"{'VERSION':<{_ID_WIDTH}}", "NAME"]
        )
    else:
        columns.append("\n    NAME" if shown.folded and shown.long else "NAME")
    click.echo("  ".join(columns).replace("  \n", "\n"))


def _list_objects(
    bucket: cb.Bucket, meant: str | Pattern, shown: _Listing, *, recursive: bool
) -> None:
    if isinstance(meant, Pattern):
        listed = bucket.list(meant.prefix)
        listed = (
            (each for each in listed if meant.fits_below(each.name))
            if recursive
            else _folded(listed, meant)
        )
    else:
        listed = bucket.list(meant, delimiter="" if recursive else "/")
    for entry in _begun(listed, shown, versions=False):
        facts = _facts(bucket, entry, long=shown.long)
        shown.malformed = shown.malformed or facts.get("format") == "malformed"
        shown.stored += entry.size
        shown.objects += not entry.is_prefix
        shown.others += entry.is_prefix
        click.echo(json.dumps(facts) if shown.as_json else _line(entry, facts, shown))


def _folded(listed: Iterator[cb.Entry], pattern: Pattern) -> Iterator[cb.Entry]:
    """Yield the objects that fit, and once each folder that does."""
    last = ""
    for entry in listed:
        if pattern.fits(entry.name):
            yield entry
        elif not (last and entry.name.startswith(last)):
            last = pattern.folder_of(entry.name) or ""
            if last:
                yield cb.Entry(name=last, is_prefix=True)


def _list_versions(
    bucket: cb.Bucket, meant: str | Pattern, shown: _Listing, *, recursive: bool
) -> None:
    listed = bucket.versions(meant.prefix if isinstance(meant, Pattern) else meant)
    if isinstance(meant, Pattern):
        fits = meant.fits_below if recursive else meant.fits
        listed = (each for each in listed if fits(each.name))
    for version in _begun(listed, shown, versions=True):
        shown.objects += not version.is_delete_marker
        shown.others += version.is_delete_marker
        shown.stored += version.size
        if shown.as_json:
            click.echo(json.dumps(_facts_of_version(version)))
            continue
        size = f"{_DELETED:>16}" if version.is_delete_marker else shown.size(version.size)
        name = printable(version.name) + ("" if version.is_latest else _OLD)
        columns = size, f"{moment(version.modified):<20}"
        its_id = printable(version.version_id)
        if shown.folded:
            click.echo("  ".join((*columns, name)) + f"\n    {its_id}")
        else:
            click.echo("  ".join((*columns, f"{its_id:<{_ID_WIDTH}}", name)))


def _facts_of_version(version: cb.Version) -> dict[str, Any]:
    return {
        "name": version.name,
        "version_id": version.version_id,
        "is_latest": version.is_latest,
        "is_delete_marker": version.is_delete_marker,
        "stored_size": version.size,
        "modified": version.modified.isoformat(),
        "etag": version.etag,
    }


def _facts(bucket: cb.Bucket, entry: cb.Entry, *, long: bool) -> dict[str, Any]:
    if entry.is_prefix:
        return {"prefix": entry.name}
    facts: dict[str, Any] = {
        "name": entry.name,
        "stored_size": entry.size,
        "modified": entry.modified.isoformat() if entry.modified is not None else None,
        "etag": entry.etag,
    }
    if entry.storage_class:
        facts["storage_class"] = entry.storage_class
    if not long:
        return facts
    try:
        info = bucket.head(entry.name)
    except cb.ObjectNotFoundError:  # deleted since it was listed
        return {**facts, "format": "gone", "size": None}
    except (cb.EnvelopeError, cb.IntegrityError) as error:  # the latter: an impossible length
        say(one_line(error))
        return {**facts, "format": "malformed", "size": None}
    return {**facts, "format": info.format, "size": info.size}


def _line(entry: cb.Entry, facts: dict[str, Any], shown: _Listing) -> str:
    columns = [shown.size(None if entry.is_prefix else entry.size)]
    if shown.long:
        columns += [shown.size(facts.get("size")), f"{facts.get('format', ''):<9}"]
    if shown.classes:
        columns.append(f"{printable(entry.storage_class):<{_CLASS_WIDTH}}")
    columns.append(f"{moment(entry.modified):<20}")
    if shown.folded and shown.long:
        return "  ".join(columns).rstrip() + f"\n    {printable(entry.name)}"
    return "  ".join([*columns, printable(entry.name)])


def _write_total(shown: _Listing, thing: str) -> None:
    folded = "delete_markers" if thing == "version" else "prefixes"
    if shown.as_json:
        facts = {f"{thing}s": shown.objects, folded: shown.others, "stored_size": shown.stored}
        click.echo(json.dumps({"total": True, **facts}))
        return
    others = "delete marker" if thing == "version" else "folder"
    text = count(shown.objects, thing)
    text += f", {count(shown.others, others)}" if shown.others else ""
    click.echo(f"{shown.size(shown.stored)}  {text}")
