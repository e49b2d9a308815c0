"""aws and rclone on what we wrote to S3, over versitygw: they list, copy and presign ciphertext.

What they fetch is decrypted here: a sealed object from its file alone, one of format oss with the
metadata that they fetch beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.runs import succeed
from tests.interop.conftest import need
from tests.interop.toolchains import tool
from tests.support.s3_servers import S3Server, s3_settings

import cipherbucket as cb
from cipherbucket.stores.s3.store import S3Store

DATA = os.urandom((6 << 20) + 5)
SMALL = b"a small text"
NAMES = ["oss/a b/é", "oss/small", "sealed/a b/é", "sealed/small"]


@pytest.fixture(autouse=True)
def environment(versity: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point all programs at the server."""
    need("tools")
    own = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": versity.url,
        "REGION": "us-east-1",
        "ACCESS_KEY_ID": versity.access_key_id,
        "SECRET_ACCESS_KEY": versity.access_key_secret,
    }
    rclone = {f"RCLONE_CONFIG_GW_{name}": text for name, text in own.items()}
    for name, text in (versity.environment() | rclone | {"RCLONE_CONFIG": os.devnull}).items():
        monkeypatch.setenv(name, text)


@pytest.fixture
def bucket(versity: S3Server, key: cb.RsaKey) -> Iterator[str]:
    """Write objects of both formats, whole and in parts, and return the name of the bucket."""
    name = versity.make_bucket()
    with S3Store(name, s3_settings(versity)) as store:
        for format_ in ("oss", "sealed"):
            opened = cb.Bucket(store, cb.KeyRing(key), format=format_)
            opened.put(f"{format_}/a b/é", DATA)
            opened.put(f"{format_}/small", SMALL)
        yield name


@pytest.fixture
def key_file(key: cb.RsaKey, tmp_path: Path) -> Path:
    """Return the file of a key that other tests have in memory."""
    path = tmp_path / "key.pem"
    cb.create_rsa_key_file(path, description={"desc": "tools"}, bits=2048)
    return path


def run(*command: object) -> str:
    name, *rest = map(str, command)
    done = subprocess.run(
        [str(tool(name)), *rest], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_all(versity: S3Server, name: str, key: cb.RsaKey, under: str = "") -> None:
    """See that every object of a bucket opens."""
    with S3Store(name, s3_settings(versity)) as store:
        for format_ in ("oss", "sealed"):
            opened = cb.Bucket(store, cb.KeyRing(key), format=format_)
            assert opened.get(f"{under}{format_}/a b/é").read() == DATA
            assert opened.get(f"{under}{format_}/small").read() == SMALL


def opens_with(metadata: dict[str, str], fetched: bytes, name: str, key: cb.RsaKey) -> bytes:
    """Decrypt what a tool fetched, with the metadata it fetched."""
    store = cb.MemoryStore()
    store.put(name, fetched, metadata=metadata)
    format_ = name.partition("/")[0]
    return cb.Bucket(store, cb.KeyRing(key), format=format_).get(name).read()


def test_aws_lists_and_fetches(bucket: str, key: cb.RsaKey, tmp_path: Path) -> None:
    listed = run("aws", "s3", "ls", "--recursive", f"s3://{bucket}/")
    assert [line[31:] for line in listed.splitlines()] == NAMES
    for name in NAMES:
        run("aws", "s3", "cp", f"s3://{bucket}/{name}", tmp_path / "fetched")
        head = json.loads(run("aws", "s3api", "head-object", "--bucket", bucket, "--key", name))
        fetched = (tmp_path / "fetched").read_bytes()
        assert SMALL not in fetched
        right = SMALL if name.endswith("small") else DATA
        assert opens_with(head["Metadata"], fetched, name, key) == right


def test_aws_copies_in_the_store(versity: S3Server, bucket: str, key: cb.RsaKey) -> None:
    other = versity.make_bucket()
    run("aws", "s3", "cp", "--recursive", f"s3://{bucket}/", f"s3://{other}/")
    read_all(versity, other, key)


def test_aws_presigns(
    bucket: str, key: cb.RsaKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\ns3 =\n  signature_version = s3v4\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    url = run("aws", "s3", "presign", f"s3://{bucket}/oss/a b/é").strip()
    assert cb.open_url(url, key).read() == DATA


def test_a_sealed_file_that_a_tool_fetched_is_decrypted_alone(
    versity: S3Server, key_file: Path, tmp_path: Path
) -> None:
    url = f"s3://{versity.make_bucket()}/s/1"
    (tmp_path / "plain").write_bytes(DATA)
    succeed("cp", "-k", key_file, "--format", "sealed", tmp_path / "plain", url)
    run("aws", "s3", "cp", url, tmp_path / "by-aws")
    run("rclone", "copyto", url.replace("s3://", "gw:"), tmp_path / "by-rclone")
    for fetched in ("by-aws", "by-rclone"):
        cat = succeed("cat", "-k", key_file, "--as-name", "s/1", tmp_path / fetched)
        assert cat.stdout_bytes == DATA


def test_rclone_lists_and_fetches(bucket: str, key: cb.RsaKey, tmp_path: Path) -> None:
    assert sorted(run("rclone", "lsf", "-R", "--files-only", f"gw:{bucket}").splitlines()) == NAMES
    listed = json.loads(run("rclone", "lsjson", "-R", "-M", "--files-only", f"gw:{bucket}"))
    run("rclone", "copy", f"gw:{bucket}", tmp_path / "fetched")
    for entry in listed:
        name = entry["Path"]
        fetched = (tmp_path / "fetched" / name).read_bytes()
        metadata = {
            key: text
            for key, text in entry["Metadata"].items()
            if key.startswith(("client-side", "cipherbucket"))
        }
        right = SMALL if name.endswith("small") else DATA
        assert opens_with(metadata, fetched, name, key) == right


def test_rclone_copies_in_the_store_and_presigns(
    versity: S3Server, bucket: str, key: cb.RsaKey
) -> None:
    other = versity.make_bucket()
    run("rclone", "sync", f"gw:{bucket}", f"gw:{other}")
    read_all(versity, other, key)
    url = run("rclone", "link", "--expire", "1h", f"gw:{bucket}/oss/small").strip()
    assert cb.open_url(url, key).read() == SMALL
