"""What an audit finds: every kind of object, what is wrong with it, and which keys can go."""

import base64
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.envelopes import v1, v2
from tests.support.sealed_buckets import aes, body_of, public_half, sealed

import cipherbucket as cb
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import StoredObject


@contextmanager
def audited(bucket: cb.Bucket, **how: object) -> Iterator[cb.Audit]:
    with cb.audit.run(bucket, **how) as audit:  # type: ignore[arg-type]
        yield audit


def findings(bucket: cb.Bucket, **how: object) -> dict[str, tuple[str, ...]]:
    """Return what was found of each object."""
    with audited(bucket, **how) as audit:
        return {each.name: each.findings for each in audit.objects()}


def answer(bucket: cb.Bucket, key: cb.MasterKey | str, **how: object) -> cb.Retirement:
    known = [json.loads(key)] if isinstance(key, str) else []
    with audited(bucket, retire=[key], known=known, **how) as audit:
        return audit.answers[0]


def rewritten(store: cb.MemoryStore, name: str, **fields: str | None) -> None:
    """Put an object again with other metadata, as a hostile store can."""
    stored = store.head(name)
    metadata = {**stored.metadata, **{k.replace("_", "-"): v for k, v in fields.items()}}
    kept = {key: text for key, text in metadata.items() if text is not None}
    store.put(name, body_of(store, name), metadata=kept)


def rsa_key(label: str, bits: int = 2048) -> cb.RsaKey:
    pair = rsa.generate_private_key(65537, bits)
    return cb.RsaKey(pair, description={"desc": label}, allow_weak=True)


def test_an_object_bound_to_no_name_is_audited_whatever_the_policy(store: cb.MemoryStore) -> None:
    vault = aes("vault")
    writer = sealed(store, vault, policy=cb.Policy(unbound_names=True))
    writer.put("a", b"1", bind_name=False)
    with audited(sealed(store, vault)) as audit:
        (found,) = audit.objects()
    assert (found.findings, found.verified) == ((), True)


def test_every_kind_of_object_is_reported(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    vault = aes("vault")
    cb.Bucket(store, cb.KeyRing(key)).put("a-oss", b"12345")
    store.put("b-v1", b"123", metadata=v1())
    sealed(store, vault).put("c-sealed", b"1234567")
    store.put("d-plain", b"12")
    store.put("e-unreadable", b"1", metadata=v2(key="!"))
    with cb.audit.run(cb.Bucket(store, cb.KeyRing(key, vault))) as audit:
        reported = {each.name: each for each in audit.objects()}
        assert [(each.format, each.size) for each in reported.values()] == [
            ("oss", 5),
            ("oss-v1", 3),
            ("sealed", 7),
            ("plaintext", 2),
            ("unreadable", None),
        ]
        assert audit.summary.formats.keys() == {
            "oss", "oss-v1", "sealed", "plaintext", "unreadable",
        }  # fmt: skip
        assert audit.summary.objects == 5
        assert audit.summary.stored_size == sum(each.stored_size for each in reported.values())
        assert audit.summary.verified == 2
    (recipient,) = reported["a-oss"].recipients
    assert recipient.label == ("rsa", '{"desc":"tests"}')
    assert (recipient.bits, recipient.key_id, recipient.algorithm) == (
        2048, key.id, "RSA/NONE/PKCS1Padding",
    )  # fmt: skip
    assert reported["c-sealed"].recipients[0].bits is None
    assert reported["a-oss"].verified is reported["c-sealed"].verified is True
    assert reported["e-unreadable"].reason == "client-side-encryption-key: not canonical base64"
    assert reported["d-plain"].findings == ("plaintext",)
    assert reported["b-v1"].findings == ("unknown-key", "undescribed", "v1", "weak-rsa")
    assert reported["a-oss"].findings == reported["c-sealed"].findings == ()


def test_one_request_an_object_and_none_for_a_body(key: cb.RsaKey) -> None:
    from tests.support.counting_store import CountingStore

    store = CountingStore()
    bucket = sealed(store, key)
    for number in range(5):
        bucket.put(f"{number}", b"x")
    store.forget()
    with cb.audit.run(bucket):
        assert (store.heads, store.gets) == (5, [])
    store.forget()
    with cb.audit.run(bucket, footers=True):
        assert (store.heads, len(store.gets)) == (5, 5)


def test_without_keys_nothing_is_proved_and_no_key_is_missing(
    store: cb.MemoryStore, key: cb.RsaKey
) -> None:
    cb.Bucket(store, cb.KeyRing(key)).put("o", b"x")
    with cb.audit.run(cb.Bucket(store, cb.KeyRing())) as audit:
        (found,) = audit.objects()
        assert (found.findings, found.verified) == ((), None)
        assert audit.facts.notes[1].startswith("No envelope was opened")


@pytest.mark.parametrize("kind", ["oss", "sealed"])
def test_a_key_under_anothers_description_is_found_out(
    store: cb.MemoryStore, key: cb.RsaKey, other_key: cb.RsaKey, kind: str
) -> None:
    cb.Bucket(store, cb.KeyRing(other_key), format=kind).put("o", b"x")
    bucket = cb.Bucket(store, cb.KeyRing(key))
    assert findings(bucket) == {"o": ("wrong-key",)}
    asked = answer(bucket, '{"desc":"elsewhere"}')
    assert (asked.answer, asked.reasons) == (
        "unknown",
        ["1 object not opened by the key that they name"],
    )


def test_a_public_half_proves_nothing(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    cb.Bucket(store, cb.KeyRing(key)).put("o", b"x")
    with cb.audit.run(cb.Bucket(store, cb.KeyRing(public_half(key)))) as audit:
        (found,) = audit.objects()
        assert found.recipients[0].key_id == key.id
        assert found.verified is None


def test_altered_recipients_and_moved_objects_are_found(
    store: cb.MemoryStore, key: cb.RsaKey
) -> None:
    vault = aes("vault")
    bucket = sealed(store, vault)
    bucket.put("a", b"x")
    bucket.put("b", b"x", recipients=[public_half(key)])
    first = store.head("a").metadata
    store.put("moved", body_of(store, "a"), metadata=first)
    rewritten(store, "b", cipherbucket_mac=base64.b64encode(bytes(32)).decode())
    assert findings(bucket) == {"a": (), "b": ("altered",), "moved": ("moved",)}


def test_lengths_weak_keys_and_v1_are_found(store: cb.MemoryStore) -> None:
    weak = rsa_key("weak", 1024)
    cb.Bucket(store, cb.KeyRing(weak)).put("weak", b"xyz")
    cb.Bucket(store, cb.KeyRing(weak)).put("cut", b"xyz")
    store.put("cut", b"x", metadata=store.head("cut").metadata)
    assert findings(cb.Bucket(store, cb.KeyRing(weak))) == {
        "weak": ("weak-rsa",),
        "cut": ("length", "weak-rsa"),
    }


def test_an_rsa_key_for_both_formats_is_found_once(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    cb.Bucket(store, cb.KeyRing(key)).put("o", b"x")
    sealed(store, key).put("s", b"x")
    sealed(store, aes("tests")).put("t", b"x")  # of the same description, and another kind
    with cb.audit.run(cb.Bucket(store, cb.KeyRing(key))) as audit:
        (both,) = audit.summary.keys_in_both_formats()
        assert (both.label, both.objects) == (("rsa", '{"desc":"tests"}'), 2)
        assert audit.summary.findings["both-formats"] == (2, ["o", "s"])
        assert audit.summary.concerned == 3
        both_formats, strange = ("both-formats",), ("unknown-key",)
        assert [each.findings for each in audit.objects()] == [both_formats, both_formats, strange]


def test_removed_recipients_are_found_in_footers_only_when_asked(
    store: cb.MemoryStore, key: cb.RsaKey
) -> None:
    vault = aes("vault")
    bucket = sealed(store, vault)
    bucket.put("s", b"x", recipients=[public_half(key)])
    assert answer(bucket, key).answer == "no"
    cb.recipients.remove(bucket, "s", key)
    assert findings(bucket) == {"s": ()}
    assert findings(bucket, footers=True) == {"s": ("removed",)}
    asked = answer(bucket, key, footers=True)
    assert (asked.answer, asked.objects, asked.removed) == ("yes", 0, 1)
    assert answer(bucket, vault).alone == 1


def test_footers_that_are_anothers_and_stripped_bodies_are_found(store: cb.MemoryStore) -> None:
    bucket = sealed(store, aes("vault"))
    bucket.put("a", b"x")
    bucket.put("b", b"x")
    body = body_of(store, "b")
    store.put("stripped", body)
    store.put("a", body, metadata=store.head("a").metadata)
    store.put("b", body[:-1] + bytes([body[-1] ^ 1]), metadata=store.head("b").metadata)
    assert findings(bucket)["stripped"] == ("plaintext",)
    assert findings(bucket, footers=True) == {
        "a": ("footer",),
        "b": ("footer",),
        "stripped": ("stripped",),
    }


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (v2(key="!"), "1 object with an envelope that cannot be understood"),
        (v2(), "1 object with a key that is not described"),
        (v2(matdesc="no json"), "1 object with a key that is not described"),
        (v2() | v1(), "1 object with an envelope that cannot be understood"),
    ],
)
def test_what_could_be_of_any_key_makes_the_answer_unknown(
    store: cb.MemoryStore, key: cb.RsaKey, metadata: dict[str, str], reason: str
) -> None:
    store.put("o", b"x", metadata=metadata)
    asked = answer(cb.Bucket(store, cb.KeyRing()), key)
    assert (asked.answer, asked.reasons) == ("unknown", [reason])


def test_an_undescribed_rsa_object_says_nothing_of_aes_keys(store: cb.MemoryStore) -> None:
    store.put("o", b"x", metadata=v2())
    bucket = cb.Bucket(store, cb.KeyRing())
    assert answer(bucket, aes("vault")).answer == "yes"
    assert answer(bucket, '{"desc":"vault"}').answer == "unknown"  # of what kind is not known


def test_an_object_without_a_description_that_a_key_opened_is_of_that_key(
    store: cb.MemoryStore, key: cb.RsaKey
) -> None:
    nameless = cb.RsaKey(rsa.generate_private_key(65537, 2048))
    with pytest.warns(cb.CipherbucketWarning):
        cb.Bucket(store, cb.KeyRing(nameless)).put("o", b"x")
    assert answer(cb.Bucket(store, cb.KeyRing()), key).answer == "unknown"
    assert answer(cb.Bucket(store, cb.KeyRing(nameless)), key).answer == "yes"
    assert answer(cb.Bucket(store, cb.KeyRing(nameless)), nameless).answer == "no"


def test_a_key_of_the_ring_that_nothing_names_can_go(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    cb.Bucket(store, cb.KeyRing(key)).put("o", b"x")
    with cb.audit.run(cb.Bucket(store, cb.KeyRing(key, aes("unused")))) as audit:
        reported = {each.question.text: each.answer for each in audit.retirements}
    assert reported == {'{"desc":"tests"}': "no", '{"desc":"unused"}': "yes"}


def test_descriptions_are_compared_as_mappings(store: cb.MemoryStore) -> None:
    one = cb.RsaKey(rsa.generate_private_key(65537, 2048), description='{ "b":"2", "a":"1"}')
    cb.Bucket(store, cb.KeyRing(one)).put("o", b"x")
    assert answer(cb.Bucket(store, cb.KeyRing()), '{"a":"1","b":"2"}').answer == "no"
    assert answer(cb.Bucket(store, cb.KeyRing()), '{"a":"1"}').answer == "unknown"
    assert answer(cb.Bucket(store, cb.KeyRing()), '{"a":"2"}').answer == "yes"


class Vanishing(cb.MemoryStore):
    """Objects that go, or cannot be looked at, after they were listed."""

    def _head(self, name: str, version_id: str | None) -> StoredObject:
        if name.startswith("gone"):
            raise cb.ObjectNotFoundError("there is no such object")
        if name.startswith("refused"):
            raise cb.StoreError("AccessDenied (HTTP 403)")
        return super()._head(name, version_id)


def test_objects_that_vanish_or_are_refused_stop_nothing(key: cb.RsaKey) -> None:
    store = Vanishing()
    for name in ("a", "gone", "refused", "z"):
        cb.Bucket(store, cb.KeyRing(key)).put(name, b"x")
    bucket = cb.Bucket(store, cb.KeyRing(key))
    with cb.audit.run(bucket, retire=[aes("old")]) as audit:
        assert [(each.name, each.format) for each in audit.objects()] == [
            ("a", "oss"), ("gone", "gone"), ("refused", "failed"), ("z", "oss"),
        ]  # fmt: skip
        assert audit.summary.objects == 3
        assert audit.summary.findings == {"failed": (1, ["refused"])}
        (asked,) = audit.answers
        assert (asked.answer, asked.reasons) == ("unknown", ["1 object could not be looked at"])
        (refused,) = (each for each in audit.objects() if each.name == "refused")
        assert "403" in refused.reason


def test_a_hostile_store_cannot_fill_the_memory(store: cb.MemoryStore) -> None:
    long = "x" * 3000
    for number in range(600):
        text = f'{{"desc":"{number:03} {long}"}}'
        store.put(f"{number:03}", b"x", metadata=v2(matdesc=text))
    with cb.audit.run(cb.Bucket(store, cb.KeyRing())) as audit:
        assert len(audit.summary.keys) == 501
        assert audit.summary.keys["other", "more keys"].objects == 100  # type: ignore[index]
        for each in audit.objects():
            assert len(each.recipients[0].label.description) < 600
    # Cut or not, two that differ stay two, and one can be asked about.
    assert answer(cb.Bucket(store, cb.KeyRing()), f'{{"desc":"007 {long}"}}').first == ["007"]


def test_wrap_algorithms_are_counted_and_bounded(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    cb.Bucket(store, cb.KeyRing(key)).put("o", b"x")
    sealed(store, aes("vault")).put("s", b"1234567", recipients=[public_half(key)])
    with cb.audit.run(cb.Bucket(store, cb.KeyRing())) as audit:
        reported = {
            name: {kind: tally["objects"] for kind, tally in formats.items()}
            for name, formats in audit.report()["algorithms"].items()
        }
    assert reported == {
        "AES-256-KWP": {"sealed": 1},
        "RSA-OAEP-SHA-256": {"sealed": 1},
        "RSA/NONE/PKCS1Padding": {"oss": 1},
    }
    for number in range(30):
        store.put(f"{number}", b"x", metadata=v2(**{"wrap-alg": f"made-up-{number:02}"}))
    with cb.audit.run(cb.Bucket(store, cb.KeyRing())) as audit:
        assert len(audit.summary.algorithms) == 21
        assert audit.summary.algorithms["more algorithms"]["oss"][0] == 11


def test_no_secret_of_an_envelope_is_reported(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    cb.Bucket(store, cb.KeyRing(key)).put("o", b"x")
    sealed(store, key).put("s", b"x")
    wrapped = [
        text
        for name in ("o", "s")
        for field, text in store.head(name).metadata.items()
        if field.endswith(("-key", "-start", "-recipients", "-mac"))
    ]
    assert len(wrapped) == 4
    with cb.audit.run(cb.Bucket(store, cb.KeyRing(key)), footers=True) as audit:
        reported = str(list(audit.lines()))
        for suffix in ("", "-wal"):
            reported += Path(f"{audit._ledger.path}{suffix}").read_bytes().decode("latin-1")
        assert "PKCS1Padding" in reported
        reported += str([dataclasses.asdict(each) for each in audit.objects()])
        assert not any(text[:40] in reported for text in wrapped)


def test_only_the_prefix_is_looked_at(any_store: Store, key: cb.RsaKey) -> None:
    bucket = cb.Bucket(any_store, cb.KeyRing(key))
    for name in ("a/1", "a/2", "b/1"):
        bucket.put(name, b"x")
    assert findings(bucket, prefix="a/") == {"a/1": (), "a/2": ()}
    with pytest.raises(cb.UsageError, match="no versions") if not _versions(any_store) else _ok():
        cb.audit.run(bucket, versions=True).close()


@contextmanager
def _ok() -> Iterator[None]:
    yield


def _versions(store: Store) -> bool:
    return store.url.startswith("oss")


def test_where_a_look_gives_no_time_that_of_the_listing_counts(
    store: cb.MemoryStore, key: cb.RsaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = cb.Bucket(store, cb.KeyRing(key))
    bucket.put("a", b"1")
    (entry,) = bucket.list()
    head = cb.MemoryStore._head

    def timeless(self: cb.MemoryStore, name: str, version_id: str | None) -> StoredObject:
        never = datetime.fromtimestamp(0, UTC)
        return dataclasses.replace(head(self, name, version_id), modified=never)

    monkeypatch.setattr(cb.MemoryStore, "_head", timeless)
    with audited(bucket) as audit:
        (found,) = audit.objects()
    assert found.modified == entry.modified
