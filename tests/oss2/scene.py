"""Where programs for oss2 play: two local endpoints, keys, and the layer or oss2 itself.

Everything that compares the two is written once, over a `Scene` that says which module it is.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.support.drawn_keys import draw_key
from tests.support.peer_sdks import import_oss2

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.server.kms import KmsEndpoint
from cipherbucket.stores.base import Store

LAYER = "cipherbucket.oss2"
REAL = "oss2"
BUCKET = "examplebucket"
CMK = "alias/layer"
SECRET = "the-secret-of-the-local-endpoints"


def load(name: str, part: str = "") -> Any:
    """Import the layer or oss2, or a module of theirs."""
    if name == REAL:
        import_oss2()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module(f"{name}.{part}" if part else name)


def key_pair(number: int = 1) -> dict[str, str]:
    """Return a key pair as oss2 takes it, the same for a number as long as the tests run."""
    return dict(_made(number))


@cache
def _made(number: int) -> dict[str, str]:
    private = draw_key(65537, 2048)
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"private_key": secret.decode(), "public_key": public.decode()}


@dataclass
class Scene:
    """One module between two endpoints of its own.

    Attributes:
        name: `LAYER` or `REAL`.
        oss: The OSS endpoint.
        folder: For files.
        patch: Points the layer at the KMS.
        tls: Where the certificate of the KMS is kept; needed by oss2.
    """

    name: str
    oss: Endpoint
    folder: Path
    patch: pytest.MonkeyPatch
    tls: Path | None = None
    opened: list[Any] = field(default_factory=list)

    @cached_property
    def kms(self) -> KmsEndpoint:
        """The KMS endpoint, which starts when it is first asked for."""
        kms = KmsEndpoint(
            aliases=[CMK], tls=self.tls if self.real else None, access_key_secret=SECRET
        ).start()
        if not self.real:
            self.patch.setenv("KMS_ENDPOINT", kms.url)
        return kms

    @property
    def module(self) -> Any:
        """The module itself."""
        return load(self.name)

    @property
    def real(self) -> bool:
        """Whether it is oss2 itself."""
        return self.name == REAL

    def part(self, name: str) -> Any:
        """Return one of its modules, such as ``crypto``."""
        return load(self.name, name)

    def auth(self) -> Any:
        """Return what signs requests."""
        return self.module.Auth(self.oss.access_key_id, self.oss.access_key_secret)

    def rsa(self, number: int = 1, **options: Any) -> Any:
        """Return an ``RsaProvider``."""
        return self.part("crypto").RsaProvider(key_pair(number), **options)

    def ali_kms(self, *, cmk: str = "", key_id: str = "", secret: str = "", **options: Any) -> Any:
        """Return an ``AliKMSProvider`` of the local KMS; by default one that may use its key."""
        provider = self.part("crypto").AliKMSProvider(
            key_id or self.kms.access_key_id,
            secret or self.kms.access_key_secret,
            self.kms.region,
            cmk or self.kms.key_id(CMK),
            **options,
        )
        if self.real:  # it speaks https alone; the layer asks KMS_ENDPOINT
            provider.kms_client.add_endpoint(self.kms.region, "Kms", self.kms.address)
            provider.kms_client.set_verify(str(self.kms.certificate))
        return provider

    def bucket(self, provider: Any = None, **options: Any) -> Any:
        """Return a ``CryptoBucket``."""
        return self.module.CryptoBucket(
            self.auth(),
            self.oss.url,
            BUCKET,
            crypto_provider=provider or self.rsa(),
            **options,
        )

    def store(self) -> Store:
        """Return the store itself: what is really there."""
        settings = cb.OssSettings(
            region=self.oss.region,
            endpoint=self.oss.url,
            credentials=cb.Credentials(self.oss.access_key_id, self.oss.access_key_secret),
        )
        store = cb.open_store(f"oss://{BUCKET}", settings)
        self.opened.append(store)
        return store

    def stored(self, name: str) -> bytes:
        """Return the stored bytes of an object."""
        with self.store().get(name) as answer:
            body, filled = bytearray(answer.stop - answer.start), 0
            while filled < len(body):
                filled += answer.readinto(memoryview(body)[filled:])
        return bytes(body)

    def metadata(self, name: str) -> dict[str, str]:
        """Return the user metadata of an object, without ``x-oss-meta-``."""
        return dict(self.store().head(name).metadata)

    def close(self) -> None:
        """Close what was opened, and the KMS."""
        for store in self.opened:
            store.close()
        if "kms" in vars(self):
            self.kms.stop()


@contextmanager
def scene(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tls: Path | None = None
) -> Iterator[Scene]:
    """Set a scene with two fresh endpoints.

    Args:
        name: `LAYER` or `REAL`.
        folder: For files, and the home folder while it lasts.
        monkeypatch: Points the layer at the KMS.
        tls: Where the certificate of the KMS is kept; needed by oss2.
    """
    if name == REAL:
        load(REAL)
    monkeypatch.setenv("HOME", str(folder))
    with Endpoint(buckets=[BUCKET], access_key_secret=SECRET) as oss:
        there = Scene(name, oss, folder, monkeypatch, tls)
        try:
            yield there
        finally:
            there.close()


def program_environment(there: Scene) -> dict[str, str]:
    """Return what the programs of the documents find in their environment."""
    first, second = key_pair(1), key_pair(2)
    return {
        "HOME": str(there.folder),
        "OSS_ENDPOINT": there.oss.url,
        "OSS_ACCESS_KEY_ID": there.oss.access_key_id,
        "OSS_ACCESS_KEY_SECRET": there.oss.access_key_secret,
        "OSS_BUCKET": BUCKET,
        "KMS_REGION": there.kms.region,
        "KMS_KEY": there.kms.key_id(CMK),
        "KMS_ENDPOINT": there.kms.url,
        "RSA_PRIVATE_KEY": first["private_key"],
        "RSA_PUBLIC_KEY": first["public_key"],
        "RSA_PRIVATE_KEY_1": second["private_key"],
        "RSA_PUBLIC_KEY_1": second["public_key"],
    }
