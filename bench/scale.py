"""What one object costs in each pass over many, and what a million to a billion of them would.

Every step is a process of its own, 16 objects at once, over the local endpoint, behind a proxy that
counts requests: CPU seconds of the pass, peak memory above that of a bare interpreter, bytes of the
ledger. Then the merging of ledgers alone, and inventories. The tables are those of docs/scale.md.

Usage: python -m bench.scale [--objects N] [--rows N]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import math
import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from bench.measure import run
from bench.parquet import Served, served
from bench.scale_steps import AT_ONCE, BODY, STEPS
from pyarrow import parquet

import cipherbucket as cb
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import Line

KINDS = {"sealed": "sealed, AES-256", "oss": "oss, RSA-2048"}
SCALES = (6, 7, 8, 9)
ROUND_TRIP = 0.010
"""Seconds that a request of a few hundred bytes takes; an assumption, nothing here measures it."""
NIGHT = 8 * 3600
USUAL_AT_ONCE = {"reencrypt": 4}
BATCH = 10_000


class Cost(NamedTuple):
    """What a pass takes for one object."""

    requests: float
    cpu: float
    ledger: float


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        costs = _passes(given.objects, Path(folder))
        _inventories(200_000, Path(folder))
        _merging(given.rows, Path(folder))
    _projection(costs)


def _passes(count: int, folder: Path) -> dict[str, Cost]:
    print(f"| {count:,} objects of {len(BODY):,} bytes | requests | CPU ms | ledger bytes | MiB |")
    print("|---|---|---|---|---|")
    os.environ["CIPHERBUCKET_STATE"] = f"{folder}/state"
    bare = run([sys.executable, "-c", "pass"]).peak
    costs = {}
    with served(str(folder)) as at:
        os.environ |= {"OSS_ENDPOINT": at.url, "OSS_REGION": "cn-hangzhou"}
        for kind, label in KINDS.items():
            for name in ("old", "new"):
                _make_key(kind, folder / f"{kind}-{name}", name)
            for step in STEPS:
                if step == "recipients add" and kind == "oss":
                    continue
                cost, peak = _step(at, [step, kind, str(count), str(folder)], count)
                if step == "put":
                    continue
                costs[f"{step}: {label}"] = cost
                print(
                    f"| {step}: {label} | {cost.requests:.2f} | {cost.cpu * 1000:.2f} |"
                    f" {cost.ledger:.0f} | {peak - bare:.0f} |",
                    flush=True,
                )
    return costs


def _make_key(kind: str, path: Path, name: str) -> None:
    if kind == "oss":
        cb.create_rsa_key_file(path, bits=2048, description={"desc": name})
    else:
        cb.create_aes_key_file(path, description={"desc": name})


def _step(at: Served, arguments: list[str], count: int) -> tuple[Cost, float]:
    told = Path(arguments[-1]) / "told"
    _, before = at.counts()
    peak = run([sys.executable, "-m", "bench.scale_steps", *arguments, str(told)]).peak
    _, after = at.counts()
    figures: dict[str, float] = json.loads(told.read_text())
    requests = (after - before) / count
    return Cost(requests, figures["cpu"] / count, figures["ledger"] / count), peak


def _inventories(count: int, folder: Path) -> None:
    names = [f"sealed/{each // 1000:04}/{each:07}" for each in range(count)]
    print(f"\n| inventory of {count:,} names | bytes a line | CPU us a line |")
    print("|---|---|---|")
    for form, data in (("CSV", _csv(names)), ("Parquet", _parquet(names))):
        manifest = _manifest(folder, form, data)
        begin = time.process_time()
        assert sum(1 for _ in cb.read_inventory(manifest)) == count
        taken = time.process_time() - begin
        print(f"| {form} | {len(data) / count:.0f} | {taken / count * 1e6:.1f} |", flush=True)


def _csv(names: list[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    for name in names:
        writer.writerow(["bench", name, "1024", os.urandom(16).hex(), "2026-11-01T00:00:00.000Z"])
    return gzip.compress(text.getvalue().encode())


def _parquet(names: list[str]) -> bytes:
    table = {
        "bucket": ["bench"] * len(names),
        "key": names,
        "size": [1024] * len(names),
        "e_tag": [os.urandom(16).hex() for _ in names],
    }
    file = io.BytesIO()
    parquet.write_table(pa.table(table), file)
    return file.getvalue()


def _manifest(folder: Path, form: str, data: bytes) -> Path:
    name = f"data/{form}"
    (folder / "data").mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    digest = hashlib.md5(data).hexdigest()
    path = folder / f"{form}.json"
    manifest = {
        "sourceBucket": "bench",
        "creationTimestamp": "1764547200",
        "fileFormat": form,
        "fileSchema": "Bucket, Key, Size, ETag, LastModifiedDate",
        "files": [{"key": name, "size": len(data), "MD5checksum": digest}],
    }
    path.write_text(json.dumps(manifest))
    return path


def _merging(rows: int, folder: Path) -> None:
    """Merge steps of eight ranges in turn, as two workers send them; tell the rate as it grows."""
    detail = json.dumps({"format": "sealed", "recipients": [{"label": "an example" * 10}]})
    print("\n| rows in the ledger | merged a second | GiB | read a second |")
    print("|---|---|---|---|")
    with closing(Ledger(folder / "merged")) as ledger:
        done, begin, shown = 0, time.process_time(), BATCH
        while done < rows:
            at, of = divmod(done // BATCH, 8)
            names = [f"{of}/{at * BATCH + each:010}" for each in range(BATCH)]
            lines = [Line(name.encode(), "", "e" * 60, "sealed", 1024, detail) for name in names]
            ledger.merge(lines, (names[0], names[-1]))
            done += BATCH
            if done >= min(rows, 10 * shown):
                rate = (done - shown if shown > BATCH else done) / (time.process_time() - begin)
                begin = time.process_time()
                read = sum(1 for _ in ledger.outcomes()) / (time.process_time() - begin)
                size = (folder / "merged").stat().st_size / 2**30
                print(f"| {done:,} | {rate:,.0f} | {size:.2f} | {read:,.0f} |", flush=True)
                shown, begin = done, time.process_time()


def _projection(costs: dict[str, Cost]) -> None:
    """Print a row for each pass: requests, hours of CPU, processes for a night, GiB of ledger."""
    print(
        f"\nA request takes {ROUND_TRIP * 1000:.0f} ms;"
        f" a process has {AT_ONCE} at once, in reencrypt 4.\n"
    )
    print("| requests, CPU hours, processes for a night, GiB of ledger |", end="")
    print(*(f" 10^{scale} |" for scale in SCALES), sep="")
    print("|---|" + "---|" * len(SCALES))
    for name, cost in costs.items():
        if "main one" in name:  # most of so few objects is the cutting, once a pass
            continue
        cells = []
        for count in (10**scale for scale in SCALES):
            at_once = USUAL_AT_ONCE.get(name.partition(":")[0], AT_ONCE)
            waiting, computing = count * cost.requests * ROUND_TRIP / at_once, count * cost.cpu
            processes = math.ceil((waiting + computing) / NIGHT)
            gib = count * cost.ledger / 2**30
            cells.append(
                f"{count * cost.requests:.2g}, {computing / 3600:,.1f} h, {processes:,}, {gib:,.1f}"
            )
        print(f"| {name} |", *(f" {cell} |" for cell in cells), sep="")


if __name__ == "__main__":
    main()
