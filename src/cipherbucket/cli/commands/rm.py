"""``rm``: delete objects.

Rule: many are deleted only after they were counted and shown, and then only those.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator

import click

import cipherbucket as cb
from cipherbucket.cli.copying.names_on_disk import NamesOnDisk
from cipherbucket.cli.errors import one_line, say
from cipherbucket.cli.options.config import TRUST_STORE, open_without_keys
from cipherbucket.cli.options.parsing import split_object_url, split_tree_url
from cipherbucket.cli.options.passes import RECURSIVE
from cipherbucket.cli.terminal.help import Command
from cipherbucket.text import count, printable


@click.command(
    cls=Command,
    examples=(
        "cipherbucket rm file:///data/store/report.pdf",
        "cipherbucket rm -r file:///data/store/reports/",
        "cipherbucket rm -rf file:///data/store/reports/",
    ),
)
@click.argument("url")
@RECURSIVE
@click.option("-f", "--force", is_flag=True, help="Do not ask, and do not mind what is not there.")
@TRUST_STORE
def rm(url: str, recursive: bool, force: bool) -> int:
    """Delete the object at URL; with -r all objects below it, after asking.

    With -r, URL is taken as a folder: reports deletes reports/..., and not reports-2026. No key is
    needed.
    """
    if recursive:
        return _remove_tree(url, force=force)
    store_url, name = split_object_url(url)
    with open_without_keys(store_url) as bucket:
        if not force and not bucket.exists(name):
            raise cb.ObjectNotFoundError("there is no such object", name=name)
        bucket.delete(name)
    return 0


def _remove_tree(url: str, *, force: bool) -> int:
    store_url, prefix = split_tree_url(url)
    with open_without_keys(store_url) as bucket, tempfile.TemporaryFile("w+") as file:
        bucket.access.store.check_writable()
        # Only what was counted when the question was asked is deleted.
        listed = NamesOnDisk(file)
        for entry in bucket.list(prefix):
            listed.add(entry.name)
        what = f"{count(listed.count, 'object')} below {printable(f'{store_url}/{prefix}')}"
        if not listed.count:
            say(f"no objects below {store_url}/{prefix}")
            return 0 if force else 3
        if not force:
            if not sys.stdin.isatty():
                raise cb.UsageError(
                    f"not deleting {what} without asking", hint="to delete them, add -f"
                )
            if not click.confirm(f"Delete {what}?", err=True):
                say("nothing was deleted")
                return 1
        failures = bucket.delete_many(listed.names())
    for line in _failure_lines(failures):
        say(line)
    return 1 if failures else 0


def _failure_lines(failures: dict[str, cb.CipherbucketError]) -> Iterator[str]:
    for name, error in failures.items():
        yield one_line(error) if error.name is not None else f"{name!r}: {one_line(error)}"
