"""A signal ends ``cipherbucket serve`` without a word, whatever is under way."""

import contextlib
import http.client
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest
from tests.cli.runs import PROGRAM, base
from tests.support.wire_client import WireClient

from cipherbucket.server import Endpoint

SECRET = "known-secret"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
def test_a_signal_during_a_transfer_ends_it_quietly(number: signal.Signals, code: int) -> None:
    command = [*PROGRAM, "serve", "--bucket", "examplebucket"]
    env, pipe = {**base(), "OSS_ACCESS_KEY_SECRET": SECRET}, subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env) as process:
        assert process.stdout
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found
        send = WireClient(Endpoint(port=int(found[1]), access_key_secret=SECRET), "examplebucket")

        def body() -> Iterator[bytes]:
            yield bytes(1 << 20)
            assert send("GET").status == 200  # meanwhile the part before has been received
            process.send_signal(number)
            process.wait()

        with contextlib.suppress(http.client.HTTPException, OSError):
            send("PUT", "name", body=body())
        _, said = process.communicate(timeout=60)
    assert said == ""
    assert process.returncode == code
