"""Keys and buckets that many tests use; which tests the quick run takes, and where it has files.

Keys are made here, never committed.
"""

import gc
import os
import shutil
import tempfile
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import settings
from tests.support.counts import MARKERS, SOAK, quick_selection
from tests.support.drawn_keys import draw_keys_once, load_keys_once

import cipherbucket as cb

_numbers = count()
_MEMORY = Path("/dev/shm")


def pytest_configure(config: pytest.Config) -> None:
    _work_in_memory()
    settings.register_profile("tests", deadline=None)  # on a busy machine any case may be slow
    settings.load_profile("tests")
    for name, rule in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {rule}")


def _work_in_memory() -> None:
    """Keep the files of the tests in memory, where the system has a folder for that.

    Stores and journals flush each step to the disk, and a run waits for the disk more than half of
    its time. A killed process leaves the same files on either. TMPDIR decides, where it is set.
    """
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return
    if shutil.disk_usage(_MEMORY).free >= (8 if SOAK else 4) << 30:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None  # look at TMPDIR again


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = quick_selection(items)
    if len(kept) < len(items):
        left = set(items).difference(kept)
        config.hook.pytest_deselected(items=[item for item in items if item in left])
    items[:] = kept


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over modules and tests, which live as long as the run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the homes of all tests; a numbered one for each would be slow."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def own_home(homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own journals of transfers and the user's cipherbucket.toml away."""
    home = homes / str(next(_numbers))
    for folder in ("state", "config"):
        (home / folder).mkdir(parents=True)
    monkeypatch.setenv("CIPHERBUCKET_STATE", str(home / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.delenv("CIPHERBUCKET_CONFIG", raising=False)


@pytest.fixture(autouse=True)
def drawn_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_keys_once(monkeypatch)
    load_keys_once(monkeypatch)


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
