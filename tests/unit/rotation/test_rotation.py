"""Passes over a prefix: what each object's line says, and what makes a pass another."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.envelopes import v1
from tests.support.rotation_scenes import (
    FORMATS,
    LARGE,
    PART,
    SMALL,
    LikeOss,
    Requests,
    Scene,
    key_for,
    labels,
    small_parts,
)

import cipherbucket as cb
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.transfers.state import state_folder

FIVE = [f"many/{number}" for number in range(5)]


@pytest.fixture(params=FORMATS)
def scene(request: pytest.FixtureRequest) -> Scene:
    scene = Scene(cb.MemoryStore(), request.param)
    for name in FIVE:
        scene.put(name=name)
    return scene


def test_all_below_a_prefix_and_nothing_else(scene: Scene) -> None:
    scene.put(name="other")
    with cb.rotation.rewrap_all(scene.bucket(scene.new, scene.old), "many/") as report:
        assert report.done.objects == 5
        assert [each.name for each in report.objects()] == FIVE
    assert {scene.label(name) for name in FIVE} == {"new"}
    assert scene.label("other") == "old"
    assert list(state_folder().iterdir()) == [], "there is nothing to go on with"


@pytest.mark.parametrize("verb", ["rewrap_all", "reencrypt_all"])
def test_a_dry_run_changes_nothing_and_tells_what_it_would(scene: Scene, verb: str) -> None:
    before = [scene.store.head(name) for name in FIVE]
    requests = Requests(scene.store)
    with getattr(cb.rotation, verb)(
        scene.bucket(scene.new, scene.old), "many/", dry_run=True
    ) as report:
        stored = sum(each.size for each in before)
        assert (report.due.objects, report.due.stored_size, report.done.objects) == (5, stored, 0)
        assert report.moved == (0 if verb == "rewrap_all" else 2 * stored)
    looked = (
        ["head"] if verb == "rewrap_all" else ["head", "head", "attributes", "get"]
    )  # attributes looks, too
    assert sorted(requests.names) == sorted(looked * 5)
    assert [scene.store.head(name) for name in FIVE] == before


def test_a_dry_run_that_goes_on_tells_nothing_of_what_is_gone(scene: Scene) -> None:
    scene.store.put("many/7", b"damaged", metadata={"client-side-encryption-key": "?"})
    bucket = scene.bucket(scene.new, scene.old)
    with cb.rotation.rewrap_all(bucket, "many/", dry_run=True) as report:
        assert (report.due.objects, report.failed.objects) == (5, 1)
    scene.store.delete(FIVE[0])
    with cb.rotation.rewrap_all(bucket, "many/", dry_run=True) as report:
        assert (report.due.objects, report.failed.objects) == (4, 1)


def test_what_has_to_be_uploaded_again_is_told() -> None:
    scene = Scene(LikeOss(), "oss")
    scene.put()
    with cb.rotation.rewrap_all(scene.bucket(scene.new, scene.old), dry_run=True) as report:
        assert report.moved == 2 * len(SMALL)
    with cb.rotation.rewrap_all(scene.bucket(scene.new, scene.old)) as report:
        assert report.moved == 2 * len(SMALL)


def test_large_parts_of_many_objects_at_once_do_not_fill_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An envelope, which the store tells, may ask for parts of 256 MiB; 16 objects go at once."""
    small_parts(monkeypatch)
    monkeypatch.setattr("cipherbucket.rotation.passes.MEMORY", 16 * PART)
    scene = Scene(LikeOss(), "oss", LARGE)
    scene.put()
    stored = scene.store.head(scene.name)
    with scene.store.get(scene.name) as incoming:
        body = bytearray(incoming.stop)
        incoming.readinto(body)
    prefix = "client-side-encryption-"
    asked = {f"{prefix}data-size": str(len(LARGE)), f"{prefix}part-size": str(2 * PART)}
    scene.store.put(scene.name, body, metadata={**stored.metadata, **asked})
    sizes: list[int] = []
    original = scene.store.upload_part

    def noted(*args: Any, **more: Any) -> Any:
        sizes.append(len(args[3]))
        return original(*args, **more)

    scene.store.upload_part = noted  # type: ignore[method-assign]
    with cb.rotation.rewrap_all(scene.bucket(scene.new, scene.old)) as report:
        assert report.done.objects == 1
    assert max(sizes) == PART
    envelope = scene.bucket().head(scene.name).envelope
    assert envelope is not None
    assert envelope.part_size == PART
    assert scene.read(scene.new) == LARGE


def test_recipients_of_the_bucket_make_a_pass_another() -> None:
    """Those that an interrupted pass wrote have the recipients of that day."""
    scene = Scene(cb.MemoryStore(), "sealed")
    imposter = key_for("sealed", "imposter")
    assert isinstance(imposter, cb.AesKey)
    scene.put(name="a")
    scene.bucket(imposter.described({"desc": "old"})).put("b", SMALL)
    for label in ("third", "fourth"):
        bucket = scene.bucket(scene.new, scene.old, recipients=[key_for("sealed", label)])
        with cb.rotation.reencrypt_all(bucket, recipients=[]) as report:
            assert (report.resumed, report.done.objects, report.failed.objects) == (0, 1, 1)
        assert labels(scene.bucket().head("a")) == ["new", label]


def test_others_are_left_with_their_reasons(scene: Scene) -> None:
    third = key_for(scene.format, "third")
    scene.bucket(third).put("many/third", SMALL)
    scene.store.put("many/plain", b"plain")
    scene.bucket(scene.new).put("many/new", SMALL)
    scene.store.put("many/v1", b"body", metadata=v1())
    with cb.rotation.rewrap_all(
        scene.bucket(scene.new, scene.old), "many/", only=scene.old
    ) as report:
        assert report.done.objects == 5
        assert dict(report.reasons) == {"not encrypted": 1, "of another key": 3}
    with cb.rotation.rewrap_all(scene.bucket(scene.new, scene.old), "many/") as report:
        assert dict(report.reasons) == {"not encrypted": 1, "under the new key already": 6}
        reasons = {each.name: each.error for each in report.failures()}
        assert reasons == {"many/third": "NoMatchingKeyError", "many/v1": "PolicyError"}
    assert scene.read(third, name="many/third") == SMALL


@pytest.mark.parametrize("verb", ["rewrap_all", "reencrypt_all"])
def test_one_that_fails_stops_no_other_and_is_tried_again(scene: Scene, verb: str) -> None:
    imposter = key_for(scene.format, "imposter")
    assert isinstance(imposter, cb.AesKey | cb.RsaKey)
    scene.bucket(imposter.described({"desc": "old"})).put(FIVE[2], SMALL)
    bucket = scene.bucket(scene.new, scene.old)
    with getattr(cb.rotation, verb)(bucket, "many/") as report:
        assert (report.done.objects, report.failed.objects) == (4, 1)
        (failure,) = report.failures()
        assert (failure.name, failure.error) == (FIVE[2], "WrongKeyError")
    scene.put(name=FIVE[2])
    requests = Requests(scene.store)
    with getattr(cb.rotation, verb)(bucket, "many/") as report:
        assert (report.resumed, report.done.objects, report.failed.objects) == (4, 5, 0)
    assert requests.names[0] == "head"
    assert len([name for name in requests.names if name in {"put", "replace_metadata"}]) == 1


def test_an_object_that_goes_away_meanwhile_has_not_failed(scene: Scene) -> None:
    requests = Requests(scene.store)

    def delete(number: int, _: str) -> None:
        if number == 1:
            scene.bucket().delete(FIVE[4])

    requests.before = delete
    with cb.rotation.rewrap_all(scene.bucket(scene.new, scene.old), "many/", workers=1) as report:
        assert (report.done.objects, report.failed.objects) == (4, 0)
        assert dict(report.reasons) == {"deleted meanwhile": 1}


def test_an_answer_that_was_lost_is_done_all_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    requests = Requests(scene.store)
    failing = ["replace_metadata", "replace_metadata"]

    def lose(_: int, name: str) -> None:
        if name in failing:
            failing.remove(name)
            raise cb.TransientStoreError("the answer was lost")

    requests.after = lose
    with cb.rotation.rewrap_all(scene.bucket(scene.new, scene.old), "many/", workers=1) as report:
        assert (report.done.objects, report.skipped.objects) == (5, 0)
    assert failing == []


def test_two_processes_at_the_same_pass(scene: Scene) -> None:
    bucket = scene.bucket(scene.new, scene.old)
    with cb.rotation.rewrap_all(bucket, "many/", dry_run=True):
        with pytest.raises(cb.UsageError, match="another process"):
            cb.rotation.rewrap_all(bucket, "many/", dry_run=True)
        with cb.rotation.rewrap_all(bucket, "many/") as report:  # another pass
            assert report.done.objects == 5


@pytest.mark.parametrize(
    "other",
    [{"only": {"desc": "old"}}, {"dry_run": True}, {"to": "third"}, {"prefix": "many/1"}],
    ids=lambda other: next(iter(other)),
)
def test_what_makes_a_pass_another(
    scene: Scene, other: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    original = Ledger.open.__func__  # type: ignore[attr-defined]

    def noted(cls: type[Ledger], /, purpose: str, *identity: str, **how: bool) -> Ledger:
        ledger: Ledger = original(cls, purpose, *identity, **how)
        opened.append(ledger.path.name)
        return ledger

    monkeypatch.setattr(Ledger, "open", classmethod(noted))
    bucket = scene.bucket(scene.new, scene.old, key_for(scene.format, "third"))
    how: dict[str, Any] = {"prefix": "many/"} | other
    if "to" in how:
        how["to"] = key_for(scene.format, how["to"])
    cb.rotation.rewrap_all(bucket, "many/").close()
    cb.rotation.rewrap_all(bucket, **how).close()
    cb.rotation.rewrap_all(bucket, "many/").close()
    assert opened[0] == opened[-1]
    assert len(set(opened)) == 2


def test_no_key_is_in_the_ledger_or_told(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "cipherbucket")
    wrapped = []
    for name in FIVE:
        envelope = scene.bucket().head(name).envelope
        assert envelope is not None
        wrapped += [text for key, text in envelope.to_metadata().items() if len(text) > 40]
    with cb.rotation.rewrap_all(scene.bucket(scene.new, scene.old), "many/") as report:
        files = b"".join(path.read_bytes() for path in state_folder().iterdir())
        assert FIVE[0].encode() in files
        for text in wrapped:
            assert text.encode() not in files
            assert text not in caplog.text
        assert not any(each.reason or each.error for each in report.objects())


@pytest.mark.parametrize("verb", ["rewrap_all", "reencrypt_all"])
def test_progress_counts_objects(scene: Scene, verb: str) -> None:
    told: list[int] = []
    bucket = scene.bucket(scene.new, scene.old)
    getattr(cb.rotation, verb)(
        bucket, "many/", progress=lambda looked, _: told.append(looked)
    ).close()
    assert told[-1] == 5
