"""A store of each kind, and one that keeps the CRC-64 of S3, for what must hold over all."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.nvme_store import NvmeStore

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.stores.base import Store


@pytest.fixture(scope="session")
def new_oss_store() -> Iterator[Callable[[], Store]]:
    """Return what opens another empty bucket of a local endpoint."""
    names = [f"bucket-{number}" for number in range(100)]
    with Endpoint(buckets=names) as running:
        credentials = cb.Credentials(running.access_key_id, running.access_key_secret)
        settings = cb.OssSettings(
            region=running.region, endpoint=running.url, credentials=credentials
        )
        left = iter(names)
        yield lambda: cb.open_store(f"oss://{next(left)}", settings)


@pytest.fixture(params=["memory", "nvme", "file", "oss"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Return an empty store of each kind."""
    if request.param == "memory":
        store: Store = cb.MemoryStore()
    elif request.param == "nvme":
        store = NvmeStore()
    elif request.param == "file":
        store = cb.open_store(f"file://{tmp_path}/store")
    else:
        store = request.getfixturevalue("new_oss_store")()
    with store:
        yield store
