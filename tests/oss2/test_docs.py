"""The Python and the commands of `docs/oss2.md` and `docs/migration.md` are run."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.oss2.scene import Scene, key_pair, program_environment

import cipherbucket as cb

DOCS = Path(__file__).parent.parent.parent / "docs"


def blocks(document: str, language: str) -> list[str]:
    text = (DOCS / document).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(there: Scene, command: list[str]) -> str:
    environment = {
        **os.environ,
        **program_environment(there),
        "OSS_REGION": there.oss.region,
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    result = subprocess.run(
        command,
        cwd=there.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


def test_the_migration_page(layer: Scene) -> None:
    layer_import, oss_v2, moved = blocks("migration.md", "python")
    key = layer.folder / "cmk.pem"
    key.write_text(key_pair()["private_key"])
    key.chmod(0o600)
    (layer.folder / "program.py").write_text(f"{layer_import}\n{oss_v2}")
    run(layer, [sys.executable, "program.py"])
    metadata = layer.metadata("exampleobject.txt")
    assert metadata["client-side-encryption-matdesc"] == '{"desc": "2026"}'
    described = cb.RsaKey.from_pem(key_pair()["private_key"], description={"desc": "2026"})
    with cb.Bucket(layer.store(), cb.KeyRing(described)).get("exampleobject.txt") as answer:
        assert answer.read() == b"Hello OSS!"
    assert "def move(old, names)" in moved


def test_moving_from_another_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = blocks("migration.md", "python")[-1]
    monkeypatch.chdir(tmp_path)
    cb.create_aes_key_file(tmp_path / "vault.key", description={"desc": "vault"})
    (tmp_path / "vault").mkdir()
    cb.make_bucket(f"file://{tmp_path}/vault")
    names: dict[str, Any] = {}
    exec(moved.replace("file:///data/vault", f"file://{tmp_path}/vault"), names)

    class Old:
        def get_object(self, **asked: str) -> dict[str, io.BytesIO]:
            assert asked["Bucket"] == "old-bucket"
            return {"Body": io.BytesIO(asked["Key"].encode() * 1000)}

    names["move"](Old(), ["a", "b"])
    bucket = names["bucket"]
    assert [entry.name for entry in bucket.list()] == ["a", "b"]
    assert bucket.get("b").read() == b"b" * 1000
    assert bucket.head("b").envelope is not None


def test_the_command_of_the_migration_page(layer: Scene) -> None:
    (command,) = blocks("migration.md", "sh")
    run(layer, ["cipherbucket", "keygen", "cmk.pem", "--description", "desc=2026"])
    key = cb.load_key(layer.folder / "cmk.pem")
    cb.Bucket(layer.store(), cb.KeyRing(key)).put("exampleobject.txt", b"Hello OSS!")
    assert run(layer, ["bash", "-euc", command]).startswith("yes: cmk.pem opens it")


def test_every_key_of_the_page_is_what_it_says() -> None:
    pair = rsa.generate_private_key(65537, 2048)
    key = cb.RsaKey(pair, description='{"desc": "2026"}')
    assert dict(key.description) == {"desc": "2026"}


def test_the_page_of_oss2(layer: Scene) -> None:
    (program,) = blocks("oss2.md", "python")
    (layer.folder / "program.py").write_text(program)
    run(layer, [sys.executable, "program.py"])
    assert layer.store().head("motto.txt").size == 1024 * 1024
    assert layer.stored("motto.txt")[:16] != b"a" * 16


def test_the_page_names_every_bug() -> None:
    told = (DOCS / "oss2.md").read_text("utf-8")
    rows = told.partition("## What is better")[2].partition("\n## ")[0]
    assert rows.count("\n| ") - 2 >= 17
