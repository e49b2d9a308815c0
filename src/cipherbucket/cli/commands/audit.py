"""``audit``: which objects are encrypted, with which key, and whether a key can be retired.

Rule: nothing is changed. What is found goes to stdout, or to the files that are named; an answer
that is not yes, and a finding, show in the exit code, so that a program can act on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial

import click

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, resumed_when_repeated, say
from cipherbucket.cli.no_object import BEGINNING
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.by_reference import BucketByOptions
from cipherbucket.cli.options.config import TRUST_TO_READ, note_use, split_url
from cipherbucket.cli.options.executors import ExecutorOptions, executor_options
from cipherbucket.cli.options.inventory import (
    Chosen,
    inventory_options,
    json_lines,
    names_of,
    opened_entries,
)
from cipherbucket.cli.options.named_key import key_options, named_key
from cipherbucket.cli.options.passes import JSON_LINES, workers_option
from cipherbucket.cli.options.wildcards import has_wildcards
from cipherbucket.cli.terminal.audit_text import text_of
from cipherbucket.cli.terminal.help import Command
from cipherbucket.cli.terminal.progress import object_count

_FOUND = 7
_NO_OBJECT = 3


@click.command(
    cls=Command,
    examples=(
        "cipherbucket audit file:///data/store/",
        "cipherbucket audit -k cmk.pem --footers --html audit.html file:///data/store/",
        "cipherbucket audit --retire old.pem file:///data/store/",
        "cipherbucket audit --json oss://bucket/ | jq 'select(.verified == false)'",
    ),
)
@click.argument("url")
@key_options(writes=False)
@click.option(
    "--retire",
    "retiring",
    multiple=True,
    metavar="KEY",
    help="Say whether this key can be retired: NAME=VALUE or the JSON of its description, or its"
    " file or name as for -k. A KMS key is kms=ID. Repeatable.",
)
@click.option("--versions", is_flag=True, help="Look at all versions; old ones name old keys.")
@click.option(
    "--footers",
    is_flag=True,
    help="Read the footers of sealed objects, too: they name recipients that were removed. One"
    " request more for each, and one for each plaintext object.",
)
@click.option(
    "--ask-kms",
    is_flag=True,
    help="Ask the KMS which of its keys wrapped each object's; one call each.",
)
@JSON_LINES
@click.option("--csv", "csv_file", type=click.Path(), help="Write a line for each object there.")
@click.option("--html", "html_file", type=click.Path(), help="Write a page to read and keep there.")
@executor_options()
@inventory_options()
@workers_option("Requests at once. Default: 16.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, and no text where a file is named.")
@TRUST_TO_READ
def audit(
    url: str,
    key_files: tuple[str, ...],
    retiring: tuple[str, ...],
    versions: bool,
    footers: bool,
    ask_kms: bool,
    as_json: bool,
    csv_file: str | None,
    html_file: str | None,
    inventory: str | None,
    inventory_of: str | None,
    since: datetime | None,
    executors: ExecutorOptions,
    workers: int | None,
    quiet: bool,
) -> int:
    """Look at all objects whose names begin as URL does, one HEAD each, and change nothing.

    No key is needed. Then all that is shown is the store's word; with -k, each envelope that names
    one of these keys is opened. The exit code is 7 if there are findings, or, with --retire, if the
    answer for one of the keys is not yes; 3 if no name begins so. An audit that was interrupted
    goes on when the same command is given again within a week.
    """
    executors.refuse_with("--versions", versions)
    executors.refuse_with("--ask-kms", ask_kms)
    by_file = note_use({"url": url, "key_files": key_files})
    access = AccessOptions(tuple(file for file in key_files if file), by_file=by_file)
    store_url, prefix = split_url(url)
    for left_out in _read_all(access):
        say(left_out)
    retire = [_key_in(text) for text in retiring]
    kms = cb.AliKmsKey("alias/none", description={}) if ask_kms else None  # its settings count
    chosen = Chosen(inventory, inventory_of, since)
    for option in chosen.given if versions else ():
        raise cb.UsageError("--versions are found by listing them", hint=f"leave out {option}")
    with (
        access.open_to_look(store_url) as bucket,
        opened_entries(chosen, bucket, prefix, access.open_to_look) as entries,
    ):
        with (
            resumed_when_repeated(),
            executors.opened() as executor,
            object_count(
                "looked at",
                partial(_listing, bucket, prefix, entries, versions=versions),
                shown=not quiet,
            ) as progress,
        ):
            opens = partial(_open_with_all_keys, store_url=store_url)
            audited = cb.audit.run(
                bucket if executor is None else BucketByOptions(bucket, access, opens),
                prefix,
                versions=versions,
                footers=footers,
                ask_kms=kms,
                retire=retire,
                known=_known(access.config),
                workers=workers,
                progress=progress,
                entries=entries,
                executor=executor,
            )
        with audited:
            return _report(
                audited,
                csv_file,
                html_file,
                as_json=as_json,
                quiet=quiet,
                retire=bool(retire),
                since=since,
            )


def _listing(
    bucket: cb.Bucket, prefix: str, entries: Iterable[cb.Entry] | None, *, versions: bool
) -> Iterable[object]:
    if not versions:
        return names_of(bucket, prefix, entries)
    return (each for each in bucket.versions(prefix) if not each.is_delete_marker)


def _report(
    audited: cb.Audit,
    csv_file: str | None,
    html_file: str | None,
    *,
    as_json: bool,
    quiet: bool,
    retire: bool,
    since: datetime | None,
) -> int:
    """Write what was found; the last that can fail is stdout, of which nothing is lost."""
    misspelt = bool(audited.scope.prefix) and not audited.summary.objects and since is None
    for file, write in ((csv_file, audited.write_csv), (html_file, audited.write_html)):
        if file is not None:
            write(file)
    if as_json:
        for line in json_lines(audited.lines(), since):
            click.echo(line)
    elif not (quiet and (csv_file or html_file)) and (retire or not misspelt):
        click.echo(text_of(audited.report()))
    if not (audited.summary.objects or quiet or since is not None):
        wild = has_wildcards(audited.scope.prefix or "")
        say(f"no object's name begins so{f' ({BEGINNING})' if wild else ''}")
    if retire:
        return 0 if all(answer.answer == "yes" for answer in audited.answers) else _FOUND
    if audited.summary.findings:
        return _FOUND
    return _NO_OBJECT if misspelt else 0


def _open_with_all_keys(access: AccessOptions, store_url: str) -> cb.Bucket:
    """Open a store in a worker, which says nothing: what is wrong here was said by the command."""
    _read_all(access)
    return access.open_to_look(store_url)


def _read_all(access: AccessOptions) -> list[str]:
    """Read all keys of the settings file, so that each opens what names it; return which cannot."""
    left_out: list[str] = []
    if access.config is None or access.key_files:
        return left_out
    for name in access.config.keys:
        try:
            access.config.key(name)
        except (cb.MasterKeyError, cb.MissingExtraError) as error:
            left_out.append(f"key {name} is left out: {one_line(error)}")
    return left_out


def _known(config: cb.Config | None) -> Iterator[Mapping[str, str]]:
    """Give the keys that the settings file has, those too that cannot be read here."""
    for entry in config.keys.values() if config is not None else ():
        if entry.label is not None:
            yield entry.label
        if entry.key_id:
            yield {"kms": entry.key_id}


def _key_in(text: str) -> cb.MasterKey | str:
    """Read what ``--retire`` names: a description, or a key as ``-k`` takes it.

    Raises:
        UsageError: Neither.
    """
    key = named_key(text)
    if isinstance(key, cb.Description):
        return key.text
    # An id is no key that somebody has: it can be misspelled as a description can.
    return key.id if text.startswith("kms:") else key
