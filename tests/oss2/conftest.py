"""Scenes for the layer alone; what needs oss2 itself is in ``tests/interop``."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.oss2.scene import LAYER, Scene, scene

HERE = Path(__file__).parent
# The layer warns where oss2 keeps silent; `test_policy.py` tells of what.
WARNED = (
    "ignore:key .* writes without a mat_desc:cipherbucket.errors.CipherbucketWarning",
    "ignore:Content-MD5 is recorded:cipherbucket.errors.CipherbucketWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            for warned in WARNED:
                item.add_marker(pytest.mark.filterwarnings(warned))


@pytest.fixture
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The layer between two fresh endpoints."""
    with scene(LAYER, tmp_path, monkeypatch) as there:
        yield there
