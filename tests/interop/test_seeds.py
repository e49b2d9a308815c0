"""The programs that the documents print for RSA keys, run against the local endpoint.

Strategy: they are compiled as printed but for what go/seeds/ADAPTED.md and java/seeds/ADAPTED.md
list, and run as processes. What they wrote is read by us. Those that read only what they wrote
themselves cannot read ours; a driver of the same SDK does, with the program's key and description.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.interop.conftest import need
from tests.interop.peers import Client, Key, open_ours
from tests.interop.run import Run
from tests.interop.toolchains import GO_BIN, java_command

GO_DESCRIPTION = {"desc": "<your master encrypt key material describe information>"}
GO_DESCRIPTION_AGAIN = {"desc": "your master encrypt key material describe information"}
JAVA_DESCRIPTION = {"desc-key": "desc-value"}
GO_BODY = b"yourObjectValueByteArrary"
JAVA_BODY = b"Hello OSS!"
SECONDS = 60


def start(run: Run, command: list[str], key: Key, **more: str) -> str:
    """Run a program with its settings in the environment; return what it printed."""
    settings = {
        "OSS_ENDPOINT": run.client.endpoint,
        "OSS_ACCESS_KEY_ID": run.client.access_key_id,
        "OSS_ACCESS_KEY_SECRET": run.client.access_key_secret,
        "OSS_BUCKET": run.client.bucket,
        "RSA_PUBLIC_KEY": key.public,
        "RSA_PRIVATE_KEY": key.pkcs1,
        **more,
    }
    result = subprocess.run(
        command,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


def client_of(run: Run, key: Key, description: dict[str, str]) -> Client:
    """Return a client as a program has it: one key, its description, signature V1."""
    return replace(run.client, keys=(key.labelled(description),), signature="v1")


@pytest.mark.parametrize(
    ("program", "description"),
    [("put_get", GO_DESCRIPTION), ("put_get_again", GO_DESCRIPTION_AGAIN)],
)
def test_we_read_what_the_go_program_put_and_its_sdk_reads_ours(
    run: Run, program: str, description: dict[str, str]
) -> None:
    need("Go 1")
    name = f"seeds/go/{program}"
    printed = start(run, [str(GO_BIN / program)], run.first, OSS_OBJECT=name)
    assert printed == f"data: {GO_BODY.decode()}\n"
    client = client_of(run, run.first, description)
    with open_ours(client) as bucket:
        assert bucket.get(name).read() == GO_BODY
        bucket.put(f"{name}/ours", b"ours")
    assert run.peers["Go 1 + manager"].get(client, f"{name}/ours") == b"ours"


def test_we_read_what_the_go_program_uploaded_in_parts(run: Run, tmp_path: Path) -> None:
    need("Go 1")
    body = os.urandom(1_100_003)
    file = tmp_path / "file"
    file.write_bytes(body)
    name = "seeds/go/multipart"
    start(run, [str(GO_BIN / "multipart")], run.first, OSS_OBJECT=name, LOCAL_FILE=str(file))
    with open_ours(client_of(run, run.first, GO_DESCRIPTION)) as bucket:
        assert bucket.get(name).read() == body
        assert bucket.get(name, start=110_001, length=7).read() == body[110_001:110_008]


def test_the_go_program_with_a_cipher_manager_reads_what_we_wrote_under_another_key(
    run: Run,
) -> None:
    need("Go 1")
    other = client_of(run, run.second, {"desc": "other"})
    with open_ours(other) as bucket:
        bucket.put("seeds/go/ours", b"under the other key")
    printed = start(
        run,
        [str(GO_BIN / "other_key")],
        run.first,
        OSS_OBJECT="seeds/go/other_key",
        OTHER_OBJECT="seeds/go/ours",
        OTHER_RSA_PUBLIC_KEY=run.second.public,
        OTHER_RSA_PRIVATE_KEY=run.second.pkcs1,
    )
    assert printed == "data: under the other key\n"
    with open_ours(client_of(run, run.first, GO_DESCRIPTION)) as bucket:
        assert bucket.get("seeds/go/other_key").read() == GO_BODY


def test_we_read_what_the_java_program_put_and_its_sdk_reads_ours(run: Run) -> None:
    need("Java 1")
    name = "seeds/java/demo"
    printed = start(run, java_command("Demo"), run.first, OSS_OBJECT=name)
    assert printed.splitlines()[-2:] == [
        f"Put plain text: {JAVA_BODY.decode()}",
        f"Get and decrypted text: {JAVA_BODY.decode()}",
    ]
    client = client_of(run, run.first, JAVA_DESCRIPTION)
    with open_ours(client) as bucket:
        assert bucket.get(name).read() == JAVA_BODY
        bucket.put(f"{name}/ours", b"ours")
    assert run.peers["Java 1"].get(client, f"{name}/ours") == b"ours"
