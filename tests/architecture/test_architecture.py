"""Rules of the layout that the order of imports does not tell, proved from the syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "cipherbucket"

# Libraries, and the areas or modules (with what is in them) that may import each.
FOREIGN = {
    "cryptography": {"format", "keys", "server.kms"},
    "sqlite3": {"bulk.ledger", "server", "stores"},
    "fastcrc": {"format.crc64"},
    "click": {"cli"},
    "rich": {"cli"},
    "urllib3": {"stores", "keys.kms.http"},
    "alibabacloud_oss_v2": {"stores"},
    "alibabacloud_credentials": {"credentials"},
    "alibabacloud_kms20160120": {"keys"},
    "alibabacloud_tea_openapi": {"keys"},
    "darabonba": {"keys"},
    "requests": {"keys.kms.http"},
    "starlette": {"server"},
    "uvicorn": {"server"},
}
FORBIDDEN_IN_FORMAT = {"os", "io", "socket", "time", "threading", "pathlib", "tempfile", "logging"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


OURS = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in modules()}


def name_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE).with_suffix("")
    parts = relative.parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in OURS else node.module


def ours(imported: str) -> str | None:
    if imported == "cipherbucket":
        return "__init__"
    prefix = "cipherbucket."
    return imported.removeprefix(prefix) if imported.startswith(prefix) else None


def test_no_module_is_imported_in_a_circle() -> None:
    graph = {
        name_of(path): {name for name in map(ours, imports_of(path)) if name} for path in modules()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module in done:
            return
        for imported in graph.get(module, ()):
            visit(imported, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_foreign_libraries_stay_where_they_belong(path: Path) -> None:
    name = name_of(path)
    for imported in imports_of(path):
        library = imported.partition(".")[0]
        if library in FOREIGN:
            assert any(f"{name}.".startswith(f"{home}.") for home in FOREIGN[library]), (
                f"{name} imports {library}"
            )


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_the_format_does_no_input_or_output(path: Path) -> None:
    if name_of(path).startswith("format"):
        roots = {imported.partition(".")[0] for imported in imports_of(path)}
        assert not roots & FORBIDDEN_IN_FORMAT


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_the_command_line_has_no_back_door(path: Path) -> None:
    # It uses the public face; beside that it may start the endpoint.
    if not name_of(path).startswith("cli"):
        return
    for imported in filter(None, map(ours, imports_of(path))):
        assert imported == "__init__" or imported.startswith(("cli", "server")), imported


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_no_module_is_a_drawer(path: Path) -> None:
    if name_of(path) != "oss2.utils":  # a name of oss2, which programs import
        assert not {"utils", "helpers", "common", "misc"} & set(name_of(path).split("."))
    assert len(path.read_text("utf-8").splitlines()) <= 450
