"""fsspec's own suites of what a file system does, on every kind of store and in both formats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fsspec.tests import abstract
from tests.unit.filesystem.conftest import KINDS

from cipherbucket.filesystem.spec import CipherbucketFileSystem


class Paths(abstract.AbstractFixtures):  # type: ignore[misc]
    """What the suites need to know."""

    @pytest.fixture(params=KINDS, ids=[" ".join(each) for each in KINDS])
    def fs(
        self, request: pytest.FixtureRequest, options: Callable[[str, str], dict[str, Any]]
    ) -> CipherbucketFileSystem:
        return CipherbucketFileSystem(**options(*request.param))

    @pytest.fixture
    def fs_path(self) -> str:
        return "some/folder"

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(abstract.AbstractCopyTests, Paths):  # type: ignore[misc]
    pass


class TestGet(abstract.AbstractGetTests, Paths):  # type: ignore[misc]
    pass


class TestPut(abstract.AbstractPutTests, Paths):  # type: ignore[misc]
    pass


class TestOpen(abstract.AbstractOpenTests, Paths):  # type: ignore[misc]
    pass


class TestPipe(abstract.AbstractPipeTests, Paths):  # type: ignore[misc]
    pass
