"""What becomes of a command whose stdout goes away, or is full."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.runs import PROGRAM, base, on_terminal
from tests.cli.screens import rendered
from tests.cli.test_help import commands

import cipherbucket as cb
from cipherbucket.cli import cli
from cipherbucket.cli.failures import FEW, Failures
from cipherbucket.cli.wrapping import wrapped


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    for number in range(3000):
        (root / f"{number}").write_bytes(b"")
    return root


COMMANDS = [
    ("cp", "-rn", "{tree}", "{url}/x"),
    ("cp", "-r", "--json", "{tree}", "{url}/x"),
    ("mv", "-r", "--json", "{tree}", "{url}/x"),
    ("sync", "-n", "{tree}", "{url}/x"),
    ("sync", "--json", "{tree}", "{url}/x"),
    ("rm", "-rn", "{url}/there"),
    ("rm", "-rf", "--json", "{url}/there"),
]
KEYLESS = {"rm"}


def run(command: tuple[str, ...], url: str, tree: Path, key_file: Path, shell: str) -> object:
    words = [word.format(url=url, tree=tree) for word in command]
    if words[0] not in KEYLESS:
        words += ["-k", str(key_file)]
    return subprocess.run(
        ["bash", "-c", f'"$@" {shell}', "-", *PROGRAM, *words],
        env=base(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ("| head -1 >/dev/null; exit ${PIPESTATUS[0]}", 141, ""),
        (">/dev/full", 1, "cipherbucket: stdout: No space left on device\n"),
    ],
    ids=["head", "full"],
)
@pytest.mark.each_value
def test_a_reader_that_goes_away_or_a_full_disk_is_no_failure_of_an_object(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tree: Path,
    command: tuple[str, ...],
    shell: str,
    code: int,
    said: str,
) -> None:
    for number in range(1500 if command[0] == "rm" else 0):
        bucket.put(f"there/{number}", b"")
    done = run(command, url, tree, key_file, shell)
    assert isinstance(done, subprocess.CompletedProcess)
    assert (done.returncode, done.stderr) == (code, said)


_FULL = os.strerror(errno.ENOSPC)
PRINTING = [
    ("--help",),
    ("--version",),
    ("completion", "bash"),
    *((*name.split(), "--help") for name, _ in commands()),
]


@pytest.mark.parametrize("args", PRINTING, ids=" ".join)
def test_help_for_a_full_disk_is_one_line_and_for_a_reader_who_is_gone_nothing(
    args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    for end, code, said in (
        (os.open("/dev/full", os.O_WRONLY), 1, f"cipherbucket: stdout: {_FULL}\n"),
        (write_end, 141, ""),
    ):
        with os.fdopen(end, "w") as stdout, monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stdout)
            with pytest.raises(SystemExit) as ended:
                cli.main(args)
        assert (ended.value.code, capsys.readouterr().err) == (code, said)


@pytest.mark.parametrize("args", [("--help",), ("--version",), ("completion", "bash")])
@pytest.mark.parametrize(
    ("shell", "said"), [(">/dev/full", errno.ENOSPC), (">&-", errno.EBADF)], ids=["full", "closed"]
)
@pytest.mark.each_value
def test_the_program_ends_in_one_line_without_a_stdout(
    args: tuple[str, ...], shell: str, said: int
) -> None:
    done = subprocess.run(
        ["bash", "-c", f'"$@" {shell}', "-", *PROGRAM, *args],
        env=base(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    line = f"cipherbucket: stdout: {os.strerror(said)}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_failures_are_gathered_by_kind() -> None:
    failures = Failures()
    for number in range(1000):
        failures.add(f"a{number:03}", f"'a{number:03}': access denied (request {number:08X})")
    for name in ("z", "y"):
        failures.add(name, "the disk is full")
    assert failures.count == 1002
    assert list(failures.lines()) == [
        f"'a000', 'a001', 'a002' and {1000 - FEW} more: 'a000': access denied (request 00000000)",
        "'y': the disk is full",
        "'z': the disk is full",
    ]


def test_failures_of_too_many_kinds_do_not_get_the_reason_of_another() -> None:
    failures = Failures()
    words = [f"{first}{second}" for first in "abcdefghij" for second in "abcdefghij"]
    for word in words:
        failures.add(f"name of {word}", f"the reason is {word}")
    lines = list(failures.lines())
    told = [f"'name of {word}': the reason is {word}" for word in words[: len(lines) - 1]]
    assert lines == [*told, f"and {len(words) - len(told)} more, for other reasons"]


def test_text_for_a_terminal_is_broken_at_blanks_alone() -> None:
    text = "name  " + "a word-with-hyphens and/a/path " * 6 + "SHA256:" + "x" * 60
    for columns in (40, 80, 120):
        lines = wrapped(text, io.StringIO(), 6, columns).splitlines()
        assert " ".join(lines).split() == text.split()
        assert all(len(line) <= columns or " " not in line.strip() for line in lines)
        assert all(line.startswith("      ") for line in lines[1:])
    assert wrapped(f"a {'x' * 60}", io.StringIO(), 14, 61) == f"a\n {'x' * 60}"
    assert wrapped(text, io.StringIO(), 6) == text  # no terminal: one line


def test_a_label_stays_on_the_row_of_a_word_that_is_too_long_for_any() -> None:
    path = "/" + "long" * 30
    lines = wrapped(f"cipherbucket: {path}: there is none", io.StringIO(), 14, 80).splitlines()
    assert lines == [f"cipherbucket: {path}:", f"{' ' * 14}there is none"]


def test_no_word_of_an_error_is_broken_on_a_terminal(url: str, key_file: Path) -> None:
    session = on_terminal("cat", "-k", key_file, f"{url}/a-name/that-is/rather-long-indeed")
    words = session.screen.split()
    assert f"'{'a-name/that-is/rather-long-indeed'}':" in words
    assert all(len(line) <= 80 for line in session.screen.splitlines())


@pytest.mark.parametrize("option", ["-v", "--json"])
def test_where_a_line_is_written_for_each_object_no_bar_is_drawn_over_it(
    url: str, key_file: Path, tmp_path: Path, option: str
) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    for number in range(12):
        (folder / f"file-{number}").write_bytes(b"1")
    session = on_terminal("cp", "-r", option, "-k", key_file, folder, f"{url}/x", columns=400)
    lines = rendered(session.screen, 400).splitlines()
    word = "cipherbucket: copied " if option == "-v" else '{"action": "copied"'
    assert sum(line.startswith(word) for line in lines[:-1]) == 12
    assert len(lines) == 13
    assert lines[-1] == "cipherbucket: copied 12 objects, 12 bytes"
