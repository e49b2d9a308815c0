"""The options of keys and formats, as `access_options` gives them to commands."""

from __future__ import annotations

import click

from cipherbucket.cli.options.config import KeyName
from cipherbucket.cli.options.parsing import names_with_values

FORCE_KEY = click.option(
    "--force-key",
    type=KeyName(),
    metavar="KEY",
    help="Read with this key, whatever an object's description says or lacks.",
)
FORMAT = click.option(
    "--format",
    "chosen_format",
    type=click.Choice(["oss", "sealed"]),
    help="Format of the objects, on writing and on reading: oss is that of the OSS SDKs; sealed"
    " detects tampering, and cipherbucket alone reads it. Default: oss, or sealed where the"
    " first key is for nothing else.",
)
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
    help="Format sealed: a pair that objects are bound to and that is stored nowhere; who reads"
    " has to give what the writer gave. No place for a secret: other users of the machine see"
    " command lines. Repeatable.",
)
AS_NAME = click.option(
    "--as-name",
    metavar="NAME",
    help="Format sealed: the name that the object was sealed under, to read knowingly what was"
    " moved.",
)
PLAINTEXT = click.option(
    "--plaintext",
    is_flag=True,
    help="Accept objects that are not encrypted, on reading."
    " Whoever can write to the store can then give you any bytes.",
)
ALLOW_WEAK = click.option(
    "--allow-weak-key", is_flag=True, help="Write even with a key of less than 2,048 bits."
)
