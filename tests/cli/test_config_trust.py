"""A ``cipherbucket.toml`` that was only found: what uses it, what stops, and ``config trust``."""

from pathlib import Path

import pytest
from click.testing import Result
from tests.cli.runs import error_of, invoke, succeed

import cipherbucket as cb
from cipherbucket.cli import cli
from cipherbucket.server import Endpoint

TOML = """
[stores.records]
url = "file://{folder}/store"
trusted = true

[stores.cloud]
url = "oss://bucket"
endpoint = "http://127.0.0.1:9"
region = "cn-hangzhou"

[keys.ci]
rsa = "ci.pem.pub"
description = { desc = "ci" }
formats = ["sealed"]
read_only = true

[keys.vault]
aes = "vault.key"
fingerprint = "{vault}"

[[rules]]
at = "records"
write = "vault"
read = ["ci"]
recipients = ["ci"]
accept = ["oss"]
"""
TRUST, WITHOUT = "cipherbucket config trust", "--no-config"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work below a folder from elsewhere, with a file that names a recipient and a host."""
    clone = tmp_path / "clone"
    (clone / "below").mkdir(parents=True)
    cb.create_rsa_key_file(clone / "ci.pem", description={"desc": "ci"}, bits=2048)
    vault = cb.create_aes_key_file(clone / "vault.key", description={"desc": "vault"})
    cb.create_rsa_key_file(tmp_path / "mine.pem", description={"desc": "mine"}, bits=2048)
    cb.make_bucket(f"file://{tmp_path}/store")
    text = TOML.replace("{folder}", str(tmp_path)).replace("{vault}", vault.id)
    (clone / "cipherbucket.toml").write_text(text)
    (clone / "cipherbucket.toml").chmod(0o644)
    for name in ("OSS_REGION", "OSS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "secret")
    monkeypatch.chdir(clone / "below")
    return clone


def run(clone: Path, command: str) -> Result:
    """Run a command in which ``URL`` is the store and ``MINE`` the user's own key file."""
    folder = clone.parent
    line = command.replace("URL", f"file://{folder}/store").replace("MINE", f"{folder}/mine.pem")
    return invoke(*line.split(), stdin=b"1")


def readers(clone: Path, name: str) -> list[dict[str, str]]:
    envelope = cb.open_bucket(f"file://{clone.parent}/store").head(name).envelope
    assert envelope is not None
    return [dict(each.description) for each in envelope.recipients]


@pytest.mark.parametrize(
    "command",
    [
        "ls records://",
        "rm records://a",
        "transfers records://",
        "cp - records://a",
        "cp -k MINE - records://a",
        "cp -k MINE records://a URL/b",
        "cp -k vault - URL/a",
        "cp -k MINE -k vault - URL/a",
        "cp -k MINE --format sealed --recipient ci - URL/a",
        "cp - URL/a",
        "cp URL/a b",
        "cp -r URL/ URL/copy/",
        "sync . URL/",
        "cat URL/a",
        "cat --force-key MINE URL/a",
        "stat URL/a",
        "verify URL/a",
        "verify -r URL/",
        "audit URL/",
        "rotate URL/a",
        "reencrypt -r URL/",
        "repair URL/a",
        "keys",
        "keys check URL/a",
        "keys check -k vault URL/a",
        "ls oss://bucket/",
        "rm oss://bucket/a",
        "cat oss://bucket/a",
    ],
)
def test_a_command_that_would_use_the_file_stops(clone: Path, command: str) -> None:
    result = run(clone, command)
    assert result.exit_code == 2
    line = error_of(result)
    assert f"{clone}/cipherbucket.toml is not trusted yet" in line
    assert TRUST in line
    assert WITHOUT in line


@pytest.mark.parametrize(
    "command",
    [
        "cp -k MINE - URL/b",
        "cp -k MINE URL/a b",
        "cp -k MINE -r URL/ URL/copy/",
        "sync -k MINE . URL/here/",
        "cat -k MINE URL/a",
        "stat -k MINE URL/a",
        "verify -k MINE URL/a",
        "verify -r -k MINE URL/",
        "audit -k MINE URL/",
        "rotate -k MINE URL/a",
        "reencrypt -k MINE -r URL/",
        "keys -k MINE",
        "keys check -k MINE URL/a",
        "ls URL/",
        "rm URL/a",
        "transfers URL/",
        "repair --index URL",
        "keygen other.pem --bits 2048",
        "mb URL-two",
        "transfers",
        "config --help",
        "completion bash",
        "--no-config stat URL/a",
        "stat URL/a --no-config",
        "keys check URL/a --force-key MINE --no-config",
    ],
)
def test_a_command_that_has_no_use_for_it_does_not(clone: Path, command: str) -> None:
    mine = cb.load_key(clone.parent / "mine.pem")
    with cb.open_bucket(f"file://{clone.parent}/store", mine) as bucket:
        bucket.put("a", b"1")
    result = run(clone, command)
    assert "is not trusted yet" not in result.output
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("trusted", [False, True])
def test_a_key_file_with_a_full_url_takes_nothing_from_any_file(clone: Path, trusted: bool) -> None:
    if trusted:
        succeed("config", "trust")
    assert run(clone, "cp -k MINE --format sealed - URL/a").exit_code == 0
    assert readers(clone, "a") == [{"desc": "mine"}]
    assert run(clone, "cp -k MINE - URL/b").exit_code == 0
    assert readers(clone, "b") == [{"desc": "mine"}]
    env = {"CIPHERBUCKET_KEY": str(clone.parent / "mine.pem")}
    succeed("cp", "-", f"file://{clone.parent}/store/c", stdin=b"1", env=env)
    assert cb.open_bucket(f"file://{clone.parent}/store").head("c").format == "oss"
    refused = run(clone, "cp -k MINE - oss://bucket/a")
    assert refused.exit_code == 2
    assert "needs a region or an endpoint" in error_of(refused)


def test_what_is_trusted_is_shown_and_used_until_it_changes(clone: Path) -> None:
    said = succeed("config", "trust").stdout.splitlines()
    shared = "trusted even if others can write there"
    assert said[0] == f"store records: file://{clone.parent}/store, {shared}"
    assert "endpoint http://127.0.0.1:9" in said[1]
    its = 'only for format sealed, description {"desc":"ci"}, read_only true'
    assert said[2].startswith(f"key ci: rsa {clone}/ci.pem.pub, {its}; no fingerprint")
    assert "AES256:" in said[3]
    rule = "vault writes format sealed, opened by ci, too; also read with ci; accepts oss"
    assert said[4] == f"rule records: {rule}"
    assert said[5] == f"trusted: {clone}/cipherbucket.toml"
    assert run(clone, "cp - records://a").exit_code == 0
    assert readers(clone, "a") == [{"desc": "vault"}, {"desc": "ci"}]
    assert run(clone, "cp -k vault - URL/b").exit_code == 0
    assert readers(clone, "b") == [{"desc": "vault"}, {"desc": "ci"}]
    with (clone / "cipherbucket.toml").open("a") as file:
        file.write("# one more reader\n")
    assert "has changed since you trusted it" in error_of(run(clone, "cp - records://a"))
    succeed("config", "trust", clone / "cipherbucket.toml")
    assert run(clone, "cp - records://a").exit_code == 0


def test_the_file_that_is_named_is_the_one_that_is_trusted(clone: Path) -> None:
    (clone / "below" / "cipherbucket.toml").write_text("")
    path = clone / "cipherbucket.toml"
    said = succeed("--config", path, "config", "trust").stdout
    assert said.endswith(f"trusted: {path}\n")


def test_what_cannot_be_trusted_is_said(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = clone / "cipherbucket.toml"
    path.chmod(0o666)
    refused = invoke("config", "trust")
    assert refused.exit_code == 2
    assert f"chmod go-w {path}" in error_of(refused)
    assert "trusted:" not in refused.stdout
    path.chmod(0o644)
    path.write_text("[stores.r]\n")
    assert "url is missing" in error_of(invoke("config", "trust"))
    path.write_text("")
    path.rename(clone / "real.toml")
    path.symlink_to("real.toml")
    refused = invoke("config", "trust")
    assert "is a link" in error_of(refused)
    assert "trusted:" not in refused.stdout
    path.unlink()
    assert "there is no cipherbucket.toml" in error_of(invoke("config", "trust"))


def test_a_file_here_does_not_take_the_name_of_a_key(clone: Path, tmp_path: Path) -> None:
    (clone / "below" / "vault").write_bytes((tmp_path / "mine.pem").read_bytes())
    (clone / "below" / "vault").chmod(0o600)
    assert run(clone, "cp -k vault - URL/a").exit_code == 0  # nobody trusted what names it
    succeed("config", "trust")
    (clone / "below" / "cipherbucket.toml").write_text("")
    for command in ("cp -k vault - URL/b", "cp -k vault - URL/b --format sealed"):
        result = run(clone, command)
        assert result.exit_code == 2
        assert f"'vault' is a key of {clone}/cipherbucket.toml" in error_of(result)
    assert run(clone, "cp -k ./vault - URL/b").exit_code == 0


def test_without_a_file_there_are_no_names(clone: Path) -> None:
    assert "leave out --no-config" in error_of(run(clone, "--no-config ls records://"))
    assert "no key" in invoke("--no-config", "keys").stderr
    both = run(clone, f"--no-config --config {clone}/cipherbucket.toml ls records://")
    assert both.exit_code == 2
    named = run(clone, f"--config {clone}/cipherbucket.toml ls records://")
    assert named.exit_code == 0


@pytest.mark.parametrize("command", ["ls", "keys check", "config trust"])
def test_an_option_of_the_program_after_the_command_says_where_it_goes(
    clone: Path, command: str
) -> None:
    result = run(clone, f"{command} --config cipherbucket.toml records://a")
    assert result.exit_code == 2
    assert f"--config goes before the command: cipherbucket --config ... {command} " in error_of(
        result
    )


def test_completion_says_nothing_of_it(clone: Path) -> None:
    from click.shell_completion import ShellComplete

    completing = ShellComplete(cli, {}, "cipherbucket", "_CIPHERBUCKET_COMPLETE")
    named = (["rotate", "--only", "ci", "-k"], ["ls"], ["cp", "-k", "vault"])
    for args in (*named, ["--config", "", "ls"], ["cp", "-k", "", "--description", "bad"]):
        assert completing.get_completions(args, "records://") is not None


def test_requests_do_not_go_where_an_untrusted_file_says(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Endpoint(buckets=["bucket"]) as real, Endpoint(buckets=["bucket"]) as other:
        path = clone / "cipherbucket.toml"
        path.write_text(path.read_text().replace("http://127.0.0.1:9", other.url))
        for name, value in (("ID", real.access_key_id), ("SECRET", real.access_key_secret)):
            monkeypatch.setenv(f"OSS_ACCESS_KEY_{name}", value)
        monkeypatch.setenv("OSS_ENDPOINT", real.url)
        monkeypatch.setenv("OSS_REGION", real.region)
        assert run(clone, "cp -k MINE - oss://bucket/a").exit_code == 0
        assert run(clone, "cat -k MINE oss://bucket/a").stdout == "1"


def test_an_untrusted_file_says_nothing_of_the_trust_in_a_store(clone: Path) -> None:
    store = clone.parent / "store"
    with cb.open_bucket(f"file://{store}", cb.load_key(clone.parent / "mine.pem")) as bucket:
        bucket.put("a", b"1")
    store.chmod(0o777)
    assert run(clone, "rm URL/a").exit_code != 0
    assert run(clone, "cp -k MINE - URL/b").exit_code != 0
    succeed("config", "trust")
    assert run(clone, "cp -k MINE - URL/b").exit_code != 0  # which takes nothing from a file
    assert run(clone, "rm URL/a").exit_code == 0
