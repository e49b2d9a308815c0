"""The command line against an OSS endpoint, as a user with access keys in the environment."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import alibabacloud_oss_v2 as sdk
import pytest
from tests.cli.runs import invoke
from tests.support.plaintexts import pattern

import cipherbucket as cb
from cipherbucket.server import Endpoint

PROGRAM = Path(sys.executable).with_name("cipherbucket")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["examplebucket"]) as running:
        yield running


@pytest.fixture
def environment(endpoint: Endpoint, tmp_path: Path) -> dict[str, str]:
    cb.create_rsa_key_file(tmp_path / "cmk.pem", description={"desc": "2026"}, bits=2048)
    return {
        "PATH": "/usr/bin:/bin",
        "OSS_ACCESS_KEY_ID": endpoint.access_key_id,
        "OSS_ACCESS_KEY_SECRET": endpoint.access_key_secret,
        "CIPHERBUCKET_KEY": str(tmp_path / "cmk.pem"),
        "CIPHERBUCKET_STATE": str(tmp_path / "state"),
    }


def run(environment: dict[str, str], *arguments: str, code: int = 0) -> tuple[bytes, str]:
    """Run a command in this process, as if it had these variables alone."""
    unset = dict.fromkeys(("OSS_REGION", "OSS_ENDPOINT", "OSS_ACCESS_KEY_ID"))
    result = invoke(*arguments, env={**unset, **environment})
    assert result.exit_code == code, result.stderr
    return result.stdout_bytes, result.stderr


def run_program(environment: dict[str, str], *arguments: str) -> bytes:
    """Run the installed program."""
    return subprocess.run(
        [str(PROGRAM), *arguments], env=environment, capture_output=True, check=True
    ).stdout


@pytest.mark.parametrize("debug", [False, True])
def test_missing_access_keys_are_told_in_one_line(
    debug: bool, environment: dict[str, str], endpoint: Endpoint
) -> None:
    # The chain of a machine without any, which asks over the network otherwise.
    code = (
        "import alibabacloud_credentials.client as client\n"
        "import alibabacloud_credentials.provider.refreshable as chain\n"
        "def fail(*_): chain.log.error('the machine has no role'); raise ValueError\n"
        "client.Client = fail\n"
        "from cipherbucket.cli import main; main()"
    )
    options = ["--debug"] if debug else []
    options += ["--region", endpoint.region, "--endpoint", endpoint.url]
    process = subprocess.run(
        [sys.executable, "-c", code, *options, "ls", "oss://examplebucket/"],
        env={"PATH": environment["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 6
    assert "OSS_ACCESS_KEY_ID" in process.stderr
    assert "the machine has no role" not in process.stderr  # it may quote credentials
    if not debug:
        assert process.stderr.count("\n") == 1


def test_the_log_of_a_listing_names_the_bucket(
    environment: dict[str, str], endpoint: Endpoint
) -> None:
    options = ("--debug", "--region", endpoint.region, "--endpoint", endpoint.url)
    _, said = run(environment, *options, "ls", "oss://examplebucket/")
    assert "GET the bucket 'examplebucket': 200" in said
    assert "None" not in said


def test_what_is_tried_again_is_said_in_lines_like_all_others(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "plain").write_bytes(b"x")
    with Endpoint(buckets=["examplebucket"], faults="503=0.4,seed=7") as failing:
        where = ("--region", failing.region, "--endpoint", failing.url)
        env = {
            **environment,
            "OSS_ACCESS_KEY_ID": failing.access_key_id,
            "OSS_ACCESS_KEY_SECRET": failing.access_key_secret,
        }
        copies = [
            run(env, *where, "cp", str(tmp_path / "plain"), f"oss://examplebucket/{i}")
            for i in range(3)
        ]
    said = "".join(stderr for _, stderr in copies)
    lines = said.splitlines()
    assert any("trying again" in line for line in lines)
    assert all(line.startswith("cipherbucket: ") for line in lines)


def test_objects_go_to_oss_and_come_back(
    endpoint: Endpoint, environment: dict[str, str], tmp_path: Path
) -> None:
    where = ("--region", endpoint.region, "--endpoint", endpoint.url)
    plain = pattern(300_000)
    (tmp_path / "plain").write_bytes(plain)
    url = "oss://examplebucket/a b/é"
    run_program(environment, *where, "cp", str(tmp_path / "plain"), url)
    assert run(environment, *where, "cat", url)[0] == plain
    assert run(environment, *where, "cat", "--range", "-5", url)[0] == plain[-5:]
    run(environment, *where, "cp", url, str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == plain
    shown = run(environment, *where, "stat", url)[0].decode()
    assert "AES/CTR/NoPadding" in shown
    assert re.search(r"^modified +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$", shown, re.MULTILINE)
    assert "a b/" in run(environment, *where, "ls", "oss://examplebucket/")[0].decode()
    by_environment = {**environment, "OSS_REGION": endpoint.region, "OSS_ENDPOINT": endpoint.url}
    run(by_environment, "rm", url)
    assert "no such object" in run(by_environment, "cat", url, code=3)[1]


def test_a_presigned_url_needs_the_master_key_alone(
    endpoint: Endpoint, environment: dict[str, str], key: cb.RsaKey, tmp_path: Path
) -> None:
    credentials = cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret)
    settings = cb.OssSettings(
        region=endpoint.region, endpoint=endpoint.url, credentials=credentials
    )
    master = cb.load_key(tmp_path / "cmk.pem")
    with cb.open_bucket("oss://examplebucket", master, settings=settings) as bucket:
        bucket.put("shared", bytes(range(200)))
    config = sdk.config.load_default()
    config.region, config.endpoint = endpoint.region, endpoint.url
    for signature in ("v4", "v1"):
        config.signature_version = signature
        config.credentials_provider = sdk.credentials.StaticCredentialsProvider(
            credentials.access_key_id, credentials.access_key_secret
        )
        request = sdk.GetObjectRequest(bucket="examplebucket", key="shared")
        url = sdk.Client(config).presign(request, expires=timedelta(minutes=5)).url
        alone = {"PATH": "/usr/bin:/bin", "CIPHERBUCKET_KEY": environment["CIPHERBUCKET_KEY"]}
        assert run(alone, "cat", url)[0] == bytes(range(200))
        assert run(alone, "cat", "--range", "17-20", url)[0] == bytes([17, 18, 19, 20])
        tampered = url.replace("Signature=", "Signature=x").replace("signature=", "signature=x")
        assert "signature does not match" in run(alone, "cat", tampered, code=6)[1]


def test_a_sealed_object_takes_the_way_over_oss(
    endpoint: Endpoint, environment: dict[str, str], tmp_path: Path
) -> None:
    where = ("--region", endpoint.region, "--endpoint", endpoint.url)
    plain = bytes(range(256)) * 200
    (tmp_path / "file").write_bytes(plain)
    url = "oss://examplebucket/sealed/a"
    run(environment, *where, "cp", "--format", "sealed", str(tmp_path / "file"), url)
    assert "--format sealed" in run(environment, *where, "cat", url, code=5)[1]
    for options, expected in (((), plain), (("--range", "-5"), plain[-5:])):
        told = run(environment, *where, "cat", "--format", "sealed", *options, url)
        assert told == (expected, "")
    shown = run(environment, *where, "stat", url)[0].decode()
    assert re.search(r"^envelope +authentic$", shown, re.MULTILINE)
    run(environment, *where, "repair", "--yes", url)
    assert run(environment, *where, "cat", "--format", "sealed", url)[0] == plain
    # As any other tool gets it, without metadata.
    config = sdk.config.load_default()
    config.region, config.endpoint = endpoint.region, endpoint.url
    config.credentials_provider = sdk.credentials.StaticCredentialsProvider(
        endpoint.access_key_id, endpoint.access_key_secret
    )
    request = sdk.GetObjectRequest(bucket="examplebucket", key="sealed/a")
    body = sdk.Client(config).get_object(request).body
    assert body is not None
    (tmp_path / "body").write_bytes(body.read())
    assert run(environment, "cat", "--as-name", "sealed/a", str(tmp_path / "body"))[0] == plain
    presigned = sdk.Client(config).presign(request, expires=timedelta(minutes=5)).url
    # The endpoint is reached by its address, so that the bucket stands in the path.
    refused = run(environment, "cat", "--format", "sealed", presigned, code=5)[1]
    assert "under the name 'sealed/a'" in refused
    args = ("cat", "--format", "sealed", "--as-name", "sealed/a", presigned)
    assert run(environment, *args)[0] == plain


def test_errors_of_the_service_are_one_line_with_its_details(
    endpoint: Endpoint, environment: dict[str, str]
) -> None:
    where = ("--region", endpoint.region, "--endpoint", endpoint.url)
    wrong = {**environment, "OSS_ACCESS_KEY_SECRET": "wrong"}
    _, told = run(wrong, *where, "cat", "oss://examplebucket/a", code=6)
    assert told.count("\n") == 1
    for detail in ("403", "SignatureDoesNotMatch", "EC 0002-", "request ", "127.0.0.1"):
        assert detail in told
    _, told = run(environment, "cat", "oss://examplebucket/a", code=2)
    assert "OSS_REGION" in told
