"""Passes over a cluster of Dask with two processes, one of which is killed in the middle.

Under ``make soak`` a million objects are audited and 200,000 rotated; quickly it is 20,000 of both.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice, zip_longest
from pathlib import Path

import distributed
import pytest
from tests.support.counts import SOAK
from tests.support.many_objects import list_many, put_many

import cipherbucket as cb
from cipherbucket import rotation
from cipherbucket.rotation.change_all import WORKERS

AUDITED = [20_000, 200_000, 1_000_000] if SOAK else [5000, 20_000]
ROTATED = [20_000, 200_000] if SOAK else [2000, 20_000]
FLAT = 10.0
"""MiB that a process may need more for ten times the objects. Dask keeps somewhat more of a million
than of 200,000; what we do in a worker takes the same after one step and after hundreds."""
MILLION_FLAT = 20.0

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the cluster
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read there"),
]


@pytest.fixture
def client() -> Iterator[distributed.Client]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("old", "new"):
        cb.create_aes_key_file(tmp_path / f"{name}.key", description={"desc": name})
    return tmp_path


def names_of(objects: int) -> Iterator[str]:
    return (f"d/{number:07}" for number in range(objects))


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """Return the most memory that this process has had since it was reset, in MiB."""
    status = Path("/proc/self/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


class Peaks:
    """The peaks of memory in pass after pass: of this process, and of the largest worker."""

    def __init__(self, client: distributed.Client) -> None:
        self._client = client
        self._first: list[float] = []
        self._begin = 0.0

    def begin(self) -> None:
        self._client.run(reset_peak)
        reset_peak()
        self._begin = time.monotonic()

    def check(self, label: str, most: float = FLAT) -> None:
        """Compare the peaks with those of the first pass; show them, under ``pytest -s``."""
        peaks = [peak(), max(self._client.run(peak).values())]
        self._first = self._first or peaks
        label += f": {peaks[0]:.1f} MiB here, {peaks[1]:.1f} MiB in a worker"
        sys.stdout.write(f"{label}, {time.monotonic() - self._begin:.0f} s\n")
        assert all(now - first <= most for now, first in zip(peaks, self._first, strict=True)), (
            label
        )


def killing(client: distributed.Client, after: int) -> Callable[[int, int | None], None]:
    """Return a ``progress`` that kills a worker once so many objects are done."""
    victims = list(client.run(os.getpid).values())[:1]

    def progress(done: int, _: int | None) -> None:
        if done > after and victims:
            os.kill(victims.pop(), signal.SIGKILL)

    return progress


def all_once(objects: Iterator[cb.ObjectOutcome] | Iterator[cb.AuditedObject], count: int) -> bool:
    """Return whether a report has each object once, in order of names."""
    pairs = zip_longest((each.name for each in objects), names_of(count))
    return all(name == wanted for name, wanted in pairs)


def test_an_audit(folder: Path, client: distributed.Client) -> None:
    for objects in AUDITED:  # all before the first pass: what filling leaves of memory is no pass's
        with cb.open_bucket(
            f"file://{folder}/{objects}", cb.load_key(folder / "old.key")
        ) as bucket:
            bucket.put("d/0000000", b"x")
        list_many(folder / f"{objects}", "d/0000000", islice(names_of(objects), 1, None))
    peaks = Peaks(client)
    for objects in AUDITED:
        reference = cb.BucketReference(f"file://{folder}/{objects}")
        progress = killing(client, objects // 3) if objects == AUDITED[-1] else None
        peaks.begin()
        with cb.audit.run(reference, executor=client.get_executor(), progress=progress) as found:
            assert all_once(found.objects(), objects)
        peaks.check(f"audit of {objects:,}", FLAT if objects < 1_000_000 else MILLION_FLAT)


def test_a_rotation(folder: Path, client: distributed.Client) -> None:
    for objects in ROTATED:
        cb.open_bucket(f"file://{folder}/{objects}").close()
        put_many(folder / f"{objects}", cb.load_key(folder / "old.key"), names_of(objects))
    peaks = Peaks(client)
    new = cb.KeyReference.of(folder / "new.key")
    for objects in ROTATED:
        reference = cb.BucketReference(f"file://{folder}/{objects}", folder / "old.key")
        progress = killing(client, objects // 3) if objects == ROTATED[-1] else None
        peaks.begin()
        with rotation.rewrap_all(
            reference, "d/", new, executor=client.get_executor(), progress=progress
        ) as report:
            assert all_once(report.objects(), objects)
            assert set(report.counts) <= {"done", "skipped"}
            # Those that the killed worker had changed and not yet written down.
            assert report.skipped.objects <= WORKERS
        peaks.check(f"rotation of {objects:,}")
        with cb.open_bucket(reference.place, cb.load_key(folder / "new.key")) as bucket:
            assert all(
                bucket.get(name).read() == b"x" for name in islice(names_of(objects), 0, None, 50)
            )
