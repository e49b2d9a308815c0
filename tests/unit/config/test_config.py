"""``cipherbucket.toml``: which key writes and reads where, and what is read when."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.config_scenes import write_config

import cipherbucket as cb
from cipherbucket.server.kms import KmsEndpoint

Write = Callable[[str], Path]

TEAM = """
[stores.records]
url = "file://{folder}/records"

[stores.scratch]
url = "memory://config-scratch"

[keys.cmk-2026]
rsa = "keys/2026.pem"

[keys.cmk-2024]
rsa = "keys/2024.pem"
description = { desc = "2024" }
passphrase_env = "OLD_PASSPHRASE"
read_only = true

[keys.recovery]
rsa = "keys/recovery.pem.pub"
formats = ["sealed"]

[keys.vault]
aes = "keys/vault.key"

[[rules]]
at = "records"
write = "cmk-2026"
read = ["cmk-2024"]

[[rules]]
at = "records/ledger/"
write = "vault"
recipients = ["recovery"]
unbound_names = true
"""


def line(words: str, text: str = TEAM) -> int:
    """Return the line that begins so."""
    return next(at for at, each in enumerate(text.split("\n"), 1) if each.startswith(words))


UPPER, LOWER = line("[[rules]]"), line('at = "records/ledger/"') - 1


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("team") / "keys"
    folder.mkdir()
    cb.create_rsa_key_file(folder / "2026.pem", description={"desc": "2026"}, bits=2048)
    cb.create_rsa_key_file(
        folder / "2024.pem", description={"desc": "2024"}, bits=2048, passphrase="rosebud"
    )
    cb.create_rsa_key_file(folder / "recovery.pem", description={"desc": "recovery"}, bits=2048)
    cb.create_aes_key_file(folder / "vault.key", description={"desc": "vault"})
    return folder


@pytest.fixture
def write(tmp_path: Path, keys: Path) -> Write:
    (tmp_path / "keys").symlink_to(keys)

    return partial(write_config, tmp_path)


@pytest.fixture
def config(write: Write) -> cb.Config:
    return cb.load_config(write(TEAM))


def described(bucket: cb.Bucket, name: str) -> list[dict[str, str]]:
    envelope = bucket.head(name).envelope
    assert envelope is not None
    return [dict(each.description) for each in envelope.recipients]


def test_the_longest_rule_says_who_writes_and_in_which_format(config: cb.Config) -> None:
    with config.open("records") as bucket:
        bucket.put("a", b"1")
        assert bucket.head("a").format == "oss"
        assert described(bucket, "a") == [{"desc": "2026"}]
        assert bucket.get("a").read() == b"1"
    with config.open("records/ledger/") as bucket:
        bucket.put("ledger/b", b"2")
        assert bucket.head("ledger/b").format == "sealed"
        assert described(bucket, "ledger/b") == [{"desc": "vault"}, {"desc": "recovery"}]
        assert bucket.get("ledger/b").read() == b"2"
        bucket.put("ledger/c", b"3", bind_name=False)
        assert bucket.get("ledger/c").read() == b"3"


@pytest.mark.parametrize("place", ["records", "records://", "records/x", "file"])
def test_a_bucket_refuses_the_names_of_another_rule(config: cb.Config, place: str) -> None:
    upper = config.open(place if place != "file" else config.stores["records"].url)
    lower = config.open("records://ledger/any")
    for bucket, name, at in ((upper, "ledger/x", LOWER), (lower, "x", UPPER)):
        source = "ledger/y" if bucket is lower else "y"
        bucket.put(source, b"1")
        for refused in (
            lambda b=bucket, n=name: b.put(n, b"1"),
            lambda b=bucket, n=name: b.get(n),
            lambda b=bucket, n=name: b.open(n, "wb"),
            lambda b=bucket, n=name: b.multipart(n, data_size=1),
            lambda b=bucket, s=source, n=name: b.copy(s, n),
        ):
            with pytest.raises(cb.UsageError, match=f"line {at}") as raised:
                refused()
            assert raised.value.name == name
        with pytest.raises(cb.ObjectNotFoundError):
            bucket.head(name)
    assert upper.get("y").read() == b"1"


def test_one_bucket_a_rule_is_handed_out(config: cb.Config) -> None:
    upper, lower = config.bucket("records/x"), config.bucket("records://ledger/x")
    assert config.bucket("records") is upper
    assert config.bucket(config.stores["records"].url) is upper
    assert config.bucket("records/ledger/y") is lower is not upper
    upper.put("x", b"1")
    lower.put("ledger/x", b"2")
    config.close()
    assert config.bucket("records") is not upper
    assert config.bucket("records").get("x").read() == b"1"


def test_a_rule_for_a_folder_is_none_for_what_only_begins_alike(config: cb.Config) -> None:
    assert config.rule("records/ledger-2026").at == "records"
    assert config.rule("records/ledger").at == "records"
    assert config.rule("records/ledger/").at == "records/ledger/"
    assert config.rule("records://ledger/x").at == "records/ledger/"
    assert config.rule(f"{config.stores['records'].url}/ledger/x").line == LOWER
    assert config.rule("scratch/x").at == ""
    for tree in ("records", "records://", config.stores["records"].url):
        with pytest.raises(cb.UsageError, match=rf"'records/ledger/' \(line {LOWER}\)"):
            config.rule(tree)


def test_rules_that_say_the_same_below_do_not_matter(write: Write) -> None:
    same = '[[rules]]\nat = "scratch/a"\nread = []\n[[rules]]\nat = "scratch/a/b"\nread = []\n'
    config = cb.load_config(write(f'[stores.scratch]\nurl = "memory://x"\n{same}'))
    assert config.rule("scratch/a/").at == "scratch/a"
    bucket = config.open("scratch/a/")
    with pytest.raises(cb.MasterKeyError, match="no rule says which key writes"):
        bucket.put("a/b/c", b"")


def test_only_the_key_that_is_needed_is_read(
    config: cb.Config, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = cb.load_key(keys / "2024.pem", passphrase=lambda: "rosebud")
    cb.open_bucket(config.stores["records"].url, old).put("old", b"1")
    bucket = config.open("records")
    bucket.put("new", b"2")
    assert bucket.get("new").read() == b"2"  # without the passphrase of the other
    with pytest.raises(
        cb.MasterKeyError,
        match=rf"\.toml:{line('passphrase_env')}: \[keys.cmk-2024\] passphrase_env: .*not set",
    ):
        bucket.get("old")
    monkeypatch.setenv("OLD_PASSPHRASE", "rosebud")
    assert bucket.get("old").read() == b"1"
    monkeypatch.delenv("OLD_PASSPHRASE")
    assert config.key("cmk-2024") is config.key("cmk-2024")  # read once


def test_a_passphrase_is_asked_for_where_its_variable_is_not_set(write: Write) -> None:
    asked: list[str] = []

    def ask(file: str) -> str:
        asked.append(file)
        return "rosebud"

    config = cb.load_config(write(TEAM), passphrase=ask)
    assert config.key("cmk-2024").description == {"desc": "2024"}
    assert [Path(file).name for file in asked] == ["2024.pem"]


def test_who_lacks_the_writing_key_reads_with_another(config: cb.Config, write: Write) -> None:
    with config.open("records/ledger/") as bucket:
        bucket.put("ledger/a", b"1")
    text = TEAM.replace("vault.key", "gone.key").replace(".pem.pub", ".pem")
    with cb.load_config(write(text)).open("records/ledger/") as bucket:
        assert bucket.get("ledger/a").read() == b"1"
        with pytest.raises(cb.MasterKeyError, match=rf"\.toml:{line('[keys.vault]')}: .*gone\.key"):
            bucket.put("ledger/b", b"1")


def test_a_key_is_used_for_the_formats_that_the_file_names(config: cb.Config, write: Write) -> None:
    recovery = config.key("recovery")
    assert isinstance(recovery, cb.RsaKey)
    assert recovery.sealed_only
    with config.open("records/ledger/") as bucket:
        bucket.put("ledger/a", b"1")
    text = TEAM.replace(".pem.pub", ".pem").replace('["sealed"]', '["oss"]')
    text = text.replace('recipients = ["recovery"]\n', 'read = ["recovery"]\n')
    text = text.replace('"keys/vault.key"', '"keys/gone.key"')
    with (
        cb.load_config(write(text)).open("records/ledger/") as bucket,
        pytest.raises(cb.NoMatchingKeyError),
    ):
        bucket.get("ledger/a")


def test_without_rules_the_only_key_writes(write: Write) -> None:
    text = '[stores.s]\nurl = "memory://config-one"\n[keys.one]\naes = "keys/vault.key"\n'
    bucket = cb.load_config(write(text)).open("s")
    bucket.put("a", b"1")
    assert bucket.head("a").format == "sealed"
    two = text + '[keys.two]\nrsa = "keys/2026.pem"\n'
    with pytest.raises(cb.MasterKeyError, match="no rule says which key writes"):
        cb.load_config(write(two)).open("s").put("a", b"1")
    bucket = cb.load_config(write(two + "read_only = true\n")).open("s")
    bucket.put("b", b"1")
    assert described(bucket, "b") == [{"desc": "vault"}]
    elsewhere = two + 'read_only = true\n[[rules]]\nat = "s/below"\nwrite = "one"\n'
    with pytest.raises(cb.MasterKeyError, match="no rule says which key writes"):
        cb.load_config(write(elsewhere)).open("s").put("b", b"1")


def test_equal_descriptions_are_refused_with_both_names(write: Write, keys: Path) -> None:
    text = '[keys.one]\nrsa = "keys/2026.pem"\n[keys.two]\nrsa = "keys/2024.pem"\n'
    config = cb.load_config(write(text + 'description = { desc = "2026" }\n'))
    with pytest.raises(cb.MasterKeyError, match=r"\.toml:3: \[keys\.two\].* key one .*2026"):
        config.ring()
    with pytest.raises(cb.MasterKeyError, match=r"\.toml:5: \[keys\.two\] description: .*2024"):
        cb.load_config(write(text + 'description = { desc = "x" }\n'), passphrase=_rosebud).key(
            "two"
        )
    cb.load_config(
        write(text + 'description = { desc = "2026" }\nformats = ["sealed"]\n').rename(
            keys.parent / "a.toml"
        )
    )


def _rosebud(_file: str) -> str:
    return "rosebud"


def test_a_key_of_the_other_kind_is_refused(write: Write) -> None:
    config = cb.load_config(write('[keys.a]\nrsa = "keys/vault.key"\n'))
    with pytest.raises(cb.MasterKeyError, match=r"\.toml:2: \[keys\.a\] rsa: .* AES key"):
        config.key("a")
    with pytest.raises(cb.MasterKeyError, match="there is no key 'b'"):
        config.key("b")


def test_a_key_in_a_kms_is_opened_when_it_is_used(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    with KmsEndpoint(aliases=["alias/example"]) as kms:
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", kms.access_key_id)
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", kms.access_key_secret)
        text = '[stores.s]\nurl = "memory://config-kms"\n[keys.cloud]\nkms = "alias/example"\n'
        text += f'endpoint = "{kms.url}"\nregion = "cn-hangzhou"\nallowed = []\nattempts = 1\n'
        text += '[keys.lost]\nkms = "alias/lost"\nca_file = "no.pem"\n'
        text += '[[rules]]\nat = "s"\nwrite = "cloud"\nformat = "sealed"\n'
        config = cb.load_config(write(text))
        bucket = config.open("s")
        bucket.put("a", b"1")
        assert bucket.get("a").read() == b"1"
        assert described(bucket, "a") == [{"kms": "alias/example"}]
        assert cb.try_key(config.key("cloud")) == cb.KeyTrial(("oss", "sealed"), reads=True)
        with pytest.raises(cb.MasterKeyError, match=r"\.toml:9: \[keys\.lost\]: .*no\.pem"):
            config.key("lost")
        monkeypatch.setenv("KMS_ENDPOINT", "http://127.0.0.1:1")  # goes before the file
        with pytest.raises(cb.KmsError):
            cb.load_config(write(text)).open("s").put("b", b"1")


def test_how_a_store_is_reached(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[stores.r]\nurl = "oss://health-records/"\nregion = "cn-hangzhou"\n'
    text += 'endpoint = "https://oss.example"\naddressing = "path"\nattempts = 2\n'
    for name in ("OSS_REGION", "OSS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    config = cb.load_config(write(text))
    settings = config.settings("oss://health-records")
    assert settings == cb.OssSettings(
        region="cn-hangzhou", endpoint="https://oss.example", addressing="path", attempts=2
    )
    assert config.settings("oss://others") is None
    assert config.split("oss://health-records/a//b") == ("oss://health-records", "a//b")
    monkeypatch.setenv("OSS_REGION", "cn-beijing")
    settings = config.settings("oss://health-records")
    assert settings == cb.OssSettings(region="cn-beijing", addressing="path", attempts=2)
    wrong = cb.load_config(write(text.replace("attempts", 'ca_file = "none.pem"\nattempts')))
    with pytest.raises(cb.UsageError, match=r"\.toml:1: \[stores\.r\]: ca_file: there is no"):
        wrong.settings("oss://health-records")


S3_SETTINGS = {
    "region": "eu-central-1",
    "endpoint": "https://s3.example",
    "profile": "vault",
    "addressing": "path",
    "network": "dualstack",
    "requester_pays": True,
    "sign_payload": True,
    "attempts": 2,
}
OF_AWS = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
)


@pytest.mark.parametrize(
    ("variable", "left_out"),
    [
        ("OSS_REGION", ()),
        ("AWS_REGION", ("region",)),
        ("AWS_DEFAULT_REGION", ("region",)),
        ("AWS_PROFILE", ("profile",)),
        ("AWS_ENDPOINT_URL", ("region", "endpoint")),
        ("AWS_ENDPOINT_URL_S3", ("region", "endpoint")),
    ],
)
def test_how_a_store_in_s3_is_reached(
    write: Write, monkeypatch: pytest.MonkeyPatch, variable: str, left_out: tuple[str, ...]
) -> None:
    for name in OF_AWS:
        monkeypatch.delenv(name, raising=False)
    lines = [f"{name} = {json.dumps(value)}" for name, value in S3_SETTINGS.items()]
    config = cb.load_config(write("\n".join(['[stores.r]\nurl = "s3://records/"', *lines, ""])))
    settings: dict[str, Any] = dict(S3_SETTINGS)
    assert config.settings("s3://records") == cb.S3Settings(**settings)
    assert config.split("r://a//b") == ("s3://records", "a//b")
    monkeypatch.setenv(variable, "x")
    for name in left_out:
        del settings[name]
    assert config.settings("s3://records") == cb.S3Settings(**settings)


def test_a_rule_may_name_a_bucket_in_s3_by_its_url(write: Write) -> None:
    config = cb.load_config(write('[[rules]]\nat = "s3://records/vault"\nformat = "sealed"\n'))
    assert config.rule("s3://records/vault/a").format == "sealed"
    assert config.rule("s3://records/a").format == "oss"


def test_a_bucket_in_s3_is_opened_by_its_name(write: Write) -> None:
    text = '[stores.r]\nurl = "s3://records"\nendpoint = "http://127.0.0.1:1"\n'
    with cb.load_config(write(text)).open("r://") as bucket:
        assert bucket.url == "s3://records"


def test_a_missing_passphrase_is_told_by_the_variable_that_the_file_names(tmp_path: Path) -> None:
    cb.create_rsa_key_file(tmp_path / "k.pem", description={"desc": "k"}, passphrase="secret")
    path = tmp_path / "cipherbucket.toml"
    path.write_text('[keys.k]\nrsa = "k.pem"\npassphrase_env = "OF_THE_RECORDS"\n')
    with pytest.raises(cb.MasterKeyError) as caught:
        cb.load_config(path, passphrase=lambda _: "").key("k")
    assert caught.value.hint is not None
    assert "OF_THE_RECORDS" in caught.value.hint
