"""Who could have put a file where it lies."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from cipherbucket.local_files.ownership import find_stranger, others_can_write

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
@pytest.mark.parametrize(("mode", "counts"), [(0o755, True), (0o1777, False), (0o1775, False)])
def test_where_anybody_can_put_files_another_user_is_a_stranger(
    tmp_path: Path, mode: int, counts: bool
) -> None:
    file = tmp_path / "a" / "b" / "file"
    file.parent.mkdir(parents=True)
    file.touch()
    (tmp_path / "link").symlink_to("a/b")
    (tmp_path / "a").chmod(mode)
    os.chown(tmp_path / "a", -1, NOBODY)
    for each in (file, file.parent):
        os.chown(each, NOBODY, -1)
    for path in (file, tmp_path / "link" / "file"):
        found = find_stranger(path, (NOBODY,))
        assert found is None if counts else found is not None and found.path == file.parent


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


@needs_root
def test_a_group_of_root_alone_is_root_whoever_owns_the_file(tmp_path: Path) -> None:
    """As images are made for users whose number is drawn: group 0 may do what the owner may."""
    file = tmp_path / "file"
    file.touch()
    os.chown(file, NOBODY, 0)
    file.chmod(0o664)
    assert not others_can_write(file.stat())


def test_an_access_list_counts_as_others(tmp_path: Path) -> None:
    """Its mask stands where the group's bits are, and the group here is its owner's alone."""
    file = tmp_path / "file"
    file.touch()
    everybody = 0xFFFFFFFF
    entries = [(1, 6, everybody), (2, 6, NOBODY), (4, 4, everybody), (16, 6, everybody)]
    packed = b"".join(struct.pack("<HHI", *each) for each in (*entries, (32, 4, everybody)))
    try:
        os.setxattr(file, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    except (AttributeError, OSError):
        pytest.skip("there are no access lists here")
    assert file.stat().st_mode & 0o777 == 0o664
    found = find_stranger(file)
    assert found is not None
    assert found.path == file
    file.chmod(0o644)  # the mask, too
    assert find_stranger(file) is None


def test_who_owns_what_is_loose_can_mend_it(tmp_path: Path) -> None:
    loose = tmp_path / "two words"
    loose.mkdir()
    loose.chmod(0o777)
    found = find_stranger(loose)
    assert found is not None
    assert found.remedy == f"chmod go-w '{loose}'"


def test_what_is_not_there_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_stranger(tmp_path / "missing" / "file")


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many links"):
        find_stranger(tmp_path / "a")
