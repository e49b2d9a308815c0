"""``--inventory``: passes over the objects of an inventory instead of a listing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, succeed
from tests.support.inventories import MANIFEST, Line, lines_of, of_oss

import cipherbucket as cb


@pytest.fixture
def name(url: str) -> str:
    """Return the name of the store, which is that of the bucket."""
    return url.rpartition("/")[2]


@pytest.fixture
def manifest(url: str, name: str, bucket: cb.Bucket, tmp_path: Path) -> Path:
    """Put two objects, write an inventory, and put another."""
    bucket.put("a/1", b"1")
    bucket.put("a/2", b"2")
    written = of_oss([*lines_of(bucket.access.store, name), Line("a/gone", bucket=name)])
    written.further["sourceBucket"] = name
    bucket.put("a/new", b"3")
    inventories = tmp_path / "inventories"
    cb.make_bucket(f"file://{inventories}")
    with cb.open_store(f"file://{inventories}") as store:
        written.into(store)
    return written.below(tmp_path / "inventory")


def test_rotate_takes_the_objects_of_an_inventory(
    url: str, manifest: Path, bucket: cb.Bucket, key_file: Path, other_key_file: Path
) -> None:
    keys = ("-k", other_key_file, "-k", key_file)
    told = succeed("rotate", "-r", *keys, "--inventory", manifest, url).stdout
    assert "rotated                  2 objects" in told
    assert "1 object  deleted since it was listed" in told
    assert "made at 2026-11-29 00:00 UTC; what was written since was not looked at" in told
    again = succeed("rotate", "-r", "--json", *keys, url).stdout.splitlines()
    summary = json.loads(again[-1])
    assert summary["inventory"] is None
    assert (summary["counts"]["done"]["objects"], summary["reasons"]) == (
        1,
        {"under the new key already": 2},
    )


def test_verify_and_audit_take_the_manifest_of_a_bucket(
    url: str, manifest: Path, key_file: Path, tmp_path: Path
) -> None:
    there = f"file://{tmp_path}/inventories/{MANIFEST}"
    told = succeed("verify", "-r", "-k", key_file, "--inventory", there, url).stdout
    assert "2 objects verified" in told
    assert "1 object gone since they were listed" in told
    assert "inventory made at 2026-11-29 00:00 UTC" in told
    result = invoke("audit", "-k", key_file, "--retire", "desc=none", "--inventory", there, url)
    assert result.exit_code == 7
    assert "unknown" in result.stdout
    assert "2 objects" in result.stdout
    assert "2026-11-29 00:00 UTC" in result.stdout


def test_the_inventory_of_another_bucket_is_refused_unless_it_is_named(
    url: str, manifest: Path, name: str, key_file: Path, tmp_path: Path
) -> None:
    whole = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps(whole | {"sourceBucket": "other", "files": []}))
    result = invoke("audit", "--inventory", manifest, url)
    assert result.exit_code == 2
    assert "an inventory of bucket 'other'" in error_of(result)
    assert "--inventory-of 'other'" in error_of(result)
    succeed("audit", "--inventory", manifest, "--inventory-of", "other", url)


@pytest.mark.parametrize(
    "words",
    [
        ("rotate", "--inventory", "m"),
        ("rotate", "-r", "--inventory-of", "b"),
        ("verify", "--inventory", "m"),
        ("audit", "--versions", "--inventory", "m"),
        ("audit", "--inventory", "/no/such/manifest.json"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: tuple[str, ...], url: str, manifest: Path, key_file: Path
) -> None:
    result = invoke(*words, "-k", key_file, f"{url}/a/1")
    assert result.exit_code == 2
    assert "inventory" in result.stderr or "manifest" in result.stderr
