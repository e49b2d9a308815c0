"""A listing that is not what was asked for is an error, before anything follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cipherbucket as cb
from cipherbucket.objects.listing import list_objects
from cipherbucket.stores.contract import (
    check_page,
    check_parts,
    check_uploads,
    check_versions,
)
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import Entry, Page, Part, Upload, Version

_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _page(*names: str, token: str | None = None, folded: Sequence[str] = ()) -> Page:
    entries = [Entry(name=name, is_prefix=name in folded) for name in names]
    return Page(tuple(entries), token)


@given(st.lists(_NAMES, unique=True, max_size=8), st.sampled_from(["", "a", "a/"]))
def test_names_in_the_order_of_their_utf8_pass(names: list[str], prefix: str) -> None:
    ordered = sorted((prefix + name for name in names), key=str.encode)
    page = _page(*ordered)
    assert check_page(page, prefix, "", None, 1000) is page


@given(st.lists(_NAMES, unique=True, min_size=2, max_size=8), st.data())
def test_two_names_that_changed_places_are_refused(names: list[str], data: st.DataObject) -> None:
    names.sort()
    first = data.draw(st.integers(0, len(names) - 2))
    names[first], names[first + 1] = names[first + 1], names[first]
    with pytest.raises(cb.StoreError, match="out of order"):
        check_page(_page(*names), "", "", None, 1000)


@pytest.mark.parametrize(
    ("page", "prefix", "delimiter", "why"),
    [
        (_page("a", "a"), "", "", "twice"),
        (_page("other"), "d/", "", "does not begin with 'd/'"),
        (_page("d/a", "e"), "d/", "", "does not begin with 'd/'"),
        (_page("d"), "d/", "", "does not begin with 'd/'"),
        (_page(""), "", "", "empty"),
        (_page("x" * 1024), "", "", "longer"),
        (_page("a", "b", "c", "d"), "", "", "4 entries where 3"),
        (_page("a", token="T"), "", "", "advance"),
        (_page("a", token=""), "", "", "advance"),
        (_page("d/", folded=["d/"]), "", "", "not asked for"),
        (_page("d/a"), "", "/", "not folded"),
        (_page("d/a/", folded=["d/a/"]), "", "/", "not folded"),
        (_page("d", folded=["d"]), "", "/", "not folded"),
        (_page("d/e/f", folded=["d/e/f"]), "d/", "/", "not folded"),
    ],
)
def test_a_page_that_was_not_asked_for_is_refused(
    page: Page, prefix: str, delimiter: str, why: str
) -> None:
    with pytest.raises(cb.StoreError, match=why):
        check_page(page, prefix, delimiter, "T", 3)


def test_a_page_that_begins_before_what_was_asked_for_is_refused() -> None:
    check_page(_page("b", "c"), "", "", None, 1000, start_after="a")
    for name in ("a", "b"):
        with pytest.raises(cb.StoreError, match="does not come after 'b'"):
            check_page(_page(name, "c"), "", "", "T", 1000, start_after="b")


def test_folded_names_among_others_pass() -> None:
    page = _page("d/a", "d/b/", "d/c", folded=["d/b/"])
    assert check_page(page, "d/", "/", None, 3) is page


class _Pages(MemoryStore):
    """A store whose pages are given."""

    def __init__(self, *pages: Page) -> None:
        super().__init__()
        self.pages = list(pages)

    def _list(
        self, prefix: str, delimiter: str, token: str | None, limit: int, start_after: str
    ) -> Page:
        del prefix, delimiter, token, limit, start_after
        return self.pages.pop(0) if self.pages else Page((), "the end is not near")


@pytest.mark.parametrize("second", [("a",), ("b",), ("a", "c")])
def test_a_page_that_does_not_begin_after_the_one_before_is_refused(
    second: tuple[str, ...],
) -> None:
    listed = list_objects(_Pages(_page("a", "b", token="1"), _page(*second)))
    with pytest.raises(cb.StoreError, match="does not begin after the page before"):
        list(listed)


def test_empty_pages_without_end_are_refused() -> None:
    pages = [Page((), str(number)) for number in range(1000)]
    store = _Pages(*pages)
    with pytest.raises(cb.StoreError, match="100 pages in a row were empty"):
        list(list_objects(store))
    assert len(store.pages) == 900


def _version(name: str, version_id: str) -> Version:
    return Version(
        name=name,
        version_id=version_id,
        is_latest=False,
        is_delete_marker=False,
        size=0,
        etag="E",
        modified=_NOW,
    )


@pytest.mark.parametrize(
    ("versions", "why"),
    [
        ([("b", "1"), ("a", "1")], "out of order"),
        ([("a", "1"), ("a", "1")], "twice"),
        ([("a", "1"), ("a", "2"), ("a", "1")], "twice"),
        ([("a", "1"), ("z", "1")], "does not begin with"),
    ],
)
def test_versions_out_of_order_are_refused(versions: list[tuple[str, str]], why: str) -> None:
    prefix = "a" if "begin" in why else ""
    with pytest.raises(cb.StoreError, match=why):
        list(check_versions([_version(*each) for each in versions], prefix))


@pytest.mark.parametrize(
    ("uploads", "why"),
    [
        ([("b", "1"), ("a", "1")], "out of order"),
        ([("a", "1"), ("a", "2"), ("a", "1")], "twice"),
        ([("x", "1")], "does not begin with"),
    ],
)
def test_uploads_out_of_order_are_refused(uploads: list[tuple[str, str]], why: str) -> None:
    prefix = "a" if "begin" in why else ""
    with pytest.raises(cb.StoreError, match=why):
        check_uploads([Upload(name, id_, _NOW) for name, id_ in uploads], prefix)


@pytest.mark.parametrize("numbers", [[0], [1, 1], [2, 1], [10_001], [-1]])
def test_parts_whose_numbers_do_not_ascend_are_refused(numbers: list[int]) -> None:
    with pytest.raises(cb.StoreError, match="do not ascend"):
        check_parts([Part(number, 1, "E") for number in numbers], "a")
