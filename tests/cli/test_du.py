"""``du``: stored bytes by folder."""

import json
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, on_terminal, succeed

import cipherbucket as cb

SIZES = {
    "a": 1,
    "p": 2,
    "p-2026/x": 4,
    "p/1": 8,
    "p/q/2": 16,
    "p/q/r/3": 32,
    "p/z": 64,
    "q/4": 2048,
}


@pytest.fixture
def filled(url: str, bucket: cb.Bucket) -> str:
    for name, size in SIZES.items():
        bucket.put(name, bytes(size))
    return url


def rows(*args: object) -> list[list[str]]:
    return [line.split() for line in succeed("du", *args).stdout.splitlines()]


def test_each_folder_and_the_total(filled: str) -> None:
    assert rows(filled) == [
        ["4", "1", f"{filled}/p-2026/"],
        ["120", "4", f"{filled}/p/"],
        ["2,048", "1", f"{filled}/q/"],
        ["2,175", "8", f"{filled}/"],
    ]
    assert rows(f"{filled}/p/") == [["48", "2", f"{filled}/p/q/"], ["120", "4", f"{filled}/p/"]]


def test_a_folder_is_not_what_only_begins_as_it_does(filled: str) -> None:
    # There is an object of this name as well, and both are at the URL.
    assert rows(f"{filled}/p") == [["48", "2", f"{filled}/p/q/"], ["122", "5", f"{filled}/p"]]
    assert rows(f"{filled}/a") == [["1", "1", f"{filled}/a"]]


def test_totals_alone_of_several_and_units(filled: str) -> None:
    assert rows("-s", f"{filled}/p/", f"{filled}/q") == [
        ["120", "4", f"{filled}/p/"],
        ["2,048", "1", f"{filled}/q"],
    ]
    assert succeed("du", "-sh", f"{filled}/q").stdout.split()[:2] == ["2.0", "KiB"]


def test_json_has_a_line_each(filled: str) -> None:
    lines = [json.loads(line) for line in succeed("du", "--json", filled).stdout.splitlines()]
    assert lines[1] == {
        "url": f"{filled}/p/",
        "objects": 4,
        "stored_size": 120,
        "total": False,
    }
    assert [each["total"] for each in lines] == [False, False, False, True]
    assert lines[-1]["stored_size"] == sum(SIZES.values())


def test_sizes_are_those_of_what_is_stored(url: str, tmp_path: Path) -> None:
    key = cb.create_aes_key_file(tmp_path / "k", description={"d": "1"})
    with cb.open_bucket(url, key) as bucket:
        bucket.put("sealed", bytes(100))
        stored = bucket.head("sealed").stored_size
    assert stored > 100
    assert rows(url) == [[f"{stored:,}", "1", f"{url}/"]]


def test_nothing_there(filled: str, tmp_path: Path) -> None:
    result = invoke("du", f"{filled}/none", f"{filled}/a")
    assert result.exit_code == 3
    assert error_of(result) == (f"cipherbucket: there is no object at or below {filled}/none\n")
    assert result.stdout.split() == ["1", "1", f"{filled}/a"]
    cb.make_bucket(f"file://{tmp_path}/empty")
    assert rows(f"file://{tmp_path}/empty") == [["0", "0", f"file://{tmp_path}/empty/"]]


def test_a_directory_store_has_one_version_of_each(filled: str) -> None:
    assert succeed("du", "--versions", filled).stdout == succeed("du", filled).stdout


@pytest.mark.parametrize("command", ["du", "ls"])
def test_h_is_for_units_and_help_has_its_long_name(command: str, filled: str) -> None:
    assert "Usage:" not in succeed(command, "-h", filled).stdout
    assert "-h, --human-readable" in succeed(command, "--help").stdout


def test_on_a_terminal_columns_have_names(filled: str) -> None:
    assert on_terminal("du", filled).screen.split()[:3] == ["STORED", "OBJECTS", "URL"]
