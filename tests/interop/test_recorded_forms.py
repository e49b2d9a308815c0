"""What we write beside what SDKs wrote that do not run here: the same fields, in the same form.

Strategy: recorded objects (tests/vectors) stand for those SDKs. For each of them we write the same
plaintext under the same key and description. What is random (the wrapped data key and IV) is
compared in form, and after unwrapping; everything else as text.
"""

import base64
import warnings

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from tests.support.sdk_vectors import Vector, private_key, rsa_key, rsa_vectors

import cipherbucket as cb

PREFIX = "client-side-encryption-"
RANDOM = {f"{PREFIX}key", f"{PREFIX}start"}
LENGTH = f"{PREFIX}unencrypted-content-length"
DESCRIPTION = f"{PREFIX}matdesc"

CPP_1 = "aliyun-oss-cpp-sdk-1.10.1"
CPP_2 = "alibabacloud-oss-cpp-sdk-v2-0.1.2"
JAVA_2 = "alibabacloud-oss-java-sdk-v2-0.5.0"
PHP_2 = "alibabacloud-oss-php-sdk-v2-0.3.2"
OTHER_TEXT = {
    (CPP_2, "two"): "UTF-8",
    (JAVA_2, "special"): "entries in the order given",
    (JAVA_2, "two"): "Latin-1, and ? for what has none",
    (PHP_2, "special"): "entries in the order given, / escaped",
}
"""Where an SDK writes another text than we for the same description, by the vectors' variant."""
SDKS = (CPP_1, CPP_2, JAVA_2, PHP_2)
VECTORS = [vector for vector in rsa_vectors() if vector.name.startswith(SDKS)]


def written_by_us(vector: Vector, key: cb.RsaKey) -> tuple[dict[str, str], int]:
    """Write a vector's plaintext as its writer was told to; return metadata and stored size."""
    store = cb.MemoryStore()
    bucket = cb.Bucket(store, cb.KeyRing(key))
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


def fixed(metadata: dict[str, str]) -> dict[str, str]:
    """Return the fields that are not random, without those that not every SDK writes.

    These are the length, and `{}` for no description.
    """
    left = {name: text for name, text in metadata.items() if name not in {*RANDOM, LENGTH}}
    if left.get(DESCRIPTION) == "{}":
        del left[DESCRIPTION]
    return left


def other_text(vector: Vector) -> bool:
    sdk, _, variant, _ = vector.name.split("/")
    return (sdk, variant) in OTHER_TEXT


def unwrapped(vector: Vector, text: str) -> bytes:
    return private_key(vector.key_id).decrypt(base64.b64decode(text), padding.PKCS1v15())


@pytest.mark.parametrize("sdk", SDKS)
def test_there_are_vectors_of_each_sdk(sdk: str) -> None:
    assert sum(vector.name.startswith(sdk) for vector in VECTORS) >= 14


def test_every_other_text_is_of_some_vector() -> None:
    assert {tuple(vector.name.split("/")[::2]) for vector in VECTORS} >= OTHER_TEXT.keys()


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_our_fields_are_those_of_the_sdk_in_the_same_form(vector: Vector) -> None:
    ours, size = written_by_us(vector, vector.key())
    for metadata in (ours, vector.metadata):
        assert metadata.keys() >= RANDOM
        assert metadata.get(LENGTH) in {None, str(vector.size)}
    assert fixed(ours).keys() == fixed(vector.metadata).keys()
    differing = {name for name, text in fixed(vector.metadata).items() if ours[name] != text}
    assert differing == ({DESCRIPTION} if other_text(vector) else set())
    assert size == len(vector.ciphertext) == vector.size


@pytest.mark.parametrize("vector", [v for v in VECTORS if other_text(v)], ids=str)
def test_given_the_text_of_the_sdk_we_write_that(vector: Vector) -> None:
    text = vector.metadata[DESCRIPTION]
    ours, _ = written_by_us(vector, rsa_key(vector.key_id).described(text))
    assert fixed(ours) == fixed(vector.metadata)


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_our_wrapped_key_and_counter_have_the_form_of_the_sdk(vector: Vector) -> None:
    """But for the IV of C++ 2, which is not masked."""
    ours, _ = written_by_us(vector, vector.key())
    for metadata in (ours, vector.metadata):
        texts = [metadata[name] for name in sorted(RANDOM)]
        for text in texts:
            assert base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
            assert len(base64.b64decode(text)) == private_key(vector.key_id).key_size // 8
        key, start = (unwrapped(vector, text) for text in texts)
        assert (len(key), len(start)) == (32, 16)
        masked = metadata is ours or not vector.name.startswith(CPP_2)
        assert (start[8:12] == bytes(4)) == masked
