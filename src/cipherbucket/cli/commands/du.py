"""``du``: how much is stored, folder by folder.

Rule: listings alone are asked, so that what is counted is stored bytes; nothing is held in memory
but the folder that is being counted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import click

import cipherbucket as cb
from cipherbucket.cli.errors import say
from cipherbucket.cli.options.addresses import SERVICES
from cipherbucket.cli.options.config import (
    TRUST_TO_READ,
    open_without_keys,
    split_url,
)
from cipherbucket.cli.options.parsing import folder_name
from cipherbucket.cli.options.passes import HELP_WITHOUT_H, HUMAN, JSON_LINES, size_text
from cipherbucket.cli.options.wildcards import Pattern, meant_by
from cipherbucket.cli.terminal.help import Command
from cipherbucket.text import printable

_NO_OBJECT = 3


@dataclass
class _Usage:
    """What was counted at one place.

    Attributes:
        objects: How many objects, or versions.
        stored: Their stored bytes.
    """

    objects: int = 0
    stored: int = 0

    def add(self, size: int) -> None:
        """Count an object."""
        self.objects += 1
        self.stored += size


@dataclass
class _Lines:
    """How lines are written.

    Attributes:
        human: Whether sizes have units.
        as_json: Whether lines are JSON.
        counted: What is counted.
        header: Whether one is written before the first line.
    """

    human: bool
    as_json: bool
    counted: str
    header: bool

    def write(self, url: str, usage: _Usage, *, total: bool) -> None:
        """Write what is stored at a URL."""
        if self.header:
            click.echo(f"{'STORED':>16}  {self.counted:>12}  URL")
            self.header = False
        if self.as_json:
            facts = {"url": url, "objects": usage.objects, "stored_size": usage.stored}
            click.echo(json.dumps({**facts, "total": total}))
        else:
            size = size_text(usage.stored, human=self.human)
            click.echo(f"{size:>16}  {usage.objects:>12,}  {printable(url)}")


@click.command(
    cls=Command,
    context_settings=HELP_WITHOUT_H,
    examples=(
        "cipherbucket du -h oss://bucket/",
        "cipherbucket du -sh oss://bucket/reports oss://bucket/photos",
        "cipherbucket du -h 'oss://bucket/2026-*'",
        "cipherbucket du --versions oss://bucket/",
        "cipherbucket du --json oss://bucket/ | jq 'select(.total)'",
    ),
)
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@HUMAN
@click.option("-s", "--summarize", is_flag=True, help="The total of each URL alone.")
@click.option(
    "--versions", is_flag=True, help="Count old versions too. A directory store keeps none."
)
@JSON_LINES
@TRUST_TO_READ
def du(urls: tuple[str, ...], human: bool, summarize: bool, versions: bool, as_json: bool) -> int:
    r"""Show the stored bytes and the number of objects in each folder below URL, and in all.

    URL is taken as a folder, or as one object: reports counts reports/..., and not reports-2026.
    What lies in it directly is in the total, which comes last. Sizes are those of what is stored:
    in format oss as long as the plaintext, in format sealed a little longer. Parts of unfinished
    uploads are not counted; see: cipherbucket transfers URL. No key is needed. The exit code is 3
    if there is nothing at a URL.

    In quotes, '*' and '?' in a name stand for anything but '/', and '**' for anything: objects and
    folders that fit are counted. '\*' and '\?' are the characters themselves.
    """
    header = sys.stdout.isatty() and not as_json
    lines = _Lines(human, as_json, "VERSIONS" if versions else "OBJECTS", header=header)
    code = 0
    for url in urls:
        store_url, written = split_url(url)
        with open_without_keys(store_url) as bucket:
            meant = meant_by(written, bucket, recursive=True)
            total = _count(bucket, meant, lines, summarize=summarize, versions=versions)
        if written and not total.objects:
            say(f"there is no object at or below {url}")
            code = _NO_OBJECT
            continue
        lines.write(f"{store_url}/{written}", total, total=True)
    return code


def _count(
    bucket: cb.Bucket, meant: str | Pattern, lines: _Lines, *, summarize: bool, versions: bool
) -> _Usage:
    """Write a line for each folder below, and return the total."""
    folder = "" if isinstance(meant, Pattern) else folder_name(meant)
    total = _Usage()

    def next_folder(found: tuple[str, int]) -> str:
        if isinstance(meant, Pattern):
            return meant.folder_of(found[0]) or ""
        inner, slash, _ = found[0].removeprefix(folder).partition("/")
        return inner + slash if slash and found[0] != meant else ""

    if isinstance(meant, Pattern):
        listed = _listed(bucket, meant.prefix, versions=versions)
        listed = filter(lambda found: meant.fits_below(found[0]), listed)
    else:
        listed = _objects(bucket, meant, folder, versions=versions)
    for below, objects in groupby(listed, next_folder):  # in order of names, so each comes once
        usage = _Usage()
        for _, size in objects:
            usage.add(size)
            total.add(size)
        if below and not summarize:
            lines.write(f"{bucket.url}/{folder}{below}", usage, total=False)
    return total


def _objects(
    bucket: cb.Bucket, name: str, folder: str, *, versions: bool
) -> Iterator[tuple[str, int]]:
    """List the object of this name, and all below the folder: not what only begins so."""
    if name != folder:
        for found, size in _listed(bucket, name, versions=versions):
            if found != name:  # it would be the first
                break
            yield found, size
    yield from _listed(bucket, folder, versions=versions)


def _listed(bucket: cb.Bucket, prefix: str, *, versions: bool) -> Iterator[tuple[str, int]]:
    if not (versions and bucket.url.startswith(SERVICES)):  # others keep one version of each
        return ((each.name, each.size) for each in bucket.list(prefix))
    found = (each for each in bucket.versions(prefix) if not each.is_delete_marker)
    return ((each.name, each.size) for each in found)
