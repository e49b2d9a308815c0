"""What two records say of each other's bytes, and parts of the whole."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from cipherbucket.format.crc64 import Crc, crc64
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.stores.records import Part, StoredObject, crc64_of_parts, same_crc64

XZ, OTHER, NONE = Part(1, 5, "E", 7), Part(1, 5, "E", 8), Part(1, 5, "E")
NVME, OTHER_NVME, NO_NVME = (
    Part(part.number, part.size, part.etag, part.crc64, Crc.NVME) for part in (XZ, OTHER, NONE)
)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (XZ, XZ, True),
        (NVME, NVME, True),
        (XZ, OTHER, False),
        (NVME, OTHER_NVME, False),
        (XZ, NVME, None),
        (XZ, OTHER_NVME, None),
        (XZ, NONE, None),
        (NONE, NONE, None),
        (NONE, NO_NVME, None),
        (NVME, NO_NVME, None),
    ],
)
def test_kinds_that_differ_say_nothing_of_each_other(
    one: Part, other: Part, same: bool | None
) -> None:
    assert same_crc64(one, other) is same
    assert same_crc64(other, one) is same


def test_parts_give_the_whole_by_one_kind() -> None:
    pieces = [b"first", b"", b"third"]
    parts = [Part(number, len(text), "E", crc64(text)) for number, text in enumerate(pieces)]
    assert crc64_of_parts(parts) == crc64(b"firstthird")
    assert crc64_of_parts(parts, Crc.NVME) is None
    assert crc64_of_parts([*parts, NONE]) is None
    assert crc64_of_parts([*parts, NVME]) is None


def test_an_object_says_which_crc_it_has() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    stored = StoredObject(name="a", size=1, etag="E", modified=moment, crc64=7, crc=Crc.NVME)
    info = ObjectInfo.of(stored)
    assert (info.crc64, info.crc) == (7, Crc.NVME)
    assert pickle.loads(pickle.dumps(stored)) == stored
    assert pickle.loads(pickle.dumps(info)).crc is Crc.NVME
