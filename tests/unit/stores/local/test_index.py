"""What is set before an index is read, and what an index cannot set."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cipherbucket.stores.local.index import CACHE_KIB, connect, connect_checked
from cipherbucket.stores.local.store import LocalStore


@pytest.fixture
def index(tmp_path: Path) -> Path:
    LocalStore(tmp_path / "store", create=True).close()
    return tmp_path / "store" / "index.sqlite"


def test_shared_memory_is_not_mapped_where_it_is_not_safe(index: Path) -> None:
    with closing(connect(index, alone=True)):
        assert not index.with_name("index.sqlite-shm").exists()
    with closing(connect_checked(index, alone=True)) as db:
        assert db.execute("SELECT count(*) FROM objects").fetchone() == (0,)
        assert not index.with_name("index.sqlite-shm").exists()


def test_an_index_does_not_say_how_much_memory_it_takes(index: Path) -> None:
    with closing(sqlite3.connect(index)) as db:
        db.execute("PRAGMA default_cache_size=1000000")
    with closing(connect_checked(index)) as db:
        assert db.execute("PRAGMA cache_size").fetchone() == (-CACHE_KIB,)


def test_a_commit_is_on_the_disk(index: Path) -> None:
    with closing(connect_checked(index)) as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
