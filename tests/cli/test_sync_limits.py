"""What ``sync --delete`` never does, and how far it goes."""

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.cli.runs import PROGRAM, base, contents, error_of, invoke, succeed, synced

import cipherbucket as cb
from cipherbucket.cli.copying import deletion, object_transfers
from cipherbucket.cli.copying.changed_kinds import ChangedKinds
from cipherbucket.cli.copying.listings import Item, MergedItem
from cipherbucket.cli.copying.places import store_place
from cipherbucket.cli.copying.target_folder import TargetFolder, set_time
from cipherbucket.local_files.folders import Place, open_folder


def names(bucket: cb.Bucket) -> list[str]:
    return [entry.name for entry in bucket.list()]


def files(folder: Path, **contents: str) -> Path:
    """Write files; ``__`` in a name is a slash."""
    for name, text in contents.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("kept", "doomed", "is_refused"),
    [(0, 1, True), (1, 1, False), (1, 2, True), (2, 2, False), (4, 5, True), (10, 3, False)],
)
def test_more_than_half_is_deleted_only_if_so_many_may_be(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tmp_path: Path,
    kept: int,
    doomed: int,
    is_refused: bool,
) -> None:
    tree = files(tmp_path / "tree", **{f"kept-{n}": "1" for n in range(kept)}, new="1")
    for n in range(kept):
        bucket.put(f"kept-{n}", b"1")
    for n in range(doomed):
        bucket.put(f"doomed-{n}", b"1")
    ends = ("-k", key_file, "--delete", tree, url)
    shown = invoke("sync", "--dry-run", *ends)
    assert shown.exit_code == (2 if is_refused else 0)
    assert shown.stdout.count("would delete") == doomed
    assert ("--max-delete" in shown.stderr) is is_refused
    assert "--dry-run" not in shown.stderr
    result = invoke("sync", *ends)
    assert result.exit_code == (2 if is_refused else 0)
    if is_refused:
        assert f"--delete would delete {doomed} of {kept + doomed} object" in result.stderr
        assert "more than half (--dry-run shows them" in result.stderr
        assert f"if it is meant, add --max-delete {doomed})" in result.stderr
        assert len(names(bucket)) == kept + doomed + 1
        refused = invoke("sync", "--max-delete", doomed - 1, *ends)
        assert refused.exit_code == 2
        assert f"and --max-delete is {doomed - 1}" in refused.stderr
        succeed("sync", "--max-delete", doomed, *ends)
    assert len(names(bucket)) == kept + 1


def test_a_great_number_is_deleted_only_if_so_many_may_be(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "MOST", 3)
    tree = files(tmp_path / "tree", **{f"kept-{n}": "1" for n in range(9)})
    synced("-k", key_file, tree, url)
    for n in range(4):
        bucket.put(f"doomed-{n}", b"1")
    result = invoke("sync", "-k", key_file, "--delete", tree, url)
    assert result.exit_code == 2
    assert "would delete 4 of 13 objects in the target, more than 3 (" in result.stderr
    assert len(names(bucket)) == 13
    succeed("sync", "-k", key_file, "--delete", "--max-delete", 4, tree, url)
    assert len(names(bucket)) == 9


def test_only_what_the_patterns_take_is_counted(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    tree = files(tmp_path / "tree", new="1")
    for name in ("a.log", "b.log", "c.log", "doomed"):
        bucket.put(name, b"1")
    options = ("-k", key_file, "--delete", "--exclude", "*.log")
    result = invoke("sync", *options, tree, url)
    assert result.exit_code == 2
    assert "1 of 1 object in the target that the patterns take, more than half" in result.stderr


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_a_source_that_the_patterns_make_empty_deletes_nothing(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, down: bool, option: tuple[str, ...]
) -> None:
    for name in (".DS_Store", "1", "2"):
        bucket.put(name, b"1")
    folder = files(tmp_path / "d", **{".DS_Store": "1", "1": "1", "2": "1"})
    for name in "12":
        bucket.delete(name) if down else (folder / name).unlink()
    ends = (url, folder) if down else (folder, url)
    excluded = ("--exclude", ".DS_Store", "--max-delete", 9)
    result = invoke("sync", "-k", key_file, "--delete", *option, *excluded, *ends)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the patterns take nothing of the source" in result.stderr
    assert "rm -r" not in result.stderr  # it would delete what the patterns leave out, too
    assert len(contents(folder) if down else names(bucket)) == 3


def test_a_dry_run_with_nothing_to_do_says_so(url: str, key_file: Path, tmp_path: Path) -> None:
    tree = files(tmp_path / "tree", a="1")
    synced("-k", key_file, tree, url)
    for delete in ((), ("--delete",)):
        result = succeed("sync", "--dry-run", *delete, tree, url)
        assert (result.stdout, result.stderr) == ("", "cipherbucket: nothing to do; 1 unchanged\n")
        assert succeed("sync", "-q", "--dry-run", *delete, tree, url).output == ""


@pytest.mark.parametrize("way", ["./store", "link", "../{here}/store", "sub/../store"])
def test_one_place_is_one_by_whatever_path(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, way: str
) -> None:
    store = Path(url.removeprefix("file://"))
    (tmp_path / "link").symlink_to(store)
    (tmp_path / "sub").mkdir()
    other = f"file://{tmp_path}/{way.format(here=tmp_path.name).replace('store', store.name)}"
    for name in ("d/1", "d/2", "other"):
        bucket.put(name, b"1")
    assert store_place(other) == store_place(url)
    for ends in ((f"{url}/d", other), (other, f"{url}/d"), (f"{url}/d", f"{other}/d")):
        for args in (("sync",), ("sync", "--delete"), ("sync", "--dry-run", "--delete")):
            result = invoke(*args, *ends)
            assert (result.exit_code, result.stdout) == (2, "")
    assert invoke("cp", "-r", f"{url}/d", f"{other}/d").exit_code == 2
    assert invoke("cp", f"{url}/d/1", f"{other}/d/1").exit_code == 2
    assert names(bucket) == ["d/1", "d/2", "other"]
    files_of_store = Path(other.removeprefix("file://"))
    keyed = ("-k", key_file)
    inner = tmp_path / "inner"
    inner.symlink_to(files_of_store / "index.sqlite")
    for inside in (
        ("cp", *keyed, f"{url}/d/1", inner),
        ("sync", *keyed, files_of_store, f"{url}/x"),
        ("sync", *keyed, "--delete", f"{url}/d", files_of_store / "new"),
        ("cp", "-r", *keyed, files_of_store / "bodies", f"{url}/x"),
        ("cp", "-r", *keyed, f"{url}/d", files_of_store),
        ("cp", *keyed, f"{url}/d/1", files_of_store / "file"),
    ):
        assert "in the folder of the store" in error_of(invoke(*inside)), inside
    assert names(bucket) == ["d/1", "d/2", "other"]


def test_buckets_are_one_by_name_and_host() -> None:
    def place(name: str, **how: Any) -> object:
        return store_place(f"oss://{name}", cb.OssSettings(**how))

    cloud = place("a", region="cn-hangzhou")
    for how in (
        {"region": "cn-beijing"},
        {"endpoint": "https://oss-cn-hangzhou.aliyuncs.com"},
        {"endpoint": "oss-cn-hangzhou-internal.aliyuncs.com", "region": "cn-hangzhou"},
        {"endpoint": "http://OSS-accelerate.aliyuncs.com:80/"},
    ):
        assert place("a", **how) == cloud
    assert place("b", region="cn-hangzhou") != cloud
    local = place("a", endpoint="http://127.0.0.1:9000")
    assert local != cloud
    assert place("a", endpoint="http://127.0.0.1:9000/", region="cn-x") == local
    assert place("a", endpoint="http://localhost:9000") == local
    assert place("a", endpoint="http://[::1]:9000") == local
    assert place("a", endpoint="http://127.0.0.1:9001") != local
    assert store_place("memory://a") != store_place("memory://b")


def changed(folder: Path, item: str) -> None:
    """Make a folder of a file, or the reverse."""
    path = folder / item
    if path.is_dir():
        (path / "x").unlink()
        path.rmdir()
        path.write_text("2")
    else:
        path.unlink()
        files(folder, **{f"{item}__x": "2"})


@pytest.mark.parametrize("first", [{"item": "1"}, {"item__x": "1"}], ids=["file", "folder"])
@pytest.mark.parametrize("stale", [False, True])
def test_a_file_that_became_a_folder_and_the_reverse_converge(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, first: dict[str, str], stale: bool
) -> None:
    up, down = files(tmp_path / "up", **first), tmp_path / "down"
    ends = (("-q", "-k", key_file, up, url), ("-q", "-k", key_file, url, down))
    for each in ends:
        succeed("sync", "--delete", *each)
    changed(up, "item")
    if stale:
        (down / "stale").write_text("1")
    succeed("sync", "--delete", *ends[0])
    assert names(bucket) == list(contents(up))
    if stale:
        succeed("sync", "--delete", "--dry-run", *ends[1])
    succeed("sync", "--delete", *ends[1])
    assert contents(down) == contents(up)
    assert succeed("sync", "--dry-run", "--delete", *ends[1][1:]).stdout == ""


def down_of(url: str, key_file: Path, folder: Path, *options: object) -> tuple[int, str]:
    result = invoke("sync", "-k", key_file, *options, url, folder)
    return result.exit_code, result.stderr


def test_without_delete_it_is_said_what_is_in_the_way(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    for name in ("a/b/c", "d", "e"):
        bucket.put(name, b"1")
    folder = files(tmp_path / "down", a="mine", d__x="mine")
    for option in ("--dry-run", "--no-config"):
        code, told = down_of(url, key_file, folder, option)
        assert code == 1
        assert "'a/b/c': 'a' is a file in the target and a folder in the source" in told
        assert "'d': 'd' is a folder in the target and a file in the source" in told
        assert "--delete" in told
    assert contents(folder) == {"a": b"mine", "d/x": b"mine", "e": b"1"}
    assert down_of(url, key_file, folder, "--delete", "--dry-run")[0] == 0
    assert down_of(url, key_file, folder, "--delete", "-q")[0] == 0
    assert contents(folder) == {"a/b/c": b"1", "d": b"1", "e": b"1"}


@pytest.mark.parametrize("kept", ["excluded", "link", "pipe", "left out below"])
def test_nothing_makes_room_that_delete_is_not_for(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, kept: str
) -> None:
    bucket.put("d", b"1")
    bucket.put("z", b"1")
    folder = files(tmp_path / "down", d__x="mine", d__sub__y="mine")
    if kept == "excluded":
        (folder / "d" / "k.log").write_text("mine")
    elif kept == "link":
        (folder / "d" / "k").symlink_to(tmp_path)
    elif kept == "pipe":
        os.mkfifo(folder / "d" / "k")
    else:
        (folder / "d" / "sub" / ".cipherbucket-0123456789abcdef.part").write_text("mine")
    before = contents(folder)
    options = ("--delete", "--max-delete", 9, "--exclude", "*.log")
    code, told = down_of(url, key_file, folder, *options)
    assert code == 1
    assert "is in the way, and --delete does not delete it" in told
    assert "nothing else was deleted" in told
    assert contents(folder) == {**before, "z": b"1"}


def test_an_empty_folder_makes_room(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("d", b"1")
    (tmp_path / "down" / "d" / "e" / "f").mkdir(parents=True)
    assert down_of(url, key_file, tmp_path / "down", "--delete")[0] == 0
    assert contents(tmp_path / "down") == {"d": b"1"}


def test_what_cannot_be_fetched_makes_nothing_go(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a/b", b"1")
    bucket.put("z", b"1")
    folder = files(tmp_path / "down", a="mine", stale="mine", z="1", y="1")
    bucket.put("y", b"1")
    download = object_transfers.download

    def failing(bucket: cb.Bucket, name: str, *rest: Any) -> cb.ObjectInfo:
        if name == "a/b":
            raise cb.StoreError("the store failed", name=name)
        return download(bucket, name, *rest)

    monkeypatch.setattr(object_transfers, "download", failing)
    code, told = down_of(url, key_file, folder, "--delete")
    assert code == 1
    assert "the store failed" in told
    assert (folder / "a").read_text() == "mine"
    assert (folder / "stale").exists()
    assert not list(folder.glob(".cipherbucket-*"))


def test_a_name_that_is_both_in_the_store_deletes_nothing(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    for name in ("item", "item/x"):
        bucket.put(name, b"1")
    folder = files(tmp_path / "down", stale="1", kept="1")
    bucket.put("kept", b"1")
    code, told = down_of(url, key_file, folder, "--delete")
    assert code == 1
    assert "is in the way, and --delete does not delete it" in told
    assert (folder / "stale").exists()


def test_kinds_are_counted_as_the_listings_pass() -> None:
    kinds = ChangedKinds()
    for name, in_source in (
        ("a", False),
        ("a!", True),
        ("a/1", True),
        ("a/2", True),
        ("a0", False),
        ("b", True),
        ("b-", False),
        ("b/1", False),
        ("b/2/3", False),
        ("c", False),
        ("c/d", False),
    ):
        item = Item(name, 1, 1)
        here, there = (item, None) if in_source else (None, item)
        kinds.look_at(MergedItem(name, here, there))
    assert kinds.count == 2


def test_a_name_that_both_sides_have_is_none_that_changed(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    tree = files(tmp_path / "tree", a="1")
    for name in ("a", "a/1", "a/2"):
        bucket.put(name, b"1")
    result = invoke("sync", "-k", key_file, "--delete", tree, url)
    assert "would delete 2 of 3 objects in the target, more than half" in result.stderr
    assert names(bucket) == ["a", "a/1", "a/2"]


def test_no_name_makes_room_outside_of_the_target(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside" / "empty"
    outside.mkdir(parents=True)
    for name in ("../outside", "in/../../outside/empty", "../outside/empty/..", "z"):
        bucket.put(name, b"1")
    (tmp_path / "down" / "in").mkdir(parents=True)
    code, told = down_of(url, key_file, tmp_path / "down", "--delete", "--max-delete", 9)
    assert code == 1
    assert told.count("the name makes no path below the target folder") == 3
    assert outside.is_dir()


def test_what_is_gone_from_the_way_is_no_failure(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rmdir = os.rmdir

    def twice(*args: Any, **how: Any) -> None:
        rmdir(*args, **how)
        rmdir(*args, **how)

    bucket.put("d", b"1")
    folder = files(tmp_path / "down", d__x="mine")
    monkeypatch.setattr(os, "rmdir", twice)
    assert down_of(url, key_file, folder, "--delete")[0] == 0
    assert contents(folder) == {"d": b"1"}


def test_what_cannot_make_room_is_told_by_its_name(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    bucket.put("d", b"1")
    folder = files(tmp_path / "down", d__x="mine")
    monkeypatch.setattr(os, "rmdir", forbidden)
    code, told = down_of(url, key_file, folder, "--delete")
    assert code == 1
    assert "'d' is in the way and cannot be deleted: Permission denied" in told


def test_what_a_killed_process_left_is_replaced(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a/b", b"1")
    folder = files(tmp_path / "down", a="mine")
    left: list[Path] = []

    def breaking_off(_: TargetFolder, finished: Place, *_rest: object) -> None:
        left.append(Path(finished))
        raise cb.UsageError("stopped")

    with monkeypatch.context() as stopping:
        stopping.setattr(TargetFolder, "move", breaking_off)
        assert down_of(url, key_file, folder, "--delete")[0] == 1
    assert contents(folder) == {"a": b"mine"}
    left[0].write_text("as after a kill, which removes nothing")
    assert down_of(url, key_file, folder, "--delete")[0] == 0
    assert contents(folder) == {"a/b": b"1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_file_gets_its_time_also_if_its_owner_may_not_read_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    file = tmp_path / "file"
    file.write_text("1")
    file.chmod(0o200)
    os.chown(file, 65534, 65534)
    with open_folder(tmp_path) as folder:
        if not (child := os.fork()):
            os.setuid(65534)
            set_time(Place(folder, "file"), 1_000)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert file.stat().st_mtime_ns == 1_000


def test_a_reader_who_goes_away_is_no_failure_of_a_file(
    url: str, key_file: Path, tmp_path: Path
) -> None:
    tree = files(tmp_path / "tree", **{f"{n:04}-{'x' * 200}": "1" for n in range(600)})
    command = [*PROGRAM, "sync", "-n", "-k", str(key_file), str(tree), url]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=base()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_store_by_name_is_the_one_of_its_url(ruled_folder: Path) -> None:
    succeed("cp", "-", "records://a/1", stdin=b"1")
    plain = f"file://{ruled_folder}/records"
    for ends in (
        ("records://a", f"{plain}/a"),
        (f"{plain}/a", "records://"),
        ("records://a", plain),
    ):
        assert invoke("sync", "--delete", *ends).exit_code == 2
    assert invoke("cp", "records://a/1", f"{plain}/a/1").exit_code == 2
    assert invoke("cp", "-r", "records://a", f"{plain}/a").exit_code == 2
    refused = invoke("sync", "records://a", ruled_folder / "records" / "x")
    assert "in the folder of the store" in error_of(refused)
    assert succeed("ls", "-r", "records://").stdout.count("\n") == 1
