"""The fixed objects of the sealed format, which share no code with the library, read by it.

Whole, in ranges and tails, as a seekable file and from their bodies alone; then everything that
stands between a master key and a plaintext, value by value.
"""

import base64
import hashlib
import io
import os
from collections.abc import Iterator

import pytest
from tests.support.sealed_vectors import (
    FOOTERS,
    GOOD,
    OBJECTS,
    Case,
    body_of,
    bucket_of,
    case_of,
    label,
    master_key,
    plaintext,
    ring_of,
)

from cipherbucket.errors import (
    BindingError,
    EnvelopeError,
    IntegrityError,
    NoMatchingKeyError,
    RangeError,
    SecurityError,
    WrongKeyError,
)
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.footer import MAC_FIELD, SEAL_FIELD, Footer, Seal, footer_length
from cipherbucket.format.recipient_fields import (
    RECIPIENTS_FIELD,
    encode_recipients,
    parse_recipients,
)
from cipherbucket.format.sealed import (
    CHUNK,
    HEADER,
    TAG,
    Binding,
    Sealed,
    derive,
    metadata_mac,
    sealed_layout,
    wrap_context,
)
from cipherbucket.keys.aes import KWP, AesKey
from cipherbucket.keys.ring import KeyRing

ERRORS: dict[str, type[SecurityError]] = {
    "envelope": EnvelopeError,
    "no key": NoMatchingKeyError,
    "wrong key": WrongKeyError,
    "recipients": IntegrityError,
    "binding": BindingError,
    "integrity": IntegrityError,
}
BAD = [case for case in OBJECTS if case["expect"] != "success"]
UNCHANGED = [
    case for case in GOOD if base64.b64decode(case["metadata"][RECIPIENTS_FIELD]) in body_of(case)
]
SEALED_NAMES = (SEAL_FIELD, RECIPIENTS_FIELD, MAC_FIELD)

good = pytest.mark.parametrize("case", GOOD, ids=label)
bad = pytest.mark.parametrize("case", BAD, ids=label)


def ranges(size: int) -> Iterator[tuple[int, int | None]]:
    """Yield ranges around every border of chunks."""
    last = size // CHUNK * CHUNK
    places = {0, 1, CHUNK - 1, CHUNK, CHUNK + 1, last - 1, last, last + 1, size - 1, size}
    starts = sorted(place for place in places if 0 <= place <= size)
    for start in starts:
        yield start, None
        yield from ((start, stop - start) for stop in starts if stop >= start)
        yield from ((start, length) for length in (0, 1, CHUNK, CHUNK + 1, 5 * CHUNK))


def value(case: Case, name: str) -> bytes:
    return base64.b64decode(case["metadata"][name])


def values(case: Case, *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


@good
def test_a_good_object_comes_out_whole(case: Case) -> None:
    bucket = bucket_of(case)
    info = bucket.head(case["asked_name"])

    with bucket.get(case["asked_name"], context=case["context"]) as stream:
        text = stream.read()
        assert stream.info == info

    assert text == plaintext(case)
    assert hashlib.sha256(text).hexdigest() == case["plaintext_sha256"]
    assert (info.size, info.stored_size, info.format) == (len(text), len(body_of(case)), "sealed")
    assert {**info.metadata, **dict.fromkeys(SEALED_NAMES, "")}.keys() == case["metadata"].keys()


@good
def test_any_range_and_tail_of_a_good_object_is_the_slice(case: Case) -> None:
    bucket, name, context = bucket_of(case), case["asked_name"], case["context"]
    text = plaintext(case)
    size = len(text)

    for start, length in ranges(size):
        stop = size if length is None else start + length
        with bucket.get(name, start=start, length=length, context=context) as stream:
            assert stream.length == len(text[start:stop])
            assert stream.read() == text[start:stop], (start, length)
    for tail in {0, 1, 15, 16, CHUNK - 1, CHUNK, CHUNK + 1, max(0, size - 1), size, size + 1}:
        with bucket.get(name, tail=tail, context=context) as stream:
            assert stream.read() == text[max(0, size - tail) :], tail
    for beyond in (1, CHUNK, 10 * CHUNK):
        with pytest.raises(RangeError):
            bucket.get(name, start=size + beyond, context=context)


@good
def test_a_good_object_is_a_seekable_file(case: Case) -> None:
    text = plaintext(case)
    ours = bucket_of(case).open(case["asked_name"], context=case["context"])
    theirs = io.BytesIO(text)

    assert ours.seek(0, os.SEEK_END) == len(text)
    assert ours.read() == b""
    for start, length in ranges(len(text)):
        assert ours.seek(start) == theirs.seek(start)
        assert ours.read(length) == theirs.read(length)
    ours.seek(0)
    assert ours.read() == text


@pytest.mark.parametrize("case", UNCHANGED, ids=label)
@pytest.mark.parametrize("kept", [True, False], ids=["with metadata", "without metadata"])
def test_a_good_object_comes_out_of_its_body_alone(case: Case, kept: bool) -> None:
    bucket = bucket_of(case, metadata=case["metadata"] if kept else {})
    name, context, text = case["asked_name"], case["context"], plaintext(case)

    with bucket.get(name, context=context, footer_recipients=True) as stream:
        assert stream.read() == text
        assert stream.info.size == len(text)
    for start, length in ((0, 1), (len(text), None), (len(text) // 2, CHUNK)):
        with bucket.get(
            name, start=start, length=length, context=context, footer_recipients=True
        ) as stream:
            assert stream.read() == text[start:][:length]
    assert bucket.get(name, tail=20, context=context, footer_recipients=True).read() == text[-20:]
    with bucket.open(name, context=context, footer_recipients=True) as file:
        assert file.seek(0, os.SEEK_END) == len(text)
        file.seek(0)
        assert file.read() == text


def test_recipients_of_the_first_day_open_only_the_body_alone() -> None:
    case = case_of("recipients-changed")
    bucket = bucket_of(case, ring=KeyRing(master_key("aes-1")))

    with pytest.raises(NoMatchingKeyError):
        bucket.get(case["asked_name"])
    assert bucket.get(case["asked_name"], footer_recipients=True).read() == plaintext(case)
    with pytest.raises(NoMatchingKeyError):
        bucket_of(case).get(case["asked_name"], footer_recipients=True)


@bad
def test_a_bad_object_is_the_error_of_its_class(case: Case) -> None:
    error = ERRORS[case["expect"]]

    with pytest.raises(SecurityError) as caught:
        bucket_of(case).get(case["asked_name"], context=case["context"]).read()

    assert type(caught.value) is error, f"{caught.value!r} for {case['expect']!r}"
    assert caught.value.name == case["asked_name"]
    assert (MAC_FIELD in str(caught.value)) is (case["expect"] == "recipients") or (
        error is EnvelopeError
    )
    if isinstance(caught.value, EnvelopeError):
        assert caught.value.field in {*case["metadata"], *SEALED_NAMES}


@bad
def test_a_seekable_file_of_a_bad_object_gives_the_same_error_or_what_is_authentic(
    case: Case,
) -> None:
    def read_from_the_end() -> None:
        with bucket_of(case).open(case["asked_name"], context=case["context"]) as file:
            file.seek(0, os.SEEK_END)
            file.seek(0)
            file.read()

    with pytest.raises(ERRORS[case["expect"]]):
        read_from_the_end()


@pytest.mark.parametrize("case", [c for c in BAD if c["expect"] == "binding"], ids=label)
def test_an_object_of_another_name_is_read_as_what_it_is(case: Case) -> None:
    bucket = bucket_of(case)
    with pytest.raises(BindingError) as caught:
        bucket.get(case["asked_name"], context=case["context"])

    right_context = case["case"] in {"other-name", "other-normal-form", "object-of-another-name"}
    if right_context:
        assert caught.value.sealed_name == case["sealed_name"]
        with bucket.get(
            case["asked_name"], as_name=case["sealed_name"], context=case["context"]
        ) as stream:
            assert stream.read() == plaintext(case)
    else:
        with pytest.raises(BindingError):
            bucket.get(case["asked_name"], as_name=case["sealed_name"], context=case["context"])


@good
def test_what_the_data_key_and_the_context_derive_is_as_recorded(case: Case) -> None:
    data_key, salt, context = values(case, "data_key", "salt", "message_context")
    seal = Seal.parse(value(case, SEAL_FIELD))

    assert derive(data_key, salt, context) == tuple(
        values(case, "chunk_key", "base_nonce", "commitment")
    )
    assert Binding(case["asked_name"], case["context"]).encode(
        seal.flags, seal.footer_hash
    ) == bytes.fromhex(case["message_context"])


@good
def test_the_metadata_are_as_recorded(case: Case) -> None:
    seal, recipients, mac = (value(case, name) for name in SEALED_NAMES)
    data_key, recorded = values(case, "data_key", "mac")
    envelope = Envelope.parse(case["metadata"])
    assert envelope is not None
    assert envelope.seal is not None

    assert metadata_mac(data_key, seal, recipients) == mac == recorded == envelope.mac
    assert envelope.seal.encode() == seal
    assert encode_recipients(parse_recipients(recipients)) == recipients
    assert parse_recipients(recipients) == envelope.recipients
    assert envelope.to_metadata() == {name: case["metadata"][name] for name in SEALED_NAMES}
    assert (
        Envelope.compose_sealed(envelope.seal, envelope.recipients, mac).to_metadata()
        == envelope.to_metadata()
    )


@good
def test_the_footer_is_as_recorded(case: Case) -> None:
    (data,) = values(case, "footer")
    footer, body = Footer.parse(data), body_of(case)

    assert body.endswith(data)
    assert footer_length(body[-12:]) == len(data)
    assert footer.name == case["sealed_name"]
    assert footer.object_id == bytes.fromhex(case["object_id"])
    if case["case"] == "unknown-optional-field":
        assert len(footer.encode()) < len(data)
    else:
        assert footer.encode() == data
    assert Seal.of_body(body[:HEADER], data) == Seal.parse(value(case, SEAL_FIELD))
    if case in UNCHANGED:
        assert encode_recipients(footer.recipients) == value(case, RECIPIENTS_FIELD)


@good
def test_a_wrapped_key_unwraps_to_the_recorded_data_key(case: Case) -> None:
    data_key, object_id = values(case, "data_key", "object_id")
    opened = 0
    for recipient in parse_recipients(value(case, RECIPIENTS_FIELD)):
        for key in ring_of(case).keys:
            if recipient.algorithm in key.algorithms and key.description == recipient.description:
                opened += 1
                context = wrap_context(object_id)
                assert (
                    key.unwrap(
                        recipient.wrapped_key, algorithm=recipient.algorithm, context=context
                    )
                    == data_key
                )
                if isinstance(key, AesKey):
                    assert key._kek(KWP, context) == bytes.fromhex(case["kek"])
                    assert key.wrap(data_key, algorithm=KWP, context=context) == (
                        recipient.wrapped_key
                    )
    assert opened == 1


@good
def test_the_recorded_keys_encrypt_to_the_recorded_body(case: Case) -> None:
    chunk_key, base_nonce, footer = values(case, "chunk_key", "base_nonce", "footer")
    cipher = Sealed(chunk_key, base_nonce, Seal.parse(value(case, SEAL_FIELD)), footer)
    text, body = plaintext(case), body_of(case)

    assert len(body) == cipher.layout.stored_size(len(text))
    out = memoryview(bytearray(len(body)))
    assert cipher.encrypt(0, memoryview(text), out, last=True) == body

    for number in range(len(text) // CHUNK + 1):
        start = HEADER + number * (CHUNK + TAG)
        chunk = body[start : min(start + CHUNK + TAG, len(body) - len(footer))]
        plain = memoryview(bytearray(CHUNK))
        count = cipher.decrypt(number, memoryview(chunk), plain)
        assert plain[:count] == text[number * CHUNK : (number + 1) * CHUNK]


@good
def test_the_sizes_are_those_of_the_layout(case: Case) -> None:
    layout = sealed_layout(len(bytes.fromhex(case["footer"])))

    assert layout.stored_size(case["plaintext_length"]) == len(body_of(case))
    assert layout.size(len(body_of(case))) == case["plaintext_length"]


@pytest.mark.parametrize("case", FOOTERS, ids=label)
def test_a_footer_is_parsed_or_refused(case: Case) -> None:
    data = bytes.fromhex(case["footer"])
    if case["expect"] == "success":
        footer = Footer.parse(data)
        assert footer.encode() == data or case["case"] == "unknown-high"
        assert Footer.parse(footer.encode()) == footer
    else:
        with pytest.raises(EnvelopeError) as caught:
            Footer.parse(data)
        assert caught.value.field == "footer"
        assert caught.value.hint
