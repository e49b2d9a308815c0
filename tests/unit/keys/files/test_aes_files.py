"""Files of the keys of the sealed format: AES keys, and RSA keys that are kept for it."""

import base64
import json
import os
from pathlib import Path

import pytest
from tests.support.key_files import mode_of, never
from tests.support.sdk_vectors import private_key

from cipherbucket.errors import MasterKeyError
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.files import create_aes_key_file, create_rsa_key_file, load_key
from cipherbucket.keys.rsa import RsaKey

LABEL = {"desc": "vault", "year": "clé"}
PRIVATE = private_key("key1")
RAW = bytes(range(0x61, 0x81))


def test_an_aes_key_made_is_the_key_that_is_loaded(tmp_path: Path) -> None:
    made = create_aes_key_file(tmp_path / "vault.key", description=LABEL)

    loaded = load_key(tmp_path / "vault.key", passphrase=never)

    assert isinstance(loaded, AesKey)
    assert loaded.id == made.id == AesKey.from_file(tmp_path / "vault.key").id
    assert loaded.description == made.description == LABEL
    wrapped = made.wrap(b"secret", algorithm="AES-256-KWP", context=b"c")
    assert loaded.unwrap(wrapped, algorithm="AES-256-KWP", context=b"c") == b"secret"


def test_two_files_are_made_and_only_the_owner_reads_the_secret(tmp_path: Path) -> None:
    os.umask(0)
    path = tmp_path / "vault.key"

    made = create_aes_key_file(str(path), description=LABEL)

    assert sorted(file.name for file in tmp_path.iterdir()) == ["vault.key", "vault.key.json"]
    assert mode_of(path) == 0o600
    line = path.read_bytes()
    assert (len(line), line[-1:]) == (45, b"\n")
    assert AesKey(base64.b64decode(line)).id == made.id
    facts = json.loads((tmp_path / "vault.key.json").read_bytes())
    assert facts == {"description": LABEL, "fingerprint": made.id}


def test_no_two_keys_made_are_the_same(tmp_path: Path) -> None:
    ids = {create_aes_key_file(tmp_path / str(n), description=LABEL).id for n in range(20)}

    assert len(ids) == 20


@pytest.mark.parametrize(
    "data",
    [
        RAW,
        RAW.hex().encode(),
        RAW.hex().upper().encode() + b"\n",
        base64.b64encode(RAW) + b"\r\n",
        b"\x30\x1e" + RAW[:30],  # begins as DER does
        b"0" * 64,  # and so does this, in hex
        b"-----BEGIN " + RAW[:21],  # and this as PEM does
    ],
)
def test_an_aes_key_is_known_by_the_length_of_its_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "k").write_bytes(data)
    (tmp_path / "k").chmod(0o600)

    key = load_key(tmp_path / "k", passphrase=never)

    assert isinstance(key, AesKey)
    assert key.id == AesKey.from_file(tmp_path / "k").id
    assert key.description == {}
    assert load_key(tmp_path / "k", description=LABEL).description == LABEL


@pytest.mark.parametrize(
    "data",
    [b"", RAW[:31], RAW + b"\n", b"g" * 64, b"=" * 44, RAW.hex().encode() + b"\n\n", b"x" * 4096],
)
def test_what_is_no_key_is_named_and_not_repeated(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "k").write_bytes(data)

    with pytest.raises(MasterKeyError, match="neither an RSA key nor an AES key") as caught:
        load_key(tmp_path / "k", passphrase=never)

    assert str(tmp_path / "k") in str(caught.value)
    assert not data or data.decode("latin-1") not in f"{caught.value}{caught.value.hint}"
    assert "base64" in (caught.value.hint or "")


def test_the_description_of_another_aes_key_is_refused(tmp_path: Path) -> None:
    made = create_aes_key_file(tmp_path / "a", description=LABEL)
    (tmp_path / "a").write_bytes(RAW)

    with pytest.raises(MasterKeyError) as caught:
        load_key(tmp_path / "a")

    assert made.id in str(caught.value)
    assert AesKey(RAW).id in str(caught.value)
    # Nothing but the description is in it, so a description that is given needs nothing of it.
    assert load_key(tmp_path / "a", description={"a": "b"}).id == AesKey(RAW).id


def test_the_description_of_an_aes_key_lies_beside_the_file_whatever_its_name(
    tmp_path: Path,
) -> None:
    create_aes_key_file(tmp_path / "vault.pub", description=LABEL)

    assert load_key(tmp_path / "vault.pub").description == LABEL


def test_a_key_for_the_sealed_format_only_stays_one(tmp_path: Path) -> None:
    made = create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL, sealed_only=True)

    assert made.sealed_only
    facts = json.loads((tmp_path / "cmk.pem.json").read_bytes())
    assert facts == {"description": LABEL, "fingerprint": made.id, "sealed_only": True}
    for name in ("cmk.pem", "cmk.pem.pub"):
        for description in (None, {"a": "b"}, {}):
            key = load_key(tmp_path / name, description=description)
            assert isinstance(key, RsaKey)
            assert key.sealed_only
            assert key.description == (LABEL if description is None else description)


@pytest.mark.parametrize("written", ["", ',"sealed_only":false', ',"unknown":true'])
def test_a_key_that_is_not_marked_serves_both_formats(tmp_path: Path, written: str) -> None:
    made = create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)
    assert "sealed_only" not in (tmp_path / "cmk.pem.json").read_text()
    text = f'{{"description":{{"a":"b"}},"fingerprint":"{made.id}"{written}}}'
    (tmp_path / "cmk.pem.json").write_text(text)

    key = load_key(tmp_path / "cmk.pem")

    assert isinstance(key, RsaKey)
    assert not key.sealed_only


@pytest.mark.parametrize("value", ["null", "1", "0", '"true"', "[]", "{}"])
@pytest.mark.parametrize("description", [None, {"a": "b"}])
def test_a_mark_that_is_not_understood_is_an_error(
    tmp_path: Path, value: str, description: dict[str, str] | None
) -> None:
    made = create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)
    text = f'{{"description":{{"a":"b"}},"fingerprint":"{made.id}","sealed_only":{value}}}'
    (tmp_path / "cmk.pem.json").write_text(text)

    with pytest.raises(MasterKeyError, match=r"cmk\.pem\.json"):
        load_key(tmp_path / "cmk.pem", description=description)


@pytest.mark.parametrize("how", ["another key's", "damaged", "unreadable"])
def test_a_mark_is_not_lost_where_a_description_is_given(tmp_path: Path, how: str) -> None:
    create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL, sealed_only=True)
    sidecar = tmp_path / "cmk.pem.json"
    if how == "another key's":
        other = RsaKey(private_key("key2")).id
        sidecar.write_text(json.dumps({"description": LABEL, "fingerprint": other}))
    elif how == "damaged":
        sidecar.write_text("?")
    else:
        sidecar.unlink()
        sidecar.symlink_to(tmp_path / "nowhere")

    with pytest.raises(MasterKeyError, match=r"cmk\.pem\.json") as caught:
        load_key(tmp_path / "cmk.pem", description={"a": "b"})
    assert "move" in (caught.value.hint or "")
