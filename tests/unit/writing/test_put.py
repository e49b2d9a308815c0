"""Bodies that can be read only once and whose length is known: they go in parts."""

import io
from collections.abc import Iterator
from typing import Any

import pytest

import cipherbucket as cb
from cipherbucket.writing import put

PLAIN = bytes(range(256)) * 2000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(put, "LARGE", 100_000)
    monkeypatch.setattr(put, "good_part_size", lambda *_: 8 * 16_384)


@pytest.fixture(params=["oss", "sealed"])
def once(request: pytest.FixtureRequest, store: cb.MemoryStore, key: cb.RsaKey) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing(key), format=request.param)


def pieces(plain: bytes = PLAIN) -> Iterator[bytes]:
    yield from (plain[start : start + 7_000] for start in range(0, len(plain), 7_000))


def test_a_pipe_of_told_length_goes_in_parts(once: cb.Bucket, store: cb.MemoryStore) -> None:
    told: list[tuple[int, int | None]] = []
    info = once.put(
        "a", pieces(), size=len(PLAIN), progress=lambda done, total: told.append((done, total))
    )

    assert info.size == len(PLAIN)
    assert told[-1] == (len(PLAIN), len(PLAIN))
    assert once.get("a").read() == PLAIN
    assert once.get("a", start=200_000, length=9).read() == PLAIN[200_000:200_009]
    if once.format == "oss":
        assert info.envelope is not None
        assert (info.envelope.data_size, info.envelope.part_size) == (len(PLAIN), 8 * 16_384)
    assert store.list_uploads("") == []


@pytest.mark.parametrize("size", [len(PLAIN) - 1, len(PLAIN) + 1, 150_000, 2_000_000, 10, 60_000])
def test_another_length_than_was_told_is_no_object(
    once: cb.Bucket, store: cb.MemoryStore, size: int
) -> None:
    with pytest.raises(cb.SourceError, match="was given as"):
        once.put("a", pieces(), size=size)
    assert not once.exists("a")
    assert store.list_uploads("") == []


def test_a_length_that_is_known_is_not_told_otherwise(once: cb.Bucket) -> None:
    assert once.put("a", PLAIN, size=len(PLAIN)).size == len(PLAIN)
    for size in (1, -1):
        with pytest.raises(cb.UsageError, match="was given as"):
            once.put("a", io.BytesIO(PLAIN), size=size)


def test_a_failure_costs_a_part_and_not_the_body(
    store: cb.MemoryStore, key: cb.RsaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [2]
    send = store.upload_part

    def failing(*args: Any, **more: Any) -> Any:
        if failures[0]:
            failures[0] -= 1
            raise cb.TransientStoreError("the connection broke")
        return send(*args, **more)

    monkeypatch.setattr(store, "upload_part", failing)
    monkeypatch.setattr("cipherbucket.writing.one_request._FIRST_DELAY", 0.001)
    bucket = cb.Bucket(store, cb.KeyRing(key))
    bucket.put("a", pieces(), size=len(PLAIN))
    assert bucket.get("a").read() == PLAIN
