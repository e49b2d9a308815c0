"""One column of ten of a Parquet file of 1 GiB: bytes and requests, wall and CPU seconds.

The same file lies encrypted, in both formats, and in plaintext on the local endpoint, and in a
folder. pyarrow reads the column through the protocol ``cipherbucket``, through ossfs where it is
installed, and from the folder. The endpoint and a proxy that counts are processes of their own.
Best of three rounds, in turn.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from bench.oss import CIPHERBUCKET, cpu
from pyarrow import parquet

import cipherbucket as cb
from cipherbucket.filesystem.spec import CipherbucketFileSystem

COLUMNS = [f"c{number}" for number in range(10)]
GROUP = 1 << 20
"""Rows in a row group; 8 MiB of each column."""
ROUNDS = 3
ACCESS_KEY, SECRET = "cipherbucket-local", "of the local endpoint"


class Cost(NamedTuple):
    """What one read took."""

    wall: float
    cpu: float
    bytes: int
    requests: int


def main() -> None:
    """Print one line for each way to the column."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    mib = parser.parse_args().mib
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name, served(name) as at:
        folder = Path(name)
        write_table(folder / "t.parquet", max(1, mib // 80))
        size = (folder / "t.parquet").stat().st_size
        print(f"{size:,} bytes, one column of {len(COLUMNS)}")
        ways: dict[str, Callable[[], None]] = {
            "plain file": partial(read, str(folder / "t.parquet"), None)
        }
        cb.create_rsa_key_file(folder / "k.pem", description={"desc": "bench"}, bits=2048)
        for form in ("oss", "sealed"):
            fs = CipherbucketFileSystem(
                store="oss://bench",
                keys=[str(folder / "k.pem")],
                format=form,
                settings={"region": "cn-hangzhou", "endpoint": at.url},
            )
            fs.put_file(str(folder / "t.parquet"), form)
            ways[f"cipherbucket, {form}"] = partial(read, form, fs)
        ways |= plain_peer(folder / "t.parquet", at.url)
        costs: dict[str, list[Cost]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, work in ways.items():
                costs[way].append(at.cost(work))
        for way, found in costs.items():
            best = min(found, key=lambda each: each.cpu)
            print(
                f"{way:24} {best.bytes:13,} bytes {best.requests:5} requests"
                f" {min(each.wall for each in found):6.2f} s wall {best.cpu:6.2f} s CPU"
            )


def write_table(path: Path, groups: int) -> None:
    """Write a file of random numbers, which do not compress."""
    schema = pa.schema([(name, pa.float64()) for name in COLUMNS])
    with parquet.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for _ in range(groups):
            buffers = [pa.py_buffer(os.urandom(8 * GROUP)) for _ in COLUMNS]
            columns = [pa.Array.from_buffers(pa.float64(), GROUP, [None, each]) for each in buffers]
            writer.write_table(pa.table(columns, schema=schema))


def read(path: str, fs: object) -> None:
    """Read one column."""
    parquet.read_table(path, columns=["c3"], filesystem=fs)


def plain_peer(path: Path, url: str) -> dict[str, Callable[[], None]]:
    """Return how ossfs reads the same file, not encrypted."""
    try:
        import ossfs  # noqa: PLC0415  a peer
    except ImportError:
        print("ossfs is not installed")
        return {}
    fs = ossfs.OSSFileSystem(endpoint=url, key=ACCESS_KEY, secret=SECRET)
    fs.put_file(str(path), "bench/plain")
    return {"ossfs, plaintext": partial(read, "bench/plain", fs)}


class Served:
    """The endpoint behind the proxy."""

    def __init__(self, port: int, proxy: subprocess.Popen[str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._proxy = proxy

    def counts(self) -> tuple[int, int]:
        """Return bytes and requests so far."""
        assert self._proxy.stdin is not None
        assert self._proxy.stdout is not None
        self._proxy.stdin.write("\n")
        self._proxy.stdin.flush()
        sent, requests = self._proxy.stdout.readline().split()
        return int(sent), int(requests)

    def cost(self, work: Callable[[], object]) -> Cost:
        """Do something and return what it took."""
        before, begin, used = self.counts(), time.monotonic(), cpu()
        work()
        used, wall, after = cpu() - used, time.monotonic() - begin, self.counts()
        return Cost(wall, used, after[0] - before[0], after[1] - before[1])


@contextmanager
def served(folder: str) -> Iterator[Served]:
    """Run the local endpoint, and the proxy in front of it."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        target, port = one.getsockname()[1], other.getsockname()[1]
    os.environ |= {"OSS_ACCESS_KEY_ID": ACCESS_KEY, "OSS_ACCESS_KEY_SECRET": SECRET}
    command = [CIPHERBUCKET, "serve", "--port", str(target), "--bucket", "bench"]
    endpoint = subprocess.Popen([*command, "--data", f"{folder}/served"], stdout=subprocess.DEVNULL)
    proxy = subprocess.Popen(
        [sys.executable, "-m", "bench.counting_proxy", str(port), str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", target)):
                    break
            time.sleep(0.1)
        yield Served(port, proxy)
    finally:
        for process in (proxy, endpoint):
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
