"""Passes that workers share: every object once in the report, whatever becomes of a worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cipherbucket as cb
from cipherbucket import rotation
from cipherbucket.bulk import ledger, shards
from cipherbucket.bulk.outcomes import Line
from cipherbucket.bulk.ranges import done_by, joined, not_done
from cipherbucket.bulk.steps import StepDone
from cipherbucket.bulk.verification import VERIFIED

NAMES = [f"d/{number:03}" for number in range(120)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("old", "new"):
        cb.create_rsa_key_file(tmp_path / f"{name}.pem", description={"desc": name}, bits=2048)
    with cb.open_bucket(f"file://{tmp_path}/store", cb.load_key(tmp_path / "old.pem")) as bucket:
        for name in NAMES:
            bucket.put(name, name.encode())
    return tmp_path


@pytest.fixture
def reference(folder: Path) -> cb.BucketReference:
    return cb.BucketReference(f"file://{folder}/store", folder / "old.pem")


@pytest.fixture
def new_key(folder: Path) -> cb.KeyReference:
    return cb.KeyReference.of(folder / "new.pem")


@pytest.fixture(params=["threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "threads":
        with ThreadPoolExecutor(2) as pool:
            yield pool
    else:
        with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as processes:
            yield processes


@pytest.fixture(params=[7, 10_000])
def step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(shards, "STEP", request.param)
    return int(request.param)


def opened_with(folder: Path, name: str) -> list[str]:
    """Return the names of what a key opens."""
    with cb.open_bucket(f"file://{folder}/store", cb.load_key(folder / f"{name}.pem")) as bucket:
        found = []
        for entry in bucket.list():
            try:
                bucket.get(entry.name).read()
            except cb.NoMatchingKeyError:
                continue
            found.append(entry.name)
        return found


@pytest.mark.usefixtures("step")
def test_another_master_key(
    folder: Path, reference: cb.BucketReference, new_key: cb.KeyReference, executor: Executor
) -> None:
    seen: list[int] = []
    with rotation.rewrap_all(
        reference, "d/", new_key, executor=executor, progress=lambda done, _: seen.append(done)
    ) as report:
        assert report.counts == {"done": (120, 6 * 120 - 120)}
        assert [each.name for each in report.objects()] == NAMES
    assert opened_with(folder, "new") == NAMES
    assert seen[-1] == 120
    assert not list(state().glob("*.ledger*"))


def state() -> Path:
    return Path(os.environ["HOME"]) / ".local" / "state" / "cipherbucket"


@pytest.mark.usefixtures("step")
def test_another_data_key_and_a_dry_run(
    reference: cb.BucketReference, new_key: cb.KeyReference, executor: Executor
) -> None:
    with rotation.reencrypt_all(reference, to=new_key, dry_run=True, executor=executor) as report:
        assert {status: tally.objects for status, tally in report.counts.items()} == {"due": 120}
    with rotation.reencrypt_all(reference, to=new_key, executor=executor) as report:
        assert {status: tally.objects for status, tally in report.counts.items()} == {"done": 120}


@pytest.mark.usefixtures("step")
def test_verification_and_audit(reference: cb.BucketReference, executor: Executor) -> None:
    bucket = reference.open()
    bucket.access.store.put("d/0505", b"not encrypted")
    with cb.verify_all(reference, executor=executor) as report:
        assert report.counts[VERIFIED].objects == 120
        assert [each.name for each in report.failures()] == ["d/0505"]
    with cb.audit.run(reference, executor=executor) as found:
        shared = list(found.objects())
    with cb.audit.run(bucket) as alone:
        assert shared == list(alone.objects())


def test_what_failed_is_tried_again_and_what_is_done_is_not(
    reference: cb.BucketReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "STEP", 7)
    monkeypatch.setattr(ledger, "_MOMENT", timedelta(0))
    store = reference.open().access.store
    store.put("d/0505", b"not encrypted")
    with ThreadPoolExecutor(2) as executor:
        report = cb.verify_all(reference, executor=executor)
        assert report.failed.objects == 1
        report.ledger.close()  # as if the process died
        store.delete("d/0505")
        read: list[str] = []
        get = cb.LocalStore.get

        def noting(self: cb.LocalStore, name: str, **how: Any) -> Any:
            read.append(name)
            return get(self, name, **how)

        monkeypatch.setattr(cb.LocalStore, "get", noting)
        with cb.verify_all(reference, executor=executor) as report:
            assert report.counts == {VERIFIED: (120, 600)}
    assert read == []


def test_what_is_written_while_a_pass_lies_interrupted_is_looked_at(
    folder: Path, reference: cb.BucketReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key is not found to be retirable where an object was put under it since."""
    monkeypatch.setattr(shards, "STEP", 7)
    monkeypatch.setattr(ledger, "_MOMENT", timedelta(0))
    bucket = reference.open()
    new = cb.load_key(folder / "new.pem")
    rotation.rewrap_all(bucket, "d/", new).close()
    asked = cb.load_key(folder / "old.pem")
    with ThreadPoolExecutor(2) as executor:
        found = cb.audit.run(reference, "d/", executor=executor)
        assert found.facts.resumed == 0
        found.keep()  # as if the report could not be written
        bucket.put("d/0505", b"new")  # into a range that is done, under the old key
        bucket.put("d/003", b"instead")
        bucket.delete("d/100")
        with cb.audit.run(reference, "d/", retire=[asked], executor=executor) as found:
            assert found.facts.resumed == 118
            assert found.facts.scope.started == found.ledger.started
            (answer,) = found.answers
            assert (answer.answer, answer.first) == ("no", ["d/003", "d/0505"])
            shared = [each.name for each in found.objects()]
    assert shared == [each.name for each in bucket.list("d/")]


def test_a_rotation_that_lay_interrupted_leaves_nothing_under_the_old_key(
    folder: Path,
    reference: cb.BucketReference,
    new_key: cb.KeyReference,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shards, "STEP", 7)
    with ThreadPoolExecutor(2) as executor:
        report = rotation.rewrap_all(reference, "d/", new_key, executor=executor)
        report.ledger.close()  # as if the process died
        reference.open().put("d/0505", b"new")
        reference.open().put("d/003", b"instead")
        with rotation.rewrap_all(reference, "d/", new_key, executor=executor) as report:
            assert {status: each.objects for status, each in report.counts.items()} == {"done": 121}
    assert opened_with(folder, "new") == sorted([*NAMES, "d/0505"])


def test_a_worker_that_is_killed_loses_nothing(
    folder: Path,
    reference: cb.BucketReference,
    new_key: cb.KeyReference,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shards, "STEP", 7)
    killed = folder / "killed"
    head = cb.LocalStore.head

    def deadly(self: cb.LocalStore, name: str, **how: Any) -> Any:
        if name == "d/040" and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return head(self, name, **how)

    monkeypatch.setattr(cb.LocalStore, "head", deadly)
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as executor:
        with pytest.raises(cb.WorkerLostError, match="died") as caught:
            rotation.rewrap_all(reference, "d/", new_key, executor=executor)
        assert "run the same again" in str(caught.value.hint)
    with (
        ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as executor,
        rotation.rewrap_all(reference, "d/", new_key, executor=executor) as report,
    ):
        assert [each.name for each in report.objects()] == NAMES
        assert not report.failed
    assert opened_with(folder, "new") == NAMES


def test_a_worker_without_a_key_says_which(
    folder: Path, reference: cb.BucketReference, new_key: cb.KeyReference
) -> None:
    reference.open()

    def remove() -> None:
        (folder / "new.pem").unlink()

    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("fork"), initializer=remove) as executor,
        pytest.raises(cb.MasterKeyError, match=r"new\.pem.*\(in process \d+ of "),
    ):
        rotation.rewrap_all(reference, "d/", new_key, executor=executor)


def test_buckets_and_keys_are_given_by_reference(
    folder: Path, reference: cb.BucketReference
) -> None:
    key = cb.load_key(folder / "new.pem")
    with ThreadPoolExecutor(1) as executor:
        for refused in (
            lambda: rotation.rewrap_all(reference.open(), executor=executor),
            lambda: rotation.rewrap_all(reference, to=key, executor=executor),
            lambda: rotation.rewrap_all(reference, to=[key], executor=executor),
            lambda: cb.verify_all(reference, key=key, executor=executor),
            lambda: cb.verify_all(reference, below={"a": reference.open()}, executor=executor),
        ):
            with pytest.raises(cb.UsageError, match="given by reference"):
                refused()
        with pytest.raises(cb.UsageError, match="limit_rate"):
            cb.verify_all(reference, limit_rate=10.0, executor=executor)


NAME = st.text("ab", min_size=1, max_size=3)


@given(st.sets(NAME), st.sets(NAME, max_size=3), st.integers(1, 4), st.integers(0, 5))
def test_what_is_left_is_what_was_not_done(
    names: set[str], cuts: set[str], most: int, steps: int
) -> None:
    ordered = sorted(names)
    ends = [*(f"{cut}\0" for cut in sorted(cuts)), ""]
    ranges = list(map(cb.NameRange, ["", *sorted(cuts)], ends))
    done: list[tuple[str, str | None]] = []
    found: set[str] = set()
    queue = list(ranges)
    for _ in range(steps):
        if not queue:
            break
        each = queue.pop(0)
        inside = [
            name
            for name in ordered
            if name > each.start_after and (not each.end_before or name < each.end_before)
        ]
        taken = inside[:most]
        last = taken[-1] if len(taken) == most else None
        lines = [Line(name.encode(), "", "", VERIFIED, 1, "{}") for name in taken]
        part = done_by(each, StepDone(lines, last))
        done += [part] if part is not None else []
        found |= set(taken)
        if last is not None:
            queue.append(cb.NameRange(last, each.end_before))
    done.sort(key=lambda pair: pair[0])
    listed = [
        name
        for start, end in joined(done)
        for name in ordered
        if name > start and (not end or name < end)
    ]
    assert sorted(listed) == listed == sorted(found)
    left = [piece for each in ranges for piece in not_done(each, done)]
    again = [
        name
        for each in left
        for name in ordered
        if name > each.start_after and (not each.end_before or name < each.end_before)
    ]
    assert len(again) == len(set(again))
    assert set(again) | found == names
    assert not set(again) & found
