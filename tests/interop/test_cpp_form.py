"""What we write beside what the C++ SDK wrote: the same fields, in the same form.

Strategy: the C++ SDK is in no registry, so its recorded objects (tests/vectors) stand for it. For
each of them we write the same plaintext under the same key and description. What is random (the
wrapped data key and IV) is compared in form, and after unwrapping; everything else as text.
"""

import base64
import warnings

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from tests.support.sdk_vectors import Vector, private_key, rsa_vectors

import cipherbucket as cb

PREFIX = "client-side-encryption-"
RANDOM = {f"{PREFIX}key", f"{PREFIX}start"}
LENGTH = f"{PREFIX}unencrypted-content-length"
VECTORS = [vector for vector in rsa_vectors() if vector.name.startswith("aliyun-oss-cpp-sdk")]


def written_by_us(vector: Vector) -> tuple[dict[str, str], int]:
    """Write a vector's plaintext as its writer was told to; return metadata and stored size."""
    store = cb.MemoryStore()
    bucket = cb.Bucket(store, cb.KeyRing(vector.key()))
    body = vector.plaintext()
    user = {name: text for name, text in vector.metadata.items() if not name.startswith(PREFIX)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cb.CipherbucketWarning)  # of the key's description
        if (part_size := vector.metadata.get(f"{PREFIX}part-size")) is not None:
            size = int(part_size)
            with bucket.multipart("name", data_size=len(body), part_size=size) as upload:
                for number in range(1, upload.plan.count + 1):
                    upload.upload_part(number, body[(number - 1) * size : number * size])
                upload.complete()
        else:
            md5 = vector.metadata.get(f"{PREFIX}unencrypted-content-md5")
            bucket.put("name", body, metadata=user, content_md5=md5)
    with store.get("name") as incoming:
        return dict(incoming.stored.metadata), incoming.stored.size


def unwrapped(vector: Vector, text: str) -> bytes:
    return private_key(vector.key_id).decrypt(base64.b64decode(text), padding.PKCS1v15())


def test_there_are_vectors_of_the_cpp_sdk() -> None:
    assert len(VECTORS) >= 14


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_our_fields_are_those_of_the_cpp_sdk_in_the_same_form(vector: Vector) -> None:
    ours, size = written_by_us(vector)
    length = ours.pop(LENGTH, None)
    assert length in {None, str(vector.size)}
    assert ours.keys() == vector.metadata.keys()
    assert {name: ours[name] for name in ours.keys() - RANDOM} == {
        name: vector.metadata[name] for name in vector.metadata.keys() - RANDOM
    }
    assert size == len(vector.ciphertext) == vector.size


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_our_wrapped_key_and_counter_have_the_form_of_the_cpp_sdk(vector: Vector) -> None:
    ours, _ = written_by_us(vector)
    for metadata in (ours, vector.metadata):
        texts = [metadata[name] for name in sorted(RANDOM)]
        for text in texts:
            assert base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
            assert len(base64.b64decode(text)) == private_key(vector.key_id).key_size // 8
        key, start = (unwrapped(vector, text) for text in texts)
        assert (len(key), len(start), start[8:12]) == (32, 16, bytes(4))
