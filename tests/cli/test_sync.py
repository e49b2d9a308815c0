"""``sync``: what is missing or differs, in every direction."""

import errno
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.runs import contents, error_of, invoke, planned, read, succeed, synced

import cipherbucket as cb
from cipherbucket.cli.copying import object_transfers
from cipherbucket.cli.options.globs import Globs
from cipherbucket.local_files.folders import Place

HOUR = 3600
FORMATS = ["oss", "sealed"]


def age(folder: Path, seconds: float) -> None:
    """Let all files be so old."""
    for path in folder.rglob("*"):
        if path.is_file():
            at = path.stat().st_mtime - seconds
            os.utime(path, (at, at))


@pytest.mark.parametrize("prefix", ["", "/p", "/p/q/"])
@pytest.mark.parametrize("layout", FORMATS)
def test_up_and_down_and_then_nothing_more(
    url: str, key_file: Path, old_tree: Path, tmp_path: Path, prefix: str, layout: str
) -> None:
    keyed = ("-k", key_file, "--format", layout)
    size = sum(map(len, contents(old_tree).values()))
    assert synced(*keyed, old_tree, url + prefix) == "copied 3 objects, 39.1 KiB"
    assert size == 40_002
    assert synced(*keyed, old_tree, url + prefix) == "copied 0 objects, 0 bytes; 3 unchanged"
    target = tmp_path / "new" / "target"
    assert synced(*keyed, url + prefix, target) == "copied 3 objects, 39.1 KiB"
    assert contents(target) == contents(old_tree)
    for options in ((), ("--checksum",), ("--delete",)):
        for ends in ((url + prefix, target), (target, url + prefix)):
            assert synced(*keyed, *options, *ends) == "copied 0 objects, 0 bytes; 3 unchanged"


def test_a_file_gets_the_time_of_its_object(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a", b"1")
    synced("-k", key_file, url, tmp_path / "down")
    when = datetime.fromtimestamp((tmp_path / "down" / "a").stat().st_mtime, UTC)
    assert abs(when - bucket.head("a").modified).total_seconds() < 1


@pytest.mark.parametrize("layout", FORMATS)
def test_what_was_changed_goes_up(url: str, key_file: Path, old_tree: Path, layout: str) -> None:
    keyed = ("-k", key_file, "--format", layout)
    synced(*keyed, old_tree, url)
    (old_tree / "a.txt").write_bytes(b"33")
    later = old_tree.stat().st_mtime + HOUR
    os.utime(old_tree / "a.txt", (later, later))
    (old_tree / "top é").write_bytes(b"longer")
    os.utime(old_tree / "top é", (0, 0))
    assert planned(*keyed, old_tree, url) == [
        "would copy a.txt (newer)",
        "would copy top é (other size)",
    ]
    assert synced(*keyed, old_tree, url) == "copied 2 objects, 8 bytes; 1 unchanged"
    with cb.open_bucket(url, cb.load_key(key_file), format=layout) as bucket:
        assert read(bucket, "a.txt") == b"33"
        assert read(bucket, "top é") == b"longer"


@pytest.mark.parametrize("layout", FORMATS)
def test_what_was_changed_comes_down(
    url: str, key_file: Path, old_tree: Path, tmp_path: Path, layout: str
) -> None:
    keyed = ("-k", key_file, "--format", layout)
    synced(*keyed, old_tree, url)
    target = tmp_path / "down"
    synced(*keyed, url, target)
    os.utime(target / "a.txt", (0, 0))
    (target / "top é").write_bytes(b"mine, and later")
    (target / "a/b/deep").write_bytes(b"4" * 40_000)  # of the same length, and later: it stays
    assert planned(*keyed, url, target) == [
        "would copy a.txt (newer)",
        "would copy top é (other size)",
    ]
    assert synced(*keyed, url, target) == "copied 2 objects, 2 bytes; 1 unchanged"
    assert (target / "a/b/deep").read_bytes() == b"4" * 40_000
    assert planned(*keyed, "--checksum", url, target) == ["would copy a/b/deep (other content)"]
    synced(*keyed, "--checksum", url, target)
    assert contents(target) == contents(old_tree)


@pytest.mark.parametrize("other", ["oss", "plaintext", "unbound"])
def test_what_is_not_sealed_is_no_copy_of_a_file(
    url: str, key_file: Path, old_tree: Path, tmp_path: Path, other: str
) -> None:
    keyed = ("-k", key_file, "--format", "sealed")
    synced(*keyed, old_tree, url)
    synced(*keyed, url, tmp_path / "down")
    with cb.open_bucket(url, cb.load_key(key_file)) as bucket, cb.open_store(url) as store:
        if other == "oss":
            bucket.put("a.txt", b"33")
        elif other == "unbound":
            policy = cb.Policy(["sealed"], unbound_names=True)
            writer = cb.Bucket(store, bucket.ring, format="sealed", policy=policy)
            writer.put("a.txt", b"33", bind_name=False)
        else:
            store.put("a.txt", b"33")
        at = bucket.head("a.txt").modified.timestamp()
        os.utime(tmp_path / "down" / "a.txt", (at, at))
        assert planned(*keyed, old_tree, url) == ["would copy a.txt (other format)"]
        down = invoke("sync", *keyed, url, tmp_path / "down")
        assert down.exit_code == 1
        assert down.stderr.endswith("copied 0 objects, 0 bytes; 2 unchanged; 1 failed\n")
        accepted = ("--plaintext",) if other == "plaintext" else ("--accept", other)
        assert planned(*keyed, *accepted, old_tree, url) == []
        assert synced(*keyed, old_tree, url) == "copied 1 object, 2 bytes; 2 unchanged"
        assert bucket.head("a.txt").format == "sealed"
    with cb.open_bucket(url, cb.load_key(key_file), format="sealed") as sealed:
        assert read(sealed, "a.txt") == b"22"


def test_a_checksum_finds_what_no_time_tells(url: str, key_file: Path, old_tree: Path) -> None:
    synced("-k", key_file, old_tree, url)
    (old_tree / "a.txt").write_bytes(b"33")
    age(old_tree, HOUR)
    assert planned("-k", key_file, old_tree, url) == []
    assert planned("-k", key_file, "--checksum", old_tree, url) == [
        "would copy a.txt (other content)"
    ]


def test_a_dry_run_changes_nothing_and_writes_no_key(
    url: str, bucket: cb.Bucket, old_tree: Path, tmp_path: Path
) -> None:
    bucket.put("old\x1b[2J", b"")
    assert planned("--delete", "--max-delete", 1, old_tree, url) == [
        "would copy a.txt (not there)",
        "would copy a/b/deep (not there)",
        "would copy top é (not there)",
        r"would delete old\x1b[2J",
    ]
    assert [entry.name for entry in bucket.list()] == ["old\x1b[2J"]
    target = tmp_path / "nowhere"
    assert len(planned(url, target)) == 1
    assert not target.exists()


def test_delete_removes_what_is_not_in_the_source(
    url: str, bucket: cb.Bucket, key_file: Path, old_tree: Path, tmp_path: Path
) -> None:
    for name in ("p/more", "p/a/more", "other"):
        bucket.put(name, b"")
    last = synced("-k", key_file, "--delete", "--max-delete", 2, old_tree, f"{url}/p")
    assert last == "copied 3 objects, 39.1 KiB; 2 deleted"
    names = [entry.name for entry in bucket.list()]
    assert names == ["other", "p/a.txt", "p/a/b/deep", "p/top é"]
    target = tmp_path / "down"
    (target / "sub").mkdir(parents=True)
    (target / "sub" / "file").write_bytes(b"")
    (target / "link").symlink_to(old_tree / "a.txt")
    (target / "folder").symlink_to(old_tree)
    (target / ".cipherbucket-0123456789abcdef.part").write_bytes(b"of a download")
    last = synced("-k", key_file, "--delete", "--max-delete", 1, f"{url}/p", target)
    assert last == "copied 3 objects, 39.1 KiB; 1 deleted"
    assert (target / "sub").is_dir()
    assert (target / "link").is_symlink()
    assert len(contents(old_tree)) == 3
    assert (target / ".cipherbucket-0123456789abcdef.part").exists()


def test_nothing_is_deleted_when_anything_failed(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("../out", b"evil")
    bucket.put("fine", b"1")
    target = tmp_path / "deep" / "down"
    target.mkdir(parents=True)
    (target / "mine").write_bytes(b"precious")
    result = invoke("sync", "-k", key_file, "--delete", url, target)
    assert result.exit_code == 1
    assert "nothing was deleted" in result.stderr
    assert result.stderr.endswith("copied 1 object, 1 byte; 1 failed\n")
    assert contents(target.parent) == {"down/fine": b"1", "down/mine": b"precious"}


def test_a_folder_that_cannot_be_read_deletes_nothing(
    url: str, bucket: cb.Bucket, key_file: Path, old_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a/b/old", b"")
    scan = os.scandir

    def failing(path: Path) -> object:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", failing)
    result = invoke("sync", "-k", key_file, "--delete", old_tree, url)
    assert result.exit_code == 1
    assert "Permission denied" in result.stderr
    assert bucket.exists("a/b/old")


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_what_is_left_out_of_the_source_is_not_deleted(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    old_tree: Path,
    tmp_path: Path,
    option: tuple[str, ...],
) -> None:
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    for name in ("linked", "sub/x"):
        (outside / name).write_bytes(b"1")
    (old_tree / "b").symlink_to(outside / "linked")
    (old_tree / "e").symlink_to(outside / "linked" / "no" / "such")
    (old_tree / "d").mkdir()
    for name in ("x", "y/z"):
        (old_tree / "d" / name).parent.mkdir(exist_ok=True)
        (old_tree / "d" / name).write_bytes(b"1")
    synced("-k", key_file, old_tree, url)
    for name in ("b-more", "d-more", "dmore", "e/below", "f"):
        bucket.put(name, b"")
    (outside / "linked").unlink()
    (old_tree / "d").rename(tmp_path / "was-d")
    (old_tree / "d").symlink_to(outside)
    (old_tree / "f").symlink_to("f")
    result = invoke("sync", "-k", key_file, "--delete", *option, old_tree, url)
    assert result.exit_code == 0, result.output
    kept = {"a.txt", "a/b/deep", "top é", "b", "d/x", "d/y/z", "e/below", "f"}
    doomed = ["b-more", "d-more", "dmore"]
    if option:
        assert result.stdout.splitlines() == [f"would delete {name}" for name in doomed]
        kept.update(doomed)
    assert {entry.name for entry in bucket.list()} == kept


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO])
@pytest.mark.parametrize("name", ["a.txt", "link"])
def test_what_cannot_be_looked_at_is_a_failure_and_nothing_is_deleted(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    old_tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    name: str,
) -> None:
    (old_tree / "link").symlink_to("a.txt")
    synced("-k", key_file, old_tree, url)
    bucket.put("more", b"")
    stat = Path.stat

    def failing(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path == old_tree / name and follow_symlinks:
            raise OSError(number, os.strerror(number), str(path))
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", failing)
    result = invoke("sync", "-k", key_file, "--delete", old_tree, url)
    assert result.exit_code == 1
    assert os.strerror(number) in result.stderr
    assert "leads nowhere" not in result.stderr
    assert "nothing was deleted" in result.stderr
    assert {"link", "more"} <= {entry.name for entry in bucket.list()}


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
@pytest.mark.parametrize("down", [False, True])
def test_an_empty_source_deletes_nothing(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tmp_path: Path,
    option: tuple[str, ...],
    down: bool,
) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    ends = (url, folder) if down else (folder, url)
    assert synced("-k", key_file, "--delete", *ends) == "copied 0 objects, 0 bytes"
    if down:
        (folder / "sub" / "mine").write_bytes(b"1")
    else:
        bucket.put("old", b"1")
    result = invoke("sync", "-k", key_file, "--delete", *option, *ends)
    assert result.exit_code == 2
    assert "the source is empty, so --delete would delete all" in result.stderr
    assert result.stdout == ""
    assert contents(folder) == ({"sub/mine": b"1"} if down else {})
    assert bucket.exists("old") is not down
    assert synced("-k", key_file, *ends) == "copied 0 objects, 0 bytes"


@pytest.mark.parametrize(("changes", "size"), [(1, 2), (1, 3), (9, 2), (9, 3)])
def test_a_file_that_is_changed_while_it_is_copied(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    old_tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: int,
    size: int,
) -> None:
    synced("-k", key_file, old_tree, url)
    bucket.put("more", b"")
    file = old_tree / "a.txt"
    file.write_bytes(b"first")
    upload, copied = object_transfers.upload, []

    def changing(bucket: cb.Bucket, body: Place, name: str, *rest: Any) -> cb.ObjectInfo:
        info = upload(bucket, body, name, *rest)
        copied.append(name)
        if len(copied) <= changes:
            Path(body).write_bytes(bytes([len(copied)]) * size)
            at = time.time() - HOUR + len(copied)  # the object is younger
            os.utime(body, (at, at))
        return info

    monkeypatch.setattr(object_transfers, "upload", changing)
    result = invoke("sync", "-k", key_file, "--delete", old_tree, url)
    assert copied == ["a.txt", "a.txt"]
    if changes == 1:
        assert result.exit_code == 0
        assert read(bucket, "a.txt") == file.read_bytes()
        return
    assert result.exit_code == 1
    assert "'a.txt': the file was changed while it was copied" in result.stderr
    assert "--checksum" in result.stderr
    assert bucket.exists("more")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "a.txt a/b/deep top"),
        (("--exclude", "a*"), "top"),
        (("--exclude", "*", "--include", "*.txt"), "a.txt"),
        (("--include=*.txt", "--exclude=*"), ""),
        (("--include", "a.txt"), "a.txt a/b/deep top"),
        (("--exclude", "*", "--include", "a*", "--exclude", "*.txt"), "a/b/deep"),
        (("--exclude", "[at]*", "--include", "?/b/*"), "a/b/deep"),
    ],
)
def test_the_last_glob_that_fits_decides(
    url: str, key_file: Path, old_tree: Path, options: tuple[str, ...], expected: str
) -> None:
    lines = planned(*options, old_tree, url)
    names = [re.sub(r"would copy (.*?)( é)? \(.*", r"\1", line) for line in lines]
    assert " ".join(names) == expected
    assert planned("-k", key_file, *options, old_tree, url) == lines


def test_a_pattern_is_compared_with_the_whole_name(url: str, old_tree: Path) -> None:
    result = succeed("sync", "--dry-run", "--exclude", "b", old_tree, url)
    assert len(result.stdout.splitlines()) == 3
    assert result.stderr.splitlines()[0] == "cipherbucket: the pattern 'b' fitted no name"


def test_what_is_excluded_is_not_deleted(
    url: str, bucket: cb.Bucket, key_file: Path, old_tree: Path
) -> None:
    for name in ("keep.log", "drop.txt"):
        bucket.put(name, b"")
    options = ("--delete", "--max-delete", 1, "--exclude", "*.log")
    synced("-k", key_file, *options, old_tree, url)
    assert bucket.exists("keep.log")
    assert not bucket.exists("drop.txt")


def test_globs_distinguish_case() -> None:
    globs = Globs([("*.TXT", False)])
    assert globs.take("a.txt")
    assert not globs.take("A.TXT")


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (("a", "b"), "neither source nor target is a URL"),
        (("nothing", "{url}"), "nothing: there is no such folder"),
        (("{url}", "{file}"), "is no folder"),
        (("{url}", "{url}/x"), "one of source and target is in the other"),
        (("{url}/x", "{url}"), "one of source and target is in the other"),
        (("{store}", "{url}"), "in the folder of the store"),
        (("{url}", "{store}/sub"), "in the folder of the store"),
        (("--as-name", "x", "{url}", "y"), "for reading one object"),
        (("--max-delete", "5", "{url}", "y"), "is for --delete"),
        (("-q", "--progress", "{url}", "y"), "contradict"),
        (("--metadata", "a=b", "{url}", "y"), "for objects, not for files"),
        (("--limit-rate", "fast", "{url}", "y"), "500K, 10M or 1.5G"),
        (("--workers", "0", "{url}", "y"), "--workers"),
        (("--checksum", "--format", "oss", "{url}/a", "{other}"), "another checksum"),
    ],
)
def test_mistakes_are_explained(
    url: str, key_file: Path, tmp_path: Path, args: tuple[str, ...], hint: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    cb.make_bucket(f"file://{tmp_path}/other")
    here = {
        "{url}": url,
        "{other}": f"file://{tmp_path}/other",
        "{file}": str(tmp_path / "file"),
        "{store}": url.removeprefix("file://"),
    }
    for name, value in here.items():
        args = tuple(arg.replace(name, value) for arg in args)
    result = invoke("sync", "-k", key_file, *args)
    assert result.exit_code == 2
    assert hint in error_of(result)


def test_the_store_in_the_target_folder_is_left_alone(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a", b"1")
    (tmp_path / "mine").write_bytes(b"")
    synced("-k", key_file, "--delete", "--max-delete", 1, url, tmp_path)
    assert read(bucket, "a") == b"1"
    assert (tmp_path / "a").read_bytes() == b"1"
    assert not (tmp_path / "mine").exists()
