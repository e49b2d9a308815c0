"""The programs of the documents, on oss2 and on the layer of it, in one run.

Each program does what its page prints (`tests/oss2/seeds`): a put and a get of 1 MiB with
Content-Length, a get to a file, a resumable upload and a resumable download of a large file in
parts of 1 MiB with 3 threads. Every round is a process of its own on the same minimal endpoint;
importing, keys and the making of content come before. CPU seconds of the client and ratios are what
to quote. BENCH_MIB and BENCH_ROUNDS make it shorter. The peer needs `make interop` to have
installed it. The child's usage: python -m bench.oss2_layer TOLD '{"module": ..., ...}'.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import measure
from bench.contestant import BUCKET, cpu
from bench.oss import endpoint
from bench.transfers import load

import cipherbucket as cb

MIB = max(16, int(os.environ.get("BENCH_MIB", "1024")) // 4)
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
LAYER, PEER = "cipherbucket.oss2", "oss2"
DEEDS = ("put", "get", "get to file", "resumable upload", "resumable download")


@dataclass(frozen=True)
class Task:
    """What a child does.

    Attributes:
        module: Which of the two.
        deed: One of `DEEDS`.
        url: The endpoint.
        folder: Holds the keys and the large file ``plain``, and gets the downloads.
        mib: How much is moved: objects of 1 MiB, or one of so many.
    """

    module: str
    deed: str
    url: str
    folder: str
    mib: int

    @property
    def place(self) -> Path:
        """The folder."""
        return Path(self.folder)


class Program:
    """A program of the documents, ready to begin."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.oss2 = importlib.import_module(task.module)
        crypto = importlib.import_module(f"{task.module}.crypto")
        pair = {
            "private_key": (task.place / "cmk.pem").read_text(),
            "public_key": (task.place / "cmk.pem.pub").read_text(),
        }
        self.bucket = self.oss2.CryptoBucket(
            self.oss2.Auth("id", "secret"),
            task.url,
            BUCKET,
            crypto_provider=crypto.RsaProvider(pair, mat_desc={"desc": "bench"}),
        )
        self.content = b"a" * 1024 * 1024
        self.back = str(task.place / "back")

    def deed(self) -> Callable[[], object]:
        """Return what is measured."""
        deeds: dict[str, Callable[[], object]] = {
            "put": self.put,
            "get": self.get,
            "get to file": self.get_to_file,
            "resumable upload": self.upload,
            "resumable download": self.download,
        }
        return deeds[self.task.deed]

    def put(self) -> None:
        """Put objects of 1 MiB."""
        headers = {"content-length": str(len(self.content))}
        for number in range(self.task.mib):
            self.bucket.put_object(f"motto-{number}.txt", self.content, headers=headers)

    def get(self) -> None:
        """Get them and put their chunks together."""
        for number in range(self.task.mib):
            got = b""
            for chunk in self.bucket.get_object(f"motto-{number}.txt"):
                got += chunk
            assert got == self.content

    def get_to_file(self) -> None:
        """Get them into a file."""
        for number in range(self.task.mib):
            self.bucket.get_object_to_file(f"motto-{number}.txt", self.back)

    def _how(self, threshold: str) -> dict[str, Any]:
        return {threshold: 10 * 1024 * 1024, "part_size": 1024 * 1024, "num_threads": 3}

    def upload(self) -> None:
        """Upload the large file."""
        plain = str(self.task.place / "plain")
        how = self._how("multipart_threshold")
        self.oss2.resumable_upload(self.bucket, "large.bin", plain, **how)

    def download(self) -> None:
        """Download it."""
        how = self._how("multiget_threshold")
        self.oss2.resumable_download(self.bucket, "large.bin", self.back, **how)


def child() -> None:
    """Do a task, and write down what it took."""
    warnings.simplefilter("ignore")
    task = Task(**json.loads(sys.argv[2]))
    deed = Program(task).deed()
    spent, begin = cpu(), time.monotonic()
    deed()
    figures = {"cpu": cpu() - spent, "wall": time.monotonic() - begin}
    if task.deed == "resumable download":
        assert (task.place / "back").read_bytes() == (task.place / "plain").read_bytes()
    Path(sys.argv[1]).write_text(json.dumps(figures))


def done(task: Task) -> dict[str, float]:
    """Let a child do a task."""
    told = task.place / "told"
    command = [sys.executable, "-m", "bench.oss2_layer", str(told), json.dumps(asdict(task))]
    measure.run(command)
    figures: dict[str, float] = json.loads(told.read_text())
    return figures


def prepare(folder: Path) -> None:
    """Make keys and the large file; records and journals go to the folder, too."""
    os.environ["CIPHERBUCKET_STATE"] = str(folder / "state")
    os.environ["HOME"] = str(folder)
    cb.create_rsa_key_file(folder / "cmk.pem", description={"desc": "bench"}, bits=2048)
    with (folder / "plain").open("wb") as file:
        for _ in range(MIB):
            file.write(os.urandom(1 << 20))


def clear(url: str) -> None:
    """Remove all objects of a round."""
    for name in ["large.bin", *(f"motto-{number}.txt" for number in range(MIB))]:
        request = urllib.request.Request(f"{url}/{BUCKET}/{name}", method="DELETE")
        urllib.request.urlopen(request).close()


def main() -> None:
    """Print the table."""
    modules = [LAYER, *([PEER] if importlib.util.find_spec(PEER) else [])]
    table: dict[tuple[str, str], list[dict[str, float]]] = {}
    before = load()
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder,
        endpoint() as port,
    ):
        prepare(Path(folder))
        url = f"http://127.0.0.1:{port}"
        for _ in range(ROUNDS):
            for module in modules:
                for deed in DEEDS:
                    figures = done(Task(module, deed, url, folder, MIB))
                    table.setdefault((module, deed), []).append(figures)
                clear(url)
    print(f"\nThe documents' programs for oss2, {MIB:,} MiB each over loopback HTTP, RSA-2048:")
    print(f"CPU s/GiB of the client and MB/s; medians of {ROUNDS}; {before}, then {load()}")
    print(f"  {'':22s}" + "".join(f"{name + ' CPU':>22s}{'MB/s':>8s}" for name in modules))
    for deed in DEEDS:
        row = "".join(_cells(table[module, deed]) for module in modules)
        print(f"  {deed:22s}{row}{_ratio(table, deed)}")
    if PEER not in modules:
        print("  oss2 is not installed")


def _cells(rounds: list[dict[str, float]]) -> str:
    spent = statistics.median(each["cpu"] for each in rounds) * 1024 / MIB
    rate = statistics.median(MIB * 1.048576 / each["wall"] for each in rounds)
    return f"{spent:22.2f}{rate:8.0f}"


def _ratio(table: dict[tuple[str, str], list[dict[str, float]]], deed: str) -> str:
    if (PEER, deed) not in table:
        return ""
    pairs = list(zip(table[PEER, deed], table[LAYER, deed], strict=True))
    spent = statistics.median(theirs["cpu"] / ours["cpu"] for theirs, ours in pairs)
    wall = statistics.median(theirs["wall"] / ours["wall"] for theirs, ours in pairs)
    return f"   oss2 takes {spent:.1f} times the CPU, {wall:.1f} times the time"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child()
    else:
        main()
