"""``mv``: the source goes when its copy is proved to be there, and only then."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.runs import contents, error_of, invoke, succeed

import cipherbucket as cb
from cipherbucket.cli.copying import object_transfers
from cipherbucket.cli.copying.listings import Item
from cipherbucket.cli.copying.sources import Objects
from cipherbucket.cli.copying.store_to_store import StoreToStore
from cipherbucket.server import Endpoint


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    for name in ("a", "sub/b"):
        (root / name).write_text(name)
    return root


def names(bucket: cb.Bucket) -> list[str]:
    return [each.name for each in bucket.list()]


def test_files_go_up_and_come_down(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path, tmp_path: Path
) -> None:
    result = succeed("mv", "-k", key_file, "-r", tree, f"{url}/t")
    assert result.stderr == "cipherbucket: moved 2 objects, 6 bytes\n"
    assert (names(bucket), contents(tree)) == (["t/a", "t/sub/b"], {})
    assert tree.is_dir()
    succeed("mv", "-k", key_file, f"{url}/t/a", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "a"
    assert names(bucket) == ["t/sub/b"]


def test_objects_are_renamed_without_keys(url: str, bucket: cb.Bucket) -> None:
    for name in ("a", "p/1", "p/2"):
        bucket.put(name, name.encode())
    succeed("mv", f"{url}/a", f"{url}/b")
    succeed("mv", "-r", f"{url}/p", f"{url}/q/r")
    assert names(bucket) == ["b", "q/r/1", "q/r/2"]
    assert bucket.get("q/r/2").read() == b"p/2"


def test_objects_go_to_another_store(url: str, bucket: cb.Bucket, tmp_path: Path) -> None:
    bucket.put("a", b"1")
    other = f"file://{tmp_path}/other"
    cb.make_bucket(other)
    succeed("mv", f"{url}/a", f"{other}/")
    assert names(bucket) == []
    with cb.open_bucket(other) as there:
        assert names(there) == ["a"]


def test_a_file_that_is_changed_meanwhile_is_left(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = object_transfers.upload

    def change_after(*args: Any, **kwargs: Any) -> Any:
        info = upload(*args, **kwargs)
        if args[2].endswith("/a"):
            before = (tree / "a").stat()
            (tree / "new").write_text("x")
            (tree / "new").rename(tree / "a")
            import os

            os.utime(tree / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
        return info

    monkeypatch.setattr(object_transfers, "upload", change_after)
    result = invoke("mv", "-k", key_file, "-r", tree, f"{url}/t")
    assert result.exit_code == 1
    assert "both are left" in result.stderr
    assert contents(tree) == {"a": b"x"}


@pytest.mark.parametrize("in_one_second", [False, True])
def test_an_object_that_is_replaced_meanwhile_is_left(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_one_second: bool,
) -> None:
    bucket.put("a", b"1")
    download, head = object_transfers.download, cb.Bucket.head
    first = bucket.head("a").modified

    def replace_after(*args: Any, **kwargs: Any) -> Any:
        info = download(*args, **kwargs)
        bucket.put("a", b"2")
        return info

    def frozen(self: cb.Bucket, *args: Any, **kwargs: Any) -> cb.ObjectInfo:
        return replace(head(self, *args, **kwargs), modified=first)

    monkeypatch.setattr(object_transfers, "download", replace_after)
    if in_one_second:
        monkeypatch.setattr(cb.Bucket, "head", frozen)
    result = invoke("mv", "-k", key_file, f"{url}/a", tmp_path / "file")
    assert result.exit_code == 5
    assert "both are left" in result.stderr
    assert bucket.get("a").read() == b"2"


def test_what_is_not_copied_is_not_removed(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path
) -> None:
    bucket.put("t/a", b"there before")
    result = succeed("mv", "-r", "--skip-existing", "-k", key_file, tree, f"{url}/t")
    assert result.stderr == "cipherbucket: moved 1 object, 5 bytes; 1 skipped, there already\n"
    assert contents(tree) == {"a": b"a"}
    assert invoke("mv", "-r", "--if-absent", "-k", key_file, tree, f"{url}/t").exit_code == 1
    assert contents(tree) == {"a": b"a"}
    assert succeed("mv", "-rn", "-k", key_file, tree, f"{url}/t").stdout == (
        "would move a (there already)\n"
    )
    assert contents(tree) == {"a": b"a"}


def test_an_object_moved_onto_itself_is_left(url: str, bucket: cb.Bucket, key_file: Path) -> None:
    bucket.put("a", b"1")
    assert invoke("mv", "-k", key_file, f"{url}/a", f"{url}/a").exit_code in {1, 2}
    assert names(bucket) == ["a"]
    assert invoke("mv", "-r", "-k", key_file, f"{url}/", f"{url}/").exit_code == 2
    assert invoke("mv", "-n", f"{url}/a", f"{url}/").exit_code == 2
    assert invoke("cp", "-n", f"{url}/*", f"{url}/").exit_code == 1
    assert names(bucket) == ["a"]


@pytest.mark.parametrize(("source", "target"), [("p/", ""), ("p/", "p/old/"), ("p/q/", "p/")])
@pytest.mark.parametrize("command", ["mv", "cp"])
def test_nothing_is_moved_above_or_below_itself(
    url: str, bucket: cb.Bucket, command: str, source: str, target: str
) -> None:
    for name in ("p/z", "p/p/z", "p/q/z", "p/q/q/z"):
        bucket.put(name, name.encode())
    below = command == "cp" and target.startswith(source)  # all is listed before
    result = invoke(command, "-r", f"{url}/{source}", f"{url}/{target}")
    assert result.exit_code == (0 if below else 2)
    assert {name: bucket.get(name).read() for name in names(bucket) if "old" not in name} == {
        name: name.encode() for name in ("p/z", "p/p/z", "p/q/z", "p/q/q/z")
    }


@pytest.mark.parametrize(
    ("sources", "target", "there"),
    [
        (["x/a", "x/b"], "", ["a/1", "b/1"]),
        (["x/a", "x/b"], "x/c/", ["x/c/a/1", "x/c/b/1"]),
        (["x/a*"], "x/new/", ["x/b/1", "x/new/a/1"]),
        (["x"], "", ["a/1", "b/1"]),
    ],
)
def test_sources_and_a_target_in_one_folder_are_moved_where_no_names_meet(
    url: str, bucket: cb.Bucket, sources: list[str], target: str, there: list[str]
) -> None:
    for name in ("x/a/1", "x/b/1"):
        bucket.put(name, name.encode())
    succeed("mv", "-r", *(f"{url}/{each}" for each in sources), f"{url}/{target}")
    assert names(bucket) == there


def test_what_would_be_moved_again_by_the_next_run_is_not_moved(
    url: str, bucket: cb.Bucket
) -> None:
    bucket.put("a/1", b"")
    result = invoke("mv", "-r", f"{url}/a*", f"{url}/archive/")
    assert result.exit_code == 2
    assert "'a/1' would become 'archive/a/1', which is to be moved, too" in result.stderr
    assert names(bucket) == ["a/1"]


def test_a_copy_into_its_own_prefix_is_repeated_without_what_is_left_out(
    url: str, bucket: cb.Bucket
) -> None:
    bucket.put("a", b"1")
    command = ("cp", "-r", "--exclude", "backup", f"{url}/", f"{url}/backup/")
    succeed(*command)
    bucket.put("a", b"2")
    succeed(*command)
    assert names(bucket) == ["a", "backup/a"]
    assert bucket.get("backup/a").read() == b"2"
    assert invoke("cp", "-r", f"{url}/", f"{url}/backup/").exit_code == 2


@contextmanager
def at_two_hosts(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Serve a bucket; give the option by which it is a source at another name of the host."""
    with Endpoint(buckets=[name], md5_etags=True) as endpoint:
        for variable, value in (
            ("OSS_ENDPOINT", endpoint.url),
            ("OSS_REGION", endpoint.region),
            ("OSS_ACCESS_KEY_ID", endpoint.access_key_id),
            ("OSS_ACCESS_KEY_SECRET", endpoint.access_key_secret),
        ):
            monkeypatch.setenv(variable, value)
        port = endpoint.url.rpartition(":")[2]
        yield "--source-endpoint", f"http://127.1:{port}"


def test_an_object_is_not_moved_onto_itself_by_another_name_of_the_host(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_two_hosts("moved", monkeypatch) as there:
        succeed("cp", "-q", "-k", key_file, key_file, "oss://moved/a")
        again = (*there, "oss://moved/a", "oss://moved/a")
        result = invoke("mv", *again)
        assert result.exit_code == 2
        assert "could be one bucket" in error_of(result)
        assert "with rm" in error_of(result)  # the way on
        assert "a" in succeed("ls", "oss://moved/").stdout
        succeed("cp", "-q", "-k", key_file, key_file, "oss://moved/d/b")
        result = invoke("sync", "--delete", *there, "oss://moved/d", "oss://moved/")
        assert result.exit_code == 2
        assert "one of source and target is in the other" in error_of(result)
        assert len(succeed("ls", "-r", "oss://moved/").stdout.splitlines()) == 2


@pytest.mark.parametrize("command", ["cp -r", "sync"])
def test_nothing_is_written_into_a_bucket_that_could_be_the_listed_one_before_all_is_listed(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Else there would be no end to copies of copies."""
    items, copy, ended = Objects.items, StoreToStore.copy, list[bool]()

    def listed(self: Objects, bucket: cb.Bucket) -> Iterator[Item]:
        yield from items(self, bucket)
        ended.append(True)

    def copied(*args: Any, **kwargs: Any) -> Any:
        assert ended
        return copy(*args, **kwargs)

    with at_two_hosts("moved", monkeypatch) as there:
        for name in "ab":
            succeed("cp", "-q", "-k", key_file, key_file, f"oss://moved/d/{name}")
        monkeypatch.setattr(Objects, "items", listed)
        monkeypatch.setattr(StoreToStore, "copy", copied)
        options = ("--workers", 1, *there)
        succeed(*command.split(), *options, "oss://moved/d", "oss://moved/d/e")


@pytest.mark.parametrize("command", ["mv", "cp"])
@pytest.mark.parametrize("target", ["", "p/q/"])
def test_what_fits_two_stars_is_not_moved_above_or_below_itself(
    url: str, bucket: cb.Bucket, command: str, target: str
) -> None:
    before = {name: name.encode() for name in ("p/z", "p/p/z", "p/q/z", "p/q/q/z")}
    for name, data in before.items():
        bucket.put(name, data)
    result = invoke(command, f"{url}/p/**", f"{url}/{target}")
    assert result.exit_code == 2
    assert {name: bucket.get(name).read() for name in names(bucket)} == before


def test_a_copy_below_itself_that_would_replace_what_is_to_be_copied_is_refused(
    url: str, bucket: cb.Bucket
) -> None:
    for name in ("p/a", "p/old/a"):
        bucket.put(name, name.encode())
    result = invoke("cp", "-r", f"{url}/p", f"{url}/p/old")
    assert result.exit_code == 2
    assert "'p/a' would become 'p/old/a', which is to be copied, too" in result.stderr
    assert names(bucket) == ["p/a", "p/old/a"]
    assert bucket.get("p/old/a").read() == b"p/old/a"


@pytest.mark.parametrize("same", ["second", "time"])
def test_an_object_that_was_changed_at_the_time_of_its_listing_is_left(
    url: str, bucket: cb.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: str
) -> None:
    """Only its time shows that it was written onto itself; other metadata show by themselves."""
    bucket.put("a", b"1")
    other = f"file://{tmp_path}/other"
    cb.make_bucket(other)
    copy, head = StoreToStore.copy, cb.Bucket.head
    first = bucket.head("a").modified

    def change_after(*args: Any, **kwargs: Any) -> Any:
        info = copy(*args, **kwargs)
        with cb.open_store(url) as store:
            metadata = store.head("a").metadata if same == "second" else {"other": "envelope"}
            store.replace_metadata("a", metadata=metadata, headers=None)
        return info

    def frozen(self: cb.Bucket, *args: Any, **kwargs: Any) -> cb.ObjectInfo:
        return replace(head(self, *args, **kwargs), modified=first)

    monkeypatch.setattr(StoreToStore, "copy", change_after)
    if same == "time":
        monkeypatch.setattr(cb.Bucket, "head", frozen)
    result = invoke("mv", f"{url}/a", f"{other}/")
    assert result.exit_code == 5
    assert "both are left" in error_of(result)
    assert names(bucket) == ["a"]


def test_a_link_is_not_moved(url: str, bucket: cb.Bucket, key_file: Path, tree: Path) -> None:
    (tree / "link").symlink_to(tree / "a")
    assert invoke("mv", "-k", key_file, tree / "link", f"{url}/x").exit_code == 2
    (tree / "link").unlink()
    (tree / "link").symlink_to(key_file)
    assert invoke("mv", "-r", "-k", key_file, tree, f"{url}/t").exit_code == 1
    assert names(bucket) == ["t/a", "t/sub/b"]
    assert (tree / "link").is_symlink()


@pytest.mark.parametrize("recursive", [False, True])
def test_a_file_that_cannot_be_removed_is_said_to_be_copied(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    recursive: bool,
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "unlink", failing)
    monkeypatch.setattr(Path, "unlink", failing)
    source = ["-r", tree] if recursive else [tree / "a"]
    result = invoke("mv", "-k", key_file, *source, f"{url}/t/")
    monkeypatch.undo()
    assert result.exit_code == 1
    assert "the file was copied and cannot be removed: Permission denied" in result.stderr
    assert "both are left" in result.stderr
    assert (tree / "a").exists()
    assert "t/a" in names(bucket)
