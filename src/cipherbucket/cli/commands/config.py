"""``config``: say that a ``cipherbucket.toml`` may be used where it is found.

Rule: what a file would do is shown before it is trusted. Nothing is asked: to give the command is
to agree.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.options.config import CONFIG_OPTION
from cipherbucket.cli.terminal.help import Group
from cipherbucket.cli.wrapping import wrapped
from cipherbucket.text import printable


@click.group(
    cls=Group,
    examples=("cipherbucket config trust", "cipherbucket config trust ./cipherbucket.toml"),
)
def config() -> None:
    """Trust a cipherbucket.toml."""


@config.command(
    short_help="Trust a file, with the contents that it has now.",
    examples=("cipherbucket config trust", "cipherbucket config trust ./cipherbucket.toml"),
)
@click.argument("file", required=False, type=click.Path())
def trust(file: str | None) -> None:
    """Let FILE be used where it is found; by default that of --config, or else the one found.

    A cipherbucket.toml in the working directory, or above it, may have come with a folder from
    elsewhere. It says where data goes, under which keys, and who else opens it. So it is used only
    after this command, and only until its contents change. What it says is shown. A file that is
    named with --config or CIPHERBUCKET_CONFIG, or lies in ~/.config/cipherbucket, needs none of
    this.

    What its key files hold is not remembered: the fingerprint of a key, in the file, pins that.
    """
    file = file or click.get_current_context().meta.get(CONFIG_OPTION)
    path = Path(file) if file is not None else cb.find_config()
    if path is None:
        raise cb.UsageError(
            "there is no cipherbucket.toml in this folder or above it", hint="name one"
        )
    found = cb.load_config(path)
    for line in _lines(found):
        click.echo(wrapped(printable(line), sys.stdout, 4))
    found.trust()
    click.echo(f"trusted: {printable(str(found.path))}")


def _lines(found: cb.Config) -> Iterator[str]:
    """Say what a file would do: a line for each store, key and rule."""
    for store in found.stores.values():
        trusted = ", trusted even if others can write there" if store.trusted else ""
        yield f"store {store.name}: {store.url}{_settings(store.settings)}{trusted}"
    for key in found.keys.values():
        yield f"key {key.name}: {_key(key)}"
    for rule in found.rules:
        yield f"rule {rule.at}: {_rule(rule)}"


def _key(key: cb.KeyEntry) -> str:
    facts = dict(key.settings) | dict(key.options)
    if key.passphrase_env is not None:
        facts["passphrase_env"] = key.passphrase_env
    if len(key.formats) == 1 and key.kind != "aes":
        facts["only for format"] = next(iter(key.formats))
    if key.description is not None:
        facts["description"] = key.description
    if key.read_only:
        facts["read_only"] = "true"
    if key.file is None:
        return f"{key.kind} {key.key_id}{_settings(facts)}"
    pin = key.fingerprint or "no fingerprint: who changes that file changes who reads"
    return f"{key.kind} {key.file}{_settings(facts)}; {pin}"


def _rule(rule: cb.Rule) -> str:
    writes = f"{rule.write} writes format {rule.format}" if rule.write else "nothing writes"
    also = f", opened by {', '.join(rule.recipients)}, too" if rule.recipients else ""
    if rule.read:
        also += f"; also read with {', '.join(rule.read)}"
    usual = cb.Policy.of_format(rule.format)
    more = sorted(rule.policy.formats - usual.formats)
    for name in ("plaintext", "unbound_names", "strict_iv", "min_rsa_bits"):
        if (value := getattr(rule.policy, name)) != getattr(usual, name):
            more.append(f"{name} {value}")
    accepts = f"; accepts {', '.join(more)}" if more else ""
    return f"{writes}{also}{accepts}"


def _settings(settings: Mapping[str, Any]) -> str:
    return "".join(f", {name} {value}" for name, value in settings.items())
