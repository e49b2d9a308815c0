"""Every master key passes the kit for master keys, and a faulty one does not."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.sdk_vectors import private_key, rsa_key
from tests.support.stub_kms import StubKms, stub_kms

import cipherbucket as cb
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.conformance import check_master_key


@pytest.fixture
def kms() -> Iterator[StubKms]:
    with stub_kms() as running:
        yield running


class ToyKey:
    """A user's own master key: AES-GCM with the context as associated data."""

    algorithms = frozenset({"X-TOY-1"})
    id = "toy"

    def __init__(self) -> None:
        self._cipher = AESGCM(bytes(32))
        self.description = {"desc": "toy"}

    def algorithm_for(self, format: str) -> str:  # noqa: A002
        if format != "sealed":
            raise cb.MasterKeyError("toys write format sealed alone")
        return "X-TOY-1"

    def wrap(self, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
        self._check(algorithm, context)
        nonce = secrets.token_bytes(12)
        return nonce + self._cipher.encrypt(nonce, secret, context)

    def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        self._check(algorithm, context)
        try:
            return self._cipher.decrypt(wrapped[:12], wrapped[12:], context)
        except (InvalidTag, ValueError):
            raise cb.WrongKeyError("the key does not open this object") from None

    def _check(self, algorithm: str, context: bytes) -> None:
        if algorithm != "X-TOY-1" or not context:
            raise cb.UsageError("a toy takes its algorithm and a context")


def test_an_rsa_key_passes() -> None:
    check_master_key(rsa_key("key1").described({"desc": "one"}))


@pytest.mark.parametrize(
    ("says", "expected"), [(False, "not False for what"), (True, "not True for what")]
)
def test_a_key_that_misjudges_what_it_unwrapped_is_found_out(says: bool, expected: str) -> None:
    class Misjudging(cb.RsaKey):
        def was_wrapped(self, wrapped: bytes, secret: bytes, *, algorithm: str) -> bool:
            return says

    key = Misjudging(private_key("key1"), description={"desc": "one"})
    with pytest.raises(AssertionError, match=expected):
        check_master_key(key)


def test_an_rsa_key_for_sealed_only_and_a_public_half_pass() -> None:
    private = private_key("key1")
    check_master_key(cb.RsaKey(private, sealed_only=True), formats=("sealed",))
    check_master_key(cb.RsaKey(private.public_key()))


def test_an_aes_key_passes() -> None:
    check_master_key(AesKey(bytes(range(32)), description={"desc": "aes"}), formats=("sealed",))


@pytest.mark.parametrize("blob", ["single", "double"])
def test_a_kms_key_passes(kms: StubKms, blob: str) -> None:
    check_master_key(kms.key(blob=blob))


def test_a_users_own_key_passes_and_writes_objects() -> None:
    check_master_key(ToyKey(), formats=("sealed",))
    bucket = cb.Bucket(cb.MemoryStore(), cb.KeyRing(ToyKey()), format="sealed")
    bucket.put("name", b"content")
    assert bucket.get("name", tail=4).read() == b"tent"


def unbound(self: Any, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
    self._check(algorithm, context)
    try:
        return bytes(self._cipher.decrypt(wrapped[:12], wrapped[12:], b""))
    except (InvalidTag, ValueError):
        raise cb.WrongKeyError("no") from None


def talkative(self: Any, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
    try:
        return ToyKey.unwrap(self, wrapped, algorithm=algorithm, context=context)
    except cb.WrongKeyError:
        raise cb.WrongKeyError(f"{len(wrapped)} bytes are wrong") from None


def leaking(self: Any, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
    self._check(algorithm, context)
    return bytes(self._cipher.decrypt(wrapped[:12], wrapped[12:], context))


def bound_to_nothing(self: Any, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
    self._check(algorithm, context)
    nonce = secrets.token_bytes(12)
    return nonce + bytes(self._cipher.encrypt(nonce, secret, b""))


def bare(self: Any, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
    self._check(algorithm, context)
    return secret


def small(self: Any, format: str) -> str:  # noqa: A002
    ToyKey.algorithm_for(self, format)
    return "x_toy"


def lazy(self: Any, length: int, *, algorithm: str, context: bytes) -> tuple[bytes, bytes]:
    return bytes(length), self.wrap(bytes(length), algorithm=algorithm, context=context)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"id": ""}, "id is a text"),
        ({"algorithms": frozenset()}, "algorithms is a frozenset"),
        ({"algorithms": frozenset({"X-TOY-1", "x-toy-1"})}, "more than case"),
        (
            {"algorithm_for": lambda *_: "X-TOY-1"},
            "MasterKeyError expected, and nothing",
        ),
        ({"algorithms": frozenset({"x_toy"}), "algorithm_for": small}, "capital letters"),
        ({"wrap": bare}, "does not show"),
        ({"wrap": bound_to_nothing, "unwrap": unbound}, "open for another"),
        ({"unwrap": talkative}, "look alike"),
        ({"unwrap": leaking}, "not InvalidTag"),
        ({"_check": lambda *_: None}, "UsageError expected, and nothing was raised"),
        ({"generate": lazy}, "new data key each time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_faulty_key_fails_with_the_reason(members: dict[str, Any], expected: str) -> None:
    faulty = type("Faulty", (ToyKey,), members)
    with pytest.raises(AssertionError, match=expected):
        check_master_key(faulty(), formats=("sealed",))


def test_a_format_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AssertionError, match="formats are among"):
        check_master_key(ToyKey(), formats=("selaed",))
