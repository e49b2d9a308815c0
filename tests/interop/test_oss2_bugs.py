"""The bugs of oss2 2.19.1 are there, each: the tests of the layer test something."""

from pathlib import Path

import pytest
from tests.interop.conftest import need
from tests.oss2.bugs import BUGS
from tests.oss2.scene import REAL, scene
from tests.support.peer_sdks import FORGETFUL, OLD_FASHIONED, forgotten_sockets_collected


@FORGETFUL
@OLD_FASHIONED
@pytest.mark.parametrize("told", BUGS)
def test_oss2_has_the_bug(
    told: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need("oss2")
    tls = tmp_path_factory.getbasetemp() / "tls"
    with forgotten_sockets_collected(), scene(REAL, tmp_path, monkeypatch, tls) as there:
        assert BUGS[told](there)
