"""Laws of bodies: counted, checksummed, held to their length, whoever fails blamed for it."""

from __future__ import annotations

import array
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.support.nvme_store import NvmeStore, damage, lose_crc
from tests.unit.stores.test_conformance import Blocks

from cipherbucket.errors import (
    IntegrityError,
    SourceError,
    StoreError,
    TransientStoreError,
    UsageError,
)
from cipherbucket.format.crc64 import Crc, crc64
from cipherbucket.stores.bodies import Buffer, Outgoing, RawBody
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import Part, StoredObject


class Slow:
    """A raw body that gives a few bytes at a time, and fails after some."""

    def __init__(self, data: bytes, step: int = 3, failure: Exception | None = None) -> None:
        self.data, self.step, self.failure, self.closed = data, step, failure, False

    def readinto(self, buffer: memoryview, /) -> int:
        if not self.data and self.failure is not None:
            raise self.failure
        piece = self.data[: min(self.step, len(buffer))]
        buffer[: len(piece)] = piece
        self.data = self.data[len(piece) :]
        return len(piece)

    def close(self) -> None:
        self.closed = True


class Tampering(MemoryStore):
    """A memory store whose answers can be falsified."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: Slow | None = None
        self.crc64_off_by = 0
        self.raises: Exception | None = None

    def _put(self, *args: object, **kwargs: object) -> StoredObject:
        stored: StoredObject = super()._put(*args, **kwargs)  # type: ignore[arg-type]
        if self.raises is not None:
            raise self.raises
        return self._falsified(stored)

    def _get(self, *args: object) -> tuple[StoredObject, int, int, RawBody]:
        stored, first, stop, raw = super()._get(*args)  # type: ignore[arg-type]
        return self._falsified(stored), first, stop, self.raw or raw

    def _upload_part(self, *args: object) -> Part:
        part: Part = super()._upload_part(*args)  # type: ignore[arg-type]
        return Part(part.number, part.size, part.etag, (part.crc64 or 0) ^ self.crc64_off_by)

    def _falsified(self, stored: StoredObject) -> StoredObject:
        return StoredObject(
            name=stored.name,
            size=stored.size,
            etag=stored.etag,
            modified=stored.modified,
            crc64=(stored.crc64 or 0) ^ self.crc64_off_by,
        )


@pytest.fixture
def store() -> Tampering:
    store = Tampering()
    store.put("a", b"0123456789")
    return store


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_buffer_is_a_body(kind: type[Buffer]) -> None:
    outgoing = Outgoing(kind(b"0123"))
    assert len(outgoing) == 4
    assert b"".join(outgoing) == b"0123"
    assert (outgoing.sent, outgoing.crc64) == (4, crc64(b"0123"))


def test_a_buffer_counts_in_bytes_whatever_its_items() -> None:
    outgoing = Outgoing(memoryview(array.array("I", [1, 2, 3])))
    assert len(outgoing) == 12
    assert len(b"".join(outgoing)) == outgoing.sent == 12


def test_counts_start_anew_with_every_iteration() -> None:
    outgoing = Outgoing(Blocks(b"01", b"23"))
    next(iter(outgoing))
    for _ in range(2):
        assert b"".join(bytes(block) for block in outgoing) == b"0123"
        assert (outgoing.sent, outgoing.crc64) == (4, crc64(b"0123"))


@pytest.mark.parametrize(
    ("blocks", "length", "passed", "gave"),
    [
        ((b"01", b"23"), 5, b"0123", "only 4"),
        ((), 1, b"", "only 0"),
        ((b"01", b"23"), 3, b"01", "more"),
        ((b"01", b"23"), 2, b"01", "more"),
        ((b"01",), 0, b"", "more"),
    ],
)
def test_a_body_is_held_to_its_length(
    blocks: tuple[bytes, ...], length: int, passed: bytes, gave: str
) -> None:
    outgoing = Outgoing(Blocks(*blocks, length=length))
    arrived: list[bytes] = []
    with pytest.raises(SourceError, match=gave) as caught:
        arrived.extend(bytes(block) for block in outgoing)
    assert b"".join(arrived) == passed
    assert outgoing.failure is caught.value


def test_a_store_that_stops_reading_is_not_the_bodys_failure() -> None:
    outgoing = Outgoing(Blocks(b"01", b"23"))
    for _ in outgoing:
        break
    assert outgoing.failure is None


def test_a_put_compares_the_stores_crc(store: Tampering) -> None:
    store.crc64_off_by = 1
    with pytest.raises(IntegrityError, match="CRC-64"):
        store.put("a", b"1")
    upload = store.begin_upload("a")
    with pytest.raises(IntegrityError, match="CRC-64"):
        store.upload_part("a", upload, 1, b"1")


def test_reads_fill_the_buffer_as_far_as_bytes_come(store: Tampering) -> None:
    raw = store.raw = Slow(b"0123456789")
    buffer = bytearray(7)
    with store.get("a") as body:
        assert body.whole
        assert (body.readinto(buffer), bytes(buffer)) == (7, b"0123456")
        assert not raw.closed
        assert (body.readinto(buffer), bytes(buffer[:3])) == (3, b"789")
        assert raw.closed, "what was read to its end needs no closing"
        assert body.readinto(buffer) == 0


def test_reads_take_no_more_than_the_range(store: Tampering) -> None:
    raw = store.raw = Slow(b"3456789")
    with store.get("a", start=3, length=4) as body:
        assert not body.whole
        assert body.readinto(bytearray(99)) == 4
        assert body.readinto(bytearray(99)) == 0
    assert raw.data == b"789"


@pytest.mark.parametrize("how", [{}, {"start": 2}])
def test_a_body_that_ends_early(store: Tampering, how: dict[str, int]) -> None:
    store.raw = Slow(b"01234")
    with (
        store.get("a", **how) as body,  # type: ignore[arg-type]
        pytest.raises(IntegrityError, match="ended after 5") as caught,
    ):
        body.readinto(bytearray(99))
    assert caught.value.name == "a"


def test_a_whole_body_is_compared_with_its_crc(store: Tampering) -> None:
    store.raw = Slow(b"0123456780")
    with store.get("a") as body:
        body.readinto(bytearray(9))
        with pytest.raises(IntegrityError, match="CRC-64"):
            body.readinto(bytearray(1))


def test_an_empty_body_is_compared_too(store: Tampering) -> None:
    store.put("a", b"")
    store.crc64_off_by = 1
    with store.get("a") as body, pytest.raises(IntegrityError, match="CRC-64"):
        body.readinto(bytearray(1))


def test_a_range_cannot_be_compared_with_the_crc(store: Tampering) -> None:
    store.crc64_off_by = 1
    with store.get("a", start=1) as body:
        assert body.readinto(bytearray(99)) == 9


def test_failures_while_reading_are_translated(store: Tampering) -> None:
    store.raw = Slow(b"0123", failure=OSError(5, "the disk"))
    with store.get("a") as body, pytest.raises(StoreError, match="the disk") as caught:
        body.readinto(bytearray(99))
    assert caught.value.name == "a"
    assert type(caught.value.__cause__) is OSError


def test_failures_while_writing_are_translated(store: Tampering) -> None:
    store.raises = OSError(5, "the disk")
    with pytest.raises(StoreError, match="the disk") as caught:
        store.put("a", b"1")
    assert type(caught.value) is StoreError
    store.raises = TransientStoreError("again")
    with pytest.raises(TransientStoreError) as again:
        store.put("a", b"1")
    assert again.value.name == "a"
    store.raises = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        store.put("a", b"1")


def test_an_interrupt_in_a_body_passes(store: Tampering) -> None:
    class Interrupted(Blocks):
        def __iter__(self) -> Iterator[Buffer]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put("a", Interrupted(b"1"))


@pytest.mark.parametrize(
    ("metadata", "headers"),
    [
        ({"K": "1"}, {}),
        ({"": "1"}, {}),
        ({"k": "a\nb"}, {}),
        ({"k": " a"}, {}),
        ({"k": "\ud800"}, {}),
        ({"k": "x" * 8192}, {}),
        ({}, {"x-other": "1"}),
        ({}, {"expires": "a\r\nb"}),
        ({}, {"expires": "\ud800"}),
    ],
)
def test_metadata_that_no_store_could_carry(
    store: Tampering, metadata: dict[str, str], headers: dict[str, str]
) -> None:
    with pytest.raises(UsageError):
        store.put("a", b"", metadata=metadata, headers=headers)
    with pytest.raises(UsageError):
        store.replace_metadata("a", metadata=metadata, headers=headers)
    with pytest.raises(UsageError):
        store.begin_upload("a", metadata=metadata, headers=headers)


@pytest.fixture(params=[MemoryStore, NvmeStore])
def keeping(request: pytest.FixtureRequest) -> MemoryStore:
    """Return a store of each kind of CRC-64."""
    store: MemoryStore = request.param()
    store.put("a", b"0123456789")
    return store


def test_bodies_are_summed_by_the_kind_that_the_store_keeps(keeping: MemoryStore) -> None:
    crc = keeping.crc
    outgoing = Outgoing(Blocks(b"01", b"23"), crc=crc)
    assert b"".join(map(bytes, outgoing)) == b"0123"
    assert (outgoing.crc, outgoing.crc64) == (crc, crc.of(b"0123"))
    with keeping.get("a") as body:
        body.readinto(bytearray(10))
        assert body.crc64 == crc.of(b"0123456789")
    with keeping.get("a", start=1, length=3) as body:
        body.counting = True
        body.readinto(bytearray(10))
        assert body.crc64 == crc.of(b"123")


def test_a_flipped_bit_is_found_by_either_kind(keeping: MemoryStore) -> None:
    damage(keeping, "a", 7)
    with keeping.get("a") as body, pytest.raises(IntegrityError, match="CRC-64"):
        body.readinto(bytearray(10))
    lose_crc(keeping, "a")
    with keeping.get("a") as body:
        assert body.readinto(bytearray(10)) == 10


def test_what_arrived_is_compared_by_one_kind_alone() -> None:
    outgoing = Outgoing(b"0123")
    assert list(outgoing) == [b"0123"]
    outgoing.check_arrived("a", Part(1, 4, "E", crc64(b"0123")))
    outgoing.check_arrived("a", Part(1, 4, "E"))
    outgoing.check_arrived("a", Part(1, 4, "E", 1, Crc.NVME))
    with pytest.raises(IntegrityError, match="CRC-64"):
        outgoing.check_arrived("a", Part(1, 4, "E", 1))


class Mistaken(NvmeStore):
    """Says another CRC-64 of what arrives."""

    def _put(self, *args: object) -> StoredObject:
        return replace(super()._put(*args), crc64=crc64(b"1"))  # type: ignore[arg-type]

    def _upload_part(self, *args: object) -> Part:
        return replace(super()._upload_part(*args), crc64=crc64(b"1"))  # type: ignore[arg-type]


def test_what_arrived_is_compared_by_the_kind_that_the_store_keeps() -> None:
    store = Mistaken()
    with pytest.raises(IntegrityError, match="CRC-64"):
        store.put("a", b"1")
    upload = store.begin_upload("a")
    with pytest.raises(IntegrityError, match="CRC-64"):
        store.upload_part("a", upload, 1, b"1")


class Silent(NvmeStore):
    """Says no CRC-64 of a part."""

    def _upload_part(self, *args: object) -> Part:
        return replace(super()._upload_part(*args), crc64=None)  # type: ignore[arg-type]


def test_a_part_whose_crc_the_store_does_not_name_has_that_of_what_was_sent() -> None:
    store = Silent()
    upload = store.begin_upload("a")
    part = store.upload_part("a", upload, 1, Blocks(b"01", b"23"))
    assert (part.crc64, part.crc) == (Crc.NVME.of(b"0123"), Crc.NVME)
