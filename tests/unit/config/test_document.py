"""``cipherbucket.toml`` on disk: whose it may be, and what cannot be read."""

import os
from pathlib import Path

import pytest

import cipherbucket as cb


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


def test_a_number_of_very_many_digits_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"[stores.r]\nattempts = {'9' * 5000}\n")
    with pytest.raises(cb.UsageError, match=r"c\.toml: a number is too long"):
        cb.load_config(path)


def test_what_windows_puts_before_a_text_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf[stores.r]\r\nurl = 'memory://r'\r\nregoin = 1\r\n")
    path.chmod(0o600)
    with pytest.raises(cb.UsageError, match=r"c\.toml:3: \[stores\.r\] regoin"):
        cb.load_config(path)
