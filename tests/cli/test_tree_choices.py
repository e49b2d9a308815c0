"""What ``cp -r`` copies: everything, but for what an earlier run of the same command copied."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.runs import contents, error_of, invoke, succeed

import cipherbucket as cb
from cipherbucket.cli.copying import object_transfers
from cipherbucket.cli.copying.store_to_store import StoreToStore

BEFORE = "skipped, copied by an earlier run"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    for number in range(5):
        (root / "sub" / f"{number}").write_bytes(b"%d" % number * number)
    return root


@contextmanager
def failing_at(name: str) -> Iterator[None]:
    """Let copies of one object fail, as if the store had refused it."""

    def patched(whole: Any, place: int) -> Any:
        def copy(*args: Any, **kwargs: Any) -> Any:
            if str(args[place]).endswith(name):
                raise cb.StoreError("the store is full", name=str(args[place]))
            return whole(*args, **kwargs)

        return copy

    with pytest.MonkeyPatch.context() as patch:
        for verb, place in (("upload", 2), ("download", 1)):
            patch.setattr(object_transfers, verb, patched(getattr(object_transfers, verb), place))
        patch.setattr(StoreToStore, "copy", patched(StoreToStore.copy, 1))
        yield


@pytest.fixture(params=["up", "down", "between"])
def command(
    request: pytest.FixtureRequest, url: str, key_file: Path, tree: Path, tmp_path: Path
) -> list[object]:
    """Return a copy of the tree in each direction."""
    other = f"file://{tmp_path}/other"
    cb.make_bucket(other)
    if request.param != "up":
        succeed("cp", "-q", "-r", "-k", key_file, tree, f"{url}/t")
    places: dict[str, tuple[object, object]] = {
        "up": (tree, f"{url}/t"),
        "down": (f"{url}/t", tmp_path / "down"),
        "between": (f"{url}/t", f"{other}/t"),
    }
    return ["cp", "-r", "-k", key_file, *places[request.param]]


def test_a_copy_that_failed_in_part_goes_on(command: list[object]) -> None:
    with failing_at("sub/3"):
        assert "copied 4 objects" in invoke(*command).stderr
    again = succeed(*command).stderr
    assert "copied 1 object, 3 bytes" in again
    assert f"4 {BEFORE}" in again


def test_a_copy_that_came_to_its_end_copies_everything_again(command: list[object]) -> None:
    for _ in range(2):
        assert succeed(*command).stderr == "cipherbucket: copied 5 objects, 10 bytes\n"


def test_what_was_copied_is_copied_again_where_the_target_is_another_by_now(
    command: list[object], url: str, tmp_path: Path
) -> None:
    with failing_at("sub/3"):
        invoke(*command)
    if (path := tmp_path / "down" / "sub" / "1").exists():
        path.write_bytes(b"x")
    else:
        store = f"file://{tmp_path}/other" if "other" in str(command[-1]) else url
        with cb.open_store(store) as opened:
            opened.put("t/sub/1", b"x")
    again = succeed(*command).stderr
    assert "copied 2 objects" in again
    assert f"3 {BEFORE}" in again


@pytest.mark.parametrize("older", [False, True])
def test_a_file_that_was_replaced_meanwhile_is_copied_again(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path, tmp_path: Path, older: bool
) -> None:
    command = ["cp", "-r", "-k", key_file, tree, f"{url}/t"]
    with failing_at("sub/3"):
        invoke(*command)
    path, other = tree / "sub" / "4", tmp_path / "other"
    before = path.stat()
    other.write_bytes(b"####")
    shift = -(10**12) if older else 0  # of the same time and length: still another file
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns + shift))
    other.rename(path)
    assert "copied 2 objects" in succeed(*command).stderr
    assert bucket.get("t/sub/4").read() == b"####"


@pytest.mark.parametrize(
    "option", [("--metadata", "a=b"), ("--format", "sealed"), ("--no-resume",)], ids=str
)
def test_another_command_copies_everything(
    url: str, key_file: Path, tree: Path, option: tuple[str, ...]
) -> None:
    command = ["cp", "-r", "-k", key_file, tree, f"{url}/t"]
    with failing_at("sub/3"):
        invoke(*command)
    assert succeed(*command, *option).stderr == "cipherbucket: copied 5 objects, 10 bytes\n"


def test_another_key_copies_everything(
    url: str, key_file: Path, other_key_file: Path, tree: Path
) -> None:
    with failing_at("sub/3"):
        invoke("cp", "-r", "-k", key_file, tree, f"{url}/t")
    assert "copied 5 objects" in succeed("cp", "-r", "-k", other_key_file, tree, f"{url}/t").stderr


def test_a_ledger_that_cannot_be_written_stops_nothing(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise cb.UsageError("no ledger can be kept: the disk is full")

    monkeypatch.setattr("cipherbucket.bulk.ledger.Ledger.record", full)
    result = succeed("cp", "-r", "-k", key_file, tree, f"{url}/t")
    assert "copied 5 objects" in result.stderr
    assert result.stderr.count("the disk is full") == 1
    assert len(list(bucket.list())) == 5


def test_skip_existing_leaves_alone_what_is_there(command: list[object]) -> None:
    with failing_at("sub/3"):
        invoke(*command, "--no-resume")
    result = succeed(*command, "--skip-existing", "--no-resume")
    assert result.stderr == "cipherbucket: copied 1 object, 3 bytes; 4 skipped, there already\n"


def test_update_copies_what_is_newer(url: str, key_file: Path, tree: Path) -> None:
    succeed("cp", "-r", "-q", "-k", key_file, tree, f"{url}/t")
    os.utime(tree / "sub" / "4", (2e9, 2e9))
    os.utime(tree / "sub" / "2", (1e9, 1e9))
    (tree / "sub" / "2").write_bytes(b"of another length, though older")
    os.utime(tree / "sub" / "2", (1e9, 1e9))
    result = succeed("cp", "-r", "--update", "-k", key_file, tree, f"{url}/t")
    assert result.stderr == "cipherbucket: copied 1 object, 4 bytes; 4 skipped, not newer\n"
    down = tree.parent / "down"
    succeed("cp", "-r", "-q", "-k", key_file, f"{url}/t", down)
    os.utime(down / "sub" / "1", (1e9, 1e9))
    result = succeed("cp", "-ru", "-k", key_file, f"{url}/t", down)
    assert result.stderr == "cipherbucket: copied 1 object, 1 byte; 4 skipped, not newer\n"


def test_a_dry_run_copies_nothing(url: str, bucket: cb.Bucket, key_file: Path, tree: Path) -> None:
    bucket.put("t/sub/4", b"")
    result = succeed("cp", "-rn", "-k", key_file, tree, f"{url}/t")
    assert sorted(result.stdout.splitlines()) == [
        *(f"would copy sub/{number} (not there)" for number in range(4)),
        "would copy sub/4 (there already)",
    ]
    assert [each.name for each in bucket.list()] == ["t/sub/4"]
    with failing_at("sub/3"):
        invoke("cp", "-r", "-k", key_file, tree, f"{url}/t")
    assert succeed("cp", "-rn", "-k", key_file, tree, f"{url}/t").stdout == (
        "would copy sub/3 (not there)\n"
    )


def test_patterns_choose_what_is_copied(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path
) -> None:
    patterns = ("--exclude", "*", "--include", "sub/[12]")
    succeed("cp", "-r", "-k", key_file, *patterns, tree, f"{url}/t")
    assert [each.name for each in bucket.list()] == ["t/sub/1", "t/sub/2"]
    succeed("cp", "-r", "-k", key_file, "--exclude", "*/1", f"{url}/t", tree.parent / "down")
    assert list(contents(tree.parent / "down")) == ["sub/2"]


def test_many_failures_of_one_kind_are_one_line(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    with cb.open_store(url) as store:
        for number in range(50):
            store.put(f"p/{number:02}", b"not encrypted")
    bucket.put("p/fine", b"1")
    result = invoke("cp", "-r", "-k", key_file, f"{url}/p", tmp_path / "down")
    failures, summary = result.stderr.splitlines()
    assert "'p/00', 'p/01', 'p/02' and 47 more: " in failures
    assert "(" in failures  # the way on
    assert summary == "cipherbucket: copied 1 object, 1 byte; 50 failed"
    assert result.exit_code == 1


def test_failures_of_one_kind_are_one_line_though_each_names_its_path(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    for name in ("one", "two", "three", "four", "five"):
        bucket.put(f"p/{name}", b"")
        (tmp_path / name).write_bytes(b"")
    result = invoke("cp", "-r", "--if-absent", "-k", key_file, f"{url}/p", tmp_path)
    failures, _ = result.stderr.splitlines()
    assert "'p/five', 'p/four', 'p/one' and 2 more: " in failures
    assert "is there already" in failures


@pytest.mark.parametrize(
    "options",
    [("--update", "--skip-existing"), ("--exclude", "*")],
    ids=str,
)
def test_choices_that_cannot_be_made_are_refused(
    url: str, key_file: Path, tree: Path, options: tuple[str, ...]
) -> None:
    result = invoke("cp", "-k", key_file, *options, tree / "sub" / "1", f"{url}/t")
    assert result.exit_code == 2
    assert options[0].removeprefix("--ex") in error_of(result)


@pytest.mark.parametrize("command", [("cp", "-r"), ("sync",)])
@pytest.mark.parametrize("pattern", ["sub/", "/sub/*", "./sub/", "sub/*"])
def test_a_pattern_that_ends_or_begins_with_a_slash_fits_what_it_means(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tree: Path,
    command: tuple[str, ...],
    pattern: str,
) -> None:
    (tree / "kept").write_bytes(b"")
    result = succeed(*command, "-k", key_file, "--exclude", pattern, tree, f"{url}/t")
    assert [each.name for each in bucket.list()] == ["t/kept"]
    assert "fitted" not in result.stderr


def test_a_pattern_that_fitted_nothing_is_told(url: str, key_file: Path, tree: Path) -> None:
    patterns = ("--exclude", "secret/", "--exclude", "*/1")
    result = succeed("cp", "-r", "-k", key_file, *patterns, tree, f"{url}/t")
    assert result.stderr.splitlines()[0] == "cipherbucket: the pattern 'secret/' fitted no name"
    result = succeed("rm", "-rn", "--exclude", "none", f"{url}/t")
    assert "the pattern 'none' fitted no name" in result.stderr


def test_nothing_is_deleted_that_a_pattern_was_meant_to_protect(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path
) -> None:
    for name in ("t/a/Secrets/x", "t/sub/1", "t/old"):
        bucket.put(name, b"1")
    every = [each.name for each in bucket.list()]
    for option in ("-rf", "-rfn"):
        error = error_of(invoke("rm", option, "--exclude", "secrets", f"{url}/t"))
        assert "--exclude 'secrets' fits no name; nothing was deleted" in error
        error = error_of(invoke("rm", option, "--include", "old", f"{url}/t"))
        assert "--include alone leaves out nothing" in error
        assert "put --exclude '*' before it" in error
    for pattern in ("secrets", "secrets/", "t/a/Secrets", "/data/a/Secrets/*"):
        options = ("--delete", "--max-delete", 9, "--exclude", pattern)
        result = invoke("sync", "-k", key_file, *options, tree, f"{url}/t")
        assert result.exit_code == 2
        text = f"--exclude {pattern!r} fits no name, and nearly fits 'a/Secrets/x'"
        assert text in result.stderr
        assert bucket.exists("t/old")
    right = ("--exclude", "*/Secrets", "--exclude", "*.tmp", "--exclude", "drafts/*ld")
    succeed("sync", "-k", key_file, "--delete", "--max-delete", 9, *right, tree, f"{url}/t")
    assert not bucket.exists("t/old")
    assert set(every) - {"t/old"} <= {each.name for each in bucket.list()}
    succeed("rm", "-rf", "--exclude", "*", "--include", "sub/*", f"{url}/t")
    assert [each.name for each in bucket.list()] == ["t/a/Secrets/x"]


def test_a_word_that_fits_at_the_top_is_not_taken_for_all_folders(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path
) -> None:
    names = ("t/secrets/pw", "t/a/secrets/key", "t/secrets-2/x")
    for name in names:
        bucket.put(name, b"1")
    sync = ("sync", "-k", key_file, "--delete", "--max-delete", 9)
    for command, places in ((sync, (tree, f"{url}/t")), (("rm", "-rf"), (f"{url}/t",))):
        for word in ("secrets", "secrets/", "secrets/*", "secrets/**", "secret?", "s[e]crets"):
            result = invoke(*command, "--exclude", word, *places)
            assert result.exit_code == 2
            assert f"--exclude {word!r} fits at the top alone" in result.stderr
            assert "'a/secrets/key' would be deleted" in result.stderr
            assert f"'*/{word.rstrip('/')}'" in result.stderr
            assert all(map(bucket.exists, names))
    succeed(*sync, "--exclude", "secrets", "--exclude", "*/secrets", tree, f"{url}/t")
    assert [bucket.exists(name) for name in names] == [True, True, False]
    asked = invoke("rm", "-r", "--exclude", "secrets", f"{url}/t")
    assert (asked.exit_code, asked.stderr.splitlines()[0][:61]) == (
        2,
        "cipherbucket: --exclude 'secrets' fits at the top alone, and ",
    )
    later = ("--exclude", "secrets", "--include", "a/*")  # which says what becomes of it
    assert "delete t/a/secrets/key\n" in succeed("rm", "-rfn", *later, f"{url}/t").stdout
    succeed("rm", "-rf", "--exclude", "/secrets", f"{url}/t")
    assert [each.name for each in bucket.list()] == ["t/secrets/pw"]
    bucket.put("t/secrets/in/x", b"1")
    succeed("rm", "-rf", "--exclude", "pw", f"{url}/t/secrets/")
    assert [each.name for each in bucket.list()] == ["t/secrets/pw"]


@pytest.mark.parametrize("command", [("cp", "-r"), ("mv", "-rn"), ("sync",), ("diff",)])
def test_include_alone_is_said_to_leave_out_nothing(
    url: str, key_file: Path, tree: Path, command: tuple[str, ...]
) -> None:
    keyed = () if command == ("diff",) else ("-k", key_file)
    for options, said in (
        (("--include", "sub/1"), True),
        (("--exclude", "*", "--include", "sub/1"), False),
    ):
        result = invoke(*command, *keyed, *options, tree, f"{url}/t")
        assert ("--include alone leaves out nothing" in result.stderr) is said


@pytest.mark.parametrize(
    ("option", "why"), [("-u", "not newer"), ("--skip-existing", "there already")]
)
def test_what_is_skipped_has_its_reason(
    url: str, key_file: Path, tree: Path, option: str, why: str
) -> None:
    succeed("cp", "-r", "-k", key_file, tree, f"{url}/t")
    said = succeed("cp", "-rv", option, "-k", key_file, tree, f"{url}/t").stderr.splitlines()
    path = tree / "sub" / "0"
    assert f"cipherbucket: skipped {path} -> {url}/t/sub/0 ({why})" in said
    assert said[-1] == f"cipherbucket: copied 0 objects, 0 bytes; 5 skipped, {why}"


def test_a_dry_run_is_in_order_and_ends_with_what_it_comes_to(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path
) -> None:
    result = succeed("mv", "-rn", "-k", key_file, tree, f"{url}/t")
    assert result.stdout.splitlines() == [f"would move sub/{n} (not there)" for n in range(5)]
    assert result.stderr == "cipherbucket: would move 5 objects, 10 bytes\n"
    bucket.put("t/gone", b"")
    result = succeed("sync", "-n", "--delete", "--max-delete", 1, "-k", key_file, tree, f"{url}/t")
    assert result.stderr == "cipherbucket: would copy 5 objects, 10 bytes; 1 to be deleted\n"
    result = succeed("rm", "-rn", f"{url}/t")
    assert result.stderr == "cipherbucket: would delete 1 object\n"


def test_of_one_object_nothing_is_said_that_went_well(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path, tmp_path: Path
) -> None:
    bucket.put("a", b"12")
    one = tree / "sub" / "2"
    for command in (
        ("cp", one, f"{url}/b"),
        ("cp", f"{url}/a", tmp_path / "down"),
        ("mv", f"{url}/a", f"{url}/c"),
        ("mv", one, f"{url}/d"),
    ):
        assert succeed(*command, "-k", key_file).output == ""
    said = succeed("mv", "-v", "-k", key_file, f"{url}/c", f"{url}/e").stderr
    assert said == f"cipherbucket: moved {url}/c -> {url}/e (2 bytes)\n"
    said = succeed("cp", "-u", "-k", key_file, tree / "sub" / "3", f"{url}/e").stderr
    assert said in {"", "cipherbucket: copied 0 objects, 0 bytes; 1 skipped, not newer\n"}
    assert error_of(invoke("mv", "-k", key_file, f"{url}/e", f"{url}/e"))
    assert succeed("rm", f"{url}/e").output == ""


def test_pairs_are_repeated_or_have_commas_between(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path
) -> None:
    one = tree / "sub" / "1"
    succeed("cp", "-k", key_file, "--metadata", "a=1,b=2", "--metadata", "c=x, y", one, f"{url}/t")
    metadata = bucket.head("t").metadata
    assert {name: metadata[name] for name in "abc"} == {"a": "1", "b": "2", "c": "x, y"}
    succeed("cp", "-k", key_file, "--metadata", r"d=x\,y=z,e=\,,f=\n", one, f"{url}/t")
    metadata = bucket.head("t").metadata
    assert {name: metadata[name] for name in "def"} == {"d": "x,y=z", "e": ",", "f": r"\n"}
    result = invoke("cp", "-k", key_file, "--metadata", "a=1,a=2", one, f"{url}/t")
    assert "'a' is given twice" in error_of(result)


def test_an_object_that_was_rotated_meanwhile_is_copied_again(
    url: str, key_file: Path, other_key_file: Path, tree: Path, tmp_path: Path
) -> None:
    other = f"file://{tmp_path}/other"
    cb.make_bucket(other)
    succeed("cp", "-q", "-r", "--format", "sealed", "-k", key_file, tree, f"{url}/t")
    command = ["cp", "-r", f"{url}/t", f"{other}/t"]
    with failing_at("sub/3"):
        invoke(*command)
    succeed("rotate", "-k", other_key_file, "-k", key_file, f"{url}/t/sub/1")
    assert "copied 2 objects" in succeed(*command).stderr
    with cb.open_bucket(other) as there, cb.open_bucket(url) as here:
        assert there.head("t/sub/1").envelope == here.head("t/sub/1").envelope
