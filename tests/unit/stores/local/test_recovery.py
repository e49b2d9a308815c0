"""Processes that die at every single step: the old object or the new one, and nothing else left.

A forked child replaces one function by death, does one thing to the store, and dies in it. What
its parent then opens must be whole, and `audit` holds every file against the index.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.local_audit import audit, query
from tests.unit.stores.test_conformance import read

from cipherbucket.errors import StoreError
from cipherbucket.stores.local import recovery, uploads
from cipherbucket.stores.local import store as store_module
from cipherbucket.stores.local.files import Files
from cipherbucket.stores.local.folders import StoreFolder
from cipherbucket.stores.local.index import Index
from cipherbucket.stores.local.locks import Marker
from cipherbucket.stores.local.recovery import Sweeper
from cipherbucket.stores.local.store import LocalStore

OLD, NEW = b"the old body", b"the new one"
DIED = 9


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with LocalStore(tmp_path / "store", create=True) as store:
        store.put("a", OLD, metadata={"k": "old"})
        store.put("b", OLD)
    return tmp_path / "store"


def die(*_: Any, **__: Any) -> Any:
    os._exit(DIED)


def after(target: Any, name: str) -> tuple[Any, str, Any]:
    """Let the function do its work, and die then."""
    ours = getattr(target, name)

    def last(*args: Any, **kwargs: Any) -> Any:
        ours(*args, **kwargs)
        die()

    return target, name, last


def instead(target: Any, name: str) -> tuple[Any, str, Any]:
    return target, name, die


def die_in(root: Path, work: Callable[[LocalStore], object], death: tuple[Any, str, Any]) -> None:
    child = os.fork()
    if not child:
        try:
            store = LocalStore(root)
            setattr(*death)
            work(store)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DIED


BODY_STEPS = [
    (instead(StoreFolder, "write_file"), False),
    (after(Files, "save_body"), False),
    (instead(Files, "save_sidecar"), False),
    (after(Files, "save_sidecar"), False),
    (instead(store_module, "save_object"), False),
    (after(store_module, "save_object"), False),
    (instead(Marker, "drop"), True),
    (after(Marker, "drop"), True),
    (instead(Sweeper, "discard"), True),
    (after(Files, "remove"), True),
]
steps = pytest.mark.parametrize(("death", "done"), BODY_STEPS, ids=range(len(BODY_STEPS)))


@steps
def test_a_put(root: Path, death: tuple[Any, str, Any], done: bool) -> None:
    die_in(root, lambda store: store.put("a", NEW, metadata={"k": "new"}), death)
    objects = audit(root)
    assert set(objects) == {"a", "b"}
    assert objects["a"].metadata == {"k": "new" if done else "old"}
    with LocalStore(root) as store:
        assert read(store, "a") == (NEW if done else OLD)


@steps
def test_a_copy(root: Path, death: tuple[Any, str, Any], done: bool) -> None:
    if death[1] in {"write_file", "save_body"}:
        death = (
            instead(Files, "link_body") if death[1] == "write_file" else after(Files, "link_body")
        )
    die_in(root, lambda store: store.copy("a", "b"), death)
    assert audit(root)["b"].metadata == ({"k": "old"} if done else {})


@steps
def test_a_completion(root: Path, death: tuple[Any, str, Any], done: bool) -> None:
    if death[1] in {"write_file", "save_body"}:
        which = instead if death[1] == "write_file" else after
        death = which(StoreFolder, "join_files")
    with LocalStore(root) as store:
        upload = store.begin_upload("a")
        parts = [store.upload_part("a", upload, 1, NEW)]
    die_in(root, lambda store: store.complete_upload("a", upload, parts), death)
    audit(root)
    with LocalStore(root) as store:
        assert read(store, "a") == (NEW if done else OLD)
        assert [found.upload_id for found in store.list_uploads()] == ([] if done else [upload])
        if not done:
            store.complete_upload("a", upload, parts)
            assert read(store, "a") == NEW


@pytest.mark.parametrize(
    ("death", "done"),
    [
        (instead(store_module, "remove_object"), False),
        (after(store_module, "remove_object"), False),
        (instead(Sweeper, "discard"), True),
        (instead(Files, "remove"), True),
    ],
)
def test_a_deletion(root: Path, death: tuple[Any, str, Any], done: bool) -> None:
    die_in(root, lambda store: store.delete("a"), death)
    assert set(audit(root)) == ({"b"} if done else {"a", "b"})


def test_a_deletion_between_body_and_sidecar(root: Path) -> None:
    die_in(root, lambda store: store.delete("a"), after(StoreFolder, "unlink"))
    assert set(audit(root)) == {"b"}


@pytest.mark.parametrize(
    ("death", "done"),
    [
        (instead(StoreFolder, "write_file"), False),
        (after(StoreFolder, "write_file"), False),
        (after(StoreFolder, "rename"), False),
        (after(Files, "save_sidecar"), False),
        (after(store_module, "save_object"), False),
        (instead(Marker, "drop"), True),
        (after(Marker, "drop"), True),
    ],
)
def test_a_replacement_of_metadata(root: Path, death: tuple[Any, str, Any], done: bool) -> None:
    die_in(
        root, lambda store: store.replace_metadata("a", metadata={"k": "new"}, headers={}), death
    )
    objects = audit(root)
    assert objects["a"].metadata == {"k": "new" if done else "old"}
    with LocalStore(root) as store:
        assert read(store, "a") == OLD
        store.replace_metadata("a", metadata={"k": "again"}, headers={})
    assert audit(root)["a"].metadata == {"k": "again"}


@pytest.mark.parametrize(
    ("death", "done"),
    [
        (instead(StoreFolder, "write_file"), False),
        (after(StoreFolder, "write_file"), False),
        (instead(uploads.Uploads, "_save_row"), False),
        (after(uploads.Uploads, "_save_row"), True),
        (instead(Files, "remove_part"), True),
    ],
)
def test_a_part(root: Path, death: tuple[Any, str, Any], done: bool) -> None:
    with LocalStore(root) as store:
        upload = store.begin_upload("a")
        before = store.upload_part("a", upload, 1, OLD)
    die_in(root, lambda store: store.upload_part("a", upload, 1, NEW), death)
    with LocalStore(root) as store:
        parts = store.list_parts("a", upload)
        assert (parts != [before]) is done
        store.complete_upload("a", upload, parts)
        assert read(store, "a") == (NEW if done else OLD)
    audit(root)


@pytest.mark.parametrize("verb", ["begin", "abort"])
def test_an_upload_that_has_a_folder_and_no_row(root: Path, verb: str) -> None:
    if verb == "begin":
        die_in(root, lambda store: store.begin_upload("a"), after(Files, "create_parts"))
    else:
        with LocalStore(root) as store:
            upload = store.begin_upload("a")
            store.upload_part("a", upload, 1, NEW)
        die_in(root, lambda store: store.abort_upload("a", upload), instead(Files, "remove_parts"))
    assert len(Files(root).part_folders()) == 1
    audit(root)
    assert Files(root).part_folders() == set()


def test_making_a_store(tmp_path: Path) -> None:
    root = tmp_path / "new"
    for death in (
        instead(Files, "create"),
        after(Files, "create"),
        instead(os, "link"),
        after(recovery, "create_index"),
    ):
        child = os.fork()
        if not child:
            setattr(*death)
            with suppress(BaseException):
                LocalStore(root, create=True)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DIED
    with LocalStore(root, create=True) as store:
        assert store.list().entries == ()


def test_metadata_can_be_replaced_over_a_marker_left_behind(root: Path) -> None:
    with LocalStore(root) as store:  # opened before the other one dies
        die_in(root, lambda other: other.put("a", NEW), instead(Marker, "drop"))
        store.replace_metadata("a", metadata={"k": "2"}, headers={})
    assert audit(root)["a"].metadata == {"k": "2"}


@pytest.mark.parametrize(
    "verb",
    [
        lambda store: store.put("a", NEW),
        lambda store: store.copy("b", "a"),
        lambda store: store.replace_metadata("a", metadata={"k": "new"}, headers={}),
    ],
)
def test_an_interrupt_right_after_the_commit(
    root: Path, monkeypatch: pytest.MonkeyPatch, verb: Callable[[LocalStore], object]
) -> None:
    ours = Index.writing

    @contextmanager
    def interrupted(index: Index) -> Iterator[sqlite3.Connection]:
        with ours(index) as db:
            yield db
        raise KeyboardInterrupt

    with LocalStore(root) as store:
        with monkeypatch.context() as patch:
            patch.setattr(Index, "writing", interrupted)
            with pytest.raises(KeyboardInterrupt):
                verb(store)
        assert store.head("a").metadata != {"k": "old"} or read(store, "a") == NEW
        assert Files(root).markers.listed() == []
    audit(root)


def test_an_interrupt_before_the_commit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with LocalStore(root) as store:
        with monkeypatch.context() as patch:
            patch.setattr(store_module, "save_object", interrupt)
            with pytest.raises(KeyboardInterrupt):
                store.put("a", NEW)
            with pytest.raises(KeyboardInterrupt):
                store.replace_metadata("a", metadata={}, headers={})
        store.put("c", NEW)  # no transaction was left open
    objects = audit(root)
    assert set(objects) == {"a", "b", "c"}
    assert objects["a"].metadata == {"k": "old"}


def test_an_index_that_fails_leaves_the_rest_to_the_next_opening(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with LocalStore(root) as store:
        with monkeypatch.context() as patch:
            patch.setattr(store_module, "save_object", fail)
            patch.setattr(store_module, "settle", fail)
            with pytest.raises(StoreError, match="disk I/O error"):
                store.put("a", NEW)
        assert len(Files(root).markers.listed()) == 1
        assert read(store, "a") == OLD
    assert audit(root)["a"].size == len(OLD)


def test_a_sweep_that_fails_does_not_undo_a_put(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with LocalStore(root) as store:
        with monkeypatch.context() as patch:
            patch.setattr(Files, "remove", fail)
            store.put("a", NEW)
        assert read(store, "a") == NEW
    assert len(query(root, "SELECT * FROM garbage")) == 1
    audit(root)


def test_strangers_in_the_folders_are_left_alone(root: Path) -> None:
    strangers = [root / "staging" / "note", root / "bodies" / "00" / "note", root / "note"]
    for path in strangers:
        path.touch()
    LocalStore(root).close()
    assert all(path.exists() for path in strangers)
