"""The kinds of CRC-64: that of OSS and that of S3."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipherbucket.errors import MissingExtraError
from cipherbucket.format import crc64 as module
from cipherbucket.format.crc64 import Crc, crc64, crc64_combine

POLYNOMIALS = {
    Crc.XZ: 0xC96C5795D7870F42,
    Crc.NVME: 0x9A6C9329AC4BC9B5,
    Crc.CRC32: 0xEDB88320,
}
"""Of the catalogue of CRCs, bits reflected."""


@pytest.fixture(params=Crc, ids=lambda crc: crc.name, scope="module")
def kind(request: pytest.FixtureRequest) -> Crc:
    if request.param is not Crc.XZ:
        pytest.importorskip("awscrt")
    crc: Crc = request.param
    return crc


def bit_by_bit(data: bytes, crc: Crc = Crc.XZ) -> int:
    """Compute a CRC as it is defined: reflected, all ones before and after."""
    ones = 2**32 - 1 if crc is Crc.CRC32 else 2**64 - 1
    value = ones
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (POLYNOMIALS[crc] if value & 1 else 0)
    return value ^ ones


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


def test_the_check_values_of_the_catalogue(kind: Crc) -> None:
    check = {
        Crc.XZ: 0x995DC9BBDF1939FA,
        Crc.NVME: 0xAE8B14860A799888,
        Crc.CRC32: 0xCBF43926,
    }
    assert kind.of(b"123456789") == check[kind]
    assert kind.of(b"") == 0


@given(data=st.binary(max_size=300))
def test_it_is_the_crc_as_it_is_defined(kind: Crc, data: bytes) -> None:
    assert kind.of(data) == bit_by_bit(data, kind)


@given(data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_it_goes_on_from_piece_to_piece_of_any_kind_of_buffer(
    kind: Crc, data: bytes, cut: int
) -> None:
    whole = memoryview(bytearray(b"x" + data))[1:]

    assert kind.of(whole[cut:], kind.of(bytearray(data[:cut]))) == kind.of(data)


@given(pieces=st.lists(st.binary(max_size=100), max_size=6))
def test_the_crcs_of_pieces_combine_to_that_of_the_whole(kind: Crc, pieces: list[bytes]) -> None:
    combined = 0
    for piece in pieces:
        combined = kind.combine(combined, kind.of(piece), len(piece))

    assert combined == kind.of(b"".join(pieces))


@pytest.mark.parametrize("length", [0, 1, 255, 4096, 102_400, 1 << 20])
def test_long_pieces_combine(kind: Crc, length: int) -> None:
    first, second = b"first", b"\xa5" * length

    assert kind.combine(kind.of(first), kind.of(second), length) == kind.of(first + second)


def test_that_of_s3_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "awscrt", None)
    module._aws_checksums.cache_clear()
    try:
        with pytest.raises(MissingExtraError, match="awscrt is missing") as missing:
            Crc.NVME.of(b"")
        assert "boto3[crt]" in str(missing.value.hint)
        assert Crc.XZ.of(b"123456789") == 0x995DC9BBDF1939FA
    finally:
        module._aws_checksums.cache_clear()


def test_the_library_of_s3_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys; import cipherbucket as cb; cb.MemoryStore().put('a', b'1');"
        " assert 'awscrt' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


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
