"""The scenes that attacks on sealed objects and transfers play in, and the stores."""

import random
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support import transfer_scenes
from tests.support.lying_ground import Ground, lay_ground
from tests.support.sealed_attacks import Scene

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.stores.base import Store


@pytest.fixture(scope="session")
def scenes() -> dict[str, Scene]:
    pair = rsa.generate_private_key(65537, 2048)
    key = cb.RsaKey(pair, description={"desc": "tests"})
    public = cb.RsaKey(pair.public_key(), description={"desc": "tests"})
    aes = cb.AesKey(random.Random(1).randbytes(32), description={"desc": "tests"})
    like = cb.AesKey(random.Random(2).randbytes(32), description={"desc": "tests"})
    return {
        "aes": Scene(cb.KeyRing(aes, key), like, key),
        "rsa": Scene(cb.KeyRing(key), public, key),
    }


@pytest.fixture(params=["aes", "rsa"])
def scene(request: pytest.FixtureRequest, scenes: dict[str, Scene]) -> Scene:
    return scenes[request.param]


@pytest.fixture(scope="session")
def endpoint_store() -> Iterator[Store]:
    with Endpoint(buckets=["attacked"]) as endpoint:
        settings = cb.OssSettings(
            region=endpoint.region,
            endpoint=endpoint.url,
            credentials=cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret),
        )
        with cb.open_store("oss://attacked", settings) as store:
            yield store


@pytest.fixture(params=["memory", "http"])
def raw(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return cb.MemoryStore()
    store: Store = request.getfixturevalue("endpoint_store")
    return store


_numbers = count()


@pytest.fixture(scope="session")
def open_endpoint() -> Iterator[Callable[[], Store]]:
    """Return what opens the bucket of a local endpoint once more."""
    with Endpoint(buckets=["transfers"]) as endpoint:
        settings = cb.OssSettings(
            region=endpoint.region,
            endpoint=endpoint.url,
            credentials=cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret),
        )
        yield lambda: cb.open_store("oss://transfers", settings)


@pytest.fixture(params=["memory", "file", "http"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Return a store of each kind."""
    if request.param == "memory":
        store: Store = cb.MemoryStore()
    elif request.param == "file":
        store = cb.open_store(f"file://{tmp_path}/store")
    else:
        store = request.getfixturevalue("open_endpoint")()
    with store:
        yield store


@pytest.fixture(params=["oss", "sealed"])
def moving(
    request: pytest.FixtureRequest,
    any_store: Store,
    key: cb.RsaKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[transfer_scenes.Scene]:
    """Return a file and a bucket where small files go in parts; check the law at the end."""
    monkeypatch.setattr("cipherbucket.transfers.files.THRESHOLD", 64 << 10)
    aes = cb.AesKey(transfer_scenes.AES, description={"desc": "tests"})
    scene = transfer_scenes.Scene(
        transfer_scenes.Wire(any_store),
        request.param,
        key if request.param == "oss" else aes,
        f"moved/{next(_numbers)}",
        tmp_path,
    )
    yield scene
    assert scene.wire.ledger.conflicts == []


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Return what all begin with who are lied to."""
    return lay_ground(tmp_path_factory.mktemp("ground"))
