"""The public API is what ``__all__`` says: complete, sorted, documented."""

import ast
import inspect
import subprocess
import sys
import types

import pytest

import cipherbucket

OTHERS = {"import_module", "AsyncBucket"}
"""What the package uses itself, and what comes with an extra: it is there once it was used."""


def test_all_names_every_public_name_and_nothing_else() -> None:
    public = {
        name
        for name, value in vars(cipherbucket).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    later = set(cipherbucket._LATER)
    packages = {"audit", "recipients", "rotation"}
    assert set(cipherbucket.__all__) == (public | later | packages | {"__version__"}) - OTHERS


def test_what_is_imported_later_is_what_type_checkers_see() -> None:
    tree = ast.parse(inspect.getsource(cipherbucket))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and not node.orelse and "not" not in ast.unparse(node.test)
    )
    seen = {
        name.name: (node.module or "").removeprefix("cipherbucket").removeprefix(".")
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    packages = dict.fromkeys(cipherbucket._PACKAGES, "")
    assert seen == cipherbucket._LATER | packages
    assert {*seen, *cipherbucket.__all__} <= {*dir(cipherbucket)} | {"AsyncBucket"}


def test_names_that_there_are_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Buckets'"):
        getattr(cipherbucket, "Buckets")  # noqa: B009  as a program does


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


def test_import_loads_what_reads_and_writes_objects_and_no_more() -> None:
    code = "import sys, cipherbucket as cb; cb.open_bucket('memory://'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "cipherbucket" in loaded
    foreign = {"click", "rich", "asyncio", "urllib3", "requests", "anyio", "fsspec", "pyarrow"}
    standard = {"concurrent.futures", "csv", "socket", "tomllib", "multiprocessing"}
    ours = (
        "aio",
        "audit",
        "bulk",
        "config",
        "inventory",
        "keys.kms.key",
        "recipients",
        "reference",
    )
    assert not {*foreign, *standard}.intersection(loaded)
    assert not {f"cipherbucket.{each}" for each in (*ours, "reference", "rotation")}.intersection(
        loaded
    )
