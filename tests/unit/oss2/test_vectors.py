"""Objects of the SDKs over HTTP, as a program for oss2 reads them: whole and by range.

Rule: each of them has been put by an SDK, so its metadata goes in as it arrived; its key has the
description that the SDK was given.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from tests.oss2.scene import Scene
from tests.support.sdk_vectors import Vector, kms_vectors, rsa_vectors
from tests.support.stub_kms import StubKms, stub_kms
from tests.unit.oss2.test_crypto import pair

from cipherbucket.oss2.crypto import AliKMSProvider, EncryptionMaterials, RsaProvider
from cipherbucket.oss2.exceptions import ClientError

pytestmark = pytest.mark.filterwarnings("ignore:key .*writes without a mat_desc")


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubKms]:
    with stub_kms() as running:
        monkeypatch.setenv("KMS_ENDPOINT", running.url)
        yield running


@cache
def rsa_provider(key_id: str, description: tuple[tuple[str, str], ...]) -> RsaProvider:
    return RsaProvider(pair(key_id), mat_desc=dict(description) or None)


def provider_of(vector: Vector) -> Any:
    if not vector.kms:
        return rsa_provider(vector.key_id, tuple(vector.description.items()))
    passphrase = vector.kms_context.removeprefix('{"x-passphrase":"').removesuffix('"}')
    return AliKMSProvider(
        "key-id",
        "secret",
        "cn-hangzhou",
        vector.key_id,
        passphrase=passphrase or None,
        mat_desc=vector.description or None,
    )


def read(layer: Scene, vector: Vector, provider: Any) -> Callable[..., bytes]:
    """Put a vector; return what reads it, or a range of it, with a provider."""
    with layer.store() as store:
        store.put(vector.name, vector.ciphertext, metadata=vector.metadata)
    bucket = layer.bucket(provider)

    def get(**options: Any) -> bytes:
        body: bytes = bucket.get_object(vector.name, **options).read()
        return body

    return get


def assert_reads_as_it_was(get: Callable[..., bytes], vector: Vector) -> None:
    """Whole, and every range that this interface can ask for: a last so many it cannot."""
    assert get() == vector.plaintext(), vector
    for span in vector.spans():
        if span.tail is None:
            last = None if span.length is None else span.start + span.length - 1
            part = get(byte_range=(span.start, last))
            assert part == vector.slice(span), (vector, span)


def test_every_object_under_an_rsa_key_is_read(layer: Scene) -> None:
    for vector in rsa_vectors():
        if not vector.damaged:
            assert_reads_as_it_was(read(layer, vector, provider_of(vector)), vector)


def test_every_object_under_a_kms_is_read(layer: Scene, kms: StubKms) -> None:
    for vector in kms_vectors():
        kms.keys.add(vector.key_id)
        assert_reads_as_it_was(read(layer, vector, provider_of(vector)), vector)


@pytest.mark.parametrize("vector", [v for v in rsa_vectors() if v.damaged], ids=str)
def test_a_damaged_description_is_refused_and_its_key_reads_when_added_under_it(
    layer: Scene, vector: Vector
) -> None:
    provider = RsaProvider(pair(vector.key_id), mat_desc=vector.description)
    get = read(layer, vector, provider)
    with pytest.raises(ClientError, match="add_encryption_materials") as caught:
        get()
    arrived = json.loads(vector.metadata["client-side-encryption-matdesc"])
    assert json.dumps(arrived["desc"], ensure_ascii=False) in str(caught.value)

    provider.add_encryption_materials(EncryptionMaterials(arrived, key_pair=pair(vector.key_id)))

    assert_reads_as_it_was(get, vector)
