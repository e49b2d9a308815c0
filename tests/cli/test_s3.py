"""Commands on stores in S3: what they have of OSS they have of S3, and whose the options are."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from tests.cli.runs import error_of, invoke
from tests.support.s3_servers import S3Server, moto

from cipherbucket.cli.options.addresses import note_store, take_addresses
from cipherbucket.server import Endpoint


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with moto() as running:
        yield running


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["oss-bucket"]) as running:
        yield running


@pytest.fixture
def env(server: S3Server) -> dict[str, str]:
    return server.environment()


@pytest.fixture
def bucket(server: S3Server) -> str:
    return f"s3://{server.make_bucket()}"


@pytest.fixture
def versioned(server: S3Server) -> str:
    return f"s3://{server.make_bucket(versioned=True)}"


def run(env: dict[str, str], *arguments: object, code: int = 0, stdin: bytes = b"") -> Result:
    result = invoke("--no-config", *arguments, env=env, stdin=stdin)
    assert result.exit_code == code, result.output
    return result


def lines(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def put(env: dict[str, str], key_file: Path, url: str, *options: object) -> None:
    run(env, "cp", "-k", key_file, "-q", *options, "--size", 5, "-", url, stdin=b"hello")


def test_an_object_comes_and_goes(
    env: dict[str, str], bucket: str, key_file: Path, tmp_path: Path
) -> None:
    put(env, key_file, f"{bucket}/a/b.txt")
    assert run(env, "cat", "-k", key_file, f"{bucket}/a/b.txt").stdout == "hello"
    [listed] = lines(run(env, "ls", "--json", "-r", f"{bucket}/"))
    assert listed["name"] == "a/b.txt"
    run(env, "verify", "-k", key_file, "-r", "-q", f"{bucket}/")
    run(env, "sync", "-k", key_file, "-q", f"{bucket}/", tmp_path / "all")
    assert (tmp_path / "all/a/b.txt").read_bytes() == b"hello"
    run(env, "mv", "-q", f"{bucket}/a/b.txt", f"{bucket}/c.txt")
    assert "c.txt" in run(env, "ls", f"{bucket}/").stdout
    run(env, "transfers", f"{bucket}/")
    run(env, "rm", "-q", f"{bucket}/c.txt")
    assert run(env, "ls", f"{bucket}/").stdout == ""


def test_the_buckets_of_the_account_are_listed(
    env: dict[str, str], bucket: str, server: S3Server
) -> None:
    shown = run(env, "ls", "s3://").stdout
    assert bucket in shown
    facts = [each for each in lines(run(env, "ls", "--json", "s3://")) if each["url"] == bucket]
    assert [each["type"] for each in facts] == ["bucket"]
    elsewhere = {**env, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert bucket in run(elsewhere, "--endpoint", server.url, "ls", "s3://").stdout


def test_versions_are_listed_counted_and_read(
    env: dict[str, str], versioned: str, key_file: Path
) -> None:
    for _ in range(2):
        put(env, key_file, f"{versioned}/a")
    run(env, "rm", "-q", f"{versioned}/a")
    found = lines(run(env, "ls", "--versions", "--json", f"{versioned}/a"))
    assert len(found) == 3
    sizes = [
        lines(run(env, "du", "--json", *option, f"{versioned}/")) for option in ([], ["--versions"])
    ]
    assert [each[-1]["objects"] for each in sizes] == [0, 2]
    old = next(each["version_id"] for each in found if not each["is_delete_marker"])
    read = run(env, "cat", "-k", key_file, "--version-id", old, f"{versioned}/a")
    assert read.stdout == "hello"


def test_classes_of_storage_are_shown_and_archives_restored(
    env: dict[str, str], bucket: str, key_file: Path
) -> None:
    put(env, key_file, f"{bucket}/cold", "--storage-class", "glacier")
    put(env, key_file, f"{bucket}/warm")
    assert "GLACIER" in run(env, "ls", "-l", f"{bucket}/").stdout
    done = run(env, "restore", "-r", "-v", f"{bucket}/")
    assert "restoring 1 object" in done.output
    assert "not archived" in done.output


def test_acl_tags_and_encryption_are_those_of_s3(
    env: dict[str, str], bucket: str, key_file: Path, server: S3Server
) -> None:
    options = ("--tag", "a=b c", "--acl", "Public-Read", "--server-side-encryption", "AWS:KMS")
    put(env, key_file, f"{bucket}/a", *options)
    name = bucket.removeprefix("s3://")
    tags = server.client.get_object_tagging(Bucket=name, Key="a")["TagSet"]
    assert tags == [{"Key": "a", "Value": "b c"}]
    head = server.client.head_object(Bucket=name, Key="a")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert len(server.client.get_object_acl(Bucket=name, Key="a")["Grants"]) == 2
    shown = json.loads(run(env, "stat", "--json", f"{bucket}/a").stdout)
    assert shown["name"] == "a"


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--storage-class", "coldarchive", "GLACIER_IR"),
        ("--server-side-encryption", "SM4", "aws:kms"),
    ],
)
def test_values_of_another_service_are_refused(
    env: dict[str, str], bucket: str, key_file: Path, option: str, value: str, allowed: str
) -> None:
    refused = run(env, "cp", "-k", key_file, option, value, key_file, f"{bucket}/a", code=2)
    assert f"{option}: stores in s3:// have no" in error_of(refused)
    assert allowed in error_of(refused)
    refused = run(env, "cp", "-k", key_file, "--acl", "bucket-owner-read", "a", "oss://b/a", code=2)
    assert "stores in oss:// have no" in error_of(refused)


@pytest.mark.parametrize("format_", ["oss", "sealed"])
def test_a_presigned_url_is_read_without_access_keys(
    env: dict[str, str], bucket: str, key_file: Path, format_: str
) -> None:
    put(env, key_file, f"{bucket}/a b", "--format", format_)
    url = run(env, "presign", "--expires", "10m", f"{bucket}/a b").stdout.strip()
    assert "X-Amz-Expires=600" in url
    assert run({}, "cat", "-k", key_file, "--format", format_, url).stdout == "hello"


def test_an_endpoint_without_a_scheme_is_asked_by_https(
    env: dict[str, str], server: S3Server, bucket: str
) -> None:
    host = server.url.removeprefix("http://")
    failed = run(env, "--endpoint", host, "ls", f"{bucket}/", code=6)
    assert "write the endpoint with http://" in failed.stderr


def test_an_endpoint_that_is_none_is_refused(env: dict[str, str], bucket: str) -> None:
    refused = run(env, "--endpoint", "http://host/path", "ls", f"{bucket}/", code=2)
    assert "s3://BUCKET" in error_of(refused)


def test_the_region_of_s3_is_not_that_of_a_kms_key(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSS_REGION", "cn-hangzhou")
    monkeypatch.delenv("AWS_REGION", raising=False)
    meta: dict[str, object] = {}
    take_addresses(meta, {"--region": "eu-central-1", "--endpoint": None})
    assert os.environ["OSS_REGION"] == "eu-central-1"
    note_store(meta, bucket)
    assert (os.environ["OSS_REGION"], os.environ["AWS_REGION"]) == ("cn-hangzhou", "eu-central-1")


def test_options_of_the_program_are_those_of_the_service_that_is_used(
    env: dict[str, str], bucket: str, key_file: Path, server: S3Server, tmp_path: Path
) -> None:
    put(env, key_file, f"{bucket}/a")
    del env["AWS_ENDPOINT_URL"], env["AWS_REGION"], env["AWS_DEFAULT_REGION"]
    there = ("--region", "us-east-1", "--endpoint", server.url)
    run(env, *there, "ls", f"{bucket}/a")
    profiles = tmp_path / "config"
    profiles.write_text(
        f"[profile tests]\nregion = us-east-1\nendpoint_url = {server.url}\n"
        "aws_access_key_id = AKIATESTS\naws_secret_access_key = secret\n"
    )
    by_profile = {"AWS_CONFIG_FILE": str(profiles), "AWS_EC2_METADATA_DISABLED": "true"}
    run(by_profile, "--profile", "tests", "ls", f"{bucket}/a")
    unknown = run(by_profile, "--profile", "none", "ls", f"{bucket}/a", code=2)
    assert "none" in error_of(unknown)


def test_one_region_for_two_services_is_refused(env: dict[str, str], bucket: str) -> None:
    for option in (("--region", "x"), ("--endpoint", "http://127.0.0.1:1")):
        for places in ((bucket, "oss://oss-bucket"), ("oss://oss-bucket", bucket)):
            refused = run(env, *option, "sync", *(f"{each}/" for each in places), code=2)
            assert f"{option[0]}: of OSS or of S3?" in error_of(refused)
            assert "AWS_REGION" in error_of(refused)


def test_what_is_said_of_the_source_is_of_its_service(
    env: dict[str, str], bucket: str, key_file: Path, endpoint: Endpoint, server: S3Server
) -> None:
    env |= {
        "OSS_ACCESS_KEY_ID": endpoint.access_key_id,
        "OSS_ACCESS_KEY_SECRET": endpoint.access_key_secret,
        "OSS_REGION": endpoint.region,
        "OSS_ENDPOINT": endpoint.url,
    }
    put(env, key_file, f"{bucket}/from-s3")
    env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
    source = ("--source-region", "us-east-1", "--source-endpoint", server.url)
    run(env, "sync", "-q", *source, f"{bucket}/", "oss://oss-bucket/")
    assert run(env, "cat", "-k", key_file, "oss://oss-bucket/from-s3").stdout == "hello"
    env["AWS_ENDPOINT_URL"], env["OSS_ENDPOINT"] = server.url, "http://127.0.0.1:1"
    source = ("--source-region", endpoint.region, "--source-endpoint", endpoint.url)
    for processes in ((), ("--processes", 1)):
        target = f"{bucket}/copy{len(processes)}"
        run(env, "sync", "-q", *source, *processes, "oss://oss-bucket/", f"{target}/")
        assert run(env, "cat", "-k", key_file, f"{target}/from-s3").stdout == "hello"


def test_a_store_by_name_is_reached_as_the_file_says(
    env: dict[str, str], bucket: str, key_file: Path, server: S3Server, tmp_path: Path
) -> None:
    config = tmp_path / "cipherbucket.toml"
    text = f'[stores.cloud]\nurl = "{bucket}"\nendpoint = "{server.url}"\naddressing = "path"\n'
    text += f'[keys.k]\nrsa = "{key_file}"\n[[rules]]\nat = "cloud"\nwrite = "k"\n'
    config.write_text(text)
    del env["AWS_ENDPOINT_URL"]
    source = tmp_path / "a.txt"
    source.write_text("hello")
    copied = invoke("--config", config, "cp", "-q", source, "cloud://a", env=env)
    assert copied.exit_code == 0, copied.output
    listed = invoke("--config", config, "ls", "s3://", env=env)
    assert bucket in listed.stdout
    assert invoke("--config", config, "cat", "cloud://a", env=env).exit_code == 0


def test_one_bucket_of_two_protocols_is_one_place(env: dict[str, str], key_file: Path) -> None:
    env["AWS_ENDPOINT_URL"] = "https://s3.oss-cn-hangzhou.aliyuncs.com"
    env["OSS_REGION"] = "cn-hangzhou"
    refused = run(env, "sync", "s3://bucket/", "oss://bucket/", code=2)
    assert "source and target are the same place" in error_of(refused)


def test_without_boto3_the_error_says_what_to_install(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cipherbucket.stores.s3.store", "cipherbucket.stores.s3.client"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "cipherbucket.stores.s3.boto", None)
    refused = run({}, "ls", f"{bucket}/", code=1)
    assert "boto3[crt]" in error_of(refused)
