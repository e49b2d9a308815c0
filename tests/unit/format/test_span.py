"""Ranges: what was asked for, resolved, and found again in what came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipherbucket.errors import IntegrityError, UsageError
from cipherbucket.format.span import Span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0-99", Span(0, 100)),
        ("bytes=0-99", Span(0, 100)),
        (" 5-5 ", Span(5, 1)),
        ("100-", Span(100)),
        ("bytes=0-", Span()),
        ("-50", Span(tail=50)),
        ("bytes=-0", Span(tail=0)),
        ("007-008", Span(7, 2)),
        ("0-18446744073709551615", Span(0, 2**64)),
    ],
)
def test_http_ranges_are_inclusive(text: str, span: Span) -> None:
    assert Span.from_http(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "bytes=",
        "bytes=-",
        "5",
        "5-4",
        "0-1,3-4",
        "--5",
        "-5-",
        "a-b",
        "0x1-2",
        "1.0-2",
        "+1-2",
        "1 - 2",
        "bits=0-1",
        "BYTES=0-1",
        "\u0661-\u0662",
        "0-9\n0-9",
        pytest.param("9" * 5000 + "-", id="more digits than an integer takes"),
    ],
)
def test_what_is_no_single_http_range_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Span.from_http(text)


@pytest.mark.parametrize(
    ("start", "length", "tail"),
    [(-1, None, None), (0, -1, None), (0, None, -1), (1, None, 1), (0, 0, 0), (0, 5, 5)],
)
def test_negative_numbers_and_tail_beside_the_others_are_refused(
    start: int, length: int | None, tail: int | None
) -> None:
    with pytest.raises(UsageError):
        Span(start, length, tail)


@pytest.mark.parametrize(
    ("span", "size", "offsets"),
    [
        (Span(), 10, (0, 10)),
        (Span(), 0, (0, 0)),
        (Span(3), 10, (3, 10)),
        (Span(3, 4), 10, (3, 7)),
        (Span(3, 100), 10, (3, 10)),
        (Span(3, 0), 10, (3, 3)),
        (Span(10), 10, (10, 10)),
        (Span(tail=4), 10, (6, 10)),
        (Span(tail=0), 10, (10, 10)),
        (Span(tail=11), 10, (0, 10)),
        (Span(tail=5), 0, (0, 0)),
    ],
)
def test_a_span_resolves_against_a_size(span: Span, size: int, offsets: tuple[int, int]) -> None:
    assert span.resolve(size) == offsets


@given(
    body=st.binary(max_size=50),
    start=st.integers(0, 60),
    length=st.none() | st.integers(0, 60),
    tail=st.none() | st.integers(0, 60),
)
def test_a_resolved_span_is_the_slice(
    body: bytes, start: int, length: int | None, tail: int | None
) -> None:
    span = Span(start, length) if tail is None else Span(tail=tail)
    if tail is not None:
        expected = body[len(body) - min(tail, len(body)) :]
    else:
        expected = body[start:] if length is None else body[start : start + length]

    first, stop = span.resolve(len(body))

    assert body[first:stop] == expected


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
    assert span.cut(*came) == cut


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
        span.cut(*came)
