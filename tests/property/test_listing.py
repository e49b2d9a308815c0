"""Listings against a model of five lines of plain Python."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.counts import count

from cipherbucket.stores.base import Store
from cipherbucket.stores.listing import after_prefix
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.memory import MemoryStore

# Few characters, so that names share prefixes; of one to four bytes, so that the order of code
# units differs from that of bytes.
letters = st.sampled_from(["a", "b", "/", "é", "\uffff", "\U00010000", "\0"])
texts = st.text(letters, max_size=4)
names = st.text(letters, min_size=1, max_size=6)


def model(stored: set[str], prefix: str, delimiter: str) -> list[tuple[str, bool]]:
    found = set()
    for name in stored:
        if name.startswith(prefix):
            head, cut, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            found.add((prefix + head + cut, True) if cut else (name, False))
    return sorted(found, key=lambda item: item[0].encode())


@pytest.fixture(scope="module")
def local() -> Iterator[LocalStore]:
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalStore(Path(folder) / "store", create=True) as store,
    ):
        yield store


def fill(store: Store, wanted: set[str]) -> None:
    there = {entry.name for entry in store.list().entries}
    for name in there - wanted:
        store.delete(name)
    for name in wanted - there:
        store.put(name, b"")


def check(store: Store, prefix: str, delimiter: str, limit: int, stored: set[str]) -> None:
    fill(store, stored)
    expected = model(stored, prefix, delimiter)
    page = store.list(prefix, delimiter=delimiter, limit=limit)
    listed = list(page.entries)
    while page.token is not None:
        assert len(page.entries) == limit
        page = store.list(prefix, delimiter=delimiter, limit=limit, token=page.token)
        assert page.entries
        listed += page.entries
    assert [(entry.name, entry.is_prefix) for entry in listed] == expected


@settings(max_examples=count(5000, 300), deadline=None)
@given(st.sets(names, max_size=20), texts, texts, st.integers(1, 8))
def test_memory_lists_as_the_model(
    stored: set[str], prefix: str, delimiter: str, limit: int
) -> None:
    check(MemoryStore(), prefix, delimiter, limit, stored)


@settings(max_examples=count(500, 25), deadline=None)
@given(st.sets(names, max_size=8), texts, texts, st.integers(1, 8))
def test_a_directory_lists_as_the_model(
    local: LocalStore, stored: set[str], prefix: str, delimiter: str, limit: int
) -> None:
    check(local, prefix, delimiter, limit, stored)


@settings(max_examples=count(5000, 200), deadline=None)
@given(st.text(min_size=1), st.text(), st.text())
def test_after_prefix_parts_those_under_the_prefix_from_those_after(
    prefix: str, more: str, other: str
) -> None:
    border = after_prefix(prefix.encode())
    assert (prefix + more).encode() < border
    if not other.startswith(prefix):
        assert (other.encode() < prefix.encode()) or (other.encode() >= border)
