"""RSA wrapping of formats `oss` and `oss-v1`: published vectors, and what was not wrapped."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.support.key_vectors import Published, rsa_file
from tests.support.sdk_vectors import private_key, rsa_key

from cipherbucket.errors import MasterKeyError, UsageError, WrongKeyError
from cipherbucket.keys.rsa import OAEP_SHA1, PKCS1, RSA_ALGORITHMS, V1_RSA, RsaKey

KEY = rsa_key("key1")
PUBLIC = RsaKey(private_key("key1").public_key())

algorithms = pytest.mark.parametrize("algorithm", sorted(RSA_ALGORITHMS))

PKCS1_FILE = rsa_file("pkcs1v15crypt-vectors.txt")
OAEP_FILE = rsa_file("pkcs-1v2-1d2-vec/oaep-vect.txt")


def test_no_published_vector_is_left_out() -> None:
    assert [len(entry.pairs) for entry in PKCS1_FILE] == [20] * 15
    assert [len(entry.pairs) for entry in OAEP_FILE] == [6] * 10


@pytest.mark.parametrize("entry", PKCS1_FILE, ids=lambda entry: f"{entry.private.key_size} bits")
def test_the_published_pkcs1_vectors_unwrap(entry: Published) -> None:
    for message, wrapped in entry.pairs:
        assert RsaKey(entry.private).unwrap(wrapped, algorithm=PKCS1, context=b"") == message


@pytest.mark.parametrize("algorithm", [OAEP_SHA1, V1_RSA])
@pytest.mark.parametrize("entry", OAEP_FILE, ids=lambda entry: f"{entry.private.key_size} bits")
def test_the_published_oaep_vectors_unwrap(entry: Published, algorithm: str) -> None:
    for message, wrapped in entry.pairs:
        assert RsaKey(entry.private).unwrap(wrapped, algorithm=algorithm, context=b"") == message


@algorithms
@pytest.mark.parametrize("secret", [b"", b"\x00", bytes(16), bytes(32), b"a" * 200])
def test_what_is_wrapped_is_unwrapped(algorithm: str, secret: bytes) -> None:
    wrapped = KEY.wrap(secret, algorithm=algorithm, context=b"")

    assert len(wrapped) == 256
    assert secret not in wrapped or not secret.strip(b"\x00")
    assert KEY.wrap(secret, algorithm=algorithm, context=b"") != wrapped
    assert KEY.unwrap(wrapped, algorithm=algorithm, context=b"") == secret


@algorithms
def test_a_public_half_wraps_and_says_that_it_cannot_unwrap(algorithm: str) -> None:
    wrapped = PUBLIC.wrap(b"secret", algorithm=algorithm, context=b"")

    assert KEY.unwrap(wrapped, algorithm=algorithm, context=b"") == b"secret"
    with pytest.raises(MasterKeyError, match="public half"):
        PUBLIC.unwrap(wrapped, algorithm=algorithm, context=b"")


@algorithms
@pytest.mark.parametrize(
    "wrapped",
    [b"", b"\x00", bytes(255), bytes(257), b"\xff" * 256, b"\xff" * 4096],
    ids=["empty", "a byte", "too short", "too long", "above the modulus", "far too long"],
)
def test_bytes_that_no_key_wrapped_do_not_unwrap(algorithm: str, wrapped: bytes) -> None:
    with pytest.raises(WrongKeyError, match="does not open"):
        KEY.unwrap(wrapped, algorithm=algorithm, context=b"")


@pytest.mark.parametrize("algorithm", [OAEP_SHA1, V1_RSA])
def test_another_key_does_not_unwrap_oaep(algorithm: str) -> None:
    wrapped = KEY.wrap(b"secret", algorithm=algorithm, context=b"")

    with pytest.raises(WrongKeyError):
        rsa_key("key2").unwrap(wrapped, algorithm=algorithm, context=b"")


def test_another_key_gives_something_else_for_pkcs1_or_nothing() -> None:
    wrapped = KEY.wrap(bytes(32), algorithm=PKCS1, context=b"")

    try:
        unwrapped = rsa_key("key2").unwrap(wrapped, algorithm=PKCS1, context=b"")
    except WrongKeyError:
        return
    assert unwrapped != bytes(32)


def test_oaep_with_a_label_or_another_hash_is_not_the_one_of_the_format() -> None:
    public = private_key("key1").public_key()
    sha1, sha256 = hashes.SHA1(), hashes.SHA256()

    for other in (
        padding.OAEP(padding.MGF1(sha1), sha1, b"label"),
        padding.OAEP(padding.MGF1(sha256), sha256, None),
        padding.OAEP(padding.MGF1(sha256), sha1, None),
    ):
        with pytest.raises(WrongKeyError):
            KEY.unwrap(public.encrypt(b"secret", other), algorithm=OAEP_SHA1, context=b"")


@pytest.mark.parametrize("algorithm", ["", "RSA", "rsa/none/pkcs1padding", "KMS/ALICLOUD"])
def test_an_algorithm_that_is_not_rsas_is_refused(algorithm: str) -> None:
    with pytest.raises(UsageError, match="no wrap algorithm"):
        KEY.wrap(b"secret", algorithm=algorithm, context=b"")
    with pytest.raises(UsageError, match="no wrap algorithm"):
        KEY.unwrap(bytes(256), algorithm=algorithm, context=b"")


@algorithms
def test_a_context_that_cannot_be_bound_is_refused_and_not_forgotten(algorithm: str) -> None:
    with pytest.raises(UsageError, match="context"):
        KEY.wrap(b"secret", algorithm=algorithm, context=b"c")
    with pytest.raises(UsageError, match="context"):
        KEY.unwrap(bytes(256), algorithm=algorithm, context=b"c")


def test_a_secret_that_is_too_long_to_wrap_is_an_error_of_ours() -> None:
    key = RsaKey(rsa.generate_private_key(65537, 1024))
    with pytest.raises(UsageError, match="too many"):
        key.wrap(bytes(118), algorithm=PKCS1, context=b"")
