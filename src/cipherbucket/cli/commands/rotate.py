"""``rotate``: another master key for one object or for all below a folder."""

from __future__ import annotations

import click

import cipherbucket as cb
from cipherbucket.cli.options.access import AccessOptions, access_options
from cipherbucket.cli.options.rotation import ChangeOptions, rotation_options
from cipherbucket.cli.rotation import change
from cipherbucket.cli.terminal.help import Command


@click.command(
    cls=Command,
    examples=(
        "cipherbucket rotate -k new.pem -k old.pem file:///data/store/report.pdf",
        "cipherbucket rotate -r -k new.pem -k old.pem --dry-run file:///data/store",
        "cipherbucket rotate -r -k new.pem -k old.pem --only desc=2024 oss://bucket",
        "cipherbucket rotate -r --to new.key --to new.pem -k old.key oss://bucket",
    ),
)
@click.argument("url")
@rotation_options
@access_options(writes=True, own_names=True)
def rotate(url: str, options: ChangeOptions, access: AccessOptions) -> int:
    """Wrap the data key of the object at URL, or of all below it, with the first key of -k.

    The other keys of -k open what there is; in format oss the ciphertext is uploaded again, in
    all else no body moves. Format, metadata, tags, ACL and storage class are kept. Objects of all
    formats are taken, unless --format says which there should be; where rules of cipherbucket.toml
    hold, each object is done by its own.

    This is no answer to a leaked master key: whoever has it and kept an old envelope, an old
    version or the footer of a sealed object still opens the body. For that, and for a recipient
    who was removed, see: cipherbucket reencrypt.

    With -r the exit code is 1 if an object failed, and 3 if no name begins with URL.
    """
    return change(
        url, "rotated", options, access, one=cb.rotation.rewrap, every=cb.rotation.rewrap_all
    )
