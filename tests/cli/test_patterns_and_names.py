"""Patterns in the URLs of commands that only read; what is said of a name that is not there."""

import json
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, succeed

import cipherbucket as cb


@pytest.fixture
def filled(url: str, bucket: cb.Bucket) -> str:
    names = ("logs/a.csv", "logs/b.csv", "logs/c.txt", "logs/deep/a.csv", "logs/old?", "logs/older")
    for name in names:
        bucket.put(name, f"<{name}>".encode())
    return url


def names_of(*args: object) -> list[str]:
    return [line.split()[-1] for line in succeed(*args).stdout.splitlines()]


def test_ls_lists_what_fits(filled: str) -> None:
    assert names_of("ls", f"{filled}/logs/?.csv") == ["logs/a.csv", "logs/b.csv"]
    assert names_of("ls", f"{filled}/l*") == ["logs/"]
    assert names_of("ls", "-r", f"{filled}/l*/dee*") == ["logs/deep/a.csv"]
    assert names_of("ls", f"{filled}/logs/d*") == ["logs/deep/"]
    assert len(names_of("ls", f"{filled}/**.csv")) == 3
    assert names_of("ls", rf"{filled}/logs/old\?") == ["logs/old?"]
    assert error_of(invoke("ls", f"{filled}/none*")) == (
        "cipherbucket: there is no object whose name fits 'none*'\n"
    )


def test_du_sums_what_fits(filled: str) -> None:
    def rows(*args: str) -> list[list[str]]:
        return [line.split() for line in succeed("du", *args).stdout.splitlines()]

    assert rows(f"{filled}/logs/?.csv") == [["24", "2", f"{filled}/logs/?.csv"]]
    assert [row[1:] for row in rows(f"{filled}/lo*")] == [
        ["6", f"{filled}/logs/"],
        ["6", f"{filled}/lo*"],
    ]
    assert invoke("du", f"{filled}/none*").exit_code == 3


@pytest.mark.parametrize("pattern", ["*/deep", "*/deep/"])
def test_a_folder_that_fits_is_named_whole(filled: str, bucket: cb.Bucket, pattern: str) -> None:
    bucket.put("more/deep/x/y", b"12345")
    bucket.put("more/deep-2/x", b"1")
    assert names_of("du", f"{filled}/{pattern}") == [
        f"{filled}/logs/deep/",
        f"{filled}/more/deep/",
        f"{filled}/{pattern}",
    ]
    assert names_of("ls", f"{filled}/{pattern}") == ["logs/deep/", "more/deep/"]


def test_each_folder_that_fits_is_named_and_not_the_one_above(filled: str) -> None:
    assert names_of("ls", f"{filled}/logs/*")[:4] == [
        "logs/a.csv",
        "logs/b.csv",
        "logs/c.txt",
        "logs/deep/",
    ]
    assert names_of("du", f"{filled}/logs/*") == [f"{filled}/logs/deep/", f"{filled}/logs/*"]
    assert names_of("ls", f"{filled}/*") == ["logs/"]


def test_cat_writes_what_fits_in_order(filled: str, key_file: Path) -> None:
    assert succeed("cat", "-k", key_file, f"{filled}/logs/*.csv").stdout == (
        "<logs/a.csv><logs/b.csv>"
    )
    assert succeed("cat", "-k", key_file, rf"{filled}/logs/old\?").stdout == "<logs/old?>"
    assert invoke("cat", "-k", key_file, f"{filled}/none*").exit_code == 3


def test_stat_shows_each_that_fits(filled: str) -> None:
    shown = succeed("stat", f"{filled}/logs/?.*").stdout
    assert shown.count("\n\nname ") == 2
    facts = succeed("stat", "--json", f"{filled}/logs/*.txt").stdout
    assert json.loads(facts)["name"] == "logs/c.txt"


@pytest.mark.parametrize("command", ["ls", "du", "cat", "stat", "presign"])
def test_a_name_that_is_a_pattern_of_others_is_refused(
    command: str, filled: str, bucket: cb.Bucket
) -> None:
    bucket.put("logs/olds", b"")
    result = invoke(command, f"{filled}/logs/old?")
    assert result.exit_code == 2
    assert "as a pattern it fits others, such as 'logs/olds'" in error_of(result)


@pytest.mark.parametrize(
    ("command", "way_on"),
    [
        (("cat",), "ls -r"),
        (("stat",), "ls -r"),
        (("keys", "check"), "ls -r"),
        (("rm",), "add -r"),
        (("cp", "."), "add -r"),
        (("mv", "."), "add -r"),
        (("cp", "STORE/elsewhere"), "add -r"),
        (("verify",), "add -r"),
        (("rotate",), "add -r"),
        (("reencrypt",), "add -r"),
        (("recipients", "list"), "add -r"),
    ],
)
def test_an_object_that_is_not_there_is_told_in_one_way(
    command: tuple[str, ...], way_on: str, filled: str, key_file: Path
) -> None:
    verb, target = list(command), []
    if verb[0] in {"cp", "mv"}:
        target = [verb.pop().replace("STORE", filled)]
    keys = ["-k", key_file] if verb[0] not in {"rm", "recipients", "stat"} else []

    def said(name: str) -> str:
        result = invoke(*verb, *keys, f"{filled}/{name}", *target)
        assert result.exit_code == 3, result.output
        return error_of(result)

    assert said("none") == "cipherbucket: 'none': there is no such object\n"
    assert said("logs").startswith(
        "cipherbucket: 'logs': there is no such object, but objects lie below logs/ ("
    )
    assert way_on in said("logs")
