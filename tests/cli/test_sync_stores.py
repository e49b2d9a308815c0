"""``sync`` from store to store, and listings that fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.runs import contents, invoke, planned, succeed, synced
from tests.support.served_oss import oss_environment

import cipherbucket as cb
from cipherbucket.cli.copying.listings import Item, merged
from cipherbucket.server import Endpoint

FORMATS = ["oss", "sealed"]


def test_stores_need_no_keys(url: str, key_file: Path, old_tree: Path, tmp_path: Path) -> None:
    other = f"file://{tmp_path}/other"
    cb.make_bucket(other)
    synced("-k", key_file, old_tree, f"{url}/oss")
    synced("-k", key_file, "--format", "sealed", old_tree, f"{url}/sealed")
    assert synced(url, other).startswith("copied 6 objects, ")
    for options in ((), ("--checksum",), ("--delete",)):
        assert synced(*options, url, other) == "copied 0 objects, 0 bytes; 6 unchanged"
    with cb.open_bucket(url, cb.load_key(key_file)) as here:
        here.put("oss/a.txt", b"55")
        here.delete("oss/top é")
    with cb.open_bucket(other) as there:
        there.delete("sealed/a.txt")
    assert planned("--delete", url, other) == [
        "would copy oss/a.txt (newer)",
        "would copy sealed/a.txt (not there)",
        "would delete oss/top é",
    ]
    assert planned("--checksum", url, other) == [
        "would copy oss/a.txt (other content)",
        "would copy sealed/a.txt (not there)",
    ]
    synced("--delete", url, other)
    down = tmp_path / "down"
    synced("-k", key_file, "--accept", "sealed", other, down)
    assert contents(down / "sealed") == contents(old_tree)
    assert set(contents(down / "oss")) == {"a.txt", "a/b/deep"}


def test_another_prefix_takes_the_key_of_what_is_sealed_under_its_name(
    url: str, key_file: Path, old_tree: Path, tmp_path: Path
) -> None:
    synced("-k", key_file, "--format", "sealed", old_tree, f"{url}/here")
    other = f"file://{tmp_path}/other"
    cb.make_bucket(other)
    refused = invoke("sync", f"{url}/here", f"{other}/there/and/further")
    assert refused.exit_code == 1
    assert refused.stderr.count("it is sealed under its name") == 3
    ends = ("-k", key_file, f"{url}/here", f"{other}/there/and/further")
    assert synced(*ends).startswith("copied 3 objects")
    assert (
        synced(*ends) == "copied 0 objects, 0 bytes; 3 unchanged"
    )  # though other bytes are stored
    within = ("-k", key_file, "--format", "sealed", f"{url}/here", f"{url}/there")
    assert synced(*within).startswith("copied 3 objects")
    assert synced(*within) == "copied 0 objects, 0 bytes; 3 unchanged"


def test_from_oss_to_a_folder_without_any_key(
    key_file: Path, old_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = f"file://{tmp_path}/mirror"
    cb.make_bucket(mirror)
    with Endpoint(buckets=["examplebucket"]) as endpoint:
        for name, value in oss_environment(endpoint).items():
            monkeypatch.setenv(name, value)
        oss = "oss://examplebucket"
        for layout in FORMATS:
            keyed = ("-k", key_file, "--format", layout)
            synced(*keyed, old_tree, f"{oss}/{layout}")
            assert synced(*keyed, old_tree, f"{oss}/{layout}").endswith("; 3 unchanged")
            synced(*keyed, f"{oss}/{layout}", tmp_path / layout)
            assert contents(tmp_path / layout) == contents(old_tree)
            for ends in (
                (f"{oss}/{layout}", tmp_path / layout),
                (tmp_path / layout, f"{oss}/{layout}"),
            ):
                assert synced("-k", key_file, "--accept", "sealed", *ends).endswith("; 3 unchanged")
        assert synced(oss, mirror).startswith("copied 6 objects")
        assert synced("--delete", oss, mirror) == "copied 0 objects, 0 bytes; 6 unchanged"
        assert synced("--checksum", oss, mirror) == "copied 0 objects, 0 bytes; 6 unchanged"
        assert synced("--checksum", mirror, oss) == "copied 0 objects, 0 bytes; 6 unchanged"
    for layout in FORMATS:
        keyed = ("-k", key_file, "--format", layout)
        synced(*keyed, f"{mirror}/{layout}", tmp_path / "back" / layout)
        assert contents(tmp_path / "back" / layout) == contents(old_tree)


def test_from_one_region_to_another(
    key_file: Path, old_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "the-same-for-both"
    with (
        Endpoint(buckets=["same"], access_key_secret=secret) as here,
        Endpoint(buckets=["same"], access_key_secret=secret) as there,
    ):
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", here.access_key_id)
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", secret)
        monkeypatch.setenv("OSS_REGION", there.region)
        monkeypatch.setenv("OSS_ENDPOINT", here.url)
        synced("-k", key_file, "--format", "sealed", old_tree, "oss://same/p")
        monkeypatch.setenv("OSS_ENDPOINT", there.url)
        source = ("--source-region", here.region, "--source-endpoint", here.url)
        assert synced(*source, "oss://same/", "oss://same/").startswith("copied 3 objects")
        assert synced(*source, "oss://same/", "oss://same/").endswith("; 3 unchanged")
        succeed("cp", *source, "oss://same/p/a.txt", "oss://same/p/a.txt")
        synced("-k", key_file, "--format", "sealed", "oss://same/p", tmp_path / "down")
    assert contents(tmp_path / "down") == contents(old_tree)


def test_a_region_of_the_source_takes_its_own_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[cb.OssSettings | None] = []

    def opened(url: str, *_: object, settings: cb.OssSettings | None = None, **__: object) -> None:
        asked.append(settings)
        raise cb.StoreError("enough seen")

    monkeypatch.setenv("OSS_ENDPOINT", "https://oss-cn-beijing.aliyuncs.com")
    monkeypatch.setattr(cb, "open_bucket", opened)
    invoke("cp", "--source-region", "cn-hangzhou", "oss://old/a", "oss://new/a")
    (settings,) = asked
    assert settings is not None
    assert (settings.region, settings.endpoint) == ("cn-hangzhou", "")
    for ends in (("file", "oss://b/"), ("oss://b/a", "file"), ("file:///s/a", "oss://b/")):
        assert invoke("cp", "--source-region", "cn-hangzhou", *ends).exit_code == 2


@pytest.mark.parametrize("broken", ["source", "target"])
@pytest.mark.parametrize("how", ["breaks off", "is not in order"])
def test_nothing_is_deleted_when_a_listing_fails(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    how: str,
) -> None:
    other = f"file://{tmp_path}/other"
    cb.make_bucket(other)
    for name in ("1", "2", "3"):
        bucket.put(name, b"")
    with cb.open_bucket(other, cb.load_key(key_file)) as there:
        for name in ("0", "4", "5"):
            there.put(name, b"")
    whole, culprit = cb.Bucket.list, url if broken == "source" else other

    def failing(self: cb.Bucket, prefix: str = "", *, delimiter: str = "") -> Iterator[cb.Entry]:
        entries = list(whole(self, prefix, delimiter=delimiter))
        if self.url == culprit and how == "is not in order":
            entries = [entries[1], entries[0], *entries[2:]]
        yield from entries
        if self.url == culprit and how == "breaks off":
            raise cb.StoreError("the second page failed")

    monkeypatch.setattr(cb.Bucket, "list", failing)
    result = invoke("sync", "--delete", url, other)
    assert result.exit_code == 6
    assert ("the second page failed" in result.stderr) is (how == "breaks off")
    monkeypatch.undo()
    with cb.open_bucket(other) as there:
        assert {"0", "4", "5"} <= {entry.name for entry in there.list()}


def items(*names: str) -> Iterator[Item]:
    return (Item(name, 0, 0) for name in names)


def test_two_listings_side_by_side() -> None:
    pairs = list(merged(items("a", "b", "é"), items("b", "c", "z", "é")))
    assert [(p.relative, p.source is not None, p.target is not None) for p in pairs] == [
        ("a", True, False),
        ("b", True, True),
        ("c", False, True),
        ("z", False, True),
        ("é", True, True),
    ]
    assert list(merged(items(), items())) == []
    for wrong in (("b", "a"), ("a", "a")):
        with pytest.raises(cb.StoreError, match="not in order"):
            list(merged(items(*wrong), items()))
