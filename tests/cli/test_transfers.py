"""``transfers``: what was interrupted, listed and cleared."""

import fcntl
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.cli.runs import PROGRAM, base, error_of, invoke, on_terminal, read, succeed

import cipherbucket as cb
from cipherbucket.cli.commands import transfers
from cipherbucket.transfers.journal import Journal

BIG = os.urandom(1 << 20) * 20


def interrupted(*args: object, parts: int) -> None:
    """Run a copy at a slow rate, and kill it when so many lines are in its journal."""
    state = Path(os.environ["CIPHERBUCKET_STATE"])
    before = set(state.glob("*"))
    command = [*PROGRAM, "cp", *map(str, args), "--part-size", "1M", "--limit-rate", "8M"]
    with subprocess.Popen(command, env=base(), stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while _lines(set(state.glob("*")) - before) < parts:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)


def _lines(journals: set[Path]) -> int:
    return sum(path.read_bytes().count(b"\n") for path in journals)


@pytest.fixture
def left(url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path) -> Path:
    """Leave an upload, a download, and an upload that somebody else began; return the folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "file").write_bytes(BIG)
    bucket.put("stored", BIG)
    interrupted("-k", key_file, folder / "file", f"{url}/up", parts=4)
    interrupted("-k", key_file, f"{url}/stored", folder / "down", parts=2)
    with cb.open_store(url) as store:
        store.begin_upload("theirs")
    return folder


def test_there_is_nothing_to_list(url: str) -> None:
    for args in ((), (url,), ("--clear",), ("--clear", url)):
        result = succeed("transfers", *args)
        assert (result.stdout, error_of(result)) == ("", "cipherbucket: no interrupted transfers\n")


def test_they_are_listed(url: str, left: Path) -> None:
    lines = sorted(succeed("transfers").stdout.splitlines())
    assert len(lines) == 2
    assert re.fullmatch(rf"download +\d+ s  {url}/stored  ->  {left}/down", lines[0])
    assert re.fullmatch(rf"upload +\d+ s  {left}/file  ->  {url}/up", lines[1])
    lines = sorted(succeed("transfers", url).stdout.splitlines())
    assert len(lines) == 3
    assert re.fullmatch(rf"in store +\d+ s  {url}/theirs", lines[1])
    assert len(succeed("transfers", f"{url}/other").stdout.splitlines()) == 2


@pytest.mark.parametrize(("target", "is_said"), [("", True), ("other/", False)])
def test_a_command_goes_on_with_what_it_could_have_left_itself(
    url: str,
    left: Path,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    is_said: bool,
) -> None:
    def broken(*_: object) -> None:
        raise cb.StoreError("the listing broke off")

    monkeypatch.setattr("cipherbucket.cli.copying.directions.objects_of", broken)
    result = invoke("cp", "-r", "--skip-existing", "-k", key_file, left, f"{url}/{target}")
    assert "the listing broke off" in result.stderr
    assert ("run the same command again" in result.stderr) is is_said


def test_clearing_asks_first(url: str, bucket: cb.Bucket, left: Path) -> None:
    refused = invoke("transfers", "--clear", url)
    assert refused.exit_code == 2
    assert "not clearing 2 interrupted transfers and 1 unfinished upload" in refused.stderr
    session = on_terminal("transfers", "--clear", answers=[("Clear 2 interrupted", "n\n")])
    assert session.code == 1
    assert "nothing was cleared" in session.screen
    assert len(list(cb.abandoned())) == 2
    session = on_terminal("transfers", "--clear", answers=[("Clear 2 interrupted", "y\n")])
    assert session.code == 0
    assert list(cb.abandoned()) == []


def test_clearing_leaves_nothing(url: str, bucket: cb.Bucket, left: Path) -> None:
    assert len(list(left.glob(".cipherbucket-*"))) == 1
    assert len(bucket.uploads()) == 2
    result = succeed("transfers", "--clear", "-f")
    assert result.stderr == "cipherbucket: cleared 2 transfers\n"
    assert [path.name for path in left.iterdir()] == ["file"]
    assert [each.name for each in bucket.uploads()] == ["theirs"]
    result = succeed("transfers", "--clear", "-f", f"{url}/th")
    assert result.stderr == "cipherbucket: cleared 1 transfer\n"
    assert list(bucket.uploads()) == []
    assert read(bucket, "stored") == BIG
    assert list(cb.abandoned()) == []


def test_what_somebody_is_at_is_neither_listed_nor_cleared(
    url: str, key_file: Path, left: Path
) -> None:
    command = [*PROGRAM, "cp", "-k", str(key_file), str(left / "file"), f"{url}/up"]
    with subprocess.Popen([*command, "--limit-rate", "2M"], env=base()) as process:
        deadline = time.monotonic() + 30
        while len(list(cb.abandoned())) != 1:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        result = succeed("transfers", "--clear", "-f")
        assert result.stderr == "cipherbucket: cleared 1 transfer\n"
        process.terminate()
    assert [each.kind for each in cb.abandoned()] == ["upload"]


def test_an_upload_to_a_store_that_is_gone_is_forgotten(url: str, left: Path) -> None:
    folder = Path(url.removeprefix("file://"))
    folder.rename(left.parent / "elsewhere")
    succeed("transfers", "--clear", "-f")
    assert list(cb.abandoned()) == []
    assert not folder.exists(), "no store is made in place of the one that is gone"


def test_an_upload_that_cannot_be_aborted_stays(
    url: str, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: cb.Bucket, name: str, upload_id: str) -> None:
        raise cb.StoreError("the store is down", name=name)

    monkeypatch.setattr(cb.Bucket, "abort_upload", failing)
    result = invoke("transfers", "--clear", "-f")
    assert result.exit_code == 1
    assert "'up': the store is down" in result.stderr
    assert [each.kind for each in cb.abandoned()] == ["upload"]


def test_a_journal_that_cannot_be_read_is_shown_and_cleared(tmp_path: Path) -> None:
    journal = Path(os.environ["CIPHERBUCKET_STATE"]) / "0123.journal"
    journal.write_bytes(b"nothing of ours\n")
    assert succeed("transfers").stdout.startswith("unusable ")
    succeed("transfers", "--clear", "-f")
    assert not journal.exists()


def test_a_journal_names_no_other_file_to_be_removed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"1")
    state = Path(os.environ["CIPHERBUCKET_STATE"])
    for number, name in enumerate(("precious", "../precious", "sub/.cipherbucket-" + "0" * 16)):
        with Journal.open(state, "download", str(number)) as journal:
            ends = {"store": "memory://x", "name": "n", "file": str(tmp_path / "file")}
            journal.begin({"kind": "download", **ends, "temporary": name})
    succeed("transfers", "--clear", "-f")
    assert precious.exists()
    assert list(cb.abandoned()) == []


def noted(url: str, number: int, upload_id: str | None) -> Path:
    """Write the journal of an upload, or begin it anew; return it."""
    ends = {"store": url, "name": f"n{number}", "file": "/f"}
    with Journal.open(Path(os.environ["CIPHERBUCKET_STATE"]), "upload", str(number)) as journal:
        journal.begin({"kind": "upload", **ends})
        if upload_id is not None:
            journal.append({"upload_id": upload_id})
        return journal.path


@pytest.fixture
def aborted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the ids of uploads that are aborted, instead."""
    ids: list[str] = []

    def collected(self: cb.Bucket, name: str, upload_id: str) -> None:
        ids.append(upload_id)

    monkeypatch.setattr(cb.Bucket, "abort_upload", collected)
    return ids


def test_what_has_gone_on_while_the_question_stood_is_not_cleared(
    url: str, aborted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone_on, same = noted(url, 1, "old"), noted(url, 2, "same")

    def agreed(*_: object) -> bool:
        noted(url, 1, "new")
        return True

    monkeypatch.setattr(transfers, "_agreed", agreed)
    result = succeed("transfers", "--clear")
    assert aborted == ["same"]
    assert (gone_on.exists(), same.exists()) == (True, False)
    assert result.stderr == (
        "cipherbucket: not cleared, it is not what was listed any more: n1\n"
        "cipherbucket: cleared 1 transfer\n"
    )


def test_a_journal_that_took_the_place_of_one_that_is_cleared_stays(
    url: str, aborted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = noted(url, 1, "old")
    lock = fcntl.flock
    others: list[Journal] = []

    def late(descriptor: int, how: int) -> None:
        if how & fcntl.LOCK_EX and not others:
            monkeypatch.setattr(fcntl, "flock", lock)
            path.unlink()
            others.append(Journal.open(path.parent, "upload", "1"))
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    result = succeed("transfers", "--clear", "-f")
    assert "not cleared" in result.stderr
    assert aborted == []
    assert path.exists()
    others[0].close()


def test_no_link_in_the_place_of_a_journal_is_followed(
    url: str, aborted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = noted(url, 1, "old")

    def agreed(*_: object) -> bool:
        path.symlink_to(path.rename(tmp_path / "elsewhere"))
        return True

    monkeypatch.setattr(transfers, "_agreed", agreed)
    result = invoke("transfers", "--clear")
    assert result.exit_code == 1
    assert aborted == []
    assert path.is_symlink()


def test_a_transfer_that_ends_while_it_is_listed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ended, there = noted(url, 1, "one"), noted(url, 2, "two")
    left = list(cb.abandoned())
    ended.unlink()
    monkeypatch.setattr(cb, "abandoned", lambda *_: iter(left))
    lines = succeed("transfers").stdout.splitlines()
    assert [line.split()[-1] for line in lines] == [f"{url}/n2"]
    there.unlink()
    assert error_of(succeed("transfers")) == "cipherbucket: no interrupted transfers\n"


def test_an_upload_without_an_id_is_told_to_be_perhaps_in_the_store(
    url: str, aborted: list[str]
) -> None:
    path = noted(url, 1, None)
    line = succeed("transfers").stdout
    assert line.endswith(
        f"  ->  {url}/n1  (no upload id: what the store may have of it is listed by URL)\n"
    )
    succeed("transfers", "--clear", "-f")
    assert aborted == []
    assert not path.exists()


def test_what_others_could_have_put_there_is_neither_listed_nor_cleared(
    url: str, aborted: list[str]
) -> None:
    path = noted(url, 1, "one")
    path.parent.chmod(0o777)
    for args in ((), ("--clear", "-f")):
        result = succeed("transfers", *args)
        assert result.stdout == ""
        assert f"{path.parent} can be written by others (mode 0777)" in result.stderr
        assert "neither listed nor cleared" in result.stderr
    assert path.exists()
    assert aborted == []


def test_transfers_as_json(url: str, bucket: cb.Bucket) -> None:
    store = bucket.access.store
    upload_id = store.begin_upload("a/b")
    facts = json.loads(succeed("transfers", "--json", url).stdout)
    assert (facts["kind"], facts["url"], facts["upload_id"]) == (
        "in store",
        f"{url}/a/b",
        upload_id,
    )
    assert facts["age_seconds"] < 3600
