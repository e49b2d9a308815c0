"""Objects written anew where they are: leaked keys, removed recipients, other formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.envelopes import v1
from tests.support.rotation_scenes import (
    FORMATS,
    HEADERS,
    LARGE,
    METADATA,
    PART,
    SMALL,
    Requests,
    Scene,
    key_for,
    labels,
    small_parts,
)
from tests.support.sdk_vectors import Vector, ring_for, rsa_vectors

import cipherbucket as cb
from cipherbucket.stores.base import Store

V1 = [vector for vector in rsa_vectors() if vector.v1]
V2 = [vector for vector in rsa_vectors() if not vector.v1 and not vector.damaged]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    small_parts(monkeypatch)
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)


@pytest.fixture(params=FORMATS)
def scene(request: pytest.FixtureRequest, any_store: Store) -> Scene:
    for entry in any_store.list().entries:
        any_store.delete(entry.name)
    return Scene(any_store, request.param)


@pytest.mark.each_pair
@pytest.mark.parametrize("plain", [b"", b"x", SMALL, LARGE], ids=["0", "1", "small", "parts"])
def test_a_leaked_key_opens_nothing_any_more(scene: Scene, plain: bytes) -> None:
    """Not even with the envelope that somebody kept."""
    before = scene.put(plain)
    kept = dict(scene.store.head(scene.name).metadata)
    fixed = cb.rotation.reencrypt(scene.bucket(scene.new, scene.old), scene.name)

    assert labels(fixed) == ["new"]
    assert scene.bucket(scene.new).get(scene.name).read() == plain
    assert fixed.envelope is not None
    assert before.envelope is not None
    assert fixed.envelope.identity != before.envelope.identity
    scene.assert_law()
    with scene.store.get(scene.name) as incoming:
        body = bytearray(incoming.stop)
        incoming.readinto(body)
    elsewhere = Scene(cb.MemoryStore(), scene.format, plain)
    elsewhere.store.put(scene.name, body, metadata=kept)
    if plain:
        assert not elsewhere.opens(scene.old)


def test_a_removed_recipient_is_shut_out(any_store: Store) -> None:
    """Its old envelope opens the old body, which is gone; the footer names it no more."""
    scene = Scene(any_store, "sealed")
    third = key_for("sealed", "third")
    scene.put()
    cb.recipients.add(scene.bucket(), scene.name, third)
    kept = dict(scene.store.head(scene.name).metadata)
    cb.recipients.remove(scene.bucket(), scene.name, third)
    scene.store.replace_metadata(scene.name, metadata=kept, headers=None)
    assert scene.bucket(third).get(scene.name).read() == SMALL, "so far it still does"
    cb.recipients.remove(scene.bucket(), scene.name, third)

    cb.rotation.reencrypt(scene.bucket(), scene.name)

    scene.store.replace_metadata(scene.name, metadata=kept, headers=None)
    with pytest.raises(cb.SecurityError):
        scene.bucket(third).get(scene.name).read()
    footer = cb.recipients.footer(scene.bucket(), scene.name)
    assert [each.description["desc"] for each in footer.recipients] == ["old"]


def test_the_other_recipients_stay(any_store: Store) -> None:
    scene = Scene(any_store, "sealed")
    third, fourth = key_for("sealed", "third"), key_for("sealed", "fourth")
    scene.bucket(recipients=[third]).put(scene.name, SMALL)
    fixed = cb.rotation.reencrypt(scene.bucket(scene.new, scene.old, third), scene.name)
    assert labels(fixed) == ["new", "third"]
    assert scene.bucket(third).get(scene.name).read() == SMALL

    fixed = cb.rotation.reencrypt(scene.bucket(scene.new), scene.name, recipients=[fourth])
    assert labels(fixed) == ["new", "fourth"]
    fixed = cb.rotation.reencrypt(scene.bucket(scene.new), scene.name, recipients=[])
    assert labels(fixed) == ["new"]


def test_a_recipient_whose_key_is_not_at_hand_is_not_dropped_quietly(any_store: Store) -> None:
    scene = Scene(any_store, "sealed")
    scene.bucket(recipients=[key_for("sealed", "third")]).put(scene.name, SMALL)
    before = scene.store.head(scene.name)
    with pytest.raises(cb.MasterKeyError, match="is not in the ring"):
        cb.rotation.reencrypt(scene.bucket(scene.new, scene.old), scene.name)
    assert scene.store.head(scene.name) == before


@pytest.mark.parametrize("bind_name", [True, False])
@pytest.mark.parametrize("context", [{}, {"tenant": "a"}])
def test_name_and_context_stay_bound_as_they_were(
    any_store: Store, bind_name: bool, context: dict[str, str]
) -> None:
    scene, policy = Scene(any_store, "sealed"), cb.Policy(unbound_names=not bind_name)
    scene.bucket(policy=policy).put(scene.name, SMALL, bind_name=bind_name, context=context)
    both = scene.bucket(scene.new, scene.old, policy=policy)
    if context:
        with pytest.raises(cb.BindingError):
            cb.rotation.reencrypt(both, scene.name)
    fixed = cb.rotation.reencrypt(both, scene.name, context=context)
    assert fixed.envelope is not None
    assert fixed.envelope.seal is not None
    assert fixed.envelope.seal.binds_name == bind_name
    assert fixed.envelope.seal.binds_context == bool(context)
    assert scene.bucket(scene.new, policy=policy).get(scene.name, context=context).read() == SMALL


def to_sealed(store: Store, *further: cb.MasterKey) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing(key_for("sealed", "new"), *further), format="sealed")


@pytest.mark.parametrize("plain", [b"", SMALL, LARGE], ids=["0", "small", "parts"])
def test_oss_becomes_sealed_by_name_alone(any_store: Store, plain: bytes) -> None:
    scene = Scene(any_store, "oss", plain)
    scene.put()
    bucket = to_sealed(any_store, scene.old)
    with pytest.raises(cb.PolicyError, match="of another kind: oss"):
        cb.rotation.reencrypt(bucket, scene.name)
    sealed = cb.rotation.reencrypt(bucket, scene.name, kinds=["oss"])
    assert (sealed.format, sealed.size) == ("sealed", len(plain))
    assert bucket.get(scene.name).read() == plain
    assert dict(sealed.metadata) == METADATA
    assert any_store.list_uploads() == []


@pytest.mark.each_pair
@pytest.mark.parametrize("plain", [b"", SMALL, LARGE], ids=["0", "small", "parts"])
def test_plaintext_is_encrypted_by_name_alone(scene: Scene, plain: bytes) -> None:
    scene.plain = plain
    scene.store.put(scene.name, plain, metadata=METADATA, headers=HEADERS)
    with pytest.raises(cb.PolicyError, match="of another kind: plaintext"):
        cb.rotation.reencrypt(scene.bucket(scene.new), scene.name)
    cb.rotation.reencrypt(scene.bucket(scene.new), scene.name, kinds=["plaintext"])
    assert scene.label() == "new"
    scene.assert_law()


@pytest.mark.each_value
@pytest.mark.parametrize("vector", V1, ids=str)
@pytest.mark.parametrize("to", FORMATS)
def test_v1_objects_of_oss2_become_what_is_written_today(vector: Vector, to: str) -> None:
    store = cb.MemoryStore()
    store.put("object", vector.ciphertext, metadata=vector.metadata)
    new = key_for(to, "new")
    bucket = cb.Bucket(store, cb.KeyRing(new, *ring_for(vector).keys), format=to)
    if to == "sealed":  # what is to get another guarantee is asked for by name
        with pytest.raises(cb.PolicyError):
            cb.rotation.reencrypt(bucket, "object")
    kinds = ["oss-v1"] if to == "sealed" else None
    fixed = cb.rotation.reencrypt(bucket, "object", kinds=kinds)
    assert fixed.format == to
    assert bucket.get("object").read() == vector.plaintext()
    assert not any(name.startswith("oss-") for name in store.head("object").metadata)
    again = cb.rotation.rewrap(bucket, "object", key_for(to, "third"))
    assert labels(again) == ["third"]


@pytest.mark.each_value
@pytest.mark.parametrize("vector", V2, ids=str)
@pytest.mark.parametrize("verb", ["rewrap", "reencrypt"])
def test_objects_of_every_sdk_get_another_key(vector: Vector, verb: str) -> None:
    """Both verbs, on what the SDKs wrote themselves; fields that nobody knows stay."""
    store = cb.MemoryStore()
    store.put("object", vector.ciphertext, metadata=vector.metadata)
    new = key_for("oss", "new")
    bucket = cb.Bucket(store, cb.KeyRing(new, *ring_for(vector).keys))
    fixed = getattr(cb.rotation, verb)(bucket, "object")
    assert labels(fixed) == ["new"]
    assert cb.Bucket(store, cb.KeyRing(new)).get("object").read() == vector.plaintext()
    changed = {"key", "start", "wrap-alg", "matdesc"}
    if verb == "rewrap":
        after = store.head("object").metadata
        for name, text in vector.metadata.items():
            if name.removeprefix("client-side-encryption-") not in changed:
                assert after[name] == text


HOSTILE: list[dict[str, str]] = [
    {"unencrypted-content-length": "3"},
    {"unencrypted-content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
    {"client-side-encryption-unencrypted-content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
    {"client-side-encryption-data-size": "3", "client-side-encryption-part-size": "3"},
    {"client-side-encryption-unknown": "field"},
    {"cipherbucket-recipients": "AAAA"},
    {"oss-crypto-key": "AAAA"},
    v1(),
]


@pytest.mark.each_pair
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda each: next(iter(each)))
def test_metadata_that_would_become_part_of_an_envelope_never_does(
    scene: Scene, hostile: dict[str, str]
) -> None:
    """Who writes a plaintext object cannot choose what its envelope will say."""
    if scene.store.fixed_metadata and any("side-encryption" in name for name in hostile):
        with pytest.raises(cb.StoreError, match="EC 0005-"):  # OSS has rules of its own for them
            scene.store.put(scene.name, SMALL, metadata=hostile)
        return
    scene.store.put(scene.name, SMALL, metadata=hostile)
    try:
        cb.rotation.reencrypt(scene.bucket(scene.new), scene.name, kinds=["plaintext"])
    except (cb.SecurityError, cb.UsageError):
        assert dict(scene.store.head(scene.name).metadata) == hostile
        return
    info = scene.bucket(scene.new).head(scene.name)
    assert info.envelope is not None
    assert not set(hostile) & set(info.envelope.to_metadata())
    assert dict(info.metadata) == hostile
    assert scene.read(scene.new) == SMALL


def test_what_cannot_be_verified_is_not_written_anew(any_store: Store) -> None:
    """A damaged sealed object keeps what is left of it."""
    scene = Scene(any_store, "sealed")
    scene.put(LARGE)
    stored = scene.store.head(scene.name)
    with scene.store.get(scene.name) as incoming:
        body = bytearray(incoming.stop)
        incoming.readinto(body)
    body[PART + 5] ^= 1
    scene.store.put(scene.name, body, metadata=stored.metadata)
    before = scene.store.head(scene.name)
    with pytest.raises(cb.IntegrityError):
        cb.rotation.reencrypt(scene.bucket(scene.new, scene.old), scene.name)
    assert scene.store.head(scene.name) == before
    assert scene.store.list_uploads() == []


@pytest.mark.parametrize("plain", [SMALL, LARGE], ids=["small", "parts"])
def test_a_lost_answer_is_no_failure(scene: Scene, plain: bytes) -> None:
    scene.put(plain)
    requests = Requests(scene.store, http=False)
    failing = ["put", "begin_upload", "upload_part", "complete_upload"]
    if scene.store.url.startswith("oss:") and scene.format == "sealed":
        failing.remove("begin_upload")  # OSS tells nothing by which a lost upload is known again

    def lose(_: int, name: str) -> None:
        if name in failing:
            failing.remove(name)
            raise cb.TransientStoreError("the answer was lost")

    requests.after = lose
    fixed = cb.rotation.reencrypt(scene.bucket(scene.new, scene.old), scene.name)
    requests.forget()
    assert labels(fixed) == ["new"]
    assert len(failing) <= 3
    scene.assert_law()


def test_an_object_of_another_right_after_is_not_taken_for_ours(scene: Scene) -> None:
    """Of the same format and size, under the key that is to go."""
    scene.put()
    requests = Requests(scene.store, http=False)
    written = ("put", "complete_upload")

    def replace(_: int, name: str) -> None:
        if name in written:
            scene.bucket().put(scene.name, bytes(len(SMALL)))

    requests.after = replace
    with pytest.raises(cb.ObjectChangedError, match="as soon as it was written anew"):
        cb.rotation.reencrypt(scene.bucket(scene.new, scene.old), scene.name)
    requests.forget()
    assert scene.read() == bytes(len(SMALL))


def _audited(bucket: cb.Bucket) -> dict[str, int]:
    with cb.audit.run(bucket) as audit:
        kinds = [each.format for each in audit.objects()]
    return {kind: kinds.count(kind) for kind in set(kinds)}


def test_a_plaintext_bucket_moves_into_encryption_while_it_is_used(tmp_path: Path) -> None:
    """Readers accept both, writers encrypt, the rest is encrypted, the policy is closed."""
    new = key_for("oss", "new")
    with cb.open_store(f"file://{tmp_path}/store") as store:
        for number in range(5):
            store.put(f"plain/{number}", bytes([number]) * 100)
        both = cb.Bucket(store, cb.KeyRing(new), policy=cb.Policy(plaintext=True))
        read: Callable[[int], bytes] = lambda n: both.get(f"plain/{n}").read()  # noqa: E731
        assert read(3) == bytes([3]) * 100
        both.put("plain/5", bytes([5]) * 100)
        with cb.rotation.reencrypt_all(both, "plain/", kinds=["plaintext"], dry_run=True) as due:
            assert (due.due.objects, due.skipped.objects) == (5, 1)
        with cb.rotation.reencrypt_all(both, "plain/", kinds=["plaintext"]) as report:
            assert (report.done.objects, dict(report.reasons)) == (5, {"of kind oss": 1})
        assert [read(number) for number in range(6)] == [bytes([n]) * 100 for n in range(6)]
        assert _audited(both) == {"oss": 6}
        closed = cb.Bucket(store, cb.KeyRing(new))
        store.put("plain/6", b"from a writer that was forgotten")
        with pytest.raises(cb.PolicyError):
            closed.get("plain/6")
