"""The face between fresh endpoints, and a bucket in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.oss2.scene import FACE, Scene, scene


@pytest.fixture
def face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene(FACE, tmp_path, monkeypatch) as there:
        yield there


@pytest.fixture
def opened(face: Scene) -> Iterator[Any]:
    """Return a bucket of the face whose key has a description."""
    bucket = face.bucket(face.rsa(mat_desc={"desc": "tests"}))
    yield bucket
    bucket.close()
