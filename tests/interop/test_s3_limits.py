"""The limits that we take S3 to have are those of a server: what we send it takes, and no more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.s3_servers import S3Server, s3_settings

import cipherbucket as cb
from cipherbucket.stores.s3.store import S3Store

KEYS = [cb.AesKey(bytes([n] * 32), description={"desc": f"recipient {n}"}) for n in range(16)]
PART = S3Store.min_part_size


@pytest.fixture
def store(versity: S3Server) -> Iterator[S3Store]:
    with S3Store(versity.make_bucket(), s3_settings(versity)) as opened:
        yield opened


@pytest.fixture
def bucket(store: S3Store) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing(*KEYS), format="sealed")


def test_the_most_metadata_that_we_send_are_taken(
    store: S3Store, bucket: cb.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(cb.UsageError, match="keeps at most 2,048") as refused:
        bucket.put("a", b"text", recipients=KEYS[1:])
    hint = refused.value.hint or ""
    most = next(n for n in range(1, 17) if f"room for {n} of AES-256-KWP" in hint)
    bucket.put("a", b"text", recipients=KEYS[1:most])
    left = store.max_metadata - store.metadata_size(store.head("a").metadata)
    full = "x" * (left - len("note"))
    bucket.put("a", b"text", recipients=KEYS[1:most], metadata={"note": full})
    assert bucket.get("a").read() == b"text"
    store.put("b", b"", metadata={"note": "ä" * 750})
    assert store.head("b").metadata == {"note": "ä" * 750}
    monkeypatch.setattr(store, "max_metadata", 8192)
    with pytest.raises(cb.StoreError):
        bucket.put("a", b"text", recipients=KEYS[1:most], metadata={"note": full + "x" * 40})


def test_the_least_parts_that_we_send_are_taken(
    store: S3Store, bucket: cb.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, data = tmp_path / "file", random.Random(1).randbytes(11 << 20)
    path.write_bytes(data)
    with pytest.raises(cb.UsageError, match="under the least part of 5,242,880"):
        bucket.upload(path, "a", part_size=PART - 16_384, threshold=1, state=tmp_path)
    bucket.upload(path, "a", part_size=PART, threshold=1, state=tmp_path)
    assert bucket.get("a").read() == data
    # Equal parts are taken everywhere.
    monkeypatch.setattr(store, "equal_parts", True)
    bucket.upload(path, "equal", part_size=PART, threshold=1, state=tmp_path)
    assert bucket.get("equal").read() == data
    monkeypatch.setattr(store, "min_part_size", 100 << 10)
    with pytest.raises(cb.StoreError) as refused:
        bucket.upload(path, "a", part_size=1 << 20, threshold=1, state=tmp_path, resume=False)
    assert refused.value.code == "EntityTooSmall"
