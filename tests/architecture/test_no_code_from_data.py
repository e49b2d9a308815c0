"""Nothing that comes from a store, a file or another process is run as code, or unpickled."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"
MODULES = {
    *("cloudpickle", "copyreg", "dill", "joblib", "jsonpickle", "marshal", "pickle", "shelve"),
    *("yaml", "ruamel"),
}
CALLS = {"__import__", "compile", "eval", "exec", "execfile"}
IMPORTS_BY_NAME = {
    ("cipherbucket/__init__.py", "import_module"),
    ("cipherbucket/cli/__init__.py", "import_module"),
}
"""Of public names and of commands: the table is in the same file."""


def found(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from {each.name.partition(".")[0] for each in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            yield from {(node.module or "").partition(".")[0]} & MODULES
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in {*CALLS, "import_module"}:
                yield node.func.id
            if isinstance(node.func, ast.Attribute) and node.func.attr == "import_module":
                yield node.func.attr
            if any(each.arg == "allow_pickle" for each in node.keywords):
                yield "allow_pickle"


def test_no_code_is_made_of_data() -> None:
    everything = {
        (path.relative_to(SOURCES).as_posix(), name)
        for path in SOURCES.rglob("*.py")
        for name in found(ast.parse(path.read_text("utf-8")))
    }
    assert everything == IMPORTS_BY_NAME


def test_it_would_be_found() -> None:
    text = "import pickle\nfrom yaml import load\neval('1')\nnumpy.load(f, allow_pickle=True)"
    assert sorted(found(ast.parse(text))) == ["allow_pickle", "eval", "pickle", "yaml"]
