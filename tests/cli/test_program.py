"""The program among others: pipes that break, signals, terminals."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.cli.runs import BASE, PROGRAM, on_terminal, program, read

import cipherbucket as cb

BIG = os.urandom(1 << 20) * 8


@pytest.fixture
def big(url: str, bucket: cb.Bucket) -> str:
    bucket.put("big", BIG)
    return f"{url}/big"


def start(*args: object, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PROGRAM, *map(str, args)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=BASE,
        start_new_session=True,
    )


def with_closed(number: int, *args: object) -> subprocess.CompletedProcess[bytes]:
    closed = f'exec "$@" {number}>&-'
    command = ["/bin/sh", "-c", closed, "sh", *PROGRAM, *map(str, args)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=BASE, check=False, timeout=60
    )


def test_a_name_that_the_locale_cannot_write_is_escaped(url: str, bucket: cb.Bucket) -> None:
    bucket.put("日", b"data")
    done = program("ls", f"{url}/", env={"PYTHONIOENCODING": "latin-1"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"  \\u65e5\n")


def test_a_copy_needs_neither_stdin_nor_stderr(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"data")
    for number in (0, 2):
        done = with_closed(number, "cp", "-k", key_file, tmp_path / "file", f"{url}/{number}")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert read(bucket, str(number)) == b"data"


def test_deleting_without_a_stdin_to_ask_is_refused(url: str, bucket: cb.Bucket) -> None:
    bucket.put("k", b"data")
    done = with_closed(0, "rm", "-r", f"{url}/")
    assert done.returncode == 2
    assert b"unasked" in done.stderr
    assert bucket.exists("k")


@pytest.mark.parametrize("command", ["cat", "ls", "stat"])
def test_output_that_nobody_takes_is_an_error_in_one_line(
    url: str, bucket: cb.Bucket, key_file: Path, command: str
) -> None:
    bucket.put("k", b"data")
    done = with_closed(1, command, *(() if command == "ls" else ("-k", key_file)), f"{url}/k")
    assert (done.returncode, done.stderr) == (1, b"cipherbucket: Bad file descriptor\n")


@pytest.mark.parametrize("command", ["cat", "cp", "ls"])
def test_a_reader_that_goes_away_is_no_error(
    url: str, bucket: cb.Bucket, big: str, key_file: Path, command: str
) -> None:
    if command == "ls":
        for number in range(150):  # more than a pipe holds
            bucket.copy("big", f"{'x' * 900}{number}")
    args = {
        "cat": ("cat", "-k", key_file, big),
        "cp": ("cp", "-k", key_file, big, "-"),
        "ls": ("ls", url),
    }
    with start(*args[command]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def test_a_full_disk_behind_stdout_is_told(big: str, key_file: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            [*PROGRAM, "cat", "-k", key_file, big],
            stdout=full,
            stderr=subprocess.PIPE,
            env=BASE,
            check=False,
        )
    assert run.returncode == 1
    assert run.stderr == b"cipherbucket: No space left on device\n"


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, b"cipherbucket: interrupted; what was not finished has been undone\n"),
        (signal.SIGTERM, 143, b""),
        (signal.SIGHUP, 129, b""),
    ],
)
def test_a_signal_while_uploading_leaves_nothing(
    url: str, bucket: cb.Bucket, key_file: Path, number: int, code: int, line: bytes
) -> None:
    with start("cp", "-k", key_file, "-", f"{url}/a", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(BIG)  # it has begun when it has taken so much
        process.stdin.flush()
        process.send_signal(number)
        assert process.wait(60) == code
        assert process.stderr.read() == line
    assert list(bucket.list()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_downloading_leaves_nothing(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, number: int
) -> None:
    bucket.put("huge", (BIG for _ in range(40)))
    folder = tmp_path / "down"
    folder.mkdir()
    target = folder / "huge"
    target.write_bytes(b"old")
    with start("cp", "-k", key_file, f"{url}/huge", target) as process:
        deadline = time.monotonic() + 30
        while not list(folder.glob(".cipherbucket-*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
        process.send_signal(number)
        assert process.wait(60) in {130, 143}
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert list(folder.iterdir()) == [target]
    assert target.read_bytes() == b"old"


def test_what_is_to_be_ignored_is_ignored(url: str, bucket: cb.Bucket, key_file: Path) -> None:
    code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {PROGRAM[2]}"
    with subprocess.Popen(
        [*PROGRAM[:2], code, "cp", "-k", key_file, "-", f"{url}/a"],
        stdin=subprocess.PIPE,
        env=BASE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(BIG)
        process.stdin.flush()
        process.send_signal(signal.SIGHUP)
        process.stdin.close()
        assert process.wait(60) == 0
    assert read(bucket, "a") == BIG


@pytest.mark.parametrize("columns", [80, 120])
def test_the_bar_is_on_stderr_and_piped_output_is_byte_exact(
    big: str, key_file: Path, columns: int
) -> None:
    session = on_terminal("cp", "-k", key_file, big, "-", stdout_piped=True, columns=columns)
    assert session.code == 0
    assert session.stdout == BIG
    assert "8.0/8.0 MiB" in session.screen
    assert "MiB/s" in session.screen


def test_the_bar_shows_an_upload_from_a_pipe(url: str, bucket: cb.Bucket, key_file: Path) -> None:
    session = on_terminal("cp", "-k", key_file, "-", f"{url}/a", stdin_piped=BIG)
    assert session.code == 0
    assert "8.0/8.0 MiB" in session.screen
    assert read(bucket, "a") == BIG


def test_the_bar_counts_a_tree(url: str, key_file: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("a", "b\x1b[2J[red]"):
        (tree / name).write_bytes(BIG)
    session = on_terminal("cp", "-k", key_file, "-r", tree, url)
    assert session.code == 0
    assert "16.0/16.0 MiB" in session.screen
    assert "copied 2 objects, 16.0 MiB" in session.screen
    assert "\x1b[2J" not in session.screen
    session = on_terminal("cp", "-k", key_file, "-r", url, tmp_path / "down")
    assert "16.0/16.0 MiB" in session.screen
    assert (tmp_path / "down" / "a").read_bytes() == BIG


def test_there_is_no_bar_where_it_would_disturb(big: str, key_file: Path, tmp_path: Path) -> None:
    assert on_terminal("cp", "-q", "-k", key_file, big, tmp_path / "x").screen == ""
    assert program("cp", "-k", key_file, big, tmp_path / "y").stderr == b""
    to_screen = on_terminal("cp", "-k", key_file, f"{big}", "-", columns=200).screen
    assert "MiB/s" not in to_screen


def test_an_interrupt_at_a_question_changes_nothing(tmp_path: Path) -> None:
    session = on_terminal("keygen", tmp_path / "k", answers=[("find this key", "\x03")])
    assert session.code == 130
    assert "interrupted" in session.screen
    assert list(tmp_path.iterdir()) == []


def test_an_end_of_input_at_a_question_changes_nothing(tmp_path: Path) -> None:
    session = on_terminal(
        *("keygen", tmp_path / "k", "-d", "a=b", "--passphrase"),
        answers=[("New passphrase", "\x04")],
    )
    assert session.code == 130
    assert list(tmp_path.iterdir()) == []
