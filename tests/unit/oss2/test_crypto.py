"""Providers of RSA keys under oss2's names: what they take, write, read and refuse."""

import base64
import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.forked import in_child
from tests.support.peer_sdks import OLD_FASHIONED, import_oss2
from tests.support.sdk_vectors import private_key

import cipherbucket as cb
from cipherbucket.keys.implicit_rejection import ImplicitRejection
from cipherbucket.oss2._cipher import AESCTRCipher
from cipherbucket.oss2._crypto_context import ContentCryptoMaterial, MultipartUploadCryptoContext
from cipherbucket.oss2.crypto import BaseCryptoProvider, EncryptionMaterials, RsaProvider
from cipherbucket.oss2.exceptions import ClientError, InconsistentError

pytestmark = pytest.mark.filterwarnings("ignore:key SHA256.*writes without a mat_desc")


def pem(key: rsa.RSAPrivateKey, passphrase: str = "") -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption(),
    ).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def pair(name: str) -> dict[str, str]:
    key = private_key(name)
    return {"private_key": pem(key), "public_key": public_pem(key)}


def bucket_of(provider: BaseCryptoProvider, store: cb.MemoryStore) -> cb.Bucket:
    return cb.Bucket(store, provider.ring)


def fields_of(bucket: cb.Bucket, name: str) -> dict[str, str]:
    envelope = bucket.head(name).envelope
    assert envelope is not None
    return dict(envelope.fields)


def test_a_pair_writes_and_reads(store: cb.MemoryStore) -> None:
    bucket = bucket_of(RsaProvider(pair("key1")), store)
    bucket.put("name", b"content")
    assert bucket.get("name", start=3).read() == b"tent"
    assert fields_of(bucket, "name")["client-side-encryption-wrap-alg"] == "RSA/NONE/PKCS1Padding"


def test_what_a_program_may_say_of_a_provider() -> None:
    provider = RsaProvider(key_pair=pair("key1"), passphrase="not needed", mat_desc={"a": "b"})
    assert provider.wrap_alg == "RSA/NONE/PKCS1Padding"
    assert provider.cipher.alg == "AES/CTR/NoPadding"
    assert provider.mat_desc == {"a": "b"}
    assert len(provider.get_key()) == provider.cipher.key_len
    assert provider.get_iv()[8:12] == bytes(4)
    assert provider.adjust_range(17, 40) == (16, 40)
    assert "PRIVATE" not in repr(provider)


def test_a_description_is_written_as_oss2_writes_it(store: cb.MemoryStore) -> None:
    described = {"z": "1", "a": "é/<"}
    bucket = bucket_of(RsaProvider(pair("key1"), mat_desc=described), store)
    with pytest.warns(cb.CipherbucketWarning, match="not ASCII"):
        bucket.put("name", b"content")
    text = fields_of(bucket, "name")["client-side-encryption-matdesc"]
    assert text == '{"z": "1", "a": "\\u00e9/<"}'


@pytest.mark.parametrize("half", ["private_key", "public_key"])
def test_one_half_is_enough_to_write(half: str, store: cb.MemoryStore) -> None:
    bucket = bucket_of(RsaProvider({half: pair("key1")[half]}), store)
    bucket.put("name", b"content")
    assert bucket_of(RsaProvider(pair("key1")), store).get("name").read() == b"content"
    if half == "public_key":
        with pytest.raises(ClientError, match="public half"):
            RsaProvider({half: pair("key1")[half]}).decrypt_encrypted_key(b"x" * 256)


@pytest.mark.parametrize(
    "form",
    [
        lambda text: text.encode(),
        lambda text: "\n   ".join(["", *text.splitlines()]),
        lambda text: text.replace("\n", "\r\n"),
    ],
    ids=["bytes", "indented", "of Windows"],
)
def test_keys_as_they_stand_in_programs(form: Any, store: cb.MemoryStore) -> None:
    provider = RsaProvider({name: form(text) for name, text in pair("key1").items()})
    bucket_of(provider, store).put("name", b"content")
    assert bucket_of(RsaProvider(pair("key1")), store).get("name").read() == b"content"


def test_an_encrypted_key_opens_with_its_passphrase() -> None:
    key = private_key("key1")
    halves = {"private_key": pem(key, "secret"), "public_key": public_pem(key)}
    assert RsaProvider(halves, "secret").master_key().id == cb.RsaKey(key).id
    for wrong in ("other", None):
        with pytest.raises(ClientError, match="passphrase"):
            RsaProvider(halves, wrong)


@pytest.mark.parametrize(
    ("key_pair", "told"),
    [
        (None, "must be a dict"),
        ("text", "must be a dict"),
        ({}, "neither"),
        ({"private_key": "junk"}, "not a key"),
        ({"private_key": object()}, "text or bytes"),
        ({"private_key": pair("key1")["private_key"], "public_key": pair("key2")["public_key"]},
         "not of one key"),
    ],
    ids=["none", "text", "empty", "junk", "object", "two keys"],
)  # fmt: skip
def test_what_is_no_pair_is_refused(key_pair: Any, told: str) -> None:
    with pytest.raises(ClientError, match=told):
        RsaProvider(key_pair)


def test_ciphers_and_descriptions_of_other_kinds_are_refused() -> None:
    for cipher in (None, object, object()):
        with pytest.raises(ClientError):
            RsaProvider(pair("key1"), cipher=cipher)
    for cipher in (AESCTRCipher, AESCTRCipher()):
        assert RsaProvider(pair("key1"), cipher=cipher).cipher.alg == "AES/CTR/NoPadding"
    for description in ("text", {"a": 1}):
        with pytest.raises(ClientError):
            RsaProvider(pair("key1"), mat_desc=description)  # type: ignore[arg-type]


def test_a_short_key_still_writes_with_a_warning(store: cb.MemoryStore) -> None:
    short = rsa.generate_private_key(65537, 1024)
    with pytest.warns(cb.CipherbucketWarning, match="1,024 bits"):
        provider = RsaProvider({"private_key": pem(short)})
    bucket_of(provider, store).put("name", b"content")
    assert bucket_of(provider, store).get("name").read() == b"content"


def test_further_keys_read_also_when_they_are_added_late(store: cb.MemoryStore) -> None:
    old = bucket_of(RsaProvider(pair("key1"), mat_desc={"key": "1"}), store)
    old.put("old", b"old content")
    provider = RsaProvider(pair("key2"), mat_desc={"key": "2"})
    bucket = bucket_of(provider, store)
    with pytest.raises(cb.NoMatchingKeyError):
        bucket.get("old")
    provider.add_encryption_materials(EncryptionMaterials({"key": "1"}, key_pair=pair("key1")))
    assert bucket.get("old").read() == b"old content"
    bucket.put("new", b"new content")
    assert fields_of(bucket, "new")["client-side-encryption-matdesc"] == '{"key": "2"}'
    assert bucket.get("new").read() == b"new content"
    # Another key under the same description takes the place of the first.
    provider.add_encryption_materials(EncryptionMaterials({"key": "1"}, key_pair=pair("key3")))
    with pytest.raises(cb.WrongKeyError):
        bucket.get("old")


def test_one_pair_may_have_several_descriptions(store: cb.MemoryStore) -> None:
    bucket_of(RsaProvider(pair("key1"), mat_desc={"was": "1"}), store).put("old", b"content")
    provider = RsaProvider(pair("key1"), mat_desc={"is": "2"})
    provider.add_encryption_materials(EncryptionMaterials({"was": "1"}, key_pair=pair("key1")))
    assert bucket_of(provider, store).get("old").read() == b"content"


def test_materials_without_a_description_are_not_kept() -> None:
    provider = RsaProvider(pair("key1"), mat_desc={"a": "b"})
    provider.add_encryption_materials(EncryptionMaterials(None, key_pair=pair("key2")))
    assert provider.encryption_materials_dict == {}
    assert provider.get_encryption_materials({}) is None


def test_materials_say_what_they_cannot_be() -> None:
    materials = EncryptionMaterials({"a": "b"}, passphrase="secret")
    materials.add_description("c", "d")
    materials.add_descriptions({"e": "f"})
    assert materials.desc == {"a": "b", "c": "d", "e": "f"}
    assert "secret" not in repr(materials)
    kinds: list[dict[str, Any]] = [
        {"desc": "text"},
        {"desc": {}, "key_pair": "text"},
        {"desc": {}, "key_pair": {"a": 1}, "custom_master_key_id": "id"},
    ]
    for kind in kinds:
        with pytest.raises(ClientError):
            EncryptionMaterials(**kind)


class OwnProvider(BaseCryptoProvider):
    """What a program writes whose key is elsewhere."""

    def __init__(self, key: cb.MasterKey) -> None:
        super().__init__(AESCTRCipher())
        self.key = key

    def master_key(self) -> cb.MasterKey:
        return self.key


def test_a_provider_of_ones_own_returns_a_master_key(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    assert OwnProvider(key).wrap_alg == "RSA/NONE/PKCS1Padding"
    bucket = bucket_of(OwnProvider(key), store)
    bucket.put("name", b"content")
    assert cb.Bucket(store, cb.KeyRing(key)).get("name").read() == b"content"


def test_a_provider_in_the_manner_of_oss2_is_told_at_once() -> None:
    class OldProvider(BaseCryptoProvider):
        def decrypt_encrypted_key(self, encrypted_key: bytes | str) -> bytes:
            return bytes(32)

    with pytest.raises(TypeError, match="master_key"):
        OldProvider(AESCTRCipher())  # type: ignore[abstract]


def test_encrypting_by_hand() -> None:
    provider = RsaProvider(pair("key1"), mat_desc={"a": "b"})
    material = provider.create_content_material()
    assert not material.is_unencrypted()
    assert material.encrypted_key is not None
    assert material.encrypted_iv is not None
    data_key = provider.decrypt_encrypted_key(material.encrypted_key)
    iv = provider.decrypt_encrypted_iv(material.encrypted_iv)
    content = bytes(range(256)) * 100
    stored = provider.make_encrypt_adapter(content, material.cipher).read()
    assert stored != content
    cipher = AESCTRCipher()
    cipher.initialize(data_key, iv)
    assert b"".join(provider.make_decrypt_adapter(iter([stored]), cipher)) == content
    cipher.initialize(data_key, iv, 2)
    assert provider.make_decrypt_adapter(stored[32:], cipher, discard=5).read(10) == content[37:47]
    other = RsaProvider(pair("key2"))
    foretold = ImplicitRejection(private_key("key2"))
    for unwrap, length in ((other.decrypt_encrypted_key, 32), (other.decrypt_encrypted_iv, 16)):
        # A wrong key's answer is random bytes; that of one time in 250 has the right length.
        wrapped = (number.to_bytes(256, "big") for number in range(1 << 20))
        looks_good = next(each for each in wrapped if len(foretold.answer(each)) == length)
        with pytest.raises(ClientError, match="does not open"):
            unwrap(looks_good)


def test_a_cipher_without_a_key_or_with_half_a_key_does_nothing() -> None:
    with pytest.raises(ClientError, match="initialize"):
        AESCTRCipher().encrypt(b"content")
    with pytest.raises(ClientError, match="32 bytes"):
        AESCTRCipher().initialize(bytes(16), bytes(16))


@OLD_FASHIONED
@pytest.mark.parametrize("data_size", [1, 10**9, 10**12])
@pytest.mark.parametrize("part_size", [None, 102_400, 102_405, 10**6, 1 << 27])
def test_parts_of_an_upload_are_cut_as_oss2_cuts_them(
    data_size: int, part_size: int | None
) -> None:
    theirs = import_oss2().utils.AESCTRCipher()
    ours = AESCTRCipher()
    determined = ours.determine_part_size(data_size, part_size)
    assert determined == theirs.determine_part_size(data_size, part_size)
    assert ours.is_valid_part_size(determined, data_size)
    for size in (16, 102_400, 102_405, determined):
        assert ours.is_valid_part_size(size, data_size) == theirs.is_valid_part_size(
            size, data_size
        )


def test_headers_of_a_material_and_back() -> None:
    provider = RsaProvider(pair("key1"), mat_desc={"a": "b"})
    material = provider.create_content_material()
    md5 = base64.b64encode(bytes(16)).decode()
    context = MultipartUploadCryptoContext(300, 100, material)
    headers = material.to_object_meta({"Content-MD5": md5, "content-length": "7"}, context)
    prefix = "x-oss-meta-client-side-encryption-"
    assert headers[prefix + "unencrypted-content-md5"] == md5
    assert headers[prefix + "unencrypted-content-length"] == "7"
    assert headers[prefix + "data-size"] == "300"
    assert headers[prefix + "part-size"] == "100"
    assert "content-md5" not in headers
    again = ContentCryptoMaterial(AESCTRCipher(), provider.wrap_alg)
    again.from_object_meta(headers)
    assert again.encrypted_key == material.encrypted_key
    assert again.encrypted_iv == material.encrypted_iv
    assert again.mat_desc == {"a": "b"}
    assert again.envelope() == material.envelope()
    plain = ContentCryptoMaterial(AESCTRCipher(), provider.wrap_alg)
    plain.from_object_meta({"content-type": "text/plain"})
    assert plain.is_unencrypted()
    with pytest.raises(InconsistentError):
        ContentCryptoMaterial(AESCTRCipher(), "KMS/ALICLOUD").from_object_meta(headers)


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_what_could_use_a_keystream_twice_is_not_copied(copied: Callable[[object], object]) -> None:
    material = RsaProvider(pair("key1")).create_content_material()
    for holder in (
        material,
        material.cipher,
        MultipartUploadCryptoContext(300, 100, material),
        BaseCryptoProvider.make_encrypt_adapter(b"", material.cipher),
    ):
        with pytest.raises(ClientError, match=r"cannot be pickled or copied \("):
            copied(holder)
    assert copied(AESCTRCipher())  # it has no key yet


def test_a_forked_process_has_no_use_of_a_cipher() -> None:
    cipher = RsaProvider(pair("key1")).create_content_material().cipher

    def other() -> None:
        with pytest.raises(ClientError, match="belongs to the process"):
            cipher.encrypt(b"text")

    assert in_child(other) == 0
    assert len(cipher.encrypt(b"text")) == 4


def test_nothing_is_warned_of_where_all_is_well(store: cb.MemoryStore) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bucket_of(RsaProvider(pair("key1"), mat_desc={"a": "b"}), store).put("name", b"")
