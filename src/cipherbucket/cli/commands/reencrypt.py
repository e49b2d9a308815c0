"""``reencrypt``: another data key for one object or for all below a folder."""

from __future__ import annotations

from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.options.access import SEALED, AccessOptions, access_options, of_sealed
from cipherbucket.cli.options.access_flags import BOTH_FORMATS
from cipherbucket.cli.options.config import KeyName
from cipherbucket.cli.options.parsing import split_object_url, split_tree_url
from cipherbucket.cli.options.rotation import ChangeOptions, rotation_options
from cipherbucket.cli.options.writing import recipient_key
from cipherbucket.cli.rotation import change
from cipherbucket.cli.terminal.help import Command

_KINDS = ("oss", "oss-v1", "sealed", "plaintext")


_FORMAT = (
    f"Format of the objects that are taken; with --kind, of those that are written: {BOTH_FORMATS}"
    " Default: any; with --kind, what the first key writes."
)


@click.command(
    cls=Command,
    examples=(
        "cipherbucket reencrypt -k new.pem -k leaked.pem file:///data/store/report.pdf",
        "cipherbucket reencrypt -r -k new.pem -k old.pem --only desc=2024 oss://bucket",
        "cipherbucket reencrypt -r -k cmk.pem --kind plaintext --dry-run oss://bucket",
        "cipherbucket reencrypt -r -k vault.key -k cmk.pem --kind oss oss://bucket",
        "cipherbucket reencrypt -r -k vault.key --recipient recovery.pub oss://bucket",
    ),
)
@click.argument("url")
@rotation_options
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(_KINDS),
    help="Take objects of this kind, and only of those named: plaintext is encrypted, all become"
    " the format that the first key writes, or that of --format. Default: all encrypted objects;"
    " they keep their format, except that oss-v1 becomes oss. Repeatable.",
)
@click.option(
    "--recipient",
    "recipient_files",
    metavar="KEY",
    multiple=True,
    type=KeyName(),
    help="Format sealed: let this key open the objects, beside the one that writes, instead of the"
    " recipients that they have; its public half is enough. Repeatable.",
)
@access_options(writes=True, own_names=True, formats=_FORMAT)
def reencrypt(
    url: str,
    options: ChangeOptions,
    kinds: tuple[str, ...],
    recipient_files: tuple[str, ...],
    access: AccessOptions,
) -> int:
    """Read and verify the object at URL, or all below it, and write it anew, where it is.

    It gets a new data key, wrapped with the first key of -k, or with that of --to, and keeps its
    format unless --kind is given. Metadata, tags, ACL and storage class are kept. All bytes go
    through this machine, twice. With --format, objects of other formats are left as they are; where
    rules of cipherbucket.toml hold, each object is done by its own.

    This is the answer to a leaked master key and to a recipient who was removed. Those that a
    sealed object has stay, and -k has to name them all; name those who are to read it from now on
    with --recipient, or remove one first, by rotate --only. Where the store keeps versions, delete
    the old ones afterwards: they open as before.

    With -r the exit code is 1 if an object failed, and 3 if no name begins with URL.
    """
    further: dict[str, Any] = {"kinds": kinds or None}
    if recipient_files:
        place = split_tree_url(url) if options.recursive else split_object_url(url)
        if access.at(*place, whole=False).format != SEALED:
            raise of_sealed("--recipient")
        further["recipients"] = tuple(
            options.executors.key(recipient_key(access, file), file, access)
            for file in recipient_files
        )
    return change(
        url,
        "reencrypted",
        options,
        access,
        one=cb.rotation.reencrypt,
        every=cb.rotation.reencrypt_all,
        **further,
    )
