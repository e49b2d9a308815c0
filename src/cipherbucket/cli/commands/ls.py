"""``ls``: list objects.

Rule: names are printed with what is not printable escaped; ``--json`` gives them exactly. Sizes of
plaintext are the store's word until the object is read.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, say
from cipherbucket.cli.options.config import TRUST_STORE, open_without_keys, split_url
from cipherbucket.cli.options.passes import JSON_LINES
from cipherbucket.cli.terminal.help import Command
from cipherbucket.text import moment, printable


@click.command(
    cls=Command,
    examples=(
        "cipherbucket ls file:///data/store/",
        "cipherbucket ls -lr file:///data/store/reports/",
        "cipherbucket ls --json -r file:///data/store/ | jq -r .name",
    ),
)
@click.argument("url")
@click.option("-l", "--long", is_flag=True, help="Add format and plaintext size, object by object.")
@click.option("-r", "--recursive", is_flag=True, help="All names; do not fold them at '/'.")
@JSON_LINES
@TRUST_STORE
def ls(url: str, long: bool, recursive: bool, as_json: bool) -> int:
    """List the objects whose names begin as URL does: stored size, time (UTC) and name.

    Names are folded at the next '/', like folders. No key is needed. The exit code is 3 if no name
    begins so, and 1 if -l met an object whose envelope or length cannot be understood.
    """
    store_url, prefix = split_url(url)
    found = malformed = False
    if sys.stdout.isatty() and not as_json:
        plaintext = f"{'PLAINTEXT':>16}  {'FORMAT':<9}  " if long else ""
        click.echo(f"{'STORED':>16}  {plaintext}{'MODIFIED':<20}  NAME")
    with open_without_keys(store_url) as bucket:
        for entry in bucket.list(prefix, delimiter="" if recursive else "/"):
            found = True
            facts = _facts(bucket, entry, long=long)
            malformed = malformed or facts.get("format") == "malformed"
            click.echo(json.dumps(facts) if as_json else _line(entry, facts, long=long))
    if prefix and not found:
        say(f"there is no object whose name begins with {prefix!r}")
        return 3
    return 1 if malformed else 0


def _facts(bucket: cb.Bucket, entry: cb.Entry, *, long: bool) -> dict[str, Any]:
    if entry.is_prefix:
        return {"prefix": entry.name}
    facts: dict[str, Any] = {
        "name": entry.name,
        "stored_size": entry.size,
        "modified": entry.modified.isoformat() if entry.modified is not None else None,
        "etag": entry.etag,
    }
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


def _line(entry: cb.Entry, facts: dict[str, Any], *, long: bool) -> str:
    stored = "" if entry.is_prefix else f"{entry.size:,}"
    columns = [f"{stored:>16}"]
    if long:
        size = facts.get("size")
        columns.append(f"{'' if size is None else format(size, ','):>16}")
        columns.append(f"{facts.get('format', ''):<9}")
    columns += [f"{moment(entry.modified):<20}", printable(entry.name)]
    return "  ".join(columns)
