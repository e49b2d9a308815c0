"""``cipherbucket serve --kms``: a KMS beside the store, for the same access key."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.cli.runs import PROGRAM, base, error_of, invoke
from tests.support.kms_client import KmsClient

from cipherbucket.server.kms import KmsEndpoint

SECRET = "known-secret"


def printed_by(process: subprocess.Popen[str]) -> str:
    """Return what it prints of both endpoints."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.match(r"It speaks http;|    java -D", line):
            break
    return "".join(lines)


def client_of(printed: str, tls: Path | None) -> KmsClient:
    """Return a client of the KMS that printed this."""
    found = re.search(r"KMS endpoint at (https?)://127\.0\.0\.1:(\d+)", printed)
    assert found
    assert (found[1] == "https") == (tls is not None)
    return KmsClient(KmsEndpoint(port=int(found[2]), access_key_secret=SECRET, tls=tls))


@pytest.mark.parametrize("https", [False, True])
def test_it_serves_both_and_keeps_the_keys(tmp_path: Path, https: bool) -> None:
    data, tls = tmp_path / "oss", tmp_path / "tls" if https else None
    command = [*PROGRAM, "serve", "--kms", "--kms-key", "alias/example", "--data", str(data)]
    command += ["--kms-tls", str(tls)] if tls else []
    env = {**base(), "OSS_ACCESS_KEY_SECRET": SECRET}
    ids = set()
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
            printed = printed_by(process)
            assert "OSS endpoint at http://" in printed
            assert SECRET not in printed
            call = client_of(printed, tls)
            made = call("GenerateDataKey", KeyId="alias/example")
            assert made.status == 200
            assert made["KeyId"] in printed
            ids.add(made["KeyId"])
            process.terminate()
    assert len(ids) == 1
    assert (data / "kms.sqlite").stat().st_mode & 0o777 == 0o600


def test_faults_and_a_token_are_those_asked_for() -> None:
    command = [*PROGRAM, "serve", "--kms", "--kms-faults", "429"]
    env = {**base(), "OSS_ACCESS_KEY_SECRET": SECRET}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        call = client_of(printed_by(process), None)
        assert call("ListKeys").error == (429, "Rejected.Throttling")
        process.terminate()
    env["OSS_SESSION_TOKEN"] = "token"
    with subprocess.Popen(command[:-2], stdout=subprocess.PIPE, text=True, env=env) as process:
        call = client_of(printed_by(process), None)
        assert call("ListKeys").error == (404, "InvalidAccessKeyId.NotFound")
        assert call("ListKeys", SecurityToken="token").status == 200
        process.terminate()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--kms-port", "9001"), "needs --kms"),
        (("--kms-key", "alias/example"), "needs --kms"),
        (("--kms", "--kms-key", "example"), "is no alias"),
        (("--kms", "--kms-faults", "crc"), "crc"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments: tuple[str, ...], words: str) -> None:
    result = invoke("serve", *arguments)
    assert result.exit_code == 2
    assert words in error_of(result)
