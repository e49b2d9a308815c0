"""Uploads and downloads: our parallel transfers, the same without encryption, and oss2.

Every contestant moves the same file to and from the same minimal endpoint, in a process of its own,
so that its peak memory is its own. CPU seconds of the client and ratios are what to quote: the
machine may be shared, and the endpoint takes its share of the same cores. Rounds are interleaved;
figures are medians, and a ratio is the median of those of the rounds. BENCH_MIB, BENCH_FILES and
BENCH_ROUNDS make it shorter. The peer needs `make interop` to have installed it.
"""

import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import measure
from bench.contestant import BUCKET, PAGE, PART, READS, Task, command
from bench.oss import endpoint

import cipherbucket as cb

MIB = int(os.environ.get("BENCH_MIB", "1024"))
FILES = int(os.environ.get("BENCH_FILES", "10000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PEER_ROUNDS = min(2, ROUNDS)
THREADS = 8
CIPHERBUCKET = str(Path(sys.executable).with_name("cipherbucket"))
WAYS = ("upload", "download")
LABELS = {
    "unencrypted": ("plain", "oss"),
    "oss, RSA-2048": ("ours", "oss"),
    "sealed, AES-256": ("ours", "sealed"),
}
MOVERS = {
    f"{label}, {workers} worker{'s' * (workers > 1)}": (*who, workers)
    for label, who in LABELS.items()
    for workers in (1, 2)
}
PEER = "oss2, 2 threads"


@dataclass(frozen=True)
class Figures:
    """What a contestant took.

    Attributes:
        cpu: CPU seconds.
        wall: Seconds by the clock.
        served: CPU seconds of the endpoint meanwhile.
        peak: Peak memory in MiB.
        requests: Answers of the endpoint.
        bytes: Bytes of bodies in them.
    """

    cpu: float
    wall: float
    served: float
    peak: float
    requests: float
    bytes: float


Table = dict[tuple[str, str], list[Figures]]


def done(task: Task) -> Figures:
    """Let a contestant do its task."""
    path = task.place / "told"
    peak = measure.run(command(task, path)).peak
    return Figures(peak=peak, **json.loads(path.read_text()))


def median_of(rounds: Sequence[Figures], figure: Callable[[Figures], float]) -> float:
    """Return the median of a figure."""
    return statistics.median(map(figure, rounds))


def load() -> str:
    """Say how busy the machine is."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def main() -> None:
    """Print all tables."""
    parent = os.environ.get("BENCH_DIR")
    with tempfile.TemporaryDirectory(dir=parent) as folder, endpoint() as port:
        task = Task("ours", "upload", f"http://127.0.0.1:{port}", folder)
        prepare(task)
        peer = importlib.util.find_spec("oss2") is not None
        transfers(task, peer=peer)
        pages(task, peer=peer)
        small(task, peer=peer)


def prepare(task: Task) -> None:
    """Make keys and files."""
    os.environ["CIPHERBUCKET_STATE"] = str(task.place / "state")
    cb.create_rsa_key_file(task.place / "cmk.pem", description={"desc": "bench"}, bits=2048)
    cb.create_aes_key_file(task.place / "cmk.key", description={"desc": "bench"})
    with task.plain.open("wb") as file:
        for _ in range(MIB):
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    (task.place / "small").mkdir()
    for path in replace(task, count=FILES).small:
        path.write_bytes(random.randbytes(PAGE))


def transfers(task: Task, *, peer: bool) -> None:
    """A large file there and back."""
    tasks = {
        name: replace(task, who=who, kind=kind, workers=workers)
        for name, (who, kind, workers) in MOVERS.items()
    }
    if peer:
        tasks[PEER] = replace(task, who="oss2", workers=2)
    table: Table = {}
    before = load()
    for number in range(ROUNDS + 1):  # the first warms the machine's memory up
        for name, each in tasks.items():
            if name == PEER and not 0 < number <= PEER_ROUNDS:
                continue
            for way in WAYS:
                figures = done(replace(each, deed=way))
                if number:
                    table.setdefault((name, way), []).append(figures)
            same = subprocess.run(["cmp", task.plain, task.back], check=False)
            if same.returncode:
                raise SystemExit(f"{name}: other bytes came back")
            task.back.unlink()
            forget(task)
    bare = measure.run([sys.executable, "-c", "pass"]).peak
    print(f"\n{MIB:,} MiB in parts of {PART >> 20} MiB over loopback HTTP: CPU s/GiB of the client")
    print("and of the endpoint, wall s, MB/s, the client's peak MiB above the bare interpreter's")
    print(f"{bare:.0f} MiB; medians of {ROUNDS} (oss2: {PEER_ROUNDS}); {before}, then {load()}")
    head = f"{'client':>8s}{'endpoint':>10s}{'wall':>8s}{'MB/s':>7s}{'peak':>6s}"
    print(f"  {'':28s}" + "".join(f"  {way:8s}{head}" for way in WAYS))
    for name in tasks:
        print(f"  {name:28s}" + "".join(_row(table[name, way], bare) for way in WAYS))
    if not peer:
        print(f"  {PEER:28s}not installed")
    _compare(table, bare, peer=peer)


def _row(rounds: Sequence[Figures], bare: float) -> str:
    spent = median_of(rounds, lambda f: f.cpu) * 1024 / MIB
    served = median_of(rounds, lambda f: f.served) * 1024 / MIB
    wall = median_of(rounds, lambda f: f.wall)
    peak = median_of(rounds, lambda f: f.peak) - bare
    rate = (MIB << 20) / wall / 1e6
    return f"{'':10s}{spent:8.2f}{served:10.2f}{wall:8.2f}{rate:7.0f}{peak:6.0f}"


def _compare(table: Table, bare: float, *, peer: bool) -> None:
    print(f"\n  {'against the goals':52s}" + "".join(f"{way:>10s}" for way in WAYS))
    for workers in (1, 2):
        suffix = f"{workers} worker{'s' * (workers > 1)}"
        base, oss, sealed = ([table[f"{label}, {suffix}", way] for way in WAYS] for label in LABELS)
        for label, ours in (("oss, RSA-2048", oss), ("sealed, AES-256", sealed)):
            name = f"{label}, {suffix}"
            spent = [median_of(each, lambda f: f.cpu) * 1024 / MIB for each in ours]
            _cells(f"{name}: CPU s/GiB", spent, "1.20 or less")
            more = [_more(*pair) * 1024 / MIB for pair in zip(ours, base, strict=True)]
            _cells(f"{name}: CPU above unencrypted", more, "0.50 or less")
            peak = [median_of(each, lambda f: f.peak) - bare for each in ours]
            _cells(f"{name}: peak MiB", peak, f"under {60 + 2 * workers * (PART >> 20)}")
        _cells(f"sealed / oss, {suffix}: CPU", _ratios(sealed, oss, _cpu), "1.25 or less")
    if not peer:
        return
    theirs = [table[PEER, way] for way in WAYS]
    for name in (name for name in MOVERS if name.endswith("2 workers")):
        ours = [table[name, way] for way in WAYS]
        plain = name.startswith("unencrypted")
        goal = "none: what the endpoint allows" if plain else "4.00 or more, if that allows"
        _cells(f"{name}: rate / oss2's", _ratios(theirs, ours, lambda f: f.wall), goal)
        _cells(f"{name}: oss2's CPU / this", _ratios(theirs, ours, _cpu), "none")


def _cells(label: str, figures: Sequence[float], goal: str) -> None:
    print(f"  {label:52s}" + "".join(f"{figure:10.2f}" for figure in figures) + f"   {goal}")


def _cpu(figures: Figures) -> float:
    return figures.cpu


def _more(ours: Sequence[Figures], base: Sequence[Figures]) -> float:
    return statistics.median(a.cpu - b.cpu for a, b in zip(ours, base, strict=True))


def _ratios(
    ours: Sequence[Sequence[Figures]],
    theirs: Sequence[Sequence[Figures]],
    figure: Callable[[Figures], float],
) -> list[float]:
    """Return, each way, the median of the ratios of the rounds that both have."""
    return [
        statistics.median(figure(a) / figure(b) for a, b in zip(*both, strict=False))
        for both in zip(ours, theirs, strict=True)
    ]


def pages(task: Task, *, peer: bool) -> None:
    """4 KiB at random out of the large object."""
    deeds = {
        "unencrypted": replace(task, who="plain", name="plain"),
        "oss, RSA-2048": replace(task, kind="oss", name="oss"),
        "sealed, AES-256": replace(task, kind="sealed", name="sealed"),
    }
    for each in deeds.values():
        done(replace(each, deed="upload"))
    if peer:
        deeds["oss2"] = replace(task, who="oss2", name="oss")
    before, table = load(), Table()
    for seed in range(ROUNDS):
        for name, each in deeds.items():
            for deed in ("pages", "ranges"):
                if name != "oss2" or deed == "pages":
                    figures = done(replace(each, deed=deed, seed=seed))
                    table.setdefault((name, deed), []).append(figures)
    for each in deeds.values():
        forget(each)
    print(
        f"\n{READS} reads of {PAGE:,} bytes at random out of {MIB:,} MiB, by `seek` and `read` of"
    )
    print("an open file and by one `read_ranges` with 2 workers (oss2: by `get_object`);")
    print(f"medians of {ROUNDS}; {before}, then {load()}")
    head = "".join(f"{text:>12s}" for text in ("reads/s", "CPU ms", "requests", "bytes"))
    print(f"  {'':32s}{head}   a read")
    for (name, deed), rounds in table.items():
        rate = READS / median_of(rounds, lambda f: f.wall)
        spent = median_of(rounds, lambda f: f.cpu) * 1000 / READS
        requests = median_of(rounds, lambda f: f.requests) / READS
        sent = median_of(rounds, lambda f: f.bytes) / READS
        label = f"{name}, read_ranges" if deed == "ranges" else name
        print(f"  {label:32s}{rate:12,.0f}{spent:12.2f}{requests:12.2f}{sent:12,.0f}")


def small(task: Task, *, peer: bool) -> None:
    """Many small files there."""
    few = min(1000, FILES)
    one = replace(task, deed="files", workers=1, count=few)
    many = replace(task, deed="files", workers=THREADS, count=FILES)
    tasks = {
        f"{label}, {how}": replace(deed, who=who, kind=kind)
        for label, (who, kind) in (LABELS | ({"oss2": ("oss2", "oss")} if peer else {})).items()
        for how, deed in (("a loop", one), (f"{THREADS} threads", many))
    }
    print(f"\n{FILES:,} files of {PAGE:,} bytes there (in a loop: {few:,}), once; {load()}")
    print(f"  {'':32s}{'files/s':>12s}{'CPU ms':>12s}   a file")
    for name, each in tasks.items():
        figures = done(each)
        assert figures.requests == each.count
        _small_row(name, each.count, figures.wall, figures.cpu)
    for kind, key in (("oss", "cmk.pem"), ("sealed", "cmk.key")):
        cost = measure.run(_tree(task, key))
        _small_row(f"cipherbucket cp -r, {kind}", FILES, cost.wall, cost.cpu)
    print(f"  (cipherbucket cp: with its start; {load()})")


def _small_row(name: str, count: int, wall: float, spent: float) -> None:
    print(f"  {name:32s}{count / wall:12,.0f}{spent * 1000 / count:12.2f}")


def _tree(task: Task, key: str) -> list[str]:
    where: Mapping[str, str] = {
        "OSS_ACCESS_KEY_ID": "id",
        "OSS_ACCESS_KEY_SECRET": "secret",
    }
    os.environ.update(where)
    at = ["--region", "cn-hangzhou", "--endpoint", task.url]
    copy = ["cp", "-q", "-r", "-k", str(task.place / key)]
    return [CIPHERBUCKET, *at, *copy, str(task.place / "small"), f"oss://{BUCKET}/tree/"]


def forget(task: Task) -> None:
    """Remove the object."""
    path = f"{task.url}/{BUCKET}/{task.name}"
    urllib.request.urlopen(urllib.request.Request(path, method="DELETE")).close()


if __name__ == "__main__":
    main()
