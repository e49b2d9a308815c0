"""URLs of stores and objects: taken as written, split where the disk says."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from pwd import getpwuid
from typing import Any

import pytest

from cipherbucket.errors import MissingExtraError, StoreError, UsageError
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.oss.settings import OssSettings
from cipherbucket.stores.s3.settings import S3Settings
from cipherbucket.stores.urls import (
    SETTINGS,
    check_store_url,
    list_buckets,
    make_bucket,
    open_store,
    split_url,
)


@pytest.fixture
def bucket(tmp_path: Path) -> str:
    url = f"file://{tmp_path}/data/store"
    make_bucket(url)
    return url


def test_a_folder_is_opened_and_made(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/new/store"
    with open_store(url) as store:
        assert isinstance(store, LocalStore)
        assert store.url == url
        store.put("a", b"1")
    with open_store(f"{url}/") as store:
        assert store.url == url
        assert store.head("a").size == 1


def test_folders_are_taken_as_written(tmp_path: Path) -> None:
    with open_store(f"file://{tmp_path}/a%20b?c#d é") as store:
        assert (tmp_path / "a%20b?c#d é" / "index.sqlite").is_file()
        assert store.url == f"file://{tmp_path}/a%20b?c#d é"


def test_named_memory_is_shared_and_unnamed_is_not() -> None:
    with open_store("memory://address") as first, open_store("memory://address/") as second:
        assert isinstance(first, MemoryStore)
        assert first is second
        assert first.url == "memory://address"
    assert open_store("memory://") is not open_store("memory://")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "store",
        "/data/store",
        "file:store",
        "file:/data/store",
        "file://store",
        "file://host/data",
        "file:///a\0b",
        "FILE:///data",
        "http://host/data",
        "S3://bucket",
        "memory:",
        "memory://a/b",
    ],
)
def test_other_urls_are_refused_with_what_is_allowed(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url)
    assert "memory://name" in str(caught.value.hint)
    assert "file:///folder" in str(caught.value.hint)


@pytest.mark.parametrize("scheme", ["oss", "s3"])
@pytest.mark.parametrize("rest", ["", "b", "Bucket", "a_b", "a/b", "-ab", "ab-", "a" * 64, "ab\n"])
def test_what_names_no_bucket_is_refused(scheme: str, rest: str) -> None:
    for refuse in (open_store, check_store_url):
        with pytest.raises(UsageError, match="is not the URL of a bucket"):
            refuse(f"{scheme}://{rest}")


@pytest.mark.parametrize("rest", ["192.168.0.1", "a..b", ".ab", "ab.", "a-.b", "a.-b"])
def test_what_names_no_s3_bucket_is_refused(rest: str) -> None:
    for url in (f"s3://{rest}", f"s3://{rest}/"):
        with pytest.raises(UsageError, match="is not the URL of a bucket"):
            open_store(url)


@pytest.mark.parametrize("name", ["abc", "a.b.c", "a--b.1", "1.2.3.4.5", "a" * 63, "x-s3alias"])
def test_an_s3_bucket_is_opened_without_a_request(name: str) -> None:
    for url in (f"s3://{name}", f"s3://{name}/"):
        with open_store(url, S3Settings(endpoint="http://127.0.0.1:1")) as store:
            assert store.url == f"s3://{name}"


def test_settings_of_another_service_are_refused_saying_which_fit() -> None:
    with pytest.raises(UsageError, match="s3://bucket does not take OssSettings") as caught:
        open_store("s3://bucket", OssSettings(region="cn-hangzhou"))
    assert caught.value.hint == "give settings=S3Settings(...)"
    with pytest.raises(UsageError, match="oss://bucket does not take S3Settings") as caught:
        open_store("oss://bucket", S3Settings())
    assert caught.value.hint == "give settings=OssSettings(...)"


@pytest.mark.parametrize(
    ("scheme", "sdk", "packages"),
    [("oss", "alibabacloud_oss_v2", "alibabacloud-oss-v2"), ("s3", "botocore", "boto3[crt]")],
)
def test_a_missing_sdk_is_an_error_that_says_what_to_install(
    scheme: str, sdk: str, packages: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("cipherbucket.stores.")]:
        if name.split(".")[2] == scheme and not name.endswith(".settings"):
            monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name == sdk or name.startswith(f"{sdk}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, sdk, None)
    with pytest.raises(MissingExtraError) as caught:
        open_store(f"{scheme}://bucket")
    assert packages in str(caught.value.hint)
    with pytest.raises(MissingExtraError):
        next(list_buckets(SETTINGS[scheme]()))


def test_oss_without_region_or_endpoint_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OSS_REGION", "OSS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="needs a region or an endpoint") as caught:
        open_store("oss://bucket")
    assert "OSS_REGION" in str(caught.value.hint)
    with pytest.raises(UsageError, match="signature V4 needs the region"):
        open_store("oss://bucket", OssSettings(endpoint="http://127.0.0.1:1"))


@pytest.mark.parametrize("url", ["oss://bucket", "s3://bucket"])
def test_buckets_of_services_are_not_made_here(url: str) -> None:
    with pytest.raises(UsageError, match="only directory stores are made here"):
        make_bucket(url)


@pytest.mark.parametrize(
    "name",
    ["a", "a/b", "..", "../../etc/passwd", ".", "//", "/a", "a/", "a//b", "a%2Fb", "a?b#c", " é"],
)
def test_the_name_is_the_rest_character_by_character(bucket: str, name: str) -> None:
    assert split_url(f"{bucket}/{name}") == (bucket, name)
    for store in ("memory://bucket", "oss://bucket", "s3://my.bucket"):
        assert split_url(f"{store}/{name}") == (store, name)


def test_a_store_alone_has_no_name(bucket: str) -> None:
    assert split_url(bucket) == (bucket, "")
    assert split_url(f"{bucket}/") == (bucket, "")
    assert split_url("memory://bucket") == ("memory://bucket", "")
    assert split_url("memory://bucket/") == ("memory://bucket", "")


def test_the_path_to_the_store_is_not_normalised(bucket: str, tmp_path: Path) -> None:
    around = f"file://{tmp_path}/data/../data//store"
    assert split_url(f"{around}/x/../y") == (around, "x/../y")
    with open_store(around) as store:
        store.put("a", b"1")
    with open_store(bucket) as store:
        assert store.head("a").size == 1


def test_the_innermost_store_counts(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").touch()  # in a folder above, as anybody can put one into /tmp
    for name in ("", "a", "a/b", "..", "/a", "bodies/../../store/a"):
        assert split_url(f"{bucket}/{name}") == (bucket, name)


@pytest.mark.parametrize(
    "name", ["bodies/../a", "bodies/../../store/a", "../other/a", "bodies/out/a", "bodies/./a"]
)
def test_a_name_leads_into_no_other_store(bucket: str, tmp_path: Path, name: str) -> None:
    make_bucket(f"file://{tmp_path}/data/other")
    (tmp_path / "data/store/bodies/out").symlink_to(tmp_path / "data/other")
    assert split_url(f"{bucket}/{name}") == (bucket, name)


@pytest.mark.skipif(os.getuid() != 0, reason="another user's file is made by root")
def test_a_strangers_store_gives_way_to_one_of_ours_behind_a_link(
    bucket: str, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "link").symlink_to(tmp_path / "data")
    (shared / "index.sqlite").touch()
    os.chown(shared / "index.sqlite", 65534, 65534)
    assert split_url(f"file://{shared}/link/store/a") == (f"file://{shared}/link/store", "a")
    away = f"file://{shared}/../data/store/a"  # a name in the stranger's listing may read so
    assert split_url(away) == (f"file://{shared}", "../data/store/a")
    make_bucket(f"file://{shared}/new")


def test_objects_without_a_store(tmp_path: Path) -> None:
    for url in (f"file://{tmp_path}/none/a", f"file://{tmp_path}", "file:///" + "x" * 5000):
        with pytest.raises(UsageError, match="no directory store at or above") as caught:
            split_url(url)
        assert "cipherbucket mb file:///" in str(caught.value.hint)
        assert "cipherbucket repair --index file:///" in str(caught.value.hint)
    with pytest.raises(UsageError, match="name"):
        split_url("memory:///a")


def test_making_a_bucket(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    make_bucket(f"file://{empty}")
    assert LocalStore.is_store(empty)
    with pytest.raises(UsageError, match="already"):
        make_bucket(f"file://{empty}")
    with pytest.raises(UsageError, match="memory"):
        make_bucket("memory://a")


def test_no_store_among_other_things(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    for verb in (make_bucket, open_store):
        with pytest.raises(UsageError, match=r"thesis\.tex"):
            verb(f"file://{tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_no_store_in_a_store(bucket: str) -> None:
    for verb in (make_bucket, open_store):
        with pytest.raises(UsageError, match="inside"):
            verb(f"{bucket}/inner/store")


def test_no_store_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        open_store(f"file://{tmp_path}/file")
    with pytest.raises(StoreError):
        open_store(f"file://{tmp_path}/file/store")


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a store in it, as another user sees it who may not look into it."""
    folder = tmp_path / "theirs"
    make_bucket(f"file://{folder}/store")
    folder.chmod(0o700)
    plain = os.stat

    def stat(path: object, *args: Any, **more: Any) -> os.stat_result:
        if str(path).startswith(f"{folder}/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return plain(path, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("os.stat", stat)
    return folder


@pytest.mark.parametrize("use", [split_url, open_store, make_bucket])
@pytest.mark.parametrize("below", ["", "/store", "/store/a/b"])
def test_a_folder_without_rights_is_reported_with_its_owner(
    locked: Path, use: Callable[[str], object], below: str
) -> None:
    owner = f"user {getpwuid(os.getuid()).pw_name}"
    with pytest.raises(StoreError, match="permission denied") as caught:
        use(f"file://{locked}{below}")
    assert f"file://{locked} may not be looked into" in str(caught.value)
    assert str(caught.value).endswith(f"; it belongs to {owner}, mode 0700")
    assert "repair" not in str(caught.value.hint)


def test_a_store_below_a_folder_that_only_may_not_be_listed_is_found(bucket: str) -> None:
    Path(bucket.removeprefix("file://")).parent.chmod(0o100)
    assert split_url(f"{bucket}/a") == (bucket, "a")
