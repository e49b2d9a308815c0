"""``serve``: local OSS and KMS endpoints.

Rule: a secret is never an argument: it comes from the environment, or is drawn and printed once.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from cipherbucket.cli.terminal.help import Command

SECRET = "OSS_ACCESS_KEY_SECRET"  # noqa: S105  a name, not a secret
TOKEN = "OSS_SESSION_TOKEN"  # noqa: S105  a name, not a token
KMS_FILE = "kms.sqlite"
"""Where the folder of ``--data`` keeps the keys of the KMS."""


@click.command(
    cls=Command,
    examples=(
        "cipherbucket serve --bucket examplebucket",
        "cipherbucket serve --data ./oss --port 9000 --bucket one --bucket two",
        "cipherbucket serve --faults 503=0.1,reset=0.02,slow=0.1,delay=2,seed=7",
        "cipherbucket serve --bucket one --kms --kms-key alias/example --kms-tls ./tls",
    ),
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at. Anything but loopback lets others in: they need the secret, but"
    " nothing on the way is encrypted.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port to listen at; without it a free one, which is printed.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Folder that keeps everything; without it all is in memory and gone at the end.",
)
@click.option(
    "--bucket",
    "buckets",
    multiple=True,
    metavar="NAME",
    help="Make this bucket at the start, if it is not there. Repeat it for more.",
)
@click.option(
    "--access-key-id",
    envvar="OSS_ACCESS_KEY_ID",
    show_envvar=True,
    default="cipherbucket-local",
    show_default=True,
    help=f"Who may sign requests. The secret comes from {SECRET}; without that one is drawn and"
    f" printed. Requests must bring the STS token that {TOKEN} holds, if it holds one.",
)
@click.option(
    "--faults",
    default="",
    metavar="PLAN",
    help="Fail on purpose: rates of 500, 503, slow, reset, truncate and crc, as in"
    " 500=0.05,slow=0.1,delay=2,seed=7. The same seed gives the same faults.",
)
@click.option(
    "--md5-etags",
    is_flag=True,
    help="Make ETags of the MD5, as OSS does, instead of random ones. They tell which objects"
    " are alike.",
)
@click.option(
    "--kms",
    is_flag=True,
    help="Serve what Alibaba Cloud's KMS serves, too, at another port and for the same access key."
    f" Its keys are in DIR/{KMS_FILE} with --data, else in memory and gone at the end.",
)
@click.option(
    "--kms-port",
    type=click.IntRange(0, 65535),
    help="Port of the KMS; without it a free one, which is printed.",
)
@click.option(
    "--kms-key",
    "kms_keys",
    multiple=True,
    metavar="ALIAS",
    help="Make a key in the KMS at the start and give it this alias, if no key has it. An alias"
    " begins with alias/. Repeat it for more.",
)
@click.option(
    "--kms-tls",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Speak https at the KMS's port, as most SDKs want, with certificate.pem and"
    " private-key.pem of this folder; they are made if neither is there.",
)
@click.option(
    "--kms-faults",
    metavar="PLAN",
    help="Fail on purpose in the KMS: rates of 429, 500, 503, slow, reset, truncate, key (another"
    " one is named) and garbage.",
)
def serve(
    host: str,
    port: int,
    data: str | None,
    buckets: tuple[str, ...],
    access_key_id: str,
    faults: str,
    md5_etags: bool,
    kms: bool,
    kms_port: int | None,
    kms_keys: tuple[str, ...],
    kms_tls: str | None,
    kms_faults: str | None,
) -> None:
    """Serve what OSS serves, without an account, until interrupted.

    A real HTTP server over a folder or memory, for every SDK and for those who encrypt nothing,
    too. Its address, and how to point each SDK at it, is printed when it is ready.
    """
    # The HTTP server costs a third of a second, which no other command shall pay.
    from cipherbucket.server import Endpoint, KmsEndpoint, serve_forever  # noqa: PLC0415

    if not kms and (kms_keys or any(each is not None for each in (kms_port, kms_tls, kms_faults))):
        raise click.UsageError("What begins with --kms- needs --kms.")

    secret = os.environ.get(SECRET) or None
    endpoint = Endpoint(
        host=host,
        port=port,
        data=data,
        buckets=buckets,
        access_key_id=access_key_id,
        access_key_secret=secret,
        security_token=os.environ.get(TOKEN) or None,
        faults=faults,
        md5_etags=md5_etags,
    )
    keys = None
    if kms:
        keys = KmsEndpoint(
            host=host,
            port=kms_port or 0,
            keys=None if data is None else Path(data) / KMS_FILE,
            aliases=kms_keys,
            tls=kms_tls,
            access_key_id=access_key_id,
            access_key_secret=endpoint.access_key_secret,
            security_token=endpoint.security_token,
            faults=kms_faults or "",
        )
    serve_forever(endpoint, kms=keys, with_secret=secret is None, report=click.echo)
