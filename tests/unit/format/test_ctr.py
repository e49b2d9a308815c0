"""AES-256 in counter mode: the standards' vectors, carries, offsets, chunks."""

import pickle
from itertools import pairwise
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from cipherbucket.errors import UsageError
from cipherbucket.format.ctr import Ctr

KEY = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
IV = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
# NIST SP 800-38A, F.5.5 and F.5.6: CTR-AES256, four blocks.
PLAINTEXT = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172a"
    "ae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52ef"
    "f69f2445df4f9b17ad2b417be66c3710"
)
CIPHERTEXT = bytes.fromhex(
    "601ec313775789a5b7a7f504bbf3d228"
    "f443e3ca4d62b59aca84e990cacaf5c5"
    "2b0930daa23de94ce87017ba2d84988d"
    "dfc9c58db67aada613c2dd08457941a6"
)


def keystream(key: bytes, iv: bytes, offset: int, length: int) -> bytes:
    """Make the keystream block by block from the bare cipher: counters as integers of 128 bits."""
    first, last = offset // 16, (offset + length) // 16
    counters = b"".join(
        ((int.from_bytes(iv, "big") + block) % 2**128).to_bytes(16, "big")
        for block in range(first, last + 1)
    )
    blocks = Cipher(algorithms.AES256(key), modes.ECB()).encryptor().update(counters)
    return blocks[offset % 16 :][:length]


def applied(cipher: Ctr, data: bytes, offset: int = 0) -> bytes:
    buffer = bytearray(data)
    cipher.stream(offset).apply(buffer)
    return bytes(buffer)


def rfc_3686_vectors() -> list[tuple[bytes, bytes, bytes, bytes]]:
    file = Path(cryptography_vectors.__file__).parent / "ciphers/AES/CTR/aes-256-ctr.txt"
    lines = [line.split(" = ") for line in file.read_text().splitlines() if " = " in line]
    values = [bytes.fromhex(value) for name, value in lines if name != "COUNT"]
    return [
        (values[at], values[at + 1], values[at + 2], values[at + 3])
        for at in range(0, len(values), 4)
    ]


def test_the_vectors_of_nist_sp_800_38a_encrypt_and_decrypt() -> None:
    cipher = Ctr(KEY, IV)

    assert applied(cipher, PLAINTEXT) == CIPHERTEXT
    assert applied(cipher, CIPHERTEXT) == PLAINTEXT


@pytest.mark.parametrize("offset", range(64))
def test_the_nist_vector_decrypts_from_every_byte_on(offset: int) -> None:
    assert applied(Ctr(KEY, IV), CIPHERTEXT[offset:], offset) == PLAINTEXT[offset:]


@pytest.mark.parametrize(("key", "iv", "plaintext", "ciphertext"), rfc_3686_vectors())
def test_the_vectors_of_rfc_3686_encrypt_and_decrypt(
    key: bytes, iv: bytes, plaintext: bytes, ciphertext: bytes
) -> None:
    assert applied(Ctr(key, iv), plaintext) == ciphertext
    assert applied(Ctr(key, iv), ciphertext) == plaintext


def test_the_file_of_rfc_3686_vectors_was_found() -> None:
    assert len(rfc_3686_vectors()) == 3


@pytest.mark.parametrize(
    ("iv", "offset"),
    [
        pytest.param("f0f1f2f3f4f5f6f700000000ffffffff", 0, id="2^32 in the second block"),
        pytest.param("f0f1f2f3f4f5f6f700000000fcfdfeff", 16 * 0x03020100, id="2^32 by an offset"),
        pytest.param("f0f1f2f3f4f5f6f700000000fcfdfeff", 2**36 - 8, id="2^32 blocks on"),
        pytest.param("f0f1f2f3f4f5f6f7ffffffffffffffff", 0, id="2^64 in the second block"),
        pytest.param("00000000000000000000000000000001", 16 * (2**64 - 2), id="2^64 by an offset"),
        pytest.param("ffffffffffffffff0000000000000000", 16 * (2**64 - 1), id="2^128 by an offset"),
        pytest.param("ffffffffffffffffffffffffffffffff", 83, id="2^128 within an offset"),
        pytest.param("ffffffffffffffff0000000000000000", 2**68 + 5, id="2^128 by a long offset"),
        pytest.param("ffffffffffffffffffffffffffffffff", 0, id="2^128 in the second block"),
        pytest.param("fffffffffffffffffffffffffffffffe", 7, id="2^128 in the third block"),
        pytest.param("00000000000000000000000000000000", 5, id="no carry at all"),
    ],
)
def test_the_counter_carries_through_all_128_bits(iv: str, offset: int) -> None:
    expected = keystream(KEY, bytes.fromhex(iv), offset, 100)

    assert applied(Ctr(KEY, bytes.fromhex(iv)), bytes(100), offset) == expected


@given(
    key=st.binary(min_size=32, max_size=32),
    iv=st.binary(min_size=16, max_size=16),
    offset=st.integers(0, 2**68) | st.integers(0, 64),
    length=st.integers(0, 200),
)
def test_any_offset_gives_the_keystream_of_the_bare_cipher(
    key: bytes, iv: bytes, offset: int, length: int
) -> None:
    assert applied(Ctr(key, iv), bytes(length), offset) == keystream(key, iv, offset, length)


@given(data=st.binary(max_size=500), cuts=st.lists(st.integers(0, 500), max_size=20))
def test_pieces_of_any_size_give_the_same_bytes_as_the_whole(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    buffer = memoryview(bytearray(data))
    stream = Ctr(KEY, IV).stream(3)

    for start, stop in pairwise(edges):
        stream.apply(buffer[start:stop])

    assert buffer == applied(Ctr(KEY, IV), data, 3)


def test_bytes_are_changed_in_place_and_only_those_of_the_buffer_given() -> None:
    whole = bytearray(b"front" + PLAINTEXT + b"back")

    Ctr(KEY, IV).stream().apply(memoryview(whole)[5:-4])

    assert whole == b"front" + CIPHERTEXT + b"back"


def test_two_streams_of_one_cipher_do_not_disturb_each_other() -> None:
    cipher = Ctr(KEY, IV)
    first, second = cipher.stream(), cipher.stream(16)
    one, two, rest = bytearray(PLAINTEXT[:16]), bytearray(PLAINTEXT[16:]), bytearray(16)

    first.apply(one)
    second.apply(two)
    first.apply(rest)

    assert one + two == CIPHERTEXT
    assert rest == keystream(KEY, IV, 16, 16)


@pytest.mark.parametrize(
    ("key_length", "iv_length"), [(31, 16), (33, 16), (16, 16), (32, 15), (32, 17), (0, 0)]
)
def test_a_key_or_iv_of_another_length_is_refused(key_length: int, iv_length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Ctr(bytes(key_length), bytes(iv_length))


def test_a_cipher_shows_neither_key_nor_iv() -> None:
    shown = repr(Ctr(KEY, IV)) + str(Ctr(KEY, IV)) + repr(Ctr(KEY, IV).stream())

    assert KEY.hex() not in shown
    assert repr(KEY) not in shown
    assert IV.hex() not in shown


def test_a_data_key_is_not_pickled() -> None:
    with pytest.raises(UsageError, match="cannot be pickled"):
        pickle.dumps(Ctr(bytes(32), bytes(16)))
