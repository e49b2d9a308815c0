"""Metadata that is no envelope: each fault is an error that names the field."""

import pytest
from tests.support.envelopes import KEY, MD5, V1, V2, v1, v2

from cipherbucket.errors import EnvelopeError
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import MAX_FIELD

Metadata = dict[str, str]

DECIMAL_FIELDS = ("unencrypted-content-length", "data-size", "part-size")
BAD_DECIMALS = [
    "",
    "-1",
    "+1",
    "01",
    "00",
    " 1",
    "1 ",
    "1\n",
    "1.0",
    "1e3",
    "0x10",
    "1_000",
    "\u0661",
    "10000000000000000",
    "1" + "0" * 40,
]
BAD_BASE64 = [
    pytest.param("", id="empty"),
    pytest.param("====", id="padding alone"),
    pytest.param(KEY[:-1], id="cut"),
    pytest.param(KEY.rstrip("="), id="without padding"),
    pytest.param(KEY + "=", id="too much padding"),
    pytest.param(KEY + "\n", id="newline after"),
    pytest.param(f" {KEY}", id="space before"),
    pytest.param(KEY[:4] + "\n" + KEY[4:], id="two lines"),
    pytest.param("YR==", id="stray bits under two paddings"),
    pytest.param("YWJ=", id="stray bits under one padding"),
    pytest.param("YQ==YQ==", id="two values"),
    pytest.param("_-8=", id="the alphabet for URLs"),
    pytest.param("YQ=\u00e9", id="not ASCII"),
    pytest.param("YQ\x00==", id="a null"),
    pytest.param("\ud800", id="a lone surrogate"),
    pytest.param("*" * 16, id="no alphabet at all"),
]


def field_at_fault(metadata: Metadata) -> str:
    with pytest.raises(EnvelopeError) as caught:
        Envelope.parse(metadata)
    assert caught.value.field in str(caught.value)
    return caught.value.field


@pytest.mark.parametrize("field", ["key", "start", "cek-alg", "wrap-alg"])
@pytest.mark.parametrize("text", [None, ""])
def test_a_v2_field_that_is_missing_or_empty_is_named(field: str, text: str | None) -> None:
    assert field_at_fault(v2(**{field: text})) == V2 + field


@pytest.mark.parametrize(
    "field", ["oss-crypto-key", "oss-crypto-start", "oss-cek-alg", "oss-wrap-alg"]
)
@pytest.mark.parametrize("text", [None, ""])
def test_a_v1_field_that_is_missing_or_empty_is_named(field: str, text: str | None) -> None:
    assert field_at_fault(v1(**{field: text})) == field


@pytest.mark.parametrize("field", ["key", "start"])
@pytest.mark.parametrize("text", BAD_BASE64)
def test_wrapped_secrets_are_canonical_base64(field: str, text: str) -> None:
    assert field_at_fault(v2(**{field: text})) == V2 + field
    assert field_at_fault(v1(**{V1 + field: text})) == V1 + field


@pytest.mark.parametrize("field", DECIMAL_FIELDS)
@pytest.mark.parametrize("text", BAD_DECIMALS)
def test_numbers_are_plain_decimals_of_at_most_16_digits(field: str, text: str) -> None:
    assert field_at_fault(v2(**{field: text})) == V2 + field


@pytest.mark.parametrize("field", [f"{V1}unencrypted-content-length", "unencrypted-content-length"])
@pytest.mark.parametrize("text", BAD_DECIMALS)
def test_the_length_beside_v1_is_a_plain_decimal_too(field: str, text: str) -> None:
    assert field_at_fault(v1(**{field: text})) == field


@pytest.mark.parametrize(
    "text",
    ["", "YQ==", MD5[:-1], MD5.rstrip("="), "d41d8cd98f00b204e9800998ecf8427e", MD5[:-3] + "h=="],
)
def test_an_md5_is_16_bytes_of_canonical_base64(text: str) -> None:
    name = "unencrypted-content-md5"

    assert field_at_fault(v2(**{name: text})) == V2 + name
    assert field_at_fault(v1(**{name: text})) == name
    assert field_at_fault(v1(**{V1 + name: text})) == V1 + name


@pytest.mark.parametrize(
    "algorithm",
    [
        "AES/GCM/NoPadding",
        "aes/ctr/nopadding",
        "AES/CTR/NoPadding ",
        "AES/CBC/PKCS5Padding",
        "none",
        "x" * MAX_FIELD,
    ],
)
def test_a_v2_body_is_counter_mode_and_says_so_exactly(algorithm: str) -> None:
    assert field_at_fault(v2(**{"cek-alg": algorithm})) == f"{V2}cek-alg"


@pytest.mark.parametrize("algorithm", ["AES/CTR/NoPadding", "aes/gcm/nopadding", "GCM"])
def test_a_v1_body_says_gcm_exactly(algorithm: str) -> None:
    assert field_at_fault(v1(**{"oss-cek-alg": algorithm})) == "oss-cek-alg"


@pytest.mark.parametrize("algorithm", ["rsa", "kms", "RSA", "Kms"])
def test_a_v1_wrap_algorithm_is_refused_in_v2(algorithm: str) -> None:
    assert field_at_fault(v2(**{"wrap-alg": algorithm})) == f"{V2}wrap-alg"


@pytest.mark.parametrize("algorithm", ["RSA", "KMS", "RSA/NONE/PKCS1Padding", "rsa ", "none"])
def test_only_rsa_and_kms_are_v1_wrap_algorithms(algorithm: str) -> None:
    assert field_at_fault(v1(**{"oss-wrap-alg": algorithm})) == "oss-wrap-alg"


@pytest.mark.parametrize(
    ("name", "other", "texts"),
    [
        (f"{V1}matdesc", "oss-matdesc", ('{"a":"b"}', '{"a": "b"}')),
        ("unencrypted-content-length", f"{V1}unencrypted-content-length", ("1", "2")),
        ("unencrypted-content-md5", f"{V1}unencrypted-content-md5", (MD5, "A" * 22 + "==")),
    ],
)
def test_two_v1_spellings_that_differ_are_refused(
    name: str, other: str, texts: tuple[str, str]
) -> None:
    assert field_at_fault(v1(**{name: texts[0], other: texts[1]})) == other
    assert field_at_fault(v1(**{other: texts[0], name: texts[1]})) == other


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        pytest.param({**v2(), **v1()}, "oss-crypto-key", id="all of V2 and all of V1"),
        pytest.param({**v1(), **v2()}, f"{V2}key", id="all of V1 and all of V2"),
        pytest.param(v2() | {"oss-crypto-key": KEY}, "oss-crypto-key", id="a V1 key beside V2"),
        pytest.param(v2() | {"oss-matdesc": ""}, "oss-matdesc", id="an empty V1 name beside V2"),
        pytest.param(v2() | {"OSS-CEK-ALG": "x"}, "oss-cek-alg", id="in capitals"),
        pytest.param(v1() | {f"{V2}x": ""}, f"{V2}x", id="an unknown V2 name beside V1"),
        pytest.param(v2() | {"cipherbucket-seal": "x"}, "cipherbucket-seal", id="sealed beside V2"),
        pytest.param({"cipherbucket-mac": "x"} | v1(), "oss-crypto-key", id="sealed beside V1"),
        pytest.param(
            {"unencrypted-content-length": "1"} | v1() | v2(), f"{V2}key", id="with a companion"
        ),
    ],
)
def test_two_kinds_of_envelope_on_one_object_are_refused(metadata: Metadata, field: str) -> None:
    assert field_at_fault_of_mix(metadata) == field


def field_at_fault_of_mix(metadata: Metadata) -> str:
    with pytest.raises(EnvelopeError, match="two kinds of envelope") as caught:
        Envelope.parse(metadata)
    return caught.value.field


@pytest.mark.parametrize(
    "name",
    [f"{V2}key", f"{V2}unknown", "oss-crypto-key", "unencrypted-content-length"],
)
def test_a_name_that_stands_twice_in_two_cases_is_refused(name: str) -> None:
    base = v1() if not name.startswith(V2) else v2()

    assert field_at_fault({**base, name: KEY, name.title(): KEY}) == name


@pytest.mark.parametrize("name", [f"{V2}{field}" for field in ("key", "matdesc", "unknown")])
def test_a_text_that_no_store_could_hold_is_refused(name: str) -> None:
    assert field_at_fault({**v2(), name: "A" * (MAX_FIELD + 1)}) == name


@pytest.mark.parametrize("name", ["oss-crypto-key", "oss-crypto-x", "unencrypted-content-md5"])
def test_a_v1_text_that_no_store_could_hold_is_refused(name: str) -> None:
    assert field_at_fault({**v1(), name: "A" * (MAX_FIELD + 1)}) == name


def test_the_longest_text_that_a_store_could_hold_is_taken() -> None:
    assert Envelope.parse(v2(key="QUFB" * (MAX_FIELD // 4))) is not None


@pytest.mark.parametrize(
    ("names", "field"),
    [
        (["cipherbucket-seal"], "cipherbucket-seal"),
        (["cipherbucket-mac"], "cipherbucket-seal"),
        (["cipherbucket-seal", "Cipherbucket-X"], "cipherbucket-x"),
    ],
)
def test_a_piece_of_a_sealed_envelope_is_refused(names: list[str], field: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        Envelope.parse(dict.fromkeys(names, "x"))

    assert caught.value.field == field


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '"a"',
        "null",
        "1",
        "true",
        '{"a":1}',
        '{"a":null}',
        '{"a":["b"]}',
        '{"a":{"b":"c"}}',
        '{"a":"b","a":"b"}',
        '{"a":"b"}x',
        "{'a':'b'}",
        '{"a":"\\ud800"}',
        '{"\\udc00":"a"}',
        '{"a":"b",}',
        '{"a":"\t"}',
        '{"a":NaN}',
        pytest.param("[" * 4000, id="nested deeply"),
        pytest.param('{"a":' * 1600, id="objects nested deeply"),
        pytest.param('{"a":' + "9" * 5000 + "}", id="a number of 5,000 digits"),
    ],
)
def test_a_description_that_is_no_object_of_strings_is_refused(text: str) -> None:
    envelope = Envelope.parse(v2(matdesc=text))

    assert envelope is not None
    with pytest.raises(EnvelopeError) as caught:
        _ = envelope.recipients[0].description
    assert caught.value.field == f"{V2}matdesc"


@pytest.mark.parametrize("field", ["key", "start"])
def test_an_error_never_repeats_a_wrapped_secret(field: str) -> None:
    damaged = f"{KEY}!"

    with pytest.raises(EnvelopeError) as caught:
        Envelope.parse(v2(**{field: damaged}))

    assert KEY not in f"{caught.value!s} {caught.value!r} {caught.value.hint}"


def test_an_error_repeats_no_more_than_64_characters_of_an_algorithm() -> None:
    with pytest.raises(EnvelopeError) as caught:
        Envelope.parse(v2(**{"cek-alg": "y" * 500}))

    assert "y" * 64 in str(caught.value)
    assert "y" * 65 not in str(caught.value)


@pytest.mark.parametrize("algorithm", ["r\u017fa", "\u212ams", "RSA/NONE/PKCS1Padding\u00e9"])
def test_a_wrap_algorithm_that_is_not_ascii_is_refused(algorithm: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        Envelope.parse({**v2(), "client-side-encryption-wrap-alg": algorithm})
    assert caught.value.field == "client-side-encryption-wrap-alg"
