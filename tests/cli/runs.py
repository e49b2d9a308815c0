"""Running the command line: inside this process, as a program, and on a terminal."""

import os
import pty
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

import cipherbucket as cb
from cipherbucket.cli import cli
from cipherbucket.cli.options.addresses import ADDRESSES

PROGRAM = (sys.executable, "-c", "from cipherbucket_program import main; main()")
_ON_TERMINAL = (
    *PROGRAM[:2],
    f"import fcntl, termios; fcntl.ioctl(2, termios.TIOCSCTTY, 0); {PROGRAM[2]}",
)


def base() -> dict[str, str]:
    """Return the environment of a program: nothing of the user's, and journals of the test's."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CIPHERBUCKET", "OSS_"))
        and name not in {"COLUMNS", "LINES"}
    }
    return {**ours, "CIPHERBUCKET_STATE": os.environ["CIPHERBUCKET_STATE"]}


def invoke(
    *args: object, stdin: bytes = b"", env: Mapping[str, str | None] | None = None
) -> Result:
    """Run a command in this process, which keeps its environment."""
    ours = {name: os.environ.get(name) for name in ADDRESSES}
    return CliRunner().invoke(
        cli,
        [str(arg) for arg in args],
        prog_name="cipherbucket",
        input=stdin,
        env={**ours, **(env or {})},
    )


def succeed(*args: object, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Result:
    """Run a command that must not fail."""
    result = invoke(*args, stdin=stdin, env=env)
    assert result.exit_code == 0, result.output
    return result


def error_of(result: Result) -> str:
    """Return the one line on stderr."""
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def program(
    *args: object, stdin: bytes = b"", env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the program, without any terminal."""
    return subprocess.run(
        [*PROGRAM, *map(str, args)],
        input=stdin,
        capture_output=True,
        env={**base(), **(env or {})},
        cwd=cwd,
        check=False,
        timeout=60,
        start_new_session=True,
    )


@dataclass
class Session:
    """What came of a program on a terminal."""

    code: int
    screen: str
    stdout: bytes


def on_terminal(
    *args: object,
    answers: Sequence[tuple[str, str]] = (),
    stdout_piped: bool = False,
    stdin_piped: bytes | None = None,
    cwd: Path | None = None,
    columns: int = 80,
    env: Mapping[str, str] | None = None,
) -> Session:
    """Run the program with a terminal of its own.

    Args:
        args: The command.
        answers: What to type when which text is on the screen, in order.
        stdout_piped: Collect stdout from a pipe; else it is the terminal.
        stdin_piped: Feed this through a pipe; else stdin is the terminal.
        cwd: The working folder.
        columns: Width of the terminal.
        env: What its environment has beside that of `base`.
    """
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    process = subprocess.Popen(
        [*_ON_TERMINAL, *map(str, args)],
        stdin=slave if stdin_piped is None else subprocess.PIPE,
        stdout=subprocess.PIPE if stdout_piped else slave,
        stderr=slave,
        env={**base(), "TERM": "xterm", **(env or {})},
        cwd=cwd,
        start_new_session=True,
    )
    os.close(slave)
    piped = bytearray()
    screen = bytearray()
    threads = [threading.Thread(target=_collect, args=(master, screen))]
    if process.stdout is not None:
        threads.append(threading.Thread(target=_collect, args=(process.stdout.fileno(), piped)))
    for thread in threads:
        thread.start()
    if process.stdin is not None:
        assert stdin_piped is not None
        process.stdin.write(stdin_piped)
        process.stdin.close()
    seen = 0
    for prompt, answer in answers:
        deadline = time.monotonic() + 30
        while (found := bytes(screen).find(prompt.encode(), seen)) < 0:
            assert time.monotonic() < deadline, f"{prompt!r} did not come: {bytes(screen)!r}"
            time.sleep(0.01)
        seen = found + len(prompt)
        time.sleep(0.05)  # until the echo is off
        os.write(master, answer.encode())
    code = process.wait(60)
    for thread in threads:
        thread.join(10)
    if process.stdout is not None:
        process.stdout.close()
    os.close(master)
    return Session(code, bytes(screen).decode(errors="replace"), bytes(piped))


def _collect(descriptor: int, into: bytearray) -> None:
    while True:
        try:
            data = os.read(descriptor, 1 << 16)
        except OSError:  # what Linux says when the last process has left the terminal
            return
        if not data:
            return
        into += data


def read(bucket: cb.Bucket, name: str) -> bytes:
    """Read an object."""
    with bucket.get(name) as stream:
        return stream.read()


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, by their relative names."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def synced(*args: object) -> str:
    """Run a sync that must not fail, and return its last line."""
    return succeed("sync", *args).stderr.splitlines()[-1].removeprefix("cipherbucket: ")


def planned(*args: object) -> list[str]:
    """Return what a sync would do, sorted."""
    result = succeed("sync", "--dry-run", *args)
    lines = result.stdout.splitlines()
    copied = [line for line in lines if line.startswith("would copy")]
    begins = f"would copy {len(copied):,} object" if lines else "nothing to do"
    assert result.stderr.splitlines()[-1].startswith(f"cipherbucket: {begins}")
    names = [line.removeprefix("would copy ").rpartition(" (")[0] for line in copied]
    assert names == sorted(names, key=os.fsencode)
    return sorted(lines)
