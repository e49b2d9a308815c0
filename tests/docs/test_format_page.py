"""The numbers and names of docs/format.md are those of the code."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.sdk_vectors import PREFIX, rsa_key

from cipherbucket.format.ctr import Ctr
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import is_reserved
from cipherbucket.keys.rsa import RSA_ALGORITHMS, V1_RSA

TEXT = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
V2 = "client-side-encryption-"
V1_NAMES = sorted(set(re.findall(r"^\| `(oss-[a-z0-9-]+)` \|", TEXT, re.MULTILINE)))


def block_labelled(label: str) -> str:
    match = re.search(rf"^```{label}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert match is not None, f"docs/format.md has no block labelled {label}"
    return match[1]


def vector() -> dict[str, bytes]:
    lines = (line.split(" = ") for line in block_labelled("vector").splitlines())
    return {name: bytes.fromhex(value) for name, value in lines}


def keystream(iv: bytes, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    Ctr(vector()["data_key"], iv).stream(offset).apply(buffer)
    return bytes(buffer)


def offsets_of_the_table() -> Iterator[tuple[int, int, int, str]]:
    rows = re.findall(
        r"^\| ([\d,]+) \| ([\d,]+) \| (\d+) \| `([0-9a-f]{32})` \|$", TEXT, re.MULTILINE
    )
    for offset, block, skip, counter in rows:
        yield int(offset.replace(",", "")), int(block.replace(",", "")), int(skip), counter


def test_the_worked_example_encrypts_to_the_ciphertext_that_is_printed() -> None:
    example = vector()
    body = bytearray(example["plaintext"])

    Ctr(example["data_key"], example["iv"]).stream().apply(body)

    assert body == example["ciphertext"]
    assert example["plaintext"] == b"Hello OSS!"


def test_the_counter_at_the_offset_of_the_worked_example_is_the_one_that_is_printed() -> None:
    example = vector()
    offset = int.from_bytes(example["offset"], "big")

    at_offset = keystream(example["iv"], offset, 64)

    assert offset == 2**36
    assert keystream(example["counter_at_offset"], 0, 64) == at_offset


def test_the_first_block_of_keystream_is_the_one_that_is_printed() -> None:
    printed = re.search(r"first block of keystream is `([0-9a-f]{32})`", TEXT)

    assert printed is not None
    assert keystream(vector()["iv"], 0, 16).hex() == printed[1]


def test_every_counter_of_the_table_of_offsets_is_right() -> None:
    rows = list(offsets_of_the_table())

    assert len(rows) == 4
    for offset, block, skip, counter in rows:
        assert divmod(offset, 16) == (block, skip)
        expected = keystream(bytes.fromhex(counter), 0, 48)[skip:]
        assert keystream(vector()["iv"], offset, 48 - skip) == expected


def test_the_metadata_names_of_the_document_are_those_that_are_written() -> None:
    full = re.findall(rf"^{PREFIX}({V2}[a-z0-9-]+)$", TEXT, re.MULTILINE)
    envelope = Envelope.compose(
        algorithm="RSA/NONE/PKCS1Padding",
        wrapped_key=b"k",
        wrapped_iv=b"i",
        description=Description({"a": "b"}),
        content_length=1,
        content_md5="1B2M2Y8AsgTpgAmY7PhCfg==",
        data_size=1,
        part_size=16,
    )

    assert sorted(envelope.to_metadata()) == sorted(full)


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"^\| `(oss-[a-z0-9-]+)` \|", TEXT, re.MULTILINE)))
)
def test_every_v1_name_of_the_document_is_an_envelopes(name: str) -> None:
    assert is_reserved(name)


def test_the_v1_names_of_the_document_were_found() -> None:
    assert {"oss-crypto-key", "oss-crypto-start", "oss-cek-alg", "oss-wrap-alg"} < set(V1_NAMES)


@pytest.mark.parametrize("algorithm", sorted(RSA_ALGORITHMS - {V1_RSA}))
def test_every_wrap_algorithm_stands_in_the_document(algorithm: str) -> None:
    assert f"| `{algorithm}` |" in TEXT


def test_the_description_of_the_document_is_written_so() -> None:
    assert Description({"year": "2026", "desc": "key-1"}).text in TEXT.splitlines()


def test_a_fingerprint_has_the_length_that_the_document_says() -> None:
    assert "It has 50 characters" in TEXT
    assert len(rsa_key("key1").id) == 50
