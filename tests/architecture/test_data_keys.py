"""What holds a data key is neither pickled nor copied: every such class, found by its annotations.

A class holds one if it is given one, or makes one of its own, or holds something that does.
"""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cipherbucket.errors import UsageError
from cipherbucket.oss2.exceptions import ClientError

SOURCES = Path(__file__).parents[2] / "src"
FIRST = {"Ctr", "CtrStream", "Sealed", "ContentCipher", "PlainBody"}
"""Ciphers, what decrypts with them, and the protocols of both."""
KEYLESS = {"ContentCipher", "PlainBody", "AESCTRCipher"}
"""The protocols; and a cipher that has a key only sometimes (tests/unit/oss2/test_crypto.py)."""
OTHERS = {("cipherbucket.oss2.http", "Session"), ("cipherbucket.stores.local.uploads", "Uploads")}
"""Of the same name as one that holds a data key."""
BY_PATH = {("cipherbucket.filesystem.files", "FileToRead")}
"""Pickled as a path, and opened again (tests/unit/filesystem/test_files.py)."""


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    for path in SOURCES.rglob("*.py"):
        module = ".".join(path.relative_to(SOURCES).with_suffix("").parts)
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                yield module, node


def held(node: ast.ClassDef) -> set[str]:
    """Return the names in the annotations of what an object keeps."""
    kept: list[ast.AST] = []
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            kept += [each.annotation for each in part.args.args if each.annotation is not None]
        if isinstance(part, ast.AnnAssign) and (
            part in node.body or ast.unparse(part.target).startswith("self.")
        ):
            kept.append(part.annotation)
    return {
        name.id
        for annotation in kept
        if not ast.unparse(annotation).startswith("Callable")  # it draws a key when it is called
        for name in ast.walk(annotation)
        if isinstance(name, ast.Name)
    }


def holders() -> list[tuple[str, str]]:
    every = list(classes())
    found = set(FIRST)
    while (
        more := {
            node.name
            for _, node in every
            if (held(node) & found or {ast.unparse(base) for base in node.bases} & found)
            and node.name not in found
        }
        - KEYLESS
    ):
        found |= more
    named = [(module, node.name) for module, node in every if node.name in found - KEYLESS]
    return [each for each in named if each not in OTHERS | BY_PATH]


@pytest.mark.parametrize(("module", "name"), holders())
def test_what_holds_a_data_key_is_not_pickled_or_copied(module: str, name: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    assert kind.__reduce_ex__ is object.__reduce_ex__  # which calls the other
    with pytest.raises((UsageError, ClientError), match="cannot be pickled or copied"):
        kind.__reduce__(None)
