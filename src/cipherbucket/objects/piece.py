"""Bytes on their way from one store to another: in memory, with what either store knows them by.

Rule: what passed is compared with what each of the stores says by the CRC-64 that it keeps. Where
theirs are of different kinds, both are computed: one kind says nothing about the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cipherbucket.format.crc64 import Crc
from cipherbucket.reading.decryption import BLOCK
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.records import StoredObject
from cipherbucket.workers.threads import Halt

Crcs = Mapping[Crc, int]
"""The CRC-64 of bytes, by kind."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An object, or a part of one, in memory.

    Attributes:
        data: Its bytes.
        crcs: Their CRC-64, of the kinds that source and target keep.
    """

    data: memoryview
    crcs: Crcs


def read_piece(incoming: Incoming, other: Crc, halt: Halt) -> Piece:
    """Read a response into memory, since it may have to be sent more than once.

    Args:
        incoming: The response.
        other: The CRC-64 that is wanted beside that of the source.
        halt: Counts what comes.
    """
    size = incoming.stop - incoming.start
    data = bytearray(min(size, BLOCK))
    incoming.counting = True
    counted = 0
    try:
        while counted < size:
            if counted == len(data):  # its size is a claim: no more room than has come already
                data += bytes(min(counted, size - counted))
            count = incoming.readinto(memoryview(data)[counted : counted + BLOCK])
            counted += count
            halt.passed(count)
    except BaseException:
        halt.skipped(-counted)  # read again, it counts for the rate and not for the progress
        raise
    crcs = {incoming.stored.crc: incoming.crc64}
    if other not in crcs:
        crcs[other] = other.of(data)
    return Piece(memoryview(data), crcs)


def combined(pieces: Iterable[tuple[Crcs, int]]) -> Crcs:
    """Return the CRC-64 of a whole from those of its pieces, in order, and their sizes in bytes."""
    whole: dict[Crc, int] = {}
    for crcs, size in pieces:
        whole = {crc: crc.combine(whole.get(crc, 0), crcs[crc], size) for crc in crcs}
    return whole


def is_same(stored: StoredObject, passed: Crcs) -> bool | None:
    """Tell whether what a store has is what passed; None where its CRC-64 does not say."""
    ours = passed.get(stored.crc)
    return None if ours is None or stored.crc64 is None else stored.crc64 == ours
