"""Who could have put a file where it lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cipherbucket.ownership import find_stranger, others_can_write

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def test_what_only_we_can_write_is_ours(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True, mode=0o755)
    assert find_stranger(place) is None


@pytest.mark.parametrize("mode", [0o777, 0o757])
@pytest.mark.parametrize("which", ["a", "a/b"])
def test_a_folder_that_all_can_write_is_a_strangers(tmp_path: Path, which: str, mode: int) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    (tmp_path / which).chmod(mode)
    found = find_stranger(place)
    assert found is not None
    assert found.path == tmp_path / which
    assert f"{mode:04o}" in str(found)


def test_with_the_sticky_bit_it_is_not(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    (tmp_path / "a").chmod(0o1777)
    assert find_stranger(place) is None


def test_a_file_has_no_sticky_bit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o1666)
    found = find_stranger(file)
    assert found is not None
    assert found.path == file


@needs_root
@pytest.mark.parametrize("which", ["a", "a/b"])
def test_another_owner_is_named(tmp_path: Path, which: str) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    os.chown(tmp_path / which, NOBODY, -1)
    found = find_stranger(place)
    assert found is not None
    assert found.path == tmp_path / which
    assert "belongs to " in found.why


@needs_root
def test_a_strangers_link_on_the_way_counts(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")
    assert find_stranger(link / ".." / "real") is None
    os.chown(link, NOBODY, -1, follow_symlinks=False)
    found = find_stranger(link)
    assert found is not None
    assert found.path == link


@needs_root
@pytest.mark.parametrize(("gid", "others"), [(0, False), (NOBODY, True)])
def test_a_private_group_is_its_user(tmp_path: Path, gid: int, others: bool) -> None:
    """Root's group has root alone in it; the other group is not its owner's."""
    file = tmp_path / "file"
    file.touch()
    os.chown(file, 0, gid)
    file.chmod(0o664)
    assert others_can_write(file.stat()) is others


def test_what_is_not_there_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_stranger(tmp_path / "missing" / "file")


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many links"):
        find_stranger(tmp_path / "a")
