"""The layer has no bug of oss2; that oss2 has them is shown in the interop tests."""

import pytest
from tests.oss2.bugs import BUGS
from tests.oss2.scene import Scene


@pytest.mark.parametrize("told", BUGS)
def test_the_layer_is_right(layer: Scene, told: str) -> None:
    assert not BUGS[told](layer)
