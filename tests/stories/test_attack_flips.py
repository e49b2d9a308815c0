"""Every single bit of a sealed object, flipped in the store.

The law is that of test_attacks.py, and more: just the reads that see the byte are refused, all in
the same words, so that nobody learns from an error where a change was.
"""

import base64
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from tests.support.counts import count
from tests.support.sealed_attacks import (
    CHUNK,
    FIELDS,
    HEADER,
    NAME,
    PLAIN,
    STRIDE,
    TAG,
    Scene,
    Stored,
    raw_of,
)
from tests.support.sealed_reads import (
    SEEKS,
    SIZE,
    SPANS,
    cut_of,
    drained,
    error_of,
    ranged,
    right_or_refused,
    sealed_bucket,
    serve,
    sought,
)

import cipherbucket as cb
from cipherbucket.format.span import Span
from cipherbucket.reading.stream import ObjectStream
from cipherbucket.stores.base import Store


def touched(span: Span, at: int, footer: int) -> bool:
    """Tell whether a read of a range sees byte ``at`` of the body (docs/format.md, 14.6, 14.7)."""
    start = max(0, SIZE - span.tail) if span.tail is not None else span.start
    ends = span.length is None or start == SIZE or start + span.length > SIZE
    stop = min(start + (span.length or 0), SIZE)
    chunks = max(-(-stop // CHUNK), start // CHUNK + 1)
    first = HEADER + start // CHUNK * STRIDE if start >= CHUNK else 0
    return first <= at and (ends or at < min(HEADER + chunks * STRIDE, _length(footer) - footer))


def _length(footer: int) -> int:
    return HEADER + 2 * STRIDE + SIZE % CHUNK + TAG + footer


def flipped(data: bytes, bit: int) -> bytes:
    at, bit = divmod(bit, 8)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def bits_of_body(stored: Stored, drawn: int) -> list[int]:
    """Return one bit of every byte of header, tags and footer, and others drawn; or all."""
    bits = range(8 * len(stored.body))
    if drawn >= len(bits):
        return list(bits)
    ends = (HEADER + STRIDE, HEADER + 2 * STRIDE, _length(0))
    places = {at for end in ends for at in range(end - TAG, end)}
    places |= {*range(HEADER), *range(_length(0), len(stored.body))}
    return sorted({8 * at + at % 8 for at in places} | {*random.Random(3).sample(bits, drawn)})


def try_flips(store: Store, bucket: cb.Bucket, stored: Stored, bits: list[int]) -> None:
    told = set()
    for number, bit in enumerate(bits):
        serve(store, replace(stored, body=flipped(stored.body, bit)))
        piece = (1 << 20, SIZE, 10_000)[number % 3]
        error = error_of(partial(drained, partial(bucket.get, NAME), PLAIN, piece))
        told.add((type(error), str(error), error.hint))
        if number % 2:
            span = SPANS[number // 2 % len(SPANS)]
            refused = right_or_refused(partial(ranged, bucket, span), cut_of(span))
            assert refused == touched(span, bit // 8, len(stored.footer)), (bit, span)
        else:
            at = SEEKS[number // 2 % len(SEEKS)]
            right_or_refused(partial(sought, bucket, at, 100), PLAIN[at:][:100])
    assert {kind for kind, *_ in told} == {cb.IntegrityError}
    assert len(told) == 1, told


@pytest.mark.parametrize("shard", range(8))
def test_a_flip_of_any_bit_of_the_body_is_refused_in_the_same_words(
    scenes: dict[str, Scene], shard: int
) -> None:
    store, scene = cb.MemoryStore(), scenes["aes"]
    bits = bits_of_body(scene.one, count(1 << 20, 2000))

    try_flips(store, sealed_bucket(store, scene), scene.one, bits[shard::8])


def test_a_flip_is_refused_over_http_in_the_same_words(
    scenes: dict[str, Scene], endpoint_store: Store
) -> None:
    scene = scenes["aes"]
    bits = bits_of_body(scene.one, count(2000, 100))
    if count(1, 0) == 0:
        bits = bits[::4]

    try_flips(endpoint_store, sealed_bucket(endpoint_store, scene), scene.one, bits)


@pytest.mark.parametrize("shard", range(2))
def test_by_the_footer_a_flip_of_any_bit_of_the_body_is_refused_too(
    scenes: dict[str, Scene], shard: int
) -> None:
    store, scene = cb.MemoryStore(), scenes["aes"]
    bucket = sealed_bucket(store, scene)
    first, stop = HEADER, _length(0)
    for metadata in (scene.one.metadata, {}):
        told = set()
        for bit in bits_of_body(scene.one, count(10_000, 500))[shard::2]:
            serve(store, Stored(flipped(scene.one.body, bit), metadata))
            error = error_of(partial(ranged, bucket, Span(), footer_recipients=True))
            if first <= bit // 8 < stop:
                told.add((type(error), str(error), error.hint))
        assert len(told) == 1, told


def bent_metadata(stored: Stored) -> Iterator[dict[str, str]]:
    """Flip every bit of names, of texts, and of what the texts stand for."""
    for name, text in stored.metadata.items():
        rest = {other: text for other, text in stored.metadata.items() if other != name}
        value = base64.b64decode(text)
        for bit in range(8 * len(value)):
            yield {**rest, name: base64.b64encode(flipped(value, bit)).decode()}
        for bit in range(8 * len(text)):
            yield {**rest, name: flipped(text.encode(), bit).decode("latin-1")}
        for bit in range(8 * len(name)):
            if (bent := flipped(name.encode(), bit).decode("latin-1")).lower() != name:
                yield {**rest, bent: text}


def test_a_flip_of_any_bit_of_the_metadata_is_refused_by_every_read(scene: Scene) -> None:
    store = cb.MemoryStore()
    bucket = sealed_bucket(store, scene)
    step = count(1, 3 if isinstance(scene.ring.keys[0], cb.AesKey) else 11)
    for number, metadata in enumerate([*bent_metadata(scene.one)][::step]):
        serve(store, replace(scene.one, metadata=metadata))
        span = SPANS[number % len(SPANS)]
        error_of(lambda: bucket.get(NAME))
        error_of(partial(ranged, bucket, span))
        error_of(lambda: bucket.open(NAME).info)


def test_a_flip_in_the_metadata_is_refused_over_http(scene: Scene, endpoint_store: Store) -> None:
    bucket = sealed_bucket(endpoint_store, scene)
    step = count(9, 63)  # another bit of each byte, or of every seventh
    for number, name in enumerate(FIELDS):
        value = base64.b64decode(scene.one.metadata[name])
        for bit in range(number, 8 * len(value), step):
            text = base64.b64encode(flipped(value, bit)).decode()
            serve(endpoint_store, replace(scene.one, metadata={**scene.one.metadata, name: text}))
            error_of(lambda: bucket.get(NAME))
            error_of(partial(ranged, bucket, SPANS[bit % len(SPANS)]))
            error_of(lambda: bucket.open(NAME).info)


LONG = random.Random(5).randbytes((1 << 20) + 3 * CHUNK + 100)


@pytest.mark.each_value
@pytest.mark.parametrize("piece", [1000, 1 << 20, 3 << 20])
@pytest.mark.parametrize("chunk", [0, 1, 63, 64, 66, 67])
def test_of_an_object_of_several_batches_all_before_the_bad_one_is_given_out_and_nothing_after(
    scenes: dict[str, Scene], chunk: int, piece: int
) -> None:
    store, scene = cb.MemoryStore(), scenes["aes"]
    bucket = sealed_bucket(store, scene)
    bucket.put(NAME, LONG)
    stored = raw_of(store, NAME)
    serve(store, replace(stored, body=flipped(stored.body, 8 * (HEADER + chunk * STRIDE + 50))))
    buffer = bytearray(piece)
    given = bytearray()

    def read_on(stream: ObjectStream) -> None:
        while some := stream.readinto(buffer):
            given.extend(buffer[:some])
            buffer[:] = bytes(piece)

    with bucket.get(NAME) as stream, pytest.raises(cb.IntegrityError):
        read_on(stream)

    assert LONG.startswith(given)
    assert len(given) <= chunk * CHUNK
    # What is left in the buffer is a beginning of what would have come, and of good batches.
    left = bytes(buffer).rstrip(b"\0")
    assert LONG[len(given) :].startswith(left)
    assert len(given) + len(left) <= chunk // 64 * 64 * CHUNK
