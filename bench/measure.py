"""Runs a command as a process of its own and tells its CPU seconds and peak memory."""

import os
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What one process took: CPU seconds (user and system), wall seconds, peak memory in MiB."""

    cpu: float
    wall: float
    peak: float


def run(command: Sequence[str], *, stdin: Path | None = None, stdout: Path | None = None) -> Cost:
    """Run a command once; it must succeed."""
    begin = os.times().elapsed
    with (
        Path(stdin or os.devnull).open("rb") as source,
        Path(stdout or os.devnull).open("wb") as sink,
    ):
        process = subprocess.Popen(command, stdin=source, stdout=sink)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed with {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, os.times().elapsed - begin, usage.ru_maxrss / 1024)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the medians, figure by figure."""
    return Cost(
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.peak for cost in costs),
    )
