"""``cipherbucket keys``: the list, and whether each key works."""

import json
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, succeed
from tests.support.config_scenes import make_weak_key, write_config

import cipherbucket as cb
from cipherbucket.server.kms import KmsEndpoint


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(*args: object, code: int = 0) -> dict[str, dict[str, object]]:
    result = invoke("keys", "--json", *args)
    assert result.exit_code == code, result.output
    return {each["name"]: each for each in map(json.loads, result.stdout.splitlines())}


def test_every_kind_of_key_is_tried(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = cb.create_rsa_key_file("cmk.pem", description={"desc": "2026"}, bits=2048)
    cb.create_rsa_key_file("old.pem", description={"desc": "old"}, bits=2048, passphrase="x y")
    cb.create_aes_key_file("vault.key", description={"desc": "vault"})
    with KmsEndpoint(aliases=["alias/example"]) as kms:
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", kms.access_key_id)
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", kms.access_key_secret)
        monkeypatch.setenv("OLD", "x y")
        monkeypatch.delenv("KMS_ENDPOINT", raising=False)
        write_config(
            folder,
            '[keys.public]\nrsa = "cmk.pem.pub"\n'
            '[keys.old]\nrsa = "old.pem"\npassphrase_env = "OLD"\nread_only = true\n'
            '[keys.vault]\naes = "vault.key"\n'
            f'[keys.cloud]\nkms = "alias/example"\nregion = "cn-x"\nendpoint = "{kms.url}"\n',
        )
        text = succeed("keys").stdout
        facts = listed()
        env = {"OLD": "y"}
        assert "passphrase does not open" in invoke("keys", env=env).stdout
    assert facts["public"] == {
        "name": "public",
        "kind": "rsa",
        "id": pair.id,
        "bits": 2048,
        "description": {"desc": "2026"},
        "formats": ["oss", "sealed"],
        "read_only": False,
        "writes": ["oss", "sealed"],
        "reads": False,
        "failure": None,
    }
    assert facts["old"]["read_only"] is True
    assert facts["vault"]["writes"] == ["sealed"]
    assert facts["cloud"]["id"] == "alias/example"
    for words in (
        "writes only (oss, sealed): a public half",
        "reads only, as cipherbucket.toml says",
        "writes (sealed) and reads",
        "writes (oss, sealed) and reads",
    ):
        assert words in text
    failed = listed(code=4)["cloud"]  # the KMS is gone
    assert "KMS" in str(failed["failure"])
    assert "\n" not in str(failed["failure"])


def test_the_keys_of_the_command_line_need_no_file(key_file: Path, tmp_path: Path) -> None:
    facts = listed("-k", key_file, "-k", f"{key_file}.pub")
    assert [each["reads"] for each in facts.values()] == [True, False]
    assert facts[str(key_file)]["formats"] is None
    facts = listed("-k", tmp_path / "none.pem", "-k", key_file, code=4)
    assert "none.pem" in str(facts[str(tmp_path / "none.pem")]["failure"])
    assert facts[str(key_file)]["failure"] is None
    assert "no keys to list" in error_of(invoke("keys"))
    assert invoke("keys").exit_code == 2


def test_a_key_that_cannot_write_is_said_to_read(folder: Path) -> None:
    make_weak_key(folder / "weak.pem")
    assert "reads only: it is too short to write" in succeed("keys", "-k", "weak.pem").stdout


def test_keys_that_cannot_be_told_apart_fail_the_list(folder: Path) -> None:
    for name in ("a.pem", "b.pem"):
        cb.create_rsa_key_file(name, description={"desc": "same"}, bits=2048)
    write_config(folder, '[keys.a]\nrsa = "a.pem"\n[keys.b]\nrsa = "b.pem"\n')
    result = invoke("keys")
    assert result.exit_code == 4
    assert "cipherbucket.toml:3: [keys.b]: it and key a could not be told apart" in result.stderr


def test_a_key_that_others_can_read_is_named(folder: Path) -> None:
    cb.create_rsa_key_file("cmk.pem", description={"desc": "2026"}, bits=2048)
    Path("cmk.pem").chmod(0o640)
    result = succeed("keys", "-k", "cmk.pem")
    assert "warning: key file cmk.pem can be read by other users" in error_of(result)
    assert "chmod 600 cmk.pem" in result.stderr


def test_options_of_the_list_do_not_get_lost_before_check(url: str, key_file: Path) -> None:
    assert invoke("keys", "-k", key_file, "check", f"{url}/a").exit_code == 2
    assert invoke("keys", "--json", "check", "-k", key_file, f"{url}/a").exit_code == 2
