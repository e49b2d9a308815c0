"""The fixed objects of the sealed format are what their maker makes, and well-formed C2SP messages.

Nothing here uses the library: the file is checked by itself, and by an implementation of C2SP
chunked encryption that is not the library's.
"""

import base64
import hashlib
import json
from collections import Counter
from typing import Any

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor
from tests.vectors.make_sealed import FILE, earlier_rsa, make

CONTENT: dict[str, Any] = json.loads(FILE.read_bytes())
OBJECTS: list[dict[str, Any]] = CONTENT["objects"]
GOOD = [entry for entry in OBJECTS if entry["expect"] == "success"]
OUTCOMES = {"success", "envelope", "no key", "wrong key", "recipients", "binding", "integrity"}


def published_plaintext(length: int) -> bytes:
    return bytes((i * 7 + i // 251) % 256 for i in range(length))


def test_the_file_is_made_again_byte_for_byte() -> None:
    assert make(earlier_rsa()).encode() == FILE.read_bytes()


def test_rsa_wrappings_that_do_not_unwrap_are_made_anew_and_then_kept() -> None:
    made = json.loads(make(dict.fromkeys(earlier_rsa(), "00" * 256)))["rsa_wrapped"]

    assert made.keys() == earlier_rsa().keys()
    assert "00" * 256 not in made.values()
    assert json.loads(make(made))["rsa_wrapped"] == made


def test_every_outcome_is_of_the_closed_set_and_every_one_occurs() -> None:
    assert {entry["expect"] for entry in OBJECTS} == OUTCOMES
    assert {entry["expect"] for entry in CONTENT["footers"]} == {"success", "envelope"}


@pytest.mark.parametrize("part", ["objects", "footers"])
def test_every_case_has_a_name_of_its_own(part: str) -> None:
    assert max(Counter(entry["case"] for entry in CONTENT[part]).values()) == 1


def test_the_readers_keys_are_all_in_the_file() -> None:
    assert {key for entry in OBJECTS for key in entry["keys"]} <= CONTENT["keys"].keys()


def test_the_file_stays_small() -> None:
    assert FILE.stat().st_size < 700_000


@pytest.mark.parametrize("entry", GOOD, ids=lambda entry: entry["case"])
def test_every_good_body_without_its_footer_is_a_cobblestone_message(entry: dict[str, Any]) -> None:
    body, footer = base64.b64decode(entry["body"]), bytes.fromhex(entry["footer"])
    context = bytes.fromhex(entry["message_context"])
    decryptor = Cobblestone256Decryptor(bytes.fromhex(entry["data_key"]), context)

    text = decryptor.update(body[: -len(footer)]) + decryptor.finalize()

    assert body.endswith(footer)
    assert hashlib.sha256(footer).digest() in context
    assert text == published_plaintext(entry["plaintext_length"])
    assert hashlib.sha256(text).hexdigest() == entry["plaintext_sha256"]
