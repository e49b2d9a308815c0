"""``diff``: what is in one of two places only, or is another thing there."""

import json
import os
from pathlib import Path

import pytest
from click.testing import Result
from tests.cli.runs import error_of, invoke, succeed

import cipherbucket as cb


def diff(*args: object, code: int = 1) -> Result:
    result = invoke("diff", *args)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, text in {"same": "1", "sub/size": "22", "sub/mine": "3", "text": "abc"}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def filled(url: str, bucket: cb.Bucket) -> str:
    for name, text in {"same": b"1", "sub/size": b"2", "sub/theirs": b"4", "text": b"xyz"}.items():
        bucket.put(f"t/{name}", text)
    return f"{url}/t"


def test_a_folder_and_a_prefix_without_a_key(tree: Path, filled: str) -> None:
    os.utime(tree / "same", (0, 0))  # no time counts
    assert diff(tree, filled).stdout.splitlines() == [
        f"only in {tree}: sub/mine",
        "differs: sub/size (other size)",
        f"only in {filled}: sub/theirs",
    ]
    assert diff(f"{filled}/", tree).stdout.splitlines() == [
        f"only in {tree}: sub/mine",
        "differs: sub/size (other size)",
        f"only in {filled}/: sub/theirs",
    ]


def test_a_pattern_that_fitted_no_name_is_told(tree: Path, filled: str) -> None:
    result = diff("--exclude", "su/", "--exclude", "text", tree, filled)
    assert "the pattern 'su/' fitted no name" in result.stderr
    assert "'text'" not in result.stderr


def test_contents_with_checksum(tree: Path, filled: str, key_file: Path) -> None:
    assert (
        "differs: text (other content)" in diff("--checksum", "-k", key_file, tree, filled).stdout
    )
    succeed("sync", "-k", key_file, "--checksum", "--delete", tree, filled)
    same = diff("--checksum", "-k", key_file, tree, filled, code=0)
    assert (same.stdout, same.stderr) == ("", "cipherbucket: compared 4 objects, 7 bytes\n")
    refused = diff("--checksum", tree, filled)  # without the key nothing can be said
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "4 failed" in refused.stderr


def test_objects_of_any_format_have_the_size_of_their_plaintext(
    tree: Path, url: str, tmp_path: Path
) -> None:
    cb.create_aes_key_file(tmp_path / "k", description={"d": "1"})
    succeed("cp", "-k", tmp_path / "k", "-r", tree, f"{url}/s")
    assert diff(tree, f"{url}/s", code=0).stdout == ""
    assert diff(tree, f"{url}/s", "--format", "sealed", code=0).stdout == ""
    assert diff("--checksum", "-k", tmp_path / "k", tree, f"{url}/s", code=0).stdout == ""
    assert len(diff(tree, f"{url}/s", "--format", "oss").stdout.splitlines()) == 4


def test_two_stores(tree: Path, filled: str, url: str, key_file: Path, tmp_path: Path) -> None:
    other = f"file://{tmp_path}/other"
    cb.make_bucket(other)
    succeed("cp", "-r", filled, f"{other}/x")
    assert diff(filled, f"{other}/x", code=0).stdout == ""
    assert diff("--checksum", filled, f"{other}/x", code=0).stdout == ""
    succeed("cp", "-k", key_file, tree / "text", f"{other}/x/text")  # encrypted once more
    assert diff(filled, f"{other}/x", code=0).stdout == ""
    assert diff("--checksum", filled, f"{other}/x").stdout == "differs: text (other content)\n"
    empty = f"file://{tmp_path}/empty"
    cb.make_bucket(empty)
    assert diff(filled, empty).stdout.count(f"only in {filled}: ") == 4


def test_json_and_patterns(tree: Path, filled: str) -> None:
    lines = diff("--json", "--exclude", "*/theirs", tree, filled).stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"name": "sub/mine", "difference": "only in A", "reason": None},
        {"name": "sub/size", "difference": "differs", "reason": "other size"},
    ]


def test_what_fails_is_no_sameness(tree: Path, url: str, bucket: cb.Bucket) -> None:
    with cb.open_store(url) as store:
        store.put("t/same", b"1", metadata={"client-side-encryption-key": "!"})
    result = diff("--include", "same", "--exclude", "sub/*", "--exclude", "text", tree, f"{url}/t")
    assert result.stdout == ""
    assert "'t/same'" in result.stderr or "'same'" in result.stderr


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("a", "b"), "neither A nor B is a URL"),
        (("nowhere", "{url}"), "nowhere: there is no such folder"),
        (("{url}", "nowhere"), "nowhere: there is no such folder"),
        (("{folder}", "{url}"), "is in the folder of the store"),
        (("--as-name", "x", "a", "{url}"), "--as-name is for reading one object"),
    ],
)
def test_mistakes(args: tuple[str, ...], why: str, url: str) -> None:
    folder = url.removeprefix("file://")
    result = diff(*(each.format(url=url, folder=folder) for each in args), code=2)
    assert why in error_of(result)


def test_many_names_keep_their_order(url: str, bucket: cb.Bucket, tmp_path: Path) -> None:
    tree = tmp_path / "many"
    tree.mkdir()
    for number in range(300):
        (tree / f"{number:03}").write_bytes(b"12")
        bucket.put(f"m/{number:03}", b"1")
    lines = diff(tree, f"{url}/m").stdout.splitlines()
    assert lines == [f"differs: {number:03} (other size)" for number in range(300)]


@pytest.mark.parametrize("turned", [False, True])
def test_what_lies_below_a_folder_that_cannot_be_read_is_not_compared(
    url: str, bucket: cb.Bucket, tree: Path, monkeypatch: pytest.MonkeyPatch, turned: bool
) -> None:
    for name in ("same", "sub/size", "sub/only/there", "text", "there"):
        bucket.put(f"t/{name}", b"1")
    scan = os.scandir

    def failing(path: Path) -> object:
        if str(path).endswith("/sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", failing)
    result = diff(*reversed((tree, f"{url}/t")) if turned else (tree, f"{url}/t"))
    assert f"'{tree}/sub': Permission denied" in result.stderr
    assert result.stdout.splitlines() == ["differs: text (other size)", f"only in {url}/t: there"]


def test_a_name_that_is_no_utf8_makes_strict_json(url: str, bucket: cb.Bucket, tree: Path) -> None:
    (tree / os.fsdecode(b"lat\xe9n")).write_bytes(b"1")
    (tree / "text").unlink()
    lines = diff("--json", "--exclude", "*", "--include", "lat*", tree, url).stdout
    assert json.loads(lines) == {
        "name": "lat\\xe9n",
        "difference": "only in A",
        "reason": None,
    }
