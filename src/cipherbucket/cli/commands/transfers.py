"""``transfers``: lists and clears what was interrupted and not resumed.

Rule: only what was listed is cleared, after the user agreed to it. A journal goes last, so that
what could not be aborted is listed again.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.errors import say
from cipherbucket.cli.no_object import BEGINNING
from cipherbucket.cli.options.config import open_without_keys, split_url, trust_store
from cipherbucket.cli.options.parsing import complete_files
from cipherbucket.cli.options.passes import JSON_LINES
from cipherbucket.cli.options.wildcards import has_wildcards
from cipherbucket.cli.terminal.help import Command
from cipherbucket.text import count, duration, printable


@click.command(
    cls=Command,
    examples=(
        "cipherbucket transfers",
        "cipherbucket transfers oss://bucket/",
        "cipherbucket transfers --clear",
        "cipherbucket transfers --clear -f oss://bucket/backups/",
    ),
)
@click.argument("url", required=False, shell_complete=complete_files)
@click.option(
    "--clear",
    is_flag=True,
    help="Forget them: remove journals and temporary files, abort the uploads, after asking.",
)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@JSON_LINES
@trust_store("Abort uploads in a directory store")
def transfers(url: str | None, clear: bool, force: bool, as_json: bool) -> int:
    """List the interrupted transfers of this machine; the same cp or sync resumes one.

    With URL, list also the unfinished uploads in that store whose names begin so: those of this
    machine and of any other, also uploads that are still running elsewhere. They take up room until
    they are completed or aborted. What runs on this machine now is not listed as interrupted.

    The journals of transfers lie in the folder CIPHERBUCKET_STATE, by default
    ~/.local/state/cipherbucket/transfers. A journal that another user could have put there, because
    the folder is that user's or others can write it, is neither listed nor cleared.
    """
    listed = [(each, facts) for each in cb.abandoned() if (facts := _facts_of(each)) is not None]
    left = [each for each, _ in listed]
    ours = {each.upload_id for each in left}
    uploads: list[cb.Upload] = []
    store_url = ""
    if url is not None:
        store_url, prefix = split_url(url)
        with open_without_keys(store_url) as bucket:
            uploads = [each for each in bucket.uploads(prefix) if each.upload_id not in ours]
    for facts in (*(each for _, each in listed), *_facts_of_uploads(uploads, store_url)):
        click.echo(json.dumps(facts) if as_json else _line_of(facts))
    if not left and not uploads:
        wild = url is not None and has_wildcards(split_url(url)[1])
        say(f"no interrupted transfers{f' ({BEGINNING})' if wild else ''}")
        return 0
    if not clear:
        return 0
    if not force and not _agreed(left, uploads):
        say("nothing was cleared")
        return 1
    return _clear(left, store_url, uploads)


def _facts_of(each: cb.Abandoned) -> dict[str, Any] | None:
    """Describe a transfer; None if it has ended or goes on meanwhile."""
    try:
        age = time.time() - each.path.lstat().st_mtime
    except FileNotFoundError:
        return None
    if each.kind not in {"upload", "download"}:
        return {"kind": "unusable", "age_seconds": round(age), "journal": str(each.path)}
    return {
        "kind": each.kind,
        "age_seconds": round(age),
        "file": each.file,
        "url": f"{each.store}/{each.name}",
        "upload_id": each.upload_id,
    }


def _facts_of_uploads(uploads: Sequence[cb.Upload], store_url: str) -> Iterator[dict[str, Any]]:
    for each in uploads:
        age = (datetime.now(UTC) - each.started).total_seconds()
        url, upload_id = f"{store_url}/{each.name}", each.upload_id
        yield {"kind": "in store", "age_seconds": round(age), "url": url, "upload_id": upload_id}


def _line_of(facts: dict[str, Any]) -> str:
    kind, age = facts["kind"], duration(facts["age_seconds"])
    line = f"{kind:<8}  {age:>10}  "
    if kind in {"unusable", "in store"}:
        return line + printable(facts["journal" if kind == "unusable" else "url"])
    ends = facts["file"], facts["url"]
    start, end = ends if kind == "upload" else ends[::-1]
    line += f"{printable(start)}  ->  {printable(end)}"
    if kind == "upload" and facts["upload_id"] is None:
        line += "  (no upload id: what the store may have of it is listed by URL)"
    return line


def _agreed(left: Sequence[cb.Abandoned], uploads: Sequence[cb.Upload]) -> bool:
    parts = [count(len(left), "interrupted transfer")] if left else []
    if uploads:
        parts.append(f"{count(len(uploads), 'unfinished upload')} in the store")
    what = " and ".join(parts)
    if not sys.stdin.isatty():
        raise cb.UsageError(f"not clearing {what} without asking", hint="to clear them, add -f")
    return click.confirm(f"Clear {what}?", err=True)


def _clear(left: Sequence[cb.Abandoned], store_url: str, uploads: Sequence[cb.Upload]) -> int:
    tally = Tally()
    cleared = 0
    for each in left:
        shown = each.name or str(each.path)
        with tally.attempt(shown):
            if each.clear(_abort):
                cleared += 1
            else:
                say(f"not cleared, it is not what was listed any more: {shown}")
    if uploads:
        with open_without_keys(store_url) as bucket:
            for upload in uploads:
                with tally.attempt(upload.name):
                    bucket.abort_upload(upload.name, upload.upload_id)
                    cleared += 1
    for failure in tally.failures:
        say(failure)
    say(f"cleared {count(cleared, 'transfer')}")
    return 1 if tally.failed else 0


def _abort(each: cb.Abandoned) -> None:
    """Abort an interrupted upload in its store; one in a directory store that is gone, is gone."""
    assert each.upload_id is not None
    if each.store.startswith("file://") and not _is_there(each.store):
        return  # opening it would make a new store, perhaps in the folder of an unmounted disk
    with open_without_keys(each.store) as bucket:
        bucket.abort_upload(each.name, each.upload_id)


def _is_there(store_url: str) -> bool:
    """Return whether a folder is a directory store."""
    try:
        return cb.split_url(store_url) == (store_url, "")
    except cb.UsageError:
        return False
