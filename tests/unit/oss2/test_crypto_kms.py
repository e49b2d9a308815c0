"""AliKMSProvider: what is asked of the KMS, and that oss2 and it read each other."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.kms_peers import ali_kms_provider
from tests.support.peer_sdks import FORGETFUL, OLD_FASHIONED, forgotten_sockets_collected
from tests.support.sdk_vectors import Vector, kms_vectors
from tests.support.stub_kms import KEY_ID, OTHER_ID, Refusal, StubKms, stub_kms
from tests.unit.oss2.test_crypto import fields_of

import cipherbucket as cb
from cipherbucket.oss2.crypto import AliKMSProvider, EncryptionMaterials
from cipherbucket.oss2.exceptions import ClientError, OpenApiServerError
from cipherbucket.server.kms import KmsEndpoint

pytestmark = pytest.mark.filterwarnings("ignore:key .*writes without a mat_desc")


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubKms]:
    with stub_kms() as running:
        monkeypatch.setenv("KMS_ENDPOINT", running.url)
        yield running


def provider_of(key: str = KEY_ID, **options: Any) -> AliKMSProvider:
    return AliKMSProvider("key-id", "secret", "cn-hangzhou", key, **options)


def test_the_blob_is_stored_as_oss2_stores_it(kms: StubKms, store: cb.MemoryStore) -> None:
    bucket = cb.Bucket(store, provider_of().ring)
    bucket.put("name", b"content")
    assert kms.actions == {"GenerateDataKey": 1, "Encrypt": 1}
    assert bucket.get("name").read() == b"content"
    fields = fields_of(bucket, "name")
    assert fields["client-side-encryption-wrap-alg"] == "KMS/ALICLOUD"
    assert "client-side-encryption-matdesc" not in fields
    for name in ("key", "start"):
        text = base64.b64decode(fields[f"client-side-encryption-{name}"])
        assert base64.b64decode(text, validate=True).startswith(KEY_ID.encode())


def test_a_passphrase_is_bound_by_the_kms(kms: StubKms, store: cb.MemoryStore) -> None:
    cb.Bucket(store, provider_of(passphrase="word").ring).put("name", b"content")
    assert {call.parameters["EncryptionContext"] for call in kms.calls} == {
        '{"x-passphrase":"word"}'
    }
    assert cb.Bucket(store, provider_of(passphrase="word").ring).get("name").read() == b"content"
    for other in ("another", None):
        with pytest.raises(cb.WrongKeyError):
            cb.Bucket(store, provider_of(passphrase=other).ring).get("name")


def test_a_token_goes_with_each_request_and_may_be_renewed(kms: StubKms) -> None:
    provider = provider_of(sts_token="first")
    provider.get_key()
    provider.sts_token = "second"
    provider.get_key()
    tokens = [call.request.headers["x-acs-security-token"] for call in kms.calls]
    assert tokens == ["first", "second"]


def test_further_keys_read(kms: StubKms, store: cb.MemoryStore) -> None:
    old = provider_of(OTHER_ID, mat_desc={"key": "1"}, passphrase="word")
    cb.Bucket(store, old.ring).put("name", b"content")
    provider = provider_of(mat_desc={"key": "2"})
    bucket = cb.Bucket(store, provider.ring)
    with pytest.raises(cb.NoMatchingKeyError):
        bucket.get("name")
    provider.add_encryption_materials(
        EncryptionMaterials({"key": "1"}, custom_master_key_id=OTHER_ID, passphrase="word")
    )
    assert bucket.get("name").read() == b"content"
    other = provider.reset_encryption_materials(EncryptionMaterials({"key": "1"}))
    assert other.custom_master_key_id == KEY_ID
    assert other.mat_desc == {"key": "1"}


def test_what_the_kms_refuses_is_told_as_oss2_tells_it(kms: StubKms) -> None:
    with pytest.raises(OpenApiServerError, match="no-such-key"):
        provider_of("no-such-key").create_content_material()

    def denied(call: Any) -> None:
        raise Refusal(403, "Forbidden.NoPermission")

    kms.meddle = denied
    with pytest.raises(OpenApiServerError) as refused:
        provider_of().get_key()
    assert refused.value.status == 403
    assert refused.value.code == "Forbidden.NoPermission"


def test_a_kms_that_is_not_there_is_an_error_of_the_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KMS_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ClientError):
        provider_of().decrypt_encrypted_key(b"AAAA")


def test_what_cannot_be_a_key_or_a_place_is_refused_at_once(
    kms: StubKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    for options in ({"cipher": None}, {"cipher": object()}, {"mat_desc": "text"}):
        with pytest.raises(ClientError):
            provider_of(**options)
    with pytest.raises(ClientError, match="has an id"):
        provider_of("")
    monkeypatch.delenv("KMS_ENDPOINT")
    with pytest.raises(ClientError, match="region"):
        AliKMSProvider("key-id", "secret", "", KEY_ID)
    assert kms.calls == []


def test_the_endpoint_says_how_to_point_a_provider_at_it(tmp_path: Path) -> None:
    with KmsEndpoint(tls=tmp_path) as endpoint:
        told = endpoint.describe(with_secret=False)
        assert f"cipherbucket, cipherbucket.oss2\n  export KMS_ENDPOINT={endpoint.url}\n" in told
        bundle = next(line for line in told.splitlines() if "  cipherbucket.oss2  " in line)
        assert bundle.split() == [
            "cipherbucket.oss2",
            "export",
            f"ALIBABA_CLOUD_CA_BUNDLE={endpoint.certificate}",
        ]


def oss2_vectors() -> list[Vector]:
    return [vector for vector in kms_vectors() if vector.name.startswith("oss2-")]


@pytest.mark.parametrize("vector", oss2_vectors(), ids=str)
def test_objects_of_both_formats_are_read(kms: StubKms, vector: Vector) -> None:
    kms.keys.add(vector.key_id)
    passphrase = vector.kms_context.removeprefix('{"x-passphrase":"').removesuffix('"}')
    provider = provider_of(
        vector.key_id, passphrase=passphrase or None, mat_desc=vector.description or None
    )
    store = cb.MemoryStore()
    store.put("name", vector.ciphertext, metadata=vector.metadata)
    assert cb.Bucket(store, provider.ring).get("name").read() == vector.plaintext()


def test_the_start_of_an_old_object_is_a_number(kms: StubKms) -> None:
    blob = kms.blob("8")
    assert provider_of().decrypt_encrypted_iv(blob, deprecated=True) == b"8"


@FORGETFUL
@OLD_FASHIONED
def test_oss2_and_it_read_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        KmsEndpoint(aliases=["alias/app"], tls=tmp_path) as endpoint,
        forgotten_sockets_collected(),
    ):
        monkeypatch.setenv("KMS_ENDPOINT", endpoint.url)
        monkeypatch.setenv("ALIBABA_CLOUD_CA_BUNDLE", str(endpoint.certificate))
        key = endpoint.key_id("alias/app")
        theirs = ali_kms_provider(endpoint, key, passphrase="word")
        ours = AliKMSProvider(
            endpoint.access_key_id,
            endpoint.access_key_secret,
            endpoint.region,
            key,
            passphrase="word",
        )
        material = ours.create_content_material()
        assert material.encrypted_key is not None
        blob = material.encrypted_key.decode()
        assert theirs.decrypt_encrypted_key(blob) == ours.decrypt_encrypted_key(blob)
        by_oss2 = theirs.create_content_material()
        assert ours.decrypt_encrypted_iv(by_oss2.encrypted_iv) == theirs.decrypt_encrypted_iv(
            by_oss2.encrypted_iv
        )
