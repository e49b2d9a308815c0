"""What is left out is named, and in CI nothing is; the programs in Go are formatted."""

import shutil
import subprocess

import pytest
from tests.interop import conftest, matrix, toolchains
from tests.interop.conftest import need
from tests.interop.matrix import OURS


def test_a_missing_toolchain_is_named_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    left_out: set[str] = set()
    monkeypatch.setattr(conftest, "_LEFT_OUT", left_out)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no java, javac, mvn"):
        need(OURS, "Java 1")
    assert left_out == {"Java 1 (no java, javac, mvn)"}


def test_a_missing_toolchain_is_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="nothing may be left out in CI"):
        need("Go 2")


def test_our_library_needs_no_toolchain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setenv("CI", "true")
    need(OURS)
    assert not toolchains.missing(matrix.TOOLCHAINS.get(OURS, ""))


def test_the_programs_in_go_are_formatted() -> None:
    need("Go 1")
    formatted = subprocess.run(
        ["gofmt", "-l", str(toolchains.HERE / "go")], capture_output=True, text=True, check=True
    )
    assert not formatted.stdout
