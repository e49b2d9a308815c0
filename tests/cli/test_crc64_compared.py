"""``--checksum`` between two stores: by the CRC-64 of one kind alone."""

import pytest
from tests.support.nvme_store import NvmeStore, lose_crc

import cipherbucket as cb
from cipherbucket.cli.copying.encrypted_objects import OTHER_CONTENT, difference_of_objects
from cipherbucket.cli.copying.listings import Item
from cipherbucket.stores.memory import MemoryStore


def compared(one: MemoryStore, other: MemoryStore) -> str | None:
    sides = []
    for store in (one, other):
        bucket = cb.Bucket(store, cb.KeyRing(), policy=cb.Policy(plaintext=True))
        size = store.head("a").size
        sides.append((bucket, "a", Item("a", size, 0, "")))
    return difference_of_objects(sides[0], sides[1], checksum=True)


def filled(kind: type[MemoryStore], text: bytes) -> MemoryStore:
    store = kind()
    store.put("a", text)
    return store


@pytest.mark.parametrize("kind", [MemoryStore, NvmeStore])
def test_objects_of_one_kind_are_compared(kind: type[MemoryStore]) -> None:
    assert compared(filled(kind, b"text"), filled(kind, b"text")) is None
    assert compared(filled(kind, b"text"), filled(kind, b"next")) == OTHER_CONTENT


def test_objects_of_two_kinds_are_refused_and_neither_same_nor_other() -> None:
    with pytest.raises(cb.UsageError, match="keeps CRC-64/XZ and the other CRC-64/NVME") as refused:
        compared(filled(MemoryStore, b"text"), filled(NvmeStore, b"text"))
    assert refused.value.hint == "compare by size and time, without --checksum"
    assert compared(filled(MemoryStore, b"text"), filled(NvmeStore, b"longer")) == OTHER_CONTENT


def test_an_object_without_one_is_refused() -> None:
    one, other = filled(NvmeStore, b"text"), filled(NvmeStore, b"text")
    lose_crc(other, "a")
    with pytest.raises(cb.UsageError, match="keeps no CRC-64"):
        compared(one, other)
