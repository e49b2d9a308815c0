"""Asynchronous tests run on asyncio and, where it is installed, on trio."""

import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import cipherbucket as cb
from cipherbucket.aio import AsyncBucket, threads
from cipherbucket.stores.base import Store


@pytest.fixture(
    params=[
        "asyncio",
        pytest.param("trio", marks=pytest.mark.skipif(not find_spec("trio"), reason="no trio")),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Return what counts the calls that run in threads; at the end of a test there is none."""
    lock, now = threading.Lock(), 0
    done = threads._done

    def counted(future: Any, call: Callable[[], object]) -> None:
        def counting() -> object:
            nonlocal now
            with lock:
                now += 1
            try:
                return call()
            finally:  # before the future says that it has ended
                with lock:
                    now -= 1

        done(future, counting)

    monkeypatch.setattr(threads, "_done", counted)
    yield lambda: now
    assert now == 0


@pytest.fixture(scope="session")
def oss_store(new_oss_store: Callable[[], Store]) -> Store:
    return new_oss_store()


@pytest.fixture(params=["memory", "file", "oss"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Return an empty store of each kind; that of OSS is one for all tests."""
    if request.param == "memory":
        yield cb.MemoryStore()
    elif request.param == "file":
        with cb.open_store(f"file://{tmp_path}/store") as store:
            yield store
    else:
        store = request.getfixturevalue("oss_store")
        yield store
        keyless = cb.Bucket(store, cb.KeyRing())
        keyless.delete_many(entry.name for entry in keyless.list())


@pytest.fixture(params=["oss", "sealed"])
def bucket(request: pytest.FixtureRequest, any_store: Store, key: cb.RsaKey) -> AsyncBucket:
    return AsyncBucket(cb.Bucket(any_store, key, format=request.param))
