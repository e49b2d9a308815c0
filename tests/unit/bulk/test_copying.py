"""All objects copied to another store: what is there already stays, and nothing is decrypted."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.nvme_store import NvmeStore
from tests.support.served_oss import oss_environment

import cipherbucket as cb
from cipherbucket.bulk import copying, ledger, shards
from cipherbucket.format.crc64 import Crc
from cipherbucket.format.metadata_names import V2
from cipherbucket.objects import store_to_store
from cipherbucket.objects.begin_upload import begin_copy_upload
from cipherbucket.objects.store_to_store import copy_to_store
from cipherbucket.server import Endpoint
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import StoredObject
from cipherbucket.writing.destination import Destination

NAMES = [f"d/{number:03}" for number in range(30)]


@pytest.fixture
def source(request: pytest.FixtureRequest, key: cb.RsaKey) -> cb.Bucket:
    # With the target's kind of CRC-64: else all is copied again.
    there = request.getfixturevalue("any_store") if "target" in request.fixturenames else None
    nvme = there is not None and there.crc is Crc.NVME
    bucket = cb.Bucket(NvmeStore() if nvme else cb.MemoryStore(), cb.KeyRing(key))
    for name in NAMES:
        bucket.put(name, name.encode(), headers={"content-type": "text/plain"})
    bucket.put("e/else", b"1")
    return bucket


@pytest.fixture
def target(any_store: Store) -> cb.Bucket:
    return cb.Bucket(any_store, cb.KeyRing())


def counts(report: cb.CopyReport) -> dict[str, int]:
    return {status: tally.objects for status, tally in report.counts.items()}


def readable(target: cb.Bucket, key: cb.RsaKey) -> dict[str, bytes]:
    bucket = cb.Bucket(target.access.store, cb.KeyRing(key))
    return {each.name: bucket.get(each.name).read() for each in bucket.list()}


def test_all_are_copied_once_and_a_second_time_only_what_differs(
    source: cb.Bucket, target: cb.Bucket, key: cb.RsaKey
) -> None:
    with cb.copy_all(source, "d/", to=target) as report:
        assert counts(report) == {"copied": 30}
        assert [each.name for each in report.objects()] == NAMES
        assert report.target == target.url
    assert readable(target, key) == {name: name.encode() for name in NAMES}
    assert target.head("d/000").content_type == "text/plain"
    source.put("d/000", b"another")
    source.update_metadata("d/001", headers={"content-type": "text/html"})
    target.delete("d/002")
    with cb.copy_all(source, "d/", to=target) as report:
        assert counts(report) == {"copied": 3, "same": 27}
        *_, summary = report.lines()
    assert summary["type"] == "copy"
    assert summary["counts"]["same"]["objects"] == 27
    assert readable(target, key)["d/000"] == b"another"
    assert target.head("d/001").content_type == "text/html"


def test_what_fails_is_tried_again_and_what_is_gone_is_told(
    source: cb.Bucket, target: cb.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = type(target.access.store).put

    def refused(self: Store, name: str, *args: object, **more: object) -> object:
        if name == "d/003" and self is target.access.store:
            raise cb.StoreError("the store is full", name=name)
        return put(self, name, *args, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(type(target.access.store), "put", refused)
        with cb.copy_all(source, to=target) as report:
            assert counts(report) == {"copied": 30, "failed": 1}
            assert [each.name for each in report.failures()] == ["d/003"]
    given = [cb.Entry(name=name) for name in ("d/003", "d/gone", "d/004", "d/004")]
    with cb.copy_all(source, to=target, entries=given) as report:
        assert counts(report) == {"copied": 1, "gone": 1, "same": 1}


def test_after_a_failure_too_what_is_missing_in_the_target_is_copied_again(
    source: cb.Bucket, target: cb.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_MOMENT", timedelta(0))

    def full(*args: object, **more: object) -> object:
        if "d/003" in args:
            raise cb.StoreError("the store is full", name="d/003")
        return copy_to_store(*args, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(copying, "copy_to_store", full)
        with cb.copy_all(source, "d/", to=target) as report:
            assert counts(report) == {"copied": 29, "failed": 1}
    target.delete("d/002")
    with cb.copy_all(source, "d/", to=target) as report:
        assert counts(report) == {"copied": 2, "same": 28}
    assert [each.name for each in target.list()] == NAMES


def test_a_large_object_that_fails_stops_no_other(
    source: cb.Bucket, target: cb.Bucket, key: cb.RsaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_to_store, "THRESHOLD", 1 << 20)
    for number in range(4):
        source.put(f"f/{number}", b"1" * (2 << 20))

    def refused(to: Destination) -> str:
        if to.name == "f/0":
            raise cb.StoreError("the store is full", name=to.name)
        return begin_copy_upload(to)

    fetched = store_to_store._fetched

    def damaged(source: Store, there: cb.ObjectInfo, *args: object) -> object:
        if there.name == "f/1":
            raise cb.IntegrityError("damaged", name=there.name)
        return fetched(source, there, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(store_to_store, "begin_copy_upload", refused)
    monkeypatch.setattr(store_to_store, "_fetched", damaged)
    with cb.copy_all(source, "f/", to=target) as report:
        assert counts(report) == {"copied": 2, "failed": 2}
    with cb.copy_all(source, "f/", to=target) as report:
        assert counts(report) == {"same": 2, "failed": 2}
    monkeypatch.undo()
    with cb.copy_all(source, "f/", to=target) as report:
        assert counts(report) == {"copied": 2, "same": 2}
    with cb.copy_all(source, "f/", to=target) as report:
        assert counts(report) == {"same": 4}
    assert readable(target, key)["f/0"] == b"1" * (2 << 20)


def test_a_rate_is_kept_over_all(source: cb.Bucket) -> None:
    for number in range(8):
        source.put(f"g/{number}", b"1" * 50_000)
    seen: list[int] = []
    begun = time.monotonic()
    with cb.copy_all(
        source,
        "g/",
        to=cb.Bucket(cb.MemoryStore(), cb.KeyRing()),
        workers=4,
        limit_rate=800_000,
        progress=lambda done, _: seen.append(done),
    ) as report:
        assert counts(report) == {"copied": 8}
    assert time.monotonic() - begun > 0.4
    assert seen[-1] == 400_000


def test_refused(source: cb.Bucket, target: cb.Bucket) -> None:
    with pytest.raises(cb.UsageError, match="one store"):
        cb.copy_all(source, to=source)
    with pytest.raises(cb.UsageError, match="by reference"), ThreadPoolExecutor(1) as pool:
        cb.copy_all(source, to=target, executor=pool)
    with pytest.raises(cb.UsageError, match="workers"):
        cb.copy_all(source, to=target, workers=0)


@pytest.fixture(params=["threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "threads":
        with ThreadPoolExecutor(2) as pool:
            yield pool
    else:
        with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as processes:
            yield processes


def test_workers_share_it(
    tmp_path: Path, key: cb.RsaKey, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "STEP", 7)
    with Endpoint(buckets=["there"]) as endpoint:
        for name, value in oss_environment(endpoint).items():
            monkeypatch.setenv(name, value)
        here, there = f"file://{tmp_path}/here", "oss://there"
        with cb.open_bucket(here, key) as bucket:
            for name in NAMES:
                bucket.put(name, name.encode())
        here_by_name, there_by_name = cb.BucketReference(here), cb.BucketReference(there)
        with cb.copy_all(here_by_name, "d/", to=there_by_name, executor=executor) as report:
            assert counts(report) == {"copied": 30}
            assert [each.name for each in report.objects()] == NAMES
        with cb.copy_all(here_by_name, "d/", to=there_by_name, executor=executor) as report:
            assert counts(report) == {"same": 30}
        with cb.open_bucket(there, key) as bucket:
            assert {each.name: bucket.get(each.name).read() for each in bucket.list()} == {
                name: name.encode() for name in NAMES
            }


@pytest.mark.parametrize(
    ("there", "same"),
    [
        ({}, True),
        ({"headers": {"content-type": "text/plain", "cache-control": "no-cache"}}, True),
        ({"metadata": {"k": "v", f"{V2}part-size": "1"}}, True),
        ({"metadata": {"k": "v", "more": "1"}}, False),
        ({"metadata": {}}, False),
        ({"metadata": {"k": "w"}}, False),
        ({"headers": {}}, False),
        ({"crc64": 2}, False),
        ({"crc64": None}, False),
        ({"crc": Crc.NVME}, False),
        ({"crc": Crc.NVME, "crc64": None}, False),
        ({"size": 6}, False),
    ],
)
def test_what_is_the_same_is_left(there: dict[str, Any], same: bool) -> None:
    seen = StoredObject(
        name="a",
        size=5,
        etag="etag",
        modified=datetime(2026, 1, 1, tzinfo=UTC),
        crc64=1,
        metadata={"k": "v"},
        headers={"content-type": "text/plain"},
    )
    assert copying._is_same(seen, replace(seen, **there)) is same
    unknown = replace(seen, crc64=None)
    assert not copying._is_same(unknown, unknown)


@pytest.mark.parametrize(("kinds", "again"), [("XZ", "copied"), ("NVME", "same")])
def test_between_kinds_of_crc64_what_is_there_is_not_known_and_is_copied_again(
    key: cb.RsaKey, kinds: str, again: str
) -> None:
    source = cb.Bucket(NvmeStore() if kinds == "NVME" else cb.MemoryStore(), cb.KeyRing(key))
    target = cb.Bucket(NvmeStore(), cb.KeyRing(key))
    source.put("a", b"text")
    for status in ("copied", again):
        with cb.copy_all(source, to=target) as report:
            assert counts(report) == {status: 1}
    assert target.get("a").read() == b"text"
