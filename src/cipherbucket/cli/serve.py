"""A local OSS endpoint from the command line."""

from __future__ import annotations

import os

import click

from cipherbucket.cli.command import Command

SECRET = "OSS_ACCESS_KEY_SECRET"  # noqa: S105  a name, not a secret
TOKEN = "OSS_SESSION_TOKEN"  # noqa: S105  a name, not a token


@click.command(
    cls=Command,
    short_help="Run a local OSS endpoint, for development and tests.",
    examples=(
        "cipherbucket serve --bucket examplebucket",
        "cipherbucket serve --data ./oss --port 9000 --bucket one --bucket two",
        "cipherbucket serve --faults 503=0.1,reset=0.02,slow=0.1,delay=2,seed=7",
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
def serve(
    host: str,
    port: int,
    data: str | None,
    buckets: tuple[str, ...],
    access_key_id: str,
    faults: str,
    md5_etags: bool,
) -> None:
    """Serve what OSS serves, without an account, until interrupted.

    A real HTTP server over a folder or memory, for every SDK and for those who encrypt nothing,
    too. Its address, and how to point each SDK at it, is printed when it is ready.
    """
    # The HTTP server costs a third of a second, which no other command shall pay.
    from cipherbucket.server import Endpoint, serve_forever  # noqa: PLC0415

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
    serve_forever(endpoint, with_secret=secret is None, tell=click.echo)
