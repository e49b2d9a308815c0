"""What labels make of a rotation: wrong ones, two of one kind, damaged ones, the new key's own."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.envelopes import v1
from tests.support.rotation_scenes import (
    FORMATS,
    SMALL,
    LikeOss,
    Requests,
    Scene,
    key_for,
    labels,
    public_half,
    rsa_pair,
)

import cipherbucket as cb
from cipherbucket.keys.base import MasterKey


def described(kind: str, secret: str, label: str) -> MasterKey:
    key = key_for(kind, secret)
    assert isinstance(key, cb.AesKey | cb.RsaKey)
    return key.described({"desc": label})


@pytest.fixture(params=FORMATS)
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(cb.MemoryStore(), request.param)


def mislabelled(scene: Scene) -> None:
    """Put an object of the old key that says it is of the new one."""
    scene.bucket(described(scene.format, "old", "new")).put(scene.name, SMALL)
    assert not scene.opens(scene.new)


@pytest.mark.parametrize("verb", ["rewrap", "rewrap_all"])
def test_an_object_that_is_wrongly_described_as_of_the_new_key(scene: Scene, verb: str) -> None:
    mislabelled(scene)
    bucket = scene.bucket(scene.new)
    if verb == "rewrap":
        cb.rotation.rewrap(bucket, scene.name, key=scene.old)
    else:
        with cb.rotation.rewrap_all(bucket, key=scene.old) as report:
            assert (report.done.objects, report.skipped.objects) == (1, 0)
    assert scene.read(scene.new) == SMALL
    assert not scene.opens(scene.old)


def test_with_a_forced_key_what_is_done_is_found_done(scene: Scene) -> None:
    scene.put()
    bucket = scene.bucket(scene.new)
    cb.rotation.rewrap(bucket, scene.name, key=scene.old)
    before = scene.store.head(scene.name)
    assert labels(cb.rotation.rewrap(bucket, scene.name, key=scene.old)) == ["new"]
    with cb.rotation.rewrap_all(bucket, key=scene.old) as report:
        assert dict(report.reasons) == {"under the new key already": 1}
        assert report.failed.objects == 0
    assert scene.store.head(scene.name) == before


def test_a_pass_takes_the_named_key_from_objects_that_have_the_new_one() -> None:
    scene = Scene(cb.MemoryStore(), "sealed")
    scene.bucket(recipients=[scene.new]).put(scene.name, SMALL)
    with cb.rotation.rewrap_all(scene.bucket(scene.new), key=scene.old) as report:
        assert (report.done.objects, report.skipped.objects) == (1, 0)
    assert labels(scene.bucket().head(scene.name)) == ["new"]


def test_all_recipients_of_a_description_are_replaced_at_once() -> None:
    """An RSA key and an AES key may share it."""
    scene = Scene(cb.MemoryStore(), "sealed")
    scene.bucket(recipients=[public_half("old"), key_for("sealed", "third")]).put(scene.name, SMALL)
    with cb.rotation.rewrap_all(scene.bucket(scene.new, scene.old), only={"desc": "old"}) as report:
        assert report.done.objects == 1
    assert labels(scene.bucket().head(scene.name)) == ["new", "third"]
    namesake = cb.RsaKey(rsa_pair("old"), description={"desc": "old"})
    with pytest.raises(cb.NoMatchingKeyError):
        scene.read(namesake)
    assert scene.read(scene.new) == SMALL


def test_nothing_to_do_is_not_told_as_done(scene: Scene) -> None:
    scene.bucket(scene.new).put(scene.name, SMALL)
    before = scene.store.head(scene.name)
    with cb.rotation.rewrap_all(scene.bucket(scene.new), only={"desc": "new"}) as report:
        assert (report.done.objects, dict(report.reasons)) == (0, {"under the new key already": 1})
        assert report.moved == 0
    assert scene.store.head(scene.name) == before


@pytest.mark.parametrize("verb", ["rewrap_all", "reencrypt_all"])
def test_a_damaged_description_is_told_and_not_taken_for_another_keys(verb: str) -> None:
    scene = Scene(cb.MemoryStore(), "oss")
    scene.put()
    damaged = {**scene.store.head(scene.name).metadata, "client-side-encryption-matdesc": '{"desc"'}
    scene.store.replace_metadata(scene.name, metadata=damaged, headers=None)
    bucket = scene.bucket(scene.new, scene.old)
    with getattr(cb.rotation, verb)(bucket, only={"desc": "old"}) as report:
        assert (report.skipped.objects, report.failed.objects) == (0, 1)
        (failure,) = report.failures()
        assert failure.error == "EnvelopeError"


def test_a_dry_run_tells_what_could_not_be_done(key: cb.RsaKey) -> None:
    store = LikeOss()
    bucket = cb.Bucket(store, cb.KeyRing(key))
    store.put("v1", b"body", metadata=v1())
    bucket.put("cut", bytes(100))
    store.put("cut", bytes(99), metadata=store.head("cut").metadata)
    with cb.rotation.rewrap_all(bucket, to=key_for("oss", "new"), dry_run=True) as report:
        assert (report.due.objects, report.moved) == (0, 0)
        errors = {each.name: each.error for each in report.failures()}
    assert errors == {"cut": "IntegrityError", "v1": "PolicyError"}


def test_nothing_is_wrapped_that_the_bucket_would_not_read() -> None:
    scene = Scene(cb.MemoryStore(), "oss")
    scene.put()
    strict = scene.bucket(policy=cb.Policy(min_rsa_bits=3072))
    long = cb.RsaKey(rsa.generate_private_key(65537, 3072), description={"desc": "long"})
    cb.Bucket(scene.store, cb.KeyRing(long)).put(scene.name, SMALL)
    before = scene.store.head(scene.name)
    with pytest.raises(cb.PolicyError, match="3072 bits or more"):
        cb.rotation.rewrap(strict, scene.name, scene.new, key=long)
    assert scene.store.head(scene.name) == before


def test_a_store_that_lists_other_names_has_them_left_alone(scene: Scene) -> None:
    scene.put()
    scene.put(name="other")
    requests = Requests(scene.store)
    listed = scene.store.list
    scene.store.list = lambda *_, **__: listed()  # type: ignore[method-assign]
    with cb.rotation.rewrap_all(scene.bucket(scene.new, scene.old), "folder/") as report:
        assert (report.done.objects, report.failed.objects) == (1, 1)
        (failure,) = report.failures()
        assert "not asked for" in failure.reason
    assert "head" in requests.names
    assert scene.label("other") == "old"
