"""``rotate`` and ``reencrypt``: one object, a folder, what is told of what was not done."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.cli.runs import PROGRAM, base, error_of, invoke, succeed
from tests.support.sealed_buckets import body_of

import cipherbucket as cb

EVIL = "old/evil\x1b[2J\u202ename"


@pytest.fixture
def filled(url: str, key_file: Path, other_key_file: Path) -> str:
    """Return the URL of a store: three objects of one key, one of another, one without any."""
    with cb.open_bucket(url, cb.load_key(key_file)) as bucket:
        bucket.put("old/a", b"aaa", metadata={"owner": "me"}, content_type="text/plain")
        bucket.put("old/b", b"")
        bucket.put("outside", b"out")
    with cb.open_bucket(url, cb.load_key(other_key_file)) as bucket:
        bucket.put("old/other", b"other")
    with cb.open_store(url) as store:
        store.put("old/plain", b"plain", metadata={"kept": "yes"})
    return url


@pytest.fixture
def new_key_file(tmp_path: Path) -> Path:
    path = tmp_path / "new.pem"
    cb.create_rsa_key_file(path, description={"desc": "new"}, bits=2048)
    return path


def key_of(url: str, name: str) -> str:
    with cb.open_bucket(url) as bucket:
        envelope = bucket.head(name).envelope
    assert envelope is not None
    return envelope.recipients[0].description["desc"]


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_one_object_gets_the_first_key_and_keeps_all_else(
    filled: str, key_file: Path, new_key_file: Path
) -> None:
    with cb.open_store(filled) as store:
        ciphertext = body_of(store, "old/a")
    done = succeed("rotate", "-k", new_key_file, "-k", key_file, f"{filled}/old/a")
    assert done.stdout == 'rotated: old/a is in format oss for {"desc":"new"}\n'
    again = succeed("rotate", "-k", new_key_file, "-k", key_file, f"{filled}/old/a")
    assert again.stdout.startswith("unchanged: old/a")
    with cb.open_bucket(filled, cb.load_key(new_key_file)) as bucket:
        assert bucket.get("old/a").read() == b"aaa"
        info = bucket.head("old/a")
        assert (info.metadata, info.content_type) == ({"owner": "me"}, "text/plain")
    with cb.open_store(filled) as store:
        assert body_of(store, "old/a") == ciphertext
    assert key_of(filled, "old/b") == "mine"


def test_a_folder_is_rotated_and_what_is_left_is_told(
    filled: str, key_file: Path, new_key_file: Path
) -> None:
    args = ("-r", "-k", new_key_file, "-k", key_file, f"{filled}/old")
    planned = succeed("rotate", *args, "--dry-run", "--only", "desc=mine")
    assert " ".join(planned.stdout.split()).startswith("to be rotated 2 objects 3 bytes")
    assert key_of(filled, "old/a") == "mine"

    result = invoke("rotate", *args)
    assert result.exit_code == 1
    (failure,) = result.stderr.splitlines()
    assert "old/other" in failure
    assert '{"desc":"other"}' in failure
    assert [" ".join(line.split()) for line in result.stdout.splitlines()] == [
        "rotated 2 objects 3 bytes",
        "left as they are 1 object not encrypted",
        "failed 1 object 5 bytes; see above",
    ]
    assert [key_of(filled, name) for name in ("old/a", "old/b", "outside")] == [
        "new",
        "new",
        "mine",
    ]


def test_only_objects_of_a_key_named_by_description_json_or_file(
    filled: str, key_file: Path, other_key_file: Path, new_key_file: Path
) -> None:
    keys = ("-k", new_key_file, "-k", key_file, "-k", other_key_file)
    for only in ("desc=other", '{"desc": "other"}', str(other_key_file)):
        planned = succeed("rotate", "-r", "--dry-run", "--only", only, *keys, filled)
        assert planned.stdout.startswith("to be rotated")
        assert "1 object  5 bytes" in planned.stdout
    succeed("rotate", "-r", "--only", "desc=other", *keys, filled)
    assert key_of(filled, "old/other") == "new"
    assert key_of(filled, "old/a") == "mine"


def test_json_names_each_object_and_ends_with_the_summary(
    filled: str, key_file: Path, new_key_file: Path
) -> None:
    result = invoke("rotate", "-r", "--json", "-k", new_key_file, "-k", key_file, filled)
    assert result.exit_code == 1
    *objects, last = lines(result.stdout)
    assert {each["name"]: each["status"] for each in objects} == {
        "old/a": "done",
        "old/b": "done",
        "old/other": "failed",
        "old/plain": "skipped",
        "outside": "done",
    }
    assert objects[2]["error"] == "NoMatchingKeyError"
    assert {each["type"] for each in objects} == {"object"}
    assert (last["type"], last["schema"], last["url"]) == ("rotate", 1, filled)
    assert last["counts"]["done"] == {"objects": 3, "stored_bytes": 6}
    assert last["reasons"] == {"not encrypted": 1}


def test_names_from_the_store_are_never_written_raw(
    filled: str, key_file: Path, other_key_file: Path, new_key_file: Path
) -> None:
    with cb.open_bucket(filled, cb.load_key(other_key_file)) as bucket:
        bucket.put(EVIL, b"x")
    result = invoke("rotate", "-r", "-k", new_key_file, "-k", key_file, f"{filled}/old")
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output
    assert "evil" in result.stderr


def test_plaintext_is_encrypted_in_place_only_when_asked_for_by_name(
    filled: str, key_file: Path
) -> None:
    refused = invoke("reencrypt", "-k", key_file, f"{filled}/old/plain")
    assert refused.exit_code == 5
    assert "--kind plaintext" in error_of(refused)
    succeed("reencrypt", "-r", "-k", key_file, "--kind", "plaintext", filled)
    with cb.open_bucket(filled, cb.load_key(key_file)) as bucket:
        assert bucket.get("old/plain").read() == b"plain"
        assert bucket.head("old/plain").metadata == {"kept": "yes"}


def test_reencrypt_gives_a_new_data_key_and_new_ciphertext(
    filled: str, key_file: Path, new_key_file: Path
) -> None:
    with cb.open_bucket(filled, cb.load_key(key_file)) as bucket:
        before = bucket.head("old/a")
    done = succeed("reencrypt", "-k", new_key_file, "-k", key_file, f"{filled}/old/a")
    assert done.stdout == 'reencrypted: old/a is in format oss for {"desc":"new"}\n'
    with cb.open_bucket(filled, cb.load_key(new_key_file)) as bucket:
        after = bucket.head("old/a")
        assert bucket.get("old/a").read() == b"aaa"
    assert after.crc64 != before.crc64


def test_objects_become_sealed_when_the_first_key_seals(
    filled: str, key_file: Path, tmp_path: Path
) -> None:
    cb.create_aes_key_file(tmp_path / "vault.key", description={"desc": "vault"})
    args = ("-k", tmp_path / "vault.key", "-k", key_file, "--kind", "oss", "--only", "desc=mine")
    succeed("reencrypt", "-r", *args, filled)
    with cb.open_bucket(filled, cb.load_key(tmp_path / "vault.key")) as vault:
        assert vault.get("outside").read() == b"out"
        assert vault.head("outside").format == "sealed"


@pytest.mark.parametrize("option", [["--json"], ["--only", "desc=mine"], ["--workers", "2"]])
def test_options_of_many_objects_are_refused_for_one(
    filled: str, key_file: Path, option: list[str]
) -> None:
    result = invoke("rotate", *option, "-k", key_file, f"{filled}/old/a")
    assert result.exit_code == 2
    assert "add -r" in error_of(result)


@pytest.mark.parametrize("command", ["rotate", "reencrypt"])
@pytest.mark.parametrize("option", [(), ("--json",), ("--dry-run",)])
def test_a_folder_that_was_mistyped_has_the_exit_code_of_ls(
    filled: str, key_file: Path, tmp_path: Path, command: str, option: tuple[str, ...]
) -> None:
    result = invoke(command, "-r", *option, "-k", key_file, f"{filled}/nothing")
    assert result.exit_code == invoke("ls", f"{filled}/nothing/").exit_code == 3
    assert error_of(result) == "cipherbucket: no objects there\n"
    cb.make_bucket(f"file://{tmp_path}/empty")
    succeed(command, "-r", *option, "-k", key_file, f"file://{tmp_path}/empty")


def test_keys_that_could_not_be_told_apart_are_told_with_the_way_out(
    filled: str, key_file: Path, tmp_path: Path
) -> None:
    bare = [tmp_path / "one.pem", tmp_path / "two.pem"]
    for path in bare:
        cb.create_rsa_key_file(path, description={"desc": "made"}, bits=2048)
        Path(f"{path}.json").unlink()
    result = invoke("rotate", "-r", "-k", bare[0], "-k", bare[1], filled)
    assert result.exit_code == 4
    assert "in FILE.json beside it, or in cipherbucket.toml" in error_of(result)


def test_without_a_key_nothing_is_rotated(filled: str) -> None:
    result = invoke("rotate", "-r", filled)
    assert result.exit_code == 4
    assert key_of(filled, "old/a") == "mine"


def test_a_rotation_that_was_killed_goes_on_and_tells_so(
    url: str, key_file: Path, new_key_file: Path
) -> None:
    with cb.open_bucket(url, cb.load_key(key_file)) as bucket:
        for number in range(300):
            bucket.put(f"{number:04}", b"x")
    args = ("rotate", "-r", "-q", "--workers", "1", "-k", new_key_file, "-k", key_file, url)
    child = subprocess.Popen([*PROGRAM, *map(str, args)], env=base(), start_new_session=True)
    with child, cb.open_bucket(url) as bucket:
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            envelope = bucket.head("0020").envelope
            assert envelope is not None
            if envelope.recipients[0].description["desc"] == "new":
                break
            time.sleep(0.002)
        os.kill(child.pid, signal.SIGKILL)
    result = succeed("rotate", "-r", "-k", new_key_file, "-k", key_file, url)
    first, second, *third = result.stdout.splitlines()
    assert first.startswith("went on after")
    assert first.endswith("of an earlier run, counted here too: 300 objects in all")
    assert f"{300 - len(third)} objects" in second
    # The object that was written as the kill came may not be in the ledger yet.
    told = [" ".join(line.split()) for line in third]
    assert told in ([], ["left as they are 1 object under the new key already"])
    with cb.open_bucket(url, cb.load_key(new_key_file)) as bucket:
        assert all(bucket.get(f"{number:04}").read() == b"x" for number in range(300))
