"""The program among others: pipes that break, signals, terminals."""

import os
import re
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
from tests.cli.runs import PROGRAM, base, error_of, on_terminal, program, read, succeed

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
        env=base(),
        start_new_session=True,
    )


def with_closed(number: int, *args: object) -> subprocess.CompletedProcess[bytes]:
    closed = f'exec "$@" {number}>&-'
    command = ["/bin/sh", "-c", closed, "sh", *PROGRAM, *map(str, args)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=base(), check=False, timeout=60
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
    assert b"without asking" in done.stderr
    assert bucket.exists("k")


@pytest.mark.parametrize("command", ["cat", "ls", "stat"])
def test_output_that_nobody_takes_is_an_error_in_one_line(
    url: str, bucket: cb.Bucket, key_file: Path, command: str
) -> None:
    bucket.put("k", b"data")
    done = with_closed(1, command, *(() if command == "ls" else ("-k", key_file)), f"{url}/k")
    said = b"cipherbucket: stdout: Bad file descriptor\n"
    assert (done.returncode, done.stderr) == (1, said)


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


@pytest.mark.parametrize("target", [(), ("-",), ("/dev/full",)])
def test_a_full_disk_is_told_with_what_is_full(
    big: str, key_file: Path, target: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            [*PROGRAM, "cp" if target else "cat", "-k", key_file, big, *target],
            stdout=full,
            stderr=subprocess.PIPE,
            env=base(),
            check=False,
        )
    assert run.returncode == 1
    place = b"/dev/full" if target == ("/dev/full",) else b"stdout"
    assert run.stderr == b"cipherbucket: %s: No space left on device\n" % place


@pytest.mark.parametrize("command", [("cat",), ("cp", "-"), ("ls",)])
def test_a_write_of_which_a_disk_takes_a_part_fails_though_it_is_unbuffered(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Without a buffer Python would be content with the part."""
    name = "x" * 1000  # a line of `ls` is longer than the file may be
    bucket.put(name, b"1" * 3000)
    verb, *target = command
    keyed = () if verb == "ls" else ("-k", key_file)
    limited = ("bash", "-c", 'ulimit -f 1; exec "$@"', "-")
    with (tmp_path / "out").open("wb") as out:
        run = subprocess.run(
            [*limited, *PROGRAM, *map(str, (verb, *keyed, f"{url}/{name}", *target))],
            stdout=out,
            stderr=subprocess.PIPE,
            env={**base(), "PYTHONUNBUFFERED": "1"},
            check=False,
        )
    assert run.stderr == b"cipherbucket: stdout: File too large\n"
    assert run.returncode == 1


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


def begun(folder: Path, process: subprocess.Popen[bytes]) -> list[Path]:
    """Wait until a download has a temporary file with something in it."""
    deadline = time.monotonic() + 30
    while not (found := list(folder.glob(".cipherbucket-*"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
    return found


@pytest.mark.parametrize("size", [10, 40])
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, b"interrupted"), (signal.SIGTERM, 143, b"terminated")],
)
def test_a_signal_while_downloading_leaves_what_the_same_command_goes_on_with(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tmp_path: Path,
    size: int,
    number: int,
    code: int,
    word: bytes,
) -> None:
    data = os.urandom(size << 20)
    bucket.put("huge", data)
    folder = tmp_path / "down"
    folder.mkdir()
    target = folder / "huge"
    target.write_bytes(b"old")
    command = ("cp", "-k", key_file, f"{url}/huge", target)
    with start(*command, "--limit-rate", "2M") as process:
        if size == 10:  # what is made in one piece has no name before it is whole
            left = []
            time.sleep(2)
            assert process.poll() is None
        else:
            left = begun(folder, process)
        time.sleep(0.3)
        process.send_signal(number)
        sent = time.monotonic()
        assert process.wait(60) == code
        assert time.monotonic() - sent < 5  # a second, where there is nothing else to do
        assert process.stderr is not None
        told = process.stderr.read()
    assert target.read_bytes() == b"old"
    if size == 10:  # in one piece: nothing is left
        assert list(folder.iterdir()) == [target]
        assert b"to go on" not in told
        return
    assert told == b"cipherbucket: " + word + b"; run the same command again to go on\n"
    assert sorted(folder.iterdir()) == sorted([*left, target])
    again = succeed(*command)
    assert target.read_bytes() == data
    assert "going on with a download, " in again.stderr
    assert list(folder.iterdir()) == [target]
    assert list(cb.abandoned()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_upload_goes_on_after_a_signal(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, number: int
) -> None:
    file = tmp_path / "huge"
    data = os.urandom(1 << 20) * 24
    file.write_bytes(data)
    command = ("cp", "-k", key_file, file, f"{url}/huge")
    options = ("--part-size", "1M", "--workers", "2", "--limit-rate", "8M")
    with start(*command, *options) as process:
        deadline = time.monotonic() + 30
        while journal_lines() < 8:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(60) == {2: 130, 9: -9, 15: 143}[number]
        assert process.stderr is not None
        told = process.stderr.read()
    assert (b"run the same command again to go on" in told) is (number != signal.SIGKILL)
    assert not bucket.exists("huge")
    assert len(bucket.uploads()) == 1
    again = succeed(*command)
    assert again.stdout == ""
    assert error_of(again).startswith("cipherbucket: 'huge': going on with an upload, ")
    assert read(bucket, "huge") == data
    assert list(bucket.uploads()) == []


def test_no_resume_begins_anew_and_quiet_says_nothing(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "huge"
    file.write_bytes(os.urandom(1 << 20) * 24)
    command = ("cp", "-k", key_file, file, f"{url}/huge", "--part-size", "1M")
    for option in ("--no-resume", "--quiet"):
        with start(*command, "--limit-rate", "4M") as process:
            while journal_lines() < 6:
                assert process.poll() is None
                time.sleep(0.02)
            process.kill()
        assert succeed(*command, option).stderr == ""
        assert list(bucket.uploads()) == []


def journal_lines() -> int:
    """Count the lines of the only journal."""
    journals = list(Path(os.environ["CIPHERBUCKET_STATE"]).glob("*.journal"))
    return sum(path.read_bytes().count(b"\n") for path in journals)


def test_what_is_to_be_ignored_is_ignored(url: str, bucket: cb.Bucket, key_file: Path) -> None:
    code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {PROGRAM[2]}"
    with subprocess.Popen(
        [*PROGRAM[:2], code, "cp", "-k", key_file, "-", f"{url}/a"],
        stdin=subprocess.PIPE,
        env=base(),
    ) as process:
        assert process.stdin is not None
        process.stdin.write(BIG)
        process.stdin.flush()
        process.send_signal(signal.SIGHUP)
        process.stdin.close()
        assert process.wait(60) == 0
    assert read(bucket, "a") == BIG


def test_no_bar_is_drawn_beside_another_program_on_the_terminal(
    big: str, url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    session = on_terminal("cp", "-k", key_file, big, "-", stdout_piped=True)
    assert (session.code, session.screen, session.stdout) == (0, "", BIG)
    session = on_terminal("cp", "-k", key_file, "-", f"{url}/a", stdin_piped=BIG)
    assert (session.code, session.screen, read(bucket, "a")) == (0, "", BIG)
    session = on_terminal("cp", "-r", "--json", "-k", key_file, url, tmp_path / "d")
    assert "B/s" not in session.screen


def test_lines_are_written_beside_another_program_where_they_are_asked_for(
    big: str, key_file: Path
) -> None:
    session = on_terminal("cp", "--progress", "-k", key_file, big, "-", stdout_piped=True)
    assert session.stdout == BIG
    assert re.search(r"big: 8.0 MiB of 8.0 MiB, [0-9.]+ [KMG]iB/s", session.screen)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_bar_shows_how_far_a_copy_is(
    big: str, key_file: Path, tmp_path: Path, columns: int
) -> None:
    session = on_terminal("cp", "-k", key_file, big, tmp_path / "file", columns=columns)
    assert session.code == 0
    assert "8.0 MiB of 8.0 MiB" in session.screen
    assert re.search(r"[0-9] [KMG]iB/s", session.screen), "a rate, however fast the machine is"


def test_the_bar_counts_a_tree(url: str, key_file: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("a", "b\x1b[2J[red]"):
        (tree / name).write_bytes(BIG)
    session = on_terminal("cp", "-k", key_file, "-r", tree, url)
    assert session.code == 0
    assert "2 of 2 objects" in session.screen
    assert "16.0 MiB of 16.0 MiB" in session.screen
    assert "copied 2 objects, 16.0 MiB" in session.screen
    assert "\x1b[2J" not in session.screen
    session = on_terminal("cp", "-k", key_file, "-r", url, tmp_path / "down")
    assert "2 of 2 objects" in session.screen
    assert "16.0 MiB of 16.0 MiB" in session.screen
    assert (tmp_path / "down" / "a").read_bytes() == BIG


def test_there_is_no_bar_where_it_would_disturb(big: str, key_file: Path, tmp_path: Path) -> None:
    assert on_terminal("cp", "-q", "-k", key_file, big, tmp_path / "x").screen == ""
    assert succeed("cp", "-k", key_file, big, tmp_path / "y").stderr == ""
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


@pytest.mark.parametrize(
    "module", ["cipherbucket", "cryptography", "click", "cipherbucket.cli.commands.ls"]
)
def test_an_interrupt_while_the_program_is_imported_is_one_line(module: str, url: str) -> None:
    code = f"""
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from cipherbucket_program import main
main()
"""
    done = subprocess.run(
        [PROGRAM[0], "-c", code, "ls", f"{url}/"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=base(),
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (130, b"")
    assert done.stderr.startswith(b"cipherbucket: interrupted")
    assert done.stderr.count(b"\n") == 1


def test_the_program_imports_nothing_before_it_takes_interrupts() -> None:
    code = (
        "import sys; before = {*sys.modules}; import cipherbucket_program;"
        "print(*{*sys.modules} - before)"
    )
    done = subprocess.run([PROGRAM[0], "-c", code], capture_output=True, env=base(), check=True)
    assert {*done.stdout.decode().split()} <= {"__future__", "_signal", "cipherbucket_program"}


def test_an_interrupt_that_was_ignored_when_the_program_began_stays_ignored(url: str) -> None:
    command = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", PROGRAM[0], "-c"]
    code = (
        "import os, signal; from cipherbucket_program import main;"
        "os.kill(os.getpid(), signal.SIGINT); main()"
    )
    done = subprocess.run(
        [*command, code, "--version"], capture_output=True, env=base(), check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_what_is_installed_as_the_program_takes_interrupts_from_the_start() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["scripts"] == {"cipherbucket": "cipherbucket_program:main"}
