"""Key files of either kind are made wholly or not at all, and nothing is overwritten."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cipherbucket.errors import CipherbucketWarning, MasterKeyError, UsageError
from cipherbucket.keys.files import create_aes_key_file, create_rsa_key_file

LABEL = {"desc": "2026", "year": "clé"}
FILES = [
    *((create_rsa_key_file, suffix) for suffix in ("", ".pub", ".json")),
    *((create_aes_key_file, suffix) for suffix in ("", ".json")),
]
EITHER = pytest.mark.parametrize("create", [create_rsa_key_file, create_aes_key_file])

Create = Callable[..., Any]


@EITHER
@pytest.mark.parametrize("description", [{}, "", "{}", " "])
def test_a_key_without_a_description_is_not_made(
    tmp_path: Path, create: Create, description: dict[str, str] | str
) -> None:
    with pytest.raises(UsageError, match="without a description"):
        create(tmp_path / "a.key", description=description)
    assert list(tmp_path.iterdir()) == []


@EITHER
def test_the_names_of_new_files_are_on_the_disk_before_a_key_is_used(
    tmp_path: Path, create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    create(tmp_path / "a.key", description=LABEL)

    assert synced[-1] == tmp_path.stat().st_ino
    assert {*synced} == {
        tmp_path.stat().st_ino,
        *(each.stat().st_ino for each in tmp_path.iterdir()),
    }


@pytest.mark.parametrize(("create", "suffix"), FILES)
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_nothing_that_is_there_is_overwritten(
    tmp_path: Path, create: Create, suffix: str, kind: str
) -> None:
    taken = tmp_path / f"a.key{suffix}"
    if kind == "file":
        taken.write_bytes(b"precious")
    elif kind == "folder":
        taken.mkdir()
    else:
        taken.symlink_to(tmp_path / "nowhere")

    with pytest.raises(MasterKeyError, match="never overwritten"):
        create(tmp_path / "a.key", description=LABEL)

    assert list(tmp_path.iterdir()) == [taken]
    assert kind != "file" or taken.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("create", "failing"),
    [
        *((create_rsa_key_file, number) for number in (1, 2, 3)),
        *((create_aes_key_file, number) for number in (1, 2)),
    ],
)
def test_a_full_disk_leaves_no_half_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, create: Create, failing: int
) -> None:
    calls: list[int] = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(MasterKeyError, match="No space left"):
        create(tmp_path / "a.key", description=LABEL)
    assert list(tmp_path.iterdir()) == []


@EITHER
def test_a_key_that_would_be_refused_where_it_lies_is_warned_of(
    tmp_path: Path, create: Create
) -> None:
    tmp_path.chmod(0o777)
    with pytest.warns(CipherbucketWarning, match="is refused where it lies") as warned:
        create(tmp_path / "a.key", description={"desc": "2026"})
    assert f"chmod go-w {tmp_path}" in str(warned[0].message)
    assert warned[0].filename == __file__


@EITHER
@pytest.mark.skipif(os.geteuid() != 0, reason="takes two users")
def test_no_key_is_made_through_a_link_of_another_user(tmp_path: Path, create: Create) -> None:
    (tmp_path / "mine").mkdir()
    link = tmp_path / "link"
    link.symlink_to("mine")
    create(link / "a.key", description=LABEL)
    made = sorted((tmp_path / "mine").iterdir())
    assert made
    os.chown(link, 65534, 65534, follow_symlinks=False)
    with pytest.raises(UsageError, match="is a link that belongs to"):
        create(link / "b.key", description=LABEL)
    assert sorted((tmp_path / "mine").iterdir()) == made
