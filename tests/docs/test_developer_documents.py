"""CONTRIBUTING.md and the glossary are true: commands, folders, files, public names, words."""

import re
import tomllib
from pathlib import Path

import cipherbucket as cb

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_every_command_of_a_developer_exists() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z]+)\b", CONTRIBUTING)) - {"us"} <= set(targets)
    programs = re.findall(r"`(?:\.venv/bin/python -m pytest )?([\w./]+/[\w.]+)`", CONTRIBUTING)
    assert {".ci/run", "src/cipherbucket", "tests/unit"} <= set(programs)
    assert [name for name in programs if not (ROOT / name).exists()] == []


def test_every_folder_of_tests_is_explained() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")} | {"vectors"}
    named = CONTRIBUTING.partition("## Where things are")[2].partition("## ")[0]
    assert {folder for folder in folders if not re.search(rf"`(tests/)?{folder}`", named)} == set()


def test_every_package_is_explained_in_its_order() -> None:
    table = ARCHITECTURE.partition("| package |")[2].partition("\n\n")[0]
    named = [
        name
        for line in table.splitlines()
        for name in re.findall(r"`(\w+)(?:/|\.py)`", line.split("|")[1])
    ]
    order = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = next(each["layers"] for each in order["contracts"] if each["type"] == "layers")
    places = {name: at for at, layer in enumerate(layers[::-1]) for name in layer.split(" | ")}
    assert set(named) == {name for name in places if not name.startswith("_")}
    assert [places[name] for name in named] == sorted(places[name] for name in named)


def test_every_file_of_the_architecture_exists() -> None:
    package = ROOT / "src" / "cipherbucket"
    paths = re.findall(r"`([a-z_0-9]+/[a-z_0-9/]*(?:\.py)?)`", ARCHITECTURE)
    named = [path for path in paths if not path.startswith(("docs/", "tests/"))]
    places = (package, *(each for each in package.iterdir() if each.is_dir()))
    assert len(named) > 20
    assert [path for path in named if not any((place / path).exists() for place in places)] == []


def rows() -> list[list[str]]:
    lines = [line for line in GLOSSARY.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "word"]


def test_every_word_of_the_glossary_has_one_meaning_and_a_source() -> None:
    words = [word for row in rows() for word in row[0].split(", ")]
    assert len(words) == len(set(words))
    assert [row for row in rows() if len(row) != 3 or not all(row)] == []


def test_every_class_of_the_glossary_exists() -> None:
    sources = "".join(p.read_text("utf-8") for p in (ROOT / "src/cipherbucket").rglob("*.py"))
    classes = {*re.findall(r"^class (\w+)", sources, re.MULTILINE), *cb.__all__}
    assert set(re.findall(r"`([A-Z][a-z]\w+)(?:\.\w+)?`", GLOSSARY)) <= classes


def test_every_file_of_the_glossary_exists() -> None:
    paths = re.findall(r"`([a-z_]+/[a-z_]+\.py)`", GLOSSARY)
    assert [path for path in paths if not (ROOT / "src" / "cipherbucket" / path).is_file()] == []
