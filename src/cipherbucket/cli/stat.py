"""All that can be told of one object: what the store says, the envelope, and which key opens it.

Law: a wrapped key is never shown, only its length. Without a key everything here is the store's
word, and the output says so where it matters.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.command import Command
from cipherbucket.cli.errors import one_line
from cipherbucket.cli.keys import failure_to_open
from cipherbucket.cli.options import Access, key_options, split_object_url
from cipherbucket.cli.text import count, printable

_ORIGIN = (
    "anyone who holds the public half of the key and may write to the store can have made it;"
    " tampering is not detected"
)
_ORIGIN_PLAINTEXT = "anyone who may write to the store can have made it"


@click.command(
    cls=Command,
    short_help="Tell all that is known of an object.",
    examples=(
        "cipherbucket stat file:///data/store/report.pdf",
        "cipherbucket stat -k cmk.pem -k old.pem file:///data/store/report.pdf",
        "cipherbucket stat --json file:///data/store/report.pdf | jq .description",
    ),
)
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object, for programs.")
@key_options()
def stat(url: str, as_json: bool, access: Access) -> None:
    """Show size, metadata and envelope of the object at URL, and which of the keys opens it.

    No key is needed; without one all of this is the store's word. The body is not read.
    """
    store_url, name = split_object_url(url)
    with access.open(store_url) as bucket:
        info = bucket.head(name)
        opened = _opened(bucket, info, access)
    facts = _facts(info, opened)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    lines = {printable(label): printable(text) for label, text in _lines(facts).items()}
    indent = max(map(len, lines)) + 2
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for label, text in lines.items():
        # On a terminal long lines are broken; a program gets one line for each label.
        rows = textwrap.wrap(text, columns - indent) if columns > 2 * indent else [text]
        click.echo(f"{label:<{indent}}" + f"\n{' ' * indent}".join(rows))


def _opened(bucket: cb.Bucket, info: cb.ObjectInfo, access: Access) -> dict[str, Any] | None:
    """Tell which key opens the object, or why none does; None if there is nothing to open."""
    if info.envelope is None or not (access.key_files or access.force_key):
        return None
    key = access.forced
    failure = failure_to_open(bucket, info.name, key)
    if failure is not None:
        return {"opens": False, "reason": one_line(failure)}
    if key is not None:
        return {"opens": True, "file": access.force_key, "id": key.id, "by": "force"}
    recipient = info.envelope.recipients[0]
    found, _ = access.ring.find(recipient.algorithm, recipient.description)
    return {"opens": True, "file": access.file_of(found), "id": found.id, "by": "description"}


def _facts(info: cb.ObjectInfo, opened: dict[str, Any] | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": info.name,
        "size": info.size,
        "stored_size": info.stored_size,
        "format": info.format,
        "modified": info.modified.isoformat(),
        "etag": info.etag,
        "version_id": info.version_id,
        "headers": dict(info.headers),
        "metadata": dict(info.metadata),
        "origin": _ORIGIN if info.envelope is not None else _ORIGIN_PLAINTEXT,
    }
    envelope = info.envelope
    if envelope is None:
        return facts
    recipient = envelope.recipients[0]
    try:
        description: dict[str, str] | None = dict(recipient.description)
    except cb.EnvelopeError:
        description = None
    return {
        **facts,
        "content_algorithm": envelope.content_algorithm,
        "wrap_algorithm": recipient.algorithm,
        "wrapped_key_bytes": len(recipient.wrapped_key),
        "description": description,
        "description_text": recipient.description_text,
        "content_length": envelope.content_length,
        "content_md5": envelope.content_md5,
        "data_size": envelope.data_size,
        "part_size": envelope.part_size,
        "key": opened,
    }


def _lines(facts: dict[str, Any]) -> dict[str, str]:
    """Lay the facts out for people; what is not there is left out."""
    recorded = facts.get("content_length")
    recorded = facts.get("data_size") if recorded is None else recorded
    claim = "not recorded in the envelope" if recorded is None else f"{recorded:,} recorded"
    encrypted = "wrap_algorithm" in facts
    lines: dict[str, str | None] = {
        "name": facts["name"],
        "size": f"{count(facts['size'], 'byte')}{f' ({claim})' if encrypted else ''}",
        "stored": count(facts["stored_size"], "byte"),
        "modified": facts["modified"][:19].replace("T", " ") + " UTC",
        "etag": facts["etag"],
        "version": facts["version_id"],
        **dict(sorted(facts["headers"].items())),
        **{f"metadata {name}": text for name, text in sorted(facts["metadata"].items())},
        "format": facts["format"] if encrypted else "plaintext: NOT encrypted",
    }
    if encrypted:
        wrapped = facts["wrapped_key_bytes"]
        lines |= {
            "content": facts["content_algorithm"],
            "key wrapping": f"{facts['wrap_algorithm']}, wrapped key of {wrapped:,} bytes",
            "description": _description(facts),
            "plaintext MD5": facts["content_md5"],
            "part size": count(facts["part_size"], "byte") if facts["part_size"] else None,
            "opens with": _opening(facts["key"]),
        }
    lines["origin"] = facts["origin"]
    return {label: text for label, text in lines.items() if text is not None}


def _description(facts: dict[str, Any]) -> str:
    if facts["description"] is None:
        return f"damaged: {facts['description_text']}"
    return facts["description_text"] or "none"


def _opening(opened: dict[str, Any] | None) -> str:
    if opened is None:
        return "not tried; give keys with -k FILE"
    if not opened["opens"]:
        return f"none of the keys given: {opened['reason']}"
    how = "found by its description" if opened["by"] == "description" else "forced"
    return f"{opened['file']} ({opened['id']}), {how}"
