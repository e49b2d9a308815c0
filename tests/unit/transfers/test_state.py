"""The state folder: what somebody else could have put there is neither used nor changed."""

import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import cipherbucket as cb
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import Outcome
from cipherbucket.transfers.abandoned import abandoned
from cipherbucket.transfers.journal import Journal
from cipherbucket.transfers.state import state_or_none

KEY = cb.AesKey(bytes(range(32)), description={"desc": "a"})
BODY = os.urandom(300_000)
NOBODY = 65534
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


def link(path: Path) -> None:
    path.symlink_to(path.rename(Path(f"{path}.target")))


def second_name(path: Path) -> None:
    Path(f"{path}.target").hardlink_to(path)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def open_to_all(path: Path) -> None:
    path.chmod(0o666)


def given_away(path: Path) -> None:
    os.chown(path, NOBODY, NOBODY)


Plant = Callable[[Path], None]
PLANTS = pytest.mark.parametrize(
    "plant", [link, second_name, pipe, open_to_all, pytest.param(given_away, marks=ROOT)]
)
FOLDERS = pytest.mark.parametrize(
    "make",
    [
        lambda folder: folder.chmod(0o777),
        lambda folder: folder.chmod(0o1777),
        lambda folder: folder.parent.chmod(0o777),
        pytest.param(given_away, marks=ROOT),
        pytest.param(lambda folder: given_away(folder.parent), marks=ROOT),
    ],
)


def seen(folder: Path) -> dict[str, object]:
    """Return all that is in a folder, so that any change shows."""
    return {
        each.name: (each.lstat().st_mode, each.lstat().st_ino, each.lstat().st_mtime_ns)
        for each in folder.iterdir()
    }


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "above" / "state"
    folder.mkdir(parents=True, mode=0o700)
    return folder


def journal_in(folder: Path, kind: str, store: str, name: str, file: Path, **more: str) -> Path:
    identity = (kind, store, name, str(file)) if kind == "upload" else (kind, store, str(file))
    with Journal.open(folder, *identity) as journal:
        ends = {"store": store, "name": name, "file": str(file)}
        journal.begin({"kind": kind, **ends, "envelope": {}, "metadata": {}, **more})
        return journal.path


def transferred(state: Path, folder: Path, bucket: cb.Bucket) -> None:
    """Upload and download, each in parts."""
    how = {"part_size": 7 << 14, "threshold": 1000, "state": state}
    (folder / "file").write_bytes(BODY)
    bucket.upload(folder / "file", "up", **how)  # type: ignore[arg-type]
    bucket.download("up", folder / "out", **how)  # type: ignore[arg-type]
    assert (folder / "out").read_bytes() == BODY


@PLANTS
def test_a_journal_that_is_not_ours_is_neither_followed_nor_touched(
    plant: Plant, state: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = cb.open_bucket("memory://", KEY, format="sealed")
    temporary = ".cipherbucket-0123456789abcdef.part"
    (tmp_path / temporary).write_bytes(b"precious")
    for kind, file in (("upload", "file"), ("download", "out")):
        at = tmp_path / file
        plant(journal_in(state, kind, bucket.url, "up", at, temporary=temporary))
    before = seen(state)
    transferred(state, tmp_path, bucket)
    assert list(abandoned(state)) == []
    assert seen(state) == before
    assert (tmp_path / temporary).read_bytes() == b"precious"
    assert caplog.text.count("(remove it if you know what it is, or set CIPHER") >= 4
    assert "begin anew" in caplog.text


@FOLDERS
def test_a_folder_that_is_not_ours_is_neither_read_nor_written(
    make: Plant, state: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = cb.open_bucket("memory://", KEY, format="sealed")
    journal_in(state, "upload", bucket.url, "up", tmp_path / "file", upload_id="1")
    make(state)
    before = seen(state)
    with caplog.at_level(logging.WARNING):
        transferred(state, tmp_path, bucket)
        assert "what is interrupted will begin anew" in caplog.text
        assert list(abandoned(state)) == []
        assert "neither listed nor cleared (set CIPHERBUCKET_STATE to a folder" in caplog.text
    assert seen(state) == before


def test_no_folder_is_made_below_one_that_is_not_ours(state: Path) -> None:
    state.chmod(0o777)
    assert state_or_none(state / "a" / "b") is None
    assert list(state.iterdir()) == []


def test_folders_are_made_for_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert state_or_none(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    finally:
        os.umask(before)
    assert {each.stat().st_mode & 0o777 for each in tmp_path.rglob("*")} == {0o700}


@pytest.fixture
def ledger(state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave the ledger of an interrupted pass."""
    monkeypatch.setenv("CIPHERBUCKET_STATE", str(state))
    with Ledger.open("rotate", "memory://x") as begun:
        begun.add(cb.Entry(name="a", size=1, etag="1", modified=None), Outcome("a", "done", 1))
        return begun.path


@PLANTS
def test_a_ledger_that_is_not_ours_is_neither_followed_nor_replaced(
    plant: Plant, ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant(ledger)
    before = seen(ledger.parent)
    with Ledger.open("rotate", "memory://x") as fresh:
        assert fresh.resumed == 0
        assert fresh.path.parent != ledger.parent
    assert seen(ledger.parent) == before
    assert "the pass starts again" in caplog.text


def test_a_link_where_sqlite_keeps_its_log_is_not_followed(ledger: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    Path(f"{ledger}-wal").symlink_to(victim)
    with Ledger.open("rotate", "memory://x") as fresh:
        assert fresh.path.parent != ledger.parent
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER t AFTER DELETE ON outcomes BEGIN DELETE FROM pass; END",
        "CREATE TABLE another (a)",
        "CREATE VIEW v AS SELECT 1",
        "ALTER TABLE outcomes ADD COLUMN more TEXT",
    ],
)
def test_a_ledger_with_another_schema_starts_again(ledger: Path, sql: str) -> None:
    with sqlite3.connect(ledger) as db:
        db.execute(sql)
    db.close()
    with Ledger.open("rotate", "memory://x") as fresh:
        assert (fresh.path, fresh.resumed, list(fresh.outcomes())) == (ledger, 0, [])


def test_what_is_cleared_of_a_download_is_its_own_temporary_file(
    state: Path, tmp_path: Path
) -> None:
    own, second, linked = (f".cipherbucket-{n * 16}.part" for n in "012")
    (tmp_path / own).write_bytes(b"1")
    (tmp_path / second).write_bytes(b"2")
    (tmp_path / "kept").hardlink_to(tmp_path / second)
    (tmp_path / linked).symlink_to("kept")
    for name in (own, second, linked):
        journal_in(state, "download", "memory://x", "n", tmp_path / name, temporary=name)
    journal_in(state, "download", "memory://x", "n", Path("relative"), temporary=own)
    for each in list(abandoned(state)):
        assert each.clear(lambda _: pytest.fail("it is no upload"))
    left = {each.name for each in tmp_path.iterdir()}
    assert left == {"above", "kept", second, linked}
    assert list(state.iterdir()) == []


OF_OTHER_TYPES: list[object] = [1, None, ["a"], {}]
OTHER_TYPES = [
    (name, value)
    for name in ("kind", "store", "name", "file", "upload_id", "temporary")
    for value in OF_OTHER_TYPES
    if value is not None or name not in {"upload_id", "temporary"}  # which may be left out
]


@pytest.mark.parametrize(("name", "value"), OTHER_TYPES)
def test_a_journal_of_other_types_is_unusable(state: Path, name: str, value: object) -> None:
    first = {"kind": "upload", "store": "s", "name": "n", "file": "/f", name: value}
    with Journal.open(state, "x") as journal:
        journal.begin(first)
        journal.append({"upload_id": value if name == "upload_id" else "1"})
    assert [each.kind for each in abandoned(state)] == ["unusable"]
