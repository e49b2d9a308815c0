"""Stores that somebody else could have made, or that cannot be written: they are read, only."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from pwd import getpwuid
from typing import Any

import pytest
from tests.support.local_audit import query
from tests.unit.stores.local.test_opening import child_of
from tests.unit.stores.test_conformance import read

from cipherbucket.errors import StoreError
from cipherbucket.stores.local import snapshot, trust
from cipherbucket.stores.local.repair import repair_index
from cipherbucket.stores.local.store import LocalStore

as_root = pytest.mark.skipif(os.getuid() != 0, reason="another user's files are made by root")
NOBODY = 65534


@pytest.fixture
def full(root: Path) -> Path:
    """Return a store in which there is something to clean, too."""
    with LocalStore(root, create=True) as store:
        store.put("a", b"body", metadata={"k": "v"})
        store.put("b", b"other")
        upload = store.begin_upload("m")
        store.upload_part("m", upload, 1, b"1")
    (root / "staging" / ("0" * 32)).touch()
    query(root, f"INSERT INTO garbage VALUES ('{'1' * 32}')")
    (root / "bodies" / "11" / ("1" * 32)).touch()
    (root / "uploads" / ("2" * 32)).mkdir()
    return root


def give_away(path: Path) -> None:
    """Make all that lies there another user's."""
    for each in (path, *path.rglob("*")):
        os.chown(each, NOBODY, NOBODY, follow_symlinks=False)


def state(root: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path): (
            path.lstat().st_mtime_ns,
            path.lstat().st_uid,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in (root, *root.rglob("*"))
    }


WRITING: list[Callable[[LocalStore], Any]] = [
    lambda store: store.put("a", b"new"),
    lambda store: store.delete("a"),
    lambda store: store.copy("a", "c"),
    lambda store: store.replace_metadata("a", metadata={}, headers={}),
    lambda store: store.begin_upload("a"),
    lambda store: store.abort_upload("m", store.list_uploads()[0].upload_id),
    lambda store: store.upload_part("m", store.list_uploads()[0].upload_id, 1, b"2"),
    lambda store: store.complete_upload(
        "m",
        store.list_uploads()[0].upload_id,
        store.list_parts("m", store.list_uploads()[0].upload_id),
    ),
]


def only_read(store: LocalStore, says: str) -> None:
    """See that all can be read and nothing be written."""
    assert [entry.name for entry in store.list().entries] == ["a", "b"]
    assert read(store, "a") == b"body"
    assert store.head("a").metadata == {"k": "v"}
    for verb in WRITING:
        with pytest.raises(StoreError, match=says):
            verb(store)


@as_root
def test_another_users_store_is_read_and_never_written(full: Path) -> None:
    give_away(full)
    before = state(full)
    owner = f"user {getpwuid(NOBODY).pw_name}"
    with LocalStore(full) as store:
        only_read(store, f"only read: {full} belongs to {owner}")
        with pytest.raises(StoreError) as caught:
            store.delete("a")
        assert "--trust-store" in str(caught.value.hint)
        assert "trusted = true" in str(caught.value.hint)
        assert "NAME:// in the command" in str(caught.value.hint)
    with pytest.raises(StoreError, match=owner):
        repair_index(full)
    assert state(full) == before
    with LocalStore(full, trusted=True) as store:
        store.put("a", b"new")
        assert not (full / "staging" / ("0" * 32)).exists()


@as_root
@pytest.mark.parametrize("part", ["index.sqlite", "bodies", "staging", "uploads"])
def test_a_part_of_a_store_that_is_another_users(full: Path, part: str) -> None:
    os.chown(full / part, NOBODY, NOBODY)
    with LocalStore(full) as store:
        only_read(store, f"{part} belongs to")


@pytest.mark.parametrize("mode", [0o777, 0o707])
def test_a_store_that_others_can_write(full: Path, mode: int) -> None:
    full.chmod(mode)
    with LocalStore(full) as store:
        only_read(store, f"can be written by others .mode 0{mode:o}")
    full.chmod(0o700)
    full.parent.chmod(0o777)
    with LocalStore(full) as store:
        only_read(store, "can be written by others")
    with pytest.raises(StoreError, match="can be written by others"):
        LocalStore(full.parent / "new" / "store", create=True)
    assert not (full.parent / "new").exists()
    full.parent.chmod(0o700)


def test_a_list_of_tables_that_is_no_utf8_is_an_error_of_ours(full: Path) -> None:
    with closing(sqlite3.connect(full / "index.sqlite")) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET type = CAST(x'ff' AS TEXT) WHERE sql IS NULL")
        db.commit()
    full.chmod(0o777)
    with pytest.raises(StoreError, match="the index failed: Could not decode"):
        LocalStore(full)


@as_root
def test_a_link_to_somebody_elses_file_is_no_body_of_a_strangers_store(full: Path) -> None:
    with LocalStore(full) as store:
        etag = store.head("a").etag
        store.copy("b", "c")  # which links, as it should
    body = full / "bodies" / etag[:2] / etag
    body.unlink()
    secret = full.parent / "secret"
    secret.write_bytes(b"hush")
    give_away(full)
    os.link(secret, body)
    with LocalStore(full) as store:
        with pytest.raises(StoreError, match="owner alone"):
            store.get("a")
        assert read(store, "c") == b"other"


@as_root
def test_a_strangers_folder_becomes_a_link_between_two_reads(full: Path) -> None:
    with LocalStore(full) as store:
        etag = store.head("a").etag
    give_away(full)
    shard, secret = full / "bodies" / etag[:2], full.parent / "secret"
    secret.mkdir()
    (secret / etag).write_bytes(b"hush")
    with LocalStore(full) as store:
        assert read(store, "a") == b"body"
        shutil.rmtree(shard)
        shard.symlink_to(secret)
        with pytest.raises(StoreError, match="is no folder"):
            store.get("a")


def test_a_second_read_of_a_store_of_ours_opens_nothing_but_the_body(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, opened = os.open, list[Any]()

    def counted(path: Any, *args: Any, **options: Any) -> int:
        opened.append(path)
        return ours(path, *args, **options)

    with LocalStore(full) as store:
        assert read(store, "a") == b"body"
        etag = store.head("a").etag
        monkeypatch.setattr(os, "open", counted)
        assert read(store, "a") == b"body"
    assert opened == [f"{etag[:2]}/{etag}"]


@pytest.fixture
def locked(full: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a store that cannot be written, which root does not see by itself."""
    monkeypatch.setattr(trust, "_writable", lambda *_: False)
    return full


def test_a_store_that_cannot_be_written_is_read(locked: Path) -> None:
    before = state(locked)
    with LocalStore(locked) as store:
        only_read(store, "cannot be written")
    assert state(locked) == before


def test_what_is_only_in_the_log_is_read(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalStore(full) as writer:
        writer.put("c", b"in the log")
        assert (full / "index.sqlite-wal").stat().st_size
        monkeypatch.setattr(trust, "_writable", lambda *_: False)
        with LocalStore(full) as store:
            assert read(store, "c") == b"in the log"
            writer.put("c", b"replaced")
            assert read(store, "c") == b"replaced"  # the old body is gone: it looks again
            child_of(lambda: read(store, "c"))


def test_a_copy_leaves_nothing_behind(
    locked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    with LocalStore(locked) as store:
        assert list(place.iterdir()) == []
        assert read(store, "a") == b"body"
    (locked / "index.sqlite").write_bytes(b"none")
    with pytest.raises(StoreError):
        LocalStore(locked)
    assert list(place.iterdir()) == []


def test_a_copy_goes_where_there_is_room(
    locked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with LocalStore(locked) as store:
        assert read(store, "a") == b"body"


@as_root
def test_a_copy_is_not_made_in_a_strangers_folder(
    locked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python takes the working directory where all other places are full."""
    place = tmp_path / "place"
    place.mkdir()
    give_away(place)
    used = list[str]()
    ours = tempfile.mkdtemp

    def seen(*, prefix: str, dir: str) -> str:  # noqa: A002
        used.append(dir)
        return ours(prefix=prefix, dir=dir)

    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setattr("tempfile.mkdtemp", seen)
    LocalStore(locked).close()
    assert used == ["/tmp"]


def test_no_place_for_a_copy(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    LocalStore(locked).close()  # elsewhere
    monkeypatch.setattr(snapshot, "_PLACES", (str(locked / "none"),))
    with pytest.raises(StoreError, match="no place for a copy of its index") as error:
        LocalStore(locked)
    assert "TMPDIR" in str(error.value.hint)


@as_root
def test_what_may_not_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        LocalStore(Path(folder, "store"), create=True).close()
        Path(folder, "store").chmod(0o755)

        def work() -> None:
            os.setuid(NOBODY)
            with pytest.raises(StoreError, match=r"denied: index\.sqlite") as error:
                LocalStore(Path(folder, "store"))
            assert "readable" in str(error.value.hint)

        child_of(work)


def test_an_index_that_is_written_meanwhile_is_copied_again(
    locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, copied = snapshot._copy, list[str]()

    def late(root: Any, target: Any, name: str) -> None:
        ours(root, target, name)
        copied.append(name)
        if len(copied) == 1:
            os.utime(locked / "index.sqlite")

    monkeypatch.setattr(snapshot, "_copy", late)
    with LocalStore(locked) as store:
        assert read(store, "a") == b"body"
    assert copied == ["index.sqlite"] * 2


def test_a_log_that_grows_without_a_pause_is_copied_at_once(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, copied = snapshot._copy, list[str]()
    with LocalStore(full) as writer:

        def late(root: Any, target: Any, name: str) -> None:
            ours(root, target, name)
            copied.append(name)
            writer.put(f"n{len(copied)}", b"")

        monkeypatch.setattr(snapshot, "_copy", late)
        monkeypatch.setattr(trust, "_writable", lambda *_: False)
        with LocalStore(full) as store:
            assert [entry.name for entry in store.list().entries] == ["a", "b", "n1"]
    assert copied == ["index.sqlite", "index.sqlite-wal"]


def test_an_index_with_holes_is_copied_without_them(
    locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.truncate(locked / "index.sqlite", 1 << 40)
    monkeypatch.setattr(snapshot, "MAX_INDEX", 1 << 20)
    with LocalStore(locked) as store:
        assert read(store, "a") == b"body"
    monkeypatch.setattr(snapshot, "MAX_INDEX", 1 << 10)
    with pytest.raises(StoreError, match="has more than"):
        LocalStore(locked)


def test_a_store_without_its_empty_folders_is_read(locked: Path) -> None:
    shutil.rmtree(locked / "staging")
    shutil.rmtree(locked / "uploads")
    with LocalStore(locked) as store:
        assert read(store, "a") == b"body"


def test_a_copy_takes_no_lock_from_a_connection_of_the_same_process(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system gives up all locks of a process on a file of which it closes a descriptor."""
    other = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=0);"
        "print(db.execute('PRAGMA journal_mode=DELETE').fetchone())"
    )
    with LocalStore(full) as writer:
        assert writer.head("a")
        monkeypatch.setattr(trust, "_writable", lambda *_: False)
        LocalStore(full).close()
        index = str(full / "index.sqlite")
        command = [sys.executable, "-c", other, index]
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "locked" in tried.stderr


@as_root
def test_a_user_reads_a_store_of_root_that_they_cannot_write() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        root = Path(folder, "store")
        with LocalStore(root, create=True) as store:
            store.put("a", b"body", metadata={"k": "v"})
            store.put("b", b"other")
            store.begin_upload("m")
        for path in (root.parent, root, *root.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        before = state(root)

        def work() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with LocalStore(root) as store:
                assert [entry.name for entry in store.list().entries] == ["a", "b"]
                assert read(store, "a") == b"body"
                with pytest.raises(StoreError, match="cannot be written"):
                    store.put("a", b"new")

        child_of(work)
        assert state(root) == before
