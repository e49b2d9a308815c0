"""``keys``: list master keys and try each; ``keys check``: does a key open an object?

Rule: nothing of a key is shown but its name, fingerprint or id, and description. One key that fails
does not keep the others from being tried.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, say
from cipherbucket.cli.key_match import KeyMatch, info_or_failure, match_by_description, match_forced
from cipherbucket.cli.no_object import LIST_THEM, ONE_NAME, missing_said
from cipherbucket.cli.options.access import AccessOptions, access_options
from cipherbucket.cli.options.config import current_config, load_key, note_use
from cipherbucket.cli.options.named_key import key_options
from cipherbucket.cli.options.parsing import split_object_url
from cipherbucket.cli.options.passes import JSON_LINES
from cipherbucket.cli.terminal.help import Group
from cipherbucket.cli.wrapping import wrapped
from cipherbucket.text import printable

_FAILED = 4
_INDENT = len("    description  ")
_NO_DESCRIPTION = (
    "warning: key {} writes without a description: its objects cannot be found by label when it is"
    " replaced; give it one in cipherbucket.toml, or put its FILE.json back beside it"
)


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=(
        "cipherbucket keys",
        "cipherbucket keys -k cmk.pem -k kms:alias/example",
        "cipherbucket keys check -k cmk.pem file:///data/store/report.pdf",
    ),
)
@JSON_LINES
@key_options(writes=False)
@click.pass_context
def keys(context: click.Context, as_json: bool, key_files: tuple[str, ...]) -> int:
    """Look after master keys.

    Without a further command: list the keys of cipherbucket.toml, or those of -k, and try whether
    each can wrap and unwrap. A KMS is asked to do so. The exit code is 4 if a key fails, or if keys
    could not be told apart by their descriptions; a key that writes without one is warned of.
    """
    if context.invoked_subcommand is not None:
        given = context.get_parameter_source("key_files")
        if as_json or given == click.core.ParameterSource.COMMANDLINE:
            raise cb.UsageError(
                f"these options are for the list; write them after {context.invoked_subcommand}"
            )
        return 0
    return list_keys(tuple(each for each in key_files if each), as_json=as_json)


@keys.command(
    short_help="Does this key open that object?",
    examples=(
        "cipherbucket keys check -k cmk.pem file:///data/store/report.pdf",
        "cipherbucket keys check -k copy-of-cmk.pem file:///data/store/report.pdf",
    ),
)
@click.argument("url")
@access_options()
def check(url: str, access: AccessOptions) -> int:
    """Try whether the keys open the object at URL, without reading its body.

    The answer is "yes" when the object's description finds a key and that key opens it. When no
    description fits, each key of -k is tried as with --force-key, and the answer says so.
    Objects of all formats are looked at, unless --format names one; where cipherbucket.toml does
    not let the object be read, that is said, too. The exit code is 0 for yes and 4 for no.
    """
    if not access.reads:
        raise cb.UsageError("no key to check", hint="name one with -k KEY")
    store_url, name = split_object_url(url)
    with access.open_to_look(store_url) as bucket, missing_said(bucket, name, LIST_THEM, ONE_NAME):
        envelope = bucket.head(name).envelope
        if envelope is None:
            raise cb.PolicyError("the object is not encrypted: no key is needed", name=name)
        failure: cb.CipherbucketError | None = None
        if access.key_files or access.config is not None:
            came = info_or_failure(bucket, name, access.reading_with(None))
            if isinstance(came, cb.ObjectInfo):
                return _said(
                    _yes(match_by_description(access, envelope), envelope), access, url, None
                )
            failure = came
        for file, key in _candidates(access):
            came = info_or_failure(bucket, name, access.reading_with(key))
            if isinstance(came, cb.ObjectInfo):
                match = match_forced(file, key, envelope)
                return _said(_yes(match, envelope), access, url, key)
            failure = failure or came
    assert failure is not None
    if isinstance(failure, cb.EnvelopeError):
        raise failure
    click.echo(wrapped(f"no: {one_line(failure)}", sys.stdout))
    return _FAILED


def _said(yes: str, access: AccessOptions, url: str, key: cb.MasterKey | None) -> int:
    """Say that a key opens an object, and whether ``cipherbucket.toml`` lets it be read."""
    click.echo(yes)
    if access.config is not None:
        store_url, name = split_object_url(url)
        try:
            with (
                access.at(store_url, name).open(store_url) as bucket,
                bucket.open(name, **access.reading_with(key)) as file,
            ):
                _ = file.info
        except (cb.SecurityError, cb.UsageError) as error:
            but = f"but by {printable(str(access.config.path))} it is not read: {one_line(error)}"
            click.echo(wrapped(but, sys.stdout))
    return 0


def _candidates(access: AccessOptions) -> Iterator[tuple[str, cb.MasterKey]]:
    """Give every key, with its file, to be tried whatever its description."""
    yield from zip(access.key_files, access.keys, strict=True)
    if access.force_key is not None and access.forced is not None:
        yield access.force_key, access.forced


def _yes(match: KeyMatch, envelope: cb.Envelope) -> str:
    file, recipient = printable(match.file), match.recipient
    several = len(envelope.recipients)
    place = envelope.recipients.index(recipient) + 1 if recipient is not None else 0
    if not match.forced:
        assert recipient is not None
        which = f", recipient {place} of {several}" if several > 1 else ""
        return f"yes: {file} opens it, found by {printable(str(recipient.description))}{which}"
    theirs = f"{several} recipients" if recipient is None else _described(recipient)
    own = printable(str(cb.Description(match.key.description)))
    return (
        f"yes, but only forced: {file} opens it with --force-key;"
        f" the object has {theirs}, the key {own}"
    )


def _described(recipient: cb.Recipient) -> str:
    """Return a recipient's description, or what is wrong with it."""
    try:
        return printable(str(recipient.description))
    except cb.EnvelopeError as error:
        return printable(f"damaged ({error.message})")


@dataclass(frozen=True)
class TriedKey:
    """A key, and what came of trying it.

    Attributes:
        name: As it is named.
        entry: What ``cipherbucket.toml`` says of it, if it does.
        key: The key; None if it cannot be had.
        trial: What it does; None if it failed.
        failure: What is wrong with it, in one line.
    """

    name: str
    entry: cb.KeyEntry | None
    key: cb.MasterKey | None = None
    trial: cb.KeyTrial | None = None
    failure: str | None = None

    def facts(self) -> dict[str, Any]:
        """Return all that is shown of it, for programs."""
        entry, key = self.entry, self.key
        return {
            "name": self.name,
            "kind": entry.kind if entry is not None else _kind(key),
            "id": key.id if key is not None else None,
            "bits": getattr(key, "bits", None),
            "description": dict(key.description) if key is not None else None,
            "formats": sorted(entry.formats) if entry is not None else None,
            "read_only": entry.read_only if entry is not None else False,
            "writes": self._writes(),
            "reads": self.trial.reads if self.trial is not None else False,
            "failure": self.failure,
        }

    def _writes(self) -> list[str]:
        tried = self.trial.writes if self.trial is not None else ()
        if self.entry is None:
            return list(tried)
        return [each for each in tried if each in self.entry.formats and not self.entry.read_only]


def list_keys(named: tuple[str, ...], *, as_json: bool) -> int:
    """List keys, or those of ``cipherbucket.toml``, and try each; return the exit code.

    Raises:
        UsageError: There are none.
    """
    config = current_config() if note_use({"key_files": named}) else None
    if not named and (config is None or not config.keys):
        raise cb.UsageError(
            "there are no keys to list",
            hint="name some with -k, or write them into cipherbucket.toml",
        )
    if config is not None and not as_json:
        say(f"stores and keys are those of {config.path}")
    failed = False
    for each in _tried(named, config):
        failed = failed or each.failure is not None
        facts = each.facts()
        lines = [wrapped(printable(line), sys.stdout, _INDENT) for line in _lines(facts)]
        click.echo(json.dumps(facts) if as_json else "\n".join(lines))
        if facts["writes"] and not facts["description"]:
            say(_NO_DESCRIPTION.format(each.name))
    confused = config is not None and not named and _say_which_are_confused(config)
    return _FAILED if failed or confused else 0


def _tried(named: tuple[str, ...], config: cb.Config | None) -> Iterator[TriedKey]:
    entries = config.keys if config is not None else {}
    for name in named or entries:
        entry, key = entries.get(name), None
        try:
            key = config.key(name) if config is not None and not named else load_key(name)
            yield TriedKey(name, entry, key, cb.try_key(key))
        except cb.CipherbucketError as error:
            yield TriedKey(name, entry, key, failure=one_line(error))


def _say_which_are_confused(config: cb.Config) -> bool:
    """Say which keys of a rule could not be told apart, and return whether there are any."""
    messages: dict[str, None] = {}
    for rule in (*config.rules, None):
        try:
            config.ring(rule)
        except cb.MasterKeyError as error:
            messages[error.message] = None
    for message in messages:
        say(message)
    return bool(messages)


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    bits = f" {facts['bits']:,} bits" if facts["bits"] else ""
    yield f"{facts['name']}  {facts['kind'] or 'unknown'}{bits}"
    if facts["id"] is not None:
        label = "id" if facts["kind"] == "kms" else "fingerprint"
        yield f"    {label:<11}  {facts['id']}"
        yield f"    description  {cb.Description(facts['description'])}"
    if facts["formats"] is not None:
        yield f"    formats      {', '.join(facts['formats'])}"
    yield f"    {_does(facts)}"


def _does(facts: dict[str, Any]) -> str:
    if facts["failure"] is not None:
        return f"fails        {facts['failure']}"
    writes = ", ".join(facts["writes"])
    if facts["read_only"]:
        return "works        reads only, as cipherbucket.toml says"
    if not writes:
        return "works        reads only: it is too short to write"
    if not facts["reads"]:
        return f"works        writes only ({writes}): a public half"
    return f"works        writes ({writes}) and reads"


def _kind(key: cb.MasterKey | None) -> str | None:
    kinds = ((cb.RsaKey, "rsa"), (cb.AesKey, "aes"), (cb.AliKmsKey, "kms"))
    return next((name for kind, name in kinds if isinstance(key, kind)), None)
