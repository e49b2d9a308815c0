"""Listings, as every store must make them; the property tests have the model that they follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.stores.test_conformance import names_of

from cipherbucket.errors import UsageError
from cipherbucket.stores.base import Store
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import Page


def all_pages(
    store: Store,
    limit: int,
    prefix: str = "",
    delimiter: str = "",
    start_after: str = "",
    end_before: str = "",
) -> list[Page]:
    def page(token: str | None) -> Page:
        return store.list(
            prefix,
            delimiter=delimiter,
            limit=limit,
            token=token,
            start_after=start_after,
            end_before=end_before,
        )

    pages = [page(None)]
    while (token := pages[-1].token) is not None:
        pages.append(page(token))
    return pages


class ListingConformance:
    """The suite of listings."""

    TREE: tuple[str, ...] = (
        "a",
        "a/",
        "a/1",
        "a/2",
        "a/b/3",
        "a0",
        "b",
        "b/c/d",
        "é/1",
        "z//1",
        "z/",
    )

    @pytest.fixture
    def tree(self, store: Store) -> Store:
        for name in self.TREE:
            store.put(name, b"")
        return store

    def test_prefix(self, tree: Store) -> None:
        assert names_of(tree.list("a/")) == ["a/", "a/1", "a/2", "a/b/3"]
        assert names_of(tree.list("é")) == ["é/1"]
        assert names_of(tree.list("none")) == []

    def test_delimiter(self, tree: Store) -> None:
        page = tree.list(delimiter="/")
        found = [(entry.name, entry.is_prefix) for entry in page.entries]
        assert found == [
            ("a", False),
            ("a/", True),
            ("a0", False),
            ("b", False),
            ("b/", True),
            ("z/", True),
            ("é/", True),
        ]
        assert names_of(tree.list("a/", delimiter="/")) == ["a/", "a/1", "a/2", "a/b/"]
        assert names_of(tree.list("z/", delimiter="/")) == ["z/", "z//"]

    def test_delimiter_of_any_kind(self, tree: Store) -> None:
        assert names_of(tree.list(delimiter="/b/")) == [
            *("a", "a/", "a/1", "a/2", "a/b/", "a0", "b", "b/c/d", "z/", "z//1", "é/1")
        ]
        assert names_of(tree.list(delimiter="é")) == [*sorted(self.TREE, key=str.encode)[:-1], "é"]

    @pytest.mark.parametrize(("prefix", "delimiter"), [("", ""), ("", "/"), ("a", "/"), ("z", "")])
    def test_pages_of_every_limit_make_the_whole(
        self, tree: Store, prefix: str, delimiter: str
    ) -> None:
        whole = tree.list(prefix, delimiter=delimiter)
        assert whole.token is None
        for limit in range(1, 13):
            pages = all_pages(tree, limit, prefix, delimiter)
            assert [entry for page in pages for entry in page.entries] == list(whole.entries), limit
            assert all(len(page.entries) == limit for page in pages[:-1])
            assert 1 <= len(pages[-1].entries) <= limit

    @pytest.mark.parametrize("prefix", ["", "a", "z/"])
    @pytest.mark.parametrize("limit", [1, 2, 1000])
    def test_bounds(self, tree: Store, prefix: str, limit: int) -> None:
        names = [name for name in sorted(self.TREE, key=str.encode) if name.startswith(prefix)]
        for start in ("", "0", "a", "a/", "a/2", "a/2\0", "b/c", "é/1", "\U0010ffff"):
            for end in ("", "0", "a", "a/2", "a/2\0", "b/c/d", "z/", "é/1", "\U0010ffff"):
                pages = all_pages(tree, limit, prefix, start_after=start, end_before=end)
                right = [name for name in names if start < name and (not end or name < end)]
                assert [name for page in pages for name in names_of(page)] == right, (start, end)

    @pytest.mark.parametrize(
        ("asked", "why"),
        [
            ({"start_after": "\ud800"}, "no text of UTF-8"),
            ({"end_before": "\ud800"}, "no text of UTF-8"),
            ({"start_after": b"a"}, "no text of UTF-8"),
            ({"start_after": "a", "delimiter": "/"}, "do not go with a delimiter"),
            ({"end_before": "a", "delimiter": "/"}, "do not go with a delimiter"),
        ],
    )
    def test_what_bounds_no_listing(self, tree: Store, asked: dict[str, Any], why: str) -> None:
        with pytest.raises(UsageError, match=why):
            tree.list(**asked)

    def test_pages_stay_right_while_objects_come_and_go(self, tree: Store) -> None:
        first = tree.list(limit=3)
        assert names_of(first) == ["a", "a/", "a/1"]
        for name in ("a", "a/1", "a/2"):
            tree.delete(name)
        for name in ("0", "a/10"):
            tree.put(name, b"")
        assert names_of(tree.list(limit=3, token=first.token)) == ["a/10", "a/b/3", "a0"]

    def test_what_cannot_be_listed(self, tree: Store) -> None:
        for how in ({"limit": 0}, {"limit": 1001}, {"prefix": "\ud800"}, {"delimiter": "\ud800"}):
            with pytest.raises(UsageError):
                tree.list(**how)


@pytest.mark.parametrize("token", ["", "x", "AQ", "AWE", "é", "\ud800", "AW E=", "AmE="])
def test_foreign_tokens_are_refused(token: str) -> None:
    with pytest.raises(UsageError):
        MemoryStore().list(token=token)


class TestMemoryListing(ListingConformance):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestLocalListing(ListingConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[LocalStore]:
        with LocalStore(tmp_path / "store", create=True) as store:
            yield store
