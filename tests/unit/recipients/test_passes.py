"""Recipients of all sealed objects under a prefix, over every store."""

from collections.abc import Callable
from functools import partial

import pytest
from tests.support.sealed_buckets import FIELDS, aes, labels, sealed

import cipherbucket as cb
from cipherbucket.stores.base import Store

OWNER, PARTNER, STRANGER = aes("owner"), aes("partner"), aes("stranger")


@pytest.fixture
def bucket(any_store: Store) -> cb.Bucket:
    """Return a bucket with sealed objects, a stranger's among them, and others."""
    made = sealed(any_store, OWNER)
    for name in ("p/1", "p/2", "q/3"):
        made.put(name, name.encode())
    any_store.put("p/plain", b"plain")
    return made


def names(store: Store, prefix: str = "") -> dict[str, list[str]]:
    looked = sealed(store, OWNER)
    found = (looked.head(each.name) for each in looked.list(prefix))
    return {each.name: labels(each) for each in found if each.envelope is not None}


def statuses(report: cb.RotationReport) -> dict[str, tuple[str, str]]:
    with report:
        return {each.name: (each.status, each.reason) for each in report.objects()}


def test_one_more_and_one_less(bucket: cb.Bucket, any_store: Store) -> None:
    before = names(any_store)
    foreseen = statuses(cb.recipients.add_all(bucket, "p/", PARTNER, dry_run=True))
    assert foreseen == {
        "p/1": ("due", ""),
        "p/2": ("due", ""),
        "p/plain": ("skipped", "not sealed"),
    }
    assert names(any_store) == before
    done = statuses(cb.recipients.add_all(bucket, "p/", PARTNER))
    assert done == {name: ("done" if s == "due" else s, r) for name, (s, r) in foreseen.items()}
    assert names(any_store) == {
        "p/1": ["owner", "partner"],
        "p/2": ["owner", "partner"],
        "q/3": ["owner"],
    }
    assert sealed(any_store, PARTNER).get("p/2").read() == b"p/2"
    again = statuses(cb.recipients.add_all(bucket, "p/", PARTNER))
    assert again["p/1"] == ("skipped", "with the recipient already")
    removed = statuses(cb.recipients.remove_all(bucket, "", {"desc": "partner"}))
    assert removed["p/1"] == ("done", "")
    assert removed["q/3"] == ("skipped", "without such a recipient")
    assert names(any_store) == before


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_cannot_be_done_fails_in_the_dry_run_too(
    dry_run: bool, bucket: cb.Bucket, any_store: Store
) -> None:
    sealed(any_store, STRANGER).put("p/2", b"theirs")
    added = statuses(cb.recipients.add_all(bucket, "p/", PARTNER, dry_run=dry_run))
    assert added["p/1"][0] == ("due" if dry_run else "done")
    assert added["p/2"][0] == "failed"
    last = statuses(cb.recipients.remove_all(bucket, "q/", OWNER, dry_run=dry_run))
    assert last["q/3"][0] == "failed"
    assert "only recipient" in last["q/3"][1]
    assert names(any_store, "q/") == {"q/3": ["owner"]}


def strip(store: Store, name: str) -> None:
    store.replace_metadata(name, metadata={"own": "kept"}, headers=None)


def bend(store: Store, name: str) -> None:
    kept = {key: text for key, text in store.head(name).metadata.items() if key != FIELDS[-1]}
    store.replace_metadata(name, metadata=kept, headers=None)


@pytest.mark.parametrize("damage", [strip, bend])
def test_lost_metadata_come_back_from_the_footers(
    damage: Callable[[Store, str], None], bucket: cb.Bucket, any_store: Store
) -> None:
    damage(any_store, "p/1")
    foreseen = statuses(cb.recipients.repair_all(bucket, dry_run=True))
    assert foreseen == {
        "p/1": ("due", ""),
        "p/2": ("skipped", "with authentic metadata"),
        "p/plain": ("skipped", "not sealed"),
        "q/3": ("skipped", "with authentic metadata"),
    }
    with pytest.raises(cb.SecurityError):
        bucket.get("p/1")
    assert statuses(cb.recipients.repair_all(bucket)) == foreseen | {"p/1": ("done", "")}
    assert bucket.get("p/1").read() == b"p/1"


def test_what_lies_under_another_name_is_not_repaired(bucket: cb.Bucket, any_store: Store) -> None:
    any_store.copy("p/1", "p/moved")
    strip(any_store, "p/moved")
    assert statuses(cb.recipients.repair_all(bucket, "p/"))["p/moved"][0] == "failed"


def test_a_recipient_is_named_by_its_description(any_store: Store) -> None:
    twin = aes("twin")
    bucket = sealed(any_store, OWNER, recipients=[twin])
    bucket.put("a", b"1")
    cb.recipients.remove(bucket, "a", {"desc": "twin"})
    with pytest.raises(cb.NoMatchingKeyError):
        cb.recipients.remove(bucket, "a", {"desc": "twin"})
    with pytest.raises(cb.UsageError, match="only recipient"):
        cb.recipients.remove(bucket, "a", {"desc": "owner"})


def test_no_prefix_and_no_key_are_refused(bucket: cb.Bucket) -> None:
    with pytest.raises(cb.MasterKeyError):
        cb.recipients.add_all(bucket, "", "partner")  # type: ignore[arg-type]
    with pytest.raises(cb.MasterKeyError):
        cb.recipients.remove_all(bucket, "", 5)  # type: ignore[arg-type]
    with pytest.raises(cb.MasterKeyError):
        cb.recipients.repair_all(bucket, key="owner")  # type: ignore[arg-type]
    with pytest.raises(cb.UsageError):
        cb.recipients.add_all(bucket, "", PARTNER, workers=0)


def test_what_a_dry_run_saw_holds_for_its_context_alone(any_store: Store) -> None:
    bucket, context = sealed(any_store, OWNER), {"tenant": "1"}
    bucket.put("a", b"1", context=context)
    bucket.put("b", b"2", context={"tenant": "2"})
    add = partial(cb.recipients.add_all, bucket, "", PARTNER, dry_run=True)
    assert [status for status, _ in statuses(add(context=context)).values()] == ["due", "failed"]
    other = statuses(add(context={"tenant": "3"}))
    assert [status for status, _ in other.values()] == ["failed", "failed"]


def test_a_dry_run_knows_what_an_interrupted_run_has_done(
    bucket: cb.Bucket, any_store: Store
) -> None:
    sealed(any_store, STRANGER).put("p/2", b"theirs")
    strip(any_store, "p/1")
    strip(any_store, "p/2")
    repair = partial(cb.recipients.repair_all, bucket, "p/")
    assert [status for status, _ in statuses(repair()).values()] == ["done", "failed", "skipped"]
    foreseen = statuses(repair(dry_run=True))
    assert foreseen["p/1"] == ("skipped", "done by an earlier run")
    assert foreseen["p/2"][0] == "failed"


def test_a_dry_run_counts_what_metadata_a_recipient_takes(bucket: cb.Bucket) -> None:
    bucket.put("full", b"1", metadata={"own": "x" * 7_400})
    last = aes("a name of many letters, " * 20)
    foreseen = statuses(cb.recipients.add_all(bucket, "full", last, dry_run=True))
    assert foreseen["full"][0] == "failed"
    assert statuses(cb.recipients.add_all(bucket, "full", last)) == foreseen
