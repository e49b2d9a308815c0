"""What docs/scale.md shows is run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.documents import ROOT, blocks
from tests.support.inventories import Line, of_oss

import cipherbucket as cb
from cipherbucket.cli import cli

PAGE = ROOT / "docs" / "scale.md"


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    written = of_oss([Line("exampleobject.txt", bucket="examplebucket")])
    written.further["sourceBucket"] = "examplebucket"
    return written.below(tmp_path / "inventory")


def test_the_program_runs(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program, *_ = blocks(PAGE, "python")
    old = cb.AesKey(bytes(range(32)), description={"desc": "2025"})
    bucket = cb.open_bucket("memory://examplebucket", old)
    bucket.put("exampleobject.txt", b"1")
    bucket.put("later", b"2")
    exec(compile(program, str(PAGE), "exec"), {})
    printed = capsys.readouterr().out
    assert "1 done" in printed.splitlines()[0]
    assert "2026-11-29 00:00:00+00:00" in printed
    assert {each.format for each in map(bucket.head, ["exampleobject.txt", "later"])} == {"sealed"}


def test_the_program_with_workers_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    old = cb.create_rsa_key_file("old.pem", description={"desc": "old"}, bits=2048)
    cb.create_rsa_key_file("new.pem", description={"desc": "new"}, bits=2048)
    with cb.open_bucket(f"file://{tmp_path}/store", old) as bucket:
        for number in range(9):
            bucket.put(f"{number}", b"1")
    _, program, *_ = blocks(PAGE, "python")
    exec(compile(program, str(PAGE), "exec"), {"cb": cb, "store_url": f"file://{tmp_path}/store"})
    assert "9 done" in capsys.readouterr().out


def test_the_program_that_copies_runs(
    key: cb.RsaKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = (each for each in blocks(PAGE, "python") if "copy_all" in each)
    with cb.open_bucket(f"file://{tmp_path}/store", key) as bucket:
        for number in range(9):
            bucket.put(f"{number}", b"1")
        for status in ("9 copied", "9 same"):
            exec(compile(program, str(PAGE), "exec"), {"cb": cb, "bucket": bucket})
            assert status in capsys.readouterr().out


def test_the_commands_run(inventory: Path, tmp_path: Path) -> None:
    commands = "\n".join(blocks(PAGE, "sh"))
    assert inventory.is_file()
    store = tmp_path / "examplebucket"
    old = cb.create_rsa_key_file(tmp_path / "old.pem", description={"desc": "old"})
    cb.create_rsa_key_file(tmp_path / "new.pem", description={"desc": "new"})
    with cb.open_bucket(f"file://{store}", old) as bucket:
        bucket.put("exampleobject.txt", b"1")
    for line in filter(None, commands.splitlines()):
        words = line.replace("file:///data/examplebucket", f"file://{store}").split()[1:]
        with pytest.raises(SystemExit) as ended:
            cli.main(words, standalone_mode=True)
        assert ended.value.code in {0, None, 7}, os.linesep.join(words)
    with cb.open_bucket(f"file://{store}", old) as bucket:
        envelope = bucket.head("exampleobject.txt").envelope
        assert envelope is not None
        assert dict(envelope.recipients[0].description) == {"desc": "new"}
