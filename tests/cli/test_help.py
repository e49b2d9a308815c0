"""The help says everything, fast."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from tests.cli.runs import PROGRAM, invoke, program, succeed

import cipherbucket as cb
from cipherbucket.cli import COMMANDS, cli
from cipherbucket.cli.errors import EXIT_CODES
from cipherbucket.cli.terminal.help import Command, Group

README = Path(__file__).parent.parent.parent / "README.md"


def commands() -> Iterator[tuple[str, Command | Group]]:
    context = click.Context(cli)
    for name in sorted(COMMANDS):
        command = cli.get_command(context, name)
        assert isinstance(command, Command | Group)
        yield name, command
        if isinstance(command, Group):
            for sub in command.commands.values():
                assert isinstance(sub, Command)
                yield f"{name} {sub.name}", sub


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_has_help_and_examples(name: str, command: Command | Group) -> None:
    output = succeed(*name.split(), "--help").stdout
    assert command.help
    assert command.help.split("\n")[0] in " ".join(output.split())
    examples = output.partition("Examples:\n")[2].splitlines()
    assert examples
    assert max(map(len, output.splitlines())) <= 80, "a terminal would break a word"
    assert not re.search(r"\w-\n", output), "a word is broken at its hyphen"
    assert output.isascii()
    for example in examples:
        assert re.search(rf"\bcipherbucket {name}\b", example), example


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_option_is_described(name: str, command: Command | Group) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_list_of_commands_says_what_the_commands_say(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.get_short_help_str(limit=100) == COMMANDS[name]
    assert COMMANDS[name] in succeed("--help").stdout


def test_help_shows_the_exit_codes_and_so_does_the_readme() -> None:
    output = " ".join(succeed("--help").stdout.split())
    readme = README.read_text()
    for code, text in EXIT_CODES.items():
        assert f"{code} {text}" in output
        assert f"| {code} | {text} |" in readme


READERS = {"audit", "cat", "diff", "du", "keys", "ls", "recipients", "stat", "verify"}


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_what_help_says_is_true_of_the_command(name: str, command: Command | Group) -> None:
    first, _, last = name.partition(" ")
    reads = first in READERS and last not in {"add", "remove"}
    text = {
        option: each.help or ""
        for each in command.params
        if isinstance(each, click.Option) and not each.hidden
        for option in each.opts
    }
    assert not (reads and "Write to a directory store" in text.get("--trust-store", ""))
    assert not (reads and "on writing" in text.get("--format", ""))
    assert not (reads and "the first writes" in text.get("-k", ""))
    assert "copied" not in text.get("--exclude", "")
    if name in {"rm", "restore"}:
        assert "source, target" not in text["--json"]
    if name in {"diff", "sync"}:
        assert "--as-name" not in text  # they refuse it
    for option in ("--include", "--exclude"):
        assert ("'*/secrets'" in text.get("--exclude", "")) is (option in text)
    assert "leaves out nothing" in text.get("--include", "leaves out nothing")


def test_version() -> None:
    assert succeed("--version").stdout == f"cipherbucket {cb.__version__}\n"


def test_help_imports_nothing_slow() -> None:
    code = "import sys\nfrom cipherbucket.cli import cli\ntry: cli(['--help'])\n"
    code += "except SystemExit: pass\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    import subprocess

    run = subprocess.run([*PROGRAM[:2], code], capture_output=True, text=True, check=True)
    assert "Commands:" in run.stdout
    loaded = set(run.stderr.split())
    assert "cipherbucket.cli" in loaded
    slow = {"rich", "pyarrow", "asyncio", "urllib3", "requests", "alibabacloud_oss_v2", "getpass"}
    assert not loaded & slow
    modules = {f"cipherbucket.cli.commands.{name}" for name in COMMANDS}
    assert not loaded & modules


def test_without_a_command_the_help_is_shown_and_it_is_a_mistake() -> None:
    result = invoke()
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_line_that_click_answers(shell: str) -> None:
    output = succeed("completion", shell).stdout
    assert f"_CIPHERBUCKET_COMPLETE={shell}_source cipherbucket" in output
    answer = succeed(env={"_CIPHERBUCKET_COMPLETE": f"{shell}_source"})
    assert "cipherbucket" in answer.stdout


def test_completion_finds_the_shell_by_itself_or_says_so() -> None:
    found = succeed("completion", env={"SHELL": "/usr/bin/zsh"})
    assert found.stdout == succeed("completion", "zsh").stdout
    assert invoke("completion", env={"SHELL": "/bin/tcsh"}).exit_code == 2


def test_completion_names_commands() -> None:
    env = {
        "_CIPHERBUCKET_COMPLETE": "bash_complete",
        "COMP_WORDS": "cipherbucket k",
        "COMP_CWORD": "1",
    }
    assert program(env=env).stdout.split() == [b"plain,keygen", b"plain,keys"]


@pytest.mark.parametrize(("begun", "expected"), [("rep", "file,rep"), ("file:///da", "")])
def test_completion_leaves_the_files_of_cp_to_the_shell(begun: str, expected: str) -> None:
    env = {
        "_CIPHERBUCKET_COMPLETE": "bash_complete",
        "COMP_WORDS": f"cipherbucket cp {begun}",
        "COMP_CWORD": "2",
    }
    assert succeed(env=env).stdout.strip() == expected
