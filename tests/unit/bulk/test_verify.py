"""Verifying: what can be read is told so, and what cannot is told why."""

from datetime import timedelta

import pytest
from tests.support.counting_store import CountingStore
from tests.support.envelopes import v1
from tests.support.sealed_buckets import aes, body_of, sealed

import cipherbucket as cb
from cipherbucket.bulk import ledger as ledgers
from cipherbucket.stores.base import Store

ANY = cb.Policy(["oss", "oss-v1", "sealed"], plaintext=True)


@pytest.fixture
def vault() -> cb.AesKey:
    return aes("vault")


@pytest.fixture
def full(any_store: Store, key: cb.RsaKey, vault: cb.AesKey) -> cb.Bucket:
    """Return a bucket that reads all, with one object of each kind and some that are not sound."""
    cb.Bucket(any_store, cb.KeyRing(key)).put("a-oss", b"x" * 3_000_000)
    sealed(any_store, vault).put("b-sealed", b"y" * 3_000_000)
    any_store.put("c-plain", b"12")
    any_store.put("d-unreadable", b"1", metadata=v1(**{"oss-crypto-key": "!"}))
    sealed(any_store, vault).put("e-flipped", b"z" * 50_000)
    stored = any_store.head("e-flipped")
    body = bytearray(body_of(any_store, "e-flipped"))
    body[30_000] ^= 1
    any_store.put("e-flipped", bytes(body), metadata=stored.metadata)
    cb.Bucket(any_store, cb.KeyRing(key)).put("f-cut", b"x" * 500)
    stored = any_store.head("f-cut")
    any_store.put("f-cut", body_of(any_store, "f-cut")[:400], metadata=stored.metadata)
    return cb.Bucket(any_store, cb.KeyRing(key, vault), policy=ANY)


def test_one_object_is_read_through_or_what_get_raises_is_raised(full: cb.Bucket) -> None:
    assert cb.verify(full, "a-oss").size == cb.verify(full, "b-sealed").size == 3_000_000
    assert cb.verify(full, "c-plain").format == "plaintext"
    for name, error in (
        ("d-unreadable", cb.EnvelopeError),
        ("e-flipped", cb.IntegrityError),
        ("f-cut", cb.IntegrityError),
        ("nothing", cb.ObjectNotFoundError),
    ):
        with pytest.raises(error) as caught:
            cb.verify(full, name)
        assert caught.value.name == name


def test_a_policy_is_kept(store: cb.MemoryStore, bucket: cb.Bucket) -> None:
    store.put("plain", b"12")
    with pytest.raises(cb.PolicyError):
        cb.verify(bucket, "plain")
    with cb.verify_all(bucket) as came:
        assert [(each.error, each.status) for each in came.objects()] == [("PolicyError", "failed")]


def test_all_objects_are_read_and_failures_are_told_with_reasons(full: cb.Bucket) -> None:
    with cb.verify_all(full, workers=3) as came:
        assert {status: number for status, (number, _) in came.counts.items()} == {
            "failed": 3,
            "plaintext": 1,
            "verified": 2,
        }
        assert came.failed.objects == 3
        assert [(each.name, each.error) for each in came.failures()] == [
            ("d-unreadable", "EnvelopeError"),
            ("e-flipped", "IntegrityError"),
            ("f-cut", "IntegrityError"),
        ]
        assert [each.format for each in came.objects()][:3] == ["oss", "sealed", "plaintext"]
        assert [line["type"] for line in came.lines()] == ["object"] * 6 + ["verify"]


def test_what_was_verified_is_not_read_again_after_a_failure(
    key: cb.RsaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "_MOMENT", timedelta(0))
    store = CountingStore()
    bucket = cb.Bucket(store, cb.KeyRing(key), policy=ANY)
    bucket.put("good", b"x")
    bucket.put("bad", b"xyz")
    kept = store.head("bad").metadata
    sound = body_of(store, "bad")
    store.put("bad", b"x", metadata=kept)
    with cb.verify_all(bucket) as came:
        assert came.failed.objects == 1
    store.put("bad", sound, metadata=kept)
    store.forget()
    with cb.verify_all(bucket) as came:
        assert came.counts == {"verified": (2, 4)}
        assert came.resumed == 1
    assert len(store.gets) == 1
    store.forget()
    with cb.verify_all(bucket) as came:  # all was well: the next looks at everything
        assert came.failed.objects == 0
    assert len(store.gets) == 2


def test_a_key_and_a_context_open_what_is_read(store: cb.MemoryStore, vault: cb.AesKey) -> None:
    bucket = sealed(store, vault)
    bucket.put("bound", b"x", context={"tenant": "7"})
    with cb.verify_all(bucket, context={"tenant": "7"}) as came:
        assert came.failed.objects == 0
    with cb.verify_all(bucket, context={"tenant": "8"}) as came:
        assert [each.error for each in came.failures()] == ["BindingError"]
    other = cb.Bucket(store, cb.KeyRing(aes("other")), format="sealed")
    with cb.verify_all(other, key=vault, context={"tenant": "7"}) as came:
        assert came.failed.objects == 0


def test_what_was_verified_a_moment_after_it_was_written_is_read_again(
    store: cb.MemoryStore, vault: cb.AesKey
) -> None:
    bucket = sealed(store, vault)
    bucket.put("o", b"x")
    store.put("bad", b"x")
    with cb.verify_all(bucket) as came:
        assert came.counts["verified"][0] == came.failed.objects == 1
    stored = store.head("o")  # the same body in the same second, with other metadata
    metadata = {**stored.metadata, "cipherbucket-mac": "A" * 43 + "="}
    store.replace_metadata("o", metadata=metadata, headers=None)
    with cb.verify_all(bucket) as came:
        assert came.failed.objects == 2


def test_what_was_verified_and_is_gone_is_not_counted(
    store: cb.MemoryStore, vault: cb.AesKey
) -> None:
    bucket = sealed(store, vault)
    bucket.put("o", b"x")
    store.put("bad", b"x")
    with cb.verify_all(bucket) as came:
        assert came.failed.objects == 1
    store.delete("o")
    with cb.verify_all(bucket) as came:
        assert came.counts.keys() == {"failed"}
