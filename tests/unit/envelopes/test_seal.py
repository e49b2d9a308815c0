"""Sealing and unsealing; the wrong-key test, each of its checks the deciding one."""

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.counts import count
from tests.support.envelopes import v1, v2
from tests.support.fake_key import FakeKey, KnowingKey
from tests.support.sdk_vectors import private_key, rsa_key

from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.seal import seal
from cipherbucket.envelopes.unseal import open_oss
from cipherbucket.errors import (
    EnvelopeError,
    MasterKeyError,
    NoMatchingKeyError,
    PolicyError,
    WrongKeyError,
)
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope
from cipherbucket.keys.implicit_rejection import ImplicitRejection
from cipherbucket.keys.ring import KeyRing
from cipherbucket.keys.rsa import OAEP_SHA1, PKCS1, V1_RSA, RsaKey

KEY = rsa_key("key1").described({"desc": "2026"})
RING = KeyRing(rsa_key("key2").described({"desc": "2025"}), KEY)
DATA_KEY = bytes(range(32))
IV = bytes.fromhex("f0f1f2f3f4f5f6f700000000fcfdfeff")
USUAL, STRICT = Policy(), Policy(strict_iv=True)


def envelope_of(
    data_key: bytes = DATA_KEY, iv: bytes = IV, algorithm: str = PKCS1, key: RsaKey = KEY
) -> Envelope:
    """Wrap what is given, whatever it is, correctly under the right key."""
    return Envelope.compose(
        algorithm=algorithm,
        wrapped_key=key.wrap(data_key, algorithm=algorithm, context=b""),
        wrapped_iv=key.wrap(iv, algorithm=algorithm, context=b""),
        description=key.description,
    )


def v1_envelope_of(start: bytes, data_key: bytes = DATA_KEY) -> Envelope:
    envelope = Envelope.parse(
        v1(
            **{
                "oss-crypto-key": encoded(KEY.wrap(data_key, algorithm=V1_RSA, context=b"")),
                "oss-crypto-start": encoded(KEY.wrap(start, algorithm=V1_RSA, context=b"")),
                "oss-matdesc": KEY.description.text,
            }
        )
    )
    assert envelope is not None
    return envelope


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def keystream(cipher: Ctr) -> bytes:
    buffer = bytearray(64)
    cipher.stream().apply(buffer)
    return bytes(buffer)


both_paddings = pytest.mark.parametrize("algorithm", [PKCS1, OAEP_SHA1])


@both_paddings
def test_what_was_wrapped_under_the_right_key_is_the_cipher(algorithm: str) -> None:
    cipher = open_oss(envelope_of(algorithm=algorithm), RING, STRICT)

    assert keystream(cipher) == keystream(Ctr(DATA_KEY, IV))


@both_paddings
@pytest.mark.parametrize("length", [0, 1, 16, 24, 31, 33, 64])
@pytest.mark.parametrize("policy", [USUAL, STRICT])
def test_a_data_key_of_another_length_alone_is_a_wrong_key(
    algorithm: str, length: int, policy: Policy
) -> None:
    with pytest.raises(WrongKeyError):
        open_oss(envelope_of(data_key=bytes(length), algorithm=algorithm), RING, policy)


@both_paddings
@pytest.mark.parametrize("length", [0, 1, 8, 12, 15, 17, 32])
@pytest.mark.parametrize("policy", [USUAL, STRICT])
def test_an_iv_of_another_length_alone_is_a_wrong_key(
    algorithm: str, length: int, policy: Policy
) -> None:
    iv = (IV + IV)[:length]
    assert not any(iv[8:12])

    with pytest.raises(WrongKeyError):
        open_oss(envelope_of(iv=iv, algorithm=algorithm), RING, policy)


@both_paddings
@pytest.mark.parametrize("at", [8, 9, 10, 11])
@pytest.mark.parametrize("bit", [0x01, 0x80, 0xFF])
def test_a_bit_in_bytes_8_to_11_makes_an_iv_random_which_a_strict_policy_refuses(
    algorithm: str, at: int, bit: int
) -> None:
    iv = IV[:at] + bytes([bit]) + IV[at + 1 :]
    envelope = envelope_of(iv=iv, algorithm=algorithm)

    cipher = open_oss(envelope, RING, USUAL)
    assert keystream(cipher) == keystream(Ctr(DATA_KEY, iv))
    assert cipher.iv_kind == "random"
    with pytest.raises(PolicyError, match="random in all its 16 bytes") as refused:
        open_oss(envelope, RING, STRICT)
    assert "strict_iv" in str(refused.value.hint)


def test_a_strict_policy_says_of_a_wrong_key_nothing_else_than_the_usual_one() -> None:
    envelope = envelope_of(iv=bytes(range(16)), key=rsa_key("key3").described(KEY.description))
    said = set()
    for policy in (USUAL, STRICT):
        with pytest.raises(WrongKeyError) as refused:
            open_oss(envelope, RING, policy)
        said.add((str(refused.value), refused.value.hint))
    assert len(said) == 1


@pytest.mark.parametrize("field", ["key", "start"])
@pytest.mark.parametrize("iv", [IV, bytes(range(16))], ids=["masked", "random"])
def test_one_altered_field_is_refused_whatever_the_other_is(field: str, iv: bytes) -> None:
    """A wrapped key of which bits were changed passed once in 246, by its length."""
    right = envelope_of(iv=iv)
    name = f"client-side-encryption-{field}"
    for number in range(count(20_000, 300)):
        altered = encoded((number + 2).to_bytes(256, "big"))
        envelope = Envelope.parse({**right.to_metadata(), name: altered})
        assert envelope is not None
        with pytest.raises(WrongKeyError):
            open_oss(envelope, RING, USUAL)


@pytest.mark.parametrize("iv", [IV, bytes(range(16))], ids=["masked", "random"])
def test_where_a_library_rejects_otherwise_the_iv_is_the_test(
    iv: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImplicitRejection, "is_answered_by", lambda *_: False)
    ring = KeyRing(RsaKey(private_key("key1"), description=KEY.description))
    if iv == IV:
        assert keystream(open_oss(envelope_of(iv=iv), ring, USUAL)) == keystream(Ctr(DATA_KEY, iv))
    else:
        with pytest.raises(WrongKeyError):
            open_oss(envelope_of(iv=iv), ring, USUAL)


@pytest.mark.parametrize("at", [*range(8), *range(12, 16)])
def test_the_other_bytes_of_the_iv_are_free(at: int) -> None:
    for value in (0, 0xFF):
        iv = IV[:at] + bytes([value]) + IV[at + 1 :]

        assert keystream(open_oss(envelope_of(iv=iv), RING, STRICT)) == keystream(Ctr(DATA_KEY, iv))


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"08",
        b"-1",
        b"+8",
        b" 8",
        b"8 ",
        b"8.0",
        b"1e3",
        b"0x8",
        b"a",
        IV,
        b"9" * 39,
        b"1" * 40,
    ],
)
@pytest.mark.parametrize("policy", [USUAL, STRICT])
def test_a_v1_start_that_is_no_decimal_is_a_wrong_key(start: bytes, policy: Policy) -> None:
    with pytest.raises(WrongKeyError):
        open_oss(v1_envelope_of(start), RING, policy)


@pytest.mark.parametrize("start", [0, 1, 10, 2**40, 2**128 - 1])
def test_a_v1_start_is_the_counter_and_needs_no_zero_bytes(start: int) -> None:
    cipher = open_oss(v1_envelope_of(str(start).encode()), RING, STRICT)

    assert keystream(cipher) == keystream(Ctr(DATA_KEY, start.to_bytes(16, "big")))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_v1_data_key_of_another_length_is_a_wrong_key(length: int) -> None:
    with pytest.raises(WrongKeyError):
        open_oss(v1_envelope_of(b"8", bytes(length)), RING, STRICT)


def test_all_failures_to_open_look_alike() -> None:
    envelopes = [
        envelope_of(data_key=bytes(31)),
        envelope_of(iv=bytes(15)),
        envelope_of(data_key=bytes(31), iv=bytes(17)),
        envelope_of(algorithm=OAEP_SHA1, data_key=bytes(33)),
        envelope_of(key=rsa_key("key3").described(KEY.description)),
        envelope_of(key=rsa_key("key3").described(KEY.description), algorithm=OAEP_SHA1),
        v1_envelope_of(b"x"),
        Envelope.parse(v2(matdesc=KEY.description.text)),
        Envelope.parse(v2(matdesc=KEY.description.text, **{"wrap-alg": OAEP_SHA1})),
    ]
    told = set()
    for envelope in envelopes:
        assert envelope is not None
        with pytest.raises(WrongKeyError) as caught:
            open_oss(envelope, RING, Policy(min_rsa_bits=0))
        told.add((str(caught.value), caught.value.hint, caught.value.__cause__))

    assert len(told) == 1


@pytest.mark.parametrize("algorithm", [PKCS1, OAEP_SHA1])
def test_a_wrong_key_is_never_silent_garbage(algorithm: str) -> None:
    for number in range(count(10_000, 200)):
        wrong = rsa_key("key2" if number % 2 else "key3")
        envelope = envelope_of(secrets.token_bytes(32), algorithm=algorithm)

        with pytest.raises(WrongKeyError):
            open_oss(envelope, RING, STRICT, key=wrong)


@given(
    data_key=st.binary(max_size=40) | st.binary(min_size=32, max_size=32),
    iv=st.binary(max_size=20)
    | st.binary(min_size=16, max_size=16)
    | st.binary(min_size=8, max_size=8).map(lambda half: half + bytes(4) + half[:4]),
    strict=st.booleans(),
    knows=st.tuples(*[st.sampled_from([True, False, None])] * 2) | st.none(),
)
def test_a_cipher_comes_out_only_when_all_checks_hold(
    data_key: bytes, iv: bytes, strict: bool, knows: tuple[bool | None, bool | None] | None
) -> None:
    key = FakeKey(data_key, iv) if knows is None else KnowingKey(data_key, iv, knows=knows)
    masked = iv[8:12] == bytes(4)
    right = len(data_key) == 32 and len(iv) == 16
    right = right and (knows == (True, True) or (masked and False not in (knows or ())))

    try:
        cipher = open_oss(key.envelope(), KeyRing(key), Policy(strict_iv=strict))
    except WrongKeyError:
        assert not right
    except PolicyError:
        assert right
        assert strict
        assert not masked
    else:
        assert right
        assert masked or not strict
        assert keystream(cipher) == keystream(Ctr(data_key, iv))


def test_of_a_key_that_cannot_know_the_error_says_what_a_random_iv_takes() -> None:
    key = FakeKey(DATA_KEY, bytes(range(16)))
    with pytest.raises(WrongKeyError) as refused:
        open_oss(key.envelope(), KeyRing(key), USUAL)
    assert "was_wrapped" in str(refused.value.hint)


def test_a_key_that_refuses_only_one_of_the_two_does_not_open() -> None:
    for refuses in (b"key", b"iv"):
        key = FakeKey(DATA_KEY, IV, refuses=refuses)

        with pytest.raises(WrongKeyError):
            open_oss(key.envelope(), KeyRing(key), STRICT)


def test_an_object_sealed_is_unsealed_by_the_ring_that_sealed_it() -> None:
    envelope, cipher = seal(KeyRing(KEY), "oss", content_length=5, content_md5=None)

    assert isinstance(cipher, Ctr)
    assert keystream(open_oss(envelope, RING, STRICT)) == keystream(cipher)
    assert envelope.recipients[0].description == KEY.description
    assert envelope.recipients[0].algorithm == PKCS1
    assert envelope.content_length == 5


def test_every_seal_draws_a_new_key_and_an_iv_whose_bytes_8_to_11_are_zero() -> None:
    drawn = set()
    for _ in range(50):
        key = FakeKey(b"", b"")
        seal(KeyRing(key), "oss")
        data_key, iv = key.wrapped
        assert (len(data_key), len(iv)) == (32, 16)
        assert iv[8:12] == bytes(4)
        drawn |= {data_key, iv[:8], iv[12:]}

    assert len(drawn) == 150


@pytest.mark.parametrize("format", ["oss-v1", "other"])
def test_no_other_format_is_written(format: str) -> None:  # noqa: A002
    with pytest.raises(MasterKeyError):
        seal(KeyRing(KEY), format)


def test_what_the_policy_refuses_never_reaches_a_key() -> None:
    key = FakeKey(DATA_KEY, IV)

    with pytest.raises(PolicyError):
        open_oss(key.envelope(), KeyRing(key), Policy("oss-v1"))
    with pytest.raises(PolicyError):
        open_oss(key.envelope(), KeyRing(), Policy("oss-v1"), key=key)
    assert key.unwrapped == 0


def test_a_wrap_algorithm_that_nobody_knows_is_a_malformed_envelope() -> None:
    for key in (None, KEY):
        envelope = Envelope.parse(v2(**{"wrap-alg": "RSA/NONE/Rot13"}))
        assert envelope is not None

        with pytest.raises(EnvelopeError, match="Rot13") as caught:
            open_oss(envelope, KeyRing(KEY), Policy(min_rsa_bits=0), key=key)
        assert caught.value.field == "client-side-encryption-wrap-alg"


@pytest.mark.parametrize("algorithm", ["KMS/ALICLOUD", "kms/AliCloud"])
def test_a_wrap_algorithm_that_is_known_and_has_no_key_is_no_matching_key(algorithm: str) -> None:
    envelope = Envelope.parse(v2(**{"wrap-alg": algorithm}))
    assert envelope is not None

    for key in (None, KEY):
        with pytest.raises(NoMatchingKeyError, match=algorithm):
            open_oss(envelope, KeyRing(KEY), STRICT, key=key)


def test_an_algorithm_of_the_rings_own_keys_is_known() -> None:
    key = FakeKey(DATA_KEY, IV, description={"desc": "one"})
    envelope = Envelope.parse({**key.envelope().to_metadata(), **v2(matdesc='{"desc":"two"}')})
    assert envelope is not None
    own = Envelope.parse({**envelope.to_metadata(), "client-side-encryption-wrap-alg": "fake/one"})
    assert own is not None

    with pytest.raises(NoMatchingKeyError):
        open_oss(own, KeyRing(key), Policy(min_rsa_bits=0))


def test_the_key_given_is_used_whatever_the_description_says_or_lacks() -> None:
    envelope = envelope_of()
    texts = envelope.to_metadata()
    for text in ("", "{}", '{"desc":"2025"}', '{"desc":', "[1]", '{"a":1}'):
        other = Envelope.parse({**texts, "client-side-encryption-matdesc": text})
        assert other is not None

        assert keystream(open_oss(other, KeyRing(), STRICT, key=KEY)) == keystream(
            Ctr(DATA_KEY, IV)
        )
        with pytest.raises((NoMatchingKeyError, EnvelopeError, WrongKeyError)):
            open_oss(other, RING, STRICT)


def test_a_wrap_algorithm_in_other_letters_finds_the_key() -> None:
    texts = envelope_of().to_metadata()
    envelope = Envelope.parse({**texts, "client-side-encryption-wrap-alg": PKCS1.lower()})
    assert envelope is not None

    assert keystream(open_oss(envelope, RING, STRICT)) == keystream(Ctr(DATA_KEY, IV))


def test_a_public_half_says_that_it_cannot_read() -> None:
    public = RsaKey(private_key("key1").public_key(), description=KEY.description)

    with pytest.raises(MasterKeyError, match="public half"):
        open_oss(envelope_of(), KeyRing(public), STRICT)


def test_a_key_that_is_fetched_opens() -> None:
    def fetch(description: Description, algorithm: str) -> RsaKey | None:
        return KEY if description == KEY.description else None

    assert keystream(open_oss(envelope_of(), KeyRing(fetch=fetch), STRICT))


def test_context_and_traceback_tell_no_failure_to_unwrap_from_another() -> None:
    refused = FakeKey(DATA_KEY, IV, refuses=b"key")
    refused_iv = FakeKey(DATA_KEY, IV, refuses=b"iv")
    short = FakeKey(DATA_KEY[:31], IV)
    seen = set()
    for key in (refused, refused_iv, short):
        with pytest.raises(WrongKeyError) as caught:
            open_oss(key.envelope(), KeyRing(key), STRICT)
        lines = tuple(entry.lineno for entry in caught.traceback[1:])
        seen.add((str(caught.value), repr(caught.value.__context__), lines))
        assert key.unwrapped == 2
    assert len(seen) == 1
