"""The command line on s3://, over versitygw: whole days of a user, command by command."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.runs import invoke, succeed
from tests.support.s3_servers import S3Server, moto, s3_settings
from tests.support.served_oss import oss_environment

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.stores.base import Store
from cipherbucket.stores.s3.store import S3Store

PART = 5 << 20


@pytest.fixture(autouse=True)
def environment(versity: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point at the server as AWS's own programs are pointed at it."""
    for name, text in versity.environment().items():
        monkeypatch.setenv(name, text)


@dataclass
class Place:
    """A bucket by its URL, master keys, and a folder of files."""

    url: str
    store: Store
    folder: Path

    def key(self, name: str) -> Path:
        path = self.folder / f"{name}.pem"
        if not path.exists():
            succeed("keygen", path, "--description", f"desc={name}")
        return path

    def file(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def ciphertext(self, name: str) -> tuple[bytes, dict[str, str]]:
        return ciphertext(self.store, name)


def ciphertext(store: Store, name: str) -> tuple[bytes, dict[str, str]]:
    """Return the stored bytes and the envelope of an object."""
    with store.get(name) as body:
        data = bytearray(body.stop - body.start + 1)
        read = bytes(data[: body.readinto(data)])
        return read, dict(body.stored.metadata)


@pytest.fixture
def place(versity: S3Server, tmp_path: Path) -> Iterator[Place]:
    name = versity.make_bucket()
    with S3Store(name, s3_settings(versity)) as store:
        yield Place(f"s3://{name}", store, tmp_path)


@pytest.fixture(params=["oss", "sealed"])
def format_(request: pytest.FixtureRequest) -> str:
    text: str = request.param
    return text


def names(url: str) -> list[str]:
    out = succeed("ls", "-r", "--json", url).stdout
    return [json.loads(line)["name"] for line in out.splitlines()]


def test_files_there_and_back(place: Place, format_: str) -> None:
    key = place.key("key")
    data = os.urandom(2 * PART + 12_345)
    write = ("-k", key, "--format", format_)
    succeed("cp", *write, "--part-size", "5MiB", place.file("big", data), f"{place.url}/a/big é")
    succeed("cp", *write, "-r", place.file("tree/x/1", b"one").parent.parent, f"{place.url}/tree/")
    assert names(place.url) == ["a/big é", "tree/x/1"]
    succeed("cp", *write, f"{place.url}/a/big é", place.folder / "back")
    assert (place.folder / "back").read_bytes() == data
    cat = invoke("cat", *write, "--range", "5242870-5242889", f"{place.url}/a/big é")
    assert cat.stdout_bytes == data[5_242_870:5_242_890]
    succeed("cp", *write, "-r", f"{place.url}/tree/", place.folder / "out")
    assert (place.folder / "out" / "x" / "1").read_bytes() == b"one"
    assert data[:50] not in place.ciphertext("a/big é")[0]
    assert b"one" not in place.ciphertext("tree/x/1")[0]
    assert "big" in succeed("stat", f"{place.url}/a/big é").stdout
    assert "tree" in succeed("du", place.url).stdout
    assert succeed("verify", *write, "-r", place.url).exit_code == 0
    succeed("rm", "-r", "-f", f"{place.url}/tree/")
    assert names(place.url) == ["a/big é"]


def test_a_copy_and_a_move_keep_the_ciphertext(place: Place) -> None:
    key = place.key("key")
    succeed("cp", "-k", key, place.file("file", b"text"), f"{place.url}/a")
    before = place.ciphertext("a")
    succeed("cp", f"{place.url}/a", f"{place.url}/b/a")
    assert place.ciphertext("b/a") == before
    succeed("mv", f"{place.url}/b/a", f"{place.url}/c/a")
    assert names(place.url) == ["a", "c/a"]
    assert place.ciphertext("c/a") == before
    assert succeed("cat", "-k", key, f"{place.url}/c/a").stdout == "text"


def test_sync_between_stores_needs_no_key(
    place: Place, format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = place.key("key")
    data = os.urandom(PART + 5)
    big = place.file("tree/big", data)
    place.file("tree/sub/small", b"small")
    succeed(
        *("sync", "-k", key, "--format", format_, big.parent, f"{place.url}/", "--part-size"),
        "5MiB",
    )
    before = {name: place.ciphertext(name) for name in names(place.url)}
    assert sorted(before) == ["big", "sub/small"]
    mirror = place.folder / "mirror"
    succeed("mb", f"file://{mirror}")
    with Endpoint(buckets=["mirror"]) as endpoint:
        for name, text in oss_environment(endpoint).items():
            monkeypatch.setenv(name, text)
        succeed("sync", f"{place.url}/", f"file://{mirror}")
        succeed("sync", f"file://{mirror}", "oss://mirror/")
        for url in (f"file://{mirror}", "oss://mirror"):
            with cb.open_store(url) as store:
                assert {name: ciphertext(store, name) for name in before} == before
        read = ("cat", "-k", key, "--format", format_)
        assert succeed(*read, "oss://mirror/sub/small").stdout == "small"
        assert "copied 0 objects" in succeed("sync", f"{place.url}/", "oss://mirror/").output
        succeed("rm", "-r", "-f", f"{place.url}/")
        succeed("sync", "oss://mirror/", f"{place.url}/")
        assert {name: place.ciphertext(name) for name in names(place.url)} == before


def test_another_master_key(place: Place, format_: str) -> None:
    old, new = place.key("old"), place.key("new")
    for name in ("r/1", "r/2"):
        succeed(
            "cp",
            "-k",
            old,
            "--format",
            format_,
            place.file("file", name.encode()),
            f"{place.url}/{name}",
        )
    before = place.ciphertext("r/1")[0]
    succeed("rotate", "-r", "-k", new, "-k", old, f"{place.url}/r/")
    assert place.ciphertext("r/1")[0] == before
    for name in ("r/1", "r/2"):
        assert succeed("cat", "-k", new, "--format", format_, f"{place.url}/{name}").stdout == name
    assert invoke("cat", "-k", old, "--format", format_, f"{place.url}/r/1").exit_code != 0
    succeed("reencrypt", "-r", "-k", new, "--format", format_, f"{place.url}/r/")
    assert place.ciphertext("r/1")[0] != before
    assert succeed("cat", "-k", new, "--format", format_, f"{place.url}/r/1").stdout == "r/1"
    succeed("audit", "-k", new, f"{place.url}/r/")
    succeed("verify", "-r", "-k", new, "--format", format_, "--processes", "2", f"{place.url}/r/")


def test_recipients(place: Place) -> None:
    key, other = place.key("key"), place.key("other")
    write = ("-k", key, "--format", "sealed")
    succeed("cp", *write, place.file("file", b"sealed"), f"{place.url}/s")
    succeed("recipients", "add", "-k", key, "--recipient", other, f"{place.url}/s")
    assert "other" in succeed("recipients", "list", f"{place.url}/s").stdout
    assert succeed("cat", "-k", other, "--format", "sealed", f"{place.url}/s").stdout == "sealed"
    succeed("recipients", "remove", "-k", key, "--recipient", "desc=other", f"{place.url}/s")
    assert invoke("cat", "-k", other, "--format", "sealed", f"{place.url}/s").exit_code != 0


def test_a_presigned_url(place: Place, format_: str) -> None:
    key = place.key("key")
    succeed("cp", "-k", key, "--format", format_, place.file("f", b"by URL"), f"{place.url}/a b")
    url = succeed("presign", f"{place.url}/a b").stdout.strip()
    named = () if format_ == "oss" else ("--as-name", "a b")  # the bucket stands in the path
    assert succeed("cat", "-k", key, "--format", format_, *named, url).stdout == "by URL"


def test_versions(versity: S3Server, tmp_path: Path) -> None:
    url = f"s3://{versity.make_bucket(versioned=True)}"
    key = tmp_path / "key.pem"
    succeed("keygen", key, "--description", "desc=key")
    for text in ("one", "two"):
        (tmp_path / "file").write_text(text)
        succeed("cp", "-k", key, tmp_path / "file", f"{url}/v")
    succeed("rm", "-f", f"{url}/v")
    lines = [json.loads(x) for x in succeed("ls", "--versions", "--json", url).stdout.splitlines()]
    assert [line["name"] for line in lines] == ["v"] * 3
    oldest = lines[-1]["version_id"]
    assert succeed("cat", "-k", key, "--version-id", oldest, f"{url}/v").stdout == "one"


def test_archived_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moto restore them; versitygw has no classes of storage."""
    with moto() as server:
        for name, text in server.environment().items():
            monkeypatch.setenv(name, text)
        bucket = server.make_bucket()
        key = tmp_path / "key.pem"
        succeed("keygen", key, "--description", "desc=key")
        (tmp_path / "file").write_text("cold")
        succeed(
            *("cp", "-k", key, "--storage-class", "GLACIER", tmp_path / "file"),
            f"s3://{bucket}/cold",
        )
        refused = invoke("cat", "-k", key, f"s3://{bucket}/cold")
        assert "must be restored" in refused.stderr
        succeed("restore", "--days", "2", f"s3://{bucket}/cold")
        assert succeed("cat", "-k", key, f"s3://{bucket}/cold").stdout == "cold"


def test_data_frames(place: Place) -> None:
    key = place.key("key")
    frame = pd.DataFrame({"a": range(100)})
    url = "cipherbucket://t.csv"
    options = {"store": place.url, "keys": [str(key)]}
    frame.to_csv(url, index=False, storage_options=options)
    assert pd.read_csv(url, storage_options=options).equals(frame)
    assert b"a\n0" not in place.ciphertext("t.csv")[0]
