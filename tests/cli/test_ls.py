"""``ls``: units, totals, and what there is without a URL."""

import json
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, on_terminal, program, succeed

import cipherbucket as cb
from cipherbucket.server import Endpoint


@pytest.fixture
def filled(url: str, bucket: cb.Bucket) -> str:
    for name, size in {"a": 3, "b": 2000, "c/d": 5}.items():
        bucket.put(name, bytes(size))
    return url


def test_sizes_with_units_and_the_total(filled: str) -> None:
    lines = succeed("ls", "-h", "--total", filled).stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["3", "bytes"],
        ["2.0", "KiB"],
        ["c/"],
        ["2.0", "KiB"],
    ]
    assert lines[-1].endswith("  2 objects, 1 folder")
    assert succeed("ls", "-r", "--total", filled).stdout.splitlines()[-1].split() == [
        "2,008",
        "3",
        "objects",
    ]
    assert succeed("ls", filled).stdout.count("\n") == 3  # no total in a pipe


def test_the_total_in_json(filled: str) -> None:
    last = succeed("ls", "--json", "--total", filled).stdout.splitlines()[-1]
    assert json.loads(last) == {"total": True, "objects": 2, "prefixes": 1, "stored_size": 2003}


def test_a_terminal_gets_the_total(filled: str) -> None:
    assert on_terminal("ls", filled).screen.splitlines()[-1].endswith("2 objects, 1 folder")


def test_a_directory_store_has_no_versions(filled: str) -> None:
    result = invoke("ls", "--versions", filled)
    assert result.exit_code == 2
    assert "keeps no versions" in error_of(result)
    screen = on_terminal("ls", "--versions", filled).screen
    assert "keeps no versions" in screen
    assert "STORED" not in screen


def config_in(folder: Path, text: str) -> Path:
    path = folder / "c.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_without_a_url_the_stores_of_the_file_are_listed(url: str, tmp_path: Path) -> None:
    text = f'[stores.records]\nurl = "{url}"\n[stores.far]\nurl = "oss://far-away"\n'
    config = config_in(tmp_path, text)
    result = succeed("--config", config, "ls")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["records://", url],
        ["far://", "oss://far-away"],
    ]
    lines = succeed("--config", config, "ls", "--json").stdout.splitlines()
    assert json.loads(lines[0]) == {"type": "store", "name": "records", "url": url}


@pytest.mark.parametrize("named", [False, True])
def test_without_a_url_the_buckets_of_the_account_are_listed(named: bool, tmp_path: Path) -> None:
    with Endpoint(buckets=["first", "second"]) as endpoint:
        text = f'[stores.f]\nurl = "oss://first"\nregion = "{endpoint.region}"\n'
        text += f'endpoint = "{endpoint.url}"\n'
        env = {
            "OSS_ACCESS_KEY_ID": endpoint.access_key_id,
            "OSS_ACCESS_KEY_SECRET": endpoint.access_key_secret,
        }
        if named:  # where the file alone says how OSS is reached
            result = succeed("--config", config_in(tmp_path, text), "ls", env=env)
        else:
            where = {"OSS_REGION": endpoint.region, "OSS_ENDPOINT": endpoint.url}
            result = succeed("--no-config", "ls", env=env | where)
            line = json.loads(
                succeed("--no-config", "ls", "--json", env=env | where).stdout.splitlines()[0]
            )
            assert line.pop("created")
            assert line == {
                "type": "bucket",
                "name": "first",
                "url": "oss://first",
                "region": endpoint.region,
            }
            assert succeed("--no-config", "ls", "oss://", env=env | where).output == result.output
    urls = [line.split()[0] for line in result.stdout.splitlines()]
    assert urls == (["f://"] if named else []) + ["oss://first", "oss://second"]


def test_the_buckets_are_listed_with_credentials_of_the_default_chain(tmp_path: Path) -> None:
    with Endpoint(buckets=["first"]) as endpoint:
        env = {"OSS_REGION": endpoint.region, "OSS_ENDPOINT": endpoint.url, "HOME": str(tmp_path)}
        keys = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": endpoint.access_key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": endpoint.access_key_secret,
        }
        listed = program("--no-config", "ls", env=env | keys)
        assert listed.stdout.split()[:1] == [b"oss://first"], listed.stderr
        nothing = program("--no-config", "ls", env=env)  # and nobody is asked
        assert nothing.returncode == 2
        assert b"no access key" in nothing.stderr


@pytest.mark.parametrize("has_home", [True, False])
def test_without_a_url_there_may_be_nothing_to_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_home: bool
) -> None:
    env = {"OSS_ACCESS_KEY_ID": None, "OSS_ACCESS_KEY_SECRET": None, "HOME": str(tmp_path)}
    if not has_home:

        def fail(self: Path) -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "expanduser", fail)
    result = invoke("--no-config", "ls", env=env)
    assert result.exit_code == 2
    assert "give the URL of a store" in error_of(result)
    refused = invoke("--no-config", "ls", "-r", "--total", env=env)
    assert "-r and --total: for objects alone (give the URL" in error_of(refused)
