"""Passes over many objects: what is done is done once, what failed is tried again."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cipherbucket.bulk.ledger import Ledger, Outcome, mark_of
from cipherbucket.bulk.walk import AHEAD, walk
from cipherbucket.errors import ObjectNotFoundError, StoreError, UsageError
from cipherbucket.stores.records import Entry
from cipherbucket.workers.threads import Halt

TIME = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def entries(count: int) -> Iterator[Entry]:
    for number in range(count):
        yield Entry(name=f"object-{number:07}", size=number, etag=f"e{number}", modified=TIME)


def done(entry: Entry) -> Outcome:
    return Outcome(entry.name, "done", entry.size)


def names(ledger: Ledger, status: str | None = None) -> list[str]:
    return [outcome.name for outcome in ledger.outcomes(status)]


@pytest.mark.parametrize("workers", [1, 4])
def test_every_entry_is_worked_on_once_and_told_in_order(workers: int) -> None:
    seen: list[str] = []

    def work(entry: Entry) -> Outcome:
        seen.append(entry.name)
        return done(entry)

    with Ledger.open("test", "all") as ledger:
        walk(entries(2500), work, ledger, workers=workers, halt=Halt())
        assert sorted(seen) == names(ledger) == [entry.name for entry in entries(2500)]
        assert ledger.counts() == {"done": (2500, sum(range(2500)))}


def test_common_prefixes_are_passed_over() -> None:
    listing = [Entry(name="folder/", is_prefix=True), *entries(2)]
    with Ledger.open("test", "prefixes") as ledger:
        walk(listing, done, ledger, workers=2, halt=Halt())
        assert names(ledger) == ["object-0000000", "object-0000001"]


def test_a_failure_is_written_down_with_its_reason_and_stops_nothing() -> None:
    def work(entry: Entry) -> Outcome:
        if entry.name.endswith("3"):
            raise ObjectNotFoundError("it went away", name=entry.name, hint="look again")
        return done(entry)

    with Ledger.open("test", "failures") as ledger:
        walk(entries(10), work, ledger, workers=2, halt=Halt())
        (failed,) = ledger.outcomes("failed")
        assert failed.name == "object-0000003"
        assert failed.detail == {
            "reason": "it went away (look again)",
            "error": "ObjectNotFoundError",
        }
        assert len(names(ledger, "done")) == 9


def test_the_next_run_does_what_failed_or_changed_and_nothing_else() -> None:
    with Ledger.open("test", "again") as ledger:
        walk(entries(5), done, ledger, workers=1, halt=Halt())
        assert ledger.resumed == 0
    with Ledger.open("test", "again") as ledger:
        assert ledger.resumed == 5
        ledger.add(Entry(name="object-0000004"), Outcome("object-0000004", "failed", 4))
        again: list[str] = []

        def work(entry: Entry) -> Outcome:
            again.append(entry.name)
            return done(entry)

        later = [
            *entries(2),
            Entry(name="object-0000002", size=2, etag="other", modified=TIME),
            Entry(name="object-0000003", etag="e3", modified=TIME + timedelta(seconds=1)),
            Entry(name="object-0000004", size=4, etag="e4", modified=TIME),
        ]
        walk(later, work, ledger, workers=1, halt=Halt())
        assert again == ["object-0000002", "object-0000003", "object-0000004"]


def test_an_object_that_the_work_changed_is_known_by_what_it_is_now() -> None:
    now = TIME + timedelta(hours=1)
    with Ledger.open("test", "changed") as ledger:
        (entry,) = entries(1)
        ledger.add(entry, Outcome(entry.name, "done", 1, mark=mark_of("new", now)))
        assert not ledger.has(entry)
        coarse = now.replace(microsecond=0)  # as a HEAD tells it
        assert ledger.has(Entry(name=entry.name, etag="new", modified=coarse))


def test_sizes_that_no_object_has_stop_nothing() -> None:
    def work(entry: Entry) -> Outcome:
        return Outcome(entry.name, "done", 2**70)

    with Ledger.open("test", "sizes") as ledger:
        walk(entries(3), work, ledger, workers=1, halt=Halt())
        assert ledger.counts()["done"][0] == 3


def test_a_complete_pass_leaves_no_file_and_an_incomplete_one_is_its_owners_alone() -> None:
    with Ledger.open("test", "kept") as ledger:
        path = ledger.path
    assert path.stat().st_mode & 0o777 == 0o600
    with Ledger.open("test", "kept") as ledger:
        ledger.finish()
    assert not list(path.parent.glob(f"{path.name}*"))


def test_a_second_process_is_kept_out() -> None:
    with Ledger.open("test", "twice") as ledger:
        ledger.add(Entry(name="a"), Outcome("a", "done", 1))
        with pytest.raises(UsageError, match="another process"):
            Ledger.open("test", "twice")
        assert names(ledger) == ["a"]


@pytest.mark.parametrize("content", [b"no database at all, but long enough" * 300, b"\0" * 5000])
def test_a_damaged_ledger_is_begun_anew(content: bytes) -> None:
    with Ledger.open("test", "damaged") as ledger:
        ledger.add(Entry(name="a"), Outcome("a", "done", 1))
        path = ledger.path
    path.write_bytes(content)
    with Ledger.open("test", "damaged") as ledger:
        assert (ledger.resumed, names(ledger)) == (0, [])


def test_a_full_disk_stops_the_pass_with_an_error_of_ours() -> None:
    with Ledger.open("test", "full") as ledger:
        ledger._connection.execute("PRAGMA max_page_count = 10")
        with pytest.raises(UsageError, match=r"no ledger can be kept at .* full"):
            walk(entries(10_000), done, ledger, workers=4, halt=Halt())
    with Ledger.open("test", "full") as ledger:
        assert 0 < ledger.resumed < 10_000


def test_what_was_seen_at_the_moment_it_was_written_is_looked_at_again() -> None:
    """New metadata in the same second leave ETag and time as they were."""
    now = Entry(name="a", etag="e", modified=datetime.now(UTC))
    old = Entry(name="b", etag="e", modified=TIME)
    with Ledger.open("test", "moment") as ledger:
        ledger.add(now, Outcome("a", "skipped", 1))
        ledger.add(old, Outcome("b", "skipped", 1))
        assert not ledger.has(now)
        assert ledger.has(old)
        ledger.add(now, Outcome("a", "done", 1, mark=mark_of("f", now.modified)))
        assert ledger.has(Entry(name="a", etag="f", modified=now.modified))


@pytest.mark.parametrize("back", [0, 1, 3])
def test_a_listing_that_goes_round_in_circles_is_stopped(back: int) -> None:
    def circling() -> Iterator[Entry]:
        yield from entries(4)
        while True:
            yield from list(entries(4))[3 - back :]

    with Ledger.open("test", "circles") as ledger:
        with pytest.raises(StoreError, match="does not advance"):
            walk(circling(), done, ledger, workers=2, halt=Halt())
        assert len(names(ledger)) <= 4


def test_without_a_folder_of_state_a_pass_still_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    monkeypatch.setenv("CIPHERBUCKET_STATE", str(blocked / "below"))
    with Ledger.open("test", "nowhere") as ledger:
        walk(entries(3), done, ledger, workers=1, halt=Halt())
        assert len(names(ledger)) == 3
    assert not ledger.path.parent.exists()


def test_a_store_that_fails_for_a_hundred_objects_in_a_row_stops_the_pass() -> None:
    def work(entry: Entry) -> Outcome:
        raise StoreError("down", name=entry.name)

    with Ledger.open("test", "down") as ledger:
        with pytest.raises(StoreError, match="down"):
            walk(entries(1000), work, ledger, workers=1, halt=Halt())
        assert ledger.counts()["failed"][0] == 100


def test_objects_of_which_none_opens_do_not_stop_the_pass() -> None:
    def work(entry: Entry) -> Outcome:
        raise UsageError("not this one", name=entry.name)

    with Ledger.open("test", "closed") as ledger:
        walk(entries(300), work, ledger, workers=2, halt=Halt())
        assert ledger.counts()["failed"][0] == 300


def test_a_listing_that_fails_stops_the_pass_and_keeps_what_was_done() -> None:
    def broken() -> Iterator[Entry]:
        yield from entries(5)
        raise StoreError("no more pages")

    with Ledger.open("test", "listing") as ledger:
        with pytest.raises(StoreError, match="no more pages"):
            walk(broken(), done, ledger, workers=2, halt=Halt())
        assert len(names(ledger)) >= 3  # those that had been drawn when it broke
        assert len(names(ledger)) <= 5


def test_the_listing_runs_ahead_by_a_bounded_number() -> None:
    listed = 0
    release = threading.Event()

    def counted() -> Iterator[Entry]:
        nonlocal listed
        for entry in entries(AHEAD * 3):
            listed += 1
            yield entry

    ahead: list[int] = []

    def work(entry: Entry) -> Outcome:
        if not release.is_set():
            release.wait(0.5)
            ahead.append(listed)
            release.set()
        return done(entry)

    with Ledger.open("test", "ahead") as ledger:
        walk(counted(), work, ledger, workers=1, halt=Halt())
    assert AHEAD < ahead[0] <= AHEAD + 2
    assert listed == AHEAD * 3


CHILD = """
import sys, time
sys.path.insert(0, {tests!r})
from test_walk import done, entries
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.workers.threads import Halt
from cipherbucket.bulk.walk import walk

def slow(entry):
    if entry.name.endswith("0500"):
        print("half", flush=True)
        time.sleep(60)
    return done(entry)

with Ledger.open("test", "killed") as ledger:
    walk(entries(1000), slow, ledger, workers=1, halt=Halt())
"""


def test_a_pass_that_was_killed_goes_on_where_it_was() -> None:
    tests = str(Path(__file__).parent)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(tests=tests)], stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "half\n"
        os.kill(child.pid, signal.SIGKILL)
    worked: list[str] = []

    def work(entry: Entry) -> Outcome:
        worked.append(entry.name)
        return done(entry)

    with Ledger.open("test", "killed") as ledger:
        assert ledger.resumed == 500
        walk(entries(1000), work, ledger, workers=1, halt=Halt())
        assert len(worked) == 500
        assert ledger.counts()["done"][0] == 1000
