"""Key files: made once and whole, never overwritten, read with the description beside them."""

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.support.key_files import mode_of, never
from tests.support.sdk_vectors import private_key

from cipherbucket.errors import CipherbucketWarning, MasterKeyError, UsageError
from cipherbucket.format.description import Description
from cipherbucket.keys.description_files import description_path, read_description_file
from cipherbucket.keys.files import (
    create_aes_key_file,
    create_rsa_key_file,
    load_key,
    public_path,
)
from cipherbucket.keys.rsa import PKCS1, RsaKey

PRIVATE = private_key("key1")
LABEL = {"desc": "2026", "year": "clé"}


def test_a_key_made_is_the_key_that_is_loaded(tmp_path: Path) -> None:
    made = create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)

    loaded = load_key(tmp_path / "cmk.pem", passphrase=never)

    assert loaded.id == made.id
    assert loaded.description == made.description == LABEL
    assert made.can_unwrap
    wrapped = made.wrap(b"secret", algorithm=PKCS1, context=b"")
    assert loaded.unwrap(wrapped, algorithm=PKCS1, context=b"") == b"secret"


def test_the_public_half_is_loaded_with_the_same_description(tmp_path: Path) -> None:
    made = create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)

    public = load_key(tmp_path / "cmk.pem.pub")

    assert isinstance(public, RsaKey)
    assert public.id == made.id
    assert public.description == LABEL
    assert not public.can_unwrap


def test_three_files_are_made_and_only_the_owner_reads_the_private_one(tmp_path: Path) -> None:
    path = tmp_path / "cmk.pem"

    create_rsa_key_file(str(path), description=LABEL)

    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "cmk.pem",
        "cmk.pem.json",
        "cmk.pem.pub",
    ]
    assert mode_of(path) == 0o600
    assert mode_of(public_path(path)) == mode_of(description_path(path)) == 0o644
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert public_path(path).read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----\n")


def test_the_file_beside_the_key_holds_description_and_fingerprint_alone(tmp_path: Path) -> None:
    made = create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)

    facts = json.loads((tmp_path / "cmk.pem.json").read_bytes())

    assert facts == {"description": LABEL, "fingerprint": made.id}


def test_no_umask_makes_the_private_file_readable_to_others(tmp_path: Path) -> None:
    os.umask(0)

    create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)

    assert mode_of(tmp_path / "cmk.pem") == 0o600


def test_a_passphrase_protects_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cmk.pem"
    create_rsa_key_file(path, description=LABEL, passphrase="päss")

    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert load_key(path, passphrase=lambda: "päss").description == LABEL
    with pytest.raises(MasterKeyError, match="passphrase"):
        load_key(path)
    with pytest.raises(MasterKeyError, match="passphrase"):
        load_key(path, passphrase=lambda: "pass")


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_a_key_of_the_length_asked_for_is_drawn_with_the_usual_exponent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int
) -> None:
    drawn: list[dict[str, int]] = []

    def draw(**options: int) -> rsa.RSAPrivateKey:
        drawn.append(options)
        return PRIVATE

    monkeypatch.setattr(rsa, "generate_private_key", draw)

    create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL, bits=bits)

    assert drawn == [{"public_exponent": 65537, "key_size": bits}]


def test_a_key_is_really_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    made = [
        create_rsa_key_file(tmp_path / name, description=LABEL, bits=2048) for name in ("a", "b")
    ]

    assert made[0].id != made[1].id
    assert [key.bits for key in made] == [2048, 2048]
    assert load_key(tmp_path / "b").id == made[1].id


@pytest.mark.parametrize("bits", [0, 1024, 2047, 2049, 8192, -2048])
def test_another_length_is_refused(tmp_path: Path, bits: int) -> None:
    with pytest.raises(UsageError, match="bits"):
        create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL, bits=bits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("passphrase", ["", "x" * 1024, "\ud800"])
def test_a_passphrase_that_cannot_be_used_is_refused(tmp_path: Path, passphrase: str) -> None:
    with pytest.raises(UsageError, match="passphrase"):
        create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL, passphrase=passphrase)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["", ".pub", ".json"])
def test_what_appears_while_a_key_is_made_is_not_overwritten_and_no_half_key_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    rival = tmp_path / f"cmk.pem{suffix}"

    def draw(**_: int) -> rsa.RSAPrivateKey:
        rival.write_bytes(b"a rival was faster")
        return PRIVATE

    monkeypatch.setattr(rsa, "generate_private_key", draw)

    with pytest.raises(MasterKeyError, match="cannot be written"):
        create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)

    assert list(tmp_path.iterdir()) == [rival]
    assert rival.read_bytes() == b"a rival was faster"


@pytest.mark.parametrize("path", ["no/such/folder/cmk.pem", "x" * 300])
def test_a_file_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path, path: str) -> None:
    with pytest.raises(MasterKeyError, match=path):
        create_rsa_key_file(tmp_path / path, description=LABEL)


@pytest.mark.parametrize("beside", [LABEL, "[", 5])
def test_the_description_given_wins_and_the_one_beside_the_file_is_not_looked_at(
    tmp_path: Path, beside: object
) -> None:
    made = create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)
    facts = {"description": beside, "fingerprint": made.id}
    (tmp_path / "cmk.pem.json").write_text(json.dumps(facts))

    assert load_key(tmp_path / "cmk.pem", description={"a": "b"}).description == {"a": "b"}
    assert load_key(tmp_path / "cmk.pem", description={}).description == {}


def test_a_key_file_alone_has_no_description(tmp_path: Path) -> None:
    pem = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "theirs.pem").write_bytes(pem)
    (tmp_path / "theirs.pem").chmod(0o600)

    assert load_key(tmp_path / "theirs.pem").description == {}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_can_read_is_used_with_a_warning(tmp_path: Path, mode: int) -> None:
    create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)
    create_aes_key_file(tmp_path / "vault.key", description=LABEL)
    for name in ("cmk.pem", "vault.key"):
        (tmp_path / name).chmod(mode)
        with pytest.warns(CipherbucketWarning, match=f"chmod 600 {tmp_path / name}"):
            assert load_key(tmp_path / name).description == LABEL
    load_key(tmp_path / "cmk.pem.pub")  # which is for others


def test_what_lies_beside_a_key_is_read_without_the_key(tmp_path: Path) -> None:
    create_rsa_key_file(
        tmp_path / "cmk.pem", description=LABEL, passphrase="locked", sealed_only=True
    )
    facts = Description(LABEL), True
    assert read_description_file(tmp_path / "cmk.pem") == facts
    assert read_description_file(tmp_path / "cmk.pem.pub") == facts
    assert read_description_file(tmp_path / "nothing") is None
    for damaged in ("", "[]", '{"fingerprint": 1, "description": 2}'):
        description_path(tmp_path / "cmk.pem").write_text(damaged)
        assert read_description_file(tmp_path / "cmk.pem") is None


def test_the_description_of_another_key_is_refused(tmp_path: Path) -> None:
    made = create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)
    other = private_key("key2").public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "cmk.pem").write_bytes(pem)

    with pytest.raises(MasterKeyError) as caught:
        load_key(tmp_path / "cmk.pem")

    assert made.id in str(caught.value)
    assert RsaKey(other).id in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "?",
        "[]",
        "null",
        "{}",
        '{"description":{"a":"b"}}',
        '{"fingerprint":"FINGERPRINT"}',
        '{"fingerprint":"FINGERPRINT","description":{"a":1}}',
        '{"fingerprint":"FINGERPRINT","description":5}',
        '{"fingerprint":"FINGERPRINT","description":"["}',
        "[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_a_damaged_description_file_is_an_error_and_not_an_undescribed_key(
    tmp_path: Path, content: str | bytes
) -> None:
    made = create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)
    raw = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "cmk.pem.json").write_bytes(raw.replace(b"FINGERPRINT", made.id.encode()))

    with pytest.raises(MasterKeyError, match=r"cmk\.pem\.json") as caught:
        load_key(tmp_path / "cmk.pem")
    assert caught.value.hint


def test_a_description_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    create_rsa_key_file(tmp_path / "cmk.pem", description=LABEL)
    (tmp_path / "cmk.pem.json").unlink()
    (tmp_path / "cmk.pem.json").symlink_to(tmp_path / "nowhere")

    with pytest.raises(MasterKeyError, match=r"cmk\.pem\.json"):
        load_key(tmp_path / "cmk.pem")


@pytest.mark.parametrize("text", ['{"desc": "x"}', '{"desc":"x"}', '{"b":"1","a":"2"}'])
def test_the_exact_text_of_a_description_survives_the_file(tmp_path: Path, text: str) -> None:
    made = create_rsa_key_file(tmp_path / "k.pem", description=text, bits=2048)
    assert load_key(tmp_path / "k.pem").description.text == made.description.text == text
