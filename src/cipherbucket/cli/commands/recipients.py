"""``recipients``: who can open sealed objects; add and remove master keys.

Rule: the body is not touched. Listing needs no key; whoever adds or removes opens the object.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, say, write_line
from cipherbucket.cli.in_order import in_order
from cipherbucket.cli.no_object import ADD_R, FOLDER, missing_said, no_object, nothing_below
from cipherbucket.cli.options.access import AccessOptions, access_options
from cipherbucket.cli.options.config import KeyName, open_without_keys
from cipherbucket.cli.options.inventory import (
    Chosen,
    inventory_options,
    names_of,
    not_looked_at,
    opened_entries,
)
from cipherbucket.cli.options.named_key import named_key
from cipherbucket.cli.options.parsing import split_object_url, split_tree_url
from cipherbucket.cli.options.passes import JSON_LINES, RECURSIVE
from cipherbucket.cli.options.places import opened_by_rules
from cipherbucket.cli.options.rotation import ChangeOptions, change_options
from cipherbucket.cli.options.writing import recipient_key
from cipherbucket.cli.rotation import change_all
from cipherbucket.cli.terminal.help import Command, Group
from cipherbucket.cli.terminal.recipients import description_in, facts_of_recipient
from cipherbucket.text import count, printable


@click.group(
    cls=Group,
    examples=(
        "cipherbucket recipients list oss://bucket/ledger.csv",
        "cipherbucket recipients add -r -k own.key --recipient rec.pub oss://bucket/",
        "cipherbucket recipients remove -k own.key --recipient desc=bob oss://bucket/a",
    ),
)
def recipients() -> None:
    """See and change which master keys open sealed objects."""


@recipients.command(
    "list",
    cls=Command,
    short_help="Show who can open objects; no key is needed.",
    examples=(
        "cipherbucket recipients list file:///data/store/ledger.csv",
        "cipherbucket recipients list -r --json oss://bucket/ | jq -r .name",
    ),
)
@click.argument("url")
@RECURSIVE
@JSON_LINES
@inventory_options("With -r. ")
def list_recipients(
    url: str,
    recursive: bool,
    as_json: bool,
    inventory: str | None,
    inventory_of: str | None,
    since: datetime | None,
) -> int:
    """Show the recipients of the object at URL, or with -r of all objects below it.

    No key is needed; all of it is the store's word. Objects of format oss have one recipient. The
    exit code is 1 if the envelope of an object cannot be understood, and 3 if there is none.
    """
    store_url, name = split_tree_url(url) if recursive else split_object_url(url)
    chosen = Chosen(inventory, inventory_of, since)
    if not recursive:
        chosen.refuse_for_one()
    found, gone, malformed = 0, 0, False
    with (
        open_without_keys(store_url) as bucket,
        opened_entries(chosen, bucket, name, open_without_keys) as entries,
    ):
        names = (each.name for each in names_of(bucket, name, entries)) if recursive else [name]
        for each, info in in_order(names, partial(_looked_at, bucket)):
            if isinstance(info, cb.ObjectNotFoundError):
                if not recursive:
                    raise no_object(name, bucket, ADD_R, FOLDER)
                gone += 1
                continue
            found += 1
            if isinstance(info, cb.CipherbucketError):
                malformed = True
                say(one_line(info))
                continue
            for line in _lines(each, info, as_json=as_json):
                write_line(line)
        if isinstance(entries, cb.Inventory):
            say(f"inventory {not_looked_at(entries.created)}")
            if gone:
                say(f"{count(gone, 'object')} of the inventory deleted since")
        elif not found and name and since is None:
            text = f"there is no object whose name begins with {name!r}"
            raise nothing_below(name, bucket, text)
    return 1 if malformed else 0


def _looked_at(bucket: cb.Bucket, name: str) -> cb.ObjectInfo | cb.CipherbucketError:
    try:
        return bucket.head(name)
    except (cb.ObjectNotFoundError, cb.EnvelopeError, cb.IntegrityError) as error:
        return error


def _lines(name: str, info: cb.ObjectInfo, *, as_json: bool) -> Iterator[str]:
    there = info.envelope.recipients if info.envelope is not None else ()
    facts = [facts_of_recipient(each) for each in there]
    if as_json:
        yield json.dumps({"name": name, "format": info.format, "recipients": facts})
        return
    yield printable(name)
    if not facts:
        yield "  not encrypted"
    for each in facts:
        yield f"  {printable(description_in(each))}, {each['wrap_algorithm']}"


@recipients.command(
    cls=Command,
    short_help="Let one more key open sealed objects.",
    examples=(
        "cipherbucket recipients add -k own.key --recipient bob.pub oss://bucket/a",
        "cipherbucket recipients add -rn -k own.key --recipient rec.pub oss://bucket/",
    ),
)
@click.argument("url")
@click.option(
    "--recipient",
    required=True,
    type=KeyName(),
    metavar="KEY",
    help="The key that is to open the objects, too; its public half is enough.",
)
@change_options
@access_options(sealed_alone=True, own_names=True, changes=True)
def add(url: str, recipient: str, options: ChangeOptions, access: AccessOptions) -> int:
    """Let one more key open the sealed object at URL, or with -r all sealed objects below it.

    It takes a key that opens them (-k). Their bodies are neither read nor changed. An object that
    has the recipient, or is not sealed, is left as it is. The footer in the body still names the
    recipients of the first day alone: what has lost its metadata opens for these.

    With -r the exit code is 1 if an object failed, and 3 if no name begins with URL. What was
    interrupted goes on when the same command is run again.
    """
    key = recipient_key(access, recipient)
    sent = options.executors.key(key, recipient, access)
    return _change(
        url,
        "added to",
        options,
        access,
        partial(cb.recipients.add, recipient=key),
        partial(cb.recipients.add_all, recipient=sent),
    )


@recipients.command(
    cls=Command,
    short_help="Remove a key from those that open sealed objects.",
    examples=(
        "cipherbucket recipients remove -k own.key --recipient bob.pub oss://bucket/a",
        "cipherbucket recipients remove -r -k o.key --recipient desc=bob oss://bucket/",
    ),
)
@click.argument("url")
@click.option(
    "--recipient",
    required=True,
    type=KeyName(),
    metavar="KEY",
    help="The key that goes: its file, NAME=VALUE, or the JSON of its description.",
)
@change_options
@access_options(sealed_alone=True, own_names=True, changes=True)
def remove(url: str, recipient: str, options: ChangeOptions, access: AccessOptions) -> int:
    """Remove a key from those that open the sealed object at URL, or with -r all below it.

    It takes a key that opens them (-k), of which the last one cannot be removed. Whoever holds the
    key that goes and has read an object, or kept its old metadata, can still open it, and its
    footer still names that key: what is to be safe from them is written anew, by
    cipherbucket reencrypt.

    With -r the exit code is 1 if an object failed, and 3 if no name begins with URL. What was
    interrupted goes on when the same command is run again.
    """
    label = named_key(recipient)
    sent = options.executors.key(label, recipient, access)
    return _change(
        url,
        "removed from",
        options,
        access,
        partial(cb.recipients.remove, recipient=label),
        partial(cb.recipients.remove_all, recipient=sent),
    )


def _change(
    url: str,
    done: str,
    options: ChangeOptions,
    access: AccessOptions,
    one: Callable[..., cb.ObjectInfo],
    every: Callable[..., cb.RotationReport],
) -> int:
    """Change who opens the object at URL, or with -r all below it; return the exit code."""
    if not access.reads:
        raise cb.MasterKeyError("it takes a key that opens the object", hint="name one with -k KEY")
    how: dict[str, Any] = {"key": access.forced, "context": access.context}
    if options.recursive:
        store_url, prefix = split_tree_url(url)
        how["key"] = options.executors.key(access.forced, access.force_key, access)
        with opened_by_rules(access, store_url, prefix) as places:
            return change_all(places, prefix, done, options, access, partial(every, **how))
    store_url, name = split_object_url(url)
    with (
        access.at(store_url, name).open(store_url) as bucket,
        missing_said(bucket, name, ADD_R, FOLDER),
    ):
        bucket.access.store.check_writable()
        info = one(bucket, name, dry_run=options.dry_run, **how)
    if not options.quiet:
        number = len(info.envelope.recipients) if info.envelope is not None else 0
        what = f"to be {done}" if options.dry_run else done
        then = "" if options.dry_run else f", which has {count(number, 'recipient')} now"
        click.echo(f"{what} {printable(name)}{then}")
    return 0
