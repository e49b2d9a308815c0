"""Sealed objects under new names: sealed anew where the name is bound, copied where it is not."""

from collections.abc import Callable
from typing import Any

import alibabacloud_oss_v2 as sdk
import pytest
from tests.support.plaintexts import pattern
from tests.support.sealed_buckets import (
    aes,
    body_of,
    footer_of,
    labels,
    public_half,
    seal_of,
    sealed,
    watched,
)

import cipherbucket as cb
from cipherbucket.stores.base import Store
from cipherbucket.stores.oss.store import OssStore

PLAIN = pattern(40_000)
OWNER, PARTNER, RECOVERY = aes("owner"), aes("partner"), aes("recovery")
UNBOUND = cb.Policy(unbound_names=True)
PART = 7 * 16_384
"""The least part that OSS takes, in whole chunks."""


@pytest.fixture
def bucket(any_store: Store) -> cb.Bucket:
    return sealed(any_store, OWNER)


@pytest.fixture
def quick(store: cb.MemoryStore) -> cb.Bucket:
    return sealed(store, OWNER)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.writing.unknown_length.growing_part_size", lambda _: PART)


def blocks(body: bytes) -> set[bytes]:
    """Return the blocks of 16 bytes of a body's chunks."""
    return {body[at : at + 16] for at in range(56, 56 + len(PLAIN), 16)}


def test_a_copy_under_another_name_is_another_sealed_object(
    bucket: cb.Bucket, any_store: Store
) -> None:
    put = bucket.put("a", PLAIN, metadata={"owner": "mé"}, content_type="text/x")
    source = bucket.head("a")
    before = body_of(any_store, "a")

    copy = bucket.copy("a", "b")

    assert (copy.name, copy.size, copy.metadata) == ("b", len(PLAIN), {"owner": "mé"})
    assert bucket.head("b").headers == source.headers
    assert bucket.get("b").read() == bucket.get("a").read() == PLAIN
    old, new = seal_of(put), seal_of(copy)
    for part in ("salt", "object_id", "commitment", "footer_hash"):
        assert getattr(old, part) != getattr(new, part)
    after = body_of(any_store, "b")
    assert not blocks(before) & blocks(after)
    assert footer_of(after).name == "b"
    assert body_of(any_store, "a") == before


def test_a_rename_moves_it_and_the_store_cannot(bucket: cb.Bucket, any_store: Store) -> None:
    bucket.put("a", PLAIN, recipients=[PARTNER])
    any_store.copy("a", "moved")
    with pytest.raises(cb.BindingError, match="under the name 'a'"):
        bucket.get("moved")
    wide = sealed(any_store, OWNER, PARTNER)

    renamed = wide.rename("a", "b")

    assert labels(renamed) == ["owner", "partner"]
    assert not bucket.exists("a")
    assert sealed(any_store, PARTNER).get("b").read() == PLAIN
    with pytest.raises(cb.UsageError, match="same name"):
        wide.rename("b", "b")


def test_a_recipient_removed_during_a_rename_keeps_the_source(
    quick: cb.Bucket, store: cb.MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ETag is that of the body: it does not show the change, and the copy has the old ones."""
    quick.put("a", PLAIN, recipients=[PARTNER])
    wide = sealed(store, OWNER, PARTNER)
    put = store.put

    def put_and_remove(name: str, body: Any, **arguments: Any) -> Any:
        stored = put(name, body, **arguments)
        cb.recipients.remove(quick, "a", PARTNER)
        return stored

    monkeypatch.setattr(store, "put", put_and_remove)
    with pytest.raises(cb.ObjectChangedError, match="renamed to 'b'"):
        wide.rename("a", "b")

    assert labels(quick.head("a")) == ["owner"]


def test_a_copy_onto_itself_is_sealed_anew(bucket: cb.Bucket) -> None:
    put = bucket.put("a", PLAIN)
    assert seal_of(bucket.copy("a", "a")).salt != seal_of(put).salt
    assert bucket.get("a").read() == PLAIN


def test_a_copy_is_moved_back_knowingly(quick: cb.Bucket, store: cb.MemoryStore) -> None:
    quick.put("a", PLAIN)
    store.copy("a", "moved")
    with pytest.raises(cb.BindingError, match="'moved'"):
        quick.copy("moved", "b")
    assert not quick.exists("b")
    assert quick.get("moved", as_name="a").read() == PLAIN


def test_other_recipients_are_carried_over_by_public_halves(
    quick: cb.Bucket, store: cb.MemoryStore, key: cb.RsaKey
) -> None:
    quick.put("a", PLAIN, recipients=[key, PARTNER])
    with pytest.raises(cb.MasterKeyError, match=r"'a': .*\"tests\".* is not in the ring"):
        quick.copy("a", "b")
    with pytest.raises(cb.MasterKeyError, match="partner"):
        sealed(store, OWNER, public_half(key)).rename("a", "b")
    assert [entry.name for entry in quick.list()] == ["a"]

    wide = sealed(store, OWNER, public_half(key), PARTNER)

    assert labels(wide.copy("a", "b")) == ["owner", "tests", "partner"]
    for reader in (key, PARTNER, OWNER):
        assert sealed(store, reader).get("b").read() == PLAIN


def test_recipients_given_replace_the_others(quick: cb.Bucket, store: cb.MemoryStore) -> None:
    quick.put("a", PLAIN, recipients=[PARTNER])
    assert labels(quick.copy("a", "alone", recipients=())) == ["owner"]
    assert labels(quick.copy("a", "other", recipients=[RECOVERY])) == ["owner", "recovery"]
    assert sealed(store, RECOVERY).get("other").read() == PLAIN
    with pytest.raises(cb.MasterKeyError, match="told apart"):
        quick.copy("a", "twice", recipients=[OWNER])


def test_the_buckets_own_recipients_are_carried_over_too(store: cb.MemoryStore) -> None:
    bucket = sealed(store, OWNER, recipients=[RECOVERY])
    bucket.put("a", PLAIN)
    sealed(store, OWNER).put("older", PLAIN)

    for name in ("a", "older"):
        assert labels(bucket.copy(name, f"{name} 2")) == ["owner", "recovery"]
    assert labels(bucket.copy("a", "b", recipients=[PARTNER])) == ["owner", "partner", "recovery"]
    assert labels(bucket.copy("a", "c", recipients=[RECOVERY])) == ["owner", "recovery"]
    assert labels(bucket.rename("a", "d")) == ["owner", "recovery"]


def test_a_copy_by_another_reader_is_written_by_its_first_key(store: cb.MemoryStore) -> None:
    sealed(store, PARTNER).put("one", PLAIN)
    sealed(store, PARTNER).put("both", PLAIN, recipients=[OWNER])
    bucket = sealed(store, OWNER, PARTNER)

    assert labels(bucket.copy("one", "new one")) == ["owner"]
    # The key that writes is a recipient already: nobody makes room for it.
    assert labels(bucket.copy("both", "new both")) == ["owner", "partner"]


def test_a_copy_by_a_key_given_asks_the_ring_for_nothing_else(store: cb.MemoryStore) -> None:
    sealed(store, PARTNER).put("a", PLAIN)
    bucket = sealed(store, OWNER)
    with pytest.raises(cb.NoMatchingKeyError):
        bucket.copy("a", "b")
    assert labels(bucket.copy("a", "b", key=PARTNER)) == ["owner"]
    with pytest.raises(cb.MasterKeyError, match="this ring has none"):
        cb.Bucket(store, cb.KeyRing(), format="sealed").copy("a", "c", key=PARTNER)
    assert not bucket.exists("c")


def test_keys_that_are_fetched_are_carried_over(store: cb.MemoryStore) -> None:
    sealed(store, OWNER).put("a", PLAIN, recipients=[PARTNER])
    there = {OWNER.description: OWNER, PARTNER.description: PARTNER}
    ring = cb.KeyRing(OWNER, fetch=lambda description, _: there.get(description))
    assert labels(cb.Bucket(store, ring, format="sealed").copy("a", "b")) == ["owner", "partner"]


def test_a_context_is_asked_for_and_kept(quick: cb.Bucket) -> None:
    context = {"tenant": "7"}
    quick.put("a", PLAIN, context=context)
    for wrong in ({}, {"tenant": "8"}):
        with pytest.raises(cb.BindingError):
            quick.copy("a", "b", context=wrong)
    quick.copy("a", "b", context=context)
    quick.rename("b", "c", context=context)
    assert quick.get("c", context=context).read() == PLAIN
    with pytest.raises(cb.BindingError):
        quick.get("c")
    quick.put("plain", PLAIN)
    with pytest.raises(cb.BindingError):
        quick.copy("plain", "b", context=context)
    assert [entry.name for entry in quick.list()] == ["a", "c", "plain"]


def test_an_object_bound_to_no_name_is_copied_by_the_store(any_store: Store) -> None:
    bucket = sealed(any_store, OWNER, policy=UNBOUND)
    put = bucket.put("a", PLAIN, bind_name=False, recipients=[PARTNER])
    keyless = cb.Bucket(any_store, cb.KeyRing(), format="sealed")
    with watched(any_store) as calls:
        copy = keyless.copy("a", "b")
    assert not {"get", "put", "begin_upload"} & set(calls)
    assert copy.envelope == put.envelope
    assert body_of(any_store, "b") == body_of(any_store, "a")
    keyless.rename("b", "c")
    assert bucket.get("c").read() == PLAIN
    assert not bucket.exists("b")


def test_objects_of_other_kinds_are_copied_by_the_store(
    store: cb.MemoryStore, key: cb.RsaKey
) -> None:
    put = cb.Bucket(store, cb.KeyRing(key)).put("oss", PLAIN)
    store.put("plain", PLAIN)
    bucket = sealed(store, OWNER)
    with watched(store) as calls:
        assert bucket.copy("oss", "oss 2").envelope == put.envelope
        assert bucket.copy("plain", "plain 2").format == "plaintext"
    assert calls == ["head", "copy"] * 2


def test_a_target_that_is_there_is_left_with_if_absent(bucket: cb.Bucket, any_store: Store) -> None:
    bucket.put("a", PLAIN)
    bucket.put("b", b"there")
    for verb in (bucket.copy, bucket.rename):
        with pytest.raises(cb.PreconditionFailedError):
            verb("a", "b", if_absent=True)
    assert bucket.get("b").read() == b"there"
    assert bucket.get("a").read() == PLAIN
    bucket.rename("a", "b")
    assert bucket.get("b").read() == PLAIN


@pytest.mark.parametrize("size", [PART - 1, PART, 3 * PART - 1, 3 * PART, 3 * PART + 1])
@pytest.mark.usefixtures("small_parts")
def test_a_large_object_is_copied_in_parts(size: int, bucket: cb.Bucket, any_store: Store) -> None:
    plain = bytes(i % 253 for i in range(size))
    bucket.put("a", plain, metadata={"owner": "me"}, content_type="text/x")
    with watched(any_store) as calls:
        copy = bucket.copy("a", "b")
    assert calls.count("upload_part") == (size // PART + 1 if size >= PART else 0)
    assert (copy.size, copy.metadata, copy.content_type) == (size, {"owner": "me"}, "text/x")
    assert bucket.get("b").read() == plain
    assert bucket.get("b", start=PART - 2, length=3).read() == plain[PART - 2 : PART + 1]
    assert list(bucket.uploads()) == []


def damaged(store: Store, at: int) -> Callable[[], None]:
    def change() -> None:
        there = store.head("a")
        body = bytearray(body_of(store, "a"))
        body[at] ^= 1
        store.put("a", body, metadata=there.metadata, headers=there.headers)

    return change


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("at", [3, 60, 2 * PART, -500, -1])
def test_a_source_that_is_damaged_gives_no_copy_and_stays(
    at: int, bucket: cb.Bucket, any_store: Store
) -> None:
    bucket.put("a", bytes(3 * PART), recipients=[PARTNER])
    damaged(any_store, at)()
    for verb in (bucket.copy, bucket.rename):
        with pytest.raises(cb.IntegrityError, match="'a'"):
            verb("a", "b", recipients=())
    assert [entry.name for entry in bucket.list()] == ["a"]
    assert list(bucket.uploads()) == []


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("verb", ["begin_upload", "upload_part", "complete_upload"])
def test_a_store_that_fails_leaves_the_source_and_no_upload(
    verb: str, quick: cb.Bucket, store: cb.MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    quick.put("a", bytes(3 * PART))

    def fail(*_: Any, **__: Any) -> Any:
        raise cb.TransientStoreError("the connection broke")

    monkeypatch.setattr(store, f"_{verb}", fail)
    with pytest.raises(cb.TransientStoreError):
        quick.rename("a", "b")
    assert [entry.name for entry in quick.list()] == ["a"]
    assert list(quick.uploads()) == []


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [100, 30_000, 3 * PART])
def test_a_source_whose_store_fails_meanwhile_is_an_error_of_the_store(
    size: int, quick: cb.Bucket, store: cb.MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick.put("a", bytes(size))
    original = store._get

    class Breaking:
        def __init__(self, raw: Any) -> None:
            self._raw, self._left = raw, size

        def readinto(self, buffer: memoryview) -> int:
            count: int = self._raw.readinto(buffer[: self._left])
            self._left -= count
            if not count:
                raise cb.TransientStoreError("the connection broke")
            return count

        def close(self) -> None:
            pass

    def get(*args: Any) -> Any:
        *told, raw = original(*args)
        return (*told, Breaking(raw))

    monkeypatch.setattr(store, "_get", get)
    with pytest.raises(cb.TransientStoreError, match="'a'"):
        quick.rename("a", "b")
    assert [entry.name for entry in quick.list()] == ["a"]


@pytest.mark.parametrize("when", ["get", "put"])
def test_a_source_that_is_replaced_meanwhile_is_never_deleted(
    when: str, bucket: cb.Bucket, any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a", PLAIN)
    original = getattr(any_store, when)
    put = any_store.put

    def replaced_first(*args: Any, **how: Any) -> Any:
        monkeypatch.setattr(any_store, when, original)
        monkeypatch.setattr(any_store, "put", put)
        bucket.put("a", b"another")
        return original(*args, **how)

    monkeypatch.setattr(any_store, when, replaced_first)
    with pytest.raises(cb.ObjectChangedError, match="'a'"):
        bucket.rename("a", "b")
    assert bucket.get("a").read() == b"another"
    assert bucket.exists("b") == (when == "put")


def test_names_that_are_none_are_refused_as_the_targets(
    quick: cb.Bucket, store: cb.MemoryStore
) -> None:
    quick.put("a", PLAIN)
    for name in ("", "x" * 1024, "\ud800"):
        with watched(store) as calls:
            with pytest.raises(cb.UsageError, match="object name"):
                quick.copy("a", name)
            with pytest.raises(cb.UsageError, match="object name"):
                quick.put(name, PLAIN)
        assert "put" not in calls
    assert quick.copy("a", "ä" * 511).name == "ä" * 511


def test_an_older_version_is_copied(new_oss_store: Callable[[], Store]) -> None:
    with new_oss_store() as store:
        assert isinstance(store, OssStore)
        enabled = sdk.VersioningConfiguration(status="Enabled")
        store.client.sdk.put_bucket_versioning(
            sdk.PutBucketVersioningRequest(
                bucket=store.url.removeprefix("oss://"), versioning_configuration=enabled
            )
        )
        bucket = sealed(store, OWNER)
        first = bucket.put("a", PLAIN)
        bucket.put("a", b"second")
        assert first.version_id is not None
        copy = bucket.copy("a", "b", version_id=first.version_id)
        assert copy.size == len(PLAIN)
        assert bucket.get("b").read() == PLAIN
        assert cb.recipients.footer(bucket, "a", version_id=first.version_id).name == "a"


def test_recipients_for_what_is_copied_as_it_is_are_refused(
    store: cb.MemoryStore,
) -> None:
    quick = sealed(store, OWNER, policy=UNBOUND)
    quick.put("a", b"text", bind_name=False)

    with pytest.raises(cb.UsageError, match="'a': the object is copied as it is"):
        quick.copy("a", "b", recipients=[])
    assert not quick.exists("b")
