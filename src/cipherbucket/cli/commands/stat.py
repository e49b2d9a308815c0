"""``stat``: what the store says of an object, its envelope, and which key opens it.

Rule: a wrapped key is never shown, only its length. Without a key everything here is the store's
word, and the output says so where it matters.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import one_line
from cipherbucket.cli.key_match import info_or_failure, match_by_description, match_forced
from cipherbucket.cli.named_objects import object_names
from cipherbucket.cli.no_object import LIST_THEM, missing_said
from cipherbucket.cli.options.access import AccessOptions, access_options
from cipherbucket.cli.options.parsing import split_object_url
from cipherbucket.cli.options.passes import VERSION_ID
from cipherbucket.cli.options.wildcards import has_wildcards
from cipherbucket.cli.terminal.help import Command
from cipherbucket.cli.terminal.recipients import (
    description_in,
    facts_of_recipient,
    facts_of_sealed,
    lines_of_sealed,
)
from cipherbucket.cli.wrapping import wrapped
from cipherbucket.text import count, printable

_ORIGIN = (
    "anyone who holds the public half of the key, or may use it in its KMS, and may write to the"
    " store can have made it;"
    " tampering is not detected"
)
_ORIGIN_PLAINTEXT = "anyone who may write to the store can have made it"
_IVS = {
    "masked": "masked: bytes 8 to 11 are zero",
    "random": "random in all 16 bytes: readers that seek may disagree; reencrypt masks it",
}
_PLAINTEXT = "plaintext: NOT encrypted"
_STRIPPED = "body of a sealed object without its metadata; cipherbucket repair URL gives them back"


@click.command(
    cls=Command,
    examples=(
        "cipherbucket stat file:///data/store/report.pdf",
        "cipherbucket stat -k cmk.pem -k old.pem file:///data/store/report.pdf",
        "cipherbucket stat --json file:///data/store/report.pdf | jq .recipients",
    ),
)
@click.argument("url")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="As one JSON object, for programs; of several that fit, one a line.",
)
@VERSION_ID
@access_options()
def stat(url: str, as_json: bool, version_id: str | None, access: AccessOptions) -> None:
    r"""Show size, metadata and envelope of the object at URL, and which of the keys opens it.

    No key is needed; without one all of this is the store's word. Of the body nothing is read but
    the end, where a sealed object has its footer. Objects of all formats are shown, unless --format
    names one. In quotes, '*' and '?' in a name stand for anything but '/', and '**' for anything:
    each object that fits is shown. '\*' and '\?' are the characters themselves.
    """
    store_url, written = split_object_url(url)
    is_pattern = version_id is None and has_wildcards(written)
    with access.open_to_look(store_url) as bucket:
        for number, (_, name) in enumerate(object_names(url, version_id)):
            with missing_said(bucket, name, LIST_THEM):
                info = bucket.head(name, version_id=version_id)
            facts = _facts(bucket, info, access)
            if as_json:
                click.echo(json.dumps(facts, indent=None if is_pattern else 2))
                continue
            if number:
                click.echo()
            _show(facts)


def _show(facts: dict[str, Any]) -> None:
    lines = {printable(label): printable(text) for label, text in _lines(facts).items()}
    indent = max(map(len, lines)) + 2
    for label, text in lines.items():
        click.echo(wrapped(f"{label:<{indent}}{text}", sys.stdout, indent))


def _facts(bucket: cb.Bucket, info: cb.ObjectInfo, access: AccessOptions) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": info.name,
        "size": info.size,
        "stored_size": info.stored_size,
        "format": info.format,
        "modified": info.modified.isoformat(),
        "etag": info.etag,
        "version_id": info.version_id,
        "headers": {
            **info.headers,
            **info.place_headers,
            **({"x-oss-restore": info.restore} if info.restore is not None else {}),
        },
        "metadata": dict(info.metadata),
        "origin": _ORIGIN if info.envelope is not None else _ORIGIN_PLAINTEXT,
    }
    envelope = info.envelope
    if envelope is None:
        return {**facts, "sealed_body": _ends_as_sealed(bucket, info)}
    facts["content_algorithm"] = envelope.content_algorithm
    facts["recipients"] = [facts_of_recipient(each) for each in envelope.recipients]
    opened = _opened(bucket, info, envelope, access)
    if envelope.seal is not None:
        return {**facts, **facts_of_sealed(bucket, info, opened), "key": _of_key(opened)}
    return {
        **facts,
        **facts["recipients"][0],  # it has just one
        "content_length": envelope.content_length,
        "content_md5": envelope.content_md5,
        "data_size": envelope.data_size,
        "part_size": envelope.part_size,
        "iv": opened and opened.get("iv"),
        "key": _of_key(opened),
    }


def _ends_as_sealed(bucket: cb.Bucket, info: cb.ObjectInfo) -> bool:
    """Return whether an object without an envelope has the end of a sealed one."""
    try:
        cb.recipients.footer(bucket, info.name, version_id=info.version_id)
    except (cb.SecurityError, cb.StoreError):  # an archived body cannot be read
        return False
    return True


def _opened(
    bucket: cb.Bucket, info: cb.ObjectInfo, envelope: cb.Envelope, access: AccessOptions
) -> dict[str, Any] | None:
    """Return which key opens the object, or why none does; None if no key was given."""
    if not access.reads:
        return None
    try:
        came = info_or_failure(bucket, info.name, access.reading, info.version_id)
    except (cb.BindingError, cb.IntegrityError) as error:
        if envelope.seal is None:
            raise
        came = error
    if not isinstance(came, cb.ObjectInfo):
        cause = "object" if isinstance(came, cb.BindingError | cb.IntegrityError) else "key"
        return {"opens": False, "cause": cause, "reason": one_line(came), "error": came}
    if access.force_key is not None and access.forced is not None:
        match, how = match_forced(access.force_key, access.forced, envelope), "force"
    else:
        match, how = match_by_description(access, envelope), "description"
    facts = {"opens": True, "file": match.file, "id": match.key.id, "by": how, "iv": came.iv}
    if match.recipient is not None and len(envelope.recipients) > 1:
        facts["recipient"] = envelope.recipients.index(match.recipient) + 1
    return facts


def _of_key(opened: dict[str, Any] | None) -> dict[str, Any] | None:
    return opened and {name: opened[name] for name in opened if name not in {"error", "iv"}}


def _lines(facts: dict[str, Any]) -> dict[str, str]:
    """Lay the facts out for people; what is not there is left out."""
    encrypted = "recipients" in facts
    sealed = encrypted and "object_id" in facts
    lines: dict[str, str | None] = {
        "name": facts["name"],
        "size": f"{count(facts['size'], 'byte')}{_claim(facts, sealed) if encrypted else ''}",
        "stored": count(facts["stored_size"], "byte"),
        "modified": facts["modified"][:19].replace("T", " ") + " UTC",
        "etag": facts["etag"],
        "version": facts["version_id"],
        **dict(sorted(facts["headers"].items())),
        **{f"metadata {name}": text for name, text in sorted(facts["metadata"].items())},
        "format": facts["format"]
        if encrypted
        else _STRIPPED
        if facts["sealed_body"]
        else _PLAINTEXT,
    }
    if encrypted:
        lines["content"] = facts["content_algorithm"]
        lines |= lines_of_sealed(facts) if sealed else _lines_of_oss(facts)
        lines["opens with"] = _opening(facts["key"])
    lines["origin"] = facts["origin"]
    return {label: text for label, text in lines.items() if text is not None}


def _lines_of_oss(facts: dict[str, Any]) -> dict[str, str | None]:
    wrapped = facts["wrapped_key_bytes"]
    return {
        "key wrapping": f"{facts['wrap_algorithm']}, wrapped key of {wrapped:,} bytes",
        "description": description_in(facts),
        "IV": _IVS.get(facts["iv"]),
        "plaintext MD5": facts["content_md5"],
        "part size": count(facts["part_size"], "byte") if facts["part_size"] else None,
    }


def _claim(facts: dict[str, Any], sealed: bool) -> str:
    """Say what the size is worth."""
    if sealed:
        return " (a claim, until the end of the object is read)"
    recorded = facts["content_length"]
    recorded = facts["data_size"] if recorded is None else recorded
    if recorded is None:
        return " (not recorded in the envelope)"
    return "" if recorded == facts["size"] else f" ({recorded:,} recorded in the envelope)"


def _opening(opened: dict[str, Any] | None) -> str:
    if opened is None:
        return "not tried; give keys with -k KEY"
    if not opened["opens"]:
        which = "none of the keys given" if opened["cause"] == "key" else "none, as it is"
        return f"{which}: {opened['reason']}"
    how = "found by its description" if opened["by"] == "description" else "forced"
    which = f", recipient {opened['recipient']}" if "recipient" in opened else ""
    return f"{opened['file']} ({opened['id']}), {how}{which}"
