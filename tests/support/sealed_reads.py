"""Reads of a sealed object that may have been attacked, held to the law.

A read ends in a `SecurityError`, or in exactly the bytes that were sealed. What it gave out before
the error was right, and nothing else stands in the caller's buffer.
"""

from collections.abc import Callable
from functools import partial

import pytest
from tests.support.sealed_attacks import CHUNK, NAME, PLAIN, Scene, Stored

import cipherbucket as cb
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.reading.stream import ObjectStream
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.requests import Condition, NewObject

SIZE = len(PLAIN)
SPANS = [
    *(Span(0, 1), Span(0, 100), Span(CHUNK - 1, 2), Span(CHUNK, CHUNK), Span(20_000, 5)),
    *(Span(2 * CHUNK, 50), Span(2 * CHUNK + 99, 1), Span(SIZE - 1, 10), Span(100), Span(SIZE)),
    *(Span(0, 0), Span(CHUNK, 0), Span(SIZE, 0), Span(SIZE, 5), Span(0, SIZE), Span(0, SIZE + 1)),
    *(Span(tail=0), Span(tail=1), Span(tail=101), Span(tail=20_000), Span(tail=10**7)),
]
SEEKS = [0, 5, CHUNK - 1, CHUNK, 20_000, 2 * CHUNK, 2 * CHUNK + 99, SIZE]


def serve(store: Store, stored: Stored, name: str = NAME) -> None:
    """Put what the store is to serve; into memory whatever no writer could."""
    if isinstance(store, cb.MemoryStore):
        body, metadata = Outgoing(stored.body), dict(stored.metadata)
        store._put(NewObject(name, metadata, {}), body, Condition())
    else:
        store.put(name, stored.body, metadata=stored.metadata)


def sealed_bucket(store: Store, scene: Scene) -> cb.Bucket:
    return cb.Bucket(store, scene.ring, format="sealed")


def cut_of(span: Span, plain: bytes = PLAIN) -> bytes:
    if span.tail is not None:
        return plain[max(0, len(plain) - span.tail) :]
    return plain[span.start :] if span.length is None else plain[span.start :][: span.length]


def drained(opened: Callable[[], ObjectStream], plain: bytes, piece: int = 1 << 20) -> bytes:
    """Read a stream to its end; when it fails, look at what it has left behind."""
    buffer = memoryview(bytearray(len(plain) + 1000))
    at = 0
    stream = None
    try:
        with opened() as stream:
            while some := stream.readinto(buffer[at : at + piece]):
                at += some
    except cb.CipherbucketError:
        assert buffer[:at] == plain[:at]
        assert buffer[at:] == bytes(len(buffer) - at)
        if stream is not None:
            with pytest.raises(cb.CipherbucketError):
                stream.read()
        raise
    return bytes(buffer[:at])


def ranged(bucket: cb.Bucket, span: Span, *, footer_recipients: bool = False) -> bytes:
    opened = partial(
        bucket.get,
        NAME,
        start=span.start,
        length=span.length,
        tail=span.tail,
        footer_recipients=footer_recipients,
    )
    return drained(opened, cut_of(span))


def sought(bucket: cb.Bucket, start: int, length: int) -> bytes:
    """Read through the seekable reader, of which nothing is left after an error either."""
    buffer = bytearray(length)
    with bucket.open(NAME) as file:
        file.seek(start)
        try:
            return bytes(buffer[: file.readinto(buffer)])
        except cb.CipherbucketError:
            assert buffer == bytes(length)
            right_or_refused(partial(file.read, 1), PLAIN[start : start + 1])
            raise


def error_of(read: Callable[[], object]) -> cb.SecurityError:
    with pytest.raises(cb.SecurityError) as raised:
        read()
    return raised.value


def right_or_refused(read: Callable[[], bytes], right: bytes) -> bool:
    """Hold a read to the law; tell whether it was refused."""
    try:
        got = read()
    except cb.SecurityError:
        return True
    assert got == right
    return False


def wholes(bucket: cb.Bucket, key: MasterKey) -> list[Callable[[], bytes]]:
    """Return all ways to read an object whole."""

    def from_file() -> bytes:
        with bucket.open(NAME) as file:
            return file.read()

    return [
        lambda: drained(lambda: bucket.get(NAME), PLAIN),
        lambda: drained(lambda: bucket.get(NAME), PLAIN, 10_000),
        lambda: bucket.get(NAME).read(),
        lambda: b"".join(bucket.get(NAME)),
        lambda: drained(lambda: bucket.get(NAME, key=key), PLAIN),
        from_file,
    ]


def last_byte(bucket: cb.Bucket) -> bytes:
    with bucket.open(NAME) as file:
        file.seek(-1, 2)
        return file.read()
