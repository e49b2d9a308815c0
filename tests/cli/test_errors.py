"""One line and one exit code for everything that goes wrong."""

import fcntl
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from tests.cli.runs import error_of, invoke, program, succeed

import cipherbucket as cb
from cipherbucket.cli import cli, hints
from cipherbucket.cli.errors import EXIT_CODES, exit_code, one_line
from cipherbucket.text import amount, printable

CODES = {
    "BindingError": 5,
    "CipherbucketError": 1,
    "EnvelopeError": 5,
    "IntegrityError": 5,
    "KmsError": 4,
    "MasterKeyError": 4,
    "MissingExtraError": 1,
    "NoMatchingKeyError": 4,
    "ObjectChangedError": 5,
    "ObjectNotFoundError": 3,
    "PolicyError": 5,
    "PreconditionFailedError": 1,
    "ObjectExistsError": 1,
    "WorkerLostError": 1,
    "RangeError": 2,
    "SecurityError": 5,
    "SourceError": 1,
    "StoreError": 6,
    "TransientStoreError": 6,
    "UploadNotFoundError": 3,
    "UsageError": 2,
    "WrongKeyError": 4,
}


def kinds(of: type[cb.CipherbucketError] = cb.CipherbucketError) -> Iterator[type]:
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


def public_kinds() -> set[str]:
    return {kind.__name__ for kind in kinds() if kind.__module__ == "cipherbucket.errors"}


def test_every_error_has_an_exit_code() -> None:
    assert public_kinds() == set(CODES)
    for name, code in CODES.items():
        kind = getattr(cb, name)
        extra = {"field": "f"} if name == "EnvelopeError" else {}
        assert exit_code(kind("text", **extra)) == code, name
    assert set(CODES.values()) | {0, 7, 130} == set(EXIT_CODES)


def test_a_transfer_that_another_process_is_at_is_no_mistake(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a", bytes(20 << 20))

    def locked(*_: object) -> None:
        raise BlockingIOError

    ours = SimpleNamespace(**{**vars(fcntl), "flock": locked})
    monkeypatch.setattr("cipherbucket.transfers.journal.fcntl", ours)
    refused = invoke("cp", "-q", "-k", key_file, f"{url}/a", tmp_path / "a")
    assert "another process is at this transfer" in error_of(refused)
    assert refused.exit_code == 1


def test_a_line_holds_name_message_and_hint_and_nothing_raw() -> None:
    error = cb.StoreError("bad\nthing \x1b[31m", name="a\u202eb", hint="do\tthat")
    assert one_line(error) == r"'a\u202eb': bad thing \x1b[31m (do that)"
    assert one_line(FileNotFoundError(2, "No such file", "x")) == "x: No such file"


def test_hints_speak_of_options(
    url: str, bucket: cb.Bucket, key_file: Path, other_key_file: Path, locked_key_file: Path
) -> None:
    bucket.put("a", b"1")
    with cb.open_store(url) as store:
        store.put("plain", b"1")
    for args in (
        ("cat", f"{url}/a"),
        ("cat", "-k", other_key_file, f"{url}/a"),
        ("cat", "--force-key", other_key_file, f"{url}/a"),
        ("cat", f"{url}/plain"),
    ):
        result = invoke(*args)
        assert result.exit_code in {4, 5}
        assert not re.search(r"\b(key|policy|passphrase|allow_weak)=", error_of(result))
    run = program("cp", "-k", locked_key_file, "-", f"{url}/b")  # without a terminal to ask on
    assert run.returncode == 4
    assert run.stderr.count(b"\n") == 1
    assert not re.search(rb"\bpassphrase=", run.stderr), run.stderr


def test_another_context_and_another_part_size_are_told_as_options(
    url: str, key_file: Path, tmp_path: Path
) -> None:
    keyed = ("-k", key_file, "--format", "sealed")
    succeed("cp", *keyed, "--context", "a=b", "-", f"{url}/a")
    refused = error_of(invoke("cat", *keyed, "--context", "a=c", f"{url}/a"))
    assert "give the very pairs that it was written with: --context NAME=VALUE" in refused
    with (tmp_path / "large").open("wb") as file:
        file.truncate(20 << 20)
    refused = error_of(
        invoke("cp", "-q", "-k", key_file, "--part-size", "1000001", tmp_path / "large", f"{url}/b")
    )
    assert re.search(r"\(--part-size \d+ does", refused), refused


def test_every_python_hint_that_is_translated_exists() -> None:
    sources = "".join(path.read_text() for path in Path(cb.__file__).parent.rglob("*.py"))
    text = re.sub(r'"\s*f?"', "", sources)
    for python, option in hints._OPTIONS:
        assert text.count(python) >= 2, python  # where it is written, and where it is translated
        assert option != python


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("nonsense",), 2),
        (("rm", "-r"), 2),
        (("ls", "--nonsense", "x"), 2),
        (("keygen", "x", "--bits", "1024"), 2),
        (("keys", "nonsense"), 2),
        (("completion", "tcsh"), 2),
        (("ls", "nothing"), 2),
        (("ls", "https://example.com/x"), 2),
        (("ls", "oss://examplebucket"), 2),
        (("cat", "-k", "nothing.pem", "memory://x/y"), 4),
        (("cat", "memory://x/y"), 3),
        (("stat", "memory://x/y"), 3),
    ],
)
def test_mistakes_take_one_line(args: tuple[str, ...], code: int) -> None:
    result = invoke(*args)
    assert result.exit_code == code
    assert result.stdout == ""
    told = error_of(result)
    assert told.startswith("cipherbucket: ")
    if code == 2:
        assert told.endswith(")\n")  # with a hint


def test_a_failing_store_is_told_in_one_line(url: str, bucket: cb.Bucket, tmp_path: Path) -> None:
    bucket.put("a", b"1")
    bucket.close()
    for part in (tmp_path / "store").glob("index.sqlite*"):
        part.write_bytes(b"garbage" * 1000)
    result = invoke("ls", url)
    assert result.exit_code == 6
    error_of(result)


def test_debug_says_nothing_to_the_terminal_either(tmp_path: Path) -> None:
    folder = tmp_path / "red\x1b[31m"
    folder.mkdir()
    path = folder / "c.toml"
    path.write_text("")
    path.chmod(0o600)
    succeeded = invoke("--debug", "--config", path, "ls", "nothing://")
    assert "stores and keys are those of" in succeeded.stderr
    assert "Traceback" in succeeded.stderr
    assert "\x1b" not in succeeded.stderr


def test_debug_shows_the_log_and_the_traceback(url: str, key_file: Path, tmp_path: Path) -> None:
    result = succeed("--debug", "cp", "-k", key_file, "-", f"{url}/a", stdin=b"1")
    assert "put 'a': 1 bytes" in result.stderr
    result = invoke("--debug", "cat", f"{url}/nothing")
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("cipherbucket: 'nothing': there is no such object\n")
    assert "put" not in succeed("cp", "-k", key_file, "-", f"{url}/b", stdin=b"1").stderr


def test_a_bug_is_called_a_bug(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(cb, "open_bucket", broken)
    result = invoke("ls", url)
    assert result.exit_code == 1
    assert "unexpected ZeroDivisionError: oops (a bug" in error_of(result)


def test_warnings_take_one_line_once(url: str, key_file: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.pem"
    bare.write_bytes(key_file.read_bytes())
    bare.chmod(0o600)
    for name in ("1", "2"):
        (tmp_path / "tree").mkdir(exist_ok=True)
        (tmp_path / "tree" / name).write_text(name)
    result = succeed("cp", "-q", "-k", bare, "-r", tmp_path / "tree", url)
    assert error_of(result).startswith("cipherbucket: warning: key SHA256:")
    assert "description={" not in result.stderr


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1,023 bytes"),
        (1024, "1.0 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (3 << 20, "3.0 MiB"),
        (5 << 50, "5.0 PiB"),
        (5 << 60, "5,120.0 PiB"),
    ],
)
def test_amounts(size: int, text: str) -> None:
    assert amount(size) == text


def test_printable_text_stays_as_it_is() -> None:
    assert printable("a é 漢 \\") == "a é 漢 \\"
    assert printable("\ud800\x00é") == r"\ud800\x00é"


def empty_arguments() -> Iterator[tuple[tuple[str, ...], str]]:
    """Give every argument and option of every command, empty."""
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        before: list[str] = []
        # One that takes several gets its last if others follow it.
        arguments = [param for param in command.params if isinstance(param, click.Argument)]
        after = ("x",) * (len(arguments) > 1 and arguments[0].nargs == -1)
        for param in command.params:
            if isinstance(param, click.Argument):
                yield (name, *before, "", *(() if before else after)), param.human_readable_name
                before.append("x")
            elif isinstance(param, click.Option) and not param.is_flag:
                yield (name, param.opts[0], ""), param.opts[0]


@pytest.mark.parametrize(("args", "named"), [*empty_arguments()], ids=str)
def test_an_empty_argument_of_any_command_is_refused(
    args: tuple[str, ...], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{named} is empty" in error_of(result)
    assert list(tmp_path.iterdir()) == []


def test_empty_settings_of_the_whole_program_are_refused() -> None:
    for option in ("--config", "--region", "--endpoint"):
        assert f"{option} is empty" in error_of(invoke(option, "", "keys"))
    assert "is empty" in error_of(invoke("keys", "check", ""))


@pytest.mark.parametrize("command", [("ls",), ("cat", "-k"), ("stat", "-k")])
def test_debug_logs_what_is_done_when_all_goes_well(
    url: str, bucket: cb.Bucket, key_file: Path, command: tuple[str, ...]
) -> None:
    bucket.put("a", b"1")
    words = [*command, key_file] if len(command) > 1 else [*command]
    result = succeed("--debug", *words, f"{url}/a")
    assert f"DEBUG opened {url} in format oss" in result.stderr
    assert ("read key file" in result.stderr) == (len(command) > 1)
    assert succeed(*words, f"{url}/a").stderr == ""
