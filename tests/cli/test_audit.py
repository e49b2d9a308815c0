"""``cipherbucket audit``: what it tells, where, and with which exit code."""

import csv
import json
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, on_terminal, succeed
from tests.support.config_scenes import write_config
from tests.support.envelopes import v1, v2

import cipherbucket as cb
from cipherbucket.server.kms import KmsEndpoint
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import StoredObject


@pytest.fixture
def mixed(url: str, bucket: cb.Bucket) -> cb.Bucket:
    """Put an object of every kind."""
    bucket.put("a/oss", b"x" * 1000)
    vault = cb.AesKey(bytes(32), description={"desc": "vault"})
    cb.open_bucket(url, vault).put("a/sealed", b"y" * 10)
    with cb.open_store(url) as store:
        store.put("b/plain\x1b[31m", b"12")
        store.put("b/v1", b"123", metadata=v1())
        store.put("b/torn", b"1", metadata=v2(start=None))
    return bucket


def test_a_clean_prefix_is_clean(url: str, bucket: cb.Bucket, key_file: Path) -> None:
    bucket.put("a", b"x")
    result = succeed("audit", "-k", key_file, url)
    assert "1 object, 1 byte stored" in result.stdout
    assert "no findings" in result.stdout
    assert "One envelope was opened" in result.stdout
    assert "All of this is what the store says" in result.stdout


def test_findings_are_told_and_show_in_the_exit_code(
    url: str, mixed: cb.Bucket, key_file: Path
) -> None:
    result = invoke("audit", "-k", key_file, url)
    assert result.exit_code == 7
    for line in (
        "            1  not encrypted: b/plain\\x1b[31m",
        "            1  an envelope that cannot be understood: b/torn",
        "            2  a master key that was not given: a/sealed, b/v1",
        "            1  the old V1 format: b/v1",
    ):
        assert line in result.stdout.splitlines()
    assert '{"desc":"mine"}  (SHA256:' in result.stdout
    assert "\x1b" not in result.stdout
    assert succeed("audit", "-k", key_file, f"{url}/a/oss").exit_code == 0


def test_json_is_a_line_an_object_and_one_for_the_whole(url: str, mixed: cb.Bucket) -> None:
    result = invoke("audit", "--json", url)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["type"], line.get("format")) for line in lines] == [
        ("object", "oss"),
        ("object", "sealed"),
        ("object", "plaintext"),
        ("object", "unreadable"),
        ("object", "oss-v1"),
        ("audit", None),
    ]
    assert result.exit_code == 7
    assert lines[-1]["versions"] == "none kept"


def test_whether_a_key_can_go_is_the_exit_code(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a", b"x")
    with cb.open_store(url) as store:
        store.put("plain", b"12")
    for asked in (key_file, f"{key_file}.pub", "desc=mine", '{ "desc" : "mine" }'):
        result = invoke("audit", "--retire", asked, url)
        assert result.exit_code == 7
        assert "be retired? no: 1 object names it\n  a\n" in result.stdout
    misspelled = invoke("audit", "--retire", "desc=old", url)
    assert misspelled.exit_code == 7
    assert "be retired? unknown: no object and no key here goes by that name" in misspelled.stdout
    old = tmp_path / "old.pem"
    cb.create_rsa_key_file(old, description={"desc": "old"}, bits=2048)
    succeed("audit", "-k", key_file, "--retire", old, url)
    # whatever else there is to find
    yes = succeed("audit", "-k", key_file, "-k", old, "--retire", "desc=old", url)
    assert 'Can {"desc":"old"} be retired? yes\n' in yes.stdout
    with cb.open_store(url) as store:
        store.put("torn", b"1", metadata=v2(start=None))
    result = invoke("audit", "--retire", old, url)
    assert result.exit_code == 7
    assert "unknown: 1 object with an envelope that cannot be understood" in result.stdout
    with cb.open_store(url) as store:
        store.put("nameless", b"1", metadata=v2())
    assert (
        "unknown\n  1 object with an envelope that cannot be understood\n"
        "  1 object with a key that is not described\n"
    ) in invoke("audit", "--retire", old, url).stdout


def test_a_key_that_is_none_is_told(url: str, bucket: cb.Bucket, tmp_path: Path) -> None:
    result = invoke("audit", "--retire", tmp_path / "nothing.pem", url)
    assert result.exit_code == 4
    assert "nothing.pem" in error_of(result)
    assert invoke("audit", "--retire", "{", url).exit_code == 2
    assert invoke("audit", "--versions", url).exit_code == 2


def test_files_are_written_whole_and_text_is_left_out(
    url: str, mixed: cb.Bucket, tmp_path: Path
) -> None:
    page, table = tmp_path / "audit.html", tmp_path / "audit.csv"
    result = invoke("audit", "-q", "--html", page, "--csv", table, "--retire", "desc=mine", url)
    assert (result.exit_code, result.stdout, result.stderr) == (7, "", "")
    assert page.read_text().startswith("<!DOCTYPE html>")
    with table.open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert rows["a/oss"]["retire"] == '{"desc":"mine"}'
    assert rows["a/oss"]["plaintext_bytes"] == "1000"
    result = invoke("audit", "--html", tmp_path / "no" / "audit.html", url)
    assert result.exit_code == 2
    assert "cannot be written" in error_of(result)


def test_an_empty_prefix_is_told(url: str, bucket: cb.Bucket) -> None:
    result = invoke("audit", f"{url}/nothing")
    assert result.exit_code == 3
    assert "no object's name begins so" in result.stderr
    assert invoke("audit", url).exit_code == 0


def test_progress_is_shown_on_a_terminal_alone(url: str, bucket: cb.Bucket) -> None:
    bucket.put("a", b"x")
    assert succeed("audit", url).stderr == ""
    session = on_terminal("audit", url, stdout_piped=True)
    assert session.code == 0
    assert "objects looked at" in session.screen
    assert b"no findings" in session.stdout
    assert "looked at" not in on_terminal("audit", "-q", url, stdout_piped=True).screen


def test_the_kms_is_asked_where_that_is_wanted(url: str) -> None:
    with KmsEndpoint(aliases=["alias/one"]) as kms:
        env = {
            "KMS_ENDPOINT": kms.url,
            "OSS_ACCESS_KEY_ID": kms.access_key_id,
            "OSS_ACCESS_KEY_SECRET": kms.access_key_secret,
            "OSS_SESSION_TOKEN": kms.security_token or "",
        }
        key_id = kms.key_id("alias/one")
        settings = cb.KmsSettings(
            endpoint=kms.url,
            credentials=cb.Credentials(
                kms.access_key_id, kms.access_key_secret, kms.security_token
            ),
        )
        key = cb.AliKmsKey(key_id, settings, description={"team": "billing"})
        cb.open_bucket(url, key).put("a", b"x")
        result = invoke("audit", "--retire", f"kms={key_id}", url, env=env)
        assert result.exit_code == 7
        assert (
            "be retired? unknown\n  1 object of KMS keys whose ids are not known" in result.stdout
        )
        result = invoke("audit", "--ask-kms", "--retire", f"kms={key_id}", url, env=env)
        assert result.exit_code == 7, result.output
        assert f"KMS: {key_id}" in result.stdout
        assert "be retired? no: 1 object names it" in result.stdout


def test_stores_and_keys_have_the_names_of_the_settings_file(
    tmp_path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(
        tmp_path,
        f'[stores.records]\nurl = "file://{tmp_path}/records"\n\n[keys.mine]\nrsa = "{key_file}"\n'
        '\n[keys.lost]\nrsa = "lost.pem"\ndescription = { desc = "lost" }\n'
        '\n[keys.cloud]\nkms = "1234abcd"\ndescription = { team = "billing" }\n',
    )
    monkeypatch.chdir(tmp_path)
    bucket = cb.open_bucket(f"file://{tmp_path}/records", cb.load_key(key_file))
    bucket.put("a", b"x")
    result = succeed("audit", "records://")
    assert "One envelope was opened" in result.stdout
    assert "cipherbucket: key lost is left out: " in result.stderr
    assert "cipherbucket: key cloud is left out: " in result.stderr
    result = invoke("audit", "--retire", "mine", "records://a")
    assert result.exit_code == 7
    assert "be retired? no: 1 object names it" in result.stdout
    for known in ("desc=lost", "team=billing", "kms=1234abcd"):
        for given in ((), ("-k", key_file)):
            succeed("audit", *given, "--retire", known, "records://")
    monkeypatch.setenv("KMS_ENDPOINT", "http://127.0.0.1:9")
    for misspelled in ("desc=lots", "team=biling", "kms=1234abce", "kms:1234abce"):
        result = invoke("audit", "--retire", misspelled, "records://")
        assert result.exit_code == 7
        assert "be retired? unknown: no object and no key here" in result.stdout
    assert "a: verified" in succeed("verify", "records://a").stdout


def test_why_objects_were_not_looked_at_and_keys_are_unknown_is_said(
    url: str, mixed: cb.Bucket, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cb.open_store(url) as store:
        kind = type(store)
        for number in range(5):
            store.put(f"c/{number}", b"1")
    looked = kind._head

    def head(self: Store, name: str, version_id: str | None) -> StoredObject:
        if name.startswith("c/"):
            text = f"refused (HTTP 403, request {name[-1]}A7F-9)" if name != "c/4" else "rotten"
            raise cb.StoreError(text)
        return looked(self, name, version_id)

    monkeypatch.setattr(kind, "_head", head)
    unused = tmp_path / "unused.pem"
    cb.create_rsa_key_file(unused, description={"desc": "unused"}, bits=2048)
    told = invoke("audit", "-k", key_file, "-k", unused, url).stdout
    assert "5  could not be looked at: c/0, c/1, c/2, ...\n" in told
    assert "\n               4 for: refused (HTTP 403, request ...)\n" in told
    assert "\n               1 for: rotten\n" in told
    assert "unknown (1)  RSA" in told
    (note,) = (line for line in told.splitlines() if line.strip().startswith("(1) "))
    assert note.strip().startswith("(1) 5 objects could not be looked at; 1 object with an env")
