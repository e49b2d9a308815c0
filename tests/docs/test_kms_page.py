"""What docs/kms.md shows is run."""

import re
from pathlib import Path

from tests.support.documents import ROOT, blocks, run

from cipherbucket.server.kms import actions

PAGE = ROOT / "docs" / "kms.md"


def test_the_program_works(tmp_path: Path) -> None:
    (program,) = blocks(PAGE, "python")
    (tmp_path / "program.py").write_text(program)
    assert run("python program.py", tmp_path) == "Hello KMS!\n"


def test_the_actions_are_those_that_there_are() -> None:
    (listed,) = re.findall(r"\*\*Actions\.\*\*(.*?);", PAGE.read_text("utf-8"), re.DOTALL)
    assert set(re.findall(r"`(\w+)`", listed)) == set(actions._ACTIONS)
