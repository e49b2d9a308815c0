"""``repair``: the index of a directory store, and the metadata of a sealed object.

Rule: repairing an object lets everybody open it who could on the day it was sealed, so that they
are shown and agreed to first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

import click

import cipherbucket as cb
from cipherbucket.cli.errors import say
from cipherbucket.cli.no_object import ADD_R, FOLDER, missing_said
from cipherbucket.cli.options.access import AccessOptions, access_options
from cipherbucket.cli.options.config import split_url, trusts_store, url_of_folder
from cipherbucket.cli.options.inventory import opened_entries
from cipherbucket.cli.options.parsing import split_tree_url
from cipherbucket.cli.options.places import opened_by_rules
from cipherbucket.cli.options.rotation import ChangeOptions, change_options
from cipherbucket.cli.rotation import change_all
from cipherbucket.cli.terminal.help import Command
from cipherbucket.cli.terminal.recipients import description_in, facts_of_recipient
from cipherbucket.cli.wrapping import wrapped
from cipherbucket.text import count, printable

_SHOWN = 20
"""So many objects are named before it is asked whether all are to be repaired."""


@click.command(
    cls=Command,
    examples=(
        "cipherbucket repair --index file:///data/store",
        "cipherbucket repair -k cmk.pem file:///data/store/report.pdf",
        "cipherbucket repair -rn -k cmk.pem oss://bucket/reports/",
    ),
)
@click.argument("url")
@click.option(
    "--index",
    is_flag=True,
    help="Rebuild the index of a store from what lies beside the bodies; takes no key. Nobody may"
    " use the store meanwhile. The index that is there is set aside, not removed.",
)
@click.option("-f", "--yes", is_flag=True, help="Do not ask before objects are repaired.")
@change_options
@access_options(sealed_alone=True, changes=True)
def repair(url: str, index: bool, yes: bool, options: ChangeOptions, access: AccessOptions) -> int:
    """Rebuild what a directory store, or the sealed object at URL, has lost or what was damaged.

    A sealed object whose metadata was lost or altered gets that of its footer; one whose metadata
    is authentic stays as it is. Its recipients are then those of the day it was sealed: keys that
    were added since are not among them, and keys that were removed since are. They are shown, and
    you are asked. It takes a key that opens the object; its end is read and verified first, its
    body is not changed. With -r all sealed objects below URL are looked at, and you are asked once,
    when those that would be repaired were counted; the exit code is 1 if one failed.

    With --index the exit code is 1 if something was found that no object can be made of; it is
    named and stays where it is.
    """
    if index:
        if options.recursive or options.dry_run:
            raise cb.UsageError("--index is for a whole store", hint="leave out -r and --dry-run")
        return _repair_index(url)
    if options.recursive:
        _refuse_keyless(access)
        return _repair_all(url, options, access, yes=yes)
    return _repair_object(url, access, yes=yes, dry_run=options.dry_run)


def _refuse_keyless(access: AccessOptions) -> None:
    if not access.reads:
        raise cb.MasterKeyError(
            "repairing an object takes a key that opens it", hint="name one with -k KEY"
        )


def _repair_all(url: str, options: ChangeOptions, access: AccessOptions, *, yes: bool) -> int:
    if not (yes or options.dry_run) and not _agreed_to_all(url, options, access):
        return 1
    store_url, prefix = split_tree_url(url)
    key = options.executors.key(access.forced, access.force_key, access)
    every = partial(cb.recipients.repair_all, key=key, context=access.context)
    with opened_by_rules(access, store_url, prefix) as places:
        return change_all(places, prefix, "repaired", options, access, every)


def _agreed_to_all(url: str, options: ChangeOptions, access: AccessOptions) -> bool:
    """Count what would be repaired, name some of it, and ask; nothing to repair needs no asking."""
    store_url, prefix = split_tree_url(url)
    key = options.executors.key(access.forced, access.force_key, access)
    every = partial(cb.recipients.repair_all, key=key, context=access.context, dry_run=True)
    with (
        opened_by_rules(access, store_url, prefix) as places,
        opened_entries(options.chosen, places.bucket, prefix, access.open_to_look) as entries,
        options.executors.opened() as executor,
        every(prefix=prefix, **places.arguments(executor), entries=entries) as report,
    ):
        due = report.due.objects
        if not due:
            return True
        what = f"{count(due, 'object')} below {printable(url)}"
        if not sys.stdin.isatty():
            raise cb.UsageError(f"not repairing {what} without asking", hint="add --yes")
        for each in islice((each for each in report.objects() if each.status == "due"), _SHOWN):
            say(f"to be repaired: {each.name}")
    text = f"Repair {what}, so that each opens for those of the day it was sealed, and no others?"
    if click.confirm(text, err=True):
        return True
    say("nothing was changed")
    return False


def _repair_object(url: str, access: AccessOptions, *, yes: bool, dry_run: bool) -> int:
    store_url, name = split_url(url)
    if not name:
        raise cb.UsageError(
            f"{url} is a store, not an object", hint="add /NAME, or --index to rebuild its index"
        )
    _refuse_keyless(access)
    with (
        access.at(store_url, name).open(store_url) as bucket,
        missing_said(bucket, name, ADD_R, FOLDER),
    ):
        now = _refuse_other_formats(bucket, name)
        if now and _is_sound(bucket, name, access):
            click.echo(f"nothing to repair: the metadata of {printable(repr(name))} is authentic")
            return 0
        footer = cb.recipients.footer(bucket, name)
        if footer.name not in {None, name}:
            raise cb.BindingError(
                f"its footer says that it was sealed under the name {footer.name!r}",
                name=name,
                hint="it can be repaired under that name alone: copy it back first",
            )
        for line in _shown(name, footer.recipients, now):
            click.echo(line)
        if dry_run:
            return 0
        if not yes and not _agreed(name):
            say("nothing was changed")
            return 1
        cb.recipients.repair(bucket, name, key=access.forced, context=access.context)
    click.echo(f"repaired: {printable(repr(name))} has the recipients of the day it was sealed")
    return 0


def _is_sound(bucket: cb.Bucket, name: str, access: AccessOptions) -> bool:
    try:
        with bucket.open(name, key=access.forced, context=access.context) as file:
            _ = file.info
    except (cb.SecurityError, cb.MasterKeyError):
        return False
    return True


def _refuse_other_formats(bucket: cb.Bucket, name: str) -> tuple[cb.Recipient, ...]:
    """Return the recipients that the metadata names, if it can be understood."""
    try:
        info = bucket.head(name)
    except (cb.EnvelopeError, cb.IntegrityError):  # which is what is to be repaired
        return ()
    if info.envelope is not None and info.envelope.seal is None:
        raise cb.PolicyError(
            f"the object has format {info.format}; only a sealed one can be repaired", name=name
        )
    return info.envelope.recipients if info.envelope is not None else ()


def _agreed(name: str) -> bool:
    if not sys.stdin.isatty():
        raise cb.UsageError(
            "not repaired without asking", name=name, hint="to repair it, add --yes"
        )
    return click.confirm("Let these, and no others, open it?", err=True)


def _shown(name: str, sealed: Sequence[cb.Recipient], now: Sequence[cb.Recipient]) -> Iterator[str]:
    """Show who will open the object, and how that differs from what the metadata says."""
    theirs, ours = _lines(now), _lines(sealed)
    yield f"{printable(repr(name))} was sealed for {count(len(ours), 'recipient')}:"
    for line in ours:
        yield f"  {line}{'' if not theirs or line in theirs else ', not one of its recipients now'}"
    if gone := [line for line in theirs if line not in ours]:
        yield "It will open no more for:"
        yield from (f"  {line}" for line in gone)


def _lines(recipients: Sequence[cb.Recipient]) -> list[str]:
    facts = [facts_of_recipient(each) for each in recipients]
    return [printable(f"{description_in(each)} ({each['wrap_algorithm']})") for each in facts]


def _repair_index(url: str) -> int:
    url = url_of_folder(url)
    if not url.startswith("file:///"):
        raise cb.UsageError("--index is for directory stores", hint="give file:///folder")
    report = cb.repair_index(
        url.removeprefix("file://"), trusted=trusts_store(url.removesuffix("/"))
    )
    click.echo(f"{count(report.restored, 'object')} in the index of {printable(url)}")
    if report.orphans:
        click.echo(f"{count(report.orphans, 'leftover')} of unfinished or old writes removed")
    if report.set_aside is not None:
        kept = printable(str(report.set_aside))
        click.echo(wrapped(f"the index before is kept as {kept}", sys.stdout, 4))
    left = {
        "cannot be understood": report.unreadable,
        "is missing, or not as long as recorded": report.differing,
        "is without name and metadata": report.nameless,
    }
    for what, paths in left.items():
        for path in paths:
            say(f"{path} {what}; it stays there")
    return 1 if any(left.values()) else 0
