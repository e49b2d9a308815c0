"""Lies of a store about objects: ranges, bodies, and the headers that describe them."""

from __future__ import annotations

import gzip
from functools import cache

from tests.support.lies_in_http import DATE, bends, present
from tests.support.lying_store import (
    BELIEVED,
    DOCUMENTS,
    LOOKS,
    SAME,
    WRITES,
    Exchange,
    Lie,
    Tell,
)
from tests.support.scripted_http import Answer

_ENVELOPE = "x-oss-meta-client-side-encryption-key"


def doubles(name: str, other: bytes) -> Tell:
    """Return a lie that sends a header twice."""

    def tell(exchange: Exchange) -> Answer:
        text = exchange.truth.headers.get(name)
        if text is None:
            return exchange.truth
        return exchange.bent((name, text), (name, other or text.encode()))

    return tell


def whole_as_range(exchange: Exchange) -> Answer:
    """Answer what is no range as if it were one."""
    told = exchange.truth
    size = len(told.body)
    if told.status != 200 or not size:
        return told
    return exchange.written(
        206,
        [DATE, *told.headers.items(), ("content-range", f"bytes 0-{size - 1}/{size * 2}")],
        told.body,
    )


def another_range(exchange: Exchange) -> Answer:
    """Send as a part what is asked for, from another place."""
    told = exchange.truth
    text = f"bytes 5-{4 + len(told.body)}/{10 + len(told.body)}"
    return exchange.written(206, [DATE, *told.headers.items(), ("content-range", text)], told.body)


def flipped(exchange: Exchange) -> Answer:
    """Change a byte in the middle, which the CRC-64 of the answer shows."""
    body = bytearray(exchange.truth.body)
    if not body:
        return exchange.truth
    body[len(body) // 2] ^= 1
    return exchange.bent(body=bytes(body))


def bomb(exchange: Exchange) -> Answer:
    """Send what is gigabytes for whoever unpacks it."""
    return exchange.bent(("content-encoding", "gzip"), body=packed())


@cache
def packed() -> bytes:
    """Return 64 KiB that are 64 MiB."""
    return gzip.compress(bytes(64 << 20), 9)


LIES = [
    # Ranges and bodies.
    Lie("206 for the whole", whole_as_range, DOCUMENTS | {"get_object"}, SAME),
    Lie("another range", another_range, frozenset({"get_object"}), SAME),
    Lie("a range of words", present("content-range", "bytes a-b/c"), frozenset({"get_object"})),
    Lie(
        "a range of 10**30",
        present("content-range", "bytes 0-9/" + "9" * 30),
        frozenset({"get_object"}),
    ),
    Lie("a byte flipped", flipped, frozenset({"get_object"}), SAME, topic="bytes"),
    Lie("a bomb of gzip", bomb, DOCUMENTS | {"get_object"}),
    # Headers of objects.
    Lie("no ETag", present("etag", ""), WRITES),
    Lie("no ETag where one looks", present("etag", ""), LOOKS | {"get_object"}, SAME),
    Lie("another ETag", present("etag", '"OTHER"'), LOOKS | {"get_object"}, BELIEVED, later=True),
    Lie("two ETags", doubles("etag", b'"OTHER"'), LOOKS | WRITES | {"get_object"}, BELIEVED),
    Lie("another CRC-64", present("x-oss-hash-crc64ecma", "12345"), WRITES),
    Lie("another CRC-64 of a look", present("x-oss-hash-crc64ecma", "12345"), LOOKS, BELIEVED),
    Lie("a CRC-64 of words", present("x-oss-hash-crc64ecma", "abc"), WRITES),
    Lie("a CRC-64 too large", present("x-oss-hash-crc64ecma", "9" * 40), WRITES | {"get_object"}),
    Lie("no CRC-64", present("x-oss-hash-crc64ecma", ""), WRITES | LOOKS | {"get_object"}, SAME),
    Lie("times of words", present("last-modified", "yesterday"), LOOKS | {"get_object"}, SAME),
    Lie("no times", bends(("date", ""), ("last-modified", "")), kind=BELIEVED),
    Lie("two envelopes", doubles(_ENVELOPE, b"AAAA"), LOOKS | {"get_object"}, topic="envelope"),
    Lie("an envelope twice", doubles(_ENVELOPE, b""), LOOKS | {"get_object"}, topic="envelope"),
    Lie(
        "no UTF-8 in a header",
        bends(("x-oss-meta-lie", b"\xff\xfe")),
        LOOKS | {"get_object"},
        BELIEVED,
    ),
    Lie("NUL in a header", bends(("x-oss-meta-lie", b"a\0b")), LOOKS | {"get_object"}, BELIEVED),
    Lie(
        "a huge header", bends(("x-oss-meta-lie", b"a" * 60_000)), LOOKS | {"get_object"}, BELIEVED
    ),
    Lie("a type of words", present("x-oss-object-type", "Whatever"), LOOKS, BELIEVED),
    Lie("a version id of a kilobyte", bends(("x-oss-version-id", "v" * 1000)), kind=BELIEVED),
]
