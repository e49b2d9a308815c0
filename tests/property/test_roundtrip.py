"""What goes in comes out: any size, any kind of body, any chunks, any range, any seek."""

import io
import itertools
import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.counts import count
from tests.support.sdk_vectors import rsa_key

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.unseal import open_oss
from cipherbucket.errors import NoMatchingKeyError, RangeError
from cipherbucket.format.ctr import Ctr
from cipherbucket.keys.ring import KeyRing
from cipherbucket.reading import file
from cipherbucket.reading.decryption import BLOCK
from cipherbucket.reading.file import ObjectFile
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.writing import ciphertext
from cipherbucket.writing.source import PutBody

KEY = rsa_key("key1").described({"desc": "2026"})

often = settings(max_examples=count(2000, 100), deadline=None)
of_each_kind = settings(max_examples=count(2000, 20), deadline=None)
seldom = settings(max_examples=count(300, 25), deadline=None)

SIZES = st.integers(0, 70) | st.integers(0, 5000)
EDGES = st.sampled_from([BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 17])
SEEDS = st.integers(0, 2**32)
CHUNKS = st.lists(st.integers(1, 40) | st.integers(1, 5000), min_size=1, max_size=6)
STEPS = ["seek", "read", "readinto", "read1", "peek", "ranges", "lines", "readline"]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)


class Trickle:
    """A file that only reads forward, and not all it is asked for at a time."""

    def __init__(self, data: bytes, chunks: list[int]) -> None:
        self._file = io.BytesIO(data)
        self._chunks = itertools.cycle(chunks)

    def read(self, size: int = -1) -> bytes:
        most = next(self._chunks)
        return self._file.read(most if size < 0 else min(size, most))


class Pipe(io.RawIOBase):
    """A raw stream that cannot seek, as a pipe or a socket."""

    def __init__(self, data: bytes, chunks: list[int]) -> None:
        self._trickle = Trickle(data, chunks)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        piece = self._trickle.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def pieces(data: bytes, chunks: list[int]) -> Iterator[bytes]:
    sizes = itertools.cycle(chunks)
    at = 0
    while at < len(data):
        size = next(sizes)
        yield data[at : at + size]
        yield b""
        at += size


def begun(data: bytes) -> io.BytesIO:
    """Return a file of which some was read before."""
    file = io.BytesIO(b"read before" + data)
    file.seek(len(b"read before"))
    return file


Kind = Callable[[bytes, list[int], Path], PutBody]


def on_disk(data: bytes, path: Path) -> Path:
    path.write_bytes(data)
    return path


KINDS: dict[str, Kind] = {
    "bytes": lambda data, chunks, folder: data,
    "bytearray": lambda data, chunks, folder: bytearray(data),
    "memoryview": lambda data, chunks, folder: memoryview(data),
    "path": lambda data, chunks, folder: on_disk(data, folder / "body"),
    "seekable file": lambda data, chunks, folder: io.BytesIO(data),
    "file begun": lambda data, chunks, folder: begun(data),
    "pipe": lambda data, chunks, folder: Pipe(data, chunks),
    "buffered pipe": lambda data, chunks, folder: io.BufferedReader(Pipe(data, chunks)),
    "read alone": lambda data, chunks, folder: cast("BinaryIO", Trickle(data, chunks)),
    "iterable": lambda data, chunks, folder: pieces(data, chunks),
    "list": lambda data, chunks, folder: list(pieces(data, chunks)),
}


def body_of(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def new_bucket() -> Bucket:
    return Bucket(MemoryStore(), KeyRing(KEY))


def put_and_read(kind: Kind, data: bytes, chunks: list[int], reads: list[int]) -> None:
    bucket = new_bucket()
    with tempfile.TemporaryDirectory() as folder:
        info = bucket.put("name", kind(data, chunks, Path(folder)))

    assert info.size == info.stored_size == len(data)
    assert info.envelope is not None
    assert info.envelope.content_length == len(data)
    assert bucket.get("name").read() == data
    with bucket.get("name") as stream:
        sizes = itertools.cycle(reads)
        assert b"".join(iter(lambda: stream.read(next(sizes)), b"")) == data
        assert stream.read() == b""
    assert b"".join(bucket.get("name")) == data


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(size=SIZES, seed=SEEDS, chunks=CHUNKS, reads=CHUNKS)
@example(size=0, seed=0, chunks=[1], reads=[1])
@of_each_kind
def test_a_body_of_any_kind_and_size_comes_back_in_any_chunks(
    kind: Kind, size: int, seed: int, chunks: list[int], reads: list[int]
) -> None:
    put_and_read(kind, body_of(size, seed), chunks, reads)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("size", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 17])
def test_a_body_comes_back_whole_around_the_size_of_a_block(kind: Kind, size: int) -> None:
    put_and_read(kind, body_of(size, size), [BLOCK // 3], [BLOCK, 1000])


@pytest.mark.parametrize("threshold", [1, 1000])
@given(size=SIZES, seed=SEEDS, chunks=CHUNKS)
@seldom
def test_a_body_of_unknown_length_comes_back_from_a_temporary_file_too(
    threshold: int, size: int, seed: int, chunks: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ciphertext, "SPOOL_THRESHOLD", threshold)

        put_and_read(KINDS["iterable"], body_of(size, seed), chunks, [4096])


@given(size=SIZES, seed=SEEDS)
@often
def test_what_is_stored_is_the_plaintext_under_the_keystream_and_nothing_more(
    size: int, seed: int
) -> None:
    data, store = body_of(size, seed), MemoryStore()
    bucket = Bucket(store, KeyRing(KEY))
    info = bucket.put("name", data)
    assert info.envelope is not None

    buffer = bytearray(size)
    store.get("name").readinto(buffer)
    assert size < 16 or buffer != data
    cipher: Ctr = open_oss(info.envelope, bucket.ring, bucket.access.policy)
    cipher.stream().apply(buffer)

    assert buffer == data


@given(size=SIZES | EDGES, seed=SEEDS, data=st.data())
@often
def test_any_range_is_the_slice(size: int, seed: int, data: st.DataObject) -> None:
    plaintext, bucket = body_of(size, seed), new_bucket()
    bucket.put("name", plaintext)
    start = data.draw(st.integers(0, size))
    length = data.draw(st.none() | st.integers(0, size + 3) | st.integers(0, 40))
    tail = data.draw(st.integers(0, size + 3) | st.integers(0, 40))
    stop = size if length is None else start + length

    with bucket.get("name", start=start, length=length) as stream:
        assert stream.length == len(plaintext[start:stop])
        assert stream.read() == plaintext[start:stop]
    with bucket.get("name", tail=tail) as stream:
        assert stream.read() == plaintext[max(0, size - tail) :]
    with pytest.raises(RangeError):
        bucket.get("name", start=size + 1, length=length)


@given(size=SIZES, seed=SEEDS, data=st.data())
@often
def test_seeks_and_reads_are_those_of_a_file_in_memory(
    size: int, seed: int, data: st.DataObject
) -> None:
    plaintext, bucket = body_of(size, seed), new_bucket()
    bucket.put("name", plaintext)
    with pytest.MonkeyPatch.context() as patch:
        for name, sizes in SIZES_OF_WINDOWS.items():
            patch.setattr(file, name, data.draw(st.sampled_from(sizes), label=name))
        ours, theirs = bucket.open("name"), io.BytesIO(plaintext)
        for _ in range(data.draw(st.integers(1, 12))):
            one_step(ours, theirs, size, data)
            assert ours.tell() == theirs.tell()
        ours.seek(0)
        assert ours.read() == plaintext


@given(size=SIZES, seed=SEEDS, chunks=CHUNKS)
@often
def test_what_is_written_to_a_file_in_any_pieces_is_what_is_put(
    size: int, seed: int, chunks: list[int]
) -> None:
    text, bucket = body_of(size, seed), new_bucket()
    with bucket.open("name", "wb") as file:
        assert sum(map(file.write, pieces(text, chunks))) == size
    put = bucket.put("also", text)

    assert bucket.get("name").read() == text
    assert (file.info.size, file.info.stored_size) == (put.size, put.stored_size)


SIZES_OF_WINDOWS = {
    "LEAST_WINDOW": [1, 16, 1000, 64 << 10],
    "WINDOW": [8, 4000, 8 << 20],
    "HELD": [1, 100, 4096, 256 << 10],
}
"""What a seekable file asks for and keeps: the usual, and so little that every case occurs."""


def one_step(ours: ObjectFile, theirs: io.BytesIO, size: int, data: st.DataObject) -> None:
    match data.draw(st.sampled_from([*STEPS])):
        case "seek":
            target = data.draw(st.integers(0, size + 5))
            whence = data.draw(st.sampled_from([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END]))
            base = {os.SEEK_SET: 0, os.SEEK_CUR: theirs.tell(), os.SEEK_END: size}[whence]
            assert ours.seek(target - base, whence) == theirs.seek(target - base, whence)
        case "read":
            wanted = data.draw(st.none() | st.integers(-1, size + 5))
            assert ours.read(wanted) == theirs.read(wanted)
        case "readinto":
            mine, other = bytearray(data.draw(st.integers(0, 200))), bytearray()
            other.extend(mine)
            assert ours.readinto(mine) == theirs.readinto(other)
            assert mine == other
        case "read1":
            got = ours.read1(data.draw(st.integers(-1, 200)))
            assert got == theirs.read(len(got))
        case "peek":
            rest = theirs.getvalue()[theirs.tell() :]
            got = ours.peek(data.draw(st.integers(0, 200)))
            assert rest.startswith(got)
            assert bool(got) == bool(rest)
        case "ranges":
            bounds = st.tuples(st.integers(0, size), st.integers(0, size + 5))
            ranges = data.draw(st.lists(bounds, max_size=5))
            assert ours.read_ranges(ranges) == [
                theirs.getvalue()[start : start + length] for start, length in ranges
            ]
        case "lines":
            limit = data.draw(st.integers(0, 200))
            # A file's: BytesIO has its own, which stops a line earlier where the limit is met.
            assert ours.readlines(limit) == io.IOBase.readlines(theirs, limit)
        case _:
            limit = data.draw(st.integers(-1, 200))
            assert ours.readline(limit) == theirs.readline(limit)


@given(entries=st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=4), data=st.data())
@often
@pytest.mark.filterwarnings("ignore:the description of key")
def test_a_key_is_found_by_its_description_in_any_order_and_spacing(
    entries: dict[str, str], data: st.DataObject
) -> None:
    def written() -> str:
        items = data.draw(st.permutations(list(entries.items())))
        separators = data.draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]))
        ensure_ascii = data.draw(st.booleans())
        text = json.dumps(dict(items), separators=separators, ensure_ascii=ensure_ascii)
        return text.replace("\x7f", "\\u007f")

    store, key = MemoryStore(), rsa_key("key1")
    decoy = rsa_key("key2").described({**entries, "one more": "x"})

    Bucket(store, KeyRing(key.described(written()))).put("name", b"hello")

    ring = KeyRing(decoy, key.described(written()))
    assert Bucket(store, ring).get("name").read() == b"hello"
    with pytest.raises(NoMatchingKeyError):
        Bucket(store, KeyRing(decoy)).get("name")
