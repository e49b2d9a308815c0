"""The value that a bucket works with: what makes one, what it refuses, what it keeps to itself."""

import copy
import pickle

import pytest

import cipherbucket as cb
from cipherbucket.envelopes.access import Access

KEY = cb.AesKey(bytes(range(32)), description={"desc": "tests"})


def test_a_bare_key_is_a_ring_of_one() -> None:
    bucket = cb.Bucket(cb.MemoryStore(), KEY, format="sealed")
    bucket.put("a", b"1")
    assert bucket.ring.keys == (KEY,)
    assert cb.Bucket(bucket.access.store, cb.KeyRing(KEY), format="sealed").get("a").read() == b"1"


@pytest.mark.parametrize("ring", [None, "key.pem", b"key", [KEY], (KEY,), KEY.description])
def test_what_is_no_ring_is_refused_with_what_is_wanted(ring: object) -> None:
    with pytest.raises(cb.UsageError, match="KeyRing or a master key is wanted") as error:
        cb.Bucket(cb.MemoryStore(), ring)  # type: ignore[arg-type]
    assert error.value.hint is not None
    assert type(ring).__name__ in str(error.value)


@pytest.mark.parametrize("store", [None, "oss://bucket", KEY])
def test_what_is_no_store_is_refused(store: object) -> None:
    with pytest.raises(cb.UsageError, match="works on a store"):
        cb.Bucket(store, KEY)  # type: ignore[arg-type]


def test_recipients_are_for_sealed_objects_and_a_sequence() -> None:
    with pytest.raises(cb.UsageError, match="format 'sealed'"):
        Access.of(cb.MemoryStore(), cb.KeyRing(), recipients=[KEY])
    with pytest.raises(cb.MasterKeyError, match="no master key"):
        Access.of(cb.MemoryStore(), KEY, format="sealed", recipients=["key"])  # type: ignore[list-item]
    access = Access.of(cb.MemoryStore(), KEY, format="sealed")
    with pytest.raises(cb.UsageError, match="sequence of keys") as error:
        access.sealing("a", KEY, {}, bind_name=True)  # type: ignore[arg-type]
    assert error.value.name == "a"


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_holds_keys_and_is_neither_pickled_nor_copied(copied: object) -> None:
    bucket = cb.Bucket(cb.MemoryStore(), KEY, format="sealed")
    for each in (bucket, bucket.access):
        with pytest.raises(cb.UsageError, match="cannot be pickled"):
            copied(each)  # type: ignore[operator]


def test_its_repr_shows_no_secret() -> None:
    text = repr(Access.of(cb.MemoryStore(), KEY, format="sealed"))
    assert KEY.id in text
    assert bytes(range(32)).hex() not in text
    assert "\\x01\\x02" not in text


class OnlyA:
    """A guard that lets one name through."""

    def check_name(self, name: str) -> None:
        if name != "a":
            raise cb.UsageError("not this one", name=name)

    def check_writer(self, key: cb.MasterKey, format: str) -> None:  # noqa: A002
        raise cb.MasterKeyError(f"{key.id} writes no {format}")

    def recipients(self) -> tuple[cb.MasterKey, ...]:
        return ()


def test_recipients_beside_a_guard_are_refused_and_never_dropped() -> None:
    other = cb.AesKey(bytes(32), description={"desc": "other"})
    with pytest.raises(cb.UsageError, match="come from its guard"):
        cb.Bucket(cb.MemoryStore(), KEY, format="sealed", recipients=[other], guard=OnlyA())


def test_a_guard_is_asked_by_every_verb_that_reads_writes_or_copies() -> None:
    store = cb.MemoryStore()
    policy = cb.Policy(unbound_names=True)
    free = cb.Bucket(store, KEY, format="sealed", policy=policy)
    for name in ("a", "b"):
        free.put(name, b"1", bind_name=False)
    bucket = cb.Bucket(store, KEY, format="sealed", policy=policy, guard=OnlyA())
    other = cb.AesKey(bytes(32), description={"desc": "other"})
    assert bucket.get("a").read() == b"1"
    calls = [
        lambda: bucket.get("b"),
        lambda: bucket.put("b", b"2"),
        lambda: bucket.open("b"),
        lambda: bucket.open("b", "wb"),
        lambda: bucket.upload(__file__, "b"),
        lambda: bucket.download("b", "nowhere/at/all"),
        lambda: bucket.multipart("b", data_size=1),
        lambda: bucket.matches("b", __file__),
        lambda: bucket.copy("a", "b"),
        lambda: bucket.copy("b", "a"),
        lambda: bucket.rename("b", "c"),
        lambda: bucket.rename("a", "b"),
        lambda: bucket.copy_to(free, "b"),
        lambda: free.copy_to(bucket, "a", "b"),
        lambda: cb.verify(bucket, "b"),
        lambda: cb.recipients.add(bucket, "b", other),
        lambda: cb.recipients.remove(bucket, "b", KEY),
        lambda: cb.recipients.repair(bucket, "b"),
        lambda: cb.rotation.reencrypt(bucket, "b"),
    ]
    for call in calls:
        with pytest.raises(cb.UsageError, match="not this one"):
            call()  # type: ignore[no-untyped-call]
    with pytest.raises(cb.MasterKeyError, match="writes no sealed"):
        cb.rotation.rewrap(bucket, "a", other)
    assert free.get("b").read() == b"1"
    assert [entry.name for entry in free.list()] == ["a", "b"]
