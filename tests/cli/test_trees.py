"""``cp -r``: folders and prefixes, with names from a hostile store."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.runs import contents, error_of, invoke, read, succeed

import cipherbucket as cb
from cipherbucket.cli.copying.target_folder import TargetFolder, safe_parts

HOSTILE = [
    "..",
    "../out",
    "a/../../out",
    "a/..",
    "/etc/out",
    "//out",
    "a//b",
    "a/./b",
    ".",
    "a/.",
    "a/",
    "nul\0byte",
    "x" * 300,
    "x" * 300 + "/y",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "deep").write_bytes(b"3")
    (root / "a" / "file").write_bytes(b"22")
    (root / "top é").write_bytes(b"1")
    (root / "empty").mkdir()
    return root


ALL = {"a/b/deep": b"3", "a/file": b"22", "top é": b"1"}


@pytest.mark.parametrize("prefix", ["", "/", "/p", "/p/q/"])
def test_a_tree_goes_up_and_comes_down(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path, tmp_path: Path, prefix: str
) -> None:
    result = succeed("cp", "-k", key_file, "-r", tree, url + prefix)
    assert (result.stdout, result.stderr) == ("", "cipherbucket: copied 3 objects, 4 bytes\n")
    folder = prefix.strip("/")
    names = [f"{folder}/{name}" if folder else name for name in sorted(ALL)]
    assert [entry.name for entry in bucket.list()] == names
    target = tmp_path / "new" / "target"
    assert succeed("cp", "-q", "-k", key_file, "-r", url + prefix, target).output == ""
    assert contents(target) == ALL


def test_a_prefix_is_a_folder_and_not_the_beginning_of_a_name(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    for name in ("report", "report/1", "reports/2"):
        bucket.put(name, b"")
    succeed("cp", "-k", key_file, "-r", f"{url}/report", tmp_path / "down")
    assert list(contents(tmp_path / "down")) == ["1"]


@pytest.mark.parametrize(
    "command", [("cp", "-r"), ("sync",), ("sync", "--delete"), ("sync", "--dry-run")]
)
@pytest.mark.parametrize("to_store", [False, True])
def test_a_prefix_that_no_name_begins_with_is_told(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tmp_path: Path,
    command: tuple[str, ...],
    to_store: bool,
) -> None:
    for name in ("report.txt", "reports/2", "target/mine"):
        bucket.put(name, b"")
    folder = tmp_path / "down"
    folder.mkdir()
    (folder / "mine").write_bytes(b"1")
    target = f"{url}/target" if to_store else folder
    result = invoke(*command, "-k", key_file, f"{url}/report", target)
    assert result.exit_code == 3
    said = "cipherbucket: there is no object whose name begins with 'report/'\n"
    assert (result.stdout, result.stderr) == ("", said)
    assert contents(folder) == {"mine": b"1"}
    assert bucket.exists("target/mine")


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:12]))
def test_a_hostile_name_becomes_no_file_and_stops_no_other(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, name: str
) -> None:
    for other in ("!first", "~last"):
        bucket.put(f"p/{other}", b"good")
    bucket.put(f"p/{name}", b"evil")
    target = tmp_path / "d" / "target"
    before = set(Path("/etc").iterdir())
    result = invoke("cp", "-k", key_file, "-r", f"{url}/p", target)
    assert result.exit_code == 1
    failure, summary = result.stderr.splitlines()
    assert repr(f"p/{name}")[1:40] in failure
    assert summary == "cipherbucket: copied 2 objects, 8 bytes; 1 failed"
    assert contents(target) == {"!first": b"good", "~last": b"good"}
    assert list(target.parent.iterdir()) == [target]
    assert set(Path("/etc").iterdir()) == before


@pytest.mark.parametrize("name", ["a", "a/b", "...", "..a", "a..", " ", "-r", "a\\b", ".hidden"])
def test_ordinary_names_pass(name: str) -> None:
    assert safe_parts(name) == tuple(name.split("/"))


@pytest.mark.parametrize("name", ["\ud800", "a/\udfff"])
def test_names_that_are_no_text_are_refused(name: str) -> None:
    with pytest.raises(cb.UsageError):
        safe_parts(name)


def test_no_link_in_the_target_is_followed(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"precious")
    target = tmp_path / "target"
    target.mkdir()
    (target / "out").symlink_to(outside)
    (target / "link").symlink_to(outside / "file")
    (target / "null").symlink_to("/dev/null")
    (target / "folder").mkdir()
    (target / "file").write_bytes(b"old")
    os.mkfifo(target / "fifo")
    for name in ("out/new", "link", "null", "folder", "file", "file/below", "fifo"):
        bucket.put(name, b"new")
    result = invoke("cp", "-k", key_file, "-r", url, target)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "cipherbucket: copied 1 object, 3 bytes; 6 failed"
    assert contents(outside) == {"file": b"precious"}
    assert (target / "file").read_bytes() == b"new"
    assert (target / "link").is_symlink()


def test_the_target_folder_itself_may_be_a_link(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a/b", b"1")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    succeed("cp", "-k", key_file, "-r", url, tmp_path / "link")
    assert contents(tmp_path / "real") == {"a/b": b"1"}


@pytest.mark.parametrize("command", ["cp -r", "sync --delete --max-delete 9"])
def test_no_name_leads_into_the_store_it_comes_from(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, command: str
) -> None:
    names = ["store/bodies/new", "store/index.sqlite", "store/new", "store/uploads"]
    for name in (*names, "z"):
        bucket.put(name, b"1")
    result = invoke(*command.split(), "-k", key_file, url, tmp_path)
    assert result.exit_code == 1
    assert "is in the folder of the store" in result.stderr
    assert "4 failed" in result.stderr
    assert (tmp_path / "z").read_bytes() == b"1"
    assert [entry.name for entry in bucket.list()] == [*names, "z"]
    assert not (tmp_path / "store" / "new").exists()
    assert (tmp_path / "store" / "uploads").is_dir()


def test_what_cannot_be_written_is_told_by_its_path(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a", b"1")
    (tmp_path / "file").write_text("1")
    for command in ("cp -r", "sync"):
        result = invoke(*command.split(), "-k", key_file, url, tmp_path / "file" / "x")
        assert f"{tmp_path}/file/x/a cannot be written: Not a directory" in result.stderr


def test_two_names_that_are_one_to_the_file_system_are_told(tmp_path: Path) -> None:
    with TargetFolder(tmp_path) as folder:
        with folder.claimed("name") as place:
            Path(place).write_bytes(b"1")
            folder.remember(place)
        os.link(place, tmp_path / "NAME")  # as a file system would show it that ignores case
        with (
            pytest.raises(cb.UsageError, match="just written for another object"),
            folder.claimed("NAME"),
        ):
            pass
        folder.delete("NAME")
        assert (tmp_path / "NAME").exists()


def test_a_file_of_another_process_is_not_taken_for_ours_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with TargetFolder(tmp_path) as folder:
        with folder.claimed("a") as place:
            path.write_bytes(b"1")
            folder.remember(place)
        path.rename(tmp_path / "b")  # a file of the same number, as if it had been freed and taken
        for replace in (lambda: path.write_bytes(b"theirs"), path.unlink):
            replace()
            with folder.claimed("b") as other:
                assert Path(other) == tmp_path / "b"
        folder.delete("b")
    assert list(tmp_path.iterdir()) == []


def test_objects_that_stand_for_folders_are_left_out(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    with cb.open_store(url) as store:
        store.put("p/", b"")
        store.put("p/sub/", b"")
    bucket.put("p/sub/file", b"1")
    result = succeed("cp", "-k", key_file, "-r", f"{url}/p", tmp_path / "down")
    assert result.stderr == "cipherbucket: copied 1 object, 1 byte\n"
    assert contents(tmp_path / "down") == {"sub/file": b"1"}


def test_if_absent_leaves_files_alone(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("old", b"new")
    bucket.put("new", b"new")
    target = tmp_path / "down"
    target.mkdir()
    (target / "old").write_bytes(b"old")
    assert invoke("cp", "-k", key_file, "--if-absent", "-r", url, target).exit_code == 1
    assert contents(target) == {"old": b"old", "new": b"new"}
    assert invoke("cp", "-k", key_file, "--if-absent", "-r", target, url).exit_code == 1


@pytest.mark.parametrize("command", ["cp", "mv"])
def test_a_dry_run_foretells_what_if_absent_refuses(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, command: str
) -> None:
    for name in ("from/old", "from/new", "to/old"):
        bucket.put(name, b"1")
    down = tmp_path / "down"
    down.mkdir()
    (down / "old").write_bytes(b"2")
    for source, target in (
        (f"{url}/from", down),
        (f"{url}/from", f"{url}/to"),
        (down, f"{url}/to"),
    ):
        of_one = (f"{source}/old", f"{target}/old")
        for args in (("-r", source, target), of_one):
            keyed = ("--if-absent", "-k", key_file, *args)
            foretold, done = (invoke(command, *more, *keyed) for more in (["-n"], []))
            assert foretold.exit_code == done.exit_code == 1
            assert "already" in foretold.stderr
            said = foretold.stderr.replace(f"would {command.replace('cp', 'copy')}", "done")
            assert said.splitlines()[0] == done.stderr.splitlines()[0]
            assert " failed" in said or args == of_one
    assert bucket.exists("from/old")
    assert (down / "old").read_bytes() == b"2"


def test_a_damaged_object_stops_no_other(
    url: str, bucket: cb.Bucket, key_file: Path, other_key_file: Path, tmp_path: Path
) -> None:
    for name in ("a", "c"):
        bucket.put(name, b"1")
    cb.open_bucket(url, cb.load_key(other_key_file)).put("b", b"2")
    result = invoke("cp", "-q", "-k", key_file, "-r", url, tmp_path / "down")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert contents(tmp_path / "down") == {"a": b"1", "c": b"1"}


def test_links_to_files_are_followed_and_what_is_no_file_is_left_out(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"followed")
    (tree / "to-file").symlink_to(outside / "file")
    (tree / "to-folder").symlink_to(outside)
    (tree / "circle").symlink_to(tree)
    (tree / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tree / "fifo")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(tree / "socket"))
    result = succeed("cp", "-k", key_file, "-r", tree, url)
    assert {entry.name for entry in bucket.list()} == {*ALL, "to-file"}
    assert read(bucket, "to-file") == b"followed"
    assert result.stderr.count("left out") == 5
    assert result.stderr.count("a link to a folder") == 2
    assert result.stderr.count("a link that leads nowhere") == 1


def test_many_of_one_kind_that_are_left_out_are_one_line(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path
) -> None:
    for number in range(20):
        (tree / f"link{number:02}").symlink_to(tree)
    os.mkfifo(tree / "fifo")
    result = succeed("cp", "-k", key_file, "-r", tree, url)
    fifo, links, _ = result.stderr.splitlines()
    named = ", ".join(f"'{tree}/link{number:02}'" for number in range(3))
    assert links == f"cipherbucket: left out {named} and 17 more: a link to a folder"
    assert fifo == f"cipherbucket: left out '{tree}/fifo': no file but a device, pipe or socket"


def test_files_that_cannot_be_stored_stop_no_other(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path
) -> None:
    (tree / os.fsdecode(b"latin-\xe9")).write_bytes(b"1")
    result = invoke("cp", "-k", key_file, "-r", tree, url)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2
    assert {entry.name for entry in bucket.list()} == set(ALL)


def test_the_store_that_is_written_to_is_left_out(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"1")
    result = succeed("cp", "-k", key_file, "-r", tmp_path, f"{url}/backup")
    assert "it is the store that is written to" in result.stderr
    assert [entry.name for entry in bucket.list()] == ["backup/file"]


def test_a_prefix_is_copied_below_itself_once(url: str, bucket: cb.Bucket) -> None:
    for name in ("a/1", "a/2"):
        bucket.put(name, name.encode())
    succeed("cp", "-r", f"{url}/a", f"{url}/a/copy")
    assert [entry.name for entry in bucket.list()] == ["a/1", "a/2", "a/copy/1", "a/copy/2"]
    assert read(bucket, "a/copy/2") == b"a/2"


def test_trees_go_from_store_to_store(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    for name in ("a/1", "a/../2"):
        bucket.put(name, name.encode())
    other = f"file://{tmp_path}/other"
    cb.make_bucket(other)
    succeed("cp", "-r", f"{url}/a/", f"{other}/b/")
    with cb.open_bucket(other, cb.load_key(key_file)) as theirs:
        assert {e.name: read(theirs, e.name) for e in theirs.list()} == {
            "b/1": b"a/1",
            "b/../2": b"a/../2",
        }


def test_a_listing_that_breaks_off_hides_no_failure(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("../out", "fine"):
        bucket.put(name, b"1")
    whole = cb.Bucket.list

    def broken(self: cb.Bucket, prefix: str = "", *, delimiter: str = "") -> Iterator[cb.Entry]:
        yield from whole(self, prefix, delimiter=delimiter)
        raise cb.StoreError("the second page failed")

    monkeypatch.setattr(cb.Bucket, "list", broken)
    result = invoke("cp", "-k", key_file, "-r", f"{url}/", tmp_path / "down")
    assert result.exit_code == 6
    assert "../out" in result.stderr
    assert "copied 1 object" in result.stderr
    assert "the second page failed" in result.stderr
    assert contents(tmp_path / "down") == {"fine": b"1"}


@pytest.mark.parametrize("verb", [("cp", "-r"), ("sync",)])
def test_files_of_a_tree_get_the_mode_that_was_asked_for(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    bucket.put("a/b", b"1")
    target = tmp_path / "target"
    target.mkdir()
    (target / "c").write_bytes(b"old")
    bucket.put("c", b"new!")
    succeed(*verb, "-k", key_file, "--mode", "640", url, target)
    assert contents(target) == {"a/b": b"1", "c": b"new!"}
    for path in (target / "a" / "b", target / "c"):
        assert path.stat().st_mode & 0o7777 == 0o640


def test_a_mode_is_for_local_files_that_are_written(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a", b"1")
    succeed("cp", "-k", key_file, "--mode", "0604", f"{url}/a", tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o604
    for mode in ("4755", "1777", "8", "0o640", "rw-r-----", "240", "", "-640"):
        result = invoke("cp", "-k", key_file, f"--mode={mode}", f"{url}/a", tmp_path / "b")
        assert result.exit_code == 2
        assert "--mode" in result.stderr
    for target in (f"{url}/b", "-"):
        result = invoke("cp", "-k", key_file, "--mode", "640", f"{url}/a", target)
        assert "--mode is for local files that are written" in error_of(result)
    result = invoke("sync", "-k", key_file, "--mode", "640", tmp_path, f"{url}/b")
    assert "--mode is for local files that are written" in error_of(result)


def test_a_file_and_what_lies_below_it_cannot_both_be_fetched(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    for name in ("x/file", "x/file/below"):
        bucket.put(name, b"1")
    for command in ("cp -r", "mv -r", "sync"):
        result = invoke(*command.split(), "-k", key_file, f"{url}/x", tmp_path / command)
        assert result.exit_code == 1
        assert "'x/file" in result.stderr
        assert ("--delete" in result.stderr) == (command == "sync")
        assert ("copy one of them by itself" in result.stderr) == (command != "sync")
        bucket.put("x/file", b"1")
        bucket.put("x/file/below", b"1")


@pytest.mark.parametrize("name", ["sub/file", "../outside", "/root"])
def test_a_dry_run_foresees_what_cannot_be_written(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    bucket.put(f"x/{name}", b"1")
    monkeypatch.setattr(os, "access", lambda path, _, **__: path != tmp_path)
    for command in ("cp -r -n", "mv -r -n", "sync -n"):
        result = invoke(*command.split(), "-k", key_file, f"{url}/x", tmp_path / "not" / "there")
        assert result.exit_code == 1
        assert "cannot be written" in result.stderr or "makes no path" in result.stderr


def test_a_dry_run_foresees_a_name_that_no_object_can_have(
    url: str, key_file: Path, tree: Path
) -> None:
    (tree / os.fsdecode(b"lat\xe9n")).write_bytes(b"1")
    for command in ("cp -r -n", "sync -n", "cp -r"):
        result = invoke(*command.split(), "--json", "-k", key_file, tree, url)
        assert result.exit_code == 1
        assert "encodable as UTF-8" in result.stderr
        assert "\\ud" not in result.stdout
