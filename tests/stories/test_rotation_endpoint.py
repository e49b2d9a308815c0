"""Rotation in OSS, as the local endpoint is it: what an object has stays, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import alibabacloud_oss_v2 as sdk
import pytest
from tests.support.oss_rewriting import HEADERS as ALL_HEADERS
from tests.support.oss_rewriting import opened
from tests.support.rotation_scenes import (
    FORMATS,
    LARGE,
    PART,
    SMALL,
    Requests,
    Scene,
    labels,
    small_parts,
)

import cipherbucket as cb
from cipherbucket.format.span import MAX_PARTS, PartPlan, good_part_size
from cipherbucket.objects.store_to_store import THRESHOLD
from cipherbucket.server import Endpoint
from cipherbucket.stores.oss.store import OssStore

ALL_METADATA = {"owner": "mé", "note": "x"}
BROKEN = "reset=0.04,truncate=0.04,500=0.04,503=0.04,crc=0.02,seed=3"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["plain", "versioned"]) as running:
        with opened(running, "versioned") as store:
            store.client.sdk.put_bucket_versioning(
                sdk.PutBucketVersioningRequest(
                    bucket="versioned",
                    versioning_configuration=sdk.VersioningConfiguration(status="Enabled"),
                )
            )
        yield running


@pytest.fixture(params=["plain", "versioned"])
def store(
    request: pytest.FixtureRequest, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OssStore]:
    small_parts(monkeypatch)
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    with opened(endpoint, request.param) as store:
        yield store
        assert store.list_uploads() == []


@pytest.fixture(params=FORMATS)
def scene(request: pytest.FixtureRequest, store: OssStore) -> Scene:
    return Scene(store, request.param)


def put(scene: Scene, plain: bytes) -> cb.ObjectInfo:
    scene.plain = plain
    return scene.bucket().put(scene.name, plain, metadata=ALL_METADATA, headers=ALL_HEADERS)


@pytest.mark.parametrize("by_parts", [False, True], ids=["at once", "by parts"])
@pytest.mark.parametrize("verb", ["rewrap", "reencrypt"])
def test_all_that_an_object_has_stays(
    scene: Scene, verb: str, by_parts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metadata, content headers, tags, ACL, storage class, encryption at rest."""
    if by_parts:
        monkeypatch.setattr("cipherbucket.stores.oss.copying._ONE_COPY", PART)
    before = put(scene, LARGE if by_parts else SMALL)

    now = getattr(cb.rotation, verb)(scene.bucket(scene.new, scene.old), scene.name)

    assert labels(now) == ["new"]
    assert scene.store.attributes(scene.name) == ALL_HEADERS
    assert dict(now.metadata) == ALL_METADATA
    assert scene.bucket(scene.new).get(scene.name).read() == scene.plain
    assert (now.crc64 == before.crc64) == (verb == "rewrap")


@pytest.mark.parametrize("verb", ["rewrap_all", "reencrypt_all"])
def test_the_old_version_is_told_and_opens_with_the_old_key(
    scene: Scene, store: OssStore, verb: str
) -> None:
    before = put(scene, SMALL)
    with getattr(cb.rotation, verb)(scene.bucket(scene.new, scene.old), "folder/") as report:
        assert report.done.objects == 1
        assert report.versions_left == (store.url == "oss://versioned")
    if before.version_id is not None:
        old = scene.bucket().get(scene.name, version_id=before.version_id)
        assert old.read() == SMALL
        newest = next(v for v in scene.bucket().versions(scene.name))
        assert newest.version_id == scene.bucket().head(scene.name).version_id
    with pytest.raises(cb.NoMatchingKeyError):
        scene.bucket().get(scene.name)


def test_requests_of_a_small_object(scene: Scene) -> None:
    """What docs/rotation.md says it costs."""
    scene.put(SMALL)
    requests = Requests(scene.store)
    scene.rotated()
    # Looked at, what it has, its ACL, fetched, looked at again, put, looked at.
    oss = ["HEAD", "HEAD", "GET acl", "GET", "HEAD", "PUT", "HEAD"]
    # Looked at, looked at for a condition, its ACL, copied onto itself, looked at.
    sealed = ["HEAD", "HEAD", "GET acl", "PUT copy", "HEAD"]
    expected = oss if scene.format == "oss" else sealed
    assert requests.names == expected


def test_a_large_sealed_object_is_copied_by_parts_in_the_store(
    store: OssStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No byte of it comes here."""
    monkeypatch.setattr("cipherbucket.stores.oss.copying._ONE_COPY", PART)
    scene = Scene(store, "sealed", LARGE)
    info = scene.put()
    requests = Requests(store)
    scene.rotated()
    parts = -(-info.stored_size // PART)
    assert requests.names.count("PUT partNumber uploadId copy") == parts
    assert "GET" not in requests.names
    assert "PUT partNumber uploadId" not in requests.names
    others = [name for name in requests.names if "partNumber" not in name]
    # Looked at; again, its ACL, begun, looked at again, completed, looked at; looked at.
    assert len(others) <= 8, others
    requests.forget()
    scene.assert_law()


@pytest.mark.parametrize("size", [1, 5 << 30, (5 << 30) + 1, 48 << 40], ids=str)
def test_the_plan_of_any_size(size: int) -> None:
    """What no test moves: 5 GiB and more in parts that OSS takes and memory holds."""
    plan = PartPlan(size, good_part_size(size))
    assert plan.count <= MAX_PARTS
    assert sum(stop - start for start, stop in map(plan.offsets, _some(plan.count))) <= size
    assert plan.offsets(plan.count)[1] == size
    assert 100 << 10 <= plan.part_size <= 5 << 30
    if size > THRESHOLD:
        assert plan.count > 1


def _some(count: int) -> list[int]:
    return sorted({1, max(1, count // 2), count})


@pytest.mark.each_value
@pytest.mark.parametrize("verb", ["rewrap_all", "reencrypt_all"])
@pytest.mark.parametrize("kind", FORMATS)
def test_over_a_network_that_fails_all_the_time(
    kind: str, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run again until nothing is left to do: every object is whole, and nothing is left behind."""
    small_parts(monkeypatch)
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    monkeypatch.setattr("alibabacloud_oss_v2._client.time.sleep", lambda _: None)
    with Endpoint(buckets=["broken"], faults=BROKEN) as broken, opened(broken, "broken") as store:
        scene = Scene(store, kind)
        plains = {f"many/{n:02}": (LARGE if n % 7 == 0 else SMALL) + bytes([n]) for n in range(20)}
        for name, plain in plains.items():
            _until(partial(scene.put, plain, name))
        for _ in range(10):
            with getattr(cb.rotation, verb)(
                scene.bucket(scene.new, scene.old), "many/", workers=3
            ) as report:
                if not report.failed.objects:
                    break
        assert not report.failed.objects
        for name, plain in plains.items():
            assert _until(partial(scene.read, scene.new, name=name)) == plain
        left = _until(store.list_uploads)
        assert {upload.name for upload in left} <= set(plains)
        assert len(left) <= 2, "what an abort failed of, which is logged"


def _until(do: Callable[[], Any]) -> Any:
    for _ in range(20):
        with suppress(cb.StoreError, cb.IntegrityError):
            return do()
    raise AssertionError


def _private(store: OssStore, name: str) -> None:
    store.client.sdk.put_object_acl(
        sdk.PutObjectAclRequest(bucket=store.client.bucket, key=name, acl="private")
    )


def _tagged(store: OssStore, name: str) -> None:
    tags = sdk.Tagging(tag_set=sdk.TagSet(tags=[sdk.Tag(key="by", value="them")]))
    store.client.sdk.put_object_tagging(
        sdk.PutObjectTaggingRequest(bucket=store.client.bucket, key=name, tagging=tags)
    )


@pytest.mark.parametrize("change", [_private, _tagged])
@pytest.mark.parametrize("verb", ["rewrap", "reencrypt"])
def test_acl_and_tags_that_are_changed_while_a_large_object_moves_stay(
    scene: Scene, store: OssStore, change: Callable[[OssStore, str], None], verb: str
) -> None:
    """An upload in parts takes minutes, and neither ETag nor metadata tell of them."""
    put(scene, LARGE)
    requests = Requests(store)
    meddled: list[str] = []

    def meddle(_: int, name: str) -> None:
        if "partNumber" in name and not meddled:
            meddled.append(name)
            change(store, scene.name)

    requests.before = meddle
    bucket = scene.bucket(scene.new, scene.old)
    if verb == "rewrap" and scene.format == "sealed":
        getattr(cb.rotation, verb)(bucket, scene.name)  # in one request of the store's own
        assert meddled == []
        return
    with pytest.raises(cb.ObjectChangedError, match="by somebody else meanwhile"):
        getattr(cb.rotation, verb)(bucket, scene.name)
    assert meddled
    requests.forget()
    kept = store.attributes(scene.name)
    after = {"x-oss-object-acl": "private"} if change is _private else {"x-oss-tagging": "by=them"}
    assert kept == ALL_HEADERS | after
    assert labels(scene.bucket().head(scene.name)) == ["old"]
    assert scene.read() == LARGE
