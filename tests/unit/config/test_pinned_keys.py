"""``fingerprint`` in ``[keys.*]``: the file may hold this key and no other."""

from pathlib import Path

import pytest
from tests.support.config_scenes import make_keys, write_config

import cipherbucket as cb

TOML = """
[stores.s]
url = "file://{folder}/store"

[keys.cmk]
rsa = "cmk.pem.pub"
description = { desc = "cmk" }
fingerprint = "RSA"

[keys.vault]
aes = "vault.key"
fingerprint = "AES"

[[rules]]
at = "s"
write = "cmk"
format = "sealed"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_keys(tmp_path, "cmk")
    cb.make_bucket(f"file://{tmp_path}/store")
    text = TOML.replace("RSA", cb.load_key(tmp_path / "cmk.pem").id)
    write_config(tmp_path, text.replace("AES", cb.load_key(tmp_path / "vault.key").id))
    return tmp_path


def test_a_key_with_the_fingerprint_is_used(folder: Path) -> None:
    config = cb.load_config(folder / "cipherbucket.toml")
    config.open("s").put("a", b"1")
    assert config.key("vault").id.startswith("AES256:")


@pytest.mark.parametrize("kind", ["cmk", "vault"])
def test_another_key_is_refused_before_anything_is_written(folder: Path, kind: str) -> None:
    config = cb.load_config(folder / "cipherbucket.toml")
    pinned = config.keys[kind].fingerprint
    for file in [*folder.glob("cmk.*"), *folder.glob("vault.*")]:
        file.unlink()
    make_keys(folder, "cmk")
    if kind == "cmk":
        with pytest.raises(cb.MasterKeyError):
            config.open("s").put("a", b"1")
        assert list(config.open("s").list()) == []
    with pytest.raises(cb.MasterKeyError) as caught:
        config.key(kind)
    other = cb.load_key(folder / {"cmk": "cmk.pem", "vault": "vault.key"}[kind]).id
    line = 8 if kind == "cmk" else 12
    assert f"cipherbucket.toml:{line}: [keys.{kind}] fingerprint: " in str(caught.value)
    assert f"holds key {other}, not {pinned}" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '[keys.k]\nrsa = "a"\nfingerprint = "{aes}"\n',
        '[keys.k]\naes = "a"\nfingerprint = "{rsa}"\n',
        '[keys.k]\nrsa = "a"\nfingerprint = "SHA256:short"\n',
        '[keys.k]\nrsa = "a"\nfingerprint = 1\n',
        '[keys.k]\nkms = "alias/a"\nfingerprint = "{rsa}"\n',
    ],
)
def test_what_is_no_fingerprint_of_such_a_key_is_refused(folder: Path, text: str) -> None:
    rsa, aes = (cb.load_key(folder / name).id for name in ("cmk.pem", "vault.key"))
    path = write_config(folder, text.replace("{rsa}", rsa).replace("{aes}", aes))
    with pytest.raises(cb.UsageError, match=r"toml:3: \[keys\.k\] fingerprint: "):
        cb.load_config(path)


def test_a_pinned_key_that_is_read_only_is_known_without_its_file(folder: Path) -> None:
    key = cb.load_key(folder / "cmk.pem.pub", description={"desc": "another"})
    path = folder / "cipherbucket.toml"
    path.write_text(
        path.read_text()
        .replace("fingerprint", "read_only = true\nfingerprint", 1)
        .replace('write = "cmk"\n', "")
    )
    for name in ("cmk.pem", "cmk.pem.pub", "cmk.pem.json"):
        (folder / name).unlink()
    with pytest.raises(cb.MasterKeyError, match=r"key cmk of .* is read_only"):
        cb.load_config(path).open("s", key).put("a", b"1")


def test_a_public_half_needs_a_description_here_or_beside_it(folder: Path) -> None:
    (folder / "cmk.pem.json").unlink()
    config = cb.load_config(folder / "cipherbucket.toml")
    assert config.key("cmk").description == {"desc": "cmk"}
    path = folder / "cipherbucket.toml"
    text = path.read_text()
    path.write_text(text.replace('description = { desc = "cmk" }\n', ""))
    with pytest.raises(cb.MasterKeyError, match=r"\[keys\.cmk\]: .*cmk\.pem\.json is missing") as e:
        cb.load_config(path).open("s").put("a", b"1")
    assert "add description = {" in str(e.value.hint)
    path.write_text(text.replace('{ desc = "cmk" }', "{}"))
    assert cb.load_config(path).key("cmk").description == {}
