"""Objects that the SDKs wrote under a KMS: every flavour is read."""

import hashlib
from collections.abc import Iterator

import pytest
from tests.support.sdk_vectors import Vector, kms_vectors
from tests.support.stub_kms import OTHER_ID, StubKms, stub_kms

import cipherbucket as cb


@pytest.fixture
def kms() -> Iterator[StubKms]:
    with stub_kms() as running:
        yield running


def bucket_for(vector: Vector, key: cb.MasterKey) -> cb.Bucket:
    store = cb.MemoryStore()
    store.put(vector.name, vector.ciphertext, metadata=vector.metadata)
    return cb.Bucket(store, cb.KeyRing(key))


def options_of(vector: Vector) -> dict[str, str]:
    """Return the passphrase that a vector was written with, if any."""
    before, _, rest = vector.kms_context.partition('{"x-passphrase":"')
    assert not before
    return {"passphrase": rest.removesuffix('"}')} if rest else {}


@pytest.mark.parametrize("vector", kms_vectors(), ids=str)
def test_an_object_of_an_sdk_is_read_whole_and_in_ranges(kms: StubKms, vector: Vector) -> None:
    key = kms.key(vector.key_id, description=vector.description, **options_of(vector))
    bucket = bucket_for(vector, key)

    plaintext = bucket.get(vector.name).read()

    assert hashlib.sha256(plaintext).hexdigest() == vector.plaintext_sha256
    assert plaintext == vector.plaintext()
    assert kms.actions == {"Decrypt": 2}  # told apart by the bytes, not by trying
    for span in vector.spans():
        part = bucket.get(vector.name, start=span.start, length=span.length, tail=span.tail)
        assert part.read() == vector.slice(span), span
    assert set(key.opened_with) == {vector.key_id}


@pytest.mark.parametrize("vector", kms_vectors(), ids=str)
def test_it_is_found_by_its_description_and_read_with_the_key_given(
    kms: StubKms, vector: Vector
) -> None:
    key = kms.key(vector.key_id, **options_of(vector))
    bucket = bucket_for(vector, key)
    with pytest.raises(cb.NoMatchingKeyError):
        bucket.get(vector.name)
    assert bucket.get(vector.name, key=key).read() == vector.plaintext()


@pytest.mark.parametrize("vector", kms_vectors(), ids=str)
def test_another_context_or_a_list_without_its_key_is_a_wrong_key(
    kms: StubKms, vector: Vector
) -> None:
    for key in (
        kms.key(vector.key_id, passphrase="another"),
        kms.key(OTHER_ID, allowed=(), **options_of(vector)),
    ):
        with pytest.raises(cb.WrongKeyError):
            bucket_for(vector, key).get(vector.name, key=key)


def test_every_flavour_is_there() -> None:
    sdks = {vector.name.partition("/")[0] for vector in kms_vectors()}
    assert sdks == {
        "oss2-2.19.1",
        "oss2-2.8.0",
        "aliyun-oss-go-sdk-3.0.2",
        "alibabacloud-oss-go-sdk-v2-1.6.1",
    }
    assert any(vector.kms_context for vector in kms_vectors())
