"""Listings, as every store must make them; the property tests have the model that they follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.stores.test_conformance import names_of

from cipherbucket.errors import UsageError
from cipherbucket.stores.base import Store
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import Page


def all_pages(store: Store, limit: int, prefix: str = "", delimiter: str = "") -> list[Page]:
    pages = [store.list(prefix, delimiter=delimiter, limit=limit)]
    while (token := pages[-1].token) is not None:
        pages.append(store.list(prefix, delimiter=delimiter, limit=limit, token=token))
    return pages


class ListingConformance:
    """The suite of listings."""

    TREE = ("a", "a/", "a/1", "a/2", "a/b/3", "a0", "b", "b/c/d", "é/1", "z//1", "z/")

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

    def test_pages_stay_right_while_objects_come_and_go(self, tree: Store) -> None:
        first = tree.list(limit=3)
        assert names_of(first) == ["a", "a/", "a/1"]
        for name in ("a", "a/1", "a/2"):
            tree.delete(name)
        for name in ("0", "a/10"):
            tree.put(name, b"")
        assert names_of(tree.list(limit=3, token=first.token)) == ["a/10", "a/b/3", "a0"]

    @pytest.mark.parametrize("token", ["", "x", "AQ", "AWE", "é", "\ud800", "AW E=", "AmE="])
    def test_foreign_tokens_are_refused(self, tree: Store, token: str) -> None:
        with pytest.raises(UsageError):
            tree.list(token=token)

    def test_what_cannot_be_listed(self, tree: Store) -> None:
        for how in ({"limit": 0}, {"limit": 1001}, {"prefix": "\ud800"}, {"delimiter": "\ud800"}):
            with pytest.raises(UsageError):
                tree.list(**how)


class TestMemoryListing(ListingConformance):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestLocalListing(ListingConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[LocalStore]:
        with LocalStore(tmp_path / "store", create=True) as store:
            yield store
