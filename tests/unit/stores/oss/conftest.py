"""A bucket over HTTP against objects that each test may break."""

from collections.abc import Callable, Iterator

import pytest
from tests.support.oss_objects import Objects, settings
from tests.support.scripted_http import Answer, Request, Scripted, scripted

import cipherbucket as cb


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        "cipherbucket.writing.one_request",
        "cipherbucket.stores.http.resuming_body",
        "alibabacloud_oss_v2._client",
    ):
        monkeypatch.setattr(f"{place}.time.sleep", lambda _: None)


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def served(objects: Objects, no_waiting: None) -> Iterator[Scripted]:
    behave: list[Callable[[Request], Answer]] = [objects]

    def answer(request: Request) -> Answer:
        return behave[0](request)

    with scripted(answer) as server:
        server.behave = behave  # type: ignore[attr-defined]
        yield server


@pytest.fixture
def bucket(served: Scripted, key: cb.RsaKey) -> cb.Bucket:
    return cb.open_bucket("oss://bucket", key, settings=settings(served.url))
