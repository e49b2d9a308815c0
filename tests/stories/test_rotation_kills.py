"""Rotations killed with SIGKILL before and after every single request, and run again.

Rule: at no moment is there an object that neither key opens, and what is run again comes to its
end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.counts import count
from tests.support.rotation_child import Errand, Nursery
from tests.support.rotation_scenes import (
    FORMATS,
    HEADERS,
    LARGE,
    METADATA,
    SMALL,
    labels,
    small_parts,
)

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.transfers.state import state_folder

MANY = count(12, 6)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def endpoint() -> Iterator[dict[str, str]]:
    with Endpoint(buckets=["killed"]) as running:
        yield {
            "region": running.region,
            "endpoint": running.url,
            "id": running.access_key_id,
            "secret": running.access_key_secret,
        }


@pytest.fixture(params=[(f, s) for f in FORMATS for s in ("file", "http")], ids="-".join)
def errand(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    endpoint: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Errand:
    """Return a rewrap of an object, in both formats, in a directory and over HTTP."""
    small_parts(monkeypatch)
    kind, where = request.param
    make = cb.create_rsa_key_file if kind == "oss" else cb.create_aes_key_file
    for label in ("new", "old"):
        make(tmp_path / label, description={"desc": label})
    # The nursery was begun before this test, in another state folder: its errands name theirs.
    over_http = where == "http"
    return Errand(
        verb="rewrap",
        url="oss://killed" if over_http else f"file://{tmp_path}/store",
        endpoint=endpoint if over_http else {},
        format=kind,
        keys=(str(tmp_path / "new"), str(tmp_path / "old")),
        name="killed/object",
        state=str(state_folder()),
    )


def put(errand: Errand, plain: bytes, name: str) -> None:
    with replace(errand, keys=errand.keys[1:]).bucket() as bucket:
        bucket.put(name, plain, metadata=METADATA, headers=HEADERS)


def assert_whole(bucket: cb.Bucket, name: str, plain: bytes) -> str:
    """See that there is what was put, for one of the keys; return the label of that key."""
    info = bucket.head(name)
    assert bucket.get(name).read() == plain
    assert dict(info.metadata) == METADATA
    assert HEADERS.items() <= dict(info.headers).items()
    (label,) = labels(info)
    return label


def clear(bucket: cb.Bucket) -> int:
    """Abort what a killed process left of a large object; return how much that was."""
    left = [upload for upload in bucket.uploads() if upload.name.startswith("killed/")]
    for upload in left:
        bucket.abort_upload(upload.name, upload.upload_id)
    return len(left)


@pytest.mark.each_value
@pytest.mark.parametrize("verb", ["rewrap", "reencrypt"])
@pytest.mark.parametrize(
    ("plain", "die"),
    [(SMALL, "before"), (SMALL, "after"), (LARGE, "before"), (LARGE, "after"), (b"", "after")],
    ids=["small, before", "small, after", "parts, before", "parts, after", "empty, after"],
)
def test_killed_at_every_request_and_run_again(
    nursery: Nursery, errand: Errand, verb: str, plain: bytes, die: str
) -> None:
    seen: list[str] = []
    for number in range(1, 60, count(1, 2)):
        put(errand, plain, errand.name)
        died = nursery.died(replace(errand, verb=verb, die=die, at=number))
        with errand.bucket() as bucket:
            seen.append(assert_whole(bucket, errand.name, plain))
            assert clear(bucket) <= (len(plain) > len(SMALL))
            assert not nursery.died(replace(errand, verb=verb))
            assert assert_whole(bucket, errand.name, plain) == "new"
            assert clear(bucket) == 0
        if not died:
            break
    assert not died
    assert len(seen) >= 2
    assert seen == sorted(seen, reverse=True), "once the new key is there it stays"
    assert (seen[0], seen[-1]) == ("old", "new")


@pytest.mark.each_value
@pytest.mark.parametrize("verb", ["rewrap_all", "reencrypt_all"])
def test_a_pass_killed_on_its_way_goes_on_where_it_was(
    nursery: Nursery, errand: Errand, verb: str
) -> None:
    """What is in the ledger is not done again; what was done without its line is found done."""
    for moment in range(2, 100, count(1, 33)):
        for number in range(MANY):
            put(errand, SMALL + bytes([number]), f"killed/many/{number:02}")
        going = replace(errand, verb=verb, name="killed/many/", at=moment)
        died = nursery.died(going)
        with errand.bucket() as bucket:
            before = {entry.name: entry for entry in bucket.list("killed/many/")}
            with getattr(cb.rotation, verb)(bucket, "killed/many/", workers=2) as report:
                assert report.failed.objects == 0
                assert report.done.objects + report.skipped.objects == MANY
                done_before = report.resumed
            kept = [
                entry
                for entry in bucket.list("killed/many/")
                if (entry.etag, entry.modified)
                == (before[entry.name].etag, before[entry.name].modified)
            ]
            assert len(kept) >= done_before, "nothing that was written down is done again"
            for number in range(MANY):
                plain = SMALL + bytes([number])
                assert assert_whole(bucket, f"killed/many/{number:02}", plain) == "new"
            assert list(bucket.uploads()) == []
        assert list(state_folder().glob("*.ledger*")) == []
        if not died:
            break
    assert not died or moment > 80
