"""Rebuilding an index: everything that sidecars say comes back, and nothing is taken away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.local_audit import audit, query
from tests.unit.stores.local.test_recovery import after, die_in, instead
from tests.unit.stores.test_conformance import NAMES, read

from cipherbucket.errors import StoreError, TransientStoreError, UsageError
from cipherbucket.stores.local import repair
from cipherbucket.stores.local import store as store_module
from cipherbucket.stores.local.files import Files
from cipherbucket.stores.local.folders import StoreFolder
from cipherbucket.stores.local.index import create_index
from cipherbucket.stores.local.locks import Marker
from cipherbucket.stores.local.recovery import Sweeper
from cipherbucket.stores.local.repair import repair_index
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.records import StoredObject


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    with LocalStore(root, create=True) as store:
        for name in NAMES:
            store.put(name, name.encode(), metadata={"k": "ü"}, headers={"expires": "x"})
        store.replace_metadata("a", metadata={"k": "2"}, headers={})
        store.copy("a", "copy")
        store.put("..", b"again")
        store.delete("/")
    return root


def lose(root: Path) -> None:
    (root / "index.sqlite").unlink()


def empty(root: Path) -> None:
    (root / "index.sqlite").write_bytes(b"")


def overwrite(root: Path) -> None:
    (root / "index.sqlite").write_bytes(b"no database at all" * 1000)


def tear(root: Path) -> None:
    """Damage every page but the first, which is all that opening a database looks at."""
    path = root / "index.sqlite"
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(len(data) - 4096))


def keep(_: Path) -> None:
    """A sound index may be repaired too."""


damages = pytest.mark.parametrize("damage", [lose, empty, overwrite, tear, keep])


@damages
def test_everything_comes_back(root: Path, damage: Callable[[Path], None]) -> None:
    before = audit(root)
    damage(root)
    index = root / "index.sqlite"
    damaged = index.read_bytes() if index.exists() else None
    report = repair_index(root)
    assert report.restored == len(before) == len(NAMES)
    assert (report.orphans, report.unreadable, report.differing, report.nameless) == (0, (), (), ())
    assert audit(root) == before
    if damaged is None:
        assert report.set_aside is None
    else:
        assert report.set_aside is not None
        assert report.set_aside.read_bytes() == damaged
    with LocalStore(root) as store:
        assert read(store, "..") == b"again"
        store.put("after", b"1")


def test_a_wal_that_was_left_is_not_replayed_into_the_new_index(root: Path) -> None:
    before = audit(root)
    with LocalStore(root) as store:
        store.put("b", b"1")
        wal = (root / "index.sqlite-wal").read_bytes()
        assert wal
        store.delete("b")
    lose(root)
    (root / "index.sqlite-wal").write_bytes(wal)
    (root / "index.sqlite-wal").chmod(0o600)
    report = repair_index(root)
    assert report.set_aside is not None
    assert Path(f"{report.set_aside}-wal").read_bytes() == wal
    assert audit(root) == before


def body(root: Path, stored: StoredObject) -> Path:
    return Path(Files(root).body(stored.etag))


def sidecar(root: Path, stored: StoredObject) -> Path:
    return Path(Files(root).sidecar(stored.etag))


def test_a_sound_index_gives_bodies_the_sidecars_that_they_lost(root: Path) -> None:
    objects = audit(root)
    torn, gone = objects["a/b"], objects["a/"]
    sidecar(root, torn).write_bytes(b'{"version": 1, "na')
    sidecar(root, gone).unlink()
    report = repair_index(root)
    assert (report.restored, report.unreadable, report.nameless) == (len(objects), (), ())
    assert audit(root) == objects
    lose(root)
    repair_index(root)
    assert audit(root) == objects


@pytest.mark.parametrize("damage", [lose, empty, overwrite, tear])
def test_what_cannot_be_judged_is_reported_and_left(
    root: Path, damage: Callable[[Path], None]
) -> None:
    objects = audit(root)
    longer, gone, torn, nameless = (objects[name] for name in ("é", "A", "a/b", "a/"))
    body(root, longer).write_bytes(b"longer than it was")
    body(root, gone).unlink()
    sidecar(root, torn).write_bytes(b'{"version": 1, "na')
    sidecar(root, nameless).unlink()
    damage(root)
    there = {path: path.read_bytes() for path in (root / "bodies").rglob("*") if path.is_file()}
    for _ in range(2):
        report = repair_index(root)
        assert report.restored == len(objects) - 4
        assert report.orphans == 0
        assert set(report.differing) == {body(root, longer), body(root, gone)}
        assert report.unreadable == (sidecar(root, torn),)
        assert report.nameless == (body(root, nameless),)
        for path, data in there.items():
            assert path.read_bytes() == data
        with LocalStore(root) as store:
            assert [entry.name for entry in store.list("a").entries][:2] == ["a", "a\0b"]


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"etag": "0" * 32},
        {"name": ""},
        {"name": "\ud800"},
        {"name": 5},
        {"name": None},
        {"size": "2"},
        {"size": -1},
        {"size": True},
        {"crc64": 5},
        {"crc64": "xyz"},
        {"modified": "yesterday"},
        {"modified": 0},
        {"metadata": {"K": "1"}},
        {"metadata": {"k": 1}},
        {"metadata": 1},
        {"headers": {"x": "1"}},
        {"headers": None},
    ],
)
def test_sidecars_are_checked(root: Path, change: dict[str, object]) -> None:
    path = sidecar(root, audit(root)["a"])
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    lose(root)
    assert repair_index(root).unreadable == (path,)


@pytest.mark.parametrize("text", ["", "[]", "5", "{}", "[" * 100_000, "\xff"])
def test_sidecars_that_are_something_else(root: Path, text: str) -> None:
    path = sidecar(root, audit(root)["a"])
    path.write_text(text, "latin-1")
    lose(root)
    assert repair_index(root).unreadable == (path,)


@pytest.mark.parametrize("newer", ["first", "second"])
def test_of_two_bodies_of_one_name_the_later_has_it(root: Path, newer: str) -> None:
    with LocalStore(root) as store:
        objects = {"first": store.put("1", b"first"), "second": store.put("2", b"second")}
    for which, stored in objects.items():
        path = sidecar(root, stored)
        year = "2001" if which == newer else "2000"
        change = {"name": "both", "modified": f"{year}-01-01T00:00:00+00:00"}
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    lose(root)
    assert repair_index(root).orphans == 1
    assert audit(root)["both"].etag == objects[newer].etag
    with LocalStore(root) as store:
        assert read(store, "both") == newer.encode()


def test_a_put_that_died_before_its_sidecar_is_nobodys(root: Path) -> None:
    before = audit(root)
    die_in(root, lambda store: store.put("a", b"new"), instead(Files, "save_sidecar"))
    lose(root)
    assert repair_index(root).orphans == 1
    assert audit(root) == before


def test_a_put_that_died_after_its_sidecar_is_known_to_a_sound_index(root: Path) -> None:
    before = audit(root)
    die_in(root, lambda store: store.put("a", b"new"), instead(store_module, "save_object"))
    repair_index(root)
    assert audit(root) == before
    die_in(root, lambda store: store.put("a", b"new"), instead(store_module, "save_object"))
    lose(root)
    assert repair_index(root).orphans == 1
    assert audit(root)["a"].size == 3  # old or new: nobody got an answer that it was stored


def test_what_was_deleted_stays_deleted_where_the_index_is_sound(root: Path) -> None:
    before = audit(root)
    die_in(root, lambda store: store.delete("a"), instead(Sweeper, "discard"))
    report = repair_index(root)
    assert report.restored == len(before) - 1
    assert "a" not in audit(root)


def test_a_removal_that_did_not_reach_the_disk_is_still_known(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_in(root, lambda store: store.delete("a"), instead(Sweeper, "discard"))
    monkeypatch.setattr(Sweeper, "recover", lambda _: None)  # its work came back after a crash
    assert repair_index(root).orphans == 1
    monkeypatch.undo()
    assert "a" not in audit(root)


def test_what_was_left_is_not_swept_at_the_next_opening(root: Path) -> None:
    die_in(root, lambda store: store.put("new", b"body"), instead(store_module, "save_object"))
    (etag,) = Files(root).markers.listed()
    left = Path(Files(root).body(etag))
    left.write_bytes(b"bod")
    lose(root)
    assert repair_index(root).differing == (left,)
    LocalStore(root).close()
    assert left.read_bytes() == b"bod"


def test_unfinished_uploads_outlive_the_repair_of_a_sound_index(root: Path) -> None:
    with LocalStore(root) as store:
        upload = store.begin_upload("m")
        parts = [store.upload_part("m", upload, 1, b"1")]
    repair_index(root)
    with LocalStore(root) as store:
        assert store.list_parts("m", upload) == parts
    lose(root)
    repair_index(root)
    with LocalStore(root) as store:
        assert store.list_uploads() == []
    assert Files(root).part_folders() == set()


def test_unfinished_uploads_outlive_a_repair_that_is_cut_short(root: Path) -> None:
    with LocalStore(root) as store:
        upload = store.begin_upload("m")
        parts = [store.upload_part("m", upload, 1, b"1")]
    other = root.with_name("other")
    LocalStore(other, create=True).close()
    die_in(other, lambda _: repair_index(root), after(repair, "_set_aside"))
    repair_index(root)
    with LocalStore(root) as store:
        assert store.list_parts("m", upload) == parts


@pytest.mark.parametrize(
    "death",
    [
        instead(repair, "create_index"),
        after(repair, "create_index"),
        after(repair, "_set_aside"),
        after(StoreFolder, "sync"),
        after(repair, "_removed"),
        after(Marker, "drop"),
    ],
)
def test_a_repair_cut_short_can_be_begun_again(
    root: Path, death: tuple[object, str, object]
) -> None:
    before = audit(root)

    def leave_a_replaced_body_and_one_without_a_sidecar(store: LocalStore) -> None:
        store.put("a", b"new")
        setattr(*instead(Files, "save_sidecar"))
        store.put("A", b"never")

    nothing = (Sweeper, "discard", lambda *_: None)
    die_in(root, leave_a_replaced_body_and_one_without_a_sidecar, nothing)
    lose(root)

    def repair(store: LocalStore) -> None:
        store.close()
        repair_index(root)

    other = root.with_name("other")  # `die_in` opens a store: not the one to be repaired
    LocalStore(other, create=True).close()
    die_in(other, repair, death)
    repair_index(root)
    objects = audit(root)
    assert objects.pop("a").size == 3
    del before["a"]
    assert objects == before


def test_a_store_in_use_is_not_repaired(root: Path) -> None:
    with LocalStore(root) as store, pytest.raises(TransientStoreError, match="in use"):
        repair_index(root)
    store.close()
    repair_index(root)


def test_a_store_being_repaired_is_not_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = create_index

    def opened(*args: object) -> None:
        with pytest.raises(TransientStoreError, match="being repaired"):
            LocalStore(root)
        ours(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(repair, "create_index", opened)
    repair_index(root)


def test_an_index_of_another_version_is_not_touched(root: Path) -> None:
    query(root, "PRAGMA user_version=2")
    with pytest.raises(StoreError, match="version 2"):
        repair_index(root)
    assert query(root, "PRAGMA user_version") == [(2,)]


def test_what_is_no_store_is_not_repaired(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="no directory store"):
            repair_index(path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(repair, "_set_aside", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        repair_index(root)


def test_a_store_without_its_other_folders(root: Path) -> None:
    before = audit(root)
    lose(root)
    for folder in ("staging", "uploads"):
        shutil.rmtree(root / folder)
    repair_index(root)
    assert audit(root) == before


def test_what_is_in_the_way_of_a_repair_is_named(root: Path) -> None:
    (root / "index.sqlite.rebuilt").mkdir()
    with pytest.raises(StoreError, match=r"index\.sqlite\.rebuilt"):
        repair_index(root)
