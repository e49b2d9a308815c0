"""Passes over a cluster of Dask with two processes, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import distributed
import pytest
from tests.support.counts import count

import cipherbucket as cb
from cipherbucket import rotation
from cipherbucket.bulk import shards

OBJECTS = count(20_000, 2000)

pytestmark = pytest.mark.filterwarnings("default")  # of the cluster


@pytest.fixture
def client() -> Iterator[distributed.Client]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("old", "new"):
        cb.create_rsa_key_file(tmp_path / f"{name}.pem", description={"desc": name}, bits=2048)
    with cb.open_bucket(f"file://{tmp_path}/store", cb.load_key(tmp_path / "old.pem")) as bucket:
        for number in range(OBJECTS):
            bucket.put(f"d/{number:06}", b"x")
    return tmp_path


def test_a_worker_that_is_killed_costs_no_object(
    folder: Path, client: distributed.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "STEP", OBJECTS // 20)
    victims = list(client.run(os.getpid).values())[:1]

    def kill(done: int, _: int | None) -> None:
        if done > OBJECTS // 3 and victims:
            os.kill(victims.pop(), signal.SIGKILL)

    reference = cb.BucketReference(f"file://{folder}/store", folder / "old.pem")
    new = cb.KeyReference.of(folder / "new.pem")
    executor = client.get_executor()
    with rotation.rewrap_all(reference, "d/", new, executor=executor, progress=kill) as report:
        names = [each.name for each in report.objects()]
        assert report.counts["done"].objects > OBJECTS // 2
        assert set(report.counts) <= {"done", "skipped"}
    assert not victims
    assert names == [f"d/{number:06}" for number in range(OBJECTS)]
    with cb.open_bucket(reference.place, cb.load_key(folder / "new.pem")) as bucket:
        assert bucket.get(names[0]).read() == bucket.get(names[-1]).read() == b"x"
    with cb.audit.run(reference, executor=executor) as found:
        assert len(list(found.objects())) == OBJECTS
