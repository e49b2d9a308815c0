"""A memory store that keeps the CRC-64 of S3, and ways to damage what it holds."""

from dataclasses import replace
from typing import ClassVar

import pytest

from cipherbucket.format.crc64 import Crc
from cipherbucket.stores.memory import MemoryStore


class NvmeStore(MemoryStore):
    """A memory store whose CRC-64 is CRC-64/NVME. Without the extra ``s3`` the test is skipped."""

    crc: ClassVar[Crc] = Crc.NVME

    def __init__(self) -> None:
        pytest.importorskip("awscrt")
        super().__init__()


def damage(store: MemoryStore, name: str, at: int = 0) -> None:
    """Flip a bit of an object's body, as a disk would: what the store says of it stays."""
    held = store._objects[name.encode()]
    body = bytearray(held.body)
    body[at] ^= 1
    store._objects[name.encode()] = replace(held, body=bytes(body))


def lose_crc(store: MemoryStore, name: str) -> None:
    """Let a store know no CRC-64 of an object."""
    held = store._objects[name.encode()]
    store._objects[name.encode()] = replace(held, stored=replace(held.stored, crc64=None))
