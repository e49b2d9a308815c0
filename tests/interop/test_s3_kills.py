"""Uploads to S3 and rotations there, killed at random moments and run again, over versitygw."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.runs import PROGRAM, base, succeed
from tests.support.counts import count
from tests.support.s3_servers import S3Server, s3_settings

import cipherbucket as cb
from cipherbucket.stores.s3.store import S3Store

PART = 5 << 20
PARTS = 8
OBJECTS = count(400, 60)
TIMES = count(10, 3)


@dataclass
class Place:
    """An empty bucket, and two master keys as files."""

    url: str
    store: S3Store
    folder: Path
    environment: dict[str, str]

    def bucket(self, format_: str, *keys: str) -> cb.Bucket:
        loaded = [cb.load_key(self.folder / name) for name in keys]
        return cb.Bucket(self.store, cb.KeyRing(*loaded), format=format_)

    def killed(self, command: list[str], under_way: Callable[[], bool]) -> bool:
        """Run the program, and kill it as soon as this is so; return whether it was."""
        with subprocess.Popen(
            [*PROGRAM, *command], env=self.environment, stderr=subprocess.DEVNULL
        ) as process:
            deadline = time.monotonic() + 60
            while process.poll() is None and not under_way():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.kill()
            return process.wait() == -signal.SIGKILL


@pytest.fixture
def place(versity: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name, text in versity.environment().items():
        monkeypatch.setenv(name, text)
    for name in ("old", "new"):
        cb.create_rsa_key_file(tmp_path / name, description={"desc": name}, bits=2048)
    bucket = versity.make_bucket()
    with S3Store(bucket, s3_settings(versity)) as store:
        yield Place(f"s3://{bucket}", store, tmp_path, {**base(), **versity.environment()})


@pytest.mark.parametrize("format_", ["oss", "sealed"])
def test_an_upload_goes_on_where_it_was_killed(place: Place, format_: str) -> None:
    data = os.urandom(PARTS * PART - 77)
    path = place.folder / "big"
    path.write_bytes(data)
    rest = ["-k", str(place.folder / "old"), "--format", format_, str(path), f"{place.url}/big"]
    slow = ["cp", "-q", "--part-size", "5MiB", "--workers", "1", "--limit-rate", "30M", *rest]
    for number in (1, 3, 5):

        def arrived(number: int = number) -> bool:
            begun = place.store.list_uploads()
            return any(len(place.store.list_parts("big", e.upload_id)) >= number for e in begun)

        assert place.killed(slow, arrived)
    (begun,) = place.store.list_uploads()
    kept = place.store.list_parts("big", begun.upload_id)
    assert len(kept) >= 5
    with pytest.raises(cb.ObjectNotFoundError):
        place.store.head("big")
    succeed("cp", "-q", "--part-size", "5MiB", *rest)
    assert place.bucket(format_, "old").get("big").read() == data
    assert place.store.list_uploads() == []


@pytest.mark.parametrize(("format_", "verb"), [("oss", "rotate"), ("sealed", "reencrypt")])
def test_a_rotation_goes_on_where_it_was_killed(place: Place, format_: str, verb: str) -> None:
    texts = {f"r/{number:03}": os.urandom(number) for number in range(OBJECTS)}
    bucket = place.bucket(format_, "old")
    for name, text in texts.items():
        bucket.put(name, text)
    before = {name: place.store.head(name) for name in texts}

    def turned() -> int:
        return sum(place.store.head(name) != stored for name, stored in before.items())

    keys = ["-k", str(place.folder / "new"), "-k", str(place.folder / "old")]
    command = [verb, "-r", "-q", "--workers", "2", *keys, "--format", format_, f"{place.url}/r/"]
    draw, times = random.Random(verb), 0
    both = place.bucket(format_, "new", "old")
    for _ in range(TIMES):
        goal = turned() + draw.randrange(1, OBJECTS // TIMES // 2)
        times += place.killed(command, lambda goal=goal: turned() >= goal)  # type: ignore[misc]
        assert {name: both.get(name).read() for name in texts} == texts
    assert times > 0
    succeed(*command)
    new = place.bucket(format_, "new")
    assert {name: new.get(name).read() for name in texts} == texts
    assert place.store.list_uploads() == []
