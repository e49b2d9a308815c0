"""Cutting the names under a prefix into ranges of about equal count, without listing them all.

Strategy: pages are read here and there. What lies between two of them is estimated by how dense
names lie in both, and where most is unknown the next page is read in the middle of it. Estimates
may be wrong where names are very uneven. The ranges are not: every name, also one that comes later,
lies in exactly one of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from cipherbucket.errors import UsageError
from cipherbucket.objects.listing import check_prefix
from cipherbucket.objects.name_scale import NameScale, common_beginning
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import Page

_FINER = 8
"""No gap stays as large as this part of a range."""
_LEAST = 128
"""Nor as large as this part of the whole."""
_PAGES = 16
"""Most pages that are read for each range, beside `_LEAST`."""
_HELD = 128
"""Names of a page that are held until the cuts are made: about one of so many parts of it."""
_ENOUGH = 8
"""So many stretches of a folder show what its names are like."""
_CODE_POINTS = 0x10FFFF - 0x800
"""The last of all code points but the surrogates."""


@dataclass(frozen=True, slots=True)
class NameRange:
    """The names after one and before another, both exclusive; an empty one is no bound.

    They are the arguments of `Bucket.list`.
    """

    start_after: str = ""
    end_before: str = ""


def split(store: Store, count: int, prefix: str = "") -> tuple[NameRange, ...]:
    """Return ranges of about equally many names; see `Bucket.split`."""
    check_prefix(prefix)
    if type(count) is not int or count < 1:
        raise UsageError(f"a bucket is split into 1 range or more, not {count!r}")
    cuts: list[str] = []
    if count > 1:
        sample = _Sample(store, prefix)
        sample.refine(count)
        cuts = sample.cuts(count)
    # The least name after one is that with a zero byte: nothing lies between them.
    ends = [*(f"{cut}\0" for cut in cuts), ""]
    return tuple(map(NameRange, ["", *cuts], ends))


@dataclass(slots=True)
class _Stretch:
    """Names that were read, and an estimate of the names from there up to the next stretch.

    Of many names some are held, the first and the last among them; ``count`` is that of all.
    """

    names: list[str]
    count: int
    unseen: float = 0
    middle: str = ""

    @classmethod
    def of(cls, page: Page) -> _Stretch:
        names = [entry.name for entry in page.entries]
        held = names[:: max(1, len(names) // _HELD)]
        if names and held[-1] != names[-1]:
            held.append(names[-1])
        return cls(held, len(names))

    @property
    def each(self) -> float:
        """For how many names one that is held stands."""
        return self.count / max(1, len(self.names))


class _Sample:
    """What was read of a listing, in order of names."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        first = self._page("")
        self._stretches = [_Stretch.of(first)]
        if first.token is not None:
            self._stretches.append(_Stretch.of(self._last_page()))
            self._estimate(0, self._stretches[1].names[0])

    def _page(self, after: str, limit: int = 1000) -> Page:
        return self._store.list(self._prefix, start_after=after, limit=limit)

    def _last_page(self) -> Page:
        """Read the last page. The last name is found character by character."""
        known = self._prefix
        while True:
            low, high = (
                -1,
                _CODE_POINTS + 1,
            )  # names come after known + low, none after known + high
            if not self._page(known + "\x7f", 1).entries:
                high = 0x7F
            while high - low > 1:
                middle = (low + high) // 2
                if self._page(known + _character(middle), 1).entries:
                    low = middle
                else:
                    high = middle
            known += _character(low) if low >= 0 else ""
            page = self._page(known)
            if page.token is None:
                return page

    def _estimate(self, at: int, end: str) -> None:
        """Estimate what lies behind a stretch, up to a name."""
        here, following = self._stretches[at], self._stretches[at + 1]
        low = here.names[-1]
        scale = NameScale(low, end, self._like(at, end))
        first, last = scale.number(low), scale.number(end)
        densities = []
        for each in (here, following):
            near = [name for name in each.names if name.startswith(scale.common)]
            if len(near) > 1 and (width := scale.number(near[-1]) - scale.number(near[0])) > 0:
                densities.append((len(near) - 1) * each.each / width)
        here.unseen = (last - first) * sum(densities) / max(1, len(densities))
        middle = scale.name((first + last) // 2)
        here.middle = middle if low < middle < end else low

    def _like(self, at: int, end: str) -> Iterator[str]:
        """Yield names that show what characters those behind a stretch may have.

        Names with the same beginning are most like them; where few were read, all are looked at.
        """
        common = common_beginning(self._stretches[at].names[-1], end)
        first = bisect_left(self._stretches, common, key=lambda each: each.names[-1])
        after = common + _character(_CODE_POINTS)
        past = bisect_right(self._stretches, after, key=lambda each: each.names[0])
        if past - first < _ENOUGH:
            first, past = 0, len(self._stretches)
        for each in range(first, past, max(1, (past - first) // 16)):
            names = self._stretches[each].names
            yield from names[:: max(1, len(names) // 32)]
        yield from self._stretches[at].names
        yield from self._stretches[at + 1].names

    def refine(self, count: int) -> None:
        """Read pages until no gap is a large part of a range."""
        for _ in range(_LEAST + _PAGES * count):
            total = sum(each.count + each.unseen for each in self._stretches)
            at = max(range(len(self._stretches)), key=lambda each: self._stretches[each].unseen)
            stretch = self._stretches[at]
            if stretch.unseen <= total / max(_FINER * count, _LEAST):
                return
            self._look_behind(at, stretch.middle, self._stretches[at + 1].names[0])

    def _look_behind(self, at: int, middle: str, end: str) -> None:
        """Read a page in the middle of a gap, or at its beginning where there is nothing beyond."""
        here = self._stretches[at]
        page = self._page(middle).before(end)
        if not page.entries and middle != here.names[-1]:
            end, middle = f"{middle}\0", here.names[-1]
            page = self._page(middle).before(end)
        here.unseen = 0
        if not page.entries:
            return
        self._stretches.insert(at + 1, _Stretch.of(page))
        if page.token is not None:  # not all of it was read
            self._estimate(at + 1, end)
        if middle != here.names[-1]:
            self._estimate(at, page.entries[0].name)

    def cuts(self, count: int) -> list[str]:
        """Return the last names of all ranges but the last."""
        counted: list[float] = []
        names: list[str] = []
        total = 0.0
        for stretch in self._stretches:
            counted += [total + stretch.each * at for at in range(1, len(stretch.names) + 1)]
            names += stretch.names
            total += stretch.count + stretch.unseen
        wanted = (total * each / count for each in range(1, count))
        found = {_nearest(counted, each) for each in wanted} - {len(names) - 1} if names else set()
        return [names[at] for at in sorted(found)]


def _nearest(counted: list[float], wanted: float) -> int:
    at = min(bisect_left(counted, wanted), len(counted) - 1)
    return at - 1 if at and wanted - counted[at - 1] < counted[at] - wanted else at


def _character(number: int) -> str:
    return chr(number if number < 0xD800 else number + 0x800)
