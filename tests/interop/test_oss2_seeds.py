"""The Python programs of the documents run on oss2 itself: the layer was given the same ones."""

from pathlib import Path

import pytest
from tests.interop.conftest import need
from tests.oss2.programs import PROGRAMS, check
from tests.oss2.scene import REAL, scene
from tests.support.peer_sdks import FORGETFUL, OLD_FASHIONED, forgotten_sockets_collected


@FORGETFUL
@OLD_FASHIONED
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_runs_on_oss2(
    program: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need("oss2")
    with (
        forgotten_sockets_collected(),
        scene(REAL, tmp_path, monkeypatch, tmp_path_factory.getbasetemp() / "tls") as there,
    ):
        check(there, program)
