"""The floors of the house, proved from the syntax trees.

A module imports only from lower floors; on floor 4, `bucket` stands on its mates. Stores and keys
never know each other, nor the format. The primitives of ``cryptography`` are used in ``format``
and ``keys`` alone, and by the local KMS.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "cipherbucket"

# Module, or folder of modules, by floor; the longest match counts.
FLOORS = {
    "errors": 0,
    "_version": 0,
    "description": 0.1,
    "checksum": 0.1,
    "progress": 0.1,
    "pace": 0.1,
    "credentials": 1,
    "format": 1,
    "keys": 2,
    "stores": 2,
    "policy": 3,
    "seal": 3.1,
    "unseal": 3.1,
    "info": 3.1,
    "source": 4,
    "ciphertext": 4.05,
    "decryption": 4,
    "unlocking": 4.05,
    "reader": 4.1,
    "bound_object": 4.13,
    "range_runs": 4.14,
    "object_file": 4.15,
    "object_writer": 4.15,
    "plain_file": 4.06,
    "transfer": 4.15,
    "writer": 4.1,
    "keyless": 4.14,
    "refused": 4.1,
    "replacing": 4,
    "uploading": 4.12,
    "streaming": 4.123,
    "storing": 4.125,
    "multipart": 4.15,
    "copies": 4.14,
    "custody": 4.15,
    "rewrap": 4.16,
    "reencrypt": 4.17,
    "rotation_report": 4.02,
    "rotation": 4.175,
    "journal": 4,
    "beginning": 4.13,
    "between": 4.135,
    "comparison": 4.14,
    "parallel": 4,
    "file_at": 4,
    "ledger": 4.01,
    "walk": 4.02,
    "upload_session": 4.155,
    "upload": 4.16,
    "download": 4.16,
    "transfers": 4.18,
    "files": 4.19,
    "audit_object": 4.13,
    "audit_kms": 4.135,
    "audit_look": 4.14,
    "audit_retire": 4.135,
    "audit_summary": 4.14,
    "audit_facts": 4.15,
    "audit_report": 4.16,
    "audit_style": 4,
    "audit_charts": 4.15,
    "audit_page": 4.16,
    "audit": 4.17,
    "verification": 4.15,
    "inspection": 4.19,
    "bucket": 4.2,
    "opening": 4.3,
    "toml_lines": 0.1,
    "config_reading": 0.2,
    "config_checks": 0.3,
    "config_entries": 4.3,
    "config_bucket": 4.31,
    "config_keys": 4.31,
    "config": 4.32,
    "__init__": 4.9,
    "oss2": 5,
    "server": 5,
    "cli": 5.1,
    "__main__": 5.2,
}
SIDE_BY_SIDE = {("keys", "stores"), ("stores", "keys"), ("keys", "format"), ("stores", "format")}
# Libraries, and the areas or modules (with what is in them) that may import each.
FOREIGN = {
    "cryptography": {"format", "keys", "server.kms"},
    "sqlite3": {"ledger", "server", "stores"},
    "fastcrc": {"checksum"},
    "click": {"cli"},
    "rich": {"cli"},
    "urllib3": {"stores", "keys.kms_http"},
    "alibabacloud_oss_v2": {"stores"},
    "alibabacloud_credentials": {"credentials"},
    "alibabacloud_kms20160120": {"keys"},
    "alibabacloud_tea_openapi": {"keys"},
    "darabonba": {"keys"},
    "requests": {"keys.kms_http"},
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


def area_of(module: str) -> str:
    """Return the entry of FLOORS that a module belongs to."""
    return module if module in FLOORS else module.partition(".")[0]


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


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_every_module_has_a_floor(path: Path) -> None:
    assert area_of(name_of(path)) in FLOORS


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_modules_import_only_from_lower_floors(path: Path) -> None:
    module = area_of(name_of(path))
    for imported in filter(None, map(ours, imports_of(path))):
        target = area_of(imported)
        if target != module:
            assert FLOORS[target] <= FLOORS[module], f"{module} imports {imported}"
            assert (module, target) not in SIDE_BY_SIDE, f"{module} imports {imported}"


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


def test_a_file_that_breaks_a_floor_would_be_caught(tmp_path: Path) -> None:
    culprit = tmp_path / "culprit.py"
    culprit.write_text("def f():\n    from cipherbucket.keys.rsa import RsaKey\n")
    assert [ours(name) for name in imports_of(culprit)] == ["keys.rsa"]
    assert area_of("keys.rsa") == "keys"
    assert ("stores", "keys") in SIDE_BY_SIDE
