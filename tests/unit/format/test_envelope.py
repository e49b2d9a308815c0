"""Envelopes: composed, parsed, kept to the byte, kept apart from the user's own metadata."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.envelopes import KEY, MD5, START, V1, V2, v1, v2

from cipherbucket.errors import EnvelopeError
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope, without_envelope
from cipherbucket.format.metadata_names import OSS, OSS_V1, is_reserved
from cipherbucket.format.texts import decode_v1_start

TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
DESCRIPTIONS = st.dictionaries(TEXTS, TEXTS, max_size=3)


def parsed(metadata: dict[str, str]) -> Envelope:
    envelope = Envelope.parse(metadata)
    assert envelope is not None
    return envelope


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"owner": "me"},
        {"unencrypted-content-length": "10", "unencrypted-content-md5": "not ours to judge"},
        {"client-side": "x", "oss": "x", "oss-crypt": "x", "oss-matdesc2": "x", "cipherbucket": ""},
        {"key": "x", "start": "x", "cek-alg": "x", "wrap-alg": "x", "matdesc": "x"},
    ],
)
def test_metadata_without_a_trace_of_an_envelope_is_plaintexts(metadata: dict[str, str]) -> None:
    assert Envelope.parse(metadata) is None


def test_a_v2_envelope_is_understood() -> None:
    envelope = parsed(
        v2(
            matdesc='{"b": "1", "a":"2"}',
            **{
                "unencrypted-content-length": "0",
                "unencrypted-content-md5": MD5,
                "data-size": "9999999999999999",
                "part-size": "102400",
            },
        )
    )

    assert envelope.format == OSS
    assert envelope.recipients[0].algorithm == "RSA/NONE/PKCS1Padding"
    assert envelope.recipients[0].wrapped_key == b"wrapped key"
    assert envelope.recipients[0].description == {"a": "2", "b": "1"}
    assert envelope.wrapped_iv == b"wrapped iv"
    assert (envelope.content_length, envelope.content_md5) == (0, MD5)
    assert (envelope.data_size, envelope.part_size) == (9_999_999_999_999_999, 102_400)
    assert envelope.content_algorithm == "AES/CTR/NoPadding"


def test_a_v1_envelope_is_understood_and_its_body_is_counter_mode_whatever_it_says() -> None:
    envelope = parsed(v1())

    assert envelope.format == OSS_V1
    assert envelope.recipients[0].algorithm == "rsa"
    assert envelope.recipients[0].description == {}
    assert (envelope.recipients[0].wrapped_key, envelope.wrapped_iv) == (b"wrapped key", b"8")
    assert envelope.content_algorithm == "AES/CTR/NoPadding"
    assert envelope.content_length is None
    assert envelope.content_md5 is None


@pytest.mark.parametrize("prefix", ["", V1])
def test_v1_has_two_spellings_of_length_and_md5(prefix: str) -> None:
    companions = {
        f"{prefix}unencrypted-content-length": "12",
        f"{prefix}unencrypted-content-md5": MD5,
    }

    envelope = parsed({**v1(), **companions})

    assert (envelope.content_length, envelope.content_md5) == (12, MD5)
    assert envelope.to_metadata() == {**v1(), **companions}
    assert without_envelope({**v1(), **companions, "owner": "me"}, envelope) == {"owner": "me"}


@pytest.mark.parametrize("name", ["oss-matdesc", "oss-crypto-matdesc"])
def test_v1_has_two_spellings_of_the_description(name: str) -> None:
    envelope = parsed({**v1(), name: '{"desc":"old"}'})

    assert envelope.recipients[0].description == {"desc": "old"}
    assert envelope.recipients[0].description_field == name


def test_both_v1_spellings_at_once_are_taken_when_they_are_equal() -> None:
    both = {**v1(), "oss-matdesc": '{"a":"b"}', "oss-crypto-matdesc": '{"a":"b"}'}

    assert parsed(both).recipients[0].description == {"a": "b"}
    assert parsed(both).to_metadata() == both


def test_beside_a_v2_envelope_the_v1_companions_are_the_users() -> None:
    metadata = {**v2(), "unencrypted-content-length": "x" * 9000}

    envelope = parsed(metadata)

    assert envelope.content_length is None
    assert set(without_envelope(metadata, envelope)) == {"unencrypted-content-length"}


def test_names_in_any_case_are_folded_and_texts_are_not() -> None:
    envelope = parsed({name.upper(): text for name, text in v2(matdesc='{"A":"B"}').items()})

    assert envelope.to_metadata() == v2(matdesc='{"A":"B"}')
    assert envelope.recipients[0].description == {"A": "B"}
    assert without_envelope({"Owner": "Me", f"{V2}KEY": KEY}, envelope) == {"Owner": "Me"}


@pytest.mark.parametrize(
    "text",
    ['{"b":"1","a":"2"}', '{ "a" : "2" }', '{"a":"\\u0061\\/"}', "{}", "", " ", '{"é":"密"}'],
)
def test_the_exact_text_of_a_description_is_kept(text: str) -> None:
    assert parsed(v2(matdesc=text)).to_metadata()[f"{V2}matdesc"] == text


def test_unknown_fields_are_kept_in_their_place() -> None:
    metadata = {f"{V2}zebra": " odd ", **v2(), f"{V2}magic-number-hmac": ""}

    assert list(parsed(metadata).to_metadata().items()) == list(metadata.items())


def test_a_wrap_algorithm_is_kept_as_it_is_spelled() -> None:
    assert parsed(v2(**{"wrap-alg": "Rsa/None/?"})).recipients[0].algorithm == "Rsa/None/?"


def test_a_damaged_description_is_an_error_only_when_it_is_asked_for() -> None:
    envelope = parsed(v2(matdesc='{"a":'))

    with pytest.raises(EnvelopeError) as caught:
        _ = envelope.recipients[0].description
    assert caught.value.field == f"{V2}matdesc"
    assert "key=" in (caught.value.hint or "")


@given(
    wrapped_key=st.binary(min_size=1, max_size=512),
    wrapped_iv=st.binary(min_size=1, max_size=512),
    description=DESCRIPTIONS,
    length=st.none() | st.integers(0, 10**16 - 1),
    md5=st.none() | st.just(MD5),
    data_size=st.none() | st.integers(0, 10**16 - 1),
    part_size=st.none() | st.integers(0, 10**16 - 1),
)
def test_what_is_composed_is_parsed_again_as_it_was(
    wrapped_key: bytes,
    wrapped_iv: bytes,
    description: dict[str, str],
    length: int | None,
    md5: str | None,
    data_size: int | None,
    part_size: int | None,
) -> None:
    envelope = Envelope.compose(
        algorithm="RSA/NONE/PKCS1Padding",
        wrapped_key=wrapped_key,
        wrapped_iv=wrapped_iv,
        description=Description(description),
        content_length=length,
        content_md5=md5,
        data_size=data_size,
        part_size=part_size,
    )

    assert Envelope.parse(envelope.to_metadata()) == envelope
    assert envelope.recipients[0].wrapped_key == wrapped_key
    assert envelope.recipients[0].description == description
    assert (envelope.wrapped_iv, envelope.content_length) == (wrapped_iv, length)
    assert (envelope.content_md5, envelope.data_size) == (md5, data_size)
    assert envelope.part_size == part_size
    assert (f"{V2}matdesc" in envelope.to_metadata()) == bool(description)
    assert all(text.isascii() for text in envelope.to_metadata().values())


def test_length_and_md5_are_recorded_later_and_nothing_else_changes() -> None:
    before = parsed(v2(matdesc='{ "a":"b"}'))

    after = before.with_content(7, MD5)

    added = {f"{V2}unencrypted-content-length": "7", f"{V2}unencrypted-content-md5": MD5}
    assert after.to_metadata() == {**before.to_metadata(), **added}
    assert before.with_content(7, None).content_md5 is None


def test_what_the_reader_would_refuse_is_not_composed() -> None:
    with pytest.raises(EnvelopeError):
        Envelope.compose(
            algorithm="rsa", wrapped_key=b"k", wrapped_iv=b"i", description=Description()
        )


def test_no_repr_shows_a_wrapped_secret() -> None:
    envelope = parsed(v2(matdesc='{"desc":"2026"}'))

    shown = repr(envelope) + str(envelope) + repr(envelope.recipients)

    assert "2026" in shown
    for secret in (KEY, START, "wrapped key", "wrapped iv"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("name", "reserved"),
    [
        ("client-side-encryption-key", True),
        ("Client-Side-Encryption-Anything", True),
        ("oss-crypto-key", True),
        ("OSS-CRYPTO-x", True),
        ("oss-cek-alg", True),
        ("oss-wrap-alg", True),
        ("oss-matdesc", True),
        ("cipherbucket-seal", True),
        ("owner", False),
        ("unencrypted-content-length", False),
        ("unencrypted-content-md5", False),
        ("client-side-encryption", False),
        ("oss-crypto", False),
        ("oss-other", False),
    ],
)
def test_the_names_of_envelopes_are_not_the_users(name: str, reserved: bool) -> None:
    assert is_reserved(name) is reserved


@pytest.mark.parametrize(
    ("text", "counter"),
    [
        (b"8", 8),
        (b"0", 0),
        (b"340282366920938463463374607431768211455", 2**128 - 1),
        (b"340282366920938463463374607431768211456", None),
        (b"1" * 40, None),
        (b"9" * 39, None),
        (b"08", None),
        (b"-8", None),
        (b"+8", None),
        (b" 8", None),
        (b"8\n", None),
        (b"", None),
        (b"8.0", None),
        (b"0x8", None),
        (b"1_0", None),
        (bytes(16), None),
        ("\u0668".encode(), None),
    ],
)
def test_the_v1_counter_is_a_plain_decimal_below_2_to_the_128(
    text: bytes, counter: int | None
) -> None:
    expected = None if counter is None else counter.to_bytes(16, "big")

    assert decode_v1_start(text) == expected


def test_envelopes_are_equal_whatever_the_order_of_the_fields() -> None:
    metadata = v2()
    turned = dict(reversed(list(metadata.items())))
    assert list(turned) != list(metadata)
    assert Envelope.parse(turned) == Envelope.parse(metadata)
