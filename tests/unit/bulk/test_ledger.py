"""What a ledger keeps of a pass: what is done is not done again, and nobody else gets at it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.listed_entries import TIME, done, entries, names

from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import Line, Outcome, validator_of
from cipherbucket.bulk.walk import walk
from cipherbucket.errors import UsageError
from cipherbucket.stores.records import Entry
from cipherbucket.workers.threads import Halt


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
        ledger.add(entry, Outcome(entry.name, "done", 1, validator=validator_of("new", now)))
        assert not ledger.has(entry)
        coarse = now.replace(microsecond=0)  # as a HEAD has it
        assert ledger.has(Entry(name=entry.name, etag="new", modified=coarse))


def test_sizes_that_no_object_has_stop_nothing() -> None:
    def work(entry: Entry) -> Outcome:
        return Outcome(entry.name, "done", 2**70)

    with Ledger.open("test", "sizes") as ledger:
        walk(entries(3), work, ledger, workers=1, halt=Halt())
        assert ledger.counts()["done"][0] == 3


def test_a_ledger_is_removed_while_it_is_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that opened it in between would write to a file without a name."""
    first = Ledger.open("test", "removed")
    first.add(Entry(name="a", etag="e", modified=TIME), Outcome("a", "done", 1))
    first.finish()
    unlink, begun = Path.unlink, list[Ledger]()

    def unlink_and_begin(path: Path, missing_ok: bool = False) -> None:
        if path == first.path:
            with pytest.raises(UsageError, match="another process"):
                Ledger.open("test", "removed")
        unlink(path, missing_ok=missing_ok)
        if path == first.path:
            begun.append(Ledger.open("test", "removed"))

    monkeypatch.setattr(Path, "unlink", unlink_and_begin)
    first.close()
    assert Path(f"{first.path}-wal").exists()  # of the next run, which has begun
    begun[0].close()


def test_a_dry_run_has_a_copy_of_what_earlier_runs_did() -> None:
    assert Ledger.earlier("test", "copied") is None
    (entry,) = entries(1)
    with Ledger.open("test", "copied") as ledger:
        ledger.add(entry, Outcome(entry.name, "done", 1))
        assert Ledger.earlier("test", "copied") is None  # a run is at work
    copy = Ledger.earlier("test", "copied")
    assert copy is not None
    with copy, Ledger.open("test", "copied"):
        assert copy.status(entry) == "done"
        copy.clear()
    assert not copy.path.parent.exists()
    with Ledger.open("test", "copied") as ledger:
        assert ledger.status(entry) == "done"


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
def test_a_damaged_ledger_is_replaced(content: bytes) -> None:
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
        ledger.add(now, Outcome("a", "done", 1, validator=validator_of("f", now.modified)))
        assert ledger.has(Entry(name="a", etag="f", modified=now.modified))


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


def test_a_full_disk_leaves_nothing_of_what_a_worker_did_and_is_named() -> None:
    lines = (Line(b"%06d" % number, "", "v", "done", 1, "{}" * 50) for number in range(5000))
    with Ledger.open("test", "full shared") as ledger:
        (pages,) = ledger._connection.execute("PRAGMA page_count").fetchone()
        ledger._connection.execute(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(UsageError, match="disk is full"):
            ledger.merge(lines, ("", "000999"))
        assert (ledger.counts(), ledger.done_ranges()) == ({}, [])
