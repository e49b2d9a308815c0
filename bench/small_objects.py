"""Small objects in a directory store: what one put, get and listed name costs, and `cp -r`.

Each figure is the least of three rounds, in CPU seconds, children included. Another version of the
library is measured by its source: `PYTHONPATH=other/src python -m bench.small_objects`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cipherbucket as cb

ROUNDS = 3
SIZE = 4096
PUTS = 1_000
MEMORY = Path("/dev/shm")  # the disk would make most of the time, and none of the CPU


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=10_000)
    given = parser.parse_args()
    print(f"cipherbucket of {Path(cb.__file__).parent}")
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        place = Path(folder)
        key = cb.create_rsa_key_file(place / "key.pem", description={"desc": "bench"}, bits=2048)
        with cb.open_bucket(f"file://{place}/store", key) as bucket:
            _one_by_one(bucket)
        _listing(place, given.names)
        _trees(place, given.files)


def _one_by_one(bucket: cb.Bucket) -> None:
    content = os.urandom(SIZE)

    def put() -> None:
        for number in range(PUTS):
            bucket.put(f"{number:04}", content)

    def get() -> None:
        for number in range(PUTS):
            bucket.get(f"{number:04}").read()

    _show(f"put, {SIZE:,} bytes", _cost(put), PUTS)
    _show(f"get, {SIZE:,} bytes", _cost(get), PUTS)


def _listing(place: Path, names: int) -> None:
    with cb.LocalStore(place / "many", create=True) as store:
        store.put("0", b"")
        for number in range(1, names):
            store.copy("0", f"{number:06}")
    with cb.open_bucket(f"file://{place}/many") as bucket:

        def listed() -> None:
            assert sum(1 for _ in bucket.list()) == names

        _show(f"listing of {names:,} names", _cost(listed), names)


def _trees(place: Path, files: int) -> None:
    source = place / "source"
    for number in range(files):
        file = source / f"{number // 100:03}" / f"{number:05}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(SIZE))
    url = f"file://{place}/tree"
    _command(place, "mb", url)
    _show(
        f"cp -r up, {files:,} files", _cost(lambda: _command(place, "cp", "-r", source, url)), files
    )
    back = place / "back"
    _show(
        f"cp -r down, {files:,} files", _cost(lambda: _command(place, "cp", "-r", url, back)), files
    )


def _command(place: Path, verb: str, *arguments: str | Path) -> None:
    key = ["-q", "-k", str(place / "key.pem")] if verb == "cp" else []
    command = [sys.executable, "-m", "cipherbucket", verb, *key, *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _cost(work: Callable[[], object]) -> float:
    costs = []
    for _ in range(ROUNDS):
        before = sum(os.times()[:4])
        work()
        costs.append(sum(os.times()[:4]) - before)
    return min(costs)


def _show(what: str, seconds: float, count: int) -> None:
    print(f"{what:28} {seconds:8.2f} CPU s {seconds / count * 1e6:10,.0f} us each", flush=True)


if __name__ == "__main__":
    main()
