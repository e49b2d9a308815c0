"""The peers of the matrix: our library and drivers of the SDKs, all with the same three verbs.

Strategy: a driver is a small program over one SDK that reads a JSON request a line and answers a
JSON object a line (`Request` in go/lines/lines.go), so that a JVM starts once for hundreds of
reads. Whatever an SDK raises comes back as `RefusedError`; bytes travel in files.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.interop.toolchains import ROOT

import cipherbucket as cb

_PATIENCE = 60.0
"""Seconds until a driver that does not answer is taken for dead."""


class RefusedError(Exception):
    """The peer did not do what it was asked for, and said so."""


@dataclass(frozen=True)
class Key:
    """A master key as PEM texts (X.509 and PKCS#8) and what it is labelled with.

    Attributes:
        text: The exact text of the description, where we are told to write another than our own.
        kms: Id of a key in a KMS, which then is the master key.
    """

    public: str
    private: str
    description: dict[str, str] | None = None
    text: str = ""
    kms: str = ""

    @classmethod
    def make(cls, description: dict[str, str] | None = None) -> Self:
        """Make a key that no other run has."""
        private = rsa.generate_private_key(65537, 2048)
        public = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return cls(public.decode(), pem(private, pkcs8=True), description)

    def labelled(self, description: dict[str, str] | None) -> Self:
        """Return the same key under another description."""
        return replace(self, description=description)

    @property
    def pkcs1(self) -> str:
        """The private key as older programs want it, in PKCS#1."""
        private = serialization.load_pem_private_key(self.private.encode(), None)
        assert isinstance(private, rsa.RSAPrivateKey)
        return pem(private, pkcs8=False)


def pem(private: rsa.RSAPrivateKey, *, pkcs8: bool) -> str:
    """Return a private key as PEM, in PKCS#8 or PKCS#1."""
    form = serialization.PrivateFormat
    return private.private_bytes(
        serialization.Encoding.PEM,
        form.PKCS8 if pkcs8 else form.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


@dataclass(frozen=True)
class Client:
    """How a peer reaches the store, and with which keys: the first writes, all read."""

    endpoint: str
    access_key_id: str
    access_key_secret: str
    region: str
    bucket: str
    keys: tuple[Key, ...] = ()
    signature: str = "v4"
    manager: bool = field(default=False)
    """Go SDK 1 only: give it a SetMasterCipherManager that knows all keys."""
    kms: str = ""
    """Host and port of the KMS, which has the same access key; SDKs speak https with it."""


class Peer(Protocol):
    """Anything that writes and reads encrypted objects."""

    def put(self, client: Client, name: str, data: bytes) -> None: ...

    def multipart(self, client: Client, name: str, data: bytes, part_size: int) -> None: ...

    def get(self, client: Client, name: str, *, span: str = "", version: str = "") -> bytes:
        """Read an object or a span of it, written as in HTTP: ``16-47``, ``69990-``."""
        ...


class Ours:
    """This library."""

    def put(self, client: Client, name: str, data: bytes) -> None:
        with _knowingly(), open_ours(client) as bucket:
            bucket.put(name, data)

    def multipart(self, client: Client, name: str, data: bytes, part_size: int) -> None:
        with (
            _knowingly(),
            open_ours(client) as bucket,
            bucket.multipart(name, data_size=len(data), part_size=part_size) as upload,
        ):
            for number in range(1, upload.plan.count + 1):
                start, stop = upload.plan.offsets(number)
                upload.upload_part(number, data[start:stop])
            upload.complete()

    def get(self, client: Client, name: str, *, span: str = "", version: str = "") -> bytes:
        first, _, last = span.partition("-")
        start = int(first or 0)
        length = int(last) - start + 1 if last else None
        try:
            with open_ours(client) as bucket:
                return bucket.get(
                    name, start=start, length=length, version_id=version or None
                ).read()
        except cb.CipherbucketError as error:
            raise RefusedError(f"{type(error).__name__}: {error}") from error


def open_ours(client: Client) -> cb.Bucket:
    """Open a bucket of our own with a client's settings and keys."""
    keys = [
        cb.RsaKey.from_pem(key.private, description=key.text or key.description)
        for key in client.keys
    ]
    settings = cb.OssSettings(
        region=client.region,
        endpoint=client.endpoint,
        credentials=cb.Credentials(client.access_key_id, client.access_key_secret),
        signature=client.signature,
    )
    return cb.open_bucket(f"oss://{client.bucket}", *keys, settings=settings)


@contextmanager
def _knowingly() -> Iterator[None]:
    """Write without a description, or with one that is not ASCII, and be not warned of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cb.CipherbucketWarning)
        yield


class Driver:
    """A driver program, started when it is first asked for something.

    Args:
        command: The program and its arguments.
        folder: Where bodies are handed over and what it writes to standard error is kept.
        manager: Whether its readers get all keys through a manager (Go SDK 1).
        environment: Further variables for it.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        manager: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment or {})
        self._folder = folder
        self._manager = manager
        self._process: subprocess.Popen[str] | None = None

    def put(self, client: Client, name: str, data: bytes) -> None:
        self._send("put", client, name, data)

    def multipart(self, client: Client, name: str, data: bytes, part_size: int) -> None:
        self._send("multipart", client, name, data, part_size=part_size)

    def keep_versions(self, client: Client) -> None:
        """Let the bucket keep versions (the driver of oss-v2 alone offers it)."""
        self._ask({"op": "keep_versions", "client": asdict(client)})

    def get(self, client: Client, name: str, *, span: str = "", version: str = "") -> bytes:
        with tempfile.NamedTemporaryFile(dir=self._folder) as file:
            self._ask(
                {
                    "op": "get",
                    "client": asdict(replace(client, manager=self._manager)),
                    "name": name,
                    "file": file.name,
                    "range": span,
                    "version": version,
                }
            )
            return Path(file.name).read_bytes()

    def _send(self, op: str, client: Client, name: str, data: bytes, part_size: int = 0) -> None:
        with tempfile.NamedTemporaryFile(dir=self._folder) as file:
            file.write(data)
            file.flush()
            self._ask(
                {
                    "op": op,
                    "client": asdict(client),
                    "name": name,
                    "file": file.name,
                    "part_size": part_size,
                }
            )

    def _ask(self, request: dict[str, Any]) -> None:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(_PATIENCE, process.kill)
        watchdog.start()
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise RuntimeError(f"{self._command[0]} died; see {self._folder}")
        answer = json.loads(line)
        if not answer["ok"]:
            raise RefusedError(answer.get("error", ""))

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".log", delete=False) as log:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=ROOT,
                    env={**os.environ, **self._environment},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    encoding="utf-8",
                )
        return self._process

    def close(self) -> None:
        """End the program: it stops when its input does."""
        if self._process is not None:
            self._process.communicate(timeout=_PATIENCE)
            self._process = None
