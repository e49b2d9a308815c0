"""A file system over each kind of store, in both formats."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cipherbucket as cb
from cipherbucket.filesystem.spec import CipherbucketFileSystem
from cipherbucket.server import Endpoint

BUCKETS = [f"files-{number}" for number in range(400)]
KINDS = [(kind, form) for kind in ("memory", "file", "oss") for form in ("oss", "sealed")]


@pytest.fixture(scope="session")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=BUCKETS) as running:
        yield running


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("keys") / "key.pem"
    cb.create_rsa_key_file(path, description={"desc": "files"}, bits=2048)
    return str(path)


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture(scope="session")
def names(endpoint: Endpoint) -> Iterator[str]:
    return iter(BUCKETS)


@pytest.fixture
def options(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    key_file: str,
    numbers: Iterator[int],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str, str], dict[str, Any]]:
    """Return what makes the storage options of a new, empty store."""

    def make(kind: str, form: str) -> dict[str, Any]:
        settings = {}
        number = next(numbers)
        store = f"memory://files-{number}" if kind == "memory" else f"file://{tmp_path}/{number}"
        if kind == "oss":
            running = request.getfixturevalue("endpoint")
            monkeypatch.setenv("OSS_ACCESS_KEY_ID", running.access_key_id)
            monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", running.access_key_secret)
            settings = {"region": running.region, "endpoint": running.url}
            store = f"oss://{next(request.getfixturevalue('names'))}"
        return {"store": store, "keys": [key_file], "format": form, "settings": settings}

    return make


@pytest.fixture(params=KINDS, ids=[" ".join(each) for each in KINDS])
def fs(
    request: pytest.FixtureRequest, options: Callable[[str, str], dict[str, Any]]
) -> CipherbucketFileSystem:
    """Return the file system of a new, empty store."""
    return CipherbucketFileSystem(**options(*request.param))
