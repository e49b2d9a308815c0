"""What is open already: ``-``, ``/dev/stdin``, ``/dev/fd/3``; and what is closed or full."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.cli.runs import PROGRAM, base, error_of, invoke, read, succeed

import cipherbucket as cb

_CLOSED = "cipherbucket: stdin is not open for reading\n"


def in_shell(redirection: str, *args: object) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *PROGRAM, *map(str, args)]
    return subprocess.run(
        command, capture_output=True, env=base(), check=False, timeout=60, text=True
    )


@pytest.mark.parametrize("source", ["-", "/dev/stdin", "/dev/fd/0", "link"])
def test_a_stdin_that_is_closed_is_no_empty_one(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, source: str
) -> None:
    bucket.put("precious", b"data")
    if source == "link":
        (tmp_path / "link").symlink_to("/dev/stdin")
        source = str(tmp_path / "link")
    done = in_shell("<&-", "cp", "-k", key_file, source, f"{url}/precious")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", _CLOSED)
    assert read(bucket, "precious") == b"data"


def test_no_file_is_read_from_a_stdin_that_is_closed(key_file: Path) -> None:
    for source in ("-", "/dev/stdin"):
        done = in_shell("<&-", "cat", "-k", key_file, source)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", _CLOSED)


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("purpose", ["reading", "writing"])
def test_what_is_not_open_for_it_is_named(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, purpose: str, is_closed: bool
) -> None:
    bucket.put("a", b"data")
    flags = os.O_WRONLY if purpose == "reading" else os.O_RDONLY
    opened = os.open(tmp_path / "file", flags | os.O_CREAT)
    path = f"/dev/fd/{987_654 if is_closed else opened}"
    ends = (path, f"{url}/b") if purpose == "reading" else (f"{url}/a", path)
    result = invoke("cp", "-k", key_file, *ends)
    os.close(opened)
    assert result.exit_code == 2
    assert error_of(result) == f"cipherbucket: {path} is not open for {purpose}\n"
    assert [entry.name for entry in bucket.list()] == ["a"]


def test_an_error_of_the_system_may_name_a_descriptor(
    url: str, key_file: Path, tmp_path: Path
) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    result = invoke("cp", "-k", key_file, f"/dev/fd/{folder}", f"{url}/b")
    os.close(folder)
    assert result.exit_code == 1
    assert error_of(result) == f"cipherbucket: /dev/fd/{folder}: Is a directory\n"


@pytest.mark.parametrize("source", ["/dev/stdin", "/dev/fd/0", "//dev/./stdin"])
def test_other_names_of_stdin_are_as_the_short_one(
    url: str, bucket: cb.Bucket, key_file: Path, source: str
) -> None:
    succeed("cp", "-k", key_file, "--size", "4", source, f"{url}/a", stdin=b"data")
    assert read(bucket, "a") == b"data"
    nameless = invoke("cp", "-k", key_file, source, f"{url}/folder/", stdin=b"data")
    assert nameless.exit_code == 2
    assert "what comes from stdin has no name" in error_of(nameless)
    moved = invoke("mv", "-k", key_file, source, f"{url}/b", stdin=b"data")
    assert moved.exit_code == 2
    assert error_of(moved) == "cipherbucket: mv is not for pipes and devices (use cp)\n"
    wrong = invoke("cp", "-k", key_file, "--size", "1", source, f"{url}/a", stdin=b"data")
    assert "the length of the body was given as 1, and it has 4" in error_of(wrong)
    assert [entry.name for entry in bucket.list()] == ["a"]


def test_an_open_file_is_read_from_where_it_stands(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"head body")
    with (tmp_path / "file").open("rb", buffering=0) as file:
        file.seek(5)
        succeed("cp", "-k", key_file, f"/dev/fd/{file.fileno()}", f"{url}/a")
        assert file.read() == b""
    assert read(bucket, "a") == b"body"


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2</dev/null"])
def test_what_cannot_be_said_changes_no_exit_code(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, redirection: str
) -> None:
    bucket.put("a", b"data")
    for code, args in (
        (0, ("cp", "-r", "-v", "-k", key_file, url, tmp_path / "all")),
        (3, ("cp", "-k", key_file, f"{url}/nothing", tmp_path / "nothing")),
        (2, ("cp", "--wrong")),
    ):
        done = in_shell(redirection, *args)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
    assert (tmp_path / "all" / "a").read_bytes() == b"data"
