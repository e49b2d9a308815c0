"""What is said where ``cipherbucket.toml``, or a part of it, is missing, and of ``sync -r``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.runs import base, error_of, invoke, succeed
from tests.support.config_scenes import write_config

import cipherbucket as cb


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CIPHERBUCKET_CONFIG", raising=False)
    return tmp_path


def test_a_store_by_name_without_a_file_that_names_it(folder: Path) -> None:
    for args in (("ls", "records://"), ("cat", "records://a"), ("cp", "-", "records://a")):
        result = invoke(*args)
        assert result.exit_code == 2
        assert "no cipherbucket.toml was found that could name a store 'records'" in error_of(
            result
        )
        assert f"in this folder, above it and in {folder}/home/cipherbucket" in result.stderr
        assert "--config FILE or CIPHERBUCKET_CONFIG" in result.stderr
    assert "is not the URL of a store" in error_of(invoke("ls", "kms://bucket"))


def test_a_writing_key_without_a_description_is_warned_of(folder: Path) -> None:
    for name in ("bare", "old", "mine"):
        cb.create_rsa_key_file(f"{name}.pem", description={"desc": name}, bits=2048)
    Path("bare.pem.json").unlink()
    Path("old.pem.json").unlink()
    write_config(
        folder,
        '[keys.bare]\nrsa = "bare.pem"\nformats = ["oss"]\n[keys.mine]\nrsa = "mine.pem"\n'
        '[keys.old]\nrsa = "old.pem"\nformats = ["sealed"]\nread_only = true\n'
        "[[rules]]\nat = 'memory://a'\nwrite = 'mine'\nread = []\n",
    )
    for options in ((), ("--json",)):
        result = invoke("keys", *options)
        warned = [line for line in result.stderr.splitlines() if "warning" in line]
        assert len(warned) == 1
        assert "warning: key bare writes without a description" in warned[0]
    write_config(folder, '[keys.bare]\nrsa = "bare.pem"\n')
    assert "without a description" in succeed("keys").stderr


def test_check_tells_that_the_rule_does_not_let_it_be_read(folder: Path) -> None:
    for name in ("mine", "old"):
        cb.create_rsa_key_file(f"{name}.pem", description={"desc": name}, bits=2048)
    url = f"file://{folder}/store"
    cb.make_bucket(url)
    cb.open_bucket(url, cb.load_key("mine.pem")).put("oss", b"1")
    for name in ("mine", "old"):
        with cb.open_bucket(url, cb.load_key(f"{name}.pem"), format="sealed") as bucket:
            bucket.put(name, b"1")
    write_config(
        folder,
        f'[stores.records]\nurl = "{url}"\n[keys.mine]\nrsa = "mine.pem"\n'
        '[keys.old]\nrsa = "old.pem"\n'
        '[[rules]]\nat = "records"\nwrite = "mine"\nread = []\nformat = "sealed"\n',
    )
    assert succeed("keys", "check", "records://mine").stdout.count("\n") == 1
    for name, why in (("oss", "this bucket accepts sealed"), ("old", "these read here: mine")):
        yes, refused = succeed("keys", "check", f"records://{name}").stdout.splitlines()
        assert yes.startswith("yes: ")
        assert refused.startswith(f"but by {folder}/cipherbucket.toml it is not read: ")
        assert why in refused
        assert invoke("cat", f"records://{name}").exit_code != 0
    assert succeed("keys", "check", "records://old", "-k", "old").stdout.count("\n") == 1


def test_sync_says_that_it_is_always_recursive(folder: Path) -> None:
    for option in ("-r", "--recursive"):
        result = invoke("sync", option, "a", "file:///nowhere")
        assert result.exit_code == 2
        assert "sync is always recursive" in result.output
    assert "--recursive" not in succeed("sync", "--help").stdout


def test_it_runs_as_a_module(folder: Path) -> None:
    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cipherbucket", *args],
            capture_output=True,
            text=True,
            env=base(),
            check=False,
        )

    assert run("--version").stdout == f"cipherbucket {cb.__version__}\n"
    assert "Usage: cipherbucket " in run("--help").stdout
    made = run("keygen", "cmk.pem", "--bits", "2048")
    assert made.returncode == 0, made.stderr
    assert json.loads(Path("cmk.pem.json").read_text())["fingerprint"] in made.stdout
