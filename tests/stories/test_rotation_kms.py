"""Rotation to, from and between keys of a KMS, against the local one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.rotation_scenes import FORMATS, SMALL, LikeOss, Scene, labels

import cipherbucket as cb
from cipherbucket.server.kms import KmsEndpoint


@pytest.fixture(scope="module")
def kms() -> Iterator[KmsEndpoint]:
    with KmsEndpoint(aliases=["alias/one", "alias/two", "alias/off"]) as running:
        yield running


@pytest.fixture(params=FORMATS)
def scene(request: pytest.FixtureRequest) -> Scene:
    scene = Scene(LikeOss(), request.param)
    scene.put()
    return scene


def kms_key(kms: KmsEndpoint, alias: str) -> cb.AliKmsKey:
    access = cb.Credentials(kms.access_key_id, kms.access_key_secret, kms.security_token)
    settings = cb.KmsSettings(endpoint=kms.url, credentials=access)
    return cb.AliKmsKey(kms.key_id(alias), settings, description={"desc": alias})


@pytest.mark.parametrize("verb", ["rewrap", "reencrypt"])
def test_from_a_file_to_the_kms_to_another_of_its_keys_and_back(
    kms: KmsEndpoint, scene: Scene, verb: str
) -> None:
    one, two = kms_key(kms, "alias/one"), kms_key(kms, "alias/two")
    for writes, reads in ((one, scene.old), (two, one), (scene.new, two)):
        now = getattr(cb.rotation, verb)(scene.bucket(writes, reads), scene.name)
        assert labels(now) == [writes.description["desc"]]
        assert scene.bucket(writes).get(scene.name).read() == SMALL
        with pytest.raises(cb.NoMatchingKeyError):
            scene.bucket(reads).get(scene.name)
    scene.assert_law()


def test_with_a_forced_key_of_the_kms_what_is_done_is_found_done(
    kms: KmsEndpoint, scene: Scene
) -> None:
    """A KMS opens what any of its keys wrapped, so that this cannot tell whose an object is."""
    one, two = kms_key(kms, "alias/one"), kms_key(kms, "alias/two")
    cb.rotation.rewrap(scene.bucket(one, scene.old), scene.name)
    bucket = scene.bucket(two)
    with cb.rotation.rewrap_all(bucket, key=one) as report:
        assert report.done.objects == 1
    before = scene.store.head(scene.name)
    with cb.rotation.rewrap_all(bucket, key=one) as report:
        assert dict(report.reasons) == {"under the new key already": 1}
    assert scene.store.head(scene.name) == before


def test_an_alias_that_leads_to_another_key_is_rotated_away_from_by_that_keys_id(
    kms: KmsEndpoint, scene: Scene
) -> None:
    """docs/rotation.md: the alias is all that the objects tell."""
    old, new = (kms_key(kms, f"alias/{which}") for which in ("one", "two"))
    under_alias = cb.AliKmsKey(old.id, old._settings, description={"kms": "alias/any"})
    cb.rotation.rewrap(scene.bucket(under_alias, scene.old), scene.name)
    moved = cb.AliKmsKey(new.id, new._settings, description={"kms": "alias/any"})
    by_id = cb.AliKmsKey(new.id, new._settings)
    with cb.rotation.rewrap_all(scene.bucket(moved)) as report:
        assert dict(report.reasons) == {"under the new key already": 1}
    reads = cb.AliKmsKey("alias/one", old._settings, description={"kms": "alias/any"})
    with cb.rotation.rewrap_all(scene.bucket(by_id, reads)) as report:
        assert report.done.objects == 1
    only_new = cb.AliKmsKey(new.id, new._settings, allowed=[])
    assert scene.bucket(only_new).get(scene.name).read() == SMALL


@pytest.mark.parametrize("verb", ["rewrap", "reencrypt"])
def test_a_key_that_is_disabled_changes_nothing(kms: KmsEndpoint, scene: Scene, verb: str) -> None:
    """Neither as the new key nor as the old one."""
    off = kms_key(kms, "alias/off")
    off._client._call("EnableKey", "", KeyId=off.id)
    scene.bucket(off).put("under it", SMALL)
    off._client._call("DisableKey", "", KeyId=off.id)
    before = [scene.store.head(name) for name in (scene.name, "under it")]
    with pytest.raises(cb.KmsError):
        getattr(cb.rotation, verb)(scene.bucket(off, scene.old), scene.name)
    with pytest.raises(cb.KmsError):
        getattr(cb.rotation, verb)(scene.bucket(scene.new, off), "under it")
    assert [scene.store.head(name) for name in (scene.name, "under it")] == before
    assert scene.store.list_uploads() == []


def test_a_pass_under_a_disabled_key_ends_and_goes_on_later(kms: KmsEndpoint, scene: Scene) -> None:
    """A hundred objects in a row that the KMS refuses stop the pass; then it goes on."""
    off = kms_key(kms, "alias/off")
    off._client._call("EnableKey", "", KeyId=off.id)
    for number in range(110):
        scene.put(b"small", f"many/{number:03}")
    off._client._call("DisableKey", "", KeyId=off.id)
    bucket = scene.bucket(off, scene.old)
    with pytest.raises(cb.KmsError):
        cb.rotation.rewrap_all(bucket, "many/", workers=2)
    assert scene.label("many/000") == "old"
    off._client._call("EnableKey", "", KeyId=off.id)
    with cb.rotation.rewrap_all(bucket, "many/", workers=4) as report:
        assert (report.done.objects, report.failed.objects) == (110, 0)
    assert {scene.label(entry.name) for entry in bucket.list("many/")} == {"alias/off"}
