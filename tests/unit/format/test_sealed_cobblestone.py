"""The chunks of the sealed format are C2SP chunked encryption: published vectors, and another
implementation, that of `cryptography`, both ways.

A message is a sealed body without its footer. Here the footer is empty, and the seal says so.

The published vectors derive their keys with SHA-256, which C2SP leaves open; Cobblestone-256, and
so the format, with SHA-512. For them the hash is exchanged, and nothing else.
"""

import base64
import hashlib
import hmac
import io
import json
import random
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import cryptography_vectors
import pytest
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.counts import count

from cipherbucket.errors import IntegrityError, named
from cipherbucket.format import sealed
from cipherbucket.format.footer import Seal
from cipherbucket.format.sealed import (
    CHUNK,
    HEADER,
    KEY_LENGTH,
    TAG,
    Sealed,
    damaged,
    derive,
)
from cipherbucket.format.span import Span
from cipherbucket.reading.decryption import body_of
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.records import StoredObject

STRIDE = CHUNK + TAG
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
KEY = bytes(range(32))
EDGES = sorted({max(0, n * CHUNK + d) for n in (0, 1, 2, 3, 64, 65) for d in (-17, -16, -1, 0, 1)})

Vector = Mapping[str, Any]


def vectors() -> list[Vector]:
    """Return the published vectors of the one instantiation that the format has."""
    with cryptography_vectors.open_vector_file("chunked-encryption/vectors.json", "r") as file:
        content = json.load(file)
    return [vector for vector in content["vectors"] if vector["aead"] == "AEAD_AES_256_GCM"]


PUBLISHED = vectors()
SUCCESSES = [vector for vector in PUBLISHED if vector["expect"] == "success"]
FAILURES = [vector for vector in PUBLISHED if vector["expect"] == "failure"]
BEGUN = [vector for vector in FAILURES if "payload_length" in vector]


def label(vector: Vector) -> str:
    return str(vector["name"])


def message_of(vector: Vector) -> bytes:
    raw = base64.b64decode(vector.get("ciphertext") or "")
    return zlib.decompress(raw) if vector.get("compressed") else raw


def cipher_of(message: bytes, key: bytes, context: bytes) -> Sealed:
    """Derive a message's keys as unsealing does, with its checks.

    Raises:
        IntegrityError: No header, a key of another length, or another commitment.
    """
    if len(key) != KEY_LENGTH or len(message) < HEADER:
        raise damaged()
    salt, commitment = message[:24], message[24:HEADER]
    chunk_key, base_nonce, derived = derive(key, salt, context)
    if not hmac.compare_digest(derived, commitment):
        raise damaged()
    empty = hashlib.sha256(b"").digest()
    return Sealed(chunk_key, base_nonce, Seal(0, 0, bytes(16), empty, salt, commitment))


def opened(message: bytes, key: bytes, context: bytes, span: Span | None = None) -> bytes:
    """Read a message, or a range of it, as an object that a store holds."""
    span = Span() if span is None else span
    cipher = cipher_of(message, key, context)
    stored = StoredObject(name="x", size=len(message), etag="1", modified=MOMENT)
    first, stop = cipher.layout.needed(span, len(message))
    raw = io.BytesIO(message[first:stop])
    body = body_of(Incoming(stored, first, stop, raw, named), cipher, cipher.layout, span)
    plain = memoryview(bytearray(body.left))
    filled = 0
    while body.left:
        filled += body.readinto(plain[filled:])
    return bytes(plain)


def made(key: bytes, context: bytes, salt: bytes, text: bytes) -> bytes:
    """Encrypt as one stretch, under a salt that is given."""
    chunk_key, base_nonce, commitment = derive(key, salt, context)
    seal = Seal(0, 0, bytes(16), bytes(32), salt, commitment)
    cipher = Sealed(chunk_key, base_nonce, seal)
    out = memoryview(bytearray(cipher.layout.stored_size(len(text))))
    return bytes(cipher.encrypt(0, memoryview(text), out, last=True))


def theirs(key: bytes, context: bytes, text: bytes) -> bytes:
    encryptor = Cobblestone256Encryptor(key, context)
    return encryptor.update(text) + encryptor.finalize()


def read_by_them(key: bytes, context: bytes, message: bytes) -> bytes:
    decryptor = Cobblestone256Decryptor(key, context)
    return decryptor.update(message) + decryptor.finalize()


@pytest.fixture
def sha256(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive keys with the hash of the published vectors."""

    def expand(key: bytes, info: bytes, length: int) -> bytes:
        return HKDFExpand(hashes.SHA256(), length, info).derive(key)

    monkeypatch.setattr(sealed, "_expand", expand)


def test_both_outcomes_are_published() -> None:
    assert (len(SUCCESSES), len(FAILURES)) == (9, 25)


@pytest.mark.usefixtures("sha256")
@pytest.mark.parametrize("vector", SUCCESSES, ids=label)
def test_a_published_message_opens(vector: Vector) -> None:
    key, context = bytes.fromhex(vector["key"]), vector["context"].encode()
    message = message_of(vector)

    text = opened(message, key, context)

    assert len(text) == vector["payload_length"]
    assert hashlib.sha256(text).hexdigest() == vector["payload_sha256"]
    assert derive(key, message[:24], context) == (
        bytes.fromhex(vector["aead_key"]),
        bytes.fromhex(vector["base_nonce"]),
        message[24:HEADER],
    )


@pytest.mark.usefixtures("sha256")
@pytest.mark.parametrize("vector", SUCCESSES, ids=label)
def test_a_published_plaintext_is_encrypted_to_the_published_message(vector: Vector) -> None:
    key, context = bytes.fromhex(vector["key"]), vector["context"].encode()
    message = message_of(vector)
    text = opened(message, key, context)

    assert made(key, context, message[:24], text) == message


@pytest.mark.usefixtures("sha256")
@pytest.mark.parametrize("vector", SUCCESSES, ids=label)
def test_a_published_message_opens_in_ranges(vector: Vector) -> None:
    key, context = bytes.fromhex(vector["key"]), vector["context"].encode()
    message = message_of(vector)
    text = opened(message, key, context)
    chance = random.Random(vector["name"])

    for _ in range(20):
        start = chance.randint(0, len(text))
        length = chance.choice([None, 0, 1, chance.randint(0, 3 * CHUNK)])
        stop = len(text) if length is None else start + length
        assert opened(message, key, context, Span(start, length)) == text[start:stop]
        tail = chance.randint(0, len(text) + 1)
        assert opened(message, key, context, Span(tail=tail)) == text[max(0, len(text) - tail) :]


@pytest.mark.usefixtures("sha256")
@pytest.mark.parametrize("vector", FAILURES, ids=label)
def test_a_published_message_that_must_not_open_does_not(vector: Vector) -> None:
    with pytest.raises(IntegrityError):
        opened(message_of(vector), bytes.fromhex(vector["key"]), vector["context"].encode())


@pytest.mark.usefixtures("sha256")
@pytest.mark.parametrize("vector", BEGUN, ids=label)
def test_what_is_authentic_before_the_failure_is_the_published_beginning(vector: Vector) -> None:
    message = message_of(vector)
    cipher = cipher_of(message, bytes.fromhex(vector["key"]), vector["context"].encode())
    length = vector["payload_length"]
    assert length == CHUNK

    plain = memoryview(bytearray(length))
    assert cipher.decrypt(0, memoryview(message)[HEADER : HEADER + STRIDE], plain) == length

    assert hashlib.sha256(plain).hexdigest() == vector["payload_sha256"]


@pytest.mark.parametrize("size", EDGES)
def test_the_other_implementation_and_ours_read_each_other_at_every_border(size: int) -> None:
    text = random.Random(size).randbytes(size)
    message = theirs(KEY, b"context", text)

    assert opened(message, KEY, b"context") == text
    assert made(KEY, b"context", message[:24], text) == message
    assert read_by_them(KEY, b"context", made(KEY, b"context", bytes(24), text)) == text


@given(
    size=st.integers(0, 40) | st.integers(0, 4 * CHUNK),
    seed=st.integers(0, 2**32),
    key=st.binary(min_size=32, max_size=32),
    context=st.binary(max_size=200),
    data=st.data(),
)
@settings(max_examples=count(3000, 150), deadline=None)
def test_what_the_other_implementation_makes_opens_here_and_is_what_is_made_here(
    size: int, seed: int, key: bytes, context: bytes, data: st.DataObject
) -> None:
    text = random.Random(seed).randbytes(size)
    message = theirs(key, context, text)

    assert opened(message, key, context) == text
    assert made(key, context, message[:24], text) == message
    start = data.draw(st.integers(0, size))
    length = data.draw(st.none() | st.integers(0, size + 3))
    stop = size if length is None else start + length
    assert opened(message, key, context, Span(start, length)) == text[start:stop]
    tail = data.draw(st.integers(0, size + 3))
    assert opened(message, key, context, Span(tail=tail)) == text[max(0, size - tail) :]


@given(
    size=st.integers(0, 40) | st.integers(0, 4 * CHUNK),
    salt=st.binary(min_size=24, max_size=24),
    key=st.binary(min_size=32, max_size=32),
    context=st.binary(max_size=200),
    steps=st.lists(st.integers(1, 20_000), min_size=1, max_size=5),
)
@example(size=0, salt=bytes(24), key=bytes(32), context=b"", steps=[1])
@settings(max_examples=count(3000, 150), deadline=None)
def test_what_is_made_here_opens_there_in_any_pieces(
    size: int, salt: bytes, key: bytes, context: bytes, steps: list[int]
) -> None:
    text = random.Random(size).randbytes(size)
    message = io.BytesIO(made(key, context, salt, text))

    decryptor = Cobblestone256Decryptor(key, context)
    plain, at = b"", 0
    while piece := message.read(steps[at % len(steps)]):
        plain += decryptor.update(piece)
        at += 1
    assert plain + decryptor.finalize() == text


@given(
    size=st.integers(0, 3 * CHUNK),
    place=st.integers(0, 2**32),
    bit=st.integers(0, 7),
    kind=st.sampled_from(["flip", "cut", "add"]),
)
@settings(max_examples=count(3000, 150), deadline=None)
def test_a_bent_message_opens_neither_there_nor_here(
    size: int, place: int, bit: int, kind: str
) -> None:
    message = bytearray(theirs(KEY, b"", bytes(size)))
    match kind:
        case "flip":
            message[place % len(message)] ^= 1 << bit
        case "cut":
            del message[-1 - place % len(message) :]
        case _:
            message += bytes(1 + place % (2 * CHUNK))

    with pytest.raises((InvalidTag, ValueError)):
        read_by_them(KEY, b"", bytes(message))
    with pytest.raises(IntegrityError):
        opened(bytes(message), KEY, b"")
