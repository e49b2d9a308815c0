"""A store in a folder, and key files that are made once."""

import os
from pathlib import Path

import pytest
from tests.support.config_scenes import make_rules

import cipherbucket as cb


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CIPHERBUCKET_KEY", "CIPHERBUCKET_PASSPHRASE", "SHELL", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def made_key(path: Path, description: str, passphrase: str | None = None) -> Path:
    cb.create_rsa_key_file(
        path, description={"desc": description}, bits=2048, passphrase=passphrase
    )
    return path


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_key(tmp_path_factory.mktemp("key") / "cmk.pem", "mine")


@pytest.fixture(scope="session")
def other_key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_key(tmp_path_factory.mktemp("key") / "other.pem", "other")


@pytest.fixture(scope="session")
def namesake_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return another key with the description of the first."""
    return made_key(tmp_path_factory.mktemp("key") / "namesake.pem", "mine")


@pytest.fixture(scope="session")
def locked_key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_key(tmp_path_factory.mktemp("key") / "locked.pem", "locked", "open sesame")


@pytest.fixture
def ruled_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with the rules of `make_rules` and their keys."""
    make_rules(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CIPHERBUCKET_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of an empty store."""
    made = f"file://{tmp_path}/store"
    cb.make_bucket(made)
    return made


@pytest.fixture
def bucket(url: str, key_file: Path) -> cb.Bucket:
    """Return that store as the library sees it."""
    return cb.open_bucket(url, cb.load_key(key_file))


@pytest.fixture
def old_tree(tmp_path: Path) -> Path:
    """Return a folder of files that are an hour old."""
    root = tmp_path / "tree"
    for name, data in {"a.txt": b"22", "a/b/deep": b"3" * 40_000, "top é": b""}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        at = path.stat().st_mtime - 3600
        os.utime(path, (at, at))
    return root
