"""A key of ``cipherbucket.toml`` that is ``read_only`` writes nothing, wherever it comes from."""

import json
import shutil
import warnings
from pathlib import Path

import pytest
from tests.support.config_scenes import make_keys, write_config

import cipherbucket as cb

TOML = """
[stores.records]
url = "file://{folder}/records"

[keys.new]
rsa = "new.pem"

[keys.old]
rsa = "old.pem"
description = { desc = "old" }
read_only = true

[keys.vault]
aes = "vault.key"
read_only = true

[keys.sdk]
rsa = "sdk.pem"
formats = ["oss"]

[[rules]]
at = "records"
write = "new"
format = "sealed"
accept = ["oss"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_keys(tmp_path, "new", "old", "sdk", passphrases={"old": "open sesame"})
    cb.make_bucket(f"file://{tmp_path}/records")
    write_config(tmp_path, TOML)
    (tmp_path / "elsewhere").mkdir()
    return tmp_path


def config_of(folder: Path) -> cb.Config:
    return cb.load_config(folder / "cipherbucket.toml", passphrase=lambda _: "open sesame")


def copied(folder: Path, name: str) -> Path:
    for each in (name, f"{name}.json"):
        shutil.copy(folder / each, folder / "elsewhere")
    path = folder / "elsewhere" / name
    path.with_name(f"{path.name}.json").unlink()
    return path


@pytest.mark.parametrize("known_by", [".json", ".pub"])
def test_the_public_half_of_a_key_that_is_read_only_does_not_write(
    folder: Path, known_by: str
) -> None:
    half = cb.load_key(folder / "old.pem.pub", description={"desc": "other"})
    for suffix in {".json", ".pub"} - {known_by}:
        (folder / f"old.pem{suffix}").unlink()
    config = config_of(folder)
    for keys in ([half], [cb.KeyRing(half)]):
        bucket = config.open("records", *keys)
        with pytest.raises(cb.MasterKeyError, match=r"key old of .* is read_only"):
            bucket.put("a", b"1")
    config.open("records").put("a", b"1")
    for verb in ("rewrap", "reencrypt"):
        with pytest.raises(cb.MasterKeyError, match=r"key old of .* is read_only"):
            getattr(cb.rotation, verb)(config.open("records", half, config.key("new")), "a")
    with pytest.raises(cb.MasterKeyError, match=r"key old of .* is read_only"):
        cb.rotation.rewrap(config.open("records"), "a", half)
    assert config.open("records").get("a").read() == b"1"


def test_a_copy_of_its_file_does_not_write(folder: Path) -> None:
    copy = cb.load_key(copied(folder, "vault.key"), description={"desc": "other"})
    for _ in range(2):
        with pytest.raises(cb.MasterKeyError, match=r"key vault of .* is read_only"):
            config_of(folder).open("records", copy).put("a", b"1")
        (folder / "vault.key.json").unlink(missing_ok=True)


def test_a_second_name_for_it_does_not_write(folder: Path) -> None:
    path = folder / "cipherbucket.toml"
    twice = path.read_text().replace("[[rules]]", '[keys.again]\nrsa = "old.pem.pub"\n[[rules]]')
    path.write_text(twice.replace('write = "new"', 'write = "again"\nread = ["new"]'))
    with pytest.raises(cb.MasterKeyError, match=r"key old of .* is read_only"):
        config_of(folder).open("records").put("a", b"1")


def test_a_key_that_cannot_be_read_is_known_by_its_description(folder: Path) -> None:
    half = cb.load_key(folder / "old.pem.pub", description={"desc": "old"})
    for suffix in (".json", ".pub"):
        (folder / f"old.pem{suffix}").unlink()
    with pytest.raises(cb.MasterKeyError, match=r"key old of .* is read_only"):
        config_of(folder).open("records", half).put("a", b"1")


def test_a_copy_of_a_key_does_not_write_other_formats_either(folder: Path) -> None:
    copy = cb.load_key(copied(folder, "sdk.pem"), description={"desc": "other"})
    config = config_of(folder)
    with pytest.raises(cb.MasterKeyError, match=r"key sdk of .* is not for format sealed"):
        config.open("records", copy).put("a", b"1")
    config.open("records", copy, format="oss").put("a", b"1")


def test_it_reads_and_a_stranger_writes_and_nobody_is_asked(folder: Path) -> None:
    stranger = cb.create_aes_key_file(folder / "mine.key", description={"desc": "mine"})
    (folder / "new.pem").chmod(0o644)

    def asked(_: str) -> str:
        raise AssertionError("no passphrase is needed to know a key")

    config = cb.load_config(folder / "cipherbucket.toml", passphrase=asked)
    vault = cb.load_key(folder / "vault.key")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with cb.open_bucket(f"file://{folder}/records", vault, format="sealed") as bucket:
            bucket.put("b", b"2")
        with config.open("records", stranger, vault) as bucket:
            bucket.put("a", b"1")
            assert (bucket.get("a").read(), bucket.get("b").read()) == (b"1", b"2")
    beside = json.loads((folder / "old.pem.json").read_text())
    assert beside["fingerprint"] == cb.load_key(folder / "old.pem.pub").id
