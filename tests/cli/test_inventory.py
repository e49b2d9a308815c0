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
    assert "--since 2026-11-29T00:00Z takes it" in told
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


def sealed(url: str, name: str, key_file: Path) -> None:
    with cb.open_bucket(url, cb.load_key(key_file), format="sealed") as bucket:
        bucket.put(name, name.encode())


def readers(*words: object) -> dict[str, int]:
    lines = succeed("recipients", "list", "-r", "--json", *words).stdout.splitlines()
    return {each["name"]: len(each["recipients"]) for each in map(json.loads, lines)}


def test_recipients_take_the_objects_of_an_inventory(
    url: str, manifest: Path, key_file: Path, other_key_file: Path
) -> None:
    for name in ("a/1", "a/2", "a/new"):
        sealed(url, name, key_file)
    over = ("--inventory", manifest, f"{url}/a")
    other = ("-k", key_file, "--recipient", other_key_file)
    told = succeed("recipients", "add", "-r", *other, *over).stdout
    assert "added to                 2 objects" in told
    assert "1 object  deleted since it was listed" in told
    assert readers(url) == {"a/1": 2, "a/2": 2, "a/new": 1}
    result = invoke("recipients", "list", "-r", *over)
    assert "a/2" in result.stdout
    assert "a/new" not in result.stdout
    assert "1 object of the inventory deleted since" in result.stderr
    assert "inventory made at 2026-11-29 00:00 UTC" in result.stderr
    told = succeed("recipients", "remove", "-r", *other, *over).stdout
    assert "removed from             2 objects" in told
    assert readers(url) == {"a/1": 1, "a/2": 1, "a/new": 1}


def test_repair_takes_the_objects_of_an_inventory(url: str, manifest: Path, key_file: Path) -> None:
    for name in ("a/1", "a/new"):
        sealed(url, name, key_file)
        with cb.open_store(url) as store:
            store.replace_metadata(name, metadata={}, headers={})
    over = ("-k", key_file, "--inventory", manifest, url)
    assert "repairing 1 object" in error_of(invoke("repair", "-r", *over))
    assert "repaired                  1 object" in succeed("repair", "-r", "--yes", *over).stdout
    assert readers(url)["a/1"] == 1
    assert readers(url)["a/new"] == 0


def test_since_takes_what_an_inventory_lacks(
    url: str, manifest: Path, bucket: cb.Bucket, key_file: Path, other_key_file: Path
) -> None:
    keys = ("-k", other_key_file, "-k", key_file)
    since = ("--since", bucket.head("a/new").modified.isoformat())
    told = succeed("verify", "-r", "-k", key_file, *since, url).stdout
    assert "1 object verified" in told
    assert "Z; what was written before was not looked at" in told
    assert "1 object" in succeed("audit", "-k", key_file, *since, url).stdout
    assert list(readers(*since, url)) == ["a/new"]
    assert (
        "rotated                   1 object" in succeed("rotate", "-r", *keys, *since, url).stdout
    )
    for command in ("verify", "rotate"):
        none = succeed(command, "-r", *keys, "--since", "2150-01-01T01:00+01:00", f"{url}/a")
        assert "no object" not in none.stderr
        assert "2150-01-01T00:00:00Z; what was written before was not looked at" in none.stdout
    succeed("audit", "--since", "2150-01-01", f"{url}/a")


def test_the_report_for_programs_names_the_time_of_since(url: str, key_file: Path) -> None:
    keyed = ("--json", "-k", key_file)
    for command in (("verify", "-r"), ("rotate", "-r"), ("reencrypt", "-r"), ("audit",)):
        since = ("--since", "2026-01-01T01:00+01:00")
        *_, whole = map(json.loads, succeed(*command, *keyed, *since, url).stdout.splitlines())
        assert whole["since"] == "2026-01-01T00:00:00+00:00"
        *objects, whole = map(json.loads, succeed(*command, *keyed, url).stdout.splitlines())
        assert not any("since" in each for each in (*objects, whole))


@pytest.mark.parametrize(
    "words",
    [
        ("rotate", "--inventory", "m"),
        ("rotate", "-r", "--inventory-of", "b"),
        ("verify", "--inventory", "m"),
        ("repair", "--inventory", "m"),
        ("recipients", "remove", "--recipient", "a=b", "--inventory", "m"),
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("verify", "--since", "2026-11-29"), "--since is for many objects"),
        (("recipients", "list", "--since", "2026-11-29"), "--since is for many objects"),
        (("rotate", "-r", "--since", "yesterday"), "--since: 'yesterday' is no time"),
        (("audit", "--versions", "--since", "2026-11-29"), "leave out --since"),
        (("verify", "-r", "--since", "2026-11-29", "--inventory", "m"), "one after the other"),
    ],
)
def test_since_that_makes_no_sense_is_refused(
    words: tuple[str, ...], said: str, url: str, key_file: Path
) -> None:
    key = () if words[0] == "recipients" else ("-k", key_file)
    result = invoke(*words, *key, f"{url}/a/1")
    assert result.exit_code == 2
    assert said in result.stderr
