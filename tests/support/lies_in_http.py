"""Lies of a store in HTTP itself: what kind of answer comes, with which headers, and when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from tests.support.lying_store import (
    ALL,
    BELIEVED,
    DOCUMENTS,
    EMPTY,
    LOOKS,
    SAME,
    UNANSWERED,
    Exchange,
    Lie,
    Tell,
    head_of,
)
from tests.support.scripted_http import Answer, Wire

DATE = ("date", "Mon, 30 Nov 2026 04:00:00 GMT")
HTML = ("content-type", "text/html")
XML = ("content-type", "application/xml")
PAGE = b"<html><head><title>Sign in</title></head><body><p>Please sign in</p></body></html>"
ERROR = (
    b"<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>%s</Code><Message>m</Message>"
    b"<RequestId>R</RequestId><HostId>h</HostId></Error>"
)
HUGE = 16 << 20
ENDLESS = 20.0
"""Seconds that a lie without end goes on: longer than any verb may take."""
ABSURD = str(10**18)


def says(status: int | str, *headers: tuple[str, str | bytes], body: bytes = b"") -> Tell:
    """Return a lie that says this whatever is asked; what is asked is not done."""
    return lambda exchange: exchange.written(status, headers, body)


def bends(*headers: tuple[str, str | bytes]) -> Tell:
    """Return a lie that does what is asked and answers with other headers; empty leaves one out."""
    return lambda exchange: exchange.bent(*headers)


def present(name: str, text: str) -> Tell:
    """Return a lie about a header that the right answer has."""

    def tell(exchange: Exchange) -> Answer:
        if name not in exchange.truth.headers:
            return exchange.truth
        return exchange.bent((name, text))

    return tell


def another_length(change: Callable[[int], str | bytes], *, linger: bool = False) -> Tell:
    """Return a lie about the length of the right answer; the connection may stay open."""

    def tell(exchange: Exchange) -> Answer:
        length = change(len(exchange.truth.body))
        if not linger:
            return exchange.bent(("content-length", length))
        answer = exchange.bent(("content-length", length))

        def write(wire: Wire) -> None:
            assert answer.raw is not None
            answer.raw(wire)
            pause(ENDLESS)

        return Answer(raw=write)

    return tell


def pause(seconds: float) -> None:
    """Wait; tests put `time.sleep` out of action."""
    threading.Event().wait(seconds)


def forever(block: bytes, every: float) -> Iterator[bytes]:
    """Yield a block every so often."""
    until = time.monotonic() + ENDLESS
    while time.monotonic() < until:
        yield block
        if every:
            pause(every)


def endless(start: Callable[[Exchange], bytes], block: bytes, every: float) -> Tell:
    """Return a lie that never ends."""

    def tell(exchange: Exchange) -> Answer:
        first = start(exchange)

        def write(wire: Wire) -> None:
            wire.write(first)
            for each in forever(block, every):
                wire.write(each)

        return Answer(raw=write)

    return tell


def closes_early(part: Callable[[bytes, int], bytes]) -> Tell:
    """Return a lie that breaks the right answer off."""

    def tell(exchange: Exchange) -> Answer:
        told = exchange.truth
        head = head_of(told.status, [DATE, *told.headers.items()], told.body)
        body = b"" if exchange.head else told.body
        if part is half_body and len(body) < 2:
            return told
        return Answer(raw=lambda wire: wire.write(part(head + body, len(head))))

    return tell


def half_body(data: bytes, head: int) -> bytes:
    """Break off in the middle of the body."""
    return data[: head + (len(data) - head) // 2]


def huge_error(exchange: Exchange) -> Answer:
    """Refuse in 16 MiB."""
    before, after = ERROR[:-8] % b"InternalError", b"</Error>"
    blocks = [before, *[b"<a/>" * 16384] * (HUGE >> 16), after]
    length = sum(map(len, blocks))
    return exchange.written(500, [DATE, XML, ("content-length", str(length))], blocks)


def many_headers(exchange: Exchange) -> Answer:
    """Send ten thousand headers more."""
    return exchange.bent(*((f"x-oss-meta-h{number}", "a") for number in range(10_000)))


def error_in_head(exchange: Exchange) -> Answer:
    """Refuse without anything but a status, as the answer to a HEAD must."""
    return exchange.written(403, [])


_LENGTH = ("content-length", "10")
_STATUS_LINE = lambda _: b"HTTP/1.1 200 OK\r\n"  # noqa: E731
_NOT_EMPTY = ALL - EMPTY

LIES = [
    # Something else answers.
    Lie("a web page", says(200, DATE, HTML, body=PAGE), later=True),
    Lie("nothing", says(200, DATE), _NOT_EMPTY, later=True),
    Lie("no content", says(204, DATE), ALL - UNANSWERED),
    Lie("an error in a 200", says(200, DATE, XML, body=ERROR % b"InternalError"), later=True),
    Lie("another kind of 200", says(299, DATE, XML, body=PAGE)),
    Lie("reset content", says(205, DATE)),
    Lie("not modified", says(304, DATE)),
    Lie("see elsewhere 301", says(301, DATE, ("location", "/elsewhere/a"))),
    Lie("see elsewhere 302", says(302, DATE, ("location", "/elsewhere/a"))),
    Lie("see elsewhere 307", says(307, DATE, ("location", "/elsewhere/a"))),
    Lie("see nowhere", says(302, DATE, HTML, body=PAGE)),
    Lie("see a file", says(301, DATE, ("location", "file:///etc/passwd"))),
    Lie("a status of one digit", says("7 X", DATE)),
    Lie("a status of words", says("OK", DATE)),
    Lie("a status of 999", says(999, DATE)),
    Lie("no HTTP", lambda _: Answer(raw=lambda wire: wire.write(b"220 mail ESMTP\r\n" * 3))),
    Lie("a line of a megabyte", lambda _: Answer(raw=lambda w: w.write(b"HTTP/1.1 200 " * 90_000))),
    # Errors of proxies.
    Lie("503 without Date", says(503, body=ERROR % b"ServiceUnavailable"), status=503, later=True),
    Lie("503 of words", says(503, ("date", "soon"), body=ERROR % b"Busy"), status=503),
    Lie("502 in HTML", says(502, HTML, body=PAGE), status=502),
    Lie("504 and nothing", says(504), status=504),
    Lie("500 without type", says(500, DATE, body=b"oops"), status=500),
    Lie("403 without Date", says(403, body=ERROR % b"AccessDenied"), status=403, later=True),
    Lie("403 and nothing", error_in_head, status=403),
    Lie("404 without Date", says(404, body=ERROR % b"NoSuchKey"), kind=BELIEVED, status=404),
    Lie("404 in HTML", says(404, HTML, body=PAGE), kind=BELIEVED, status=404, later=True),
    Lie("407 of a proxy", says(407, HTML, body=PAGE), status=407),
    Lie("400 with a document type", says(400, XML, body=b"<!DOCTYPE a><Error/>"), status=400),
    Lie("an error of 16 MiB", huge_error, status=500),
    # It breaks off.
    Lie("closed before the head", closes_early(lambda data, _: b""), kind=SAME),
    Lie("closed in the first line", closes_early(lambda data, _: data[:9]), kind=SAME),
    Lie("closed in the head", closes_early(lambda data, head: data[: head // 2]), kind=SAME),
    Lie("closed in the body", closes_early(half_body), kind=SAME, later=True),
    # Time.
    Lie("a trickle of head", endless(_STATUS_LINE, b"x", 0.05), slow=True),
    Lie(
        "a trickle of headers",
        endless(_STATUS_LINE, b"a: b\r\n", 0.05),
        slow=True,
    ),
    Lie(
        "a trickle of body",
        endless(
            lambda exchange: head_of(
                exchange.truth.status,
                [DATE, *exchange.truth.headers.items(), ("content-length", "1000000")],
                b"",
            ),
            b"a",
            0.05,
        ),
        ALL - LOOKS - UNANSWERED,
        SAME,
        slow=True,
    ),
    Lie("endless 100 Continue", endless(lambda _: b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0)),
    Lie("endless 103 with headers", endless(lambda _: b"", b"HTTP/1.1 103 X\r\nA: b\r\n\r\n", 0)),
    Lie(
        "100 Continue now and then",
        endless(lambda _: b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.1),
        slow=True,
    ),
    Lie("endless headers", endless(_STATUS_LINE, b"a: b\r\n" * 99, 0)),
    Lie("an endless header", endless(lambda _: b"HTTP/1.1 200 OK\r\na: ", b"b" * 9999, 0)),
    Lie("an endless first line", endless(lambda _: b"HTTP/1.1 200 ", b"b" * 9999, 0)),
    Lie(
        "an endless body",
        endless(lambda _: b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"b" * 9999, 0),
        ALL - LOOKS - EMPTY - {"get_object"},
    ),
    Lie("silence", endless(lambda _: b"", b"", 1), slow=True),
    Lie("ten thousand headers", many_headers, kind=SAME),
    # Lengths.
    Lie(
        "a length one more", another_length(lambda n: str(n + 1)), DOCUMENTS | {"get_object"}, SAME
    ),
    Lie(
        "a length one more, and open",
        another_length(lambda n: str(n + 1), linger=True),
        DOCUMENTS | {"get_object"},
        SAME,
        slow=True,
    ),
    Lie(
        "a length one less",
        another_length(lambda n: str(max(0, n - 1))),
        DOCUMENTS | {"get_object"},
        SAME,
    ),
    Lie("a negative length", another_length(lambda _: "-5"), DOCUMENTS | {"get_object"}, SAME),
    Lie("a length of 10**18", another_length(lambda _: ABSURD), DOCUMENTS | {"get_object"}),
    Lie("a length of words", another_length(lambda _: "many"), DOCUMENTS | {"get_object"}, SAME),
    Lie("no length", another_length(lambda _: ""), DOCUMENTS, SAME),
    Lie("a claim of 10**18", present("content-length", ABSURD), LOOKS, BELIEVED),
    Lie("a claim of words", present("content-length", "1e9"), LOOKS, SAME),
    Lie(
        "two lengths",
        lambda exchange: exchange.bent(
            ("content-length", str(len(exchange.truth.body))), ("content-length", "7")
        ),
        DOCUMENTS | {"get_object"},
        SAME,
    ),
    Lie(
        "chunks that are none",
        lambda exchange: exchange.bent(("transfer-encoding", "chunked"), ("content-length", "")),
        DOCUMENTS | {"get_object"},
        SAME,
    ),
    Lie(
        "an absurd chunk",
        says(200, DATE, ("transfer-encoding", "chunked"), body=b"fffffffffffffff\r\nab"),
        DOCUMENTS | {"get_object"},
    ),
]
