"""``cipherbucket.toml`` on disk: where it is found, whose it may be, and what cannot be read."""

import os
import stat
from pathlib import Path

import pytest
from tests.support.config_scenes import write_config

import cipherbucket as cb


def test_where_the_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, home, named = tmp_path / "here", tmp_path / "config", write_config(tmp_path, "")
    for folder in (here, home / "cipherbucket"):
        folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.delenv("CIPHERBUCKET_CONFIG", raising=False)
    monkeypatch.chdir(here)
    assert cb.find_config() is None
    with pytest.raises(cb.UsageError, match=r"no cipherbucket\.toml"):
        cb.load_config()
    for path in (home / "cipherbucket" / "cipherbucket.toml", here / "cipherbucket.toml"):
        path.write_text("")
        path.chmod(0o600)
        assert cb.find_config() == path
        assert cb.load_config().path == path
    monkeypatch.setenv("CIPHERBUCKET_CONFIG", str(named))
    assert cb.load_config().path == named
    assert cb.load_config(here / "cipherbucket.toml").path == here / "cipherbucket.toml"


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_could_have_written_is_refused(tmp_path: Path, mode: int) -> None:
    path = write_config(tmp_path, "")
    path.chmod(mode)
    with pytest.raises(cb.UsageError, match="can be written by other users") as raised:
        cb.load_config(path)
    assert raised.value.hint == f"chmod go-w {path}"


def test_a_file_of_another_user_is_used_only_if_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_config(tmp_path, "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CIPHERBUCKET_CONFIG", raising=False)
    owner = path.stat().st_uid
    if owner == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(cb.UsageError, match="belongs to another user"):
        cb.load_config()
    assert cb.load_config(path).path == path
    monkeypatch.setenv("CIPHERBUCKET_CONFIG", str(path))
    assert cb.load_config().path == path


def test_a_link_of_another_user_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    link = tmp_path / "here" / "cipherbucket.toml"
    link.symlink_to(write_config(tmp_path, ""))
    monkeypatch.chdir(link.parent)
    monkeypatch.delenv("CIPHERBUCKET_CONFIG", raising=False)
    assert cb.load_config().path == link
    ours = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        status = list(ours(path))
        status[stat.ST_UID] = 12345  # only root could give the link away
        return os.stat_result(status)

    monkeypatch.setattr(Path, "lstat", lstat)
    with pytest.raises(cb.UsageError, match="belongs to another user"):
        cb.load_config()


def test_what_is_no_file_is_refused_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, words in (("pipe", "no regular file"), ("nothing", "cannot be read")):
        with pytest.raises(cb.UsageError, match=words):
            cb.load_config(tmp_path / name)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    for data, words in ((b"a = 1\n\n\xff", r"c\.toml:3: no UTF-8"), (b"#" * (1 << 21), "bytes")):
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(cb.UsageError, match=words):
            cb.load_config(path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = " + "[" * 100_000, ""),
        ("\n" + "a." * 200_000 + "a = 1", ":2"),  # in whose square tomllib takes its time
        ("[" + '"a" . ' * 100_000 + "a]", ":1"),
        ("a = " + ("{" + "a." * 30 + "a = ") * 60 + "1" + "}" * 60, ""),
    ],
)
def test_what_is_nested_deeply_keeps_nobody_waiting(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(cb.UsageError, match=rf"c\.toml{line}:.*(nested too deeply|no TOML)"):
        cb.load_config(path)


def test_what_windows_puts_before_a_text_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf[stores.r]\r\nurl = 'memory://r'\r\nregoin = 1\r\n")
    path.chmod(0o600)
    with pytest.raises(cb.UsageError, match=r"c\.toml:3: \[stores\.r\] regoin"):
        cb.load_config(path)


def test_without_a_home_or_a_working_folder_there_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("CIPHERBUCKET_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert cb.find_config() is None
