"""Objects in stores of different kinds of CRC-64: what arrived is what was read, or was there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.nvme_store import NvmeStore, damage, lose_crc
from tests.support.plaintexts import pattern

from cipherbucket.errors import (
    IntegrityError,
    ObjectChangedError,
    PreconditionFailedError,
    TransientStoreError,
    UploadNotFoundError,
)
from cipherbucket.format.crc64 import Crc
from cipherbucket.objects import store_to_store
from cipherbucket.objects.metadata import update_metadata
from cipherbucket.objects.store_to_store import copy_to_store, rewrite
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import StoredObject
from cipherbucket.workers.threads import Halt
from cipherbucket.writing.one_request import ATTEMPTS
from cipherbucket.writing.replacing import ObjectToReplace

PART = 102_400
DATA = {"one piece": pattern(1000), "parts": pattern(3 * PART + 5)}
KINDS = {Crc.XZ: MemoryStore, Crc.NVME: NvmeStore}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    monkeypatch.setattr(store_to_store, "THRESHOLD", PART)
    monkeypatch.setattr(store_to_store, "good_part_size", lambda _: PART)


@pytest.fixture(params=DATA)
def data(request: pytest.FixtureRequest) -> bytes:
    return DATA[request.param]


@pytest.fixture(params=KINDS, ids=lambda crc: f"from {crc.name}")
def source(request: pytest.FixtureRequest, data: bytes) -> MemoryStore:
    store: MemoryStore = KINDS[request.param]()
    store.put("a", data)
    return store


class Target(MemoryStore):
    """A store on which something goes wrong.

    Attributes:
        flips: Whether a bit of what arrives is flipped before the store looks at it.
        lies: Whether what was completed is told to have another CRC-64.
        loses: How many answers are lost.
        tells: What `head` tells of the CRC-64, if anything else.
    """

    flips = False
    lies = False
    loses = 0
    tells: dict[str, Any] | None = None

    def _flipped(self, body: Outgoing) -> Outgoing:
        if not self.flips:
            return body
        came = bytearray(b"".join(map(bytes, body)))
        came[-1] ^= 1
        return Outgoing(came, crc=self.crc)

    def _answered(self, answer: StoredObject) -> StoredObject:
        if self.loses:
            self.loses -= 1
            raise TransientStoreError("the connection broke")
        return replace(answer, crc64=(answer.crc64 or 0) ^ 1) if self.lies else answer

    def _put(self, new: Any, body: Outgoing, condition: Any) -> StoredObject:
        return self._answered(super()._put(new, self._flipped(body), condition))

    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Any:
        return super()._upload_part(name, upload_id, number, self._flipped(body))

    def _complete_upload(self, *args: Any) -> StoredObject:
        return self._answered(super()._complete_upload(*args))

    def _head(self, *args: Any) -> StoredObject:
        return replace(super()._head(*args), **(self.tells or {}))


class NvmeTarget(Target):
    crc = Crc.NVME


@pytest.fixture(params=[Target, NvmeTarget], ids=lambda kind: f"to {kind.crc.name}")
def target(request: pytest.FixtureRequest) -> Target:
    pytest.importorskip("awscrt")
    store: Target = request.param()
    return store


def test_a_copy_is_the_same_by_the_kind_that_each_store_keeps(
    source: MemoryStore, target: Target, data: bytes
) -> None:
    copied = copy_to_store(source, "a", target, "b")
    assert (copied.size, copied.crc) == (len(data), target.crc)
    assert copied.crc64 == target.crc.of(data)
    lose_crc(source, "a")
    assert copy_to_store(source, "a", target, "c").crc64 == target.crc.of(data)


def test_what_is_damaged_at_the_source_is_not_written(source: MemoryStore, target: Target) -> None:
    damage(source, "a", -1)
    with pytest.raises(IntegrityError):
        copy_to_store(source, "a", target, "b")
    assert target.list().entries == ()
    assert not target.list_uploads()


def test_what_is_damaged_on_the_way_is_found(source: MemoryStore, target: Target) -> None:
    target.flips = True
    with pytest.raises(IntegrityError):
        copy_to_store(source, "a", target, "b")


def test_what_the_target_made_is_compared_with_what_was_read(
    source: MemoryStore, target: Target
) -> None:
    """Also where the source knows no CRC-64, or one of the other kind."""
    target.lies = True
    with pytest.raises(IntegrityError):
        copy_to_store(source, "a", target, "b")
    lose_crc(source, "a")
    with pytest.raises(IntegrityError):
        copy_to_store(source, "a", target, "b")


def test_a_copy_whose_answer_was_lost_is_there(
    source: MemoryStore, target: Target, data: bytes
) -> None:
    target.loses = ATTEMPTS - 1
    copied = copy_to_store(source, "a", target, "b", if_absent=True)
    assert (copied.size, copied.crc64) == (len(data), target.crc.of(data))


@pytest.mark.parametrize("unknown", ["none", "other bytes", "another kind"])
def test_what_is_not_known_to_be_our_copy_is_anothers(
    source: MemoryStore, target: Target, data: bytes, unknown: str
) -> None:
    other = Crc.XZ if target.crc is Crc.NVME else Crc.NVME
    target.loses = ATTEMPTS - 1
    told: dict[str, dict[str, Any]] = {
        "none": {"crc64": None},
        "other bytes": {"crc64": source.crc.of(data) ^ (source.crc is target.crc)},
        "another kind": {"crc": other, "crc64": None},
    }
    target.tells = told[unknown]
    with pytest.raises((PreconditionFailedError, UploadNotFoundError)):
        copy_to_store(source, "a", target, "b", if_absent=True)


class Repeating(NvmeStore):
    """Replaces metadata, and then answers as to a second request.

    Attributes:
        tells: What `head` tells from then on.
    """

    tells: dict[str, Any] | None = None
    asked = 0

    def _replace_metadata(self, change: Any) -> StoredObject:
        super()._replace_metadata(change)
        raise PreconditionFailedError("there is another object now")

    def _head(self, *args: Any) -> StoredObject:
        self.asked += 1
        stored = super()._head(*args)
        return stored if self.asked == 1 else replace(stored, **(self.tells or {}))


@pytest.mark.parametrize(
    ("tells", "ours"),
    [
        ({}, True),
        ({"crc64": None}, True),
        ({"crc": Crc.XZ, "crc64": 1}, True),
        ({"crc64": 1}, False),
        ({"crc64": Crc.XZ.of(b"text")}, False),
    ],
)
def test_metadata_that_were_replaced_already_are_around_the_same_bytes(
    tells: dict[str, Any], ours: bool
) -> None:
    store = Repeating()
    store.put("a", b"text")
    store.tells = tells
    if ours:
        assert update_metadata(store, "a", {"k": "v"}, None, None).metadata == {"k": "v"}
    else:
        with pytest.raises(ObjectChangedError, match="somebody else"):
            update_metadata(store, "a", {"k": "v"}, None, None)


@pytest.mark.parametrize("kind", KINDS.values())
def test_what_is_rewritten_is_what_was_looked_at(kind: type[MemoryStore], data: bytes) -> None:
    """Also where the answer that brings the bytes names no CRC-64."""
    store = kind()
    store.put("a", data)
    seen = ObjectToReplace(store, store.head("a"), store.attributes("a"), Halt())
    damage(store, "a", -1)
    lose_crc(store, "a")
    with pytest.raises(IntegrityError, match="nothing was written"):
        rewrite(seen, metadata={"k": "v"}, workers=1)
    assert dict(store.head("a").metadata) == {}
