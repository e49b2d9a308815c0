"""The options of keys and formats, as `access_options` gives them to commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypedDict, Unpack

import click

from cipherbucket.cli.options.config import TRUST_TO_READ, TRUST_TO_WRITE, KeyName
from cipherbucket.cli.options.named_key import key_options
from cipherbucket.cli.options.parsing import names_with_values

Option = Callable[[Callable[..., Any]], Callable[..., Any]]


class Shown(TypedDict, total=False):
    """Which options a command has.

    Attributes:
        reads: Whether it reads bodies, and may accept plaintext and other formats.
        writes: Whether it writes with the keys, and may do so with a weak one.
        changes: Whether it changes objects, though it needs no key that writes.
        sealed_alone: Whether it is for sealed objects alone, each under its own name.
        own_names: Whether it is for objects of all formats, under their own names alone.
        many: Whether it is for trees alone, in which no object has a name to be read under.
        formats: What ``--format`` says.
    """

    reads: bool
    writes: bool
    changes: bool
    sealed_alone: bool
    own_names: bool
    many: bool
    formats: str


FORCE_KEY = click.option(
    "--force-key",
    type=KeyName(),
    metavar="KEY",
    help="Read with this key, whatever an object's description says or lacks.",
)
BOTH_FORMATS = (
    "oss is that of the OSS SDKs; sealed detects tampering, and cipherbucket alone reads it."
)
_DEFAULT = "Default: oss, or sealed where the first key is for nothing else."
_BOTH_WAYS = f"Format of the objects, on writing and on reading: {BOTH_FORMATS} {_DEFAULT}"
ON_READING = f"Format of the objects: {BOTH_FORMATS} {_DEFAULT}"
_ANY = f"Format that the objects should have: {BOTH_FORMATS} Default: any."
ACCEPT = click.option(
    "--accept",
    multiple=True,
    type=click.Choice(["oss", "oss-v1", "sealed", "unbound"]),
    help="Read objects of this format, too; 'unbound' for sealed objects that are bound to no name."
    " Whoever can write to the store can put an oss or unbound object where another was."
    " Repeatable.",
)
ACCEPT_UNBOUND = click.option(
    "--accept",
    multiple=True,
    type=click.Choice(["unbound"]),
    help="Take sealed objects that are bound to no name, too.",
)
CONTEXT = click.option(
    "--context",
    metavar="NAME=VALUE",
    multiple=True,
    callback=names_with_values,
    help="Format sealed: a pair that objects are bound to and that is stored nowhere; readers have"
    " to give what the writer gave. No place for a secret: other users of the machine see"
    " command lines. Repeatable, or with ',' between.",
)
_AS_NAME = "Format sealed: the name that the object was sealed under, to read what was moved."
PLAINTEXT = click.option(
    "--plaintext",
    is_flag=True,
    help="Read objects that are not encrypted, too."
    " Whoever can write to the store can then give you any bytes.",
)
ALLOW_WEAK = click.option(
    "--allow-weak-key", is_flag=True, help="Write even with a key of less than 2,048 bits."
)


def options(**shown: Unpack[Shown]) -> Iterator[Option]:
    """Give the options of a command, the last one first, as decorators are applied."""
    reads, writes = shown.get("reads", False), shown.get("writes", False)
    sealed_alone, own_names = shown.get("sealed_alone", False), shown.get("own_names", False)
    many = shown.get("many", False)
    yield TRUST_TO_WRITE if writes or shown.get("changes", False) else TRUST_TO_READ
    if writes:
        yield ALLOW_WEAK
    if reads:
        yield PLAINTEXT
    if not (sealed_alone or own_names):
        yield click.option("--as-name", metavar="NAME", hidden=many, help=_AS_NAME)
    yield CONTEXT
    if reads or own_names:
        yield ACCEPT
    elif writes or sealed_alone:
        yield ACCEPT_UNBOUND
    if not sealed_alone:
        yield click.option(
            "--format",
            "chosen_format",
            type=click.Choice(["oss", "sealed"]),
            help=shown.get("formats", _BOTH_WAYS if reads and writes else _ANY),
        )
    yield FORCE_KEY
    yield key_options(writes=writes)
