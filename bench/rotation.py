"""Rotation and audit of many small objects on the local endpoint, each step a process of its own.

Usage: python -m bench.rotation [OBJECTS]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measure import run

import cipherbucket as cb
from cipherbucket.server import Endpoint

BUCKET = "bench-rotation"
BODY = bytes(1024)
KINDS = {"oss": "oss, RSA-2048", "sealed": "sealed, AES-256"}


def main() -> None:
    """Print a row for each step of each format."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(f"\n{count:,} objects of {len(BODY):,} bytes on the local endpoint, 16 at once")
    head = ("objects/s", "requests", "CPU ms", "peak MiB")
    print(f"  {'':32s}" + "".join(f"{text:>12s}" for text in head))
    bare = run([sys.executable, "-c", "pass"]).peak
    with tempfile.TemporaryDirectory() as folder, _served() as environment:
        os.environ |= environment | {"CIPHERBUCKET_STATE": f"{folder}/state"}
        for kind, label in KINDS.items():
            _make_keys(kind, Path(folder))
            _step("fill", kind, count, folder)
            for step in ("rotate", "again", "audit"):
                told, cost = _step(step, kind, count, folder)
                row = (count / told["seconds"], told["requests"] / count, cost.cpu * 1000 / count)
                cells = f"{row[0]:12,.0f}{row[1]:12.2f}{row[2]:12.2f}{cost.peak - bare:12.0f}"
                print(f"  {label + ': ' + step:32s}{cells}")
    print("  (requests and CPU an object; peak above the bare interpreter's; CPU with the start)")


def _make_keys(kind: str, folder: Path) -> None:
    for label in ("old", "new"):
        path, description = folder / f"{kind}-{label}", {"desc": label}
        if kind == "oss":
            cb.create_rsa_key_file(path, bits=2048, description=description)
        else:
            cb.create_aes_key_file(path, description=description)


def _step(step: str, kind: str, count: int, folder: str) -> tuple[dict[str, Any], Any]:
    told = Path(folder) / "told"
    cost = run([sys.executable, "-m", "bench.rotation", step, kind, str(count), folder, str(told)])
    figures: dict[str, Any] = json.loads(told.read_text())
    return figures, cost


@contextmanager
def _served() -> Iterator[dict[str, str]]:
    """Serve in a process of its own; yield how to reach it."""
    command = [sys.executable, "-m", "bench.rotation", "serve"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.communicate("", timeout=60)


def serve() -> None:
    """Serve until the input ends."""
    with Endpoint(buckets=[BUCKET]) as endpoint:
        environment = {
            "OSS_ENDPOINT": endpoint.url,
            "OSS_REGION": endpoint.region,
            "OSS_ACCESS_KEY_ID": endpoint.access_key_id,
            "OSS_ACCESS_KEY_SECRET": endpoint.access_key_secret,
        }
        print(json.dumps(environment), flush=True)
        sys.stdin.read()


def work(step: str, kind: str, count: int, folder: Path) -> dict[str, float]:
    """Do one step; return the seconds it took and how many requests."""
    old, new = (cb.load_key(folder / f"{kind}-{label}") for label in ("old", "new"))
    ring = (old,) if step == "fill" else (new, old)
    with cb.open_bucket(f"oss://{BUCKET}", *ring, format=kind) as bucket:
        requests = _Counted(bucket)
        began = time.perf_counter()
        if step == "fill":
            with ThreadPoolExecutor(8) as pool:
                names = (f"{kind}/{number // 1000:04}/{number:07}" for number in range(count))
                for _ in pool.map(lambda name: bucket.put(name, BODY), names):
                    pass
        elif step == "audit":
            with cb.audit.run(bucket, f"{kind}/", workers=16) as audit:
                seconds = time.perf_counter() - began
                assert sum(1 for _ in audit.objects()) == count
                return {"seconds": seconds, "requests": requests.count}
        else:
            with cb.rotation.rewrap_all(bucket, f"{kind}/") as report:
                done = report.done if step == "rotate" else report.skipped
                assert done.objects == count, report.failed
        return {"seconds": time.perf_counter() - began, "requests": requests.count}


class _Counted:
    """Counts the requests of a bucket."""

    def __init__(self, bucket: cb.Bucket) -> None:
        store: Any = bucket.access.store
        http = store.client.http
        original, lock = http.request, threading.Lock()
        self.count = 0

        def counted(*args: Any, **more: Any) -> Any:
            with lock:
                self.count += 1
            return original(*args, **more)

        http.request = counted


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif len(sys.argv) > 2:
        figures = work(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
        Path(sys.argv[5]).write_text(json.dumps(figures))
    else:
        main()
