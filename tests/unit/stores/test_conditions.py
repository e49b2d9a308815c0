"""Writes that depend on what is there: of many at once, one wins and the others get an error."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cipherbucket as cb
from cipherbucket import LocalStore, MemoryStore, PreconditionFailedError, UsageError
from cipherbucket.stores.base import Store
from cipherbucket.stores.oss.store import OssStore
from cipherbucket.stores.records import StoredObject

RACERS = 8
OWNER = cb.AesKey(bytes(32), description={"desc": "owner"})


@pytest.fixture(params=["memory", "local"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    else:
        with LocalStore(tmp_path / "store", create=True) as opened:
            yield opened


def raced(attempt: Callable[[int], object]) -> list[int]:
    """Let all begin at once, and return those that no condition stopped."""
    barrier, winners = threading.Barrier(RACERS), []
    failures: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            attempt(number)
        except (PreconditionFailedError, cb.ObjectChangedError):
            return
        except BaseException as error:  # noqa: BLE001  the test reports it
            failures.append(error)
        winners.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    return winners


def test_of_many_that_replace_the_same_metadata_one_wins(store: Store) -> None:
    store.put("a", b"body", metadata={"turn": "start"})

    def change(number: int) -> StoredObject:
        return store.replace_metadata(
            "a", metadata={"turn": str(number)}, headers={}, if_metadata={"turn": "start"}
        )

    winners = raced(change)

    assert len(winners) == 1
    assert store.head("a").metadata == {"turn": str(winners[0])}


def test_no_change_is_lost_of_those_who_look_again(store: Store) -> None:
    store.put("a", b"body", metadata={})

    def add(number: int) -> None:
        while True:
            there = store.head("a").metadata
            try:
                store.replace_metadata(
                    "a",
                    metadata={**there, f"k{number}": str(number)},
                    headers={},
                    if_metadata=there,
                )
            except PreconditionFailedError:
                continue
            return

    assert len(raced(add)) == RACERS
    assert store.head("a").metadata == {f"k{number}": str(number) for number in range(RACERS)}


def test_recipients_that_are_reported_as_added_are_there(store: Store) -> None:
    bucket = cb.Bucket(store, cb.KeyRing(OWNER), format="sealed")
    bucket.put("a", b"text")
    partners = [cb.AesKey(bytes([n + 1] * 32), description={"n": str(n)}) for n in range(RACERS)]

    winners = raced(lambda number: cb.recipients.add(bucket, "a", partners[number]))

    envelope = bucket.head("a").envelope
    assert envelope is not None
    there = {each.description.get("n") for each in envelope.recipients} - {None}
    assert winners
    assert {str(number) for number in winners} <= there


@pytest.mark.parametrize(
    "expected", [{}, {"k": "other"}, {"k": "v", "more": ""}], ids=["none", "other", "more"]
)
def test_other_metadata_than_expected_change_nothing(
    store: Store, expected: dict[str, str]
) -> None:
    before = store.put("a", b"body", metadata={"k": "v"}, headers={"cache-control": "no-cache"})

    with pytest.raises(PreconditionFailedError, match=r"'a'.*metadata are not those") as caught:
        store.replace_metadata("a", metadata={"k": "new"}, headers={}, if_metadata=expected)

    assert caught.value.hint
    assert store.head("a") == before
    store.replace_metadata("a", metadata={"k": "new"}, headers={}, if_metadata={"k": "v"})
    assert store.head("a").metadata == {"k": "new"}


def test_of_many_uploads_that_replace_the_same_object_one_wins(store: Store) -> None:
    first = store.put("a", b"first")
    uploads = [store.begin_upload("a") for _ in range(RACERS)]
    parts = [
        store.upload_part("a", upload_id, 1, str(number).encode())
        for number, upload_id in enumerate(uploads)
    ]

    winners = raced(
        lambda number: store.complete_upload(
            "a", uploads[number], [parts[number]], if_match=first.etag
        )
    )

    assert len(winners) == 1
    body = bytearray(2)
    with store.get("a") as incoming:
        assert incoming.readinto(body) == 1
    assert body[:1] == str(winners[0]).encode()
    left = {upload.upload_id for upload in store.list_uploads()}
    assert left == set(uploads) - {uploads[winners[0]]}


def test_an_upload_cannot_want_an_object_and_none(store: Store) -> None:
    upload_id = store.begin_upload("a")
    part = store.upload_part("a", upload_id, 1, b"x")

    with pytest.raises(UsageError, match="exclude each other"):
        store.complete_upload("a", upload_id, [part], if_absent=True, if_match="x")
    with pytest.raises(PreconditionFailedError, match="there is no object"):
        store.complete_upload("a", upload_id, [part], if_match="x")
    assert store.complete_upload("a", upload_id, [part], if_absent=True).size == 1


def test_a_lost_answer_is_no_change_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    bucket = cb.Bucket(store, cb.KeyRing(OWNER), format="sealed")
    bucket.put("a", b"text")
    replace = store.replace_metadata

    def repeated(name: str, **how: Any) -> StoredObject:
        replace(name, **how)
        return replace(name, **how)  # as a client does whose first answer was lost

    monkeypatch.setattr(store, "replace_metadata", repeated)
    partner = cb.AesKey(bytes([1] * 32), description={"desc": "partner"})

    assert cb.recipients.add(bucket, "a", partner).envelope == bucket.head("a").envelope
    assert cb.Bucket(store, cb.KeyRing(partner), format="sealed").get("a").read() == b"text"


def test_stores_say_whether_their_conditions_hold(store: Store) -> None:
    assert store.conditional
    assert not OssStore.conditional
