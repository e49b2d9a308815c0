"""What ``recipients add``, ``recipients remove`` and ``repair -r`` share: options, pass and report.

Rule: every object that failed is named with its reason, and shows in the exit code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import resumed_when_repeated, say
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.outcomes import VERBOSE
from cipherbucket.cli.options.parsing import split_object_url, split_tree_url
from cipherbucket.cli.options.passes import RECURSIVE, workers_option
from cipherbucket.cli.rotation import write_report
from cipherbucket.cli.terminal.progress import object_count
from cipherbucket.text import printable

_OPTIONS = (
    RECURSIVE,
    click.option(
        "-n",
        "--dry-run",
        is_flag=True,
        help="Change nothing; say what would be done, and what would fail.",
    ),
    workers_option("With -r: objects at once. Default: 16."),
    VERBOSE,
    click.option(
        "--json", "as_json", is_flag=True, help="With -r: one JSON object a line, for programs."
    ),
    click.option("-q", "--quiet", is_flag=True, help="No progress; only what failed."),
)


@dataclass(frozen=True, kw_only=True)
class PassOptions:
    """What these commands accept.

    Attributes:
        recursive: All objects below the URL.
        dry_run: Nothing is changed.
        workers: Objects at once; None for the usual.
        verbose: It is said of each object what became of it.
        as_json: A line of JSON for each object.
        quiet: No progress; only what failed.
    """

    recursive: bool
    dry_run: bool
    workers: int | None
    verbose: bool
    as_json: bool
    quiet: bool

    def check(self) -> None:
        """Refuse options that one object has no use for."""
        for option, given in (("--json", self.as_json), ("--workers", self.workers is not None)):
            if given and not self.recursive:
                raise cb.UsageError(f"{option} is for many objects", hint="add -r, or leave it out")


def pass_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it gets them as ``options``."""

    @wraps(function)
    def with_options(*args: Any, **kwargs: Any) -> Any:
        options = PassOptions(**{each.name: kwargs.pop(each.name) for each in fields(PassOptions)})
        options.check()
        return function(*args, options=options, **kwargs)

    command: Callable[..., Any] = with_options
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def change_recipients(
    url: str,
    done: str,
    options: PassOptions,
    access: AccessOptions,
    *,
    one: Callable[..., cb.ObjectInfo],
    every: Callable[..., cb.RotationReport],
) -> int:
    """Change who opens the object at a URL, or with ``-r`` all below it; return the exit code.

    Args:
        url: Of the object or the folder.
        done: What is done to objects, such as ``repaired``.
        options: How.
        access: The keys that open them.
        one: Called with a bucket and a name.
        every: Called with a bucket and a prefix.
    """
    if not access.reads:
        raise cb.MasterKeyError("it takes a key that opens the object", hint="name one with -k KEY")
    if options.recursive:
        return run_recipients_pass(url, done, options, access, every)
    store_url, name = split_object_url(url)
    with access.at(store_url, name).open(store_url) as bucket:
        if not options.dry_run:
            bucket.access.store.check_writable()
        info = one(bucket, name, key=access.forced, context=access.context, dry_run=options.dry_run)
    if not options.quiet:
        number = len(info.envelope.recipients) if info.envelope is not None else 0
        text = "to be " if options.dry_run else ""
        then = "" if options.dry_run else f", has {number}"
        click.echo(f"{text}{done}: {printable(name)}{then}")
    return 0


def run_recipients_pass(
    url: str,
    done: str,
    options: PassOptions,
    access: AccessOptions,
    every: Callable[..., cb.RotationReport],
) -> int:
    """Run a pass over all below a URL and write its report; return the exit code."""
    store_url, prefix = split_tree_url(url)
    with access.at(store_url, prefix).open(store_url) as bucket:
        with (
            resumed_when_repeated("what is done is done, and "),
            object_count(
                "looked at", lambda: bucket.list(prefix), shown=not options.quiet
            ) as progress,
        ):
            report = every(
                bucket,
                prefix,
                key=access.forced,
                context=access.context,
                dry_run=options.dry_run,
                workers=options.workers,
                progress=progress,
            )
        with report:
            for each in report.objects() if options.verbose else ():
                say(f"{each.status} {each.name}" + (f" ({each.reason})" if each.reason else ""))
            return write_report(
                report, done, as_json=options.as_json, quiet=options.quiet, whole=not prefix
            )
