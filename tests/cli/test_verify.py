"""``cipherbucket verify``: what can be read, and what cannot."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, on_terminal, succeed
from tests.support.config_scenes import write_config
from tests.support.sealed_buckets import body_of

import cipherbucket as cb


@pytest.fixture
def full(url: str, bucket: cb.Bucket) -> cb.Bucket:
    """Put two good objects, a plaintext one, and one that was cut off."""
    bucket.put("a/good", b"x" * 1000)
    cb.open_bucket(url, *bucket.ring.keys, format="sealed").put("a/sealed", b"y" * 20_000)
    with cb.open_store(url) as store:
        store.put("a/plain", b"12")
        bucket.put("b/cut", b"x" * 100)
        kept = store.head("b/cut").metadata
        store.put("b/cut", body_of(store, "b/cut")[:50], metadata=kept)
    return bucket


def test_one_object_of_any_format_is_verified(url: str, full: cb.Bucket, key_file: Path) -> None:
    told = succeed("verify", "-k", key_file, f"{url}/a/good").stdout
    assert told == "a/good: verified (format oss, 1,000 bytes)\n"
    told = succeed("verify", "-k", key_file, f"{url}/a/sealed").stdout
    assert told == "a/sealed: verified (format sealed, 20,000 bytes)\n"
    told = succeed("verify", f"{url}/a/plain").stdout
    assert told == "a/plain: not encrypted, of which nothing can be verified (2 bytes)\n"
    facts = json.loads(succeed("verify", "--json", "-k", key_file, f"{url}/a/good").stdout)
    assert (facts["status"], facts["format"], facts["size"]) == ("verified", "oss", 1000)


def test_what_get_refuses_verify_refuses(
    url: str, full: cb.Bucket, key_file: Path, other_key_file: Path
) -> None:
    result = invoke("verify", "-k", key_file, f"{url}/b/cut")
    assert result.exit_code == 5
    assert "50 bytes are stored of 100" in error_of(result)
    assert invoke("verify", "-k", other_key_file, f"{url}/a/good").exit_code == 4
    assert invoke("verify", "-k", key_file, f"{url}/nothing").exit_code == 3
    assert invoke("verify", "-k", key_file, "--format", "sealed", f"{url}/a/good").exit_code == 5
    assert invoke("verify", "-k", key_file, "--format", "oss", f"{url}/a/plain").exit_code == 5


def test_a_tree_is_verified_and_failures_are_told(
    url: str, full: cb.Bucket, key_file: Path
) -> None:
    good = succeed("verify", "-r", "-k", key_file, f"{url}/a")
    assert "2 objects verified" in good.stdout
    assert "1 object not encrypted" in good.stdout
    result = invoke("verify", "-r", "-k", key_file, url)
    assert result.exit_code == 1
    assert "cipherbucket: 'b/cut': 50 bytes are stored of 100" in result.stderr
    assert "b/cut" not in result.stdout
    assert "1 object failed" in result.stdout
    lines = invoke("verify", "-r", "--json", "-k", key_file, url).stdout.splitlines()
    facts = [json.loads(line) for line in lines]
    assert [each["type"] for each in facts] == ["object"] * 4 + ["verify"]
    assert facts[3]["error"] == "IntegrityError"
    assert facts[-1]["counts"]["verified"]["objects"] == 2


def test_a_format_that_is_told_is_the_one_there_must_be(
    url: str, full: cb.Bucket, key_file: Path
) -> None:
    result = invoke("verify", "-r", "-k", key_file, "--format", "sealed", f"{url}/a/")
    assert result.exit_code == 1
    assert "1 object verified" in result.stdout
    assert "2 objects failed" in result.stdout


def test_what_makes_no_sense_together_is_refused(url: str, key_file: Path) -> None:
    result = invoke("verify", "-r", "-k", key_file, "--as-name", "x", url)
    assert result.exit_code == 2
    assert "--as-name is for one object" in error_of(result)


@pytest.mark.parametrize(("folder", "code"), [("", 0), ("/misspelt", 3)])
def test_a_folder_of_nothing_is_told(url: str, key_file: Path, folder: str, code: int) -> None:
    result = invoke("verify", "-r", "-k", key_file, url + folder)
    assert result.exit_code == code
    assert error_of(result) == "cipherbucket: no objects there\n"


def test_progress_is_shown_on_a_terminal(url: str, full: cb.Bucket, key_file: Path) -> None:
    session = on_terminal("verify", "-r", "-k", key_file, f"{url}/a", stdout_piped=True)
    assert session.code == 0
    assert "KiB" in session.screen
    assert b"verified" in session.stdout


def test_the_limits_of_a_rule_hold(
    tmp_path: Path, bucket: cb.Bucket, key_file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a/weak", b"x")
    bucket.put("b/good", b"x")
    settings = (
        f'[stores.records]\nurl = "{url}"\n\n[keys.mine]\nrsa = "{key_file}"\n\n'
        '[[rules]]\nat = "records://a/"\nwrite = "mine"\nmin_rsa_bits = 3072\n'
    )
    write_config(tmp_path, settings)
    monkeypatch.chdir(tmp_path)
    assert invoke("cat", "records://a/weak").exit_code == 5
    result = invoke("verify", "records://a/weak")
    assert result.exit_code == 5
    assert "RSA-2048" in error_of(result)
    assert invoke("verify", "-r", "records://a/").exit_code == 1
    assert succeed("verify", "records://b/good").exit_code == 0
    whole = invoke("verify", "-r", "records://")
    assert whole.exit_code == 1
    assert error_of(whole).startswith(
        "cipherbucket: 'a/weak': the data key is wrapped with RSA-2048"
    )
    assert whole.stdout.splitlines()[-1].startswith("1 object failed")
    assert "1 object verified" in whole.stdout


def test_what_an_earlier_run_has_read_is_said(
    url: str, full: cb.Bucket, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cipherbucket.bulk.ledger._MOMENT", timedelta(0))
    first = invoke("verify", "-r", "-k", key_file, url)
    assert "earlier run" not in first.stdout
    again = invoke("verify", "-r", "-k", key_file, url)
    assert again.exit_code == 1
    assert "3 objects of these were read by an earlier run, begun " in again.stdout


def test_what_to_do_is_said_in_options(url: str, bucket: cb.Bucket, tmp_path: Path) -> None:
    bucket.put("a", b"x")
    elsewhere = tmp_path / "elsewhere.pem"
    cb.create_rsa_key_file(elsewhere, description={"desc": "elsewhere"}, bits=2048)
    result = invoke("verify", "-r", "-k", elsewhere, url)
    assert "read with --force-key KEY" in error_of(result)
    told = invoke("verify", "-r", "--json", "-k", elsewhere, url).stdout.splitlines()
    assert "read with --force-key KEY" in json.loads(told[0])["reason"]
