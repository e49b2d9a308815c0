"""Many objects: all of them done, so many requests each, and memory that stays flat."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.counts import count
from tests.support.oss_rewriting import opened
from tests.support.rotation_scenes import FORMATS, Requests, Scene

import cipherbucket as cb
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.server import Endpoint
from cipherbucket.stores.oss.store import OssStore

MANY = count(20_000, 60)
WORKERS = 16
FEW, LOTS = count(50_000, 2_000), count(500_000, 22_000)
GROWTH = count(10, 4) << 10
"""Most KiB that the difference may take: less than an entry of the listing for each object."""
ROOT = Path(__file__).parent.parent.parent
PAGE = 1000


@pytest.fixture
def store() -> Iterator[OssStore]:
    with Endpoint(buckets=["many"]) as endpoint, opened(endpoint, "many") as store:
        yield store


@pytest.mark.long
@pytest.mark.parametrize("kind", FORMATS)
def test_many_objects_rotated_and_audited(store: OssStore, kind: str) -> None:
    scene = Scene(store, kind)
    names = [f"many/{number:06}" for number in range(MANY)]
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda name: scene.put(name.encode(), name), names):
            pass
    bucket = scene.bucket(scene.new, scene.old)
    requests = Requests(store)
    pages = -(-MANY // PAGE)

    with cb.rotation.rewrap_all(bucket, "many/", workers=WORKERS) as report:
        assert (report.done.objects, report.failed.objects) == (MANY, 0)
        moved = report.moved
    made = Counter(requests.names)
    each = {"HEAD": 3, "GET acl": 1, "PUT copy": 1}
    if kind == "oss":
        each = {"HEAD": 4, "GET acl": 1, "GET": 1, "PUT": 1}
        made["GET"] -= pages  # of the listing
        assert moved == 2 * sum(len(name) for name in names)
    else:
        assert made.pop("GET") == pages
        assert moved == 0
    assert {name: made[name] / MANY for name in made} == each

    requests.forget()
    with cb.rotation.rewrap_all(bucket, "many/", workers=WORKERS) as again:
        assert dict(again.reasons) == {"under the new key already": MANY}
    assert Counter(requests.names) == {"HEAD": MANY, "GET": pages}, "one look each"

    with cb.audit.run(bucket, "many/", workers=WORKERS, retire=[scene.old]) as audit:
        told = Counter(each.recipients[0].label.description for each in audit.objects())
        assert told == {'{"desc":"new"}': MANY}
        (answer,) = audit.answers
        assert answer.answer == "yes"
    for name in names[:: max(1, MANY // 50)]:
        assert scene.read(scene.new, name=name) == name.encode()


def test_a_pass_that_goes_on_does_not_repeat(store: OssStore) -> None:
    """What an earlier run wrote down costs its place in the listing and nothing else."""
    scene = Scene(store, "sealed")
    names = [f"many/{number:06}" for number in range(100)]
    for name in names:
        scene.put(name.encode(), name)
    broken = names[70]
    bucket = scene.bucket(scene.new, scene.old)
    scene.store.put(broken, b"", metadata={"cipherbucket-seal": "damaged"})
    with cb.rotation.rewrap_all(bucket, "many/", workers=4) as first:
        assert (first.done.objects, first.failed.objects) == (99, 1)
        (failure,) = first.failures()
        assert failure.name == broken
        assert failure.error == "EnvelopeError"
    requests = Requests(store)
    scene.bucket().delete(broken)
    scene.put(b"new", broken)
    requests.forget()
    with cb.rotation.rewrap_all(bucket, "many/", workers=4) as second:
        assert (second.resumed, second.done.objects, second.failed.objects) == (99, 100, 0)
    assert Counter(requests.names)["PUT copy"] == 1
    assert len(requests.names) == 6  # a page of the listing, and five for the one


def test_a_failure_whose_object_is_gone_is_forgotten(store: OssStore) -> None:
    scene = Scene(store, "sealed")
    store.put("many/broken", b"", metadata={"cipherbucket-seal": "damaged"})
    bucket = scene.bucket(scene.new, scene.old)
    with cb.rotation.rewrap_all(bucket, "many/") as first:
        assert first.failed.objects == 1
    store.delete("many/broken")
    with cb.rotation.rewrap_all(bucket, "many/") as second:
        assert second.failed.objects == 0
    with Ledger.open("rotate", "any other") as ledger:
        left = [path.name for path in ledger.path.parent.iterdir()]
    assert {name.split(".")[0] for name in left} == {ledger.path.stem}, "nothing to go on with"


@pytest.mark.long
def test_memory_is_flat_whatever_the_number_of_objects() -> None:
    few, lots = _listed(FEW), _listed(LOTS)
    assert (few["due"], lots["due"], lots["walked"]) == (FEW, LOTS, LOTS)
    assert lots["peak"] - few["peak"] < GROWTH, (few, lots)


def _listed(objects: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.support.rotation_listing", str(objects)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    figures: dict[str, Any] = json.loads(told)
    return figures
