"""AES keys: the file, the fingerprint, and RFC 5649 under a key derived for each context."""

import base64
import copy
import hmac
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding
from tests.support.key_vectors import KeyWrap, Wycheproof, key_wrap_file, wycheproof

from cipherbucket.errors import MasterKeyError, UsageError, WrongKeyError
from cipherbucket.format.description import Description
from cipherbucket.keys import aes
from cipherbucket.keys.aes import KWP, AesKey, parse_aes, unwrapped
from cipherbucket.keys.base import MasterKey

RAW = bytes(range(0x61, 0x81))
HEX = RAW.hex().encode()
BASE64 = base64.b64encode(RAW)
KEY = AesKey(RAW, description={"desc": "2026"})
CONTEXT = b"cipherbucket/sealed/v1\0" + bytes(range(16))
SECRET = bytes(range(32))


def expanded(key: bytes, info: bytes) -> bytes:
    """Expand to 32 bytes by hand: the first block of RFC 5869, section 2.3, with SHA-512."""
    return hmac.digest(key, info + b"\x01", "sha512")[:32]


@pytest.mark.parametrize(
    "data",
    [
        RAW,
        HEX,
        HEX.upper(),
        HEX[:32] + HEX[32:].upper(),
        BASE64,
        *(text + end for text in (HEX, BASE64) for end in (b"\n", b"\r\n")),
    ],
)
def test_a_key_is_read_from_raw_bytes_hex_and_base64(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "key").write_bytes(data)

    assert AesKey.from_file(tmp_path / "key").id == KEY.id
    assert AesKey.from_file(str(tmp_path / "key"), description={"a": "b"}).description == {"a": "b"}


@pytest.mark.parametrize(
    "raw",
    [
        b"\n" * 32,
        RAW[:-1] + b"\n",
        RAW[:-2] + b"\r\n",
        HEX[:32],
        BASE64[:32],
        b"\x30\x1e" + RAW[:30],
        b"-----BEGIN " + RAW[:21],
        b" " * 32,
    ],
)
def test_32_bytes_are_the_key_whatever_they_look_like(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "key").write_bytes(raw)

    assert AesKey.from_file(tmp_path / "key").id == AesKey(raw).id


@pytest.mark.parametrize(
    "data",
    [
        b"",
        RAW[:31],
        RAW + b"\n",
        RAW + b"\0",
        HEX[:-1],
        HEX + b"0",
        HEX + b"\n\n",
        HEX + b"\r",
        HEX + b" ",
        b" " + HEX,
        b"\xef\xbb\xbf" + HEX,
        HEX[:-1] + b"g",
        HEX[:-2] + b" 0",
        HEX[:32] + b"\n" + HEX[32:],
        b"0x" + HEX[2:],
        BASE64[:-1],
        BASE64[:-1] + b"\n",
        BASE64 + b"\n\n",
        BASE64 + b"=",
        BASE64[:-2] + b"==",
        BASE64[:-2] + chr(BASE64[-2] + 1).encode() + b"=",  # two bits beyond the 32nd byte
        BASE64[:20] + b"\n" + BASE64[20:],
        b"-" + BASE64[1:],
        base64.b64encode(RAW[:30]),
        base64.b64encode(RAW + RAW[:16]),
        b"\xff" * 44,
        b"\xff" * 64,
        bytes(16),
        bytes(24),
        bytes(4096),
        "ä".encode() * 32,
    ],
)
def test_anything_else_is_refused_and_never_repeated(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "vault.key"
    path.write_bytes(data)

    with pytest.raises(MasterKeyError) as caught:
        AesKey.from_file(path)

    assert str(path) in str(caught.value)
    assert caught.value.hint
    assert caught.value.__cause__ is caught.value.__context__ is None
    if len(data) > 8:
        assert data.decode("latin-1").strip() not in f"{caught.value} {caught.value.hint}"
    assert parse_aes(data) is None


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(MasterKeyError, match=str(path)):
            AesKey.from_file(path)


@pytest.mark.parametrize("key", [b"", bytes(16), bytes(24), bytes(31), bytes(33), bytes(64)])
def test_a_key_has_32_bytes(key: bytes) -> None:
    with pytest.raises(MasterKeyError, match="32 bytes") as caught:
        AesKey(key)
    assert "keygen" in (caught.value.hint or "")


def test_a_key_is_bytes() -> None:
    with pytest.raises(MasterKeyError, match="32 bytes"):
        AesKey("x" * 32)  # type: ignore[arg-type]


@pytest.mark.parametrize("raw", [RAW, bytes(32), b"\xff" * 32])
def test_the_fingerprint_is_derived_as_the_document_says(raw: bytes) -> None:
    digest = base64.b64encode(expanded(raw, b"cipherbucket/key-id/v1")).decode()

    assert AesKey(raw).id == "AES256:" + digest.rstrip("=")
    assert AesKey(raw, description={"a": "b"}).id == AesKey(raw).id
    assert len(AesKey(raw).id) == 50


def test_an_aes_key_is_a_master_key_of_the_sealed_format_alone() -> None:
    assert isinstance(KEY, MasterKey)
    assert KEY.algorithms == {KWP} == {"AES-256-KWP"}
    assert KEY.algorithm_for("sealed") == KWP
    for format in ("oss", "oss-v1", "SEALED", ""):  # noqa: A001  the word of the documents
        with pytest.raises(MasterKeyError, match="no SDK could read it") as caught:
            KEY.algorithm_for(format)
        assert 'format="sealed"' in (caught.value.hint or "")


def test_the_key_that_wraps_is_derived_as_the_document_says() -> None:
    kek = expanded(RAW, b"cipherbucket/kek/v1/AES-256-KWP\0" + CONTEXT)

    wrapped = KEY.wrap(SECRET, algorithm=KWP, context=CONTEXT)

    assert len(wrapped) == 40
    assert aes_key_unwrap_with_padding(kek, wrapped) == SECRET
    assert KEY.unwrap(wrapped, algorithm=KWP, context=CONTEXT) == SECRET
    with pytest.raises(WrongKeyError):  # the master key itself wraps nothing
        unwrapped(RAW, wrapped)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 16, 31, 33, 4096])
def test_secrets_of_any_length_are_wrapped(length: int) -> None:
    wrapped = KEY.wrap(b"s" * length, algorithm=KWP, context=CONTEXT)

    assert len(wrapped) == 8 + -(-length // 8) * 8
    assert KEY.unwrap(wrapped, algorithm=KWP, context=CONTEXT) == b"s" * length


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing"):
        KEY.wrap(b"", algorithm=KWP, context=CONTEXT)
    for algorithm in ("", "AES-256-KW", "aes-256-kwp", "RSA-OAEP-SHA-256", "KMS"):
        with pytest.raises(UsageError, match="no wrap algorithm of AES"):
            KEY.wrap(SECRET, algorithm=algorithm, context=CONTEXT)
        with pytest.raises(UsageError, match="no wrap algorithm of AES"):
            KEY.unwrap(bytes(40), algorithm=algorithm, context=CONTEXT)
    with pytest.raises(UsageError, match="takes a context"):
        KEY.wrap(SECRET, algorithm=KWP, context=b"")
    with pytest.raises(UsageError, match="takes a context"):
        KEY.unwrap(bytes(40), algorithm=KWP, context=b"")


@pytest.mark.parametrize("length", [*range(50), 256, 8192, 1 << 20])
def test_bytes_that_no_key_wrapped_do_not_unwrap_and_all_failures_look_alike(length: int) -> None:
    for byte in (b"\0", b"\xff"):
        with pytest.raises(WrongKeyError) as caught:
            KEY.unwrap(byte * length, algorithm=KWP, context=CONTEXT)
        assert str(caught.value) == "the key does not open this object"
        assert caught.value.__cause__ is None


def test_the_published_vectors_unwrap() -> None:
    # Their key is the one that wraps. `AesKey.unwrap` derives it and calls `unwrapped` with it.
    vectors = key_wrap_file("KWP_AD_256.txt")
    assert len(vectors) == 500
    assert len([vector for vector in vectors if vector.plaintext is None]) == 100
    for vector in vectors:
        assert outcome(vector) == vector.plaintext


def outcome(vector: KeyWrap) -> bytes | None:
    try:
        return unwrapped(vector.kek, vector.wrapped)
    except WrongKeyError:
        return None


def test_the_published_vectors_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = key_wrap_file("KWP_AE_256.txt")
    assert len(vectors) == 500
    for vector in vectors:
        assert vector.plaintext is not None
        # In place of the derivation: the vector's key is the one that wraps.
        monkeypatch.setattr(aes, "_expanded", lambda *_, kek=vector.kek: kek)
        wrapped = KEY.wrap(vector.plaintext, algorithm=KWP, context=CONTEXT)
        assert wrapped == vector.wrapped
        assert KEY.unwrap(wrapped, algorithm=KWP, context=CONTEXT) == vector.plaintext


def test_no_vector_of_wycheproof_is_left_out() -> None:
    assert len(wycheproof("aes_256_kwp")) == 94


@pytest.mark.parametrize("vector", wycheproof("aes_256_kwp"), ids=str)
def test_wycheproof(vector: Wycheproof, monkeypatch: pytest.MonkeyPatch) -> None:
    # In place of the derivation: the vector's key is the one that wraps.
    monkeypatch.setattr(aes, "_expanded", lambda *_: vector["key"])
    if vector.valid:
        assert KEY.unwrap(vector["ct"], algorithm=KWP, context=CONTEXT) == vector["msg"]
        assert KEY.wrap(vector["msg"], algorithm=KWP, context=CONTEXT) == vector["ct"]
    else:
        with pytest.raises(WrongKeyError):
            KEY.unwrap(vector["ct"], algorithm=KWP, context=CONTEXT)


def test_the_same_key_takes_another_description() -> None:
    renamed = KEY.described('{ "year":"2026"}')

    assert renamed.description.text == '{ "year":"2026"}'
    assert renamed.id == KEY.id
    assert KEY.description == Description({"desc": "2026"})
    wrapped = KEY.wrap(SECRET, algorithm=KWP, context=CONTEXT)
    assert renamed.unwrap(wrapped, algorithm=KWP, context=CONTEXT) == SECRET


@pytest.mark.parametrize("description", ["[]", "{", '{"a":1}', {"a": "\ud800"}])
def test_a_description_that_is_no_mapping_of_strings_is_refused(
    description: str | dict[str, str],
) -> None:
    with pytest.raises(UsageError):
        AesKey(RAW, description=description)


def test_a_key_shows_its_fingerprint_and_description_and_nothing_else() -> None:
    assert repr(KEY) == str(KEY) == f"AesKey('{KEY.id}', '{{\"desc\":\"2026\"}}')"
    assert not hasattr(KEY, "__dict__")


def test_a_key_is_not_pickled() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(UsageError, match="cannot be pickled"):
            pickle.dumps(KEY, protocol)
    with pytest.raises(UsageError, match="cannot be pickled"):
        copy.deepcopy(KEY)
