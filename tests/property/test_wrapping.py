"""Wrapping of the sealed format: it unwraps with its key and context, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.counts import count
from tests.support.sdk_vectors import rsa_key

from cipherbucket.errors import WrongKeyError
from cipherbucket.keys.aes import KWP, AesKey
from cipherbucket.keys.rsa import OAEP_SHA1, OAEP_SHA256, PKCS1, V1_RSA

ONE, TWO = rsa_key("key1"), rsa_key("key2")

aes_keys = st.binary(min_size=32, max_size=32)
contexts = st.binary(min_size=1, max_size=64)
plain_secrets = st.binary(min_size=1, max_size=64)


def flipped(data: bytes, bit: int) -> bytes:
    number = int.from_bytes(data, "big") ^ (1 << bit % (8 * len(data)))
    return number.to_bytes(len(data), "big")


quick = settings(max_examples=count(2000, 100), deadline=None)


@quick
@given(aes_keys, aes_keys, contexts, contexts, plain_secrets, st.integers(0, 1 << 20))
def test_aes(
    raw: bytes, other: bytes, context: bytes, elsewhere: bytes, secret: bytes, bit: int
) -> None:
    assume(other != raw)
    assume(elsewhere != context)
    key = AesKey(raw)
    wrapped = key.wrap(secret, algorithm=KWP, context=context)
    assert key.unwrap(wrapped, algorithm=KWP, context=context) == secret
    for opener, label, data in (
        (AesKey(other), context, wrapped),
        (AesKey(flipped(raw, bit)), context, wrapped),
        (key, elsewhere, wrapped),
        (key, flipped(context, bit), wrapped),
        (key, context + b"\0", wrapped),
        (key, context, flipped(wrapped, bit)),
        (key, context, wrapped[:-1]),
        (key, context, wrapped[:-8]),
        (key, context, wrapped + bytes(8)),
    ):
        with pytest.raises(WrongKeyError):
            opener.unwrap(data, algorithm=KWP, context=label)


@settings(quick, max_examples=count(500, 25))
@given(contexts, contexts, plain_secrets, st.integers(0, 1 << 20))
def test_oaep(context: bytes, elsewhere: bytes, secret: bytes, bit: int) -> None:
    assume(elsewhere != context)
    wrapped = ONE.wrap(secret, algorithm=OAEP_SHA256, context=context)
    assert ONE.unwrap(wrapped, algorithm=OAEP_SHA256, context=context) == secret
    for opener, label, data in (
        (TWO, context, wrapped),
        (ONE, elsewhere, wrapped),
        (ONE, flipped(context, bit), wrapped),
        (ONE, context + b"\0", wrapped),
        (ONE, context, flipped(wrapped, bit)),
        (ONE, context, wrapped[:-1]),
        (ONE, context, wrapped + b"\0"),
    ):
        with pytest.raises(WrongKeyError):
            opener.unwrap(data, algorithm=OAEP_SHA256, context=label)


@settings(quick, max_examples=count(500, 25))
@given(contexts, plain_secrets, st.sampled_from([PKCS1, OAEP_SHA1, V1_RSA]))
def test_the_wrappings_of_two_formats_never_unwrap_each_other(
    context: bytes, secret: bytes, algorithm: str
) -> None:
    theirs = ONE.wrap(secret, algorithm=algorithm, context=b"")
    with pytest.raises(WrongKeyError):
        ONE.unwrap(theirs, algorithm=OAEP_SHA256, context=context)

    ours = ONE.wrap(secret, algorithm=OAEP_SHA256, context=context)
    try:
        came = ONE.unwrap(ours, algorithm=algorithm, context=b"")
    except WrongKeyError:
        return
    # OpenSSL answers a bad padding of PKCS#1 with bytes made of key and ciphertext, of any length:
    # nobody can know them from an answer, nor find the secret in them.
    assert algorithm == PKCS1
    assert len(secret) < 8 or secret not in came
