"""The scenes that attacks on sealed objects play in, and the stores."""

import random
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.sealed_attacks import Scene

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
