"""``presign``: a URL by which others fetch one object, without an access key.

Rule: the URL alone goes to stdout, and nowhere else: until it expires, it is a secret.
"""

from __future__ import annotations

import click

from cipherbucket.cli.named_objects import object_names
from cipherbucket.cli.options.config import open_without_keys
from cipherbucket.cli.options.parsing import seconds_of, split_object_url
from cipherbucket.cli.options.passes import VERSION_ID
from cipherbucket.cli.terminal.help import Command


@click.command(
    cls=Command,
    examples=(
        "cipherbucket presign oss://bucket/reports/q3.pdf",
        "cipherbucket presign --expires 7d oss://bucket/reports/q3.pdf",
        'cipherbucket cat -k cmk.pem "$(cipherbucket presign oss://bucket/q3.pdf)"',
    ),
)
@click.argument("url")
@click.option(
    "--expires",
    metavar="TIME",
    default="1h",
    show_default=True,
    callback=seconds_of,
    help="How long the URL is valid: 90s, 30m, 1h, and 7d at most, or a number of seconds. With"
    " temporary credentials it ends with them.",
)
@VERSION_ID
def presign(url: str, expires: int, version_id: str | None) -> None:
    r"""Print a URL by which whoever has it fetches the object at URL, with GET, until it expires.

    What it gives is ciphertext. A colleague who has the master key needs no access key:

        cipherbucket cat -k KEY 'https://...'

    Another client, such as curl, downloads the ciphertext, and cipherbucket cat -k KEY FILE
    decrypts it if the object is sealed. The envelope of an oss object is in the headers of the
    answer, which a file does not keep: give cat the URL.

    No key is needed and nothing is sent: whether there is such an object is not looked at. In
    quotes, '*' and '?' in a name stand for anything but '/', and '**' for anything: then objects
    are listed, and each that fits has a URL, a line each. '\*' and '\?' are the characters.
    """
    store_url, _ = split_object_url(url)
    with open_without_keys(store_url) as bucket:
        for _, name in object_names(url, version_id):
            click.echo(bucket.presign(name, expires=expires, version_id=version_id))
