"""Passes over given entries: what is old, twice, out of order or gone in them harms nothing."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.counts import count
from tests.support.inventories import CREATED, MANIFEST, Line, Written, lines_of, of_oss, of_s3
from tests.support.rotation_scenes import Requests, Scene, key_for

import cipherbucket as cb
from cipherbucket.stores.records import Page

NAMES = [f"many/{number}" for number in range(5)]
PASSES: dict[str, Callable[..., Any]] = {
    "rotate": cb.rotation.rewrap_all,
    "reencrypt": cb.rotation.reencrypt_all,
    "add": lambda bucket, prefix="", **how: cb.recipients.add_all(
        bucket, prefix, key_for("sealed", "third"), **how
    ),
    "remove": lambda bucket, prefix="", **how: cb.recipients.remove_all(
        bucket, prefix, key_for("sealed", "third"), **how
    ),
    "repair": cb.recipients.repair_all,
    "verify": cb.verify_all,
}


@pytest.fixture
def scene() -> Scene:
    scene = Scene(cb.MemoryStore(), "sealed")
    for name in NAMES:
        scene.put(name=name)
    return scene


def bucket_of(scene: Scene) -> cb.Bucket:
    return scene.bucket(scene.new, scene.old)


def inventory_of(scene: Scene, *further: Line) -> cb.Inventory:
    """Return an inventory of what is there now, in two files, not sorted."""
    lines = [*lines_of(scene.store), *further]
    return read(of_oss(lines[::-2], lines[-2::-2]))


def read(written: Written) -> cb.Inventory:
    """Read an inventory of the bucket, which has another name in the memory of this process."""
    store = cb.MemoryStore()
    written.into(store)
    return cb.read_inventory(MANIFEST, store, of="source")


def no_listing(*_: Any, **__: Any) -> Page:
    raise AssertionError("the bucket was listed")


@pytest.mark.parametrize("verb", PASSES)
def test_a_pass_over_entries_lists_nothing(
    scene: Scene, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = inventory_of(scene)
    monkeypatch.setattr(scene.store, "_list", no_listing)
    for given in (inventory, (cb.Entry(name=name) for name in reversed(NAMES))):
        with PASSES[verb](bucket_of(scene), entries=given) as report:
            assert [each.name for each in report.objects()] == NAMES
            assert not report.failed
            assert report.inventory == (CREATED if given is inventory else None)
            assert list(report.lines())[-1]["inventory"] == (
                CREATED.isoformat() if given is inventory else None
            )


@pytest.mark.parametrize("verb", PASSES)
def test_each_object_is_taken_as_it_is_now(scene: Scene, verb: str) -> None:
    inventory = inventory_of(scene, Line("never/was"))
    scene.store.delete(NAMES[0])
    scene.put(b"another", NAMES[1])
    cb.rotation.rewrap(bucket_of(scene), NAMES[2], scene.new)
    scene.put(name="many/new")
    with PASSES[verb](bucket_of(scene), entries=inventory) as report:
        lines = {each.name: each for each in report.objects()}
    assert not report.failed
    assert sorted(lines) == [*NAMES, "never/was"], "what is new was not looked at"
    if verb == "verify":
        assert {lines[name].status for name in (NAMES[0], "never/was")} == {"gone"}
    else:
        assert lines[NAMES[0]].reason == lines["never/was"].reason == "deleted since it was listed"
    assert bucket_of(scene).get(NAMES[1]).read() == b"another"
    if verb == "rotate":
        assert report.reasons == {"deleted since it was listed": 2, "under the new key already": 1}
        assert scene.label(NAMES[1]) == "new"
        assert scene.label("many/new") == "old"


@pytest.mark.parametrize(
    ("verb", "write"),
    [("rotate", "replace_metadata"), ("reencrypt", "put"), ("add", "replace_metadata")],
)
def test_what_somebody_writes_between_the_look_and_the_write_stays(
    scene: Scene, verb: str, write: str
) -> None:
    inventory = inventory_of(scene)
    requests = Requests(scene.store)
    times = iter([True])

    def replace_it(_: int, name: str) -> None:
        if name == write and next(times, False):
            scene.put(b"theirs", NAMES[3])

    requests.before = replace_it
    with PASSES[verb](bucket_of(scene), NAMES[3], entries=inventory) as report:
        assert sum(tally.objects for tally in report.counts.values()) == 1
        changed = report.done.objects
    assert bucket_of(scene).get(NAMES[3]).read() == b"theirs"
    assert next(times, None) is None
    requests.forget()
    with PASSES[verb](bucket_of(scene), NAMES[3], entries=inventory) as report:
        assert changed + report.done.objects >= 1, "it failed, and is done by the next run"


def test_a_name_that_is_given_twice_is_worked_on_once(scene: Scene) -> None:
    other = [Line(name, etag="OTHER") for name in NAMES]
    inventory = read(of_oss(lines_of(scene.store), other, other))
    requests = Requests(scene.store)
    with cb.rotation.reencrypt_all(bucket_of(scene), entries=inventory, workers=8) as report:
        assert report.done.objects == 5
    assert requests.names.count("put") == 5


def test_only_what_begins_with_the_prefix_is_taken(scene: Scene) -> None:
    scene.put(name="other")
    entries = [cb.Entry(name="folder/", is_prefix=True), *map(entry, ["other", *NAMES])]
    with cb.rotation.rewrap_all(bucket_of(scene), "many/", entries=entries) as report:
        assert report.done.objects == 5
    assert scene.label("other") == "old"


def entry(name: str) -> cb.Entry:
    return cb.Entry(name=name)


@pytest.mark.parametrize("verb", ["rotate", "reencrypt", "verify"])
def test_a_pass_that_was_interrupted_goes_on_and_does_nothing_twice(
    scene: Scene, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = inventory_of(scene)
    whole = cb.Inventory.__iter__

    def interrupted(self: cb.Inventory) -> Iterator[cb.Entry]:
        for number, each in enumerate(whole(self)):
            if number == 3:
                raise KeyboardInterrupt
            yield each

    with monkeypatch.context() as patch:
        patch.setattr(cb.Inventory, "__iter__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            PASSES[verb](bucket_of(scene), entries=inventory, workers=1)
    requests = Requests(scene.store)
    what = "get" if verb == "verify" else "head"
    with PASSES[verb](bucket_of(scene)) as listed:  # another pass
        assert listed.resumed == 0
    requests.forget()
    again = read(of_oss(lines_of(scene.store)))  # another inventory
    with PASSES[verb](bucket_of(scene), entries=again, dry_run=True) as report:
        assert report.resumed == 0
    requests.forget()
    with PASSES[verb](bucket_of(scene), entries=inventory) as report:
        assert 1 <= report.resumed <= 3
        assert sum(tally.objects for tally in report.counts.values()) == 5
    assert requests.names.count(what) >= 2
    seen = requests.names.count("put" if verb == "reencrypt" else what)
    assert seen <= 5 - report.resumed + (verb != "reencrypt") * 20


def test_what_is_new_is_found_by_its_time(scene: Scene) -> None:
    inventory = inventory_of(scene)
    bucket = bucket_of(scene)
    new = (each for each in bucket.list() if each.modified >= inventory.created)  # type: ignore[operator]
    with cb.rotation.rewrap_all(bucket, entries=new) as report:
        assert report.done.objects == 5


def test_an_audit_of_an_inventory_says_what_it_did_not_see(scene: Scene) -> None:
    inventory = inventory_of(scene)
    scene.store.delete(NAMES[0])
    bucket = bucket_of(scene)
    retire = ['{"desc":"third"}']
    known = [{"desc": "third"}]
    with cb.audit.run(bucket, retire=retire, known=known) as audit:
        assert audit.answers[0].answer == "yes"
        assert audit.report()["inventory"] is None
    with cb.audit.run(bucket, retire=retire, known=known, entries=inventory) as audit:
        assert audit.summary.objects == 4
        assert audit.summary.formats["gone"][0] == 1
        assert audit.answers[0].answer == "unknown"
        assert any("not looked at" in reason for reason in audit.answers[0].reasons)
        report = audit.report()
        assert report["inventory"] == CREATED.isoformat()
        assert any("2026-11-29 00:00 UTC" in note for note in report["notes"])
    with cb.audit.run(bucket, entries=map(entry, NAMES)) as audit:
        assert any("that --since or entries= chose" in note for note in audit.report()["notes"])
    with pytest.raises(cb.UsageError, match="versions are found by listing"):
        cb.audit.run(bucket, versions=True, entries=inventory)


@pytest.mark.parametrize("given", ["a", b"a", 5, ["a"], [None], [cb.Entry(name="")]])
def test_what_are_no_entries_is_refused(scene: Scene, given: Any) -> None:
    with pytest.raises(cb.UsageError):
        cb.rotation.rewrap_all(bucket_of(scene), entries=given)
    assert scene.label(NAMES[0]) == "old"


@pytest.mark.parametrize("verb", [*PASSES, "audit"])
def test_the_inventory_of_another_bucket_is_refused_unless_it_is_named(
    scene: Scene, verb: str
) -> None:
    store = cb.MemoryStore()
    of_s3("Parquet", lines_of(scene.store)).into(store)
    other = cb.Bucket(cb.MemoryStore.named("another"), cb.KeyRing(scene.old), format="sealed")
    run = PASSES.get(verb, cb.audit.run)
    with pytest.raises(cb.UsageError, match="an inventory of bucket 'source', not of memory://ano"):
        run(other, entries=cb.read_inventory(MANIFEST, store))
    with run(other, entries=cb.read_inventory(MANIFEST, store, of="source")):
        pass


def test_a_pass_over_many_lines_holds_none_of_them(tmp_path: Path) -> None:
    number = count(300_000, 5_000)
    written = of_oss(Line(f"folder/object-{place:09}") for place in range(number))
    inventory = cb.read_inventory(written.below(tmp_path), of="source")
    bucket = cb.Bucket(cb.MemoryStore(), cb.KeyRing())
    few = [entry("one")]
    with cb.audit.run(bucket, entries=few):  # what is imported
        pass
    tracemalloc.start()
    try:
        with cb.audit.run(bucket, entries=inventory, workers=4) as audit:
            assert audit.summary.formats["gone"][0] == number
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
