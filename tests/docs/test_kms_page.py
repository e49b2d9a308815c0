"""What docs/kms.md shows is run."""

import re
import subprocess
import sys
from pathlib import Path

from cipherbucket.server.kms import actions

PAGE = Path(__file__).parents[2] / "docs" / "kms.md"


def test_the_program_works(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "Hello KMS!\n"


def test_the_actions_are_those_that_there_are() -> None:
    (listed,) = re.findall(r"\*\*Actions\.\*\*(.*?);", PAGE.read_text("utf-8"), re.DOTALL)
    assert set(re.findall(r"`(\w+)`", listed)) == set(actions._ACTIONS)
