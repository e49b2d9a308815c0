"""What a person sees of a command: its terminal, of a width, as text.

Rule: what differs from run to run, such as times and ids, is replaced by a mark of the same length,
so that columns and line breaks stay as they are.
"""

from __future__ import annotations

import gc
import os
import pty
import re
import sys
import termios
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from cipherbucket.cli import main
from cipherbucket.cli.terminal import bars as _loaded_before_the_fork  # noqa: F401

_PATIENCE = 30.0
_LINES = 24
_TOKENS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|.", re.DOTALL)
_FINGERPRINT = "FINGERPRINT" * 3 + "FINGERPRIN"
_MARKS = (
    (r"\d{4}-\d\d-\d\d", "2026-01-31"),
    (r"\b\d\d:\d\d:\d\d(?=Z|\b)", "HH:MM:SS"),
    (r"\b\d\d:\d\d UTC", "HH:MM UTC"),
    (r"\.\d{8}T\d{12}", ".20260131THHMMSS000000"),
    (r"127\.0\.0\.1:\d{5}", "127.0.0.1:49152"),
    (r"\b[0-9A-F]{32}\b", "0123456789ABCDEF0123456789ABCDEF"),
    (r"\b[0-9A-F]{24}\b", "0123456789ABCDEF01234567"),
    (r"\b[0-9a-f]{32}\b", "0123456789abcdef0123456789abcdef"),
    (r"((?:SHA|AES)256:)[A-Za-z0-9+/]{43}", rf"\1{_FINGERPRINT}"),
)
"""What differs from run to run, and the mark of the same length that stands for it."""
_BAR = re.compile(r"^(.*?) +━.*?━[╸╺ ]* *([\d.,]+ \w+).*$", re.MULTILINE)
_COUNTER = re.compile(r"^[⠀-⣿ ] (?:[\d,]+ of )?([\d,]+ objects? [a-z ]+?)(?:  .*)?$", re.MULTILINE)


def on_screen(
    args: Sequence[str],
    *,
    columns: int,
    cwd: Path,
    environment: Mapping[str, str],
    typed: Sequence[tuple[str, str]] = (),
    marks: Sequence[tuple[str, str]] = (),
) -> tuple[str, int]:
    """Run a command in a forked child that has a terminal of its own.

    Args:
        args: The command.
        columns: Width of the terminal.
        cwd: The working folder.
        environment: All of the variables.
        typed: What is typed when which text is on the screen, in order.
        marks: Patterns of what differs from run to run, beside times and ids, and their marks.

    Returns:
        What is on the screen at the end, and the exit code.
    """
    child, terminal = pty.fork()
    if not child:
        _become(args, columns, cwd, environment)
    output = bytearray()
    waiting, seen = list(typed), 0
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # the child has left the terminal
            break
        if not data:
            break
        output += data
        assert time.monotonic() < deadline, output.decode()
        if waiting and (found := output.find(waiting[0][0].encode(), seen)) >= 0:
            seen = found + len(waiting[0][0])
            _wait_for_echo_off(terminal, waiting[0][0])
            os.write(terminal, waiting.pop(0)[1].encode())
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    text = output.decode()
    for pattern, mark in (*marks, *_MARKS):
        text = re.sub(pattern, mark, text)
    return _steadied(rendered(text, columns)), code


def _wait_for_echo_off(terminal: int, prompt: str) -> None:
    """Wait until what is typed is not shown, where it is a passphrase."""
    deadline = time.monotonic() + _PATIENCE
    while "assphrase" in prompt and termios.tcgetattr(terminal)[3] & termios.ECHO:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _become(args: Sequence[str], columns: int, cwd: Path, environment: Mapping[str, str]) -> None:
    """Go on as the program, and never come back."""
    code = 1
    gc.disable()  # it would copy what is shared with the parent
    try:
        termios.tcsetwinsize(0, (_LINES, columns))
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.argv = ["cipherbucket", *args]
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001  the transcript shows it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def rendered(output: str, columns: int) -> str:
    """Return what a terminal of a width shows in the end, of text with control sequences."""
    lines: list[list[str]] = [[]]
    row = column = 0
    for token in _TOKENS.findall(output):
        if token == "\r":
            column = 0
        elif token == "\n":
            row, column = row + 1, 0
        elif token.startswith("\x1b["):
            if token.endswith("A"):
                row -= int(token[2:-1] or 1)
            elif token.endswith("K"):
                del lines[row][0 if token == "\x1b[2K" else column :]
        else:
            if column == columns:
                row, column = row + 1, 0
            lines.extend([] for _ in range(row + 1 - len(lines)))
            lines[row] += " " * (column - len(lines[row]))
            lines[row][column : column + 1] = token
            column += 1
        lines.extend([] for _ in range(row + 1 - len(lines)))
    return "\n".join("".join(line).rstrip() for line in lines).rstrip("\n")


def _steadied(screen: str) -> str:
    """Leave out of progress what depends on the moment: rates, times, whether a total is known."""
    screen = _BAR.sub(lambda found: f"{_of_none(found[1])}  ━━━━  {found[2]}", screen)
    return _COUNTER.sub(r"  \1", screen)


def _of_none(label: str) -> str:
    return re.sub(r"^([\d,]+) of [\d,]+ ", r"\1 ", label)
