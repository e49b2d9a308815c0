"""Passes over many objects in OSS and in S3, one after the other in the same run.

The local endpoint stands for OSS, versitygw for S3. Every step is a process of its own, 16 objects
at once: CPU milliseconds of that process for each object, and seconds on the wall, in which the
server's own work is.

Usage: python -m bench.s3_many VERSITYGW [--objects N]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from bench.measure import run
from bench.parquet import served
from tests.support.s3_servers import versitygw

import cipherbucket as cb

STEPS = ("put", "list", "audit, no key", "audit", "verify -n", "rotate")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versitygw", type=Path)
    parser.add_argument("--objects", type=int, default=100_000)
    given = parser.parse_args()
    print(f"| {given.objects:,} sealed objects of 1 KiB | OSS ms CPU | s | S3 ms CPU | s |")
    print("|---|---|---|---|---|")
    base = os.environ.get("BENCH_DIR")
    with (
        tempfile.TemporaryDirectory(dir=base) as oss,
        tempfile.TemporaryDirectory(dir=base) as s3,
        served(oss) as endpoint,
        versitygw(given.versitygw, Path(s3)) as server,
    ):
        server.make_bucket("bench")
        os.environ |= {"OSS_ENDPOINT": endpoint.url, "OSS_REGION": "cn-hangzhou"}
        os.environ |= server.environment()
        for folder in (oss, s3):
            for name in ("old", "new"):
                path = Path(folder, f"sealed-{name}")
                cb.create_aes_key_file(path, description={"desc": name})
        for step in STEPS:
            row = [f"{step:14}"]
            for place, folder in (("oss://bench", oss), ("s3://bench", s3)):
                row += _figures(step, place, Path(folder), given.objects)
            print("|", " | ".join(row), "|", flush=True)


def _figures(step: str, place: str, folder: Path, count: int) -> list[str]:
    os.environ |= {"BENCH_PLACE": place, "CIPHERBUCKET_STATE": f"{folder}/state"}
    told = folder / "told"
    command = [sys.executable, "-m", "bench.scale_steps", step, "sealed", str(count)]
    cost = run([*command, str(folder), str(told)])
    cpu = json.loads(told.read_text())["cpu"]
    return [f"{cpu / count * 1000:.2f}", f"{cost.wall:.0f}"]


if __name__ == "__main__":
    main()
