"""Transfers to and from a store that keeps another CRC-64: the same laws, by that one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.nvme_store import NvmeStore, damage
from tests.support.transfer_scenes import AES, COUNT, PART, SIZE, Scene, Wire

import cipherbucket as cb
from cipherbucket.format.crc64 import Crc, crc64
from cipherbucket.stores.records import StoredObject

NUMBERS = list(range(1, COUNT + 1))


@pytest.fixture(params=["oss", "sealed"])
def scene(
    request: pytest.FixtureRequest,
    key: cb.RsaKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scene]:
    monkeypatch.setattr("cipherbucket.transfers.files.THRESHOLD", 64 << 10)
    monkeypatch.setattr("cipherbucket.writing.one_request._FIRST_DELAY", 0.001)
    master = key if request.param == "oss" else cb.AesKey(AES, description={"desc": "tests"})
    made = Scene(Wire(NvmeStore()), request.param, master, "a", tmp_path)
    yield made
    assert made.wire.ledger.conflicts == []


def test_up_and_down(scene: Scene) -> None:
    info = scene.upload()
    body = bytearray(info.stored_size)
    with scene.store.get("a") as incoming:
        incoming.readinto(body)
    assert (info.crc, info.crc64) == (Crc.NVME, Crc.NVME.of(body))
    scene.assert_uploaded()
    scene.download()
    scene.assert_downloaded()


def test_an_upload_that_was_killed_sends_what_is_missing(scene: Scene) -> None:
    scene.interrupted("part 3", scene.upload)
    scene.upload()
    assert scene.wire.sent == NUMBERS[2:]
    scene.assert_uploaded()


def test_parts_of_another_kind_are_sent_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is believed of a CRC-64 of OSS where it says that it is one of S3, nor damaged."""
    scene.interrupted("part 3", scene.upload)
    listed = scene.store._list_parts
    monkeypatch.setattr(
        scene.store, "_list_parts", lambda *of: [replace(one, crc=Crc.XZ) for one in listed(*of)]
    )
    scene.upload()
    assert scene.wire.sent == NUMBERS
    scene.assert_uploaded()


def test_a_part_that_the_store_damaged_is_sent_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.interrupted("part 3", scene.upload)
    listed = scene.store._list_parts

    def damaged(*of: Any) -> list[cb.Part]:
        first, *rest = listed(*of)
        return [replace(first, crc64=(first.crc64 or 0) ^ 1), *rest]

    monkeypatch.setattr(scene.store, "_list_parts", damaged)
    scene.upload()
    assert scene.wire.sent == [1, *NUMBERS[2:]]
    scene.assert_uploaded()


def test_an_upload_that_was_killed_when_it_was_complete_sends_nothing(scene: Scene) -> None:
    scene.interrupted("completed", scene.upload)
    scene.upload()
    assert scene.wire.sent == []
    scene.assert_uploaded()


def test_what_was_completed_and_is_other_bytes_is_uploaded_anew(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.interrupted("completed", scene.upload)
    there = scene.store._head("a", None)
    monkeypatch.setattr(
        scene.store,
        "_head",
        lambda *_: replace(there, crc64=(there.crc64 or 0) ^ 1),
    )
    scene.upload()
    assert scene.wire.sent == NUMBERS


@pytest.mark.parametrize("crc64_of", [lambda _: 1, crc64])
def test_a_store_whose_object_is_another_than_was_sent_is_found_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, crc64_of: Any
) -> None:
    complete = scene.store._complete_upload

    def wrong(*args: Any) -> StoredObject:
        stored = complete(*args)
        return replace(stored, crc64=crc64_of(bytes(stored.size)))

    monkeypatch.setattr(scene.store, "_complete_upload", wrong)
    with pytest.raises(cb.IntegrityError, match="not what was sent"):
        scene.upload()


@pytest.mark.parametrize("right", [False, True])
def test_parts_without_a_crc_are_held_against_the_whole_by_what_was_sent(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    """As S3 may answer; it knows the parts that arrived by other digests."""
    store = scene.store
    held = dict[int, cb.Part]()
    upload_part, list_parts, complete = (
        store._upload_part,
        store._list_parts,
        store._complete_upload,
    )

    def bare(part: cb.Part) -> cb.Part:
        held[part.number] = part
        return cb.Part(part.number, part.size, part.etag)

    def completed(*args: Any) -> StoredObject:
        stored = complete(*args)
        return stored if right else replace(stored, crc64=(stored.crc64 or 0) ^ 1)

    monkeypatch.setattr(store, "_upload_part", lambda *args: bare(upload_part(*args)))
    monkeypatch.setattr(store, "_list_parts", lambda *args: [*map(bare, list_parts(*args))])
    monkeypatch.setattr(store, "_complete_upload", completed)
    monkeypatch.setattr(
        store,
        "holds",
        lambda part, data: held[part.number].crc64 == Crc.NVME.of(data),
    )
    scene.interrupted("part 3", scene.upload)
    if not right:
        with pytest.raises(cb.IntegrityError, match="not what was sent"):
            scene.upload()
        return
    scene.upload()
    assert scene.wire.sent == NUMBERS[2:]
    scene.assert_uploaded()


def test_a_whole_of_another_kind_than_its_parts_is_no_damage(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = scene.store._complete_upload

    def other(*args: Any) -> StoredObject:
        return replace(complete(*args), crc=Crc.XZ, crc64=1)

    monkeypatch.setattr(scene.store, "_complete_upload", other)
    assert scene.upload().size == SIZE


def test_a_download_that_was_killed_fetches_what_is_missing(scene: Scene) -> None:
    scene.put()
    scene.interrupted("get 4", scene.download)
    scene.download()
    assert scene.wire.fetched < 4 * PART
    scene.assert_downloaded()


@pytest.mark.parametrize("killed", [False, True])
def test_a_flipped_bit_appears_in_no_file(scene: Scene, killed: bool) -> None:
    scene.put()
    if killed:
        scene.interrupted("get 4", scene.download)
    assert isinstance(scene.store, NvmeStore)
    damage(scene.store, "a", -100)
    with pytest.raises(cb.IntegrityError):
        scene.download()
    assert not scene.out.exists()


def test_a_file_is_compared_by_the_kind_that_the_store_keeps(scene: Scene) -> None:
    scene.put()
    assert scene.bucket().matches("a", scene.file)
    scene.change(PART)
    assert not scene.bucket().matches("a", scene.file)
