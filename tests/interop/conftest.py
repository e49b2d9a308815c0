"""What the drivers of the SDKs need: an endpoint, keys, and everything built.

`make interop` runs this folder. A toolchain that is not there is left out by name at the end, and
in CI it is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.interop import matrix, toolchains
from tests.interop.run import BUCKET, Run
from tests.support.s3_servers import S3Server, versitygw

from cipherbucket.server import Endpoint

_LEFT_OUT: set[str] = set()


def need(*peers: str) -> None:
    """Skip a test whose peers cannot run here; fail it in CI."""
    for peer in peers:
        reason = toolchains.missing(matrix.TOOLCHAINS.get(peer, ""))
        if not reason:
            continue
        if toolchains.in_ci():
            pytest.fail(f"{peer}: {reason}; nothing may be left out in CI")
        _LEFT_OUT.add(f"{peer} ({reason})")
        pytest.skip(f"{peer}: {reason}")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Build all drivers and start the endpoint; drivers start when they are asked."""
    toolchains.build()
    with Endpoint(buckets=[BUCKET]) as endpoint:
        run = Run(endpoint, tmp_path_factory.mktemp("interop"))
        yield run
        run.close()


@pytest.fixture(scope="session")
def versity() -> Iterator[S3Server]:
    """Run a server of S3 for all tests; each makes its own buckets."""
    need("versitygw")
    with versitygw(toolchains.versitygw()) as server:
        yield server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was left out."""
    for entry in sorted(_LEFT_OUT):
        terminalreporter.write_line(f"interop left out: {entry}")
