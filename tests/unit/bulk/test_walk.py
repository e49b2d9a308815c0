"""Passes over many objects: each is worked on once, a failure stops nothing, an end stops all."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.listed_entries import done, entries, names

from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import Outcome
from cipherbucket.bulk.walk import AHEAD, walk
from cipherbucket.errors import ObjectNotFoundError, StoreError, UsageError
from cipherbucket.stores.records import Entry
from cipherbucket.workers.threads import Halt


@pytest.mark.parametrize("workers", [1, 4])
def test_every_entry_is_worked_on_once_and_listed_in_order(workers: int) -> None:
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
import time
from tests.support.listed_entries import done, entries
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.walk import walk
from cipherbucket.workers.threads import Halt

def slow(entry):
    if entry.name.endswith("0500"):
        print("half", flush=True)
        time.sleep(60)
    return done(entry)

with Ledger.open("test", "killed") as ledger:
    walk(entries(1000), slow, ledger, workers=1, halt=Halt())
"""


def test_a_pass_that_was_killed_goes_on_where_it_was() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        text=True,
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
