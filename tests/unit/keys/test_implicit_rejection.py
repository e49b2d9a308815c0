"""What bad PKCS #1 v1.5 padding is answered with is computed beforehand, and told from a secret."""

import copy
import gc
import pickle
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.counts import count
from tests.support.drawn_keys import draw_key
from tests.support.sdk_vectors import private_key

from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.unseal import unwrap_oss
from cipherbucket.errors import UsageError, WrongKeyError
from cipherbucket.format.envelope import Envelope
from cipherbucket.keys.implicit_rejection import ImplicitRejection
from cipherbucket.keys.ring import KeyRing
from cipherbucket.keys.rsa import OAEP_SHA1, OAEP_SHA256, PKCS1, V1_RSA, RsaKey

KEY = RsaKey(private_key("key1"))
SIZES = (1024, 1025, 1031, 1536, 2047, 2048, 3071, 3072, 4096)[: count(9, 6)]
"""Longer keys are slow to draw."""
OF_SIZE = {1024: 80_000, 1536: 20_000, 2047: 20_000, 2048: 50_000, 3072: 10_000}


@cache
def drawn(bits: int, number: int = 1) -> rsa.RSAPrivateKey:
    """Return a key, the same for a length and a number."""
    key = draw_key(65537, bits)
    if key.key_size != bits:  # of an odd number from 2,048 on, two primes of half of it are drawn
        p, q = draw_key(65537, bits + 1).private_numbers().p, key.private_numbers().q
        d = pow(65537, -1, (p - 1) * (q - 1))
        dmp1, dmq1, iqmp = d % (p - 1), d % (q - 1), pow(q, -1, p)
        public = rsa.RSAPublicNumbers(65537, p * q)
        key = rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, public).private_key()
    assert key.key_size == bits
    return key


def bad(key: rsa.RSAPrivateKey, encoded: int) -> bytes:
    """Return the ciphertext of a number that is no message, whatever its padding."""
    numbers = key.public_key().public_numbers()
    number = pow(encoded, numbers.e, numbers.n)
    return number.to_bytes((key.key_size + 7) // 8, "big")


def encoding(key: rsa.RSAPrivateKey, wrapped: bytes) -> bytes:
    """Return what a ciphertext decrypts to before its padding is looked at."""
    numbers = key.private_numbers()
    number = pow(int.from_bytes(wrapped, "big"), numbers.d, numbers.public_numbers.n)
    return number.to_bytes((key.key_size + 7) // 8, "big")


def has_good_padding(encoded: bytes) -> bool:
    return encoded[:2] == b"\0\2" and encoded.find(b"\0", 2) >= 10


class Watched(RsaKey):
    """Keeps what it unwraps."""

    answers: list[tuple[bytes, bytes]]

    def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        secret = super().unwrap(wrapped, algorithm=algorithm, context=context)
        self.answers.append((wrapped, secret))
        return secret


def envelopes(other: RsaKey) -> Iterator[Envelope]:
    """Yield envelopes that another key wrapped, their IVs random."""
    number = 0
    while True:
        number += 1
        secret = number.to_bytes(32, "big")
        yield Envelope.compose(
            algorithm=PKCS1,
            wrapped_key=other.wrap(secret, algorithm=PKCS1, context=b""),
            wrapped_iv=other.wrap(secret[16:], algorithm=PKCS1, context=b""),
            description=other.description,
        )


@pytest.mark.long
@pytest.mark.parametrize("bits", SIZES)
def test_every_rejection_by_a_wrong_key_is_foretold_and_none_is_accepted(bits: int) -> None:
    private = drawn(bits)
    foretold = ImplicitRejection(private)
    assert foretold.is_answered_by(private)
    wrong, other = Watched(private), RsaKey(drawn(bits, 2))
    rejections = 0
    for envelope in envelopes(other):
        wrong.answers = []
        with pytest.raises(WrongKeyError):
            unwrap_oss(envelope, KeyRing(), Policy(), key=wrong)
        for wrapped, secret in wrong.answers:
            if foretold.answer(wrapped) == secret:
                rejections += 1
                assert wrong.was_wrapped(wrapped, secret, algorithm=PKCS1) is False
            else:  # one number in 2**16 is a message by chance, and is that one
                encoded = encoding(private, wrapped)
                assert has_good_padding(encoded)
                assert encoded.endswith(b"\0" + secret)
        if rejections >= count(OF_SIZE.get(bits, 5_000), 30):
            break


@settings(max_examples=count(5_000, 100), deadline=None)
@given(st.binary(min_size=128, max_size=128))
def test_the_library_answers_any_number_as_computed_unless_its_padding_is_good(
    wrapped: bytes,
) -> None:
    key = drawn(1024)
    assume(int.from_bytes(wrapped, "big") < key.public_key().public_numbers().n)
    secret = key.decrypt(wrapped, padding.PKCS1v15())
    is_answer = ImplicitRejection(key).answer(wrapped) == secret
    assert is_answer is not has_good_padding(encoding(key, wrapped))


@pytest.mark.parametrize(
    "encoded",
    [
        b"\0\2" + b"\1" * 7 + b"\0" + bytes(246),  # seven bytes of padding
        b"\0\2" + b"\1" * 254,  # no separator
        b"\0\1" + b"\1" * 8 + b"\0" + bytes(245),  # of a signature
        b"\1\2" + b"\1" * 8 + b"\0" + bytes(245),
        b"\0\2\0" + b"\1" * 253,
        bytes(256),
        bytes(255) + b"\1",
    ],
)
def test_each_fault_of_padding_is_foretold(encoded: bytes) -> None:
    wrapped = bad(private_key("key1"), int.from_bytes(encoded, "big"))
    secret = KEY.unwrap(wrapped, algorithm=PKCS1, context=b"")
    assert KEY.was_wrapped(wrapped, secret, algorithm=PKCS1) is False


@pytest.mark.parametrize("length", [16, 32, 245])
def test_what_was_wrapped_is_told_from_the_answer(length: int) -> None:
    for number in range(count(500, 20)):
        secret = bytes([number % 256]) * length
        wrapped = KEY.wrap(secret, algorithm=PKCS1, context=b"")
        assert KEY.was_wrapped(wrapped, secret, algorithm=PKCS1) is True
        answer = ImplicitRejection(private_key("key1")).answer(wrapped)
        assert KEY.was_wrapped(wrapped, answer, algorithm=PKCS1) is False


@pytest.mark.parametrize("algorithm", [OAEP_SHA1, V1_RSA, OAEP_SHA256])
def test_what_oaep_unwraps_was_wrapped(algorithm: str) -> None:
    assert KEY.was_wrapped(b"wrapped", b"secret", algorithm=algorithm) is True


@pytest.mark.parametrize("bits", [1025, 1031, 2047])
def test_a_modulus_that_does_not_fill_its_first_byte_proves_nothing(bits: int) -> None:
    """Its first byte has fewer values, and good padding by chance is commoner."""
    key = RsaKey(drawn(bits))
    wrapped = key.wrap(bytes(32), algorithm=PKCS1, context=b"")
    assert key.was_wrapped(wrapped, bytes(32), algorithm=PKCS1) is None


class Device:
    """A private key whose library behaves otherwise; all else is the key's own."""

    def __init__(self, key: rsa.RSAPrivateKey, answer: Any, numbers: Any = None) -> None:
        self._key, self._answer, self._numbers = key, answer, numbers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    def decrypt(self, ciphertext: bytes, padding: Any) -> bytes:
        if isinstance(self._answer, Exception):
            raise self._answer
        return bytes(self._answer)

    def private_numbers(self) -> Any:
        if isinstance(self._numbers, Exception):
            raise self._numbers
        return self._key.private_numbers()


rsa.RSAPrivateKey.register(Device)


@pytest.mark.parametrize("answer", [bytes(32), b"", ValueError("Decryption failed")])
def test_a_library_that_answers_otherwise_proves_nothing(answer: Any) -> None:
    key = RsaKey(Device(private_key("key1"), answer))  # type: ignore[arg-type]
    assert key.was_wrapped(b"wrapped", bytes(32), algorithm=PKCS1) is None


def test_a_device_that_keeps_its_private_exponent_proves_nothing() -> None:
    device = Device(private_key("key1"), bytes(32), NotImplementedError("it stays in there"))
    key = RsaKey(device)  # type: ignore[arg-type]
    assert key.was_wrapped(b"wrapped", bytes(32), algorithm=PKCS1) is None
    assert key.can_unwrap


def test_the_library_is_tried_once_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    is_answered_by = ImplicitRejection.is_answered_by

    def counted(self: ImplicitRejection, key: rsa.RSAPrivateKey) -> bool:
        tried.append(key)
        return is_answered_by(self, key)

    monkeypatch.setattr(ImplicitRejection, "is_answered_by", counted)
    key = RsaKey(private_key("key2"))
    assert not tried, "not before it is used"
    wrapped = key.wrap(bytes(32), algorithm=PKCS1, context=b"")
    for _ in range(3):
        key.was_wrapped(wrapped, bytes(32), algorithm=PKCS1)
    assert len(tried) == 1


def test_of_the_private_exponent_a_hash_is_kept_which_shows_nowhere() -> None:
    private = drawn(1024)
    exponent = private.private_numbers().d
    rejection = ImplicitRejection(private)
    kept = [getattr(rejection, name) for name in ImplicitRejection.__slots__]
    gc.collect()
    assert exponent not in gc.get_referents(*kept)
    (secret,) = (each for each in kept if isinstance(each, bytes))
    key = RsaKey(private)
    for shown in (repr(rejection), repr(key), str(rejection)):
        assert secret.hex() not in shown
        assert str(exponent) not in shown
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(UsageError, match="pickled or copied"):
            copied(rejection)


def test_a_public_half_and_a_key_for_sealed_objects_keep_no_hash() -> None:
    assert RsaKey(private_key("key1").public_key())._rejection is None
    assert RsaKey(private_key("key1"), sealed_only=True)._rejection is None
