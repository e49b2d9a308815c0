"""The journal of a transfer: what is on the disk, what is believed of it, and who may have it."""

import errno
import fcntl
import json
import multiprocessing
import os
import shutil
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from cipherbucket.errors import UsageError
from cipherbucket.format.crc64 import crc64
from cipherbucket.transfers.abandoned import abandoned
from cipherbucket.transfers.journal import Journal
from cipherbucket.transfers.state import state_folder, state_or_none

FIRST = {"kind": "upload", "store": "memory:", "name": "a", "file": "/f", "envelope": {}}


def opened(folder: Path) -> Journal:
    return Journal.open(folder, "upload", "memory:", "a", "/f")


def written(folder: Path, *lines: dict[str, object]) -> Path:
    with opened(folder) as journal:
        journal.begin(FIRST)
        for line in lines:
            journal.append(line)
        return journal.path


def test_lines_come_back_as_they_were_written(tmp_path: Path) -> None:
    written(tmp_path, {"upload_id": "u"}, {"part": 1, "tag": "ab"})
    with opened(tmp_path) as journal:
        assert journal.fault is None
        place = journal.lines[0]["place"]
        assert place[0] == journal.path.stat().st_ino
        assert journal.lines[0] == {"version": 1, "place": place, **FIRST}
        assert journal.lines[1:] == [{"upload_id": "u"}, {"part": 1, "tag": "ab"}]
        assert journal.header == {"version": 1, "place": place, **FIRST, "upload_id": "u"}


def test_a_copy_of_a_journal_does_not_go_on(tmp_path: Path) -> None:
    path = written(tmp_path, {"upload_id": "u"})
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    shutil.copy2(path, other / path.name)

    with opened(other) as journal:
        assert "copied" in (journal.fault or "")
        assert journal.header["upload_id"] == "u"  # so that it can be aborted


def test_what_others_could_have_put_there_is_no_journal(tmp_path: Path) -> None:
    path = written(tmp_path, {"upload_id": "u"})
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    path.unlink()
    path.symlink_to(victim)
    with pytest.raises(UsageError):
        opened(tmp_path)
    path.unlink()
    path.hardlink_to(victim)
    with pytest.raises(UsageError, match="has a second name"):
        opened(tmp_path)
    assert victim.read_bytes() == b"precious"


def test_a_folder_that_others_can_write_keeps_no_journals(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)

    assert state_or_none(folder) is None
    assert "can be written by others" in caplog.text


def test_a_user_without_a_home_keeps_no_journals(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CIPHERBUCKET_STATE", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987_654)

    assert state_or_none(state_folder()) is None
    assert Journal.existing(state_folder(), "upload", "x") is None
    assert list(abandoned()) == []


def test_looking_at_transfers_keeps_none_from_going_on(tmp_path: Path) -> None:
    written(tmp_path, {"upload_id": "u"})
    for each in abandoned(tmp_path):
        with opened(tmp_path) as journal:
            assert journal.path == each.path


def test_a_line_is_json_and_its_checksum(tmp_path: Path) -> None:
    first, second, end = written(tmp_path, {"part": 1}).read_bytes().split(b"\n")
    assert end == b""
    for line in (first, second):
        text, _, told = line.rpartition(b" ")
        assert int(told, 16) == crc64(text)
        json.loads(text)


def test_only_the_owner_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = written(tmp_path / "new" / "folder")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_its_name_tells_nothing_and_differs_for_each_transfer(tmp_path: Path) -> None:
    names = set()
    for identity in (("a", "b"), ("a", "c"), ("ab", ""), ("a\0b",), ("ü\udcff",)):
        with Journal.open(tmp_path, *identity) as journal:
            names.add(journal.path.name)
    assert len(names) == 4  # two parts are told apart by what no name holds
    assert all(len(name) == 48 and name.endswith(".journal") for name in names)


@pytest.mark.parametrize("cut", [1, 5, 17, 18, 30])
def test_a_last_line_without_its_end_counts_as_not_written(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path, {"upload_id": "u"}, {"part": 1, "tag": "ab" * 16})
    os.truncate(path, path.stat().st_size - cut)
    with opened(tmp_path) as journal:
        assert journal.fault is None
        assert [line.get("part") for line in journal.lines] == [None, None]
        journal.append({"part": 2})
    with opened(tmp_path) as journal:
        assert journal.lines[2:] == [{"part": 2}]


def test_a_torn_first_line_is_an_empty_journal(tmp_path: Path) -> None:
    path = written(tmp_path)
    os.truncate(path, 40)
    with opened(tmp_path) as journal:
        assert (journal.lines, journal.fault, journal.header) == ([], None, {})
    assert not path.exists()


def test_any_flipped_bit_of_a_whole_line_is_found(tmp_path: Path) -> None:
    path = written(tmp_path, {"upload_id": "u"}, {"part": 1, "tag": "ab" * 16})
    good = path.read_bytes()
    for at in range(len(good) - 1):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with opened(tmp_path) as journal:
            assert journal.lines == []
            assert "cannot be used" in str(journal.fault)
            if at > good.index(b"\n", good.index(b"\n") + 1):
                assert journal.header["upload_id"] == "u"


@pytest.mark.parametrize(
    "text", [b"[1]", b"1", b"null", b"\xff", b'{"version":2}', b'{"version":null}', b"{}", b""]
)
def test_what_is_no_record_of_this_version_is_unusable(tmp_path: Path, text: bytes) -> None:
    path = written(tmp_path)
    path.write_bytes(text + f" {crc64(text):016x}\n".encode())
    with opened(tmp_path) as journal:
        assert journal.lines == []
        assert journal.fault is not None
        journal.begin(FIRST)
    with opened(tmp_path) as journal:
        assert journal.fault is None
        assert len(journal.lines) == 1


def test_two_cannot_have_it_and_the_next_gets_it_when_it_is_closed(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.begin(FIRST)
        with pytest.raises(UsageError, match="another process is at this transfer"):
            opened(tmp_path)
        with Journal.open(tmp_path, "another"):
            pass
        journal.close()
        opened(tmp_path).close()


def _hold(folder: Path, ready: Connection) -> None:
    with opened(folder) as journal:
        journal.begin(FIRST)
        ready.send_bytes(b"")
        ready.recv_bytes()


def test_another_process_holds_it_until_it_dies(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_hold, args=(tmp_path, theirs))
    child.start()
    try:
        ours.recv_bytes()
        with pytest.raises(UsageError, match="another process"):
            opened(tmp_path)
        assert list(abandoned(tmp_path)) == []
    finally:
        child.kill()
        child.join()
    with opened(tmp_path) as journal:
        assert len(journal.lines) == 1


def test_one_that_its_owner_removes_meanwhile_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path)
    lock = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        monkeypatch.undo()
        path.unlink()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with opened(tmp_path) as journal:
        assert journal.lines == []
        journal.begin(FIRST)
        assert journal.path.exists()


def test_one_that_tells_nothing_is_not_left_behind(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        assert journal.path.exists()
    assert list(tmp_path.iterdir()) == []
    assert Journal.existing(tmp_path, "upload", "memory:", "a", "/f") is None
    written(tmp_path)
    found = Journal.existing(tmp_path, "upload", "memory:", "a", "/f")
    assert found is not None
    found.remove()
    found.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_could_not_be_written_is_not_there_and_none_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite

    def filling(descriptor: int, data: bytes, offset: int) -> int:
        return write(descriptor, data[:9], offset)

    with opened(tmp_path) as journal:
        journal.begin(FIRST)
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", filling)
            with pytest.raises(UsageError, match=r"cannot be written: No space left") as caught:
                journal.append({"part": 1})
        assert isinstance(caught.value.__cause__, OSError)
        with pytest.raises(UsageError):  # by another thread, which has not heard of it yet
            journal.append({"part": 2})
    with opened(tmp_path) as journal:
        assert (journal.fault, len(journal.lines)) == (None, 1)


def test_a_line_that_did_not_reach_the_disk_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with opened(tmp_path) as journal:
        monkeypatch.setattr(os, "fdatasync", broken)
        with pytest.raises(UsageError, match="Input/output error"):
            journal.begin(FIRST)


def test_a_closed_one_takes_no_line(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.begin(FIRST)
    journal.close()
    journal.close()
    with pytest.raises(UsageError, match="was closed"):
        journal.append({"part": 1})


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="no journal can be kept"):
        opened(tmp_path / "file" / "folder")
    assert state_or_none(tmp_path / "file" / "folder") is None
    assert state_or_none(tmp_path / "folder") == tmp_path / "folder"
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700


def test_where_journals_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIPHERBUCKET_STATE", str(tmp_path / "told"))
    assert state_folder() == tmp_path / "told"
    monkeypatch.setenv("CIPHERBUCKET_STATE", "")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state_folder() == tmp_path / "xdg" / "cipherbucket" / "transfers"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder() == tmp_path / ".local" / "state" / "cipherbucket" / "transfers"


def test_abandoned_transfers_are_found(tmp_path: Path) -> None:
    assert list(abandoned(tmp_path / "nowhere")) == []
    path = written(tmp_path, {"upload_id": "u"})
    (tmp_path / ("0" * 40 + ".journal")).write_bytes(b"nothing\n")
    (tmp_path / "other").write_bytes(b"")
    unusable, found = abandoned(tmp_path)
    assert unusable.kind == "unusable"
    assert (found.path, found.kind, found.upload_id) == (path, "upload", "u")
    assert (found.store, found.name, found.file) == ("memory:", "a", "/f")
    assert found.temporary is None
    with opened(tmp_path):
        assert [each.kind for each in abandoned(tmp_path)] == ["unusable"]
