"""A reader of the sealed format in Go, written from docs/format.md alone, against our objects.

Strategy: go/sealedreader opens whole objects, ranges and tails, from what a store holds of them:
body and metadata, and a ring of keys. First the recorded objects (tests/vectors/sealed.json), each
of which tells its outcome, then some that the library writes now. A range of a recorded object is
compared with the same piece of the whole, whose hash is recorded.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.interop import toolchains
from tests.interop.conftest import need
from tests.interop.toolchains import GO_BIN

import cipherbucket as cb

CHUNK = 16_384
NAME = "folder/ä b+c.bin"
DESCRIPTION = {"desc": "sealed", "né": "clé-密钥"}
SECONDS = 60
FILE = Path(__file__).parent.parent / "vectors" / "sealed.json"

Case = dict[str, Any]
Reader = Callable[..., bytes]

OBJECTS: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
CASES: list[Case] = OBJECTS["objects"]
SUCCESSES = [case for case in CASES if case["expect"] == "success"]


class RefusedError(Exception):
    """The program did not open the object; its word for the reason is the text."""


def of(case: Case) -> str:
    """Name a case for pytest."""
    return str(case["case"])


def spans(size: int) -> list[tuple[int, int | None]]:
    """Return ranges (start and length) around every kind of border in an object."""
    last = size // CHUNK * CHUNK
    starts = {0, 1, CHUNK - 1, CHUNK, last, size // 2, max(size - 1, 0), size}
    lengths = (0, 1, 2, CHUNK, CHUNK + 1, None)
    return [(start, length) for start in sorted(starts) if start <= size for length in lengths]


@pytest.fixture(scope="module")
def program() -> list[str]:
    """Return how the program is started, once it is built."""
    need("Go 1")
    toolchains.build()
    return [str(GO_BIN / "sealedreader")]


@pytest.fixture
def reader(program: list[str], tmp_path: Path) -> Reader:
    """Return what opens an object with the program, whole or in part."""

    def read(
        body: bytes,
        metadata: Mapping[str, str],
        keys: Sequence[Mapping[str, Any]],
        name: str,
        *options: str | int,
        context: Mapping[str, str] | None = None,
    ) -> bytes:
        stored, told = tmp_path / "body", tmp_path / "object.json"
        stored.write_bytes(body)
        told.write_text(
            json.dumps(
                {
                    "name": name,
                    "context": dict(context or {}),
                    "keys": list(keys),
                    "metadata": dict(metadata),
                    "body_file": str(stored),
                }
            ),
            "utf-8",
        )
        result = subprocess.run(
            [*program, "-object", str(told), *map(str, options)],
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        if result.returncode == 0:
            return result.stdout
        assert (result.returncode, result.stdout) == (1, b""), result.stderr
        raise RefusedError(result.stderr.decode().partition(":")[0])

    return read


def recorded(reader: Reader, case: Case, *options: str | int) -> bytes:
    """Open a recorded object under the name and context that its reader asks with."""
    return reader(
        base64.b64decode(case["body"]),
        case["metadata"],
        [OBJECTS["keys"][key] for key in case["keys"]],
        case["asked_name"],
        *options,
        context=case["context"],
    )


def test_there_are_recorded_objects_of_every_outcome() -> None:
    assert {case["expect"] for case in CASES} == {
        *("success", "envelope", "no key", "wrong key", "recipients", "binding", "integrity")
    }


@pytest.mark.parametrize("case", CASES, ids=of)
def test_a_recorded_object_comes_out_as_told(reader: Reader, case: Case) -> None:
    if case["expect"] == "success":
        plaintext = recorded(reader, case)
        assert len(plaintext) == case["plaintext_length"]
        assert hashlib.sha256(plaintext).hexdigest() == case["plaintext_sha256"]
    else:
        with pytest.raises(RefusedError) as refused:
            recorded(reader, case)
        assert str(refused.value) == case["expect"].replace(" ", "-")


@pytest.mark.parametrize("case", SUCCESSES, ids=of)
def test_ranges_and_tails_of_a_recorded_object_are_pieces_of_it(reader: Reader, case: Case) -> None:
    whole = recorded(reader, case)
    for start, length in spans(len(whole)):
        options = ("-start", start, *(() if length is None else ("-length", length)))
        assert recorded(reader, case, *options) == whole[start:][:length], options
    for tail in (0, 1, CHUNK, len(whole), len(whole) + 1):
        assert recorded(reader, case, "-tail", tail) == whole[max(len(whole) - tail, 0) :], tail
    with pytest.raises(RefusedError, match=r"^range$"):
        recorded(reader, case, "-start", len(whole) + 1, "-length", 1)


@pytest.mark.parametrize("case", SUCCESSES, ids=of)
def test_a_recorded_object_opens_from_its_body_alone_with_the_recipients_of_its_first_day(
    reader: Reader, case: Case
) -> None:
    whole = recorded(reader, case)
    recipients = base64.b64decode(case["metadata"]["cipherbucket-recipients"])
    if recipients in base64.b64decode(case["body"]):
        assert recorded(reader, {**case, "metadata": {}}, "-from-body") == whole


@pytest.mark.parametrize("case", OBJECTS["footers"], ids=of)
def test_a_recorded_footer_is_parsed_as_told(reader: Reader, case: Case) -> None:
    body = bytes(56 + 16) + bytes.fromhex(case["footer"])
    word = "no-key" if case["expect"] == "success" else case["expect"]
    with pytest.raises(RefusedError, match=f"^{word}$"):
        reader(body, {}, [], NAME, "-from-body")


def master_key(kind: str) -> tuple[cb.MasterKey, dict[str, Any]]:
    """Make a key for the library, and the same for the program."""
    if kind == "aes":
        secret = os.urandom(32)
        told = {"type": "aes", "key": secret.hex(), "description": DESCRIPTION}
        return cb.AesKey(secret, description=DESCRIPTION), told
    private = rsa.generate_private_key(65537, 2048)
    numbers = private.private_numbers()
    named = {
        "n": numbers.public_numbers.n,
        "e": numbers.public_numbers.e,
        "d": numbers.d,
        "p": numbers.p,
        "q": numbers.q,
    }
    told = {"type": "rsa", "description": DESCRIPTION}
    told |= {name: f"{number:x}" for name, number in named.items()}
    return cb.RsaKey(private, description=DESCRIPTION), told


def sealed(key: cb.MasterKey, plaintext: bytes) -> tuple[bytes, dict[str, str]]:
    """Let the library write an object; return the stored body and its metadata."""
    url = f"memory://sealed-go-{os.urandom(8).hex()}"
    with cb.open_bucket(url, key, format="sealed") as bucket, cb.open_store(url) as store:
        bucket.put(NAME, plaintext, metadata={"colour": "red"})
        with store.get(NAME) as stored:
            body = bytearray(stored.stored.size)
            assert stored.readinto(body) == len(body)
            return bytes(body), dict(stored.stored.metadata)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 77])
@pytest.mark.parametrize("kind", ["aes", "rsa"])
def test_what_we_seal_the_program_opens(reader: Reader, kind: str, size: int) -> None:
    key, told = master_key(kind)
    plaintext = os.urandom(size)
    body, metadata = sealed(key, plaintext)
    assert reader(body, metadata, [told], NAME) == plaintext
    assert reader(body, {}, [told], NAME, "-from-body") == plaintext
    for start, length in spans(size):
        options = ("-start", start, *(() if length is None else ("-length", length)))
        assert reader(body, metadata, [told], NAME, *options) == plaintext[start:][:length], options
    for tail in (0, 1, CHUNK + 1, size + 1):
        assert (
            reader(body, metadata, [told], NAME, "-tail", tail) == plaintext[max(size - tail, 0) :]
        )


@pytest.mark.parametrize("kind", ["aes", "rsa"])
def test_what_we_seal_is_bound_to_key_and_name_and_bytes(reader: Reader, kind: str) -> None:
    key, told = master_key(kind)
    body, metadata = sealed(key, os.urandom(2 * CHUNK))
    _, other = master_key(kind)
    unlabelled = {**told, "description": {}}
    damaged = bytes([*body[:-500], body[-500] ^ 1, *body[-499:]])
    for word, arguments in {
        "wrong-key": (body, metadata, [other], NAME),
        "no-key": (body, metadata, [unlabelled], NAME),
        "binding": (body, metadata, [told], "another name"),
        "envelope": (body, {}, [told], NAME),
        "integrity": (damaged, metadata, [told], NAME),
    }.items():
        with pytest.raises(RefusedError, match=f"^{word}$"):
            reader(*arguments)
