"""``cipherbucket serve``: it says where it is, and serves, until it is told to stop."""

import re
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cli.runs import PROGRAM, base, error_of, invoke
from tests.support.wire_client import WireClient

from cipherbucket.server import Endpoint


def client_of(printed: str, secret: str) -> WireClient:
    """Return a client of the endpoint that printed this."""
    found = re.search(r"http://127\.0\.0\.1:(\d+)", printed)
    assert found
    return WireClient(Endpoint(port=int(found[1]), access_key_secret=secret), "examplebucket")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    command = [*PROGRAM, "serve", "--bucket", "examplebucket", "--data", str(tmp_path / "oss")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=base()) as process:
        assert process.stdout
        printed = "".join(iter(process.stdout.readline, "\n"))
        secret = re.search(r"secret +(\S+)", printed)
        assert secret
        send = client_of(printed, secret[1])
        assert send("PUT", "k", body=b"1").status == 200
        process.send_signal(number)
        assert process.wait(30) == (0 if number == signal.SIGINT else 143)
    assert (tmp_path / "oss" / "catalog.sqlite").exists()


def test_a_secret_of_the_environment_is_used_and_not_printed() -> None:
    command = [*PROGRAM, "serve", "--bucket", "examplebucket"]
    env = {**base(), "OSS_ACCESS_KEY_SECRET": "known-secret", "OSS_SESSION_TOKEN": "token"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout
        printed = "".join(iter(process.stdout.readline, "\n"))
        assert "known-secret" not in printed
        send = client_of(printed, "known-secret")
        assert send("PUT", "k").error == (403, "InvalidAccessKeyId")
        assert send("PUT", "k", x_oss_security_token="token").status == 200
        process.terminate()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--faults", "fire"), 2, "fire"),
        (("--bucket", "BAD"), 2, "BAD"),
        (("--host", "192.0.2.1"), 6, "take an address of this machine"),
        (("--host", "nowhere.invalid"), 6, "take an address of this machine"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = invoke("serve", *arguments)
    assert result.exit_code == code
    assert words in error_of(result)
