"""``cipherbucket.toml`` on the command line: stores and keys by name, and the rules."""

import json
from pathlib import Path

import pytest
from tests.cli.runs import contents, error_of, invoke, succeed
from tests.support.config_scenes import write_config

import cipherbucket as cb
from cipherbucket.config.stores import RESERVED
from cipherbucket.server import Endpoint
from cipherbucket.server.kms import KmsEndpoint

RULES = """
[stores.records]
url = "file://{folder}/records"

[stores.copies]
url = "file://{folder}/copies"

[keys.mine]
rsa = "mine.pem"
description = { desc = "mine" }

[keys.vault]
aes = "vault.key"

[keys.recovery]
rsa = "mine.pem.pub"
formats = ["sealed"]
description = { desc = "recovery" }

[[rules]]
at = "records"
write = "mine"

[[rules]]
at = "records/ledger"
write = "vault"
recipients = ["recovery"]

[[rules]]
at = "copies"
write = "vault"
"""


@pytest.fixture
def team(tmp_path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, cb.Bucket]:
    """Work in a folder with a key file, and give the stores as the library sees them."""
    for suffix in ("", ".pub"):
        (tmp_path / f"mine.pem{suffix}").write_bytes(Path(f"{key_file}{suffix}").read_bytes())
        (tmp_path / f"mine.pem{suffix}").chmod(0o600)
    cb.create_aes_key_file(tmp_path / "vault.key", description={"desc": "vault"})
    write_config(tmp_path, RULES)
    for name in ("records", "copies"):
        cb.make_bucket(f"file://{tmp_path}/{name}")
    monkeypatch.chdir(tmp_path)
    config = cb.load_config()
    return {name: config.open(name) for name in ("records", "records/ledger/", "copies")}


def written_as(bucket: cb.Bucket, name: str) -> tuple[str | None, list[str]]:
    info = bucket.head(name)
    assert info.envelope is not None
    return info.format, [each.description["desc"] for each in info.envelope.recipients]


def test_a_store_by_name_is_written_and_read_as_its_rule_says(
    team: dict[str, cb.Bucket], tmp_path: Path
) -> None:
    succeed("cp", "-", "records://a", stdin=b"1")
    succeed("cp", "-", "records://ledger/b", stdin=b"2")
    succeed("cp", "-", f"file://{tmp_path}/records/ledger/c", stdin=b"3")
    assert written_as(team["records"], "a") == ("oss", ["mine"])
    for name in ("ledger/b", "ledger/c"):
        assert written_as(team["records"], name) == ("sealed", ["vault", "recovery"])
    for name, data in (("a", "1"), ("ledger/b", "2"), ("ledger/c", "3")):
        assert succeed("cat", f"records://{name}").stdout == data
        assert "opens with" in succeed("stat", f"records://{name}").stdout
    assert "found by" in succeed("keys", "check", "records://ledger/b").stdout
    assert succeed("stat", "records://a").stdout.count("mine (SHA256:") == 1
    names = [
        json.loads(line)["name"]
        for line in succeed("ls", "-r", "--json", "records://").stdout.splitlines()
    ]
    assert names == ["a", "ledger/b", "ledger/c"]
    succeed("rm", "records://a")
    assert invoke("cat", "records://a").exit_code == 3


def test_a_rule_for_sealed_is_not_written_around(team: dict[str, cb.Bucket]) -> None:
    with cb.open_store(team["records"].url) as store:
        store.put("ledger/x", b"plain")
    assert invoke("cat", "records://ledger/x").exit_code == 5
    succeed("cp", "-k", "mine", "-", "records://ledger/y", stdin=b"1")
    assert written_as(team["records"], "ledger/y")[0] == "sealed"  # -k goes before the key alone
    refused = invoke("cp", "-k", "recovery", "--format", "oss", "-", "records://z", stdin=b"1")
    assert refused.exit_code == 4
    assert "is not for format oss" in error_of(refused)


@pytest.mark.parametrize(
    "args",
    [
        ("tree", "records://"),
        ("-k", "mine", "tree", "records://"),
        ("records://", "back"),
        ("records://", "copies://"),
    ],
)
def test_a_sync_that_deletes_where_several_rules_hold_is_refused_before_anything_is_done(
    team: dict[str, cb.Bucket], old_tree: Path, args: tuple[str, ...], tmp_path: Path
) -> None:
    team["records"].put("a", b"1")
    before = contents(tmp_path)
    result = invoke("sync", "--delete", *args)
    assert result.exit_code == 2
    assert "'records/ledger' (line 24)" in error_of(result)
    assert contents(tmp_path) == before
    succeed("sync", *args)  # what no other rule holds for


def test_below_one_rule_trees_go(team: dict[str, cb.Bucket], old_tree: Path) -> None:
    succeed("cp", "-r", "tree", "records://ledger/tree")
    succeed("sync", "tree", "records://ledger/tree/")
    assert written_as(team["records"], "ledger/tree/a.txt") == (
        "sealed",
        ["vault", "recovery"],
    )
    succeed("cp", "tree/a.txt", "records://")
    assert written_as(team["records"], "a.txt") == ("oss", ["mine"])
    succeed("cp", "-r", "records://ledger/tree", "back")
    assert contents(Path("back")) == contents(old_tree)


@pytest.mark.parametrize("target", ["copies://a", "records://ledger/a"])
def test_a_copy_under_another_rule_is_encrypted_for_its_key(
    team: dict[str, cb.Bucket], target: str
) -> None:
    team["records"].put("a", b"1")
    succeed("cp", "records://a", target)
    bucket, name = (team["copies"], "a") if "copies" in target else (team["records"], "ledger/a")
    assert written_as(bucket, name)[0] == "sealed"
    assert written_as(bucket, name)[1][0] == "vault"
    assert succeed("cat", target).stdout == "1"
    succeed("cp", "copies://a" if "copies" in target else target, "records://again")
    assert written_as(team["records"], "again") == ("oss", ["mine"])


def test_a_key_and_a_file_of_one_name_are_ambiguous(
    team: dict[str, cb.Bucket], key_file: Path
) -> None:
    team["records"].put("a", b"1")
    assert succeed("cat", "-k", "mine", "records://a").stdout == "1"
    Path("mine").write_bytes(key_file.read_bytes())
    Path("mine").chmod(0o600)
    result = invoke("cat", "-k", "mine", "records://a")
    assert result.exit_code == 2
    assert "./mine for the file" in error_of(result)
    assert succeed("cat", "--force-key", "./mine", "records://a").stdout == "1"
    missing = invoke("cat", "-k", "mime", "records://a")
    assert missing.exit_code == 4
    assert "mine, vault, recovery" in error_of(missing)


def test_the_file_may_be_named_and_what_is_wrong_with_it_is_one_line(
    team: dict[str, cb.Bucket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.toml"
    other.write_text('[stores.others]\nurl = "memory://cli-config"\nregoin = "x"\n')
    other.chmod(0o600)
    for arguments, env in ((("--config", other), {}), ((), {"CIPHERBUCKET_CONFIG": str(other)})):
        result = invoke(*arguments, "ls", "others://", env=env)
        assert result.exit_code == 2
        assert f"{other}:3: [stores.others] regoin: unknown name (did you mean region?" in error_of(
            result
        )
    assert invoke("--config", tmp_path / "none.toml", "ls", "records://").exit_code == 2
    assert "no store 'recods'" in error_of(invoke("ls", "recods://"))
    result = invoke("--debug", "ls", "records://")
    assert f"stores and keys are those of {tmp_path}/cipherbucket.toml" in result.stderr
    Path("cipherbucket.toml").chmod(0o666)
    assert "chmod go-w" in error_of(invoke("ls", "records://"))
    monkeypatch.chdir("/")
    assert invoke("ls", "records://").exit_code == 2


def test_an_oss_store_is_reached_as_the_file_says(
    tmp_path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OSS_REGION", "OSS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with Endpoint(buckets=["examplebucket"]) as endpoint:
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", endpoint.access_key_id)
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", endpoint.access_key_secret)
        config = tmp_path / "c.toml"
        config.write_text(
            f'[stores.r]\nurl = "oss://examplebucket"\nregion = "{endpoint.region}"\n'
            f'endpoint = "{endpoint.url}"\n[keys.k]\nrsa = "{key_file}"\n'
        )
        config.chmod(0o600)
        env = {"CIPHERBUCKET_CONFIG": str(config)}
        succeed("cp", "-", "r://a", stdin=b"1", env=env)
        assert succeed("cat", "r://a", env=env).stdout == "1"
        assert succeed("cat", "oss://examplebucket/a", env=env).stdout == "1"
        assert succeed("ls", "r://", env=env).stdout.endswith(" a\n")
        elsewhere = {**env, "OSS_ENDPOINT": "http://127.0.0.1:1", "OSS_REGION": "x"}
        assert invoke("ls", "r://", env=elsewhere).exit_code == 6


def test_a_key_in_a_kms_works_wherever_a_key_does(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key_file: Path
) -> None:
    with KmsEndpoint(aliases=["alias/example"]) as kms:
        key_id = kms.key_id("alias/example")
        for name, value in (
            ("OSS_ACCESS_KEY_ID", kms.access_key_id),
            ("OSS_ACCESS_KEY_SECRET", kms.access_key_secret),
            ("KMS_ENDPOINT", kms.url),
            ("OSS_REGION", "cn-hangzhou"),
        ):
            monkeypatch.setenv(name, value)
        (tmp_path / "big").write_bytes(bytes(300_000))
        for key, format_ in ((f"kms:{key_id}", "oss"), ("kms:alias/example", "sealed")):
            k = ("-k", key)
            succeed("cp", *k, "--format", format_, tmp_path / "big", f"{url}/a")
            read = succeed("cat", *k, "--format", format_, "--range", "-5", f"{url}/a")
            assert read.stdout == "\0" * 5
            opening = f"{key} ({key.removeprefix('kms:')}), found by its description"
            assert opening in succeed("stat", *k, f"{url}/a").stdout
            assert succeed("keys", "check", *k, f"{url}/a").stdout.startswith(f"yes: {key} ")
            (tmp_path / "out").unlink(missing_ok=True)
            succeed("sync", *k, "--format", format_, url, tmp_path / "down")
            forced = ("--force-key", f"kms:{key_id}", "--format", format_)
            succeed("cp", *forced, f"{url}/a", tmp_path / "out")
            assert (tmp_path / "out").read_bytes() == bytes(300_000)
        recipient = ("--format", "sealed", "--recipient", "kms:alias/example")
        succeed("cp", "-k", key_file, *recipient, "-", f"{url}/b", stdin=b"1")
        env = {"CIPHERBUCKET_KEY": f"kms:alias/example:{key_file}"}
        assert succeed("cat", "--format", "sealed", f"{url}/b", env=env).stdout == "1"
        assert succeed("keys", env=env).stdout.count("works") == 2
    down = invoke("cat", "-k", "kms:alias/example", "--format", "sealed", f"{url}/b")
    assert down.exit_code == 4
    assert "Traceback" not in down.stderr


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.pem:/b/c.pem:", ["a.pem", "/b/c.pem"]),
        ("kms:alias/x", ["kms:alias/x"]),
        ("a:kms:alias/x:b", ["a", "kms:alias/x", "b"]),
        (
            "kms:acs:kms:cn-x:12:key/k-1:kms:k-2:mykms:z",
            ["kms:acs:kms:cn-x:12:key/k-1", "kms:k-2", "mykms", "z"],
        ),
    ],
)
def test_keys_in_the_environment_are_parted(text: str, parts: list[str]) -> None:
    from cipherbucket.cli.options.config import KeyName

    assert KeyName().split_envvar_value(text) == parts


def test_rotation_and_audit_go_by_the_rules_too(team: dict[str, cb.Bucket]) -> None:
    mine = team["records"].ring.writer()
    vault = team["records/ledger/"].ring.writer("sealed")
    old = cb.open_bucket(team["records"].url, mine, vault, format="sealed")
    old.put("ledger/a", b"1")
    assert written_as(old, "ledger/a") == ("sealed", ["mine"])
    audited = succeed("audit", "--json", "records://ledger/").stdout
    assert '"desc": "mine"' in audited.replace('\\"', '"').replace('":"', '": "')
    succeed("rotate", "records://ledger/a")
    assert written_as(old, "ledger/a")[1][0] == "vault"
    old.put("ledger/a", b"1")
    succeed("rotate", "-r", "records://ledger/")
    assert written_as(old, "ledger/a")[1][0] == "vault"
    old.put("ledger/a", b"1")
    succeed("rotate", "-r", "records://")
    assert written_as(old, "ledger/a")[1][0] == "vault"
    assert succeed("verify", "-r", "records://ledger/").exit_code == 0


@pytest.mark.parametrize("scheme", sorted(RESERVED))
def test_what_no_store_can_be_called_names_no_store(scheme: str) -> None:
    said = error_of(invoke("ls", f"{scheme}://nowhere/x"))
    assert "no cipherbucket.toml was found" not in said
    assert "no cipherbucket.toml was found" in error_of(invoke("ls", f"{scheme}-2://nowhere/x"))
