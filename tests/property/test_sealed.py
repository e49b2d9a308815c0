"""The sealed format: what goes in comes out, in any ranges, parts and pieces.

Sizes lie around multiples of a chunk (16 KiB), of a block of work (1 MiB) and of a part. The
arithmetic of layouts is checked exhaustively, for small chunks, against one that counts.
"""

import io
import itertools
import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.property.test_roundtrip import (
    CHUNKS,
    KINDS,
    SIZES_OF_WINDOWS,
    Kind,
    body_of,
    one_step,
    pieces,
)
from tests.support.counts import count

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.seal import seal
from cipherbucket.errors import IntegrityError, RangeError, UsageError
from cipherbucket.format.footer import MAX_FOOTER, MIN_FOOTER
from cipherbucket.format.sealed import CHUNK, Binding, Sealed, sealed_layout
from cipherbucket.format.span import (
    MAX_PART_SIZE,
    MAX_PARTS,
    MIN_PART_SIZE,
    PLAIN,
    Layout,
    PartPlan,
    Span,
    good_part_size,
    growing_part_size,
)
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.reading import file
from cipherbucket.reading.decryption import BLOCK
from cipherbucket.reading.unlock import USUAL_FOOTER
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.writing.ciphertext import encrypt_part
from cipherbucket.writing.source import Source

RING = KeyRing(AesKey(bytes(range(32)), description={"desc": "2026"}))
PART = 7 * CHUNK
"""The least part, in bytes of plaintext."""

often = settings(max_examples=count(2000, 100), deadline=None)
costly = settings(max_examples=count(2000, 25), deadline=None)
seldom = settings(max_examples=count(300, 25), deadline=None)

EDGES = sorted({max(0, n * CHUNK + d) for n in (0, 1, 2, 3, 7) for d in (-17, -16, -1, 0, 1, 16)})
BLOCKS = [max(0, n * BLOCK + d) for n in (1, 2) for d in (-CHUNK, -1, 0, 1, CHUNK - 1, CHUNK + 1)]
SIZES = st.sampled_from(EDGES) | st.integers(0, 100) | st.integers(0, 4 * CHUNK)
SEEDS = st.integers(0, 2**32)

SMALL = [
    Layout(head=3, chunk=4, tag=2, foot=5),
    Layout(head=0, chunk=1, tag=1, foot=0),
    Layout(head=7, chunk=3, tag=5, foot=1),
    Layout(head=1, chunk=5, tag=1, foot=9),
]
small = pytest.mark.parametrize("layout", SMALL, ids=str)
TOP = 27


def new_bucket(store: MemoryStore | None = None) -> Bucket:
    return Bucket(MemoryStore() if store is None else store, RING, format="sealed")


def new_cipher() -> Sealed:
    cipher = seal(RING, "sealed", binding=Binding("name"))[1]
    assert isinstance(cipher, Sealed)
    return cipher


def one_pass(cipher: Sealed, data: bytes) -> bytes:
    out = memoryview(bytearray(cipher.layout.stored_size(len(data))))
    return bytes(cipher.encrypt(0, memoryview(data), out, last=True))


# Arithmetic.


def chunks_of(layout: Layout, size: int) -> list[tuple[int, int]]:
    """Lay the chunks one by one; return where each begins and ends in what is stored."""
    chunks, position, left = [], layout.head, size
    while True:
        content = min(left, layout.chunk)
        chunks.append((position, position + content + layout.tag))
        position, left = position + content + layout.tag, left - content
        if content < layout.chunk:
            return chunks


def spans() -> Iterator[Span]:
    for start in range(TOP + 3):
        yield Span(start)
        yield from (Span(start, length) for length in range(TOP + 3))
    yield from (Span(tail=tail) for tail in range(TOP + 3))


@small
def test_stored_sizes_are_counted_and_go_back(layout: Layout) -> None:
    possible = {}
    for size in range(200):
        stored = chunks_of(layout, size)[-1][1] + layout.foot
        assert layout.stored_size(size) == stored
        assert layout.size(stored) == size
        possible[stored] = size
    for stored in range(max(possible)):
        if stored not in possible:
            with pytest.raises(IntegrityError):
                layout.size(stored)


@small
def test_parts_together_have_the_size_of_the_whole(layout: Layout) -> None:
    for size, part in itertools.product(range(60), range(layout.chunk, 30, layout.chunk)):
        starts = list(range(0, size, part)) or [0]
        stops = [*starts[1:], size]
        sizes = [
            layout.part_size(start, stop, last=stop == size)
            for start, stop in zip(starts, stops, strict=True)
        ]
        assert sum(sizes) == layout.stored_size(size)
        if size % part == 0 and size:  # the end shows only in a part of no plaintext
            parts = [layout.part_size(start, start + part, last=False) for start in starts]
            assert sum(parts) + layout.part_size(size, size, last=True) == layout.stored_size(size)


@small
def test_what_is_needed_holds_just_the_chunks_of_the_range_and_the_end_where_it_is_known(
    layout: Layout,
) -> None:
    for size in range(TOP):
        chunks, stored = chunks_of(layout, size), layout.stored_size(size)
        for span in spans():
            start, stop = span.resolve(size)
            first, end = layout.needed(span, stored)
            wanted = chunks[
                start // layout.chunk : max(start // layout.chunk, (stop - 1) // layout.chunk) + 1
            ]
            begins = chunks[start // layout.chunk][0]
            assert first == (0 if start < layout.chunk else begins), (size, span)
            known = span.length is None or span.start + span.length > size or start == size
            assert end == (stored if known else wanted[-1][1]), (size, span)


@small
def test_what_is_asked_for_holds_what_is_needed(layout: Layout) -> None:
    """But for ranges that go beyond the end: these may need the footer, too."""
    for size in range(TOP):
        stored = layout.stored_size(size)
        for span, guess in itertools.product(spans(), (0, 3)):
            request = Layout(layout.head, layout.chunk, layout.tag, layout.foot + guess).request(
                span
            )
            begin = request.start if request.tail is None else max(0, stored - request.tail)
            end = stored if request.length is None else min(stored, begin + request.length)
            first, stop = layout.needed(span, stored)
            if span.start > size:
                continue
            assert begin <= first, (size, span)
            if span.length is None or span.start + span.length < size:
                assert end >= stop, (size, span)


def test_without_tags_all_is_where_it_is() -> None:
    for size in range(TOP):
        assert PLAIN.stored_size(size) == PLAIN.size(size) == size
        for span in spans():
            assert PLAIN.needed(span, size) == span.resolve(size)


@given(size=st.integers(0, 2**52 - 1), foot=st.integers(MIN_FOOTER, MAX_FOOTER))
@often
def test_sizes_of_the_format_itself_are_those_of_the_document(size: int, foot: int) -> None:
    layout = sealed_layout(foot)
    stored = 56 + size + 16 * (size // 16_384 + 1) + foot

    assert layout.stored_size(size) == stored
    assert layout.size(stored) == size


def test_a_part_has_7_to_327_356_chunks_whatever_the_footer() -> None:
    layout = sealed_layout(MAX_FOOTER)
    for chunks, fault in (
        (6, "least part"),
        (7, None),
        (327_356, None),
        (327_357, "largest part"),
    ):
        if fault is None:
            plan = PartPlan(2 * chunks * CHUNK + 1, chunks * CHUNK, layout)
            for number in range(1, plan.count + 1):
                start, stop = plan.offsets(number)
                last = number == plan.count
                stored = layout.part_size(start, stop, last=last)
                assert stored <= MAX_PART_SIZE
                assert last or stored >= MIN_PART_SIZE
        else:
            with pytest.raises(UsageError, match=fault) as caught:
                PartPlan(2 * chunks * CHUNK + 1, chunks * CHUNK, layout)
            assert caught.value.hint


@pytest.mark.parametrize("part_size", [0, -CHUNK, 1, 102_400, PART + 16, PART - 1])
def test_a_part_that_is_no_multiple_of_a_chunk_is_refused(part_size: int) -> None:
    with pytest.raises(UsageError, match="multiple of 16,384"):
        PartPlan(10 * PART, part_size, sealed_layout(MIN_FOOTER))


@pytest.mark.parametrize(
    "data_size", [1, PART, 16 << 20, (16 << 20) * MAX_PARTS, (16 << 20) * MAX_PARTS + 1, 45 << 40]
)
@pytest.mark.parametrize("foot", [MIN_FOOTER, USUAL_FOOTER, MAX_FOOTER])
def test_the_part_size_that_is_proposed_works(data_size: int, foot: int) -> None:
    layout = sealed_layout(foot)
    plan = PartPlan(data_size, good_part_size(data_size, layout), layout)

    assert plan.count <= MAX_PARTS
    assert plan.offsets(plan.count)[1] == data_size
    assert plan.stored_size == layout.stored_size(data_size)


def test_growing_parts_are_whole_chunks_that_fit_and_hold_what_the_document_says() -> None:
    sizes = [growing_part_size(number) for number in range(1, MAX_PARTS + 1)]

    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[999], sizes[1000], sizes[-1]) == (1 << 24, 1 << 24, 1 << 25, 1 << 32)
    assert all(size % CHUNK == 0 for size in sizes)
    assert sealed_layout(MAX_FOOTER).stored_size(sizes[-1]) <= MAX_PART_SIZE
    assert round(sum(sizes) / 2**40, 1) == 11.7


# Whole objects and ranges.


@pytest.mark.parametrize("size", [*EDGES, *BLOCKS])
def test_an_object_of_any_size_comes_back_as_it_was(size: int) -> None:
    data, bucket = body_of(size, size), new_bucket()
    info = bucket.put("name", data)

    assert (info.size, info.format) == (size, "sealed")
    assert info.envelope is not None
    assert info.stored_size == info.envelope.layout.stored_size(size)
    assert bucket.get("name").read() == data
    assert b"".join(bucket.get("name")) == data
    assert bucket.open("name").read() == data


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(size=SIZES, seed=SEEDS, chunks=CHUNKS, reads=CHUNKS)
@example(size=0, seed=0, chunks=[1], reads=[1])
@seldom
def test_a_body_of_any_kind_and_size_comes_back_in_any_pieces(
    kind: Kind, size: int, seed: int, chunks: list[int], reads: list[int]
) -> None:
    data, store = body_of(size, seed), MemoryStore()
    bucket = new_bucket(store)
    with tempfile.TemporaryDirectory() as folder:
        info = bucket.put("name", kind(data, chunks, Path(folder)))

    assert info.size == size
    assert store.list_uploads() == []
    with bucket.get("name") as stream:
        sizes = itertools.cycle(reads)
        assert b"".join(iter(lambda: stream.read(next(sizes)), b"")) == data
        assert stream.read() == b""


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("size", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + CHUNK])
def test_a_body_of_any_kind_comes_back_around_the_size_of_a_block(
    kind: Kind, size: int, tmp_path: Path
) -> None:
    data, bucket = body_of(size, size), new_bucket()
    bucket.put("name", kind(data, [BLOCK // 3], tmp_path))

    assert bucket.get("name").read() == data


@given(size=SIZES | st.sampled_from(BLOCKS), seed=SEEDS, data=st.data())
@often
def test_any_range_is_the_slice(size: int, seed: int, data: st.DataObject) -> None:
    text, bucket = body_of(size, seed), new_bucket()
    bucket.put("name", text)
    near = st.sampled_from([edge for edge in [*EDGES, size - 1, size] if 0 <= edge <= size])
    start = data.draw(st.integers(0, size) | near)
    length = data.draw(st.none() | st.integers(0, size + 3) | st.sampled_from(EDGES))
    tail = data.draw(st.integers(0, size + 3) | st.sampled_from(EDGES))
    stop = size if length is None else start + length

    with bucket.get("name", start=start, length=length) as stream:
        assert stream.length == len(text[start:stop])
        assert stream.read() == text[start:stop]
    with bucket.get("name", tail=tail) as stream:
        assert stream.read() == text[max(0, size - tail) :]
    with pytest.raises(RangeError):
        bucket.get("name", start=size + data.draw(st.integers(1, 2 * CHUNK)), length=length)


@given(size=SIZES, seed=SEEDS, data=st.data())
@often
def test_seeks_and_reads_are_those_of_a_file_in_memory(
    size: int, seed: int, data: st.DataObject
) -> None:
    text, bucket = body_of(size, seed), new_bucket()
    bucket.put("name", text)
    with pytest.MonkeyPatch.context() as patch:
        for name, sizes in SIZES_OF_WINDOWS.items():
            patch.setattr(file, name, data.draw(st.sampled_from(sizes), label=name))
        ours, theirs = bucket.open("name"), io.BytesIO(text)
        for _ in range(data.draw(st.integers(1, 8))):
            one_step(ours, theirs, size, data)
            assert ours.tell() == theirs.tell()
        ours.seek(0)
        assert ours.read() == text


@given(size=SIZES, seed=SEEDS, chunks=CHUNKS)
@costly
def test_what_is_written_to_a_file_in_any_pieces_is_what_is_put(
    size: int, seed: int, chunks: list[int]
) -> None:
    text, bucket = body_of(size, seed), new_bucket()
    with bucket.open("name", "wb") as file:
        assert sum(map(file.write, pieces(text, chunks))) == size
    put = bucket.put("also", text)

    assert bucket.get("name").read() == text
    assert (file.info.size, file.info.stored_size) == (put.size, put.stored_size)


@pytest.mark.parametrize(
    "length", [USUAL_FOOTER + d for d in (-1000, -56, -55, -1, 0, 1, 55, 56, 500)]
)
def test_every_range_beside_a_footer_of_about_the_length_that_is_guessed_is_the_slice(
    length: int,
) -> None:
    def put(size: int, padding: int) -> tuple[Bucket, int]:
        bucket = new_bucket()
        other = AesKey(bytes(32), description={"padding": "x" * padding})
        info = bucket.put("name", text[:size], recipients=[other])
        assert info.envelope is not None
        return bucket, info.envelope.layout.foot

    text = body_of(2 * CHUNK + 100, 1)
    _, least = put(0, 0)
    for size in (0, 1, 5, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 100):
        bucket, foot = put(size, length - least)
        assert foot == length
        for span in (
            *(Span(at) for at in (0, 1, CHUNK, 2 * CHUNK, size) if at <= size),
            *(Span(at, 5 * CHUNK) for at in (0, CHUNK, 2 * CHUNK, size) if at <= size),
            *(Span(at, size + 1 - at) for at in (0, CHUNK, 2 * CHUNK, size) if at <= size),
            *(Span(tail=tail) for tail in (0, 1, 99, 100, CHUNK, size, size + 1)),
            *(Span(tail=size - CHUNK + d) for d in range(60) if size + d >= CHUNK),
        ):
            start, stop = span.resolve(size)
            stream = bucket.get("name", start=span.start, length=span.length, tail=span.tail)
            assert stream.read() == text[start:stop], (size, span)


# Parts.


@given(
    size=st.sampled_from([*EDGES, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + CHUNK, 3 * PART])
    | st.integers(0, 3 * PART),
    chunks=st.integers(1, 9),
    seed=SEEDS,
)
@often
def test_parts_in_any_order_and_in_threads_are_the_body_of_one_pass(
    size: int, chunks: int, seed: int
) -> None:
    data, cipher = body_of(size, seed), new_cipher()
    part = chunks * CHUNK
    starts = list(range(0, size, part)) or [0]

    def encrypted(start: int) -> tuple[int, bytes]:
        stop = min(size, start + part)
        source = Source(data[start:stop])
        ciphertext, filled = encrypt_part(source, cipher, start, stop, last=stop == size)
        assert filled == stop - start
        return start, bytes(ciphertext)

    shuffled = random.Random(seed).sample(starts, len(starts))
    whole = one_pass(cipher, data)
    assert b"".join(dict(map(encrypted, shuffled))[start] for start in starts) == whole
    with ThreadPoolExecutor(4) as pool:
        parallel = dict(pool.map(encrypted, shuffled))
    assert b"".join(parallel[start] for start in starts) == whole


@pytest.mark.parametrize("size", [PART, 2 * PART, 2 * PART + 1, 3 * PART - 1])
def test_a_body_whose_end_shows_late_is_that_of_one_pass(size: int) -> None:
    data, cipher = body_of(size, size), new_cipher()
    source, parts, start = Source(iter([data])), [], 0
    while True:
        ciphertext, filled = encrypt_part(source, cipher, start, start + PART, last=None)
        parts.append(bytes(ciphertext))
        start += filled
        if filled < PART:
            break

    assert b"".join(parts) == one_pass(cipher, data)
    assert len(parts) == size // PART + 1


@given(
    size=st.sampled_from([1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + CHUNK, 3 * PART])
    | st.integers(1, 3 * PART),
    chunks=st.integers(7, 9),
    seed=SEEDS,
)
@seldom
def test_a_multipart_upload_from_threads_is_the_object(size: int, chunks: int, seed: int) -> None:
    data, bucket = body_of(size, seed), new_bucket()
    part = chunks * CHUNK
    with bucket.multipart("name", data_size=size, part_size=part) as upload:
        numbers = list(range(1, upload.plan.count + 1))
        random.Random(seed).shuffle(numbers)
        with ThreadPoolExecutor(4) as pool:
            list(
                pool.map(lambda n: upload.upload_part(n, data[(n - 1) * part : n * part]), numbers)
            )
        info = upload.complete()

    assert info.size == size
    assert bucket.get("name").read() == data
    assert bucket.get("name", tail=CHUNK + 1).read() == data[-CHUNK - 1 :]


# Bodies of unknown length.


@contextmanager
def parts_of(chunks: int) -> Iterator[None]:
    """Let the first two parts have so many chunks, the next two twice as many, and so on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "cipherbucket.writing.unknown_length.growing_part_size",
            lambda number: chunks * CHUNK << (number - 1) // 2,
        )
        yield


@given(
    size=st.sampled_from(
        [n * PART + d for n in (1, 2, 4, 6, 10) for d in (-CHUNK, -1, 0, 1, CHUNK)]
    )
    | st.integers(0, 11 * PART),
    seed=SEEDS,
    chunks=CHUNKS,
)
@seldom
def test_a_body_of_unknown_length_is_sent_in_parts_that_grow(
    size: int, seed: int, chunks: list[int]
) -> None:
    data, store = body_of(size, seed), MemoryStore()
    bucket = new_bucket(store)
    with parts_of(7):
        info = bucket.put("name", KINDS["iterable"](data, [1000 * step for step in chunks], Path()))

    assert info.size == size
    assert bucket.get("name").read() == data
    assert store.list_uploads() == []
    for at in (PART, 2 * PART, 4 * PART):
        if at <= size:
            assert bucket.get("name", start=at - 1, length=2).read() == data[at - 1 : at + 1]


@pytest.mark.parametrize("size", [(16 << 20) + d for d in (-1, 0, 1)])
def test_a_body_of_unknown_length_around_16_mib_comes_back(size: int) -> None:
    data, store = body_of(size, size), MemoryStore()
    bucket = new_bucket(store)

    info = bucket.put("name", iter([data]))

    assert info.size == size
    assert bucket.get("name").read() == data
    assert store.list_uploads() == []
