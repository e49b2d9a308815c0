"""``cipherbucket keys``: the keys there are, each tried out.

Law: nothing of a key is shown but its name, fingerprint or id, and description. One key that fails
does not keep the others from being tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, say
from cipherbucket.cli.options.config import current_config, load_key
from cipherbucket.cli.terminal.text import printable

_FAILED = 4
_NO_DESCRIPTION = (
    "warning: key {} writes without a description: its objects cannot be found by label when it is"
    " replaced; give it one in cipherbucket.toml, or put its FILE.json back beside it"
)


@dataclass(frozen=True)
class Listed:
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
        """Return all that is told of it, for programs."""
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
    config = current_config()
    if not named and (config is None or not config.keys):
        raise cb.UsageError(
            "there are no keys to list",
            hint="name some with -k, or write them into cipherbucket.toml",
        )
    if config is not None and not as_json:
        say(f"stores and keys are those of {config.path}")
    listed = []
    for each in _tried(named, config):
        listed.append(each)
        facts = each.facts()
        click.echo(json.dumps(facts) if as_json else "\n".join(_lines(facts)))
        if facts["writes"] and not facts["description"]:
            say(_NO_DESCRIPTION.format(printable(each.name)))
    failures = [each for each in listed if each.failure is not None]
    if config is not None and not named:
        failures += _confused(config)
    return _FAILED if failures else 0


def _tried(named: tuple[str, ...], config: cb.Config | None) -> Iterator[Listed]:
    entries = config.keys if config is not None else {}
    for name in named or entries:
        entry, key = entries.get(name), None
        try:
            key = config.key(name) if config is not None and not named else load_key(name)
            yield Listed(name, entry, key, cb.try_key(key))
        except cb.CipherbucketError as error:
            yield Listed(name, entry, key, failure=one_line(error))


def _confused(config: cb.Config) -> list[Listed]:
    """Say which keys of a rule could not be told apart."""
    found: dict[str, Listed] = {}
    for rule in (*config.rules, None):
        try:
            config.ring(rule)
        except cb.MasterKeyError as error:
            found[error.message] = Listed(rule.at if rule is not None else "", None)
    for message in found:
        say(printable(message))
    return list(found.values())


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    bits = f" {facts['bits']:,} bits" if facts["bits"] else ""
    yield f"{printable(facts['name'])}  {facts['kind']}{bits}"
    if facts["id"] is not None:
        yield f"    id           {printable(facts['id'])}"
        yield f"    description  {printable(str(cb.Description(facts['description'])))}"
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
