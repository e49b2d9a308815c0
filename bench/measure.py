"""Runs a command as a process of its own and tells its CPU seconds and peak memory."""

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What one process took: CPU seconds (user and system), wall seconds, peak memory in MiB."""

    cpu: float
    wall: float
    peak: float


def run(command: Sequence[str]) -> Cost:
    """Run a command once; it must succeed."""
    reading, writing = os.pipe()
    launcher = [sys.executable, "-S", "-E", str(Path(__file__).with_name("launch.py"))]
    subprocess.run(
        [*launcher, str(writing), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[writing],
        check=True,
    )
    os.close(writing)
    with os.fdopen(reading) as told:
        cpu, wall, peak, code = map(float, told.read().split())
    if code:
        raise SystemExit(f"{command[0]} failed with {code:.0f}")
    return Cost(cpu, wall, peak)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the medians, figure by figure."""
    return Cost(
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.peak for cost in costs),
    )
