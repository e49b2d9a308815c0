"""``cp -r`` and ``mv -r`` over a cluster of Dask with two processes, one of which is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import distributed
import pytest
from tests.cli.runs import invoke
from tests.support.counts import count

import cipherbucket as cb
from cipherbucket.cli.copying import groups

OBJECTS = count(5000, 300)

pytestmark = pytest.mark.filterwarnings("default")  # of the cluster


@pytest.fixture
def cluster() -> Iterator[distributed.LocalCluster]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


@pytest.mark.parametrize("verb", ["cp", "mv"])
def test_a_worker_that_is_killed_costs_no_object(
    tmp_path: Path, cluster: distributed.LocalCluster, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MOST", 5)
    key = cb.create_rsa_key_file(tmp_path / "cmk.pem", description={"desc": "mine"}, bits=2048)
    here, there = f"file://{tmp_path}/here", f"file://{tmp_path}/there"
    cb.make_bucket(there)
    with cb.open_bucket(here, key, format="sealed") as bucket:
        for number in range(OBJECTS):
            bucket.put(f"d/{number:06}", b"%d" % number)
    with distributed.Client(cluster) as client:
        victim = next(iter(client.run(os.getpid).values()))
    killed = threading.Event()

    def kill() -> None:
        until = time.monotonic() + 60
        with cb.open_bucket(there) as copies:
            while time.monotonic() < until and not killed.is_set():
                if sum(1 for _ in copies.list()) > OBJECTS // 4:
                    os.kill(victim, signal.SIGKILL)
                    killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    # Another name than the one it is sealed under: workers open the key by its path.
    sealed_anew = ("--format", "sealed", "-k", tmp_path / "cmk.pem")
    command = (verb, "-r", "--dask", cluster.scheduler_address, *sealed_anew)
    result = invoke(*command, f"{here}/d", f"{there}/copies")
    killer.join()
    assert killed.is_set()
    assert result.exit_code == 0, result.output
    done = {"cp": "copied", "mv": "moved"}[verb]
    assert f"{done} {OBJECTS:,} objects" in result.stderr
    with cb.open_bucket(there, key, format="sealed") as copies:
        read = {each.name: copies.get(each.name).read() for each in copies.list()}
    assert read == {f"copies/{number:06}": b"%d" % number for number in range(OBJECTS)}
    with cb.open_bucket(here) as bucket:
        assert sum(1 for _ in bucket.list()) == (0 if verb == "mv" else OBJECTS)
