"""What ``rotate -r`` or ``reencrypt -r`` did, for people and for programs.

Rule: every object that failed is named with its reason. In JSON each object is a line, and the last
line is the summary, so that nothing is held in memory however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

import click

import cipherbucket as cb
from cipherbucket.cli.errors import say
from cipherbucket.cli.hints import in_options
from cipherbucket.text import amount, count, printable

_NO_OBJECT = 3
_PASSING = (cb.StoreError, cb.KmsError, cb.ObjectChangedError)
_SHOWN = 20
"""So many failures are named one by one for people."""


def write_report(
    report: cb.RotationReport,
    done: str,
    *,
    whole: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Write a report to stdout, failures to stderr, and return the exit code.

    Args:
        report: Of a pass.
        done: What was done to the objects, such as ``rotated``.
        whole: Whether it was a pass over a whole store; a folder without objects was mistyped,
            and the code is that of ``ls``.
        dry_run: Whether nothing was changed.
        as_json: One JSON object a line instead.
        quiet: Only failures.
    """
    nothing = not _all_in(report)
    if nothing:
        say("no objects there")
    code = 1 if report.failed.objects else _NO_OBJECT if nothing and not whole else 0
    if as_json:
        for facts in report.lines():
            click.echo(json.dumps(facts))
        return code
    for failure in islice(report.failures(), _SHOWN):
        reason = in_options(failure.reason)
        say(printable(f"{failure.name!r}: {reason}"))
    if report.failed.objects > _SHOWN:
        say(f"and {report.failed.objects - _SHOWN:,} more; --json names all")
    if not quiet:
        for line in _lines(report, done, dry_run=dry_run):
            click.echo(line)
    return code


def _lines(report: cb.RotationReport, done: str, *, dry_run: bool) -> Iterator[str]:
    if report.resumed:
        earlier, total = count(report.resumed, "object"), count(_all_in(report), "object")
        yield f"went on after {earlier} of an earlier run, counted here too: {total} in all"
    moved = f", {amount(report.moved)} through this machine" if report.moved else ""
    if dry_run:
        yield f"{f'to be {done}':<18}{_tally(report.due)}{moved}"
    else:
        yield f"{done:<18}{_tally(report.done)}{moved}"
    for reason, objects in sorted(report.reasons.items(), key=lambda item: -item[1]):
        yield f"{'left as they are':<18}{count(objects, 'object'):>16}  {printable(reason)}"
    if report.failed.objects:
        passes = any(map(_may_pass, report.failures()))
        then = "the same command tries these again" if passes else "see above"
        yield f"{'failed':<18}{_tally(report.failed)}; {then}"
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
