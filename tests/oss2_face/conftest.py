"""Scenes for the face alone; what needs oss2 itself is in ``tests/interop``."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.oss2_face.scene import FACE, Scene, load, scene


@pytest.fixture
def face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The face between two fresh endpoints."""
    if not hasattr(load(FACE), "CryptoBucket"):
        pytest.xfail("the face is not there yet")
    with scene(FACE, tmp_path, monkeypatch) as there:
        yield there
