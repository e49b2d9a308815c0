"""The public API is what ``__all__`` says: complete, sorted, documented."""

import inspect
import subprocess
import sys
import types

import cipherbucket


def test_all_names_every_public_name_and_nothing_else() -> None:
    public = {
        name
        for name, value in vars(cipherbucket).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    packages = {"audit", "recipients", "rotation"}
    assert set(cipherbucket.__all__) == public | packages | {"__version__"}


def test_all_is_sorted() -> None:
    assert list(cipherbucket.__all__) == sorted(cipherbucket.__all__)


def test_every_public_class_and_function_and_method_is_documented() -> None:
    undocumented = []
    for name in cipherbucket.__all__:
        value = getattr(cipherbucket, name)
        if not callable(value):
            continue
        if not inspect.getdoc(value):
            undocumented.append(name)
        for member, method in vars(value).items() if inspect.isclass(value) else ():
            if callable(method) and not member.startswith("_") and not inspect.getdoc(method):
                undocumented.append(f"{name}.{member}")
    assert undocumented == []


def test_import_loads_nothing_that_only_the_command_line_needs() -> None:
    code = "import sys, cipherbucket; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "cipherbucket" in loaded
    assert not {"click", "rich", "asyncio", "urllib3", "requests"}.intersection(loaded)
