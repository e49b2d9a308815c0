"""The directory store on its disk: its files, its locks, its neighbours in other processes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.local_audit import audit, query
from tests.unit.stores.test_conformance import NAMES, Blocks, read

from cipherbucket.errors import (
    IntegrityError,
    PreconditionFailedError,
    SourceError,
    StoreError,
    TransientStoreError,
    UsageError,
)
from cipherbucket.stores.bodies import Buffer
from cipherbucket.stores.local import index, recovery
from cipherbucket.stores.local.files import Files
from cipherbucket.stores.local.folders import StoreFolder
from cipherbucket.stores.local.locks import Markers
from cipherbucket.stores.local.store import LocalStore


def test_the_folder_holds_what_the_index_says(store: LocalStore, root: Path) -> None:
    for name in NAMES:
        store.put(name, name.encode(), metadata={"k": "ü"}, headers={"expires": "x"})
    store.replace_metadata("a", metadata={"l": "2"}, headers={})
    store.copy("a/b", "copy")
    store.delete("A")
    store.put("..", b"again")
    upload = store.begin_upload("m")
    store.complete_upload("m", upload, [store.upload_part("m", upload, 1, b"1")])
    store.upload_part("m", store.begin_upload("m"), 1, b"1")
    assert set(audit(root)) == {*NAMES, "copy", "m"} - {"A"}
    assert query(root, "PRAGMA journal_mode") == [("wal",)]


def test_a_sidecar_repeats_the_row_in_plain_json(store: LocalStore, root: Path) -> None:
    put = store.put("é/\0", b"body", metadata={"k": "ü"}, headers={"expires": "x"})
    text = Path(Files(root).sidecar(put.etag)).read_text("ascii")
    assert json.loads(text) == {
        "version": 1,
        "etag": put.etag,
        "name": "é/\0",
        "size": 4,
        "crc64": f"{put.crc64:016x}",
        "modified": put.modified.isoformat(timespec="microseconds"),
        "metadata": {"k": "ü"},
        "headers": {"expires": "x"},
    }


def test_new_metadata_touches_no_body(store: LocalStore, root: Path) -> None:
    put = store.put("a", b"body", metadata={"k": "1"})
    before = Path(Files(root).body(put.etag)).stat()
    replaced = store.replace_metadata("a", metadata={}, headers={})
    after = Path(Files(root).body(put.etag)).stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    assert Files(root).load_sidecar(put.etag) == replaced


def test_a_copy_shares_the_bytes_where_links_are_possible(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = store.put("a", b"body")

    def inode(etag: str) -> int:
        return Path(Files(root).body(etag)).stat().st_ino

    assert inode(store.copy("a", "linked").etag) == inode(put.etag)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMLINK, "too many links")

    monkeypatch.setattr(os, "link", refuse)
    copied = store.copy("a", "copied")
    assert inode(copied.etag) != inode(put.etag)
    assert read(store, "copied") == b"body"
    assert set(audit(root)) == {"a", "linked", "copied"}


@pytest.mark.parametrize("done", [0, 1])
def test_parts_are_joined_where_the_kernel_cannot(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    kernels, calls = os.copy_file_range, []

    def refuse(source: int, target: int, size: int) -> int:
        calls.append(size)
        if len(calls) > done:
            raise OSError(errno.EXDEV, "another device")
        return kernels(source, target, 100_000)  # then the rest in the other way

    monkeypatch.setattr(os, "copy_file_range", refuse)
    upload = store.begin_upload("a")
    pieces = [bytes([number]) * 2_500_000 for number in (1, 2)]
    parts = [store.upload_part("a", upload, at, piece) for at, piece in enumerate(pieces, 1)]
    store.complete_upload("a", upload, parts)
    assert read(store, "a") == b"".join(pieces)
    assert len(calls) >= 2


def test_short_writes_are_continued(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = os.write

    def short(fd: int, data: Buffer) -> int:
        return kernels(fd, memoryview(data)[:7])

    monkeypatch.setattr(os, "write", short)
    store.put("a", Blocks(b"0123456789" * 3, b"abc"))
    assert read(store, "a") == b"0123456789" * 3 + b"abc"


def test_a_full_disk_is_an_error_and_leaves_nothing(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StoreError, match="No space left") as caught:
            store.put("a", b"1")
        assert "make room" in str(caught.value.hint)
    assert audit(root) == {}


def test_readers_follow_a_name_that_moves(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", b"old")
    opened: list[str] = []
    ours = Files.open_body

    def late(self: Files, etag: str) -> Any:
        if not opened:
            with LocalStore(root) as other:
                other.put("a", b"new!")
        opened.append(etag)
        return ours(self, etag)

    monkeypatch.setattr(Files, "open_body", late)
    assert read(store, "a") == b"new!"
    assert len(set(opened)) == 2


def test_a_lost_body_is_not_an_absent_object(store: LocalStore, root: Path) -> None:
    put = store.put("a", b"body")
    Path(Files(root).body(put.etag)).unlink()
    for verb in (lambda: store.get("a"), lambda: store.copy("a", "b")):
        with pytest.raises(StoreError, match="missing") as caught:
            verb()
        assert not isinstance(caught.value, FileNotFoundError)
    assert store.head("a") == put


@pytest.mark.parametrize("data", [b"bod", b"bodx", b""])
def test_a_damaged_body_is_found_out(store: LocalStore, root: Path, data: bytes) -> None:
    put = store.put("a", b"body")
    Path(Files(root).body(put.etag)).write_bytes(data)
    with pytest.raises(IntegrityError):
        read(store, "a")


def test_two_stores_on_one_folder_are_one(store: LocalStore, root: Path) -> None:
    with LocalStore(root) as other:
        put = store.put("a", b"1")
        assert other.head("a") == put
        other.put("a", b"2", if_match=put.etag)
        with pytest.raises(PreconditionFailedError):
            store.put("a", b"3", if_match=put.etag)
        upload = store.begin_upload("m")
        parts = [side.upload_part("m", upload, n, b"x") for n, side in ((1, store), (2, other))]
        other.complete_upload("m", upload, parts)
        assert read(store, "m") == b"xx"


def test_opening_leaves_alone_what_is_under_way(store: LocalStore, root: Path) -> None:
    class Slow(Blocks):
        def __iter__(self) -> Iterator[Buffer]:
            for block in super().__iter__():
                yield block
                LocalStore(root).close()

    store.put("a", Slow(b"1", b"2"))
    upload = store.begin_upload("m")
    part = store.upload_part("m", upload, 1, Slow(b"3", b"4"))
    store.complete_upload("m", upload, [part])
    assert {name: stored.size for name, stored in audit(root).items()} == {"a": 2, "m": 2}


def test_reading_does_not_wait_for_writers(store: LocalStore, root: Path) -> None:
    store.put("a", b"body")
    with closing(sqlite3.connect(root / "index.sqlite", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        assert read(store, "a") == b"body"
        assert len(store.list().entries) == 1
        db.execute("ROLLBACK")


def test_an_index_locked_for_too_long(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "BUSY_SECONDS", 0.01)
    with LocalStore(root, create=True) as store:
        store.put("a", b"old")
        with closing(sqlite3.connect(root / "index.sqlite", isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(TransientStoreError, match="locked") as caught:
                store.put("a", b"new")
            assert caught.value.name == "a"
            db.execute("ROLLBACK")
        assert read(store, "a") == b"old"
    assert set(audit(root)) == {"a"}


def test_locks_of_markers_that_came_too_late(tmp_path: Path) -> None:
    markers = Markers(StoreFolder(tmp_path))
    with markers.take_new() as held:
        assert markers.take(held.etag) is None
        assert markers.take("0" * 32, create=False) is None
        held.drop()
        assert markers.listed() == []
        again = markers.take(held.etag)
        assert again is not None
        with again:
            assert markers.listed() == [held.etag]


def test_a_marker_removed_before_it_was_locked_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    markers = Markers(StoreFolder(tmp_path))
    flock, removed = fcntl.flock, list[str]()

    def late(fd: int, how: int) -> None:
        if not removed:  # a recovery comes first
            removed.extend(markers.listed())
            (tmp_path / removed[0]).unlink()
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with markers.take_new() as held:
        assert markers.listed() == [held.etag]
        assert removed != [held.etag]


def test_notes_of_removed_bodies_are_struck_out(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "FORGET_AT", 3)
    for _ in range(3):
        store.put("a", b"1")
    assert len(query(root, "SELECT * FROM garbage")) == 2
    store.delete("a")
    assert query(root, "SELECT * FROM garbage") == []


def test_parts_leave_nothing_behind(store: LocalStore, root: Path) -> None:
    upload = store.begin_upload("a")
    folder = root / "uploads" / upload
    store.upload_part("a", upload, 1, b"old")
    part = store.upload_part("a", upload, 1, b"new")
    with pytest.raises(SourceError):
        store.upload_part("a", upload, 2, Blocks(b"12", length=3))
    assert [path.name for path in folder.iterdir()] == [part.etag]
    store.complete_upload("a", upload, [part])
    assert not folder.exists()


@pytest.mark.parametrize("ended", [False, True])
def test_parts_that_change_while_they_are_joined(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    upload = store.begin_upload("a")
    parts = [store.upload_part("a", upload, number, b"old") for number in (1, 2)]
    ours = Files.join_parts

    def late(files: Files, upload_id: str, etags: Iterator[str], new: str) -> int:
        size = ours(files, upload_id, etags, new) if ended else 0
        store.upload_part("a", upload, 2, b"new")
        return size if ended else ours(files, upload_id, etags, new)

    with monkeypatch.context() as patch:
        patch.setattr(Files, "join_parts", late)
        with pytest.raises(PreconditionFailedError):
            store.complete_upload("a", upload, parts)
    assert audit(root) == {}
    store.complete_upload("a", upload, store.list_parts("a", upload))
    assert read(store, "a") == b"oldnew"


def test_a_damaged_part_is_found_out(store: LocalStore, root: Path) -> None:
    upload = store.begin_upload("a")
    part = store.upload_part("a", upload, 1, b"body")
    path = root / "uploads" / upload / part.etag
    path.write_bytes(b"bod")
    with pytest.raises(IntegrityError):
        store.complete_upload("a", upload, [part])
    path.unlink()
    with pytest.raises(StoreError):
        store.complete_upload("a", upload, [part])
    assert audit(root) == {}


def test_a_closed_store_is_closed(root: Path) -> None:
    store = LocalStore(root, create=True)
    store.put("a", b"body")
    body = store.get("a")
    store.close()
    store.close()
    with body:
        assert body.readinto(bytearray(9)) == 4
    for verb in (store.head, store.delete, store.get, store.begin_upload):
        with pytest.raises(UsageError, match="closed"):
            verb("a")
    with pytest.raises(UsageError, match="closed"):
        store.put("a", b"1")
    assert set(audit(root)) == {"a"}
