"""Policies: a bucket reads what its policy names, and no downgrade passes."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.envelopes import V2, v1, v2
from tests.support.sdk_vectors import Vector, ring_for, rsa_vectors

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import CipherbucketError, EnvelopeError, PolicyError, UsageError
from cipherbucket.format.envelope import Envelope
from cipherbucket.keys.ring import KeyRing
from cipherbucket.stores.memory import MemoryStore


def wrapped(bits: int) -> str:
    return base64.b64encode(bytes(bits // 8)).decode()


V2_2048 = Envelope.parse(v2(key=wrapped(2048)))
V2_1024 = Envelope.parse(v2(key=wrapped(1024)))
V2_512 = Envelope.parse(v2(key=wrapped(512)))
V1_2048 = Envelope.parse(v1(**{"oss-crypto-key": wrapped(2048)}))
V1_512 = Envelope.parse(v1(**{"oss-crypto-key": wrapped(512)}))
V2_KMS = Envelope.parse(v2(**{"wrap-alg": "KMS/ALICLOUD"}))
ODD_CASE_512 = Envelope.parse(v2(key=wrapped(512), **{"wrap-alg": "rSa/NONE/PKCS1Padding"}))
PLAINTEXT = None


@pytest.mark.parametrize(
    ("policy", "envelope"),
    [
        pytest.param(Policy(), V2_2048, id="V2"),
        pytest.param(Policy(), V1_2048, id="V1"),
        pytest.param(Policy(), V2_1024, id="RSA-1024"),
        pytest.param(Policy(), V2_KMS, id="a KMS"),
        pytest.param(Policy("oss"), V2_2048, id="V2 where V2 is named"),
        pytest.param(Policy("oss-v1"), V1_2048, id="V1 where V1 is named"),
        pytest.param(Policy(["oss", "oss-v1"]), V1_2048, id="V1 where both are named"),
        pytest.param(Policy(plaintext=True), PLAINTEXT, id="plaintext where it is named"),
        pytest.param(Policy(plaintext=True), V2_2048, id="V2 beside plaintext"),
        pytest.param(Policy((), plaintext=True), PLAINTEXT, id="plaintext alone"),
        pytest.param(Policy(min_rsa_bits=2048), V2_2048, id="just long enough"),
        pytest.param(Policy(min_rsa_bits=4096), V2_KMS, id="a KMS has no RSA bits"),
        pytest.param(Policy(min_rsa_bits=0), V2_512, id="any length"),
        pytest.param(Policy.of_format("oss"), V1_2048, id="what writes oss reads oss-v1"),
        pytest.param(Policy.of_format("oss"), V2_2048, id="what writes oss reads oss"),
    ],
)
def test_what_the_policy_names_passes(policy: Policy, envelope: Envelope | None) -> None:
    policy.admit(envelope)


@pytest.mark.parametrize(
    ("policy", "envelope", "words"),
    [
        pytest.param(Policy(), PLAINTEXT, "not encrypted", id="plaintext"),
        pytest.param(Policy("oss"), PLAINTEXT, "not encrypted", id="plaintext for V2"),
        pytest.param(Policy(()), PLAINTEXT, "not encrypted", id="plaintext for nothing"),
        pytest.param(Policy.of_format("oss"), PLAINTEXT, "not encrypted", id="for oss"),
        pytest.param(Policy("oss"), V1_2048, "format oss-v1", id="V1 for V2"),
        pytest.param(Policy("oss-v1"), V2_2048, "format oss,", id="V2 for V1"),
        pytest.param(Policy.of_format("oss-v1"), V2_2048, "format oss,", id="V2 for only V1"),
        pytest.param(Policy(()), V2_2048, "none", id="V2 for nothing"),
        pytest.param(Policy((), plaintext=True), V2_2048, "none", id="V2 for plaintext"),
        pytest.param(Policy((), plaintext=True), V1_2048, "none", id="V1 for plaintext"),
        pytest.param(Policy(), V2_512, "RSA-512", id="RSA-512"),
        pytest.param(Policy(), V1_512, "RSA-512", id="RSA-512 in V1"),
        pytest.param(Policy(), ODD_CASE_512, "RSA-512", id="RSA-512 in odd letters"),
        pytest.param(Policy(min_rsa_bits=2048), V2_1024, "RSA-1024", id="RSA-1024 for 2048"),
        pytest.param(Policy(min_rsa_bits=2049), V2_2048, "RSA-2048", id="one bit too few"),
    ],
)
def test_every_downgrade_is_refused(policy: Policy, envelope: Envelope | None, words: str) -> None:
    with pytest.raises(PolicyError, match=words) as caught:
        policy.admit(envelope)
    assert caught.value.hint


@pytest.mark.parametrize("formats", ["gcm", ["oss", "gcm"], "OSS", "", [""], ["plaintext"]])
def test_an_unknown_format_is_refused(formats: str | list[str]) -> None:
    with pytest.raises(UsageError, match="unknown format") as caught:
        Policy(formats)
    assert "oss-v1" in (caught.value.hint or "")


def test_a_bucket_of_an_unknown_format_has_no_policy() -> None:
    with pytest.raises(UsageError, match="unknown format"):
        Policy.of_format("gcm")


def test_a_policy_is_a_value_that_cannot_be_changed() -> None:
    policy = Policy(["oss"], min_rsa_bits=2048)

    assert policy == Policy("oss", min_rsa_bits=2048)
    assert hash(policy) == hash(Policy("oss", min_rsa_bits=2048))
    assert policy == Policy("oss", min_rsa_bits=2048, strict_iv=False)
    assert policy != Policy("oss", min_rsa_bits=2048, strict_iv=True)
    with pytest.raises(AttributeError):
        policy.plaintext = True  # type: ignore[misc]


class Attacked:
    """One object of an SDK whose store is the attacker's."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector
        self.store = MemoryStore()
        self.bucket = Bucket(self.store, ring_for(vector))

    def replace(self, metadata: dict[str, str], body: bytes) -> None:
        self.store.put("name", body, metadata=metadata)


@pytest.fixture
def attacked() -> Attacked:
    return Attacked(next(vector for vector in rsa_vectors() if vector.name.endswith("one/1000")))


@pytest.mark.parametrize("verb", ["get", "range", "open", "download"])
@pytest.mark.parametrize("strip", ["all metadata", "the envelope", "rename the envelope"])
def test_an_object_stripped_of_its_envelope_is_not_taken_for_plaintext(
    attacked: Attacked, tmp_path: Path, verb: str, strip: str
) -> None:
    theirs = attacked.vector.metadata
    left = {
        "all metadata": {},
        "the envelope": {"owner": "me"},
        "rename the envelope": {f"x-{name}": text for name, text in theirs.items()},
    }[strip]
    attacked.replace(left, b"attacker's bytes")
    bucket = attacked.bucket

    read: Callable[[], object] = {
        "get": lambda: bucket.get("name"),
        "range": lambda: bucket.get("name", start=1, length=2),
        "open": lambda: bucket.open("name").read(1),
        "download": lambda: bucket.download("name", tmp_path / "file"),
    }[verb]

    with pytest.raises(PolicyError, match="'name': the object is not encrypted"):
        read()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lost", ["key", "start", "cek-alg", "wrap-alg"])
def test_an_object_that_lost_one_field_is_broken_and_not_plaintext(
    attacked: Attacked, lost: str
) -> None:
    metadata = {n: t for n, t in attacked.vector.metadata.items() if n != V2 + lost}
    attacked.replace(metadata, attacked.vector.ciphertext)

    for bucket in (
        attacked.bucket,
        Bucket(attacked.store, attacked.bucket.ring, policy=Policy(plaintext=True)),
    ):
        with pytest.raises(EnvelopeError, match=f"'name': {V2}{lost}: missing"):
            bucket.get("name")


def test_a_v1_envelope_laid_beside_or_in_place_of_a_v2_one_is_refused(attacked: Attacked) -> None:
    old = v1(**{"oss-crypto-key": wrapped(2048), "oss-crypto-start": wrapped(2048)})
    strict = Bucket(attacked.store, attacked.bucket.ring, policy=Policy("oss"))

    attacked.replace({**attacked.vector.metadata, **old}, attacked.vector.ciphertext)
    with pytest.raises(EnvelopeError, match="two kinds"):
        strict.get("name")
    attacked.replace(old, attacked.vector.ciphertext)
    with pytest.raises(PolicyError, match="format oss-v1"):
        strict.get("name")


def test_plaintext_is_read_where_the_policy_names_it_and_looked_at_anywhere() -> None:
    store = MemoryStore()
    store.put("name", b"in the clear", metadata={"owner": "me"})

    with Bucket(store, KeyRing(), policy=Policy(plaintext=True)).get("name") as stream:
        assert stream.read() == b"in the clear"
        assert stream.info.format == "plaintext"
    assert Bucket(store, KeyRing()).head("name").format == "plaintext"
    with pytest.raises(CipherbucketError):
        Bucket(store, KeyRing()).get("name")
