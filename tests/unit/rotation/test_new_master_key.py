"""`bucket.rewrap` in itself: which recipient goes, what is refused, that no cipher is at work."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.counts import count
from tests.support.envelopes import v1
from tests.support.rotation_scenes import (
    FORMATS,
    LARGE,
    SMALL,
    LikeOss,
    Requests,
    Scene,
    Unconditional,
    key_for,
    labels,
    rsa_pair,
    small_parts,
)

import cipherbucket as cb
from cipherbucket.errors import CipherbucketError
from cipherbucket.format.crc64 import Crc
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.sealed import Sealed
from cipherbucket.rotation.new_master_key import is_of
from cipherbucket.stores.records import NOTHING, StoredObject

KEYS = {label: key_for("sealed", label) for label in ("old", "new", "third", "fourth")}


@pytest.fixture
def scene(store: cb.MemoryStore) -> Scene:
    scene = Scene(store, "sealed")
    scene.bucket(recipients=[KEYS["third"], KEYS["fourth"]]).put(scene.name, scene.plain)
    return scene


def test_the_recipient_that_opens_it_is_replaced_in_its_place(scene: Scene) -> None:
    assert labels(scene.rotated()) == ["new", "third", "fourth"]
    for label in ("new", "third", "fourth"):
        assert scene.bucket(KEYS[label]).get(scene.name).read() == scene.plain


def test_key_says_which_is_replaced(scene: Scene) -> None:
    now = cb.rotation.rewrap(scene.bucket(KEYS["old"]), scene.name, KEYS["new"], key=KEYS["third"])
    assert labels(now) == ["old", "new", "fourth"]


def test_one_that_has_the_new_key_is_left_alone(scene: Scene) -> None:
    before = scene.store.head(scene.name)
    now = cb.rotation.rewrap(scene.bucket(KEYS["old"]), scene.name, KEYS["third"])
    assert labels(now) == ["old", "third", "fourth"]
    assert scene.store.head(scene.name) == before


def test_one_that_has_the_new_key_loses_the_old_one_by_name(scene: Scene) -> None:
    now = cb.rotation.rewrap(scene.bucket(KEYS["old"]), scene.name, KEYS["third"], key=KEYS["old"])
    assert labels(now) == ["third", "fourth"]


@pytest.mark.parametrize("label", [KEYS["third"], {"desc": "third"}], ids=["key", "description"])
def test_only_says_which_is_replaced(scene: Scene, label: Any) -> None:
    scene.bucket(recipients=[]).put("other", b"of old alone")
    with cb.rotation.rewrap_all(scene.bucket(KEYS["old"]), "", KEYS["new"], only=label) as report:
        assert report.done.objects == 1
        assert dict(report.reasons) == {"of another key": 1}
    assert scene.label("other") == "old"
    assert labels(scene.bucket().head(scene.name)) == ["old", "new", "fourth"]


def test_a_recipient_outside_the_ring_with_the_label_of_the_new_key(scene: Scene) -> None:
    namesake = cb.AesKey(bytes(32), description={"desc": "fourth"})
    before = scene.store.head(scene.name)
    # By its label it is there already: which key that is the store does not tell.
    scene.rotated(to=namesake)
    assert scene.store.head(scene.name) == before


@pytest.mark.parametrize("field", ["cipherbucket-recipients", "cipherbucket-mac"])
def test_recipients_that_no_owner_wrote_are_not_carried_on(scene: Scene, field: str) -> None:
    stored = scene.store.head(scene.name)
    scene.bucket(KEYS["new"]).put("other", b"")
    theirs = scene.store.head("other").metadata[field]
    scene.store.replace_metadata(
        scene.name, metadata={**stored.metadata, field: theirs}, headers=None
    )
    before = scene.store.head(scene.name)
    with pytest.raises(cb.SecurityError):
        cb.rotation.rewrap(
            scene.bucket(KEYS["old"], KEYS["new"]), scene.name, KEYS["fourth"], key=KEYS["old"]
        )
    assert scene.store.head(scene.name) == before


def test_objects_of_the_v1_format_keep_their_envelope(key: cb.RsaKey) -> None:
    store = cb.MemoryStore()
    store.put("v1", b"body", metadata=v1())
    before = store.head("v1")
    with pytest.raises(cb.PolicyError, match="oss-v1 keep their envelope") as refused:
        cb.rotation.rewrap(cb.Bucket(store, cb.KeyRing(key)), "v1")
    assert refused.value.hint is not None
    assert "reencrypt" in refused.value.hint
    assert store.head("v1") == before


def test_a_truncated_object_is_not_given_a_new_envelope(key: cb.RsaKey) -> None:
    store = LikeOss()
    bucket = cb.Bucket(store, cb.KeyRing(key))
    bucket.put("cut", bytes(100))
    metadata = store.head("cut").metadata
    store.put("cut", bytes(99), metadata=metadata)
    with pytest.raises(cb.IntegrityError, match="99 bytes are stored of 100"):
        cb.rotation.rewrap(bucket, "cut", key_for("oss", "new"))


def test_an_object_with_a_random_iv_is_rewrapped(key: cb.RsaKey) -> None:
    bucket = cb.Bucket(store_with_random_iv(key), cb.KeyRing(key))
    before = bucket.get("random").read()
    new = key_for("oss", "new")
    cb.rotation.rewrap(bucket, "random", new)
    stream = cb.Bucket(bucket.access.store, cb.KeyRing(new)).get("random")
    assert (stream.read(), stream.info.iv) == (before, "random")


def test_a_wrong_key_does_not_rewrap_an_object_with_a_random_iv(key: cb.RsaKey) -> None:
    """Rewrapped by one it would be lost."""
    store = store_with_random_iv(key)
    before = store.head("random")
    wrong = cb.Bucket(store, cb.KeyRing(cb.RsaKey(rsa_pair("wrong"), description=key.description)))
    with pytest.raises(cb.WrongKeyError):
        cb.rotation.rewrap(wrong, "random", key_for("oss", "new"))
    assert store.head("random") == before


def test_a_strict_bucket_does_not_rewrap_an_object_with_a_random_iv(key: cb.RsaKey) -> None:
    store = store_with_random_iv(key)
    strict = cb.Bucket(store, cb.KeyRing(key), policy=cb.Policy(strict_iv=True))
    with pytest.raises(cb.PolicyError, match="random in all"):
        cb.rotation.rewrap(strict, "random", key_for("oss", "new"))


def test_a_random_iv_is_not_wrapped_by_a_key_that_could_not_read_it(
    key: cb.RsaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_with_random_iv(key)
    before = store.head("random")
    new = key_for("oss", "new")
    monkeypatch.setattr(new, "_is_foretold", False)
    with pytest.raises(cb.MasterKeyError, match="IV is random") as refused:
        cb.rotation.rewrap(cb.Bucket(store, cb.KeyRing(key)), "random", new)
    assert "reencrypt" in str(refused.value.hint)
    assert store.head("random") == before


def store_with_random_iv(key: cb.RsaKey) -> cb.MemoryStore:
    store = cb.MemoryStore()
    cb.Bucket(store, cb.KeyRing(key)).put("random", b"body")
    start = key.wrap(bytes(range(16)), algorithm=key.algorithm_for("oss"), context=b"")
    changed = {"client-side-encryption-start": base64.b64encode(start).decode()}
    store.put("random", b"body", metadata={**store.head("random").metadata, **changed})
    return store


@pytest.mark.parametrize("kind", FORMATS)
def test_an_envelope_of_another_object_is_handed_on_in_format_oss_alone(kind: str) -> None:
    """docs/security.md, note 35: who moves it here has its data key wrapped for the new key."""
    scene = Scene(cb.MemoryStore(), kind)
    scene.put()
    secret = scene.store.head(scene.name)
    with scene.store.get(scene.name) as incoming:
        body = bytearray(incoming.stop)
        incoming.readinto(body)
    scene.store.put("theirs", body, metadata=envelope_of(secret))
    before = scene.store.head("theirs")
    if kind == "oss":
        cb.rotation.rewrap(scene.bucket(), "theirs", scene.new)
        assert scene.read(scene.new, name="theirs") == SMALL
    else:
        with pytest.raises(cb.BindingError):
            cb.rotation.rewrap(scene.bucket(), "theirs", scene.new)
        assert scene.store.head("theirs") == before


def envelope_of(stored: StoredObject) -> dict[str, str]:
    return {name: text for name, text in stored.metadata.items() if name != "owner"}


@pytest.mark.parametrize("kind", FORMATS)
def test_no_cipher_is_at_work(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ciphertext is neither decrypted nor encrypted, whatever the store."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a rewrap has nothing to decrypt or encrypt")

    small_parts(monkeypatch)
    for store in (cb.MemoryStore(), LikeOss(), Unconditional()):
        scene = Scene(store, kind, LARGE)
        scene.put()
        with monkeypatch.context() as patched:
            patched.setattr(Ctr, "stream", refuse)
            patched.setattr(Ctr, "encrypt", refuse)
            patched.setattr(Sealed, "decrypt", refuse)
            patched.setattr(Sealed, "encrypt", refuse)
            scene.rotated()
        assert scene.read(scene.new) == LARGE


@pytest.mark.parametrize("kind", FORMATS)
def test_the_body_stays_bit_for_bit_and_where_it_can_it_does_not_move(kind: str) -> None:
    scene = Scene(cb.MemoryStore(), kind)
    before = scene.put()
    requests = Requests(scene.store)
    now = scene.rotated()
    assert not {"get", "put", "begin_upload"} & set(requests.names)
    assert (now.etag, now.crc64) == (before.etag, before.crc64)


class NvmeLikeOss(LikeOss):
    """One whose body moves, and that keeps the CRC-64 of S3."""

    crc = Crc.NVME


@pytest.mark.parametrize("plain", [SMALL, LARGE], ids=["one piece", "parts"])
def test_a_body_that_moves_is_compared_by_the_kind_that_the_store_keeps(plain: bytes) -> None:
    pytest.importorskip("awscrt")
    scene = Scene(NvmeLikeOss(), "oss", plain)
    before = scene.put()
    now = scene.rotated()
    assert now.etag != before.etag
    assert (now.crc, now.crc64) == (before.crc, before.crc64)
    assert now.crc is Crc.NVME
    assert scene.read(scene.new) == plain


class OtherBytes(NvmeLikeOss):
    """One whose object has our envelope and other bytes as soon as it was rewritten."""

    told: Mapping[str, Any] = NOTHING
    rewritten = False

    def _put(self, *args: Any) -> StoredObject:
        self.rewritten = bool(self._objects)
        return super()._put(*args)

    def _head(self, *args: Any) -> StoredObject:
        stored = super()._head(*args)
        return replace(stored, **self.told) if self.rewritten else stored


@pytest.mark.parametrize(
    ("told", "other"),
    [
        ({"crc64": 1}, True),
        ({"crc64": Crc.XZ.of(SMALL)}, True),
        ({"crc64": None}, False),
        ({"crc64": 1, "crc": Crc.XZ}, False),
    ],
)
def test_bytes_that_are_known_to_be_others_are_another_writers(
    told: dict[str, Any], other: bool
) -> None:
    pytest.importorskip("awscrt")
    store = OtherBytes()
    scene = Scene(store, "oss")
    scene.put()
    store.told = told
    if other:
        with pytest.raises(cb.ObjectChangedError, match="as soon as it was rewrapped"):
            scene.rotated()
    else:
        assert labels(scene.rotated()) == ["new"]


def test_a_label_tells_a_recipient(scene: Scene) -> None:
    envelope = scene.bucket().head(scene.name).envelope
    assert envelope is not None
    first, second, _ = envelope.recipients
    assert is_of(first, KEYS["old"])
    assert is_of(first, {"desc": "old"})
    assert is_of(first, first)
    assert not is_of(first, second)
    assert not is_of(first, KEYS["new"])
    assert not is_of(first, key_for("oss", "old")), "of another kind"


ACTS = st.tuples(
    st.sampled_from(["rewrap", "reencrypt"]),
    st.sampled_from(["new", "third"]),
    st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["before", "after"])), max_size=2),
)


@settings(max_examples=count(5000, 150), deadline=None)
@given(
    kind=st.sampled_from(FORMATS),
    make=st.sampled_from([cb.MemoryStore, LikeOss, Unconditional]),
    large=st.booleans(),
    first=ACTS,
    second=ACTS,
    at=st.integers(1, 12),
)
def test_after_any_interleaving_it_opens_with_one_of_the_keys(
    kind: str, make: type[cb.MemoryStore], large: bool, first: Any, second: Any, at: int
) -> None:
    """One rotates in the midst of another, with answers lost and requests failing on both sides."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        small_parts(monkeypatch)
        monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
        scene = Scene(make(), kind)
        scene.put(LARGE if large else b"small")
        requests = Requests(scene.store)

        def act(verb: str, label: str) -> None:
            labelled = [key_for(kind, each) for each in ("new", "third", "old") if each != label]
            bucket = scene.bucket(key_for(kind, label), *labelled)
            with suppress(CipherbucketError):  # the law holds all the same
                getattr(cb.rotation, verb)(bucket, scene.name)

        def break_in(when: str) -> Any:
            def broken(number: int, _: str) -> None:
                if when == "before" and number == at:
                    act(*second[:2])
                if (number, when) in first[2]:
                    raise cb.TransientStoreError("the connection broke")

            return broken

        requests.before, requests.after = break_in("before"), break_in("after")
        act(*first[:2])
        requests.forget()
        keys = [key_for(kind, label) for label in ("old", "new", "third")]
        assert scene.read(*keys) == scene.plain
        info = scene.bucket().head(scene.name)
        assert dict(info.metadata) == {"owner": "mé"}
        act("rewrap", "new")
        assert scene.read(keys[1]) == scene.plain
