"""One request in twenty fails between us and S3: everything is done all the same, and once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.counts import count, share
from tests.support.faulty_proxy import FAULTS, Faulty, faulty_proxy
from tests.support.s3_servers import moto, s3_settings

import cipherbucket as cb
from cipherbucket.stores.s3.store import S3Store

OBJECTS = count(400, 40)
PARTS = count(12, 2)


@dataclass
class Way:
    """A store behind the proxy, and the same store without it."""

    store: S3Store
    direct: S3Store
    proxy: Faulty


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    real = time.sleep
    monkeypatch.setattr("time.sleep", lambda seconds: real(min(seconds, 0.01)))
    with moto() as server, faulty_proxy(server.url, 0.05) as proxy:
        name = server.make_bucket()
        settings = s3_settings(server, endpoint=proxy.url, attempts=8, read_timeout=5)
        with S3Store(name, settings) as store, S3Store(name, s3_settings(server)) as direct:
            yield Way(store, direct, proxy)


@pytest.mark.parametrize("format_", share(["sealed", "oss"], 0, 2))
def test_all_verbs_get_through(way: Way, key: cb.RsaKey, tmp_path: Path, format_: str) -> None:
    bucket = cb.Bucket(way.store, cb.KeyRing(key), format=format_)
    direct = cb.Bucket(way.direct, cb.KeyRing(key), format=format_)
    texts = {f"o/{number:04}": os.urandom(number) for number in range(OBJECTS)}
    for name, text in texts.items():
        bucket.put(name, text)
    assert [entry.name for entry in bucket.list("o/")] == sorted(texts)
    assert {name: direct.get(name).read() for name in texts} == texts
    assert {name: bucket.get(name).read() for name in texts} == texts
    data = os.urandom(PARTS * (5 << 20) + 7)
    (tmp_path / "big").write_bytes(data)
    bucket.upload(tmp_path / "big", "big", part_size=5 << 20, threshold=5 << 20, workers=2)
    assert direct.get("big").read() == data
    bucket.download("big", tmp_path / "back", part_size=1 << 20, threshold=1 << 20, workers=2)
    assert (tmp_path / "back").read_bytes() == data
    with cb.verify_all(bucket, "o/") as verified:
        assert dict(verified.counts).keys() == {"verified"}
    other = cb.AesKey(os.urandom(32), description={"desc": "other"})
    ring = cb.KeyRing(other, key) if format_ == "sealed" else cb.KeyRing(key)
    turned = cb.Bucket(way.store, ring, format=format_)
    turn = cb.rotation.rewrap_all if format_ == "sealed" else cb.rotation.reencrypt_all
    with turn(turned, "o/") as report:
        assert not report.counts.get("failed")
    read = cb.Bucket(way.direct, ring, format=format_)
    assert {name: read.get(name).read() for name in texts} == texts
    assert bucket.delete_many(texts) == {}
    assert [entry.name for entry in direct.list()] == ["big"]
    assert way.direct.list_uploads() == []
    assert way.proxy.faults.keys() == set(FAULTS)
