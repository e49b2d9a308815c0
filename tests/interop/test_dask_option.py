"""``--dask``: a command whose work the workers of a cluster do."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import distributed
import pytest
from tests.cli.runs import error_of, invoke, succeed

import cipherbucket as cb
from cipherbucket.cli.workers import cluster as module
from cipherbucket.cli.workers.cluster import cluster as opened

pytestmark = pytest.mark.filterwarnings("default")  # of the cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.LocalCluster]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield cluster


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    for name in ("old", "new"):
        cb.create_rsa_key_file(f"{name}.pem", description={"desc": name}, bits=2048)
    with cb.open_bucket(f"file://{tmp_path}/store", cb.load_key("old.pem")) as bucket:
        for number in range(40):
            bucket.put(f"d/{number:02}", b"x")
    return f"file://{tmp_path}/store"


def test_a_rotation_by_a_cluster(store: str, cluster: distributed.LocalCluster) -> None:
    dask = ("--dask", cluster.scheduler_address)
    done = succeed("rotate", "-r", "-k", "new.pem", "-k", "old.pem", *dask, store)
    assert done.stdout.startswith("rotated                 40 objects")
    assert done.stderr == ""
    verified = succeed("verify", "-r", "-k", "new.pem", *dask, store)
    assert verified.stdout.startswith("40 objects verified")


def test_a_passphrase_that_workers_do_not_have_is_named(
    store: str, cluster: distributed.LocalCluster
) -> None:
    cb.create_rsa_key_file("locked.pem", description={"desc": "l"}, bits=2048, passphrase="abcd")
    args = ("-k", "locked.pem", "-k", "old.pem", "--dask", cluster.scheduler_address, store)
    result = invoke("rotate", "-r", *args, env={"CIPHERBUCKET_PASSPHRASE": "abcd"})
    assert result.exit_code == 4
    said = error_of(result)
    assert "locked.pem" in said
    assert "CIPHERBUCKET_PASSPHRASE" in said
    assert "(in process " in said


@pytest.mark.parametrize("name", ["distributed", "distributed.client", "distributed.worker"])
def test_what_dask_logs_of_a_lost_scheduler_is_not_shown(
    cluster: distributed.LocalCluster, name: str
) -> None:
    log = logging.getLogger(name)
    level = log.level
    with opened(cluster.scheduler_address):
        assert not log.isEnabledFor(logging.CRITICAL)
    assert log.level == level


def test_a_cluster_without_workers_is_refused(store: str) -> None:
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as cluster:
        address = cluster.scheduler_address
        said = error_of(invoke("verify", "-r", "-k", "old.pem", "--dask", address, store))
    assert f"the scheduler at {address} has no workers" in said


def test_a_cluster_that_loses_its_workers_is_waited_for_and_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.05)

    def said() -> list[str]:
        return [each.getMessage() for each in caplog.records if each.name == "cipherbucket"]

    with (
        distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address=":0", silence_logs=50
        ) as cluster,
        opened(cluster.scheduler_address) as executor,
    ):
        assert executor.submit(abs, -1).result() == 1
        assert not said()
        cluster.scale(0)
        later = executor.submit(abs, -2)
        until = time.monotonic() + 30
        while not said():
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.3)
        (line,) = said()
        assert f"{cluster.scheduler_address} has no worker any more; waiting for one" in line
        cluster.scale(1)
        assert later.result(30) == 2
