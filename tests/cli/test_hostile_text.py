"""Names and texts of others say nothing to a terminal, whatever the command, with --debug too."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.runs import invoke, on_terminal

import cipherbucket as cb
from cipherbucket import oss2
from cipherbucket.text import PrintableFormatter, printable_traceback

UGLY = (
    "\x1b[31m \x07\x08 \x7f \x9b31m \x85 \xad \u061c \u200b\u200e\u200f \u2028\u2029"
    " \u202a\u202b\u202c\u202d\u202e \u2066\u2067\u2068\u2069 \ufeff \U000e0041"
    " \ncipherbucket: all is well\r\tx"
)
COMMANDS = [
    ("ls", "-r"),
    ("ls", "-l"),
    ("stat", "one"),
    ("verify", "-r"),
    ("verify", "one"),
    ("audit",),
    ("audit", "--retire", f"desc={UGLY}"),
    ("cat", "gone"),
    ("rm", "-r"),
    ("rm", "-r", "-f"),
    ("rotate", "-r"),
    ("rotate", "one"),
    ("reencrypt", "-r"),
    ("repair", "one"),
    ("repair", "-rvn"),
    ("du",),
    ("recipients", "list", "-r"),
    ("recipients", "add", "-rvn", "--recipient", "other.key"),
    ("recipients", "add", "-n", "--recipient", "other.key", "one"),
    ("diff", "down"),
    ("repair", "--index"),
    ("transfers",),
    ("mb",),
    ("cp", "-r", "down"),
    ("sync", "down"),
    ("sync", "--dry-run", "down"),
    ("keys", "check", "one"),
    ("keys", "list"),
    ("nonsense" + UGLY,),
]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """Return a store in which all that others choose is ugly, and a key whose file is."""
    monkeypatch.chdir(tmp_path)
    folder = f"file://{tmp_path}/store{UGLY}"
    cb.make_bucket(folder)
    key = tmp_path / f"k{UGLY}.key"
    cb.create_aes_key_file(tmp_path / "other.key", description={"desc": "other"})
    made = cb.create_aes_key_file(key, description={"desc": UGLY})
    with cb.open_bucket(folder, made, format="sealed") as bucket:
        bucket.put(f"a{UGLY}", b"1")
        bucket.put(f"x/{UGLY}", b"1")
    with cb.open_store(folder) as store:
        store.put(f"plain{UGLY}", b"1", metadata={"a": "\x80\x9b\u202e"})
        broken = {"client-side-encryption-key": "\x80\u202e", "cipherbucket-seal": "\u202e"}
        store.put(f"broken{UGLY}", b"1", metadata=broken)
    (tmp_path / f"down{UGLY}").mkdir()
    (tmp_path / f"down{UGLY}" / f"a{UGLY}").write_text("other")
    return folder, key


def line_of(command: tuple[str, ...], folder: str, key: Path) -> list[str]:
    """Return a command's whole line; its last word is a place, if it is one."""
    *options, last = command
    keyed = ["-k", str(key), "--format", "sealed"]
    if options == ["cp", "-r"] or options[:1] in (["sync"], ["diff"]):
        return [*options, *keyed, f"{folder}/", f"{last}{UGLY}"]
    if last in {"one", "gone"}:
        name = f"a{UGLY}" if last == "one" else UGLY
        taken = [] if options[0] == "repair" else ["-k", str(key)]
        return [*options, *taken, f"{folder}/{name}"]
    if command[0] in {"verify", "rotate", "reencrypt"} or "-rvn" in command:
        return [*command, "-k", str(key), f"{folder}/"]
    if command[:2] == ("keys", "list"):
        return [*command, "-k", str(key)]
    return [*command] if "nonsense" in last else [*command, f"{folder}/"]


def assert_printable(text: str) -> None:
    for line in text.split("\n"):
        assert line.isprintable(), repr(line)
        assert not line.startswith("cipherbucket: all is well")


@pytest.mark.parametrize("debug", [(), ("--debug",)], ids=["", "debug"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0].partition("\x1b")[0])
def test_no_command_writes_a_name_raw(
    scene: tuple[str, Path], command: tuple[str, ...], debug: tuple[str, ...]
) -> None:
    result = invoke(*debug, *line_of(command, *scene))
    assert_printable(result.stdout)
    assert_printable(result.stderr)


def test_on_a_terminal_nothing_is_raw_but_the_bars(scene: tuple[str, Path]) -> None:
    folder, key = scene
    for line in (["ls", "-lr", f"{folder}/"], ["stat", "-k", key, f"{folder}/a{UGLY}"]):
        screen = on_terminal(*line).screen
        assert_printable(screen.replace("\r\n", "\n"))
    asked = on_terminal("rm", "-r", f"{folder}/", answers=[("[y/N]", "n\n")]).screen
    assert_printable(asked.replace("\r\n", "\n"))
    shown = on_terminal("verify", "-r", "-k", key, f"{folder}/").screen
    assert not {*"\x07\x08\x9b\x85\u202e\u2066\u061c\u2028\xad"} & {*shown}
    assert "\x1b[31m \x07" not in shown


def test_programs_get_names_exactly(scene: tuple[str, Path]) -> None:
    lines = invoke("ls", "--json", "-r", f"{scene[0]}/").stdout.splitlines()
    assert {json.loads(line)["name"] for line in lines} >= {f"a{UGLY}", f"x/{UGLY}"}
    assert all(line.isprintable() for line in lines)


def test_what_an_error_quotes_is_no_line_of_the_traceback() -> None:
    try:
        try:
            raise ValueError(UGLY)
        except ValueError as error:
            raise OSError(f"broken {UGLY}") from error
    except OSError as error:
        text = printable_traceback(error)
    assert_printable(text)
    assert "direct cause" in text
    assert text.count("Traceback (most recent call last):") == 2
    assert "\\x1b[31m" in text


def test_a_record_of_the_log_is_one_line_and_its_traceback() -> None:
    try:
        raise ValueError(UGLY)
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("x", logging.INFO, "f", 1, "of %s", (UGLY,), info)
    text = PrintableFormatter("%(name)s %(message)s").format(record)
    assert_printable(text)
    assert text.startswith("x of \\x1b[31m")
    assert "\nTraceback (most" in text


def test_the_log_of_the_oss2_layer_is_printable_too(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("cipherbucket.test-of-text")
    oss2.set_stream_logger(log.name)
    log.warning("of %s", UGLY)
    log.removeHandler(log.handlers[0])
    assert_printable(capsys.readouterr().err)


def test_what_nobody_catches_is_printable_too() -> None:
    code = (
        "import logging, sys, threading, cipherbucket.cli as cli\n"
        "def fail(*_): raise ValueError(sys.argv[1])\n"
        "class Ending:\n    __del__ = fail\n"
        "def main():\n"
        "    thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "    ending = Ending(); del ending\n"
        "    logging.getLogger('other').error(sys.argv[1])\n"
        "    fail()\n"
        "cli.cli.main = main\n"
        "cli.main()\n"
    )
    done = program_of(code)
    assert done.count("Traceback (most recent call last):") == 3
    assert done.count("x1b[31m") == 4
    assert_printable(done)


def program_of(code: str) -> str:
    argument = UGLY.encode(errors="surrogateescape")
    command: list[str | bytes] = [sys.executable, "-c", code, argument]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, env=os.environ)
    assert done.returncode == 1
    return done.stderr.decode()
