"""The tests of compatibility hold on oss2 itself: they ask of the layer what oss2 does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.conftest import need
from tests.oss2.scene import REAL, Scene, scene
from tests.oss2.test_yardstick_objects import TestObjects
from tests.oss2.test_yardstick_parts import TestParts
from tests.oss2.test_yardstick_providers import TestProviders
from tests.oss2.test_yardstick_resumable import TestResumable
from tests.support.peer_sdks import FORGETFUL, OLD_FASHIONED, forgotten_sockets_collected

__all__ = ["TestObjects", "TestParts", "TestProviders", "TestResumable"]
pytestmark = [
    FORGETFUL,
    OLD_FASHIONED,
    # a connection to the KMS that an expected error still holds on to when the test ends
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def layer(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    """What the tests call the layer is oss2."""
    need("oss2")
    tls = tmp_path_factory.getbasetemp() / "tls"
    with forgotten_sockets_collected(), scene(REAL, tmp_path, monkeypatch, tls) as there:
        yield there
