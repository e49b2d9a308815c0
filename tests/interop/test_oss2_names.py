"""The names that are kept for the tests of the layer are those of oss2 2.19.1."""

from tests.interop.conftest import need
from tests.oss2.names import FILE, committed, real_names, written
from tests.oss2.scene import REAL, load


def test_the_names_are_those_of_oss2() -> None:
    need("oss2")
    assert load(REAL).__version__ == "2.19.1"
    names = real_names()
    assert committed() == names
    assert written(names) == FILE.read_text("utf-8")
