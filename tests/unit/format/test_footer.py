"""Footer, seal and recipients: the bounds of each field, and what errors say."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.counts import count
from tests.support.sealed_vectors import FOOTERS

from cipherbucket.errors import EnvelopeError, UsageError
from cipherbucket.format.footer import (
    CONTEXT_BOUND,
    FOOTER_FIELD,
    MAX_FOOTER,
    MIN_FOOTER,
    NAME_BOUND,
    SEAL_FIELD,
    Footer,
    Seal,
    footer_length,
)
from cipherbucket.format.recipient_fields import (
    MAX_RECIPIENTS,
    RECIPIENTS_FIELD,
    Recipient,
    encode_recipients,
    parse_recipients,
)

ID = bytes(range(16))
GOOD = bytes.fromhex(next(case["footer"] for case in FOOTERS if case["case"] == "plain"))

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=255)


def recipient(
    algorithm: str = "AES-256-KWP", description: str = '{"desc":"a"}', wrapped: bytes = b"w" * 40
) -> Recipient:
    return Recipient(algorithm, wrapped, description, FOOTER_FIELD)


def footer(*recipients: Recipient, name: str | None = None) -> Footer:
    return Footer(0 if name is None else NAME_BOUND, ID, name, recipients)


def field(kind: int, value: bytes) -> bytes:
    return struct.pack(">HI", kind, len(value)) + value


def built(*fields: bytes, version: int = 1, flags: int = 0) -> bytes:
    """Make a footer of fields as they come."""
    content = b"".join(fields)
    return (
        struct.pack(">HH", version, flags)
        + content
        + struct.pack(">I", len(content) + 16)
        + b"CBSEALED"
    )


ONE = encode_recipients([recipient()])


@given(
    object_id=st.binary(min_size=16, max_size=16),
    name=st.none() | NAMES,
    context=st.booleans(),
    labels=st.lists(NAMES, min_size=1, max_size=MAX_RECIPIENTS, unique=True),
    wrapped=st.binary(min_size=1, max_size=600),
    algorithm=st.from_regex(r"[A-Z0-9][A-Z0-9-]{0,63}", fullmatch=True),
)
@settings(max_examples=count(2000, 100), deadline=None)
def test_a_footer_of_anything_that_is_allowed_comes_back(
    object_id: bytes,
    name: str | None,
    context: bool,
    labels: list[str],
    wrapped: bytes,
    algorithm: str,
) -> None:
    flags = (NAME_BOUND if name is not None else 0) | (CONTEXT_BOUND if context else 0)
    recipients = tuple(recipient(algorithm, label, wrapped) for label in labels)
    made = Footer(flags, object_id, name, recipients)

    data = made.encode()

    assert Footer.parse(data) == made
    assert footer_length(data[-12:]) == len(data)


@pytest.mark.parametrize("length", [1, 1023])
def test_names_of_the_least_and_the_most_bytes_are_parsed(length: int) -> None:
    assert Footer.parse(footer(recipient(), name="n" * length).encode()).name == "n" * length


@pytest.mark.parametrize("length", [1, 8192])
def test_wrapped_keys_and_algorithms_of_the_least_and_the_most_bytes_are_parsed(
    length: int,
) -> None:
    made = footer(recipient("A" * min(length, 64), "", b"w" * length))

    assert Footer.parse(made.encode()) == made


@pytest.mark.parametrize(
    "text", ["", "{}", "\ufeff{}", "no JSON", '{"a":1}', "[" * 8000, "x" * 8192]
)
def test_a_description_that_is_refused_later_is_no_malformed_footer(text: str) -> None:
    parsed = Footer.parse(footer(recipient(description=text)).encode())

    (label,) = parsed.recipients
    assert label.description_text == text
    if text in {"", "{}"}:
        assert label.description == {}
    else:
        with pytest.raises(EnvelopeError, match="footer") as caught:
            _ = label.description
        assert caught.value.field == FOOTER_FIELD
        assert "key=" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("", ""),
        ("", "{}"),
        (" ", "{}"),
        ('{"a":"b","c":"d"}', '{ "c" : "d", "a" : "b" }'),
        ('{"a":"\\u00e9"}', '{"a":"é"}'),
        ("no JSON", "no JSON"),
    ],
)
def test_recipients_that_could_not_be_told_apart_are_refused(one: str, two: str) -> None:
    pair = [recipient(description=one), recipient(description=two, wrapped=b"other")]

    with pytest.raises(EnvelopeError, match="told apart"):
        Footer.parse(footer(*pair).encode())
    with pytest.raises(EnvelopeError, match="told apart") as caught:
        parse_recipients(encode_recipients(pair))
    assert caught.value.field == RECIPIENTS_FIELD
    different = [pair[0], recipient("OTHER", two)]
    assert len(Footer.parse(footer(*different).encode()).recipients) == 2


def test_a_footer_that_would_be_too_long_is_not_made() -> None:
    long = [recipient(description=f'{{"a":"{n:08190}"}}'[:8192]) for n in range(9)]

    with pytest.raises(UsageError, match="65,536") as caught:
        footer(*long).encode()
    assert caught.value.hint
    assert len(footer(*long[:7]).encode()) < MAX_FOOTER


def test_a_footer_of_the_most_bytes_is_parsed_and_one_more_is_not() -> None:
    room = MAX_FOOTER - len(built(field(1, ID), ONE)) - 6
    for padding in (room, room + 1):
        data = built(field(1, ID), ONE, field(0x8000, bytes(padding)))
        if padding == room:
            assert len(data) == MAX_FOOTER
            assert Footer.parse(data).object_id == ID
        else:
            with pytest.raises(EnvelopeError):
                Footer.parse(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (built(ONE), "missing"),
        (built(field(1, ID), field(0x8000, bytes(20))), "no recipient"),
        (built(field(1, ID[:15]), ONE), "cannot be understood"),
        (built(field(1, ID), field(1, ID), ONE), "repeated"),
        (built(ONE, field(1, ID)), "out of order"),
        (built(field(1, ID), field(2, b"n"), ONE), "its flag is not"),
        (built(field(1, ID), ONE, flags=NAME_BOUND), "missing"),
        (built(field(1, ID), field(2, b"\xff"), ONE, flags=NAME_BOUND), "not UTF-8"),
        (built(field(1, ID), field(2, b""), ONE, flags=NAME_BOUND), "cannot be understood"),
        (built(field(1, ID), field(2, b"n" * 1024), ONE, flags=NAME_BOUND), "cannot be"),
        (built(field(1, ID), ONE, field(0x10, b"")), "0x0010"),
        (built(field(1, ID), ONE, field(0x7FFF, b"")), "0x7fff"),
        (built(field(1, ID), ONE, field(0x8001, b""), field(0x8001, b"")), "repeated"),
        (built(field(1, ID), ONE, field(0x8001, b""), field(0x8000, b"")), "out of order"),
        (built(field(1, ID), ONE, b"\x80"), "ends early"),
        (built(field(1, ID), ONE, struct.pack(">HI", 0x8000, 2**32 - 1)), "ends early"),
        (built(field(1, ID), field(3, b"\0" * 20)), "malformed"),
        (built(field(1, ID), ONE, flags=4), "0x0004"),
        (built(field(1, ID), ONE, flags=0x8000), "0x8000"),
    ],
)
def test_a_malformed_footer_says_what_is_wrong(data: bytes, words: str) -> None:
    with pytest.raises(EnvelopeError, match=words) as caught:
        Footer.parse(data)
    assert caught.value.field == FOOTER_FIELD
    assert caught.value.hint


@pytest.mark.parametrize("version", [0, 2, 0xFFFF])
def test_another_version_asks_to_upgrade(version: int) -> None:
    with pytest.raises(EnvelopeError, match=f"version {version}") as caught:
        Footer.parse(built(field(1, ID), ONE, version=version))
    assert "upgrade" in (caught.value.hint or "")


def test_no_beginning_and_no_end_of_a_footer_is_one() -> None:
    for at in range(1, len(GOOD)):
        for piece in (GOOD[:at], GOOD[at:]):
            with pytest.raises(EnvelopeError):
                Footer.parse(piece)
    for longer in (b"\0" + GOOD, GOOD + b"\0", GOOD + GOOD):
        with pytest.raises(EnvelopeError):
            Footer.parse(longer)


@pytest.mark.parametrize(
    "end",
    [
        b"",
        b"CBSEALED",
        struct.pack(">I", 100) + b"CBSEALEd",
        struct.pack(">I", MIN_FOOTER - 1) + b"CBSEALED",
        struct.pack(">I", MAX_FOOTER + 1) + b"CBSEALED",
        struct.pack(">I", 2**32 - 1) + b"CBSEALED",
        b"\0" + struct.pack(">I", 100) + b"CBSEALED",
    ],
)
def test_what_is_no_end_of_a_footer_has_no_length(end: bytes) -> None:
    with pytest.raises(EnvelopeError):
        footer_length(end)


def test_a_footer_has_56_to_65_536_bytes() -> None:
    assert footer_length(struct.pack(">I", 56) + b"CBSEALED") == 56
    assert footer_length(struct.pack(">I", 65_536) + b"CBSEALED") == 65_536


@pytest.mark.parametrize("flags", [0, NAME_BOUND, CONTEXT_BOUND, NAME_BOUND | CONTEXT_BOUND])
@pytest.mark.parametrize("length", [MIN_FOOTER, MAX_FOOTER])
def test_a_seal_comes_back(flags: int, length: int) -> None:
    seal = Seal(flags, length, ID, b"h" * 32, b"s" * 24, b"c" * 32)

    data = seal.encode()

    assert len(data) == 112
    assert Seal.parse(data) == seal
    assert seal.header == b"s" * 24 + b"c" * 32
    assert (seal.binds_name, seal.binds_context) == (bool(flags & 1), bool(flags & 2))


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (0, 0, "version 0"),
        (0, 2, "version 2"),
        (2, 4, "0x0004"),
        (2, 0xFFFF, "0xffff"),
        (6, MIN_FOOTER - 1, "55 bytes"),
        (4, 1, "bytes"),
    ],
)
def test_a_malformed_seal_says_what_is_wrong(at: int, value: int, words: str) -> None:
    data = bytearray(Seal(0, MIN_FOOTER, ID, bytes(32), bytes(24), bytes(32)).encode())
    struct.pack_into(">H", data, at, value)

    with pytest.raises(EnvelopeError, match=words) as caught:
        Seal.parse(bytes(data))
    assert caught.value.field == SEAL_FIELD


@pytest.mark.parametrize("length", [0, 111, 113, 224])
def test_a_seal_has_112_bytes(length: int) -> None:
    with pytest.raises(EnvelopeError, match="112"):
        Seal.parse(bytes(length))


@pytest.mark.parametrize("number", [0, 17, 5000])
def test_there_are_1_to_16_recipients(number: int) -> None:
    data = encode_recipients([recipient(description=str(n)) for n in range(number)])

    with pytest.raises(EnvelopeError, match=r"no recipient|more than 16") as caught:
        parse_recipients(data)
    assert caught.value.field == RECIPIENTS_FIELD


def test_the_seventeenth_recipient_is_refused_before_it_is_looked_at() -> None:
    data = encode_recipients([recipient(description=str(n)) for n in range(16)])

    assert len(parse_recipients(data)) == 16
    with pytest.raises(EnvelopeError, match="more than 16"):
        parse_recipients(data + field(3, b"rubbish"))


@pytest.mark.parametrize(
    "algorithm", ["", "a", "-A", "A" * 65, "A B", "A_B", "A\n", "Ä", "A\0", "KMS/ALICLOUD"]
)
def test_an_algorithm_of_other_letters_is_refused(algorithm: str) -> None:
    with pytest.raises(EnvelopeError, match="wrap algorithm"):
        parse_recipients(encode_recipients([recipient(algorithm)]))


@pytest.mark.parametrize(
    "bad",
    [
        recipient(wrapped=b""),
        recipient(wrapped=bytes(8193)),
        recipient(description="x" * 8193),
        recipient(description="é" * 4097),
    ],
    ids=["no key", "long key", "long description", "long in bytes"],
)
def test_a_recipient_out_of_bounds_is_refused(bad: Recipient) -> None:
    with pytest.raises(EnvelopeError, match="malformed"):
        parse_recipients(encode_recipients([bad]))


def test_nothing_wrapped_is_shown() -> None:
    shown = repr(recipient(wrapped=b"secret"))

    assert "secret" not in shown
    assert "AES-256-KWP" in shown
    assert "secret" not in repr(footer(recipient(wrapped=b"secret")))
