"""RSA keys and the sealed format: OAEP with SHA-256, and keys that do nothing else."""

from contextlib import suppress
from typing import NoReturn

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.key_vectors import (
    Published,
    Wycheproof,
    labelled_with_sha512,
    rsa_file,
    wycheproof,
    wycheproof_rsa_key,
)
from tests.support.sdk_vectors import private_key

from cipherbucket.errors import MasterKeyError, UsageError, WrongKeyError
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.rsa import OAEP_SHA256, PKCS1, RSA_ALGORITHMS, RsaKey

PRIVATE = private_key("key1")
KEY = RsaKey(PRIVATE)
SEALED = RsaKey(PRIVATE, sealed_only=True)
CONTEXT = b"cipherbucket/sealed/v1\0" + bytes(range(16))
SECRET = bytes(range(32))
SHA256 = hashes.SHA256()

NIST = rsa_file("oaep-custom/oaep-sha256-sha256.txt")
WYCHEPROOF = "rsa_oaep_2048_sha256_mgf1sha256"

both = pytest.mark.parametrize("key", [KEY, SEALED], ids=["both formats", "sealed only"])
others = pytest.mark.parametrize("algorithm", sorted(RSA_ALGORITHMS))


class Untouchable:
    """Stands for both halves of a key that must not be used."""

    def encrypt(self, *_: object) -> NoReturn:
        pytest.fail("the public half was used")

    def decrypt(self, *_: object) -> NoReturn:
        pytest.fail("the private half was used")


def opened_without_label(private: rsa.RSAPrivateKey, wrapped: bytes) -> bytes:
    """Use the primitive that `RsaKey` uses, with its parameters, but no label.

    `RsaKey` takes no empty context, so vectors without a label cannot be run through it.
    """
    return private.decrypt(wrapped, padding.OAEP(padding.MGF1(SHA256), SHA256, None))


def test_no_published_vector_is_left_out() -> None:
    assert [len(entry.pairs) for entry in NIST] == [6] * 10
    assert len(wycheproof(WYCHEPROOF)) == 37


@pytest.mark.parametrize("entry", NIST, ids=lambda entry: f"{entry.private.key_size} bits")
def test_the_published_vectors_of_the_hash_unwrap_with_the_primitive(entry: Published) -> None:
    key = RsaKey(entry.private)
    for message, wrapped in entry.pairs:
        assert opened_without_label(entry.private, wrapped) == message
        with pytest.raises(WrongKeyError):
            key.unwrap(wrapped, algorithm=OAEP_SHA256, context=CONTEXT)


def test_a_published_vector_with_a_label_and_another_hash_does_not_unwrap() -> None:
    private, label, wrapped, message = labelled_with_sha512()
    sha512 = hashes.SHA512()
    theirs = padding.OAEP(padding.MGF1(sha512), sha512, label)

    assert private.decrypt(wrapped, theirs) == message
    with pytest.raises(WrongKeyError):
        RsaKey(private).unwrap(wrapped, algorithm=OAEP_SHA256, context=label)


@pytest.mark.parametrize("vector", wycheproof(WYCHEPROOF), ids=str)
def test_wycheproof(vector: Wycheproof) -> None:
    private = wycheproof_rsa_key(WYCHEPROOF)
    key = RsaKey(private, sealed_only=True)
    if label := vector["label"]:  # through our own unwrap, the label as the context
        assert vector.valid
        assert key.unwrap(vector["ct"], algorithm=OAEP_SHA256, context=label) == vector["msg"]
    elif vector.valid:
        assert opened_without_label(private, vector["ct"]) == vector["msg"]
    else:
        with pytest.raises(ValueError):
            opened_without_label(private, vector["ct"])
    # None of them was wrapped in a context of ours; every failure looks the same.
    with pytest.raises(WrongKeyError) as caught:
        key.unwrap(vector["ct"], algorithm=OAEP_SHA256, context=CONTEXT)
    assert str(caught.value) == "the key does not open this object"
    assert caught.value.__cause__ is None


@both
@pytest.mark.parametrize("secret", [b"", b"\x00", SECRET, b"a" * 190])
def test_what_is_wrapped_is_unwrapped_with_the_context_as_label(key: RsaKey, secret: bytes) -> None:
    wrapped = key.wrap(secret, algorithm=OAEP_SHA256, context=CONTEXT)

    assert len(wrapped) == 256
    assert key.wrap(secret, algorithm=OAEP_SHA256, context=CONTEXT) != wrapped
    assert key.unwrap(wrapped, algorithm=OAEP_SHA256, context=CONTEXT) == secret
    labelled = padding.OAEP(padding.MGF1(SHA256), SHA256, CONTEXT)
    assert PRIVATE.decrypt(wrapped, labelled) == secret


@both
def test_a_secret_that_is_too_long_is_an_error_of_ours(key: RsaKey) -> None:
    with pytest.raises(UsageError, match="191 bytes are too many"):
        key.wrap(bytes(191), algorithm=OAEP_SHA256, context=CONTEXT)


@both
def test_a_context_is_required(key: RsaKey) -> None:
    with pytest.raises(UsageError, match="takes a context"):
        key.wrap(SECRET, algorithm=OAEP_SHA256, context=b"")
    with pytest.raises(UsageError, match="takes a context"):
        key.unwrap(bytes(256), algorithm=OAEP_SHA256, context=b"")


@pytest.mark.parametrize(
    "scheme",
    [
        padding.PKCS1v15(),
        padding.OAEP(padding.MGF1(SHA256), SHA256, None),
        padding.OAEP(padding.MGF1(SHA256), SHA256, CONTEXT[:-1]),
        padding.OAEP(padding.MGF1(SHA256), SHA256, CONTEXT + b"\0"),
        padding.OAEP(padding.MGF1(hashes.SHA1()), SHA256, CONTEXT),
        padding.OAEP(padding.MGF1(SHA256), hashes.SHA1(), CONTEXT),
        padding.OAEP(padding.MGF1(hashes.SHA512()), hashes.SHA512(), CONTEXT),
    ],
    ids=["PKCS#1", "no label", "shorter", "longer", "MGF1-SHA-1", "SHA-1", "SHA-512"],
)
def test_what_was_wrapped_otherwise_does_not_unwrap(scheme: padding.AsymmetricPadding) -> None:
    wrapped = PRIVATE.public_key().encrypt(SECRET, scheme)

    with pytest.raises(WrongKeyError):
        KEY.unwrap(wrapped, algorithm=OAEP_SHA256, context=CONTEXT)


@others
def test_what_was_wrapped_with_oaep_does_not_unwrap_otherwise(algorithm: str) -> None:
    wrapped = KEY.wrap(SECRET, algorithm=OAEP_SHA256, context=CONTEXT)

    with suppress(WrongKeyError):  # PKCS#1 gives random bytes: OpenSSL rejects implicitly
        assert KEY.unwrap(wrapped, algorithm=algorithm, context=b"") != SECRET


@pytest.mark.parametrize(
    "wrapped",
    [b"", b"\x00", bytes(255), bytes(257), b"\xff" * 256, b"\xff" * 4096],
    ids=["empty", "a byte", "too short", "too long", "above the modulus", "far too long"],
)
def test_bytes_that_no_key_wrapped_do_not_unwrap(wrapped: bytes) -> None:
    with pytest.raises(WrongKeyError, match="does not open"):
        KEY.unwrap(wrapped, algorithm=OAEP_SHA256, context=CONTEXT)


def test_a_public_half_wraps_and_says_that_it_cannot_unwrap() -> None:
    public = RsaKey(PRIVATE.public_key(), sealed_only=True)
    wrapped = public.wrap(SECRET, algorithm=OAEP_SHA256, context=CONTEXT)

    assert SEALED.unwrap(wrapped, algorithm=OAEP_SHA256, context=CONTEXT) == SECRET
    with pytest.raises(MasterKeyError, match="public half"):
        public.unwrap(wrapped, algorithm=OAEP_SHA256, context=CONTEXT)


def test_a_key_has_the_algorithms_of_the_formats_it_serves() -> None:
    assert KEY.algorithms == RSA_ALGORITHMS | {OAEP_SHA256}
    assert SEALED.algorithms == {OAEP_SHA256}
    assert (KEY.sealed_only, SEALED.sealed_only) == (False, True)
    assert KEY.id == SEALED.id
    assert isinstance(SEALED, MasterKey)


def test_a_sealed_only_key_writes_the_sealed_format_and_says_why_no_other() -> None:
    assert SEALED.algorithm_for("sealed") == OAEP_SHA256
    with pytest.raises(MasterKeyError, match="sealed format only") as caught:
        SEALED.algorithm_for("oss")
    assert "PKCS#1 v1.5" in str(caught.value)
    assert 'format="sealed"' in (caught.value.hint or "")


@others
def test_a_sealed_only_key_refuses_the_other_algorithms_before_any_use_of_the_key(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = RsaKey(PRIVATE, sealed_only=True)
    wrapped = KEY.wrap(SECRET, algorithm=algorithm, context=b"")
    monkeypatch.setattr(key, "_private", Untouchable())
    monkeypatch.setattr(key, "_public", Untouchable())

    for context in (b"", CONTEXT):
        with pytest.raises(MasterKeyError, match="sealed format only"):
            key.wrap(SECRET, algorithm=algorithm, context=context)
        with pytest.raises(MasterKeyError, match="sealed format only"):
            key.unwrap(wrapped, algorithm=algorithm, context=context)


def test_a_short_key_reads_and_does_not_write_the_sealed_format_either() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    wrapped = RsaKey(weak).wrap(SECRET, algorithm=OAEP_SHA256, context=CONTEXT)

    with pytest.raises(MasterKeyError, match="1,024 bits"):
        RsaKey(weak).algorithm_for("sealed")
    with pytest.raises(MasterKeyError, match="1,024 bits"):  # nobody forces it on anyone here
        RsaKey(weak, allow_weak=True).algorithm_for("sealed")
    assert RsaKey(weak).unwrap(wrapped, algorithm=OAEP_SHA256, context=CONTEXT) == SECRET


def test_every_way_to_make_a_key_marks_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    pem = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    der = PRIVATE.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path_factory.mktemp("keys") / "cmk.pem"
    path.write_bytes(pem)

    for marked in (True, False):
        for key in (
            RsaKey.from_pem_file(path, sealed_only=marked),
            RsaKey.from_pem(pem, sealed_only=marked),
            RsaKey.from_der(der, sealed_only=marked),
            RsaKey(PRIVATE, sealed_only=marked).described({"a": "b"}),
            RsaKey(PRIVATE.public_key(), sealed_only=marked).described(None),
        ):
            assert key.sealed_only is marked


def test_the_two_formats_share_no_wrapping() -> None:
    assert OAEP_SHA256 not in RSA_ALGORITHMS
    assert KEY.algorithm_for("oss") == PKCS1
