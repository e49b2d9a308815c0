"""Keys and buckets that many tests use. Keys are made here, never committed."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import cipherbucket as cb


@pytest.fixture(autouse=True)
def own_journals(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the journals of transfers away from the user's own."""
    monkeypatch.setenv("CIPHERBUCKET_STATE", str(tmp_path_factory.mktemp("state", numbered=True)))


@pytest.fixture(autouse=True)
def no_config(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own cipherbucket.toml away."""
    monkeypatch.delenv("CIPHERBUCKET_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config", numbered=True)))


@pytest.fixture(scope="session")
def key() -> cb.RsaKey:
    """Return a described RSA key."""
    return cb.RsaKey(rsa.generate_private_key(65537, 2048), description={"desc": "tests"})


@pytest.fixture(scope="session")
def other_key() -> cb.RsaKey:
    """Return a key of the same description, which can open nothing of the first one's."""
    return cb.RsaKey(rsa.generate_private_key(65537, 2048), description={"desc": "tests"})


@pytest.fixture
def store() -> cb.MemoryStore:
    """Return an empty store."""
    return cb.MemoryStore()


@pytest.fixture
def bucket(store: cb.MemoryStore, key: cb.RsaKey) -> cb.Bucket:
    """Return a bucket over `store`."""
    return cb.Bucket(store, cb.KeyRing(key))
