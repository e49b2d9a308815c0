"""Opening, making, closing a directory store, and carrying it across a fork."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.forked import in_child
from tests.support.local_audit import audit, query
from tests.unit.stores.test_conformance import read

from cipherbucket.errors import StoreError, UsageError
from cipherbucket.stores.local import folders, index
from cipherbucket.stores.local.files import Files
from cipherbucket.stores.local.store import LocalStore


def child_of(work: Callable[[], object]) -> None:
    """Run a function in a forked child and see that it succeeds."""
    assert in_child(work) == 0


def test_a_store_is_carried_across_a_fork(store: LocalStore, root: Path) -> None:
    store.put("a", b"before")

    def work() -> None:
        assert read(store, "a") == b"before"
        store.put("b", b"child")
        child_of(lambda: store.put("c", b"grandchild"))
        store.close()

    child_of(work)
    assert read(store, "c") == b"grandchild"
    store.put("d", b"after")
    assert set(audit(root)) == {"a", "b", "c", "d"}


def test_a_body_that_is_read_on_both_sides_of_a_fork_is_read_whole(store: LocalStore) -> None:
    data = bytes(range(256)) * 1000
    store.put("a", data)
    with store.get("a") as body:
        beginning, rest = bytearray(1000), bytearray(len(data) - 1000)
        body.readinto(beginning)

        def work() -> None:
            body.readinto(rest)
            assert beginning + rest == data

        child_of(work)
        body.readinto(rest)
    assert beginning + rest == data


def test_no_connection_is_open_on_either_side_of_a_fork(store: LocalStore) -> None:
    index = store._index
    assert index._db is not None

    def work() -> None:
        assert index._db is None
        store.head("a")
        assert index._db is not None

    store.put("a", b"")
    child_of(work)
    assert index._db is None


def test_a_fork_waits_for_the_transaction_of_another_thread(store: LocalStore, root: Path) -> None:
    begun, forking = threading.Event(), threading.Event()

    def write() -> None:
        with store._index.writing() as db:
            begun.set()
            forking.wait(0.2)
            db.execute("INSERT INTO garbage VALUES ('0')")

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait()
    child_of(lambda: store.put("a", b"child"))
    thread.join()
    assert query(root, "SELECT etag FROM garbage") == [("0",)]
    assert read(store, "a") == b"child"


def test_a_fork_waits_for_a_thread_that_opens_a_folder(root: Path) -> None:
    begun = threading.Event()

    def open_slowly() -> None:
        with folders._opening:
            begun.set()
            time.sleep(0.2)

    thread = threading.Thread(target=open_slowly)
    thread.start()
    begun.wait()

    def work() -> None:
        signal.alarm(20)
        LocalStore(root, create=True).close()

    child_of(work)
    thread.join()


def test_a_store_that_is_opened_during_a_fork_connects_after_it(
    store: LocalStore, root: Path
) -> None:
    opened = threading.Event()

    def open_another() -> None:
        LocalStore(root).close()
        opened.set()

    thread = threading.Thread(target=open_another)
    index._before_fork()
    try:
        thread.start()
        assert not opened.wait(0.2)
    finally:
        index._after_fork()
    thread.join()
    assert opened.is_set()


def test_an_index_that_cannot_be_closed_for_a_fork_stays_usable_after_it(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: index.Index) -> None:
        raise OSError(5, "the disk failed")

    monkeypatch.setattr(index.Index, "disconnect", fail)
    with pytest.raises(OSError, match="the disk failed"):
        index._before_fork()
    index._after_fork()
    monkeypatch.undo()
    if stuck := store._index.lock.locked():
        store._index.lock.release()
    assert not stuck


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no directory store") as caught:
        LocalStore(tmp_path)
    assert caught.value.hint == f"make one with: cipherbucket mb file://{tmp_path}"
    assert list(tmp_path.iterdir()) == []
    assert not LocalStore.is_store(tmp_path)


def test_an_index_of_another_version(store: LocalStore, root: Path) -> None:
    store.close()
    query(root, "PRAGMA user_version=2")
    with pytest.raises(StoreError, match="version 2"):
        LocalStore(root, create=True)


def test_an_index_of_something_else(root: Path) -> None:
    root.mkdir()
    query(root, "CREATE TABLE notes (note)")
    with pytest.raises(StoreError, match="not made by cipherbucket"):
        LocalStore(root, create=True)
    assert [path.name for path in root.iterdir()] == ["index.sqlite"]


@pytest.mark.parametrize("damage", [b"", b"this is no database" * 1000])
def test_a_damaged_index_names_its_cure(store: LocalStore, root: Path, damage: bytes) -> None:
    store.close()
    (root / "index.sqlite").write_bytes(damage)
    with pytest.raises(StoreError) as caught:
        LocalStore(root, create=True)
    assert "cipherbucket repair --index" in str(caught.value.hint)


@pytest.mark.parametrize("rest", ["bodies", "wal"])
def test_a_lost_index_is_not_made_anew(store: LocalStore, root: Path, rest: str) -> None:
    if rest == "bodies":
        store.put("a", b"1")
    store.close()
    (root / "index.sqlite").unlink()
    if rest == "wal":
        (root / "index.sqlite-wal").touch()
    for create in (False, True):
        with pytest.raises(StoreError, match="gone") as caught:
            LocalStore(root, create=create)
        assert "cipherbucket repair --index file://" in str(caught.value.hint)
    assert not LocalStore.is_store(root)


def test_a_store_being_made_twice_is_one(root: Path) -> None:
    Files(root.parent).create()  # what remains of a process that died over it
    (root.parent / "index.sqlite.new-0").touch()
    made: list[int] = []

    def make(number: int) -> None:
        with LocalStore(root.parent, create=True) as store:
            store.put(str(number), b"")
        made.append(number)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(range(6))
    with LocalStore(root.parent) as store:
        assert len(store.list().entries) == 6


def test_a_store_copied_without_its_empty_folders(store: LocalStore, root: Path) -> None:
    store.put("a", b"1")
    store.close()
    for folder in [*(root / "bodies").iterdir(), root / "staging", root / "uploads"]:
        if not any(folder.iterdir()):
            folder.rmdir()
    with LocalStore(root) as again:
        for number in range(20):
            again.put(str(number), b"")
        assert again.begin_upload("a")
