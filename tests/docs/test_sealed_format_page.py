"""The numbers and names of section 14 of docs/format.md are those of the code."""

import base64
import hmac
import re
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding

from cipherbucket.errors import EnvelopeError
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.footer import (
    CONTEXT_BOUND,
    MAC_FIELD,
    MAGIC,
    MAX_FOOTER,
    MIN_FOOTER,
    NAME_BOUND,
    SEAL_FIELD,
    Footer,
    Seal,
)
from cipherbucket.format.metadata_names import MAX_FIELD, is_reserved
from cipherbucket.format.recipient_fields import (
    MAX_RECIPIENTS,
    RECIPIENTS_FIELD,
    Recipient,
    encode_recipients,
    parse_recipients,
)
from cipherbucket.format.sealed import (
    CHUNK,
    HEADER,
    KEY_LENGTH,
    TAG,
    Binding,
    derive,
    metadata_mac,
    sealed_layout,
    wrap_context,
)
from cipherbucket.format.span import MAX_PART_SIZE, MIN_PART_SIZE, growing_part_size
from cipherbucket.keys.aes import KWP, AesKey
from cipherbucket.keys.rsa import MIN_BITS, OAEP_SHA256

WHOLE = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
TEXT = WHOLE[WHOLE.index("## 14. The sealed format") :]
FLAT = " ".join(TEXT.split())
DATA_KEY = bytes(range(32))
OBJECT_ID = bytes(range(16))


def number(pattern: str) -> int:
    """Return the one number that the document has at a place."""
    found = re.findall(pattern, FLAT)
    assert len(set(found)) == 1, f"{pattern}: {found}"
    return int(found[0].replace(",", ""))


def expanded(key: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(hashes.SHA512(), length, info).derive(key)


def recipient(description: str = "", length: int = 40) -> Recipient:
    return Recipient(KWP, bytes(length), description, RECIPIENTS_FIELD)


def stored_by_the_document(n: int, footer: int) -> int:
    assert "stored size = 56 + n + 16 * (floor(n / C) + 1) + F" in FLAT
    return 56 + n + 16 * (n // CHUNK + 1) + footer


def test_chunks_header_and_bounds_are_those_of_the_document() -> None:
    assert number(r"C = ([\d,]+) \(a chunk") == CHUNK
    assert number(r"S = ([\d,]+) \(the same") == CHUNK + TAG
    assert number(r"(\d+) S chunk 0") == HEADER
    assert number(r"F is ([\d,]+) to 65,536") == MIN_FOOTER
    assert number(r"F is 56 to ([\d,]+)\.") == MAX_FOOTER
    assert number(r"a recipient, see below \| 1 to (\d+) times") == MAX_RECIPIENTS
    assert number(r"and has at most ([\d,]+) characters") == MAX_FIELD
    assert number(r"What is unwrapped must have (\d+) bytes") == KEY_LENGTH
    assert number(r"RSA, ([\d,]+) bits or more") == MIN_BITS


@pytest.mark.parametrize("footer", [MIN_FOOTER, 300, MAX_FOOTER])
@pytest.mark.parametrize("n", [0, 1, 16_383, 16_384, 16_385, 32_768, 2**40 + 5, 2**52 - 1])
def test_sizes_follow_the_formula_both_ways(n: int, footer: int) -> None:
    stored = stored_by_the_document(n, footer)
    k, r = divmod(stored - footer - 56, 16_400)

    assert "k, r = divmod(stored - F - 56, S)" in FLAT
    assert sealed_layout(footer).stored_size(n) == stored
    assert sealed_layout(footer).size(stored) == k * 16_384 + r - 16 == n


def test_the_magic_and_the_flags_are_those_of_the_document() -> None:
    printed = re.search(r'"([A-Z]{8})" \(((?:[0-9a-f]{2} ?){8})\)', FLAT)

    assert printed is not None
    assert printed[1].encode() == bytes.fromhex(printed[2]) == MAGIC
    assert "bit 0: the name is bound; bit 1: a user context is bound" in FLAT
    assert (NAME_BOUND, CONTEXT_BOUND) == (1 << 0, 1 << 1)


def test_a_footer_lies_as_the_document_says() -> None:
    types = {what: int(kind, 16) for kind, what in re.findall(r"\| (0x\d{4}) \| (\w+ \w+)", FLAT)}
    wrapped, name = recipient('{"a":"b"}'), "a/b"

    def field(kind: int, value: bytes) -> bytes:
        return struct.pack(">HI", kind, len(value)) + value

    fields = (
        field(types["object id"], OBJECT_ID)
        + field(types["name the"], name.encode())
        + field(
            types["a recipient"],
            struct.pack(">H", len(KWP))
            + KWP.encode()
            + struct.pack(">I", 9)
            + b'{"a":"b"}'
            + struct.pack(">I", 40)
            + bytes(40),
        )
    )
    length = 4 + len(fields) + 12
    expected = struct.pack(">HH", 1, 1) + fields + struct.pack(">I", length) + b"CBSEALED"

    assert types["reserved for"] == 0x0010
    assert Footer(NAME_BOUND, OBJECT_ID, name, (wrapped,)).encode() == expected


def test_the_least_footer_has_the_length_of_the_document() -> None:
    least = Recipient("A", b"k", "", RECIPIENTS_FIELD)

    assert len(Footer(0, OBJECT_ID, None, (least,)).encode()) == MIN_FOOTER


def test_the_seal_lies_as_the_document_says() -> None:
    row = re.search(r"`cipherbucket-seal` \| (\d+) bytes: (.*?) \|", FLAT)
    parts = (bytes(range(32)), bytes(24), bytes(reversed(range(32))))
    expected = struct.pack(">HHI", 1, 3, 300) + OBJECT_ID + b"".join(parts)

    assert row is not None
    assert row[2] == (
        "u16 version = 1, u16 flags, u32 F, object id (16), SHA-256(footer) (32), salt (24),"
        " commitment (32)"
    )
    assert Seal(3, 300, OBJECT_ID, *parts).encode() == expected
    assert len(expected) == int(row[1])


def test_the_metadata_names_of_the_document_are_those_that_are_written() -> None:
    names = re.findall(r"^\| `(cipherbucket-[a-z]+)` \|", TEXT, re.MULTILINE)
    seal = Seal(0, 300, OBJECT_ID, bytes(32), bytes(24), bytes(32))
    envelope = Envelope.compose_sealed(seal, [recipient()], bytes(32))

    assert names == [SEAL_FIELD, RECIPIENTS_FIELD, MAC_FIELD]
    assert list(envelope.to_metadata()) == names
    assert is_reserved("cipherbucket-anything")


def test_the_context_is_encoded_as_the_document_says() -> None:
    domain, footer_hash = b"cipherbucket/sealed/v1\0", bytes(range(32))
    bound = Binding("n", {"b": "2", "a": ""})

    assert "five zero bytes in all" in FLAT
    assert r'context = "cipherbucket/sealed/v1\0" || SHA-256(footer)' in FLAT
    assert bound.encode(0, footer_hash) == domain + footer_hash + bytes(5) + bytes(4)
    assert bound.encode(3, footer_hash) == (
        domain
        + footer_hash
        + b"\1"
        + b"\0\0\0\1n"
        + b"\0\0\0\2"
        + b"\0\0\0\1a"
        + b"\0\0\0\0"
        + b"\0\0\0\1b"
        + b"\0\0\0\0012"
    )


def test_every_derivation_uses_the_label_of_the_document() -> None:
    labels = set(re.findall(r'"((?:c2sp|cipherbucket)[^"]*/[^"]*)"', FLAT))
    salt, context = bytes(24), b"context"
    whole = expanded(
        DATA_KEY, b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context, 76
    )
    mac_key = expanded(DATA_KEY, b"cipherbucket/metadata/v1", 32)
    key_id = expanded(DATA_KEY, b"cipherbucket/key-id/v1", 32)
    w = wrap_context(OBJECT_ID)
    kek = expanded(DATA_KEY, rb"cipherbucket/kek/v1/AES-256-KWP" + b"\0" + w, 32)
    master = AesKey(DATA_KEY, description={"a": "b"})
    wrapped = master.wrap(bytes(32), algorithm=KWP, context=w)

    assert labels == {
        r"cipherbucket/sealed/v1\0",
        r"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0",
        r"cipherbucket/kek/v1/AES-256-KWP\0",
        "cipherbucket/metadata/v1",
        "cipherbucket/key-id/v1",
    }
    assert derive(DATA_KEY, salt, context) == (whole[:32], whole[32:44], whole[44:])
    assert w == b"cipherbucket/sealed/v1\0" + OBJECT_ID
    assert metadata_mac(DATA_KEY, b"s", b"r") == hmac.digest(mac_key, b"sr", "sha256")
    assert master.id == "AES256:" + base64.b64encode(key_id).decode().rstrip("=")
    assert aes_key_unwrap_with_padding(kek, wrapped) == bytes(32)
    assert len(wrapped) == number(r"under KEK: (\d+) bytes")


@pytest.mark.parametrize("algorithm", [OAEP_SHA256, KWP])
def test_every_wrap_algorithm_stands_in_the_document(algorithm: str) -> None:
    assert f"| `{algorithm}` |" in TEXT


@pytest.mark.parametrize("empty", ["", "{}", " \n", "{ }"])
def test_recipients_that_the_document_calls_alike_are_refused(empty: str) -> None:
    with pytest.raises(EnvelopeError, match="told apart"):
        parse_recipients(encode_recipients([recipient(""), recipient(empty)]))


def test_a_refused_description_makes_no_recipient_malformed() -> None:
    assert len(parse_recipients(encode_recipients([recipient("{x"), recipient("{y")]))) == 2


def test_as_many_long_recipients_fit_into_oss_as_the_document_says() -> None:
    label = Description({"desc": "recovery-2026"}).text
    long = Recipient(OAEP_SHA256, bytes(512), label, RECIPIENTS_FIELD)
    said = number(r"take about (\d+) recipients of RSA-4096")

    def in_store(count: int) -> int:
        seal = Seal(0, 300, OBJECT_ID, bytes(32), bytes(24), bytes(32))
        values = (seal.encode(), encode_recipients([long] * count), bytes(32))
        names = (SEAL_FIELD, RECIPIENTS_FIELD, MAC_FIELD)
        return sum(map(len, names)) + sum(len(base64.b64encode(value)) for value in values)

    assert in_store(said) <= 8192 < in_store(said + 1)
    assert "the 2 KiB of S3 two" in FLAT
    assert in_store(2) <= 2048 < in_store(3)


def test_the_parts_of_the_document_are_those_that_are_sent() -> None:
    least = number(r"m is (\d+) or more")
    most = number(r"([\d,]+) chunks are the most that 5 GiB hold")
    layout = sealed_layout(MAX_FOOTER)
    total = sum(map(growing_part_size, range(1, 10_001)))

    assert (least - 1) * 16_400 < MIN_PART_SIZE <= least * 16_400
    in_s3 = number(r"5 MiB of S3\s+(\d+) or more")
    assert (in_s3 - 1) * 16_400 < 5 << 20 <= in_s3 * 16_400
    # A part that is the only one has header and footer, too.
    assert most == (MAX_PART_SIZE - layout.head - layout.foot) // layout.stride
    assert growing_part_size(1000) == 16 << 20
    assert growing_part_size(1001) == 32 << 20
    assert max(map(growing_part_size, range(1, 10_001))) == 4 << 30
    assert f"{total / 2**40:.1f} TiB" in FLAT
