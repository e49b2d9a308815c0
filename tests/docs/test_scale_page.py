"""What docs/scale.md shows is run."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.runs import invoke
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


@pytest.fixture
def examplebucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Go to a folder with two keys, and make a store of 40 objects under the old one."""
    monkeypatch.chdir(tmp_path)
    old = cb.create_rsa_key_file("old.pem", description={"desc": "old"}, bits=2048)
    cb.create_rsa_key_file("new.pem", description={"desc": "new"}, bits=2048)
    with cb.open_bucket(f"file://{tmp_path}/store", old) as bucket:
        for number in range(40):
            bucket.put(f"{number}", b"1")
    return f"file://{tmp_path}/store"


@contextmanager
def running(command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of Dask while the block runs."""
    words = [sys.executable, "-m", *command.split()]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.filterwarnings("default")  # of dask
def test_a_cluster_by_hand(examplebucket: str) -> None:
    pytest.importorskip("distributed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    scheduler, worker, command = (
        block.strip().replace("8786", f"{port}").replace("oss://examplebucket", examplebucket)
        for block in blocks(PAGE, "bash")
    )
    with running(f"{scheduler} --no-dashboard"), running(worker) as workers:
        for _ in range(60):  # the scheduler may not answer yet, or have no workers
            result = invoke(*command.split()[1:])
            if result.exit_code == 0:
                break
            assert "scheduler" in result.stderr
            assert workers.poll() is None
            time.sleep(0.5)
    assert "40" in result.output
    with cb.open_bucket(examplebucket, cb.load_key("new.pem")) as bucket:
        assert bucket.get("7").read() == b"1"


def test_the_manifest_of_kubernetes(examplebucket: str, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")  # comes with dask
    text = (ROOT / "examples" / "dask-cluster.yaml").read_text("utf-8")
    config, claim, cluster, job = yaml.safe_load_all(text)
    assert cluster["apiVersion"] == "kubernetes.dask.org/v1"
    spec = cluster["spec"]
    assert spec["scheduler"]["service"]["selector"] == {
        "dask.org/cluster-name": cluster["metadata"]["name"],
        "dask.org/component": "scheduler",
    }
    pod = job["spec"]["template"]["spec"]
    pods: list[Any] = [spec["worker"]["spec"], spec["scheduler"]["spec"], pod]
    for each in pods:
        (container,) = each["containers"]
        volumes = {volume["name"] for volume in each.get("volumes", ())}
        assert volumes == {mount["name"] for mount in container.get("volumeMounts", ())}
    assert claim["metadata"]["name"] in str(pod["volumes"])
    (container,) = pod["containers"]
    words = [str(word) for word in container["args"]]
    at = words.index("--dask")
    assert words[at + 1] == f"tcp://{cluster['metadata']['name']}-scheduler:8786"
    words[at : at + 2] = ["--processes", "1"]
    file = tmp_path / "cipherbucket.toml"
    given = config["data"]["cipherbucket.toml"].replace("/etc/cipherbucket", str(tmp_path))
    file.write_text(re.sub(r'oss://.*"\nregion = .*', f'{examplebucket}"', given))
    words[words.index("/etc/cipherbucket/cipherbucket.toml")] = str(file)
    result = invoke(*words[1:])
    assert result.exit_code == 0, result.output + result.stderr
    assert "40" in result.output
