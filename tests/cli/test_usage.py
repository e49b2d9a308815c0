"""Mistakes in the arguments: one line of ours, what may have been meant, how it is used."""

from pathlib import Path

import click
import pytest
from tests.cli.runs import contents, error_of, invoke, read, succeed
from tests.cli.test_help import commands

import cipherbucket as cb
from cipherbucket.cli import COMMANDS, habits
from cipherbucket.cli.terminal.help import Command, Group


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ("lss", "no such command 'lss'; did you mean 'ls'? (see: cipherbucket --help)"),
        ("copy", "no such command 'copy'; did you mean 'cp'? (see: cipherbucket --help)"),
        ("xyz", "no such command 'xyz' (see: cipherbucket --help)"),
        (
            "keys chek x",
            "no such command 'chek'; did you mean 'check'? (see: cipherbucket keys --help)",
        ),
        (
            "rm --forc x",
            "no such option '--forc'; did you mean '--force'? (see: cipherbucket rm --help)",
        ),
        (
            "cp --in x y",
            "no such option '--in'; did you mean '--include'? (see: cipherbucket cp --help)",
        ),
        ("get x", "no such command 'get'; did you mean 'cp'? (see: cipherbucket --help)"),
        (
            "rb x",
            (
                "no such command 'rb': buckets are removed with ossutil, aws or the console"
                " (see: cipherbucket --help)"
            ),
        ),
        (
            "cp --only-show-errors a b",
            (
                "no such option '--only-show-errors'; did you mean '--quiet'?"
                " (see: cipherbucket cp --help)"
            ),
        ),
        (
            "cp -rf a b",
            (
                "no such option '-f': what is there is replaced without asking"
                " (see: cipherbucket cp --help)"
            ),
        ),
        (
            "sync -u a b",
            (
                "no such option '-u': it copies what is missing, newer or differs in size; cp has"
                " this option (see: cipherbucket sync --help)"
            ),
        ),
        (
            "cp --size-only a b",
            (
                "no such option '--size-only': two files may have one size; --skip-existing, or"
                " sync --checksum (see: cipherbucket cp --help)"
            ),
        ),
        (
            "cp -k file:///x y",
            (
                "--key: 'file:///x' is a URL, and no key: write the key before it"
                " (see: cipherbucket cp --help)"
            ),
        ),
        (
            "cp -dash-name file:///x",
            (
                "no such option '-d'; if '-dash-name' is a name, put -- before it"
                " (see: cipherbucket cp --help)"
            ),
        ),
        ("ls fille:///x", "fille:///x: there is no store 'fille'; did you mean 'file'?"),
        ("ls oss:/b/x", "oss:/b/x is no URL; did you mean 'oss://b/x'?"),
        ("ls oss:b", "oss:b is no URL; did you mean 'oss://b'?"),
        ("ls OSS://b/x", "OSS://b/x is no URL; did you mean 'oss://b/x'?"),
        (
            "ls file://tmp/x",
            (
                "file://tmp/x is no URL of a folder, whose path must be absolute; did you mean"
                " 'file:///tmp/x'?"
            ),
        ),
        ("ls /usr/bin", "/usr/bin is no URL; did you mean 'file:///usr/bin'?"),
        (
            "cp oss:/b/x y",
            (
                "neither source nor target is a URL; did you mean 'oss://b/x'? (give"
                " file:///folder/name, oss://bucket/name or s3://bucket/name)"
            ),
        ),
        ("ls -q x", "no such option '-q' (see: cipherbucket ls --help)"),
        (
            "--regoin x ls",
            "no such option '--regoin'; did you mean '--region'? (see: cipherbucket --help)",
        ),
        ("verify -k", "-k takes a value, which is missing (see: cipherbucket verify --help)"),
        ("cp -k", "-k takes a value, which is missing (see: cipherbucket cp --help)"),
        ("cp x", "SOURCE... and TARGET are needed (see: cipherbucket cp --help)"),
        ("rm -r", "URL... is missing (see: cipherbucket rm --help)"),
        ("stat a b c", "more arguments than it takes: b c (see: cipherbucket stat --help)"),
        (
            "keygen x --bits 1",
            "--bits: '1' is not one of '2048', '3072', '4096' (see: cipherbucket keygen --help)",
        ),
    ],
)
def test_a_mistake_is_one_line_that_says_what_may_be_meant(args: str, line: str) -> None:
    result = invoke(*args.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert error_of(result) == f"cipherbucket: {line}\n"


def guess_of(line: str) -> str:
    """Return what is said of a line beside that there is no such option or command."""
    result = invoke(*line.split())
    assert (result.exit_code, result.stdout) == (2, "")
    said = error_of(result).partition(" (see: ")[0]
    return said.partition("'")[2].partition("'")[2].removeprefix("; did you mean ").strip(" :")


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("cp --no-progress a b", "--quiet"),
        ("cp --delete a b", "sync has it"),
        ("cp --checksum a b", "sync and diff have it"),
        ("cp -c a b", "sync and diff have it"),
        ("sync -c a b", "--checksum"),
        ("cp --output json a b", "--json"),
        ("cp --min-age 1d a b", "ls --json gives ages and sizes"),
        ("cp --files-from f a b", "xargs gives"),
        ("cp --cache-control x a b", "--content-type alone"),
        ("cat --head 5 a", "--range"),
        ("cat --offset 5 a", "--range"),
        ("rm --all-versions a", "ls --versions lists them, --version-id ID is one"),
        ("ls --all-versions a", "--versions"),
        ("ls -m a", "cipherbucket transfers URL"),
        ("sync --delete-excluded a b", "never deleted"),
        ("presign --timeout 1h a", "--expires"),
        ("sycn a b", "sync"),
        ("check a b", "diff"),
        ("link a", "presign"),
        ("signurl a", "presign"),
        ("cleanup a", "transfers"),
        ("head-object a", "stat"),
        ("revert a", "cp --version-id"),
        ("rcat a", "'cp - URL'"),
        ("bisync a b", "sync copies one way"),
        ("version", "'cipherbucket --version'"),
        ("help cp", "'cipherbucket COMMAND --help'"),
        ("mount a b", "cp copies them"),
        ("website a", "ossutil"),
        ("ls --progres a", ""),
        ("cp --verison-id i a b", "--version-id"),
    ],
)
def test_what_other_programs_have_is_answered_with_what_is_meant(line: str, meant: str) -> None:
    said = guess_of(line)
    assert meant in said if meant else not said


@pytest.mark.parametrize(
    "line", ["cp --no-checksum", "cp --no-update", "cp --resume", "vary", "build"]
)
def test_what_is_far_away_or_the_opposite_is_no_guess(line: str) -> None:
    assert "did you mean" not in invoke(*line.split(), "a", "b").stderr


def test_a_name_that_begins_with_a_hyphen_is_not_taken_for_an_option_of_others() -> None:
    assert "transfers" not in error_of(invoke("rm", "-my-long-name"))


def takes_arguments(command: Command | Group) -> bool:
    return any(isinstance(each, click.Argument) and each.required for each in command.params)


@pytest.mark.parametrize(
    ("name", "command"), [each for each in commands() if takes_arguments(each[1])]
)
def test_without_arguments_usage_and_examples_are_shown(
    name: str, command: Command | Group
) -> None:
    result = invoke(*name.split(), env={"CIPHERBUCKET_KEY": "nothing.pem"})
    assert (result.exit_code, result.stdout) == (2, "")
    usage, *lines, last = result.stderr.splitlines()
    assert usage.startswith(f"Usage: cipherbucket {name} [OPTIONS] ")
    assert lines == ["", "Examples:", *(f"  {each}" for each in command.examples), ""]
    assert last == f"All options: cipherbucket {name} --help"


def test_names_that_begin_with_a_hyphen_come_after_two(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keyed = ("-k", key_file)
    Path("-a").write_text("1")
    Path("-r").mkdir()
    Path("-r/-n").write_text("2")
    succeed("cp", *keyed, "--", "-a", f"{url}/-a")
    succeed("cp", *keyed, "-r", "--", "-r", f"{url}/-r")
    assert {name: read(bucket, name) for name in ("-a", "-r/-n")} == {"-a": b"1", "-r/-n": b"2"}
    succeed("sync", *keyed, "--", "-r", f"{url}/-s")
    succeed("sync", *keyed, "--", f"{url}/-s", "-t")
    assert contents(Path("-t")) == {"-n": b"2"}
    succeed("mv", *keyed, "--", "-a", f"{url}/-b")
    succeed("mv", *keyed, "--", f"{url}/-b", "-c")
    assert Path("-c").read_text() == "1"
    assert not Path("-a").exists()
    succeed("keygen", "--type", "aes", "--description", "desc=-", "--", "-k")
    succeed("cp", "-k", "./-k", "--", "-c", f"{url}/sealed")
    with cb.open_store(url) as store, store.get("sealed") as body:
        stored = bytearray(body.stop)
        body.readinto(stored)
        Path("-sealed").write_bytes(stored)
    assert succeed("cat", "-k", "-k", "--", "-sealed").stdout == "1"
    succeed("rm", "-f", "--", f"{url}/-a")
    assert not bucket.exists("-a")
    refused = invoke("cp", *keyed, "-c", f"{url}/c")
    assert "for the file of this name write ./-c, or put -- before it" in error_of(refused)
    refused = invoke("ls", "--", "-x")
    assert "'-x' is not the URL of a store" in error_of(refused)


@pytest.mark.parametrize(
    "option",
    [("--acl", "Public-Read"), ("--storage-class", "ARCHIVE"), ("--server-side-encryption", "kms")],
)
def test_values_of_oss_are_taken_in_capitals_or_without(
    url: str, key_file: Path, option: tuple[str, str]
) -> None:
    result = invoke("cp", "-k", key_file, *option, key_file, f"{url}/a")
    assert f"{option[0]} is for objects in OSS or S3" in error_of(result)
    result = invoke("cp", "-k", key_file, option[0], "other", key_file, f"{url}/a")
    assert "'other' is not one of" in error_of(result)


def test_what_others_call_an_option_is_one_of_ours() -> None:
    known = {option for _, command in commands() for each in command.params for option in each.opts}
    assert set(habits.OPTIONS.values()) <= known
    assert not set(habits.OPTIONS) & {"-c", "-j"} & known
    assert set(habits.COMMANDS.values()) <= set(COMMANDS)
    assert not {*habits.COMMANDS, *habits.EXPLAINED_COMMANDS} & set(COMMANDS)
