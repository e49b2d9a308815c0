"""Ranges in both behaviours, and conditions."""

from datetime import UTC, datetime

import pytest

from cipherbucket.server.errors import OssError
from cipherbucket.server.operations.ranges import check_conditions, find_range, http_time

WHOLE = None
NOT_SATISFIABLE = 416

# header, size, OSS's own behaviour, the standard one
TABLE = [
    (None, 10, WHOLE, WHOLE),
    ("bytes=0-9", 10, (0, 10), (0, 10)),
    ("bytes=2-4", 10, (2, 5), (2, 5)),
    ("bytes=9-9", 10, (9, 10), (9, 10)),
    ("bytes=3-", 10, (3, 10), (3, 10)),
    ("bytes=-4", 10, (6, 10), (6, 10)),
    ("bytes=-10", 10, (0, 10), (0, 10)),
    ("bytes=0-2,5-6", 10, (0, 3), (0, 3)),
    ("bytes=0-10", 10, WHOLE, (0, 10)),
    ("bytes=5-100", 10, WHOLE, (5, 10)),
    ("bytes=-11", 10, WHOLE, (0, 10)),
    ("bytes=10-", 10, WHOLE, NOT_SATISFIABLE),
    ("bytes=10-20", 10, WHOLE, NOT_SATISFIABLE),
    ("bytes=-0", 10, WHOLE, NOT_SATISFIABLE),
    ("bytes=0-0", 0, WHOLE, NOT_SATISFIABLE),
    ("bytes=0-", 0, WHOLE, NOT_SATISFIABLE),
    ("bytes=-1", 0, WHOLE, NOT_SATISFIABLE),
    ("bytes=5-2", 10, WHOLE, WHOLE),
    ("bytes=-", 10, WHOLE, WHOLE),
    ("bytes=a-b", 10, WHOLE, WHOLE),
    ("bytes 0-1", 10, WHOLE, WHOLE),
    ("chars=0-1", 10, WHOLE, WHOLE),
    ("bytes=--1", 10, WHOLE, WHOLE),
    ("bytes=0-1-2", 10, WHOLE, WHOLE),
    ("", 10, WHOLE, WHOLE),
]


@pytest.mark.parametrize(("header", "size", "plain", "standard"), TABLE)
def test_ranges(
    header: str | None,
    size: int,
    plain: tuple[int, int] | None,
    standard: tuple[int, int] | int | None,
) -> None:
    assert find_range(header, size, standard=False) == plain
    if standard == NOT_SATISFIABLE:
        with pytest.raises(OssError) as caught:
            find_range(header, size, standard=True)
        assert caught.value.status == 416
        assert caught.value.code == "InvalidRange"
        assert caught.value.headers["Content-Range"] == f"bytes */{size}"
    else:
        assert find_range(header, size, standard=True) == standard


MODIFIED = datetime(2026, 3, 1, 12, 0, 0, 999, tzinfo=UTC)
BEFORE, AT, AFTER = (
    "Sun, 01 Mar 2026 11:59:59 GMT",
    "Sun, 01 Mar 2026 12:00:00 GMT",
    "Sun, 01 Mar 2026 12:00:01 GMT",
)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if-match": '"ABC"'}, 200),
        ({"if-match": "abc"}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": '"X", "ABC"'}, 200),
        ({"if-match": '"X"'}, 412),
        ({"if-none-match": '"X"'}, 200),
        ({"if-none-match": '"ABC"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-modified-since": BEFORE}, 200),
        ({"if-modified-since": AT}, 304),
        ({"if-modified-since": AFTER}, 304),
        ({"if-modified-since": "nonsense"}, 200),
        ({"if-unmodified-since": BEFORE}, 412),
        ({"if-unmodified-since": AT}, 200),
        ({"if-unmodified-since": AFTER}, 200),
        ({"if-match": '"X"', "if-none-match": '"ABC"'}, 412),
    ],
)
def test_conditions(headers: dict[str, str], status: int) -> None:
    if status == 200:
        check_conditions(headers, "ABC", MODIFIED)
        return
    with pytest.raises(OssError) as caught:
        check_conditions(headers, "ABC", MODIFIED)
    assert caught.value.status == status


def test_times_are_written_as_http_has_them() -> None:
    assert http_time(MODIFIED) == AT
