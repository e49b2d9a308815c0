"""Rules of the layout that the contracts of ``[tool.importlinter]`` cannot express."""

from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src"
MODULES = sorted(SOURCES.rglob("*.py"))
MEANINGLESS = {"utils", "helpers", "common", "misc"}
UTILS_OF_OSS2 = Path("cipherbucket/oss2/utils.py")
"""Programs written for oss2 import this name."""
LONGEST = {Path("cipherbucket/bucket.py"): 790, Path("cipherbucket/oss2/api.py"): 1600}
"""The signatures and docstrings of every verb of a bucket, and of oss2's one class."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_a_module_has_a_name_that_says_something_and_can_be_read_whole(path: Path) -> None:
    relative = path.relative_to(SOURCES)
    if relative != UTILS_OF_OSS2:
        assert not MEANINGLESS & set(relative.with_suffix("").parts)
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST.get(relative, 400)
