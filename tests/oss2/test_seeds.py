"""Every Python program of the documents runs on the layer."""

import pytest
from tests.oss2.programs import PROGRAMS, SEEDS, check
from tests.oss2.scene import Scene


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_runs_and_leaves_ciphertext(layer: Scene, program: str) -> None:
    check(layer, program)


def test_every_program_lists_what_was_adapted() -> None:
    assert len(PROGRAMS) == 9
    for program in PROGRAMS:
        text = (SEEDS / f"{program}.py").read_text("utf-8")
        assert text.startswith("# Adapted:\n#   imports: oss2 -> cipherbucket.oss2\n"), program
