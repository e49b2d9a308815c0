"""What a pass over many objects did, for people and for programs.

Law: every object that failed is named with its reason. In JSON each object is a line, and the last
line is the summary, so that nothing is held in memory however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import in_options, say
from cipherbucket.cli.text import amount, count, printable

_SHOWN = 20
"""So many failures are named one by one for people."""


def tell_report(report: cb.RotationReport, done: str, *, as_json: bool, quiet: bool) -> int:
    """Write a report to stdout, failures to stderr, and return the exit code.

    Args:
        report: Of a pass.
        done: What was done to the objects, such as ``rotated``.
        as_json: One JSON object a line instead.
        quiet: Only failures.
    """
    looked_at = (report.done, report.due, report.skipped, report.failed)
    if not any(tally.objects for tally in looked_at):
        say("no objects there")
    if as_json:
        for outcome in report.outcomes():
            click.echo(json.dumps(_facts(outcome)))
        click.echo(json.dumps({"summary": _summary(report)}))
        return 1 if report.failed.objects else 0
    for failure in islice(report.failures(), _SHOWN):
        reason = in_options(str(failure.detail.get("reason", "")))
        say(printable(f"{failure.name!r}: {reason}"))
    if report.failed.objects > _SHOWN:
        say(f"and {report.failed.objects - _SHOWN:,} more; --json names all")
    if not quiet:
        for line in _lines(report, done):
            click.echo(line)
    return 1 if report.failed.objects else 0


def _lines(report: cb.RotationReport, done: str) -> Iterator[str]:
    if report.resumed:
        yield f"went on after {count(report.resumed, 'object')} of an earlier run"
    moved = f", {amount(report.moved)} through this machine" if report.moved else ""
    if report.due.objects:
        yield f"{f'to be {done}':<18}{_tally(report.due)}{moved}"
    else:
        yield f"{done:<18}{_tally(report.done)}{moved}"
    for reason, objects in sorted(report.reasons.items(), key=lambda item: -item[1]):
        yield f"{'left as they are':<18}{count(objects, 'object'):>16}  {printable(reason)}"
    if report.failed.objects:
        yield f"{'failed':<18}{_tally(report.failed)}; the same command tries these again"
    if report.versions_left:
        yield f"{'old versions':<18}{count(report.versions_left, 'object'):>16}  open as before"


def _tally(tally: cb.Tally) -> str:
    return f"{count(tally.objects, 'object'):>16}  {amount(tally.size)}"


def _facts(outcome: cb.Outcome) -> dict[str, Any]:
    facts = {"name": outcome.name, "status": outcome.status, "stored_size": outcome.size}
    return facts | {
        name: outcome.detail[name] for name in ("reason", "error") if name in outcome.detail
    }


def _summary(report: cb.RotationReport) -> dict[str, Any]:
    tallies = {"done": report.done, "due": report.due, "skipped": report.skipped}
    return {
        **{
            status: {"objects": tally.objects, "stored_size": tally.size}
            for status, tally in (tallies | {"failed": report.failed}).items()
        },
        "reasons": dict(report.reasons),
        "moved": report.moved,
        "versions_left": report.versions_left,
        "resumed": report.resumed,
    }
