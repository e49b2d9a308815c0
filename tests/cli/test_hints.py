"""Hints of the library, which speak of Python, as the command line gives them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.runs import invoke

import cipherbucket as cb
from cipherbucket.cli.hints import in_options

SOURCES = Path(cb.__file__).parent
OTHERS = {"aio", "cli", "filesystem", "oss2", "server"}
PYTHON = re.compile(r"\b[a-z_]+=(?!\w)|\b[a-z_]+=['\[{]|\bPolicy\(|\b[A-Za-z_]+\.[a-z_]+\(|\w\(\)")
FOR_PROGRAMS = {
    "envelopes/access.py",  # Policy([format, ...])
    "envelopes/policy.py",  # turned with the message that it follows
    "format/span.py",
    "keys/kms/client.py",
    "keys/kms/key.py",
    "keys/ring.py",
    "keys/rsa.py",
    "local_files/paths.py",
    "objects/copy.py",
    "reference.py",
    "writing/put.py",
    "writing/readers.py",
}
"""Modules whose hints left are about arguments that no command gives."""
CREDENTIALS = {
    "OSS was not asked; look at what credentials= was given",
    "look at what credentials= was given",
}


def text_of(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text_of, node.values))
    if isinstance(node, ast.BinOp):
        return text_of(node.left) + text_of(node.right)
    if isinstance(node, ast.FormattedValue) and node.conversion == ord("r"):
        return "'x'"
    return str(node.value) if isinstance(node, ast.Constant) else "X"


def hints() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCES.rglob("*.py")):
        relative = path.relative_to(SOURCES)
        if relative.parts[0] in OTHERS:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "hint":
                value = node.value
                if isinstance(value, ast.Name):
                    value = constants.get(value.id, value)
                yield f"{relative}", text_of(value)


def test_no_hint_names_what_only_python_has() -> None:
    left = [
        (where, spoken)
        for where, text in hints()
        if PYTHON.search(spoken := in_options(text))
        and not (where in FOR_PROGRAMS or spoken in CREDENTIALS)
    ]
    assert left == []


@pytest.mark.parametrize("command", ["rotate", "reencrypt", "verify", "audit"])
def test_reasons_in_json_name_options(
    command: str, url: str, key_file: Path, tmp_path: Path
) -> None:
    with cb.open_bucket(url, cb.load_key(key_file), format="sealed") as bucket:
        bucket.put("a", b"1")
        bucket.put("b", b"2", context={"of": "us"})
        bucket.access.store.put("c", b"plain")
    asked = [] if command == "audit" else ["-r", "--format", "sealed"]
    result = invoke(command, *asked, "--json", "-k", key_file, url)
    assert '"reason' in result.stdout
    assert not PYTHON.search(result.stdout), result.stdout
