"""Ranges of names: every name is in exactly one, and none is much larger than the others."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import md5
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.counts import count

import cipherbucket as cb
from cipherbucket.objects.name_scale import NameScale
from cipherbucket.objects.split import split
from cipherbucket.stores.records import Page

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Listed(cb.MemoryStore):
    """A store that has nothing but names, and counts how often it is asked for a page."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.names = sorted(set(names))
        self.pages = 0

    def _list(
        self, prefix: str, delimiter: str, token: str | None, limit: int, start_after: str
    ) -> Page:
        assert not delimiter
        assert token is None
        self.pages += 1
        start = bisect_right(self.names, start_after) if start_after else 0
        start = max(start, bisect_left(self.names, prefix))
        found = [name for name in self.names[start : start + limit + 1] if name.startswith(prefix)]
        entries = tuple(
            cb.Entry(name=name, size=1, etag="E", modified=NOW) for name in found[:limit]
        )
        return Page(entries, "more" if len(found) > limit else None)

    def counts(self, ranges: Iterable[cb.NameRange]) -> list[int]:
        """How many names there are in each range."""
        found = []
        for each in ranges:
            start = bisect_right(self.names, each.start_after) if each.start_after else 0
            end = bisect_left(self.names, each.end_before) if each.end_before else len(self.names)
            found.append(end - start)
        return found


def _hash(number: int) -> str:
    return md5(str(number).encode(), usedforsecurity=False).hexdigest()


def dates(each: Callable[[int], int]) -> list[str]:
    return [
        f"{year}/{month:02}/{day:02}/{number:05}.parquet"
        for year in range(2019, 2027)
        for month in range(1, 13)
        for day in range(1, 29)
        for number in range(each(year))
    ]


NAMES = {
    "hashes": [_hash(number) for number in range(40_000)],
    "counters": [f"{number:09}" for number in range(40_000)],
    "numbers": [str(number) for number in range(40_000)],
    "days": dates(lambda _: 20),
    "days of more and more": dates(lambda year: 2 ** (year - 2019)),
    "one large folder": [
        *(f"d/{number:07}" for number in range(40_000)),
        *(f"{letter}/x{number}" for letter in "abcefgh" for number in range(100)),
    ],
    "the last is large": [
        *(f"z/{number:07}" for number in range(40_000)),
        *(f"{letter}/x{number}" for letter in "abcdefg" for number in range(100)),
    ],
    "beyond ASCII": [
        f"病历/{chr(0x4E00 + number % 3000)}{number // 3000}" for number in range(40_000)
    ],
}


@pytest.mark.parametrize("kind", NAMES)
def test_ranges_are_about_equal(kind: str) -> None:
    count = 8
    store = Listed(NAMES[kind])
    ranges = split(store, count)
    counts = store.counts(ranges)
    assert len(ranges) == count
    assert sum(counts) == len(store.names)
    assert max(counts) <= 2.5 * len(store.names) / count
    assert store.pages <= 128 + 16 * count + 100  # the last name is looked for, too


def test_it_costs_no_more_where_there_are_more_names() -> None:
    store = Listed(f"{number:09}" for number in range(400_000))
    counts = store.counts(split(store, 8))
    assert sum(counts) == 400_000
    assert max(counts) < 100_000
    assert store.pages < 400


NAME = st.text(st.sampled_from("a/bz09-~\x7f\x01é病\ud7ff\ue000\U0010ffff"), min_size=1, max_size=6)


@given(
    st.lists(NAME, max_size=30), st.integers(1, 4), st.integers(2, 4), st.sampled_from(["", "a"])
)
@example(["\0", "\0\0"], 2, 1, "")
@example(["a\U0010ffff\U0010ffff", "a", "a\U0010ffff"], 3, 1, "a")
@example(["a", "b"], 9, 1, "")
def test_every_name_is_in_exactly_one_range(
    names: list[str], count: int, page: int, prefix: str
) -> None:
    store = Small(names, page)
    ranges = split(store, count, prefix)
    assert 1 <= len(ranges) <= count
    assert (ranges[0].start_after, ranges[-1].end_before) == ("", "")
    for one, following in pairwise(ranges):  # nothing lies between a name and it with a zero byte
        assert one.end_before == f"{following.start_after}\0"
    assert sum(store.counts(ranges)) == len(store.names)
    if len(ranges) > 1:
        assert all(store.counts(ranges))


class Small(Listed):
    """One whose pages are small, so that few names are many pages."""

    def __init__(self, names: Iterable[str], page: int) -> None:
        super().__init__(names)
        self.page = page

    def _list(
        self, prefix: str, delimiter: str, token: str | None, limit: int, start_after: str
    ) -> Page:
        return super()._list(prefix, delimiter, token, min(limit, self.page), start_after)


@given(NAME, NAME, st.lists(NAME, max_size=5))
@example("\ud7ff", "\ue000", ["00"])
@settings(max_examples=count(20_000, 100))
def test_a_scale_keeps_the_order_and_finds_names_again(a: str, b: str, others: list[str]) -> None:
    low, high = sorted((a, b))
    scale = NameScale(low, high, others)
    assert scale.number(low) <= scale.number(high)
    assert (scale.number(low) == scale.number(high)) == (low == high)
    assert scale.name(scale.number(low)) == low
    middle = scale.name((scale.number(low) + scale.number(high)) // 2)
    assert low <= middle <= high


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", True])
def test_other_numbers_of_ranges_are_refused(bucket: cb.Bucket, count: int) -> None:
    with pytest.raises(cb.UsageError, match="1 range or more"):
        bucket.split(count)


def test_a_bucket_is_read_range_by_range(bucket: cb.Bucket) -> None:
    names = [f"n{number:02}" for number in range(20)]
    for name in names:
        bucket.put(name, b"x")
    ranges = bucket.split(3)
    found = [
        [
            entry.name
            for entry in bucket.list(start_after=each.start_after, end_before=each.end_before)
        ]
        for each in ranges
    ]
    assert [len(each) for each in found] == [7, 6, 7]
    assert [name for each in found for name in each] == names
    assert bucket.split(1) == (cb.NameRange(),)
