"""What ``rotate`` and ``reencrypt`` share: they change one object, or all below a folder.

Rule: what was not done is named with its reason, and shows in the exit code. A command that was
interrupted goes on when it is given again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import resumed_when_repeated, say
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.parsing import split_object_url, split_tree_url
from cipherbucket.cli.options.rotation import RotationOptions
from cipherbucket.cli.terminal.progress import object_count
from cipherbucket.cli.terminal.rotation_report import write_report
from cipherbucket.text import printable


def change(
    url: str,
    done: str,
    options: RotationOptions,
    access: AccessOptions,
    *,
    one: Callable[..., cb.ObjectInfo],
    every: Callable[..., cb.RotationReport],
    **further: Any,
) -> int:
    """Change the object at a URL, or with ``-r`` all below it; return the exit code.

    Args:
        url: Of the object or the folder.
        done: What is done to objects, such as ``rotated``.
        options: How.
        access: The keys; the first writes.
        one: Called with a bucket and a name.
        every: Called with a bucket and a prefix.
        further: What both are called with as well.
    """
    how = {"key": access.forced, "context": access.context, "limit_rate": options.limit_rate}
    how |= further
    if not options.recursive:
        return _change_one(url, done, options, access, lambda *args: one(*args, **how))
    store_url, prefix = split_tree_url(url)
    with access.at(store_url, prefix).open_to_write(store_url) as bucket:
        with (
            resumed_when_repeated("what is done is done, and "),
            object_count("looked at", shown=not options.quiet) as progress,
        ):
            report = every(
                bucket,
                prefix,
                only=options.only,
                dry_run=options.dry_run,
                workers=options.workers,
                progress=progress,
                **how,
            )
        with report:
            return write_report(
                report,
                done,
                whole=not prefix,
                dry_run=options.dry_run,
                as_json=options.as_json,
                quiet=options.quiet,
            )


def _change_one(
    url: str,
    done: str,
    options: RotationOptions,
    access: AccessOptions,
    verb: Callable[[cb.Bucket, str], cb.ObjectInfo],
) -> int:
    store_url, name = split_object_url(url)
    with access.at(store_url, name).open_to_write(store_url) as bucket:
        before = bucket.head(name)
        now = verb(bucket, name)
    if options.quiet:
        return 0
    assert now.envelope is not None
    keys = ", ".join(str(each.description) for each in now.envelope.recipients)
    what = "unchanged" if now.envelope == before.envelope else done
    click.echo(f"{what}: {printable(now.name)} is in format {now.format} for {printable(keys)}")
    if before.version_id is not None and before.version_id != now.version_id:
        say(f"its old version {printable(before.version_id)} opens as before")
    return 0
