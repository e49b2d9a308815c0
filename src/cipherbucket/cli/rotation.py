"""What ``rotate``, ``reencrypt``, ``recipients`` and ``repair`` share: a change where objects are.

Rule: every object that failed is named with its reason, and shows in the exit code. In JSON each
object is a line, and the last line is the summary, so that nothing is held in memory however many
there are. A command that was interrupted goes on when it is given again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, resumed_when_repeated, say
from cipherbucket.cli.failures import Failures
from cipherbucket.cli.hints import in_options
from cipherbucket.cli.no_object import ADD_R, FOLDER, NAME_OR_R, missing_said, nothing_below
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.by_reference import new_keys_by_reference
from cipherbucket.cli.options.inventory import (
    json_lines,
    names_of,
    not_listed,
    not_looked_at,
    opened_entries,
)
from cipherbucket.cli.options.named_key import named_key
from cipherbucket.cli.options.parsing import split_object_url, split_tree_url
from cipherbucket.cli.options.places import OpenedPlaces, opened_by_rules
from cipherbucket.cli.options.rotation import ChangeOptions
from cipherbucket.cli.terminal.progress import object_count
from cipherbucket.text import amount, count, printable

_NO_OBJECT = 3
_PASSING = (cb.StoreError, cb.KmsError, cb.ObjectChangedError)


def change(
    url: str,
    done: str,
    options: ChangeOptions,
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
    how: dict[str, Any] = {
        "to": access.new_keys or None,
        "key": access.forced,
        "context": access.context,
        "limit_rate": options.limit_rate,
    }
    how |= further
    if not options.recursive:
        return _change_one(url, done, options, access, partial(one, dry_run=options.dry_run, **how))
    if options.executors:
        options.executors.refuse_with("--limit-rate", options.limit_rate)
        how["to"] = new_keys_by_reference(access)
        how["key"] = options.executors.key(access.forced, access.force_key, access)
    store_url, prefix = split_tree_url(url)
    bound = access.at(store_url, prefix, whole=False)
    # Where no key writes here, one may write below.
    by_rules_below = not bound.writes and bool(bound.rules_below)
    first = None if by_rules_below else AccessOptions.open_to_write
    with opened_by_rules(access, store_url, prefix, open_first=first) as places:
        label = None if options.only is None else named_key(options.only)
        every = partial(every, only=options.executors.key(label, options.only, access), **how)
        return change_all(places, prefix, done, options, access, every)


def change_all(
    places: OpenedPlaces,
    prefix: str,
    done: str,
    options: ChangeOptions,
    access: AccessOptions,
    every: Callable[..., cb.RotationReport],
) -> int:
    """Run a pass over all below a prefix and write its report; return the exit code."""
    bucket = places.bucket
    with (
        opened_entries(options.chosen, bucket, prefix, access.open_to_look) as entries,
        resumed_when_repeated(),
        options.executors.opened() as executor,
        object_count(
            "looked at", partial(names_of, bucket, prefix, entries), shown=not options.quiet
        ) as progress,
    ):
        report = every(
            prefix=prefix,
            **places.arguments(executor),
            dry_run=options.dry_run,
            workers=options.workers,
            progress=progress,
            entries=entries,
        )
    with report:
        if not _all_in(report) and options.since is None:
            say(one_line(nothing_below(prefix, bucket, "no objects there")))
        whole = not prefix or options.since is not None
        return _write_report(report, done, options, whole=whole)


def _change_one(
    url: str,
    done: str,
    options: ChangeOptions,
    access: AccessOptions,
    verb: Callable[[cb.Bucket, str], cb.ObjectInfo],
) -> int:
    store_url, name = split_object_url(url, NAME_OR_R)
    with (
        access.at(store_url, name).open_to_write(store_url) as bucket,
        missing_said(bucket, name, ADD_R, FOLDER),
    ):
        before = bucket.head(name)
        now = verb(bucket, name)
    if options.quiet:
        return 0
    assert now.envelope is not None
    keys = ", ".join(str(each.description) for each in now.envelope.recipients)
    if now.envelope == before.envelope:
        what = f"unchanged: {printable(now.name)} is"
    elif options.dry_run:
        what = f"to be {done}: {printable(now.name)} would be"
    else:
        what = f"{done}: {printable(now.name)} is"
    click.echo(f"{what} in format {now.format} for {printable(keys)}")
    if before.version_id is not None and before.version_id != now.version_id:
        say(f"its old version {before.version_id} opens as before")
    return 0


def _write_report(
    report: cb.RotationReport, done: str, options: ChangeOptions, *, whole: bool
) -> int:
    """Write a report to stdout, failures to stderr, and return the exit code.

    A folder without objects was mistyped, and the code is that of ``ls``; a whole store was not.
    """
    nothing = not _all_in(report)
    words = {"done": done, "due": f"to be {done}"}
    for each in report.objects() if options.verbose else ():
        if each.status != "failed":  # said at the end, with the way on
            say(
                f"{words.get(each.status, each.status)} {each.name}"
                + (f" ({each.reason})" if each.reason else "")
            )
    code = 1 if report.failed.objects else _NO_OBJECT if nothing and not whole else 0
    if options.as_json:
        for line in json_lines(report.lines(), options.since):
            click.echo(line)
        return code
    failures = Failures()
    for failure in report.failures():
        failures.add(failure.name, in_options(failure.reason.removeprefix(f"{failure.name!r}: ")))
    for failed in failures.lines():
        say(failed)
    if not options.quiet:
        for line in _lines(report, done):
            click.echo(line)
        if options.since is not None:
            click.echo(f"{'since':<18}{not_listed(options.since)}")
    return code


def _lines(report: cb.RotationReport, done: str) -> Iterator[str]:
    if report.resumed:
        earlier, total = count(report.resumed, "object"), count(_all_in(report), "object")
        yield f"went on after {earlier} of an earlier run, counted here too: {total} in all"
    moved = f", {amount(report.moved)} through this machine" if report.moved else ""
    if report.dry_run:
        yield f"{f'to be {done}':<18}{_tally(report.due)}{moved}"
    else:
        yield f"{done:<18}{_tally(report.done)}{moved}"
    for reason, objects in sorted(report.reasons.items(), key=lambda item: -item[1]):
        yield f"{'left as they are':<18}{count(objects, 'object'):>16}  {printable(reason)}"
    if report.failed.objects:
        passes = any(map(_may_pass, report.failures()))
        then = "the same command tries these again" if passes else "see above"
        yield f"{'failed':<18}{_tally(report.failed)}; {then}"
    if report.inventory is not None:
        yield f"{'inventory':<18}{not_looked_at(report.inventory)}"
    if report.versions_left:
        yield f"{'old versions':<18}{count(report.versions_left, 'object'):>16}  open as before"


def _all_in(report: cb.RotationReport) -> int:
    tallies = (report.done, report.due, report.skipped, report.failed)
    return sum(tally.objects for tally in tallies)


def _may_pass(failure: cb.ObjectOutcome) -> bool:
    """Return whether it was store, KMS or another writer that an object failed for."""
    kind = getattr(cb, failure.error, None)
    return isinstance(kind, type) and issubclass(kind, _PASSING)


def _tally(tally: cb.Tally) -> str:
    return f"{count(tally.objects, 'object'):>16}  {amount(tally.stored_size)}"
