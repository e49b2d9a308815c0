"""Ranges: what was asked for, resolved, and found again in what came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipherbucket.errors import UsageError
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
