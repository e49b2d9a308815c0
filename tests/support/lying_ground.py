"""The ground that lies are told on: a filled store, master keys and files."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from tests.support.honest_s3 import Answerer, HonestS3, as_s3, s3_settings
from tests.support.honest_store import KEY_ID, SECRET, Honest, oss_settings
from tests.support.lying_store import lying_store

import cipherbucket as cb
from cipherbucket.stores.base import Store
from cipherbucket.stores.oss.store import OssStore
from cipherbucket.stores.s3.settings import S3Settings
from cipherbucket.stores.s3.store import S3Store

FIRST, MIRROR, KEPT = "lied", "mirror", "kept"
"""The buckets: most of it; where others are copied to; one that keeps versions."""
POLICY = cb.Policy(["oss", "sealed"], plaintext=True)
LARGE = 250_000
PART = 100 << 10
_REGION = "cn-hangzhou"


@dataclass(frozen=True)
class Protocol:
    """How a store is spoken to.

    Attributes:
        honest: What makes one.
        open: Opens a bucket of it by its name and the URL it listens at.
        spoken: Turns what answers requests of OSS into what answers its own.
    """

    honest: Callable[..., Honest]
    open: Callable[[str, str], Store]
    spoken: Callable[[Answerer], Answerer]


OSS = Protocol(
    Honest,
    lambda name, url: cb.open_store(f"oss://{name}", oss_settings(url)),
    lambda answer: answer,
)
S3 = Protocol(HonestS3, lambda name, url: S3Store(name, s3_settings(url)), as_s3)


@dataclass(frozen=True)
class Ground:
    """What all scenes begin with: a store that is never changed, keys, files."""

    honest: Honest
    keys: tuple[cb.RsaKey, cb.RsaKey]
    folder: Path
    protocol: Protocol = OSS

    def load_keys(self) -> None:
        """Parse the files of the keys, which the children of this process need not do then."""
        for name in ("old", "new"):
            cb.load_key(self.folder / f"{name}.pem")

    @property
    def ring(self) -> cb.KeyRing:
        """Both keys."""
        return cb.KeyRing(*self.keys)


@dataclass(frozen=True)
class Scene:
    """One verb's own copy.

    Attributes:
        url: Where the store listens.
        out: A folder for files.
        ground: What it began with.
    """

    url: str
    out: Path
    ground: Ground

    def bucket(self, name: str = FIRST, *, format: str = "oss", new: bool = False) -> cb.Bucket:  # noqa: A002  the library's word
        """Open a bucket; ``new`` is with the new key in front."""
        store = self.ground.protocol.open(name, self.url)
        ring = cb.KeyRing(*self.ground.keys[:: -1 if new else 1])
        return cb.Bucket(store, ring, format=format, policy=POLICY)


def lay_ground(folder: Path, protocol: Protocol = OSS) -> Ground:
    """Fill a store, and make the files of two master keys, ``old.pem`` and ``new.pem``."""
    for module in pkgutil.walk_packages(cb.__path__, "cipherbucket."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)  # no child is to spend time and memory on that
    honest = protocol.honest(FIRST, MIRROR, versioned=KEPT)
    old, new = (
        cb.create_rsa_key_file(folder / f"{name}.pem", description={"desc": name}, bits=2048)
        for name in ("old", "new")
    )
    ground = Ground(honest, (old, new), folder)
    with lying_store(honest) as served:
        scene = Scene(served.url, folder, ground)
        with scene.bucket() as bucket:
            bucket.put("zz-outside", b"outside")
            for number, size in enumerate((100, 5000, 50), 1):
                bucket.put(f"o/{number}", body(size), metadata={"k": f"v{number}"})
            bucket.put("large", body(LARGE))
            store = bucket.access.store
            for number in (1, 2, 3):
                store.put(f"p/{number}", b"plain %d" % number, metadata={"own": "text"})
            store.put("p/large", body(LARGE))
            store.put("p/tagged", b"tagged", headers={"x-oss-tagging": "a=b"})
            for number in (1, 2):
                begun = store.begin_upload("u/x")
                for part in range(1, number + 3):
                    store.upload_part("u/x", begun, part, body(PART))
        with scene.bucket(format="sealed") as bucket:
            bucket.put("s/1", body(20_000), metadata={"k": "v"})
            bucket.put("s/2", b"small")
        with scene.bucket(MIRROR) as bucket:
            for name in ("o/2", "o/extra", "o/more"):
                bucket.put(name, b"at the mirror")
        with scene.bucket(KEPT) as bucket:
            for number in (1, 2, 3):
                bucket.put("v/1", body(number))
                bucket.put(f"v/{number}", body(number))
            archive = {"x-oss-storage-class": "Archive"}
            store = bucket.access.store
            store.put("cold", b"cold", headers=archive)
            link = {"x-oss-symlink-target": "v%2F1"}
            cast("OssStore", store).client.request(
                "PutSymlink", "PUT", "link", headers=link, query={"symlink": ""}
            )
    return replace(ground, protocol=protocol)


def body(size: int) -> bytes:
    """Return a plaintext."""
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


FILES = {
    "file": b"a file",
    "big": body(LARGE),
    "tree/1": body(100),
    "tree/2": b"another than there",
    "tree/here": b"only here",
    "tree/sub/too": b"only here, too",
    "same": body(100),
}
"""What verbs send and replace."""


def fill(folder: Path) -> None:
    """Make the files."""
    for name, data in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def settle(out: Path, *, slow: bool) -> None:
    """Point everything that programs read from the environment at this scene.

    Where the store is slow, a client has little patience, and asks once.
    """
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        os.environ.pop(name, None)
    os.environ |= {
        "OSS_REGION": _REGION,
        "OSS_ACCESS_KEY_ID": KEY_ID,
        "OSS_ACCESS_KEY_SECRET": SECRET,
        "CIPHERBUCKET_STATE": str(out / "state"),
    }
    (out / "state").mkdir(mode=0o700)
    patch = pytest.MonkeyPatch()
    patience = {"read_timeout": 0.2, "attempts": 1} if slow else {"read_timeout": 2, "attempts": 2}
    for name, value in patience.items():  # also where a face lets nobody set them
        for settings in (cb.OssSettings, S3Settings):
            patch.setitem(settings.__init__.__kwdefaults__ or {}, name, value)
    for place in (
        "cipherbucket.writing.one_request",
        "cipherbucket.stores.http.resuming_body",
        "alibabacloud_oss_v2._client",
    ):
        patch.setattr(f"{place}.time.sleep", lambda _: None)
