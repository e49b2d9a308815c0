"""RSA key files: every encoding that the SDKs use is read, everything else is refused."""

import base64
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.support.sdk_vectors import private_key

from cipherbucket.errors import MasterKeyError, UsageError
from cipherbucket.format.description import Description
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.encodings import PASSPHRASE_VARIABLE
from cipherbucket.keys.rsa import OAEP_SHA256, PKCS1, RsaKey

ASYMMETRIC = Path(cryptography_vectors.__file__).parent / "asymmetric"
PRIVATE = private_key("key1")
PUBLIC = PRIVATE.public_key()
SECRET = "correct horse"
PROTECTED = BestAvailableEncryption(SECRET.encode())

PLAIN_ENCODINGS = {
    "PKCS#8 PEM": PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    "PKCS#8 DER": PRIVATE.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    "PKCS#1 PEM": PRIVATE.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ),
    "PKCS#1 DER": PRIVATE.private_bytes(
        Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ),
}
PROTECTED_ENCODINGS = {
    "PKCS#8 PEM": PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, PROTECTED),
    "PKCS#8 DER": PRIVATE.private_bytes(Encoding.DER, PrivateFormat.PKCS8, PROTECTED),
    "legacy PEM": PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, PROTECTED),
}
PUBLIC_ENCODINGS = {
    "X.509 PEM": PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "X.509 DER": PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "PKCS#1 PEM": PUBLIC.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
    "PKCS#1 DER": PUBLIC.public_bytes(Encoding.DER, PublicFormat.PKCS1),
}
PEM = PLAIN_ENCODINGS["PKCS#8 PEM"]

plain = pytest.mark.parametrize("data", PLAIN_ENCODINGS.values(), ids=PLAIN_ENCODINGS)
protected = pytest.mark.parametrize("data", PROTECTED_ENCODINGS.values(), ids=PROTECTED_ENCODINGS)
public = pytest.mark.parametrize("data", PUBLIC_ENCODINGS.values(), ids=PUBLIC_ENCODINGS)


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., RsaKey]:
    """Load a key from bytes by way of a file."""

    def load(
        data: bytes, passphrase: Callable[[], str] | None = None, *, allow_weak: bool = False
    ) -> RsaKey:
        path = tmp_path / "key"
        path.write_bytes(data)
        return RsaKey.from_pem_file(path, passphrase=passphrase, allow_weak=allow_weak)

    return load


@pytest.fixture(autouse=True)
def _no_passphrase_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)


def never() -> str:
    pytest.fail("the passphrase was asked for")


def fingerprint_of(numbers: rsa.RSAPublicNumbers) -> str:
    """Build the DER of X.509 by hand, so that nothing is shared with the code."""

    def tlv(tag: int, value: bytes) -> bytes:
        size = len(value)
        if size < 128:
            return bytes([tag, size]) + value
        octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes([tag, 0x80 | len(octets)]) + octets + value

    def integer(value: int) -> bytes:
        return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))

    rsa_encryption = tlv(0x30, bytes.fromhex("06092a864886f70d010101") + b"\x05\x00")
    body = tlv(0x30, integer(numbers.n) + integer(numbers.e))
    der = tlv(0x30, rsa_encryption + tlv(3, b"\x00" + body))
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


@plain
def test_a_private_key_is_read_in_every_encoding_and_no_passphrase_is_asked(
    load: Callable[..., RsaKey], data: bytes
) -> None:
    key = load(data, never)

    assert key.id == RsaKey(PRIVATE).id
    assert key.can_unwrap
    assert key.bits == 2048


@public
def test_a_public_key_is_read_in_every_encoding(load: Callable[..., RsaKey], data: bytes) -> None:
    key = load(data, never)

    assert key.id == RsaKey(PRIVATE).id
    assert not key.can_unwrap


@protected
def test_an_encrypted_key_takes_its_passphrase_from_a_callable(
    load: Callable[..., RsaKey], monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "another one")
    answers = iter([SECRET])

    key = load(data, lambda: next(answers))

    assert key.id == RsaKey(PRIVATE).id
    assert list(answers) == []


@protected
def test_an_encrypted_key_takes_its_passphrase_from_the_environment(
    load: Callable[..., RsaKey], monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, SECRET)

    assert load(data).id == RsaKey(PRIVATE).id


@protected
@pytest.mark.parametrize("wrong", ["pa55word", "correct hors", "\ud800", "x" * 5000])
def test_a_wrong_passphrase_is_an_error_that_does_not_repeat_it(
    load: Callable[..., RsaKey], data: bytes, wrong: str
) -> None:
    with pytest.raises(MasterKeyError, match="passphrase does not open") as caught:
        load(data, lambda: wrong)

    assert wrong not in str(caught.value)


@protected
def test_a_missing_passphrase_is_an_error_that_names_the_variable(
    load: Callable[..., RsaKey], data: bytes
) -> None:
    for passphrase in (None, lambda: ""):
        with pytest.raises(MasterKeyError, match="no passphrase") as caught:
            load(data, passphrase)
        assert PASSPHRASE_VARIABLE in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("file", "passphrase"),
    [
        ("Traditional_OpenSSL_Serialization/key1.pem", "123456"),
        ("Traditional_OpenSSL_Serialization/key2.pem", "a123456"),
        ("Traditional_OpenSSL_Serialization/testrsa-encrypted.pem", "password"),
        ("PKCS8/enc-rsa-3des.pem", "password"),
        ("PKCS8/enc-rsa-pkcs8.pem", "foobar"),
        ("DER_Serialization/enc2-rsa-pkcs8.der", "baz"),
    ],
)
def test_keys_that_others_encrypted_are_read(file: str, passphrase: str) -> None:
    assert RsaKey.from_pem_file(ASYMMETRIC / file, passphrase=lambda: passphrase).can_unwrap


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PEM.decode(), id="text"),
        pytest.param(PEM.replace(b"\n", b"\r\n"), id="lines of Windows"),
        pytest.param(b"A key of ours\n\n" + PEM + b"\n\n", id="a line before it"),
    ],
)
def test_pem_is_read_from_text_and_as_editors_leave_it(data: bytes | str) -> None:
    assert RsaKey.from_pem(data).id == RsaKey(PRIVATE).id


EC_KEY = ec.derive_private_key(2026, ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.mark.parametrize(
    "data",
    [
        EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        EC_KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        ED_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ],
    ids=["EC PEM", "EC DER", "EC public PEM", "EC public DER", "Ed25519 PEM"],
)
def test_a_key_that_is_not_rsa_is_refused(load: Callable[..., RsaKey], data: bytes) -> None:
    with pytest.raises(MasterKeyError, match="not an RSA key"):
        load(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"hello",
        b"-----BEGIN ",
        b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        PEM[: len(PEM) // 2],
        PLAIN_ENCODINGS["PKCS#1 DER"][:-1],
        PLAIN_ENCODINGS["PKCS#8 DER"] + b"\x00",
        PEM.replace(b"PRIVATE", b"PUBLIC"),
        PUBLIC_ENCODINGS["X.509 PEM"].replace(b"PUBLIC", b"PRIVATE"),
        b"\x30" * 5000,
    ],
    ids=range(13),
)
def test_garbage_is_no_key(load: Callable[..., RsaKey], data: bytes) -> None:
    with pytest.raises(MasterKeyError) as caught:
        load(data, lambda: SECRET)

    assert caught.value.hint


def test_an_encrypted_public_key_is_refused_with_the_way_out() -> None:
    text = (
        b"-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\nAAAA\n"
    )

    with pytest.raises(MasterKeyError, match="encrypted public key") as caught:
        RsaKey.from_pem(text + b"-----END PUBLIC KEY-----\n")
    assert "private key file" in (caught.value.hint or "")


def test_an_error_about_a_file_names_the_file(tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.pem", tmp_path / "missing.pem"
    broken.write_bytes(b"?")

    with pytest.raises(MasterKeyError) as caught:
        RsaKey.from_pem_file(broken)
    assert str(broken) in str(caught.value)
    assert str(broken) in caught.value.message
    for path in (missing, tmp_path):
        with pytest.raises(MasterKeyError, match=str(path)):
            RsaKey.from_pem_file(path)


@pytest.mark.parametrize("key_id", ["key1", "key2", "key3"])
def test_the_fingerprint_is_that_of_the_public_half_in_x509(key_id: str) -> None:
    private = private_key(key_id)
    expected = fingerprint_of(private.public_key().public_numbers())

    assert RsaKey(private).id == RsaKey(private.public_key()).id == expected
    assert RsaKey(private, description={"a": "b"}, allow_weak=True).id == expected


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command")
@pytest.mark.parametrize(
    ("data", "options"), [(PEM, []), (PUBLIC_ENCODINGS["X.509 PEM"], ["-pubin"])]
)
def test_the_fingerprint_is_the_one_that_openssl_computes(data: bytes, options: list[str]) -> None:
    command = ["openssl", "pkey", *options, "-pubout", "-outform", "DER"]
    der = subprocess.run(command, input=data, capture_output=True, check=True).stdout

    digest = base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")

    assert RsaKey(PRIVATE).id == f"SHA256:{digest}"


def test_a_short_key_reads_and_does_not_write_unless_it_is_allowed_to() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    key = RsaKey(weak)

    with pytest.raises(MasterKeyError, match=r"1,024 bits") as caught:
        key.algorithm_for("oss")
    assert "allow_weak=True" in (caught.value.hint or "")
    wrapped = key.wrap(b"secret", algorithm=PKCS1, context=b"")
    assert key.unwrap(wrapped, algorithm=PKCS1, context=b"") == b"secret"
    assert RsaKey(weak, allow_weak=True).algorithm_for("oss") == PKCS1
    assert RsaKey(weak, allow_weak=True).described({"a": "b"}).algorithm_for("oss") == PKCS1
    pem = weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert RsaKey.from_pem(pem, allow_weak=True).algorithm_for("oss") == PKCS1


@pytest.mark.parametrize("format", ["oss-v1", "SEALED", ""])
def test_an_rsa_key_writes_the_formats_oss_and_sealed(format: str) -> None:  # noqa: A002
    assert RsaKey(PRIVATE).algorithm_for("oss") == PKCS1
    assert RsaKey(PRIVATE).algorithm_for("sealed") == OAEP_SHA256
    with pytest.raises(MasterKeyError, match="do not write"):
        RsaKey(PRIVATE).algorithm_for(format)


def test_the_same_key_takes_another_description() -> None:
    key = RsaKey(PRIVATE, description='{ "b":"1", "a":"2"}')

    renamed = key.described({"year": "2026"})

    assert key.description.text == '{ "b":"1", "a":"2"}'
    assert renamed.description == Description({"year": "2026"})
    assert renamed.id == key.id
    assert renamed.can_unwrap
    assert not RsaKey(PUBLIC).described({"a": "b"}).can_unwrap


@pytest.mark.parametrize("description", ["[]", "{", '{"a":1}', {"a": "\ud800"}])
def test_a_description_that_is_no_mapping_of_strings_is_refused(
    description: str | dict[str, str],
) -> None:
    with pytest.raises(UsageError):
        RsaKey(PRIVATE, description=description)


def test_a_key_shows_its_fingerprint_and_description_and_nothing_else() -> None:
    key = RsaKey(PRIVATE, description={"desc": "2026"})
    numbers = PRIVATE.private_numbers()

    assert repr(key) == f"RsaKey('{key.id}', '{{\"desc\":\"2026\"}}')"
    for secret in (numbers.d, numbers.p, numbers.q):
        assert str(secret) not in repr(key) + str(key)


def test_an_rsa_key_is_a_master_key() -> None:
    assert isinstance(RsaKey(PRIVATE), MasterKey)
