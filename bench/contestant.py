"""One contestant of `bench.transfers` doing one deed, in a process of its own.

Usage: python -m bench.contestant TOLD '{"who": ..., "deed": ..., ...}'. Into the file TOLD go CPU
and wall seconds of the deed alone, and what the endpoint took and sent meanwhile. Starting,
importing and opening keys come before.
"""

import json
import os
import random
import resource
import sys
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cipherbucket as cb
from cipherbucket.format.span import PartPlan
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import Part
from cipherbucket.transfers.file_at import FileAt
from cipherbucket.workers.threads import Halt, run

BUCKET = "bench-bucket"
PART = 16 << 20
SLICE = 1 << 20
READS = 500
PAGE = 4096


@dataclass(frozen=True)
class Task:
    """What is to be done.

    Attributes:
        who: ``ours``, ``plain`` (our store and our threads, no encryption) or ``oss2``.
        deed: A method of the contestant.
        url: The endpoint.
        folder: Holds ``plain``, the keys, and the small files in ``small``.
        kind: The format, of ours.
        name: The object.
        workers: Threads.
        count: Of the small files, how many.
        seed: Of what is drawn at random.
    """

    who: str
    deed: str
    url: str
    folder: str
    kind: str = "oss"
    name: str = "o"
    workers: int = 2
    count: int = 0
    seed: int = 0

    @property
    def place(self) -> Path:
        """The folder."""
        return Path(self.folder)

    @property
    def plain(self) -> Path:
        """The file to send."""
        return self.place / "plain"

    @property
    def back(self) -> Path:
        """Where it comes back."""
        return self.place / "back"

    @property
    def small(self) -> list[Path]:
        """The small files."""
        return [self.place / "small" / f"{number:05d}" for number in range(self.count)]

    @property
    def starts(self) -> list[int]:
        """Where the pages begin that are read."""
        rng, size = random.Random(self.seed), self.plain.stat().st_size
        return [rng.randrange(size - PAGE) for _ in range(READS)]

    def settings(self) -> cb.OssSettings:
        """Point at the endpoint."""
        return cb.OssSettings(
            region="cn-hangzhou", endpoint=self.url, credentials=cb.Credentials("id", "secret")
        )


class Ours:
    """Encrypted, through a bucket."""

    def __init__(self, task: Task) -> None:
        self.task = task
        key = cb.load_key(task.place / ("cmk.pem" if task.kind == "oss" else "cmk.key"))
        self.bucket = cb.open_bucket(
            f"oss://{BUCKET}", key, format=task.kind, settings=task.settings()
        )

    def upload(self) -> None:
        """One large file there."""
        self.bucket.upload(self.task.plain, self.task.name, workers=self.task.workers)

    def download(self) -> None:
        """And back."""
        self.bucket.download(self.task.name, self.task.back, workers=self.task.workers)

    def pages(self) -> list[bytes]:
        """Read pages one after the other."""
        with self.bucket.open(self.task.name) as file:
            return [self._page(file, start) for start in self.task.starts]

    def _page(self, file: cb.ObjectFile, start: int) -> bytes:
        file.seek(start)
        return file.read(PAGE)

    def ranges(self) -> list[bytes]:
        """Read the same pages with one call."""
        with self.bucket.open(self.task.name) as file:
            asked = [(start, PAGE) for start in self.task.starts]
            return file.read_ranges(asked, workers=self.task.workers)

    def files(self) -> None:
        """Many small files there."""
        each(self.task, lambda path: self.bucket.upload(path, f"small/{path.name}"))


class Plain(Ours):
    """The same stores and threads without a key."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.store = cb.open_store(f"oss://{BUCKET}", task.settings())
        self.bucket = cb.Bucket(self.store, cb.KeyRing(), policy=cb.Policy(plaintext=True))

    def upload(self) -> None:
        """One large file there."""
        put_in_parts(self.store, self.task)

    def files(self) -> None:
        """Many small files there."""

        def put(path: Path) -> None:
            self.store.put(f"small/{path.name}", path.read_bytes())

        each(self.task, put)


class Oss2:
    """`oss2.CryptoBucket`."""

    def __init__(self, task: Task) -> None:
        from oss2.crypto import RsaProvider  # noqa: PLC0415

        import oss2  # noqa: PLC0415

        self.task, self.oss2 = task, oss2
        pems = {
            "private_key": (task.place / "cmk.pem").read_text(),
            "public_key": (task.place / "cmk.pem.pub").read_text(),
        }
        self.bucket = oss2.CryptoBucket(
            oss2.Auth("id", "secret"),
            task.url,
            BUCKET,
            crypto_provider=RsaProvider(pems, mat_desc={"desc": "bench"}),
            is_path_style=True,
        )

    def _how(self, store: Any) -> dict[str, Any]:
        return {
            "store": store(root=self.task.folder),
            "part_size": PART,
            "num_threads": self.task.workers,
        }

    def upload(self) -> None:
        """One large file there."""
        how = self._how(self.oss2.ResumableStore)
        self.oss2.resumable_upload(self.bucket, self.task.name, str(self.task.plain), **how)

    def download(self) -> None:
        """And back."""
        how = self._how(self.oss2.ResumableDownloadStore)
        how["multiget_threshold"] = PART
        self.oss2.resumable_download(self.bucket, self.task.name, str(self.task.back), **how)

    def pages(self) -> list[bytes]:
        """Read pages one after the other."""
        spans = [(start, start + PAGE - 1) for start in self.task.starts]
        return [self.bucket.get_object(self.task.name, byte_range=span).read() for span in spans]

    def files(self) -> None:
        """Many small files there."""

        def put(path: Path) -> None:
            self.bucket.put_object_from_file(f"small/{path.name}", str(path))

        each(self.task, put)


def each(task: Task, put: Callable[[Path], object]) -> None:
    """Put all small files, in so many threads."""
    if task.workers == 1:
        for path in task.small:
            put(path)
        return
    with ThreadPoolExecutor(task.workers) as pool:
        for _ in pool.map(put, task.small):
            pass


def put_in_parts(store: Store, task: Task) -> None:
    """Send a file in parts as an upload does: read into memory, then sent in slices."""
    plan = PartPlan(task.plain.stat().st_size, PART)
    upload_id = store.begin_upload(task.name)
    parts: dict[int, Part] = {}
    local = threading.local()

    def work(number: int) -> None:
        if not hasattr(local, "room"):
            local.room = memoryview(bytearray(min(PART, plan.data_size)))
        start, stop = plan.offsets(number)
        part = local.room[: FileAt(descriptor, start).read_into(local.room[: stop - start])]
        parts[number] = store.upload_part(task.name, upload_id, number, _Slices(part))

    descriptor = os.open(task.plain, os.O_RDONLY)
    run(range(1, plan.count + 1), work, workers=task.workers, halt=Halt())
    os.close(descriptor)
    store.complete_upload(task.name, upload_id, [parts[number] for number in sorted(parts)])


class _Slices:
    """A part as a body in slices."""

    def __init__(self, part: memoryview) -> None:
        self._part = part

    def __len__(self) -> int:
        return len(self._part)

    def __iter__(self) -> Iterator[memoryview]:
        for start in range(0, len(self._part), SLICE):
            yield self._part[start : start + SLICE]


CONTESTANTS: dict[str, Callable[[Task], object]] = {"ours": Ours, "plain": Plain, "oss2": Oss2}


def told(url: str) -> dict[str, float]:
    """Ask the endpoint what it answered so far."""
    with urllib.request.urlopen(f"{url}/told") as answer:
        counts: dict[str, float] = json.load(answer)
    return counts


def cpu() -> float:
    """Return this process's CPU seconds so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def check_pages(task: Task, pages: Sequence[bytes]) -> None:
    """Compare pages with the file."""
    with task.plain.open("rb") as file:
        for start, page in zip(task.starts, pages, strict=True):
            file.seek(start)
            assert page == file.read(PAGE)


def main() -> None:
    """Do it."""
    warnings.simplefilter("ignore")
    task = Task(**json.loads(sys.argv[2]))
    deed = getattr(CONTESTANTS[task.who](task), task.deed)
    before = told(task.url)
    spent, begin = cpu(), time.monotonic()
    result = deed()
    spent, wall = cpu() - spent, time.monotonic() - begin
    after = told(task.url)
    if isinstance(result, list):
        check_pages(task, result)
    figures = {
        "cpu": spent,
        "wall": wall,
        "served": after["cpu"] - before["cpu"],
        "requests": after["requests"] - before["requests"] - 1,  # the question's own answer
        "bytes": after["bytes"] - before["bytes"] - len(json.dumps(before)),
    }
    Path(sys.argv[1]).write_text(json.dumps(figures))


def command(task: Task, told_in: Path) -> list[str]:
    """Return the command that does it."""
    return [sys.executable, "-m", "bench.contestant", str(told_in), json.dumps(asdict(task))]


if __name__ == "__main__":
    main()
