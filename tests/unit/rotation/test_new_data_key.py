"""`bucket.reencrypt` in itself: under which keys it writes, what it refuses, its rate."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.counts import count
from tests.support.rotation_scenes import (
    FORMATS,
    LARGE,
    PART,
    Requests,
    Scene,
    key_for,
    rsa_pair,
    small_parts,
)
from tests.support.transfer_scenes import Wire

import cipherbucket as cb
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.format.sealed import wrap_context


def data_key(scene: Scene, label: str) -> bytes:
    """Unwrap an object's data key, as its owner can."""
    envelope = scene.bucket().head(scene.name).envelope
    assert envelope is not None
    first: Recipient = envelope.recipients[0]
    context = b"" if envelope.seal is None else wrap_context(envelope.seal.object_id)
    key = key_for(scene.format, label)
    return key.unwrap(first.wrapped_key, algorithm=first.algorithm, context=context)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_time_under_another_data_key(kind: str, store: cb.MemoryStore) -> None:
    scene = Scene(store, kind)
    scene.put()
    seen = {data_key(scene, "old")}
    bucket = scene.bucket(scene.new, scene.old)
    for _ in range(3):
        cb.rotation.reencrypt(bucket, scene.name)
        seen.add(data_key(scene, "new"))
    assert len(seen) == 4


@settings(max_examples=count(2000, 60), deadline=None)
@given(
    kind=st.sampled_from(FORMATS),
    size=st.sampled_from([0, 1, PART, PART + 1, len(LARGE)]),
    lost=st.lists(
        st.tuples(st.integers(1, 14), st.sampled_from(["before", "after"])), max_size=4, unique=True
    ),
)
def test_no_keystream_is_used_twice_whatever_is_lost(
    kind: str, size: int, lost: list[tuple[int, str]]
) -> None:
    """What left for one envelope and offset is always the same bytes; and no envelope of the
    store's is ever written under."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        small_parts(monkeypatch)
        monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
        scene = Scene(cb.MemoryStore(), kind)
        scene.put(LARGE[:size])
        before = scene.bucket().head(scene.name).envelope
        assert before is not None
        wire = Wire(scene.store, PART)
        requests = Requests(scene.store)

        def lose(when: str) -> Any:
            def losing(number: int, _: str) -> None:
                if (number, when) in lost:
                    raise cb.TransientStoreError("the connection broke")

            return losing

        requests.before, requests.after = lose("before"), lose("after")
        try:
            cb.rotation.reencrypt(scene.bucket(scene.new, scene.old), scene.name)
        except cb.TransientStoreError:
            assert len(lost) >= 1
        assert wire.ledger.conflicts == []
        assert all(before.identity not in identity for identity in wire.ledger.identities)
        requests.forget()
        assert scene.read() == scene.plain


@pytest.mark.parametrize("kind", FORMATS)
def test_an_envelope_that_changes_between_two_answers_is_refused(kind: str) -> None:
    """The store tells one envelope of the object, and brings the body with another."""
    scene = Scene(cb.MemoryStore(), kind)
    scene.put()
    told = scene.store.head(scene.name)
    other = scene.bucket().put("other", scene.plain)
    assert other.envelope is not None
    requests = Requests(scene.store)

    def swap(_: int, name: str) -> None:
        if name == "get":
            metadata = {**told.metadata, **other.envelope.to_metadata()}  # type: ignore[union-attr]
            scene.store.replace_metadata(scene.name, metadata=metadata, headers=None)

    requests.before = swap
    with pytest.raises(cb.SecurityError):
        cb.rotation.reencrypt(scene.bucket(scene.new, scene.old), scene.name)
    assert not {"put", "begin_upload"} & set(requests.names)


@pytest.mark.parametrize("kinds", ["oss", ["osss"], [""]])
def test_an_unknown_kind_is_refused(bucket: cb.Bucket, kinds: Any) -> None:
    with pytest.raises(cb.UsageError, match="is no list of kinds"):
        cb.rotation.reencrypt(bucket, "any", kinds=kinds)
    with pytest.raises(cb.UsageError, match="is no list of kinds"):
        cb.rotation.reencrypt_all(bucket, kinds=kinds)


def test_recipients_are_for_sealed_objects(bucket: cb.Bucket, other_key: cb.RsaKey) -> None:
    with pytest.raises(cb.UsageError, match="several recipients"):
        cb.rotation.reencrypt(bucket, "any", recipients=[other_key])


@pytest.mark.parametrize("verb", ["rewrap", "reencrypt"])
def test_what_is_not_there_is_named(bucket: cb.Bucket, verb: str) -> None:
    with pytest.raises(cb.ObjectNotFoundError, match="missing"):
        getattr(cb.rotation, verb)(bucket, "missing")


@pytest.mark.parametrize("kind", FORMATS)
def test_progress_tells_plaintext_bytes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small_parts(monkeypatch)
    scene = Scene(cb.MemoryStore(), kind)
    scene.put(LARGE)
    told: list[int] = []
    cb.rotation.reencrypt(
        scene.bucket(scene.new, scene.old), scene.name, progress=lambda done, _: told.append(done)
    )
    assert told == sorted(told)
    assert told[-1] == len(LARGE)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_store_that_keeps_less_than_it_was_sent_is_told(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer was lost, so that the object is known by its envelope and not by what was sent."""
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    scene = Scene(cb.MemoryStore(), kind)
    scene.put()
    put = scene.store.put

    def half(name: str, body: Any, **more: Any) -> Any:
        kept = b"".join(bytes(block) for block in body)
        put(name, kept[:-7], **more)
        raise cb.TransientStoreError("the answer was lost")

    scene.store.put = half  # type: ignore[method-assign]
    with pytest.raises(cb.IntegrityError, match="that were written anew"):
        cb.rotation.reencrypt(scene.bucket(scene.new, scene.old), scene.name)


def test_a_rate_slows_it_down(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    class Impatient:
        """An event that nobody sets; it writes down how long it was to be waited for."""

        def is_set(self) -> bool:
            return False

        def set(self) -> None:
            """Nobody does."""

        def wait(self, seconds: float) -> bool:
            waited.append(seconds)
            return False

    monkeypatch.setattr("cipherbucket.workers.threads.threading.Event", Impatient)
    scene = Scene(cb.MemoryStore(), "sealed")
    scene.put(LARGE)
    cb.rotation.reencrypt(scene.bucket(scene.new, scene.old), scene.name, limit_rate=len(LARGE))
    assert max(waited) > 0.9, "a second's worth of bytes"


def test_an_object_with_a_random_iv_is_written_anew_with_a_masked_one(key: cb.RsaKey) -> None:
    """By a wrong key it is not: random bytes would be the plaintext for ever."""
    store = cb.MemoryStore()
    cb.Bucket(store, cb.KeyRing(key)).put("foreign", b"body")
    start = key.wrap(bytes(range(16)), algorithm=key.algorithm_for("oss"), context=b"")
    changed = {"client-side-encryption-start": base64.b64encode(start).decode()}
    store.put("foreign", b"body", metadata={**store.head("foreign").metadata, **changed})
    bucket = cb.Bucket(store, cb.KeyRing(key))
    plaintext, before = bucket.get("foreign").read(), store.head("foreign")
    wrong = cb.RsaKey(rsa_pair("wrong"), description=key.description)
    with pytest.raises(cb.WrongKeyError):
        cb.rotation.reencrypt(cb.Bucket(store, cb.KeyRing(wrong)), "foreign")
    assert store.head("foreign") == before
    cb.rotation.reencrypt(bucket, "foreign")
    stream = bucket.get("foreign")
    assert (stream.read(), stream.info.iv) == (plaintext, "masked")
