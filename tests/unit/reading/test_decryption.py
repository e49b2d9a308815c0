"""What is taken out of a store's response, whatever range it holds."""

import io
from datetime import UTC, datetime

import pytest

from cipherbucket.errors import IntegrityError, named
from cipherbucket.format.span import PLAIN, Span
from cipherbucket.reading.decryption import body_of
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.records import StoredObject

BODY = bytes(range(10))


def answer(start: int, stop: int, size: int) -> Incoming:
    stored = StoredObject(name="x", size=size, etag="1", modified=datetime.now(UTC))
    return Incoming(stored, start, stop, io.BytesIO(BODY[max(0, start) : stop]), named)


@pytest.mark.parametrize(
    ("span", "came", "cut"),
    [
        pytest.param(Span(4, 3), (4, 7, 10), (0, 3), id="just what was asked for"),
        pytest.param(Span(4, 3), (0, 10, 10), (4, 3), id="the range was ignored"),
        pytest.param(Span(4, 3), (0, 7, 10), (4, 3), id="it begins earlier"),
        pytest.param(Span(4, 3), (4, 10, 10), (0, 3), id="it ends later"),
        pytest.param(Span(tail=3), (7, 10, 10), (0, 3), id="a suffix"),
        pytest.param(Span(tail=3), (0, 10, 10), (7, 3), id="a suffix was ignored"),
        pytest.param(Span(8, 100), (8, 10, 10), (0, 2), id="clipped"),
        pytest.param(Span(10), (10, 10, 10), (0, 0), id="nothing at the end"),
        pytest.param(Span(), (0, 0, 0), (0, 0), id="an empty object"),
    ],
)
def test_the_span_is_cut_out_of_what_really_came(
    span: Span, came: tuple[int, int, int], cut: tuple[int, int]
) -> None:
    drop, length = cut
    body = body_of(answer(*came), None, PLAIN, span)
    buffer = memoryview(bytearray(20))

    assert body.left == length
    assert bytes(buffer[: body.readinto(buffer)]) == BODY[came[0] + drop :][:length]


@pytest.mark.parametrize(
    ("span", "came"),
    [
        pytest.param(Span(4, 3), (5, 7, 10), id="it begins too late"),
        pytest.param(Span(4, 3), (4, 6, 10), id="it ends too early"),
        pytest.param(Span(4, 3), (0, 3, 10), id="another range"),
        pytest.param(Span(4, 3), (-1, 7, 10), id="it begins before the beginning"),
        pytest.param(Span(4, 3), (4, 11, 10), id="it ends after the end"),
        pytest.param(Span(4, 3), (9, 4, 10), id="it ends before it begins"),
        pytest.param(Span(), (0, 9, 10), id="a whole object that is not whole"),
        pytest.param(Span(tail=3), (8, 10, 10), id="a short suffix"),
    ],
)
def test_a_response_that_does_not_hold_the_span_is_refused(
    span: Span, came: tuple[int, int, int]
) -> None:
    with pytest.raises(IntegrityError, match="the store sent bytes"):
        body_of(answer(*came), None, PLAIN, span)
