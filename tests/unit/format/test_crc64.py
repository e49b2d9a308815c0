"""CRC-64 as OSS computes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipherbucket.format.crc64 import crc64, crc64_combine


def bit_by_bit(data: bytes) -> int:
    """Compute CRC-64/XZ as it is defined: reflected, all ones before and after."""
    crc = 2**64 - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xC96C5795D7870F42 if crc & 1 else 0)
    return crc ^ (2**64 - 1)


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0x995DC9BBDF1939FA),  # the check value of the catalogue of CRCs
        (b"123456789" * 4, bit_by_bit(b"123456789" * 4)),
        (bytes(1), bit_by_bit(bytes(1))),
    ],
)
def test_known_values(data: bytes, crc: int) -> None:
    assert crc64(data) == crc


@given(data=st.binary(max_size=300))
def test_it_is_the_crc_as_it_is_defined(data: bytes) -> None:
    assert crc64(data) == bit_by_bit(data)


@given(data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_it_goes_on_from_piece_to_piece_of_any_kind_of_buffer(data: bytes, cut: int) -> None:
    whole = memoryview(bytearray(b"x" + data))[1:]

    assert crc64(whole[cut:], crc64(bytearray(data[:cut]))) == crc64(data)


@given(pieces=st.lists(st.binary(max_size=100), max_size=6))
def test_the_crcs_of_pieces_combine_to_that_of_the_whole(pieces: list[bytes]) -> None:
    combined = 0
    for piece in pieces:
        combined = crc64_combine(combined, crc64(piece), len(piece))

    assert combined == crc64(b"".join(pieces))


@pytest.mark.parametrize("length", [0, 1, 255, 4096, 102_400, 1 << 20])
def test_long_pieces_combine(length: int) -> None:
    first, second = b"first", b"\xa5" * length

    assert crc64_combine(crc64(first), crc64(second), length) == crc64(first + second)


@given(
    crcs=st.tuples(*[st.integers(0, 2**64 - 1)] * 3),
    lengths=st.tuples(*[st.integers(0, 2**50)] * 2),
)
def test_combining_is_associative_for_pieces_of_any_length(
    crcs: tuple[int, int, int], lengths: tuple[int, int]
) -> None:
    first, second, third = crcs
    left = crc64_combine(crc64_combine(first, second, lengths[0]), third, lengths[1])
    right = crc64_combine(first, crc64_combine(second, third, lengths[1]), sum(lengths))

    assert left == right


def test_nothing_appended_changes_nothing() -> None:
    assert crc64_combine(crc64(b"abc"), crc64(b""), 0) == crc64(b"abc")
