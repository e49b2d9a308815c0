"""A directory store in a new folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cipherbucket.stores.local.store import LocalStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> Iterator[LocalStore]:
    with LocalStore(root, create=True) as store:
        yield store
