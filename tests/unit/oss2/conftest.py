"""The layer between fresh endpoints, and a bucket in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.oss2.scene import LAYER, Scene, scene


@pytest.fixture
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene(LAYER, tmp_path, monkeypatch) as there:
        yield there


@pytest.fixture
def opened(layer: Scene) -> Iterator[Any]:
    """Return a bucket of the layer whose key has a description."""
    bucket = layer.bucket(layer.rsa(mat_desc={"desc": "tests"}))
    yield bucket
    bucket.close()
