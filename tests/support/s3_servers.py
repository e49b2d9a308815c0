"""Two servers of S3 on loopback: moto in this process, and versitygw as a program over a folder.

Rule: a server is started once for many tests, and each test has buckets of its own.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from cipherbucket.credentials import Credentials
from cipherbucket.stores.s3.settings import S3Settings

REGION = "us-east-1"
_numbers = count()  # of all servers: those of moto in one process share their buckets
_STARTS_IN = 20.0
"""Seconds until a server that does not listen is given up."""


@dataclass
class S3Server:
    """A running server.

    Attributes:
        kind: ``moto`` or ``versitygw``.
        url: Its endpoint.
    """

    kind: str
    url: str
    access_key_id: str = "AKIATESTS"
    access_key_secret: str = "secret-of-the-tests"

    @cached_property
    def client(self) -> Any:
        """A client of botocore, to arrange what a test finds and to look at what it did."""
        return botocore.session.Session().create_client(
            "s3",
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.access_key_secret,
            config=Config(s3={"addressing_style": "path"}),
        )

    def make_bucket(self, name: str | None = None, *, versioned: bool = False) -> str:
        """Make a bucket, and return its name; without one it gets a new one."""
        name = name or f"bucket-{next(_numbers)}"
        self.client.create_bucket(Bucket=name)
        if versioned:
            self.client.put_bucket_versioning(
                Bucket=name, VersioningConfiguration={"Status": "Enabled"}
            )
        return name

    def environment(self) -> dict[str, str]:
        """Return the variables that point programs at the server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.access_key_secret,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def s3_settings(server: S3Server, **others: Any) -> S3Settings:
    """Point at a server by settings."""
    credentials = Credentials(server.access_key_id, server.access_key_secret)
    return S3Settings(
        **{
            "endpoint": server.url,
            "region": REGION,
            "credentials": credentials,
            "addressing": "path",
            **others,
        }
    )


@contextmanager
def moto() -> Iterator[S3Server]:
    """Run moto's server in a thread of this process."""
    from moto.server import ThreadedMotoServer  # takes half a second

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3Server("moto", f"http://{host}:{port}")
    finally:
        server.stop()


@contextmanager
def versitygw(program: str | Path, folder: Path | None = None) -> Iterator[S3Server]:
    """Run versitygw over a folder, with versions of buckets that keep them beside it.

    Args:
        program: Where it is.
        folder: Where it keeps its objects; a temporary one without it.
    """
    with tempfile.TemporaryDirectory(prefix="versitygw-", dir=folder) as held:
        root, versions, sidecar = (Path(held, each) for each in ("root", "versions", "sidecar"))
        root.mkdir()
        versions.mkdir()
        metadata = [] if _keeps_attributes(root) else ["--sidecar", str(sidecar)]
        if metadata:
            sidecar.mkdir()
        port = _free_port()
        server = S3Server("versitygw", f"http://127.0.0.1:{port}")
        log = Path(held, "log")
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    str(program),
                    *("--port", f"127.0.0.1:{port}", "--keep-alive", "--quiet"),
                    *("--access", server.access_key_id, "--secret", server.access_key_secret),
                    *("posix", "--versioning-dir", str(versions), *metadata, str(root)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        try:
            _wait_for(port, process, log)
            yield server
        finally:
            process.kill()  # nothing it holds is needed again
            process.wait()


def _keeps_attributes(folder: Path) -> bool:
    """Tell whether this file system keeps extended attributes, where versitygw has metadata."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        os.setxattr(folder, "user.test", b"1" * 3000)
        os.removexattr(folder, "user.test")
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _STARTS_IN
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"versitygw does not listen:\n{log.read_text(errors='replace')}")
