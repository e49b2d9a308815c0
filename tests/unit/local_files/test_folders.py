"""Folders that are held open, and the permissions of what is written in them."""

import os
import stat
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

import cipherbucket as cb
from cipherbucket.local_files.folders import (
    Place,
    open_file,
    open_folder,
    open_source,
    open_special,
    place_of,
    status_behind,
)
from cipherbucket.transfers.target_file import Target

STRANGER = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes two users")


def link(at: Path, target: object, owner: int | None = None) -> Path:
    at.symlink_to(str(target))
    if owner is not None:
        os.chown(at, owner, owner, follow_symlinks=False)
    return at


@pytest.mark.parametrize(
    "named", ["real/file", "./real//file", "real/../real/file", "link/file", "chain/file", "to"]
)
@pytest.mark.parametrize("absolute", [True, False])
def test_a_path_is_taken_as_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, absolute: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    link(tmp_path / "link", "real")
    link(tmp_path / "chain", tmp_path / "link")
    link(tmp_path / "to", "chain/../real/file")
    place = place_of(f"{tmp_path}/{named}" if absolute else named)
    with place.folder:
        assert str(place) == f"{tmp_path}/real/file" == os.fspath(place)
        assert place.status() is None
        (tmp_path / "real" / "file").write_bytes(b"")
        assert place.status() is not None


@pytest.mark.parametrize("named", [".", "..", "a/..", "/", "link", "new/", "new/."])
def test_a_folder_is_no_place_for_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    link(tmp_path / "link", "a/.")
    with pytest.raises(cb.UsageError, match=r"is a folder|is no regular file"):
        Target(named)


def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    link(tmp_path / "a", "b")
    link(tmp_path / "b", "a")
    with pytest.raises(OSError, match="Too many levels"):
        place_of(tmp_path / "a")
    with pytest.raises(cb.UsageError, match="cannot be written"):
        Target(tmp_path / "a" / "file")


@as_root
@pytest.mark.parametrize("named", ["theirs", "theirs/file", "mine/file", "new/theirs"])
def test_a_link_of_another_user_is_named_with_its_owner(tmp_path: Path, named: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "new").mkdir()
    link(tmp_path / "theirs", tmp_path / "real", STRANGER)
    link(tmp_path / "new" / "theirs", "../real/file", STRANGER)
    link(tmp_path / "mine", "theirs")
    for open_it in (place_of, open_folder, open_special, Target):
        with pytest.raises(cb.UsageError, match="theirs is a link that belongs to user nobody"):
            open_it(tmp_path / named)
    assert list((tmp_path / "real").iterdir()) == []


def test_folders_are_made_where_they_are_missing(tmp_path: Path) -> None:
    with open_folder(tmp_path / "a" / "b", make=True) as folder:
        assert folder.path == f"{tmp_path}/a/b"
        with folder.below(["c", "d"], make=True) as below:
            assert below.path == f"{tmp_path}/a/b/c/d"
        with folder.below([]) as same:
            assert os.path.samestat(os.fstat(same.descriptor), os.fstat(folder.descriptor))
        (tmp_path / "moved").mkdir()
        (tmp_path / "a" / "b").rename(tmp_path / "moved" / "b")
        with folder.below(["e"], make=True):
            pass
    assert (tmp_path / "moved" / "b" / "e").is_dir()
    with pytest.raises(OSError, match="Bad file descriptor"):
        folder.below(["e"])


@pytest.mark.parametrize("parts", [["link"], ["link", "x"], ["a", "link"], ["a", "link", "x"]])
@pytest.mark.parametrize("make", [True, False])
def test_no_link_is_followed_below(tmp_path: Path, parts: list[str], make: bool) -> None:
    (tmp_path / "outside" / "x").mkdir(parents=True)
    (tmp_path / "root" / "a").mkdir(parents=True)
    link(tmp_path / "root" / "link", tmp_path / "outside")
    link(tmp_path / "root" / "a" / "link", tmp_path / "outside")
    with (
        open_folder(tmp_path / "root") as folder,
        pytest.raises(cb.UsageError, match="link is a link and is not followed"),
    ):
        folder.below(parts, make=make)


def test_no_descriptor_is_left_open(bucket: cb.Bucket, tmp_path: Path) -> None:
    bucket.put("a", bytes(300_000))
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    link(tmp_path / "circle", "circle")
    link(tmp_path / "link", "file")
    os.mkfifo(tmp_path / "pipe")
    targets = ["new", "file", "link", "folder", "circle", "pipe", "file/x", "missing/x", "x" * 256]

    def below(*parts: str) -> None:
        with open_folder(tmp_path) as folder, folder.below(parts, make=True):
            pass

    def refuse() -> None:
        def fail(*_: object) -> None:
            raise cb.SourceError("enough")

        bucket.download("a", tmp_path / "other", progress=fail)

    calls: list[Callable[[], object]] = [
        lambda: below("folder", "new"),
        lambda: below("folder", "deep", "file"),
        lambda: below("file", "x"),
        lambda: below("link"),
        lambda: bucket.download("missing", tmp_path / "new"),
        lambda: open_special(tmp_path / "file"),
        lambda: bucket.download("a", tmp_path / "new", mode=0o1777),
        refuse,
    ]
    calls += [
        partial(bucket.download, "a", tmp_path / target, threshold=threshold, part_size=102_400)
        for target in targets
        for threshold in (None, 0)
    ]
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("descriptors cannot be counted here")
    before = len(list(descriptors.iterdir()))
    for call in calls:
        with suppress(cb.CipherbucketError, OSError):
            call()
        assert len(list(descriptors.iterdir())) == before


@pytest.mark.parametrize("mode", [-1, 0o1000, 0o4755, 1 << 20])
def test_what_is_no_mode_is_refused(bucket: cb.Bucket, tmp_path: Path, mode: int) -> None:
    with pytest.raises(cb.UsageError, match="is no mode of a file"):
        bucket.download("a", tmp_path / "file", mode=mode)


def test_a_new_file_gets_what_the_default_acl_of_its_folder_says(
    bucket: cb.Bucket, tmp_path: Path
) -> None:
    none = 0xFFFFFFFF  # acl(5): tag, permissions, and whose
    entries = [(1, 6, none), (2, 6, STRANGER), (4, 4, none), (0x10, 6, none), (0x20, 0, none)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(tmp_path, "system.posix_acl_default", acl)
    except (AttributeError, OSError):
        pytest.skip("there are no ACLs here")
    bucket.put("a", bytes(300_000))
    bucket.download("a", tmp_path / "small")
    bucket.download("a", tmp_path / "large", threshold=0, part_size=102_400)
    (tmp_path / "usual").write_bytes(b"")
    for name in ("small", "large"):
        assert _facts(tmp_path / name) == _facts(tmp_path / "usual")


def _facts(path: Path) -> tuple[int, bytes]:
    return stat.S_IMODE(path.stat().st_mode), os.getxattr(path, "system.posix_acl_access")


def test_a_place_in_an_open_folder_is_written_to(bucket: cb.Bucket, tmp_path: Path) -> None:
    bucket.put("a", b"x")
    link(tmp_path / "link", "file")
    with open_folder(tmp_path) as folder:
        bucket.download("a", Place(folder, "file"))
        with pytest.raises(cb.UsageError, match="link is no regular file"):
            bucket.download("a", Place(folder, "link"))
        assert folder.descriptor >= 0
    assert (tmp_path / "file").read_bytes() == b"x"


def test_a_link_that_was_found_is_read_only_where_it_led(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"y")
    link(tmp_path / "link", "file")
    seen = status_behind(str(tmp_path / "link"))
    with open_source(tmp_path) as folder:
        place = Place(folder, "link", (seen.st_dev, seen.st_ino))
        with open_file(place) as file:
            assert file.read() == b"x"
        (tmp_path / "link").unlink()
        link(tmp_path / "link", "other")
        with pytest.raises(OSError, match="changed to lead to another file"):
            open_file(place)
        with pytest.raises(OSError, match="symbolic links"):
            open_file(Place(folder, "link"))


@as_root
def test_a_link_that_leads_through_one_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"")
    link(tmp_path / "theirs", "real", STRANGER)
    link(tmp_path / "mine", "theirs/file")
    with pytest.raises(cb.UsageError, match="theirs is a link that belongs to user nobody"):
        status_behind(str(tmp_path / "mine"))


@pytest.mark.parametrize("way", ["/dev/fd/{}", "/proc/self/fd/{}", "link"])
def test_an_open_pipe_has_a_path(tmp_path: Path, way: str) -> None:
    reading, writing = os.pipe()
    link(tmp_path / "link", f"/dev/fd/{writing}")
    path = tmp_path / way.format(writing)
    try:
        file = open_special(path)
        assert file is not None
        with file:
            file.write(b"through")
        assert os.read(reading, 9) == b"through"
        with pytest.raises(cb.UsageError, match="no regular file"):
            Target(path)
        os.set_blocking(writing, False)
        file = open_special(path)
        assert file is not None
        with pytest.raises(BlockingIOError), file:  # it is not cut off without a word
            file.write(bytes(1 << 20))
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("parts", [[".."], ["a", ".."], ["a", "..", "..", "b"]])
def test_nothing_leads_out_of_an_open_folder(tmp_path: Path, parts: list[str]) -> None:
    (tmp_path / "a").mkdir()
    with open_folder(tmp_path) as folder, pytest.raises(cb.UsageError, match="leads out"):
        folder.below(parts, make=True)
