"""Steps of a shared pass: an answer that is lost costs nothing, and no ledger is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.counts import count

import cipherbucket as cb
from cipherbucket import rotation
from cipherbucket.bulk import shards, steps
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.ledger_file import opened, remove_unused
from cipherbucket.bulk.outcomes import Line
from cipherbucket.bulk.steps import EntriesOfStep, NamesOfStep, Step, do_step

NAMES = [f"d/{number:03}" for number in range(60)]
_WEEK = 7 * 24 * 3600


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CIPHERBUCKET_STATE", str(tmp_path / "state"))
    for name in ("old", "new"):
        cb.create_aes_key_file(tmp_path / f"{name}.key", description={"desc": name})
    with cb.open_bucket(f"file://{tmp_path}/store", cb.load_key(tmp_path / "old.key")) as bucket:
        for name in NAMES:
            bucket.put(name, name.encode())
    monkeypatch.setattr(shards, "STEP", 7)
    return tmp_path


@pytest.fixture
def reference(folder: Path) -> cb.BucketReference:
    return cb.BucketReference(f"file://{folder}/store", folder / "old.key")


@pytest.fixture
def new_key(folder: Path) -> cb.KeyReference:
    return cb.KeyReference.of(folder / "new.key")


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each object's metadata was written, in this process."""
    written: Counter[str] = Counter()
    replace = cb.LocalStore.replace_metadata

    def counting(self: cb.LocalStore, name: str, *args: Any, **how: Any) -> Any:
        written[name] += 1
        return replace(self, name, *args, **how)

    monkeypatch.setattr(cb.LocalStore, "replace_metadata", counting)
    return written


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "state").glob("*.ledger*"))


def processes() -> Executor:
    return ProcessPoolExecutor(2, multiprocessing.get_context("fork"))


def counts(report: cb.RotationReport) -> dict[str, int]:
    return {status: tally.objects for status, tally in report.counts.items()}


@pytest.mark.parametrize("given", [False, True])
def test_a_worker_that_is_killed_before_it_answers_has_done_what_it_did(
    folder: Path,
    reference: cb.BucketReference,
    new_key: cb.KeyReference,
    monkeypatch: pytest.MonkeyPatch,
    given: bool,
) -> None:
    here, lines = os.getpid(), Ledger.lines

    def deadly(self: Ledger, status: str | None = None) -> Iterator[Line]:
        yield from lines(self, status)
        if os.getpid() != here and self.path.name.startswith("step-"):
            os.kill(os.getpid(), signal.SIGKILL)

    entries = [cb.Entry(name=name) for name in NAMES] if given else None
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "lines", deadly)
        with processes() as executor, pytest.raises(cb.WorkerLostError):
            rotation.rewrap_all(reference, "d/", new_key, entries=entries, executor=executor)
    assert [name for name in kept(folder) if name.startswith("step-")]
    with cb.open_bucket(reference.place, cb.load_key(folder / "new.key")) as bucket:
        envelopes = [bucket.head(name).envelope for name in NAMES]
    labels = [dict(each.recipients[0].description) for each in envelopes if each is not None]
    assert {"desc": "new"} in labels
    with (
        ThreadPoolExecutor(5) as executor,  # another number of workers, so other ranges
        rotation.rewrap_all(reference, "d/", new_key, entries=entries, executor=executor) as report,
    ):
        # The executor ends the other worker as well: what that had changed and not written down
        # is found to be done.
        assert sum(counts(report).values()) == 60
        assert counts(report).keys() <= {"done", "skipped"}
        assert counts(report).get("skipped", 0) <= shards.STEP
        assert [each.name for each in report.objects()] == NAMES
    assert kept(folder) == []


def test_a_pass_that_is_interrupted_goes_on_with_what_its_workers_have_done(
    folder: Path, reference: cb.BucketReference, new_key: cb.KeyReference, writes: Counter[str]
) -> None:
    def interrupt(done: int, _: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with ThreadPoolExecutor(3) as executor:
        with pytest.raises(KeyboardInterrupt):
            rotation.rewrap_all(reference, "d/", new_key, executor=executor, progress=interrupt)
        with rotation.rewrap_all(reference, "d/", new_key, executor=executor) as report:
            assert counts(report) == {"done": 60}
    assert set(writes) == set(NAMES)
    assert set(writes.values()) == {1}
    assert kept(folder) == []


def step_of(reference: cb.BucketReference, new_key: cb.KeyReference, pass_id: str = "1") -> Step:
    names = NamesOfStep(pass_id, cb.NameRange("", ""), 20)
    return Step(rotation.rewrap_all, reference, "d/", {"to": new_key}, names)


def test_a_step_that_two_workers_do_at_once_is_done_once(
    folder: Path,
    reference: cb.BucketReference,
    new_key: cb.KeyReference,
    writes: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head, begun = cb.LocalStore.head, threading.Event()

    def slow(self: cb.LocalStore, name: str, **how: Any) -> Any:
        begun.set()
        time.sleep(0.02)
        return head(self, name, **how)

    monkeypatch.setattr(cb.LocalStore, "head", slow)
    with ThreadPoolExecutor(2) as executor:
        first = executor.submit(do_step, step_of(reference, new_key))
        begun.wait(10)
        second = executor.submit(do_step, step_of(reference, new_key))
        answers = first.result(), second.result()
    for answer in answers:
        assert {line.status for line in answer.lines} == {"done"}
        assert [line.name.decode() for line in answer.lines] == NAMES[:20]
        assert answer.last == NAMES[19]
    assert set(writes.values()) == {1}
    (name,) = kept(folder)
    assert {answer.kept for answer in answers} == {name}
    do_step(
        Step(cb.verify_all, reference, "none", {}, NamesOfStep("2", cb.NameRange(), 1), (name,))
    )
    assert name not in kept(folder)


def test_another_pass_is_not_answered_from_what_is_kept(
    folder: Path, reference: cb.BucketReference, new_key: cb.KeyReference
) -> None:
    do_step(step_of(reference, new_key))
    again = do_step(step_of(reference, new_key, "2"))
    assert {line.status for line in again.lines} == {"skipped"}
    assert len(kept(folder)) == 2


def test_a_pass_that_goes_on_is_the_same_and_one_that_begins_another(
    reference: cb.BucketReference, new_key: cb.KeyReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[set[str]] = []

    def noting(step: Step) -> Any:
        passes[-1].add(step.objects.pass_id)
        return do_step(step)

    def interrupt(done: int, _: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    monkeypatch.setattr(shards, "do_step", noting)
    with ThreadPoolExecutor(2) as executor:
        share = partial(rotation.rewrap_all, reference, "d/", new_key, executor=executor)
        passes.append(set())
        with pytest.raises(KeyboardInterrupt):
            share(progress=interrupt)
        for _ in range(2):
            passes.append(set())
            share().close()
    first, resumed, another = passes
    assert first == resumed
    assert len(first) == len(another) == 1
    assert first != another


def test_what_is_left_goes_after_a_week_unless_it_is_in_use(
    folder: Path, reference: cb.BucketReference, new_key: cb.KeyReference
) -> None:
    old = [str(do_step(step_of(reference, new_key, str(number))).kept) for number in range(3)]
    for name in old[:2]:
        os.utime(folder / "state" / name, (time.time() - _WEEK - 60,) * 2)
    with closing(opened(folder / "state" / old[0])):
        os.utime(folder / "state" / old[0], (time.time() - _WEEK - 60,) * 2)
        do_step(step_of(reference, new_key, "another"))
    assert old[0] in kept(folder)
    assert old[1] not in kept(folder)
    assert old[2] in kept(folder)


def test_workers_elsewhere_remove_what_is_written_down(
    folder: Path,
    reference: cb.BucketReference,
    new_key: cb.KeyReference,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shards, "place_of_ledgers", lambda: "another machine")
    given: list[tuple[str, ...]] = []
    most: list[int] = []
    do = steps.do_step

    def noting(step: Step) -> Any:
        given.append(step.kept)
        most.append(len(kept(folder)))
        return do(step)

    monkeypatch.setattr(shards, "do_step", noting)
    with (
        ThreadPoolExecutor(2) as executor,
        rotation.rewrap_all(reference, "d/", new_key, executor=executor) as report,
    ):
        assert counts(report) == {"done": 60}
    assert any(given)
    assert max(map(len, given)) <= 12  # and not all 18
    assert max(most) <= 24
    assert kept(folder) == []


def test_no_other_file_is_removed(folder: Path) -> None:
    (folder / "state").mkdir(exist_ok=True)
    for name in ("rotate-1.ledger", "step-1.ledger"):
        (folder / "state" / name).write_bytes(b"")
    (folder / "state" / "step-4").write_bytes(b"")
    (folder / "step-2.ledger").write_bytes(b"")
    answers = ["../step-2.ledger", "step-/../../step-2.ledger", "step-4", "step-\0.ledger"]
    steps.forget(["rotate-1.ledger", *answers, "step-3.ledger"])
    assert (folder / "state" / "step-4").exists()
    assert kept(folder) == ["rotate-1.ledger", "step-1.ledger"]
    assert (folder / "step-2.ledger").exists()


def test_without_a_state_folder_nothing_is_kept(
    folder: Path,
    reference: cb.BucketReference,
    new_key: cb.KeyReference,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CIPHERBUCKET_STATE", os.devnull + "/none")
    answer = do_step(step_of(reference, new_key))
    assert answer.kept is None
    assert len(answer.lines) == 20


def test_what_one_process_began_workers_go_on_with(
    reference: cb.BucketReference, new_key: cb.KeyReference, writes: Counter[str]
) -> None:
    def interrupt(done: int, _: int | None) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotation.rewrap_all(reference.open(), "d/", new_key.load(), workers=1, progress=interrupt)
    assert writes
    time.sleep(2.1)  # what was written in the last moment is not known again
    with (
        ThreadPoolExecutor(2) as executor,
        rotation.rewrap_all(reference, "d/", new_key, executor=executor) as report,
    ):
        assert counts(report) == {"done": 60}
    assert set(writes.values()) == {1}


def entries_of(*names: str) -> list[cb.Entry]:
    return [cb.Entry(name=name, size=1, etag="of a day before") for name in names]


@pytest.mark.parametrize("shared", [False, True])
def test_objects_that_are_given_are_done_as_in_one_process(
    reference: cb.BucketReference, new_key: cb.KeyReference, writes: Counter[str], shared: bool
) -> None:
    given = entries_of(*reversed(NAMES), "d/gone", *NAMES[:30], "elsewhere")
    executor = ThreadPoolExecutor(3) if shared else None
    bucket: Any = reference if shared else reference.open()
    to: Any = new_key if shared else new_key.load()
    with rotation.rewrap_all(bucket, "d/", to, entries=iter(given), executor=executor) as report:
        assert counts(report) == {"done": 60, "skipped": 1}
        assert report.reasons == {"deleted since it was listed": 1}
    assert set(writes.values()) == {1}
    with cb.verify_all(bucket, "d/", entries=given, executor=executor) as verified:
        assert verified.counts["gone"].objects == 1
        assert verified.failed.objects == 60  # by the new key alone
    with cb.audit.run(bucket, "d/", entries=given, executor=executor) as audited:
        looked_at = {each.name: each.stored_size for each in audited.objects()}
    assert set(looked_at) == {*NAMES, "d/gone"}
    assert looked_at["d/gone"] == 1


def test_what_is_given_again_as_another_is_done_once(
    reference: cb.BucketReference, new_key: cb.KeyReference
) -> None:
    given = [*entries_of(*NAMES), *(cb.Entry(name=name, size=1, etag="newer") for name in NAMES)]
    with (
        ThreadPoolExecutor(1) as executor,
        rotation.rewrap_all(reference, "d/", new_key, entries=given, executor=executor) as report,
    ):
        assert counts(report) == {"done": 60}


def test_of_what_is_given_little_is_on_its_way(
    reference: cb.BucketReference, new_key: cb.KeyReference
) -> None:
    drawn = merged = most = 0

    def given() -> Iterator[cb.Entry]:
        nonlocal drawn, most
        for entry in entries_of(*NAMES):
            drawn += 1
            most = max(most, drawn - merged)
            yield entry

    def progress(done: int, _: int | None) -> None:
        nonlocal merged
        merged = done

    with (
        ThreadPoolExecutor(1) as executor,
        rotation.rewrap_all(
            reference, "d/", new_key, entries=given(), executor=executor, progress=progress
        ) as report,
    ):
        assert counts(report) == {"done": 60}
    assert most <= 3 * 7


def test_given_objects_that_failed_are_tried_again_and_no_others(
    reference: cb.BucketReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = reference.open().access.store
    store.put("d/0305", b"not encrypted")
    given = entries_of(*NAMES, "d/0305")
    with ThreadPoolExecutor(2) as executor:
        report = cb.verify_all(reference, entries=given, executor=executor)
        assert report.failed.objects == 1
        report.ledger.close()  # as if the process died
        sent: list[EntriesOfStep] = []
        do = do_step

        def noting(step: Step) -> Any:
            assert isinstance(step.objects, EntriesOfStep)
            sent.append(step.objects)
            return do(step)

        monkeypatch.setattr(shards, "do_step", noting)
        with cb.verify_all(reference, entries=given, executor=executor) as report:
            assert report.counts["verified"].objects == 60
            assert report.resumed == 60
    assert [each.name for step in sent for each in step.entries] == ["d/0305"]


def test_recipients(folder: Path, reference: cb.BucketReference, new_key: cb.KeyReference) -> None:
    with ThreadPoolExecutor(2) as executor:
        with cb.recipients.add_all(reference, "d/", new_key, executor=executor) as report:
            assert counts(report) == {"done": 60}
        old = cb.KeyReference.of(folder / "old.key")
        both = cb.BucketReference(reference.place, folder / "old.key", folder / "new.key")
        with cb.recipients.remove_all(both, "d/", old, executor=executor) as report:
            assert counts(report) == {"done": 60}
        new = cb.BucketReference(reference.place, folder / "new.key")
        given = entries_of(*NAMES[:9])
        with cb.recipients.repair_all(both, entries=given, executor=executor) as report:
            assert counts(report) == {"skipped": 9}
        with pytest.raises(cb.UsageError, match="given by reference"):
            cb.recipients.add_all(new, "", new_key.load(), executor=executor)


def test_a_worker_that_lacks_the_folder_of_a_store_makes_none(
    folder: Path,
) -> None:
    reference = cb.BucketReference(f"file://{folder}/elsewhere", folder / "old.key")
    for arguments in ({}, {"to": reference}):
        place = reference if not arguments else cb.BucketReference(f"file://{folder}/store")
        names = NamesOfStep("1", cb.NameRange(), 7)
        with pytest.raises(cb.UsageError, match="no directory store at") as caught:
            do_step(Step(cb.verify_all, place, "", arguments, names))
        assert caught.value.hint is not None
        assert "is it mounted" in caught.value.hint
    assert not (folder / "elsewhere").exists()
    reference.open().close()
    assert (folder / "elsewhere").exists()


def test_two_that_remove_one_ledger_do_not_hold_each_other_up(tmp_path: Path) -> None:
    for number in range(count(200, 30)):
        path = tmp_path / f"step-{number}.ledger"
        opened(path).close()
        ready = threading.Barrier(4)

        def remove(path: Path = path, ready: threading.Barrier = ready) -> None:
            ready.wait()
            remove_unused(path)

        removing = [threading.Thread(target=remove) for _ in range(4)]
        for each in removing:
            each.start()
        for each in removing:
            each.join()
        assert not path.exists()
