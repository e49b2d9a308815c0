"""Full disks: two file systems with little room left, and a directory store on each.

With blocks of 1 KiB, SQLite's shared memory has holes that a full disk cannot fill: the process
that touches one dies. Whatever is left, the store is read and objects are deleted from it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from tests.support.forked import in_child

from cipherbucket.errors import StoreError
from cipherbucket.stores.local.store import LocalStore

NAMES = [f"n{number:02}" for number in range(20)]
BODY = b"x" * 2000


def mounted(block: int, image: Path, at: Path) -> str | None:
    """Make a file system and mount it; say what is in the way."""
    if os.getuid() != 0:
        return "only root mounts"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    for command in (
        ["mkfs.ext4", "-q", "-b", str(block), "-m", "0", "-F", str(image)],
        ["mount", "-o", "loop", str(image), str(at)],
    ):
        if shutil.which(command[0]) is None:
            return f"there is no {command[0]}"
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            return f"{command[0]}: {made.stderr.strip()}"
    return None


@pytest.fixture(params=[1024, 4096])
def disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return a small file system of its own."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        at = Path(folder) / "disk"
        at.mkdir()
        problem = mounted(request.param, Path(folder) / "image", at)
        if problem is not None:
            pytest.skip(f"no file system of one's own here: {problem}")
        try:
            yield at
        finally:
            subprocess.run(["umount", "-l", str(at)], check=True)


def room(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize


def fill(disk: Path, left: int) -> None:
    """Leave so many bytes."""
    with (disk / "filling").open("wb", 0) as file:
        while (over := room(disk) - left) > 0:
            try:
                file.write(bytes(min(over, 1 << 16)))
            except OSError:
                return


def read_all(root: Path, names: list[str]) -> None:
    with LocalStore(root) as store:
        assert [entry.name for entry in store.list().entries] == names
        with store.get(names[-1]) as body:
            assert body.readinto(bytearray(3000)) == len(BODY)


def delete(root: Path, name: str, *, die: bool = False) -> None:
    with LocalStore(root) as store:
        store.delete(name)
        if die:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def root(disk: Path) -> Path:
    root = disk / "store"
    with LocalStore(root, create=True) as store:
        for name in NAMES:
            store.put(name, BODY, metadata={"k": "v" * 200})
    return root


@pytest.mark.parametrize("kilobytes", [0, 11, 40, 90])
def test_reading_and_deleting_work_on_a_full_disk(root: Path, kilobytes: int) -> None:
    fill(root.parent, kilobytes << 10)
    assert room(root.parent) < (kilobytes + 4) << 10
    assert in_child(lambda: read_all(root, NAMES)) == 0
    assert in_child(lambda: delete(root, NAMES[0], die=True)) == -signal.SIGKILL
    for name in NAMES[1:10]:
        assert in_child(partial(delete, root, name)) == 0
    assert in_child(lambda: read_all(root, NAMES[10:])) == 0
    (root.parent / "filling").unlink()
    with LocalStore(root) as store:
        store.put("new", BODY)
    assert (root / "staging" / "reserve").is_file()


def test_a_store_without_a_reserve_is_read(root: Path) -> None:
    """It is one that was made before there was any."""
    (root / "staging" / "reserve").unlink()
    with closing(sqlite3.connect(root / "index.sqlite")) as db:
        db.execute("PRAGMA journal_mode=WAL")
    fill(root.parent, 0)

    def refused() -> None:
        with LocalStore(root) as store, pytest.raises(StoreError, match="full"):
            store.put("new", BODY)

    assert in_child(lambda: read_all(root, NAMES)) == 0
    assert in_child(refused) == 0
    (root.parent / "filling").unlink()
    delete(root, NAMES[0])
    with closing(sqlite3.connect(root / "index.sqlite")) as db:
        small = os.statvfs(root).f_frsize < 4096
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete" if small else "wal",)
