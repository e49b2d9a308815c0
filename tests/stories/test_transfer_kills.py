"""Transfers killed with SIGKILL at random moments: running them again finishes them.

What comes again is what was under way and no more; nothing is left of what was interrupted; and a
file that changed meanwhile is sent as it is now.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.counts import count
from tests.support.transfer_child import PART, WORKERS, Errand
from tests.support.transfer_scenes import Wire

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.transfers.state import state_folder

SIZE = count(300, 16) * (1 << 20) + 12_345
PARTS = -(-SIZE // PART)
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, str]]:
    with Endpoint(buckets=["killed"]) as endpoint:
        yield {
            "region": endpoint.region,
            "endpoint": endpoint.url,
            "id": endpoint.access_key_id,
            "secret": endpoint.access_key_secret,
        }


@pytest.fixture(params=["file", "http"])
def errand(request: pytest.FixtureRequest, tmp_path: Path, served: dict[str, str]) -> Errand:
    """Return an upload of a large file: ``sealed`` to a directory, ``oss`` over HTTP."""
    over_http = request.param == "http"
    source = random.Random(4)
    with (tmp_path / "file").open("wb") as file:
        for start in range(0, SIZE, 1 << 20):
            file.write(source.randbytes(min(1 << 20, SIZE - start)))
    make: Any = cb.create_rsa_key_file if over_http else cb.create_aes_key_file
    make(tmp_path / "key", description={"desc": "tests"})
    return Errand(
        verb="upload",
        url="oss://killed" if over_http else f"file://{tmp_path}/store",
        endpoint=served if over_http else {},
        format="oss" if over_http else "sealed",
        key=str(tmp_path / "key"),
        name="killed",
        path=str(tmp_path / "file"),
    )


def killed(errand: Errand, after: float) -> bool:
    """Run an errand in a process, and kill it so many seconds after it began.

    Returns:
        Whether it died of that.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.transfer_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(errand.dumps() + "\n")
        child.stdin.close()
        assert child.stdout.readline() == "beginning\n"
        time.sleep(after)
        child.kill()
    assert child.returncode in {0, -9}
    return child.returncode != 0


def journaled() -> list[dict[str, Any]]:
    """Return the whole lines of the one journal there is, or none."""
    lines: list[dict[str, Any]] = []
    for path in state_folder().iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        whole = path.read_bytes().rpartition(b"\n")[0]
        lines += [json.loads(line.rpartition(b" ")[0]) for line in whole.split(b"\n") if line]
    return lines


def flipped(path: Path, at: int) -> None:
    """Change a byte of a file, and leave size and time as they are."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def assert_same(path: Path, other: Path) -> None:
    assert path.stat().st_size == other.stat().st_size
    with path.open("rb") as one, other.open("rb") as two:
        while block := one.read(1 << 20):
            assert two.read(1 << 20) == block


def assert_nothing_left(errand: Errand, wire: Wire, folder: Path) -> None:
    assert list(state_folder().iterdir()) == []
    assert list(wire.store.list_uploads(errand.name)) == []
    names = {path.name for path in folder.iterdir() if not path.name.startswith("key")}
    assert names <= {"file", "out", "store"}


def seconds_of(errand: Errand) -> float:
    began = time.monotonic()
    with errand.store() as store:
        errand.run(store)
    return time.monotonic() - began


@pytest.mark.long
def test_an_upload_killed_at_random_moments(errand: Errand, tmp_path: Path) -> None:
    """Killed with SIGKILL once or twice, the next run sends what is missing, and all is right."""
    seed = random.randrange(1 << 32)
    print("seed", seed)  # noqa: T201  shown when the test fails
    rng = random.Random(seed)
    usual = seconds_of(errand)
    for number in range(count(50, 1)):
        errand.name = f"killed/{number}"
        died = [killed(errand, rng.uniform(0, usual)) for _ in range(rng.choice([1, 2]))]
        with errand.store() as store:
            wire = Wire(store, PART)
            lines = journaled()
            left = [line["part"] for line in lines if "part" in line]
            arrived = set()
            if lines and (upload_id := lines[1]["upload_id"] if len(lines) > 1 else None):
                wire._identities[upload_id] = errand.format.encode() + b":going on"
                try:
                    arrived = {part.number for part in store.list_parts(errand.name, upload_id)}
                except cb.UploadNotFoundError:
                    arrived = {*range(1, PARTS + 1)}  # it was completed, nobody heard of it
            assert len(set(left) - arrived) <= WORKERS
            assert len(left) == len(set(left))
            at = rng.randrange(SIZE) if rng.random() < 0.4 else None
            if at is not None:
                flipped(Path(errand.path), at)
            errand.run(store)
            if not lines or (at is not None and at // PART + 1 in left):
                assert len(wire.sent) >= PARTS  # anew; what was found changed went on meanwhile
            elif upload_id is not None and (at is None or len(arrived) < PARTS):
                assert set(wire.sent).isdisjoint(arrived)
            assert wire.ledger.conflicts == []
            assert_nothing_left(errand, wire, tmp_path)
            bucket = cb.Bucket(store, cb.KeyRing(cb.load_key(errand.key)), format=errand.format)
            bucket.download(errand.name, tmp_path / "out")
            assert_same(tmp_path / "file", tmp_path / "out")
            store.delete(errand.name)
        print(number, died, len(left), len(arrived), at)  # noqa: T201


@pytest.mark.long
def test_a_download_killed_at_random_moments(errand: Errand, tmp_path: Path) -> None:
    """Killed with SIGKILL once or twice, the next run fetches what is missing, and all is right."""
    seed = random.randrange(1 << 32)
    print("seed", seed)  # noqa: T201  shown when the test fails
    rng = random.Random(seed)
    with errand.store() as store:
        errand.run(store)
    errand.verb, errand.path = "download", str(tmp_path / "out")
    usual = seconds_of(errand)
    for number in range(count(50, 1)):
        (tmp_path / "out").unlink(missing_ok=True)
        died = [killed(errand, rng.uniform(0, usual)) for _ in range(rng.choice([1, 2]))]
        ranges = {line["range"] for line in journaled() if "range" in line}
        with errand.store() as store:
            wire = Wire(store, PART)
            errand.run(store)
            missing = SIZE - sum(min(PART, SIZE - (n - 1) * PART) for n in ranges)
            assert wire.fetched <= missing * 1.002 + 10_000
            assert_nothing_left(errand, wire, tmp_path)
        assert_same(tmp_path / "file", tmp_path / "out")
        assert (tmp_path / "out").stat().st_mode == (tmp_path / "file").stat().st_mode
        print(number, died, len(ranges))  # noqa: T201
