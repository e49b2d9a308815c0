"""Key files that somebody else could have put where they lie, and public halves without a label."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from cipherbucket.errors import MasterKeyError
from cipherbucket.keys import files
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.description_files import read_description_file
from cipherbucket.keys.encodings import parse_rsa
from cipherbucket.keys.files import create_aes_key_file, create_rsa_key_file, id_of_file, load_key
from cipherbucket.keys.rsa import RsaKey

LABEL = {"desc": "2026"}
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "keys"
    made.mkdir()
    create_rsa_key_file(made / "cmk.pem", description=LABEL, bits=2048)
    create_aes_key_file(made / "vault.key", description=LABEL)
    return made


@pytest.mark.parametrize(
    ("loose", "loaded"),
    [
        ("cmk.pem", "cmk.pem"),
        ("cmk.pem.pub", "cmk.pem.pub"),
        ("cmk.pem.json", "cmk.pem"),
        ("cmk.pem.json", "cmk.pem.pub"),
        ("vault.key", "vault.key"),
        ("vault.key.json", "vault.key"),
    ],
)
def test_a_file_that_others_can_write_is_refused(folder: Path, loose: str, loaded: str) -> None:
    (folder / loose).chmod(0o606)
    with pytest.raises(MasterKeyError, match=rf"{folder / loose} decides who can read") as caught:
        load_key(folder / loaded)
    assert f"chmod go-w {folder / loose}" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["cmk.pem", "cmk.pem.pub", "vault.key"])
def test_a_folder_in_which_others_can_replace_it_is_as_bad(folder: Path, name: str) -> None:
    folder.chmod(0o777)
    with pytest.raises(MasterKeyError, match="others can replace it") as caught:
        load_key(folder / name)
    assert str(caught.value.hint).endswith(f"chmod go-w {folder}")
    folder.chmod(0o1777)
    assert load_key(folder / name).description == LABEL


def test_what_reads_a_file_alone_refuses_it_too(folder: Path) -> None:
    for name in ("cmk.pem", "cmk.pem.pub", "vault.key"):
        (folder / name).chmod(0o606)
    for name in ("cmk.pem", "cmk.pem.pub"):
        with pytest.raises(MasterKeyError, match="others can replace it"):
            RsaKey.from_pem_file(folder / name)
    with pytest.raises(MasterKeyError, match="others can replace it"):
        AesKey.from_file(folder / "vault.key")


def test_a_description_that_others_can_write_is_not_believed(folder: Path) -> None:
    its = load_key(folder / "cmk.pem").id
    text = (folder / "cmk.pem.json").read_text()
    (folder / "cmk.pem.json").write_text(text.replace(its, "SHA256:another"))
    (folder / "cmk.pem.json").chmod(0o606)
    assert read_description_file(folder / "cmk.pem") is None
    assert id_of_file(folder / "cmk.pem") == its
    with pytest.raises(MasterKeyError, match=r"cmk\.pem\.json decides"):
        load_key(folder / "cmk.pem", description={"a": "b"})


@needs_root
def test_a_public_half_belongs_to_its_user_or_root(folder: Path) -> None:
    for loose in ("cmk.pem.pub", "cmk.pem.json"):
        os.chown(folder / loose, NOBODY, -1)
        with pytest.raises(MasterKeyError, match=rf"{loose} belongs to ") as caught:
            load_key(folder / "cmk.pem.pub")
        assert "copy it to a folder of your own" in str(caught.value.hint)
        os.chown(folder / loose, 0, -1)


@needs_root
def test_a_private_key_may_be_another_users_in_that_users_folder(folder: Path) -> None:
    for each in (folder, *folder.iterdir()):
        os.chown(each, NOBODY, -1)
    assert load_key(folder / "cmk.pem").description == LABEL
    assert load_key(folder / "vault.key").description == LABEL
    os.chown(folder / "cmk.pem", 0, -1)
    with pytest.raises(MasterKeyError, match=rf"{folder} belongs to "):
        load_key(folder / "cmk.pem")


@needs_root
def test_the_owner_is_that_of_the_bytes_that_are_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's public half is gone again when its owner is asked for."""
    public, ours = folder / "cmk.pem.pub", folder / "ours"
    shutil.copy(public, ours)
    os.chown(public, NOBODY, -1)

    def exchange(*arguments: object) -> object:
        ours.replace(public)
        return parse_rsa(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "parse_rsa", exchange)
    with pytest.raises(MasterKeyError, match=rf"{public} belongs to "):
        load_key(public)


def test_a_pipe_beside_a_key_keeps_nobody_waiting(folder: Path) -> None:
    sidecar = folder / "cmk.pem.json"
    sidecar.unlink()
    os.mkfifo(sidecar, 0o600)
    assert read_description_file(folder / "cmk.pem") is None
    assert id_of_file(folder / "cmk.pem") is not None
    for name in ("cmk.pem", "cmk.pem.pub"):
        with pytest.raises(MasterKeyError, match=r"cmk\.pem\.json: cannot be read"):
            load_key(folder / name)


def test_a_file_too_large_for_a_key_is_not_read_whole(folder: Path) -> None:
    for name in ("cmk.pem", "cmk.pem.json"):
        os.truncate(folder / name, 1 << 40)
        with pytest.raises(MasterKeyError, match=rf"{folder / name} has more than 1,048,576 bytes"):
            load_key(folder / name)
        os.truncate(folder / name, 0)
        shutil.copy(folder / "cmk.pem.pub", folder / "cmk.pem")


@needs_root
def test_who_cannot_mend_a_folder_is_led_out_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is root's, as a share for a group is, and root alone can change its permissions."""
    folder.chmod(0o777)
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    with pytest.raises(MasterKeyError, match="can be written by others") as caught:
        load_key(folder / "cmk.pem.pub")
    assert str(caught.value.hint).startswith("copy it to a folder of your own")


@needs_root
def test_a_private_key_that_was_put_under_an_expected_name_is_refused(folder: Path) -> None:
    """What is written under it, its owner reads: as in /tmp, for a key that is made if missing."""
    folder.chmod(0o1777)
    os.chown(folder / "cmk.pem", NOBODY, -1)
    for load in (load_key, RsaKey.from_pem_file):
        with pytest.raises(MasterKeyError, match=r"cmk\.pem belongs to "):
            load(folder / "cmk.pem")


def test_a_key_may_come_from_a_pipe(folder: Path) -> None:
    data = (folder / "cmk.pem").read_bytes()
    reader, writer = os.pipe()

    def send() -> None:
        os.write(writer, data)
        os.close(writer)

    sending = threading.Thread(target=send)
    sending.start()
    assert load_key(f"/dev/fd/{reader}").id == load_key(folder / "cmk.pem").id
    sending.join()
    os.close(reader)


def test_a_public_half_without_its_description_is_refused(folder: Path) -> None:
    (folder / "cmk.pem.json").unlink()
    public = folder / "cmk.pem.pub"
    with pytest.raises(MasterKeyError, match=r"cmk\.pem\.json is missing") as caught:
        load_key(public)
    assert "description={...}" in str(caught.value.hint)
    assert load_key(public, description={"a": "b"}).description == {"a": "b"}
    assert load_key(public, description={}).description == {}
    assert load_key(folder / "cmk.pem").description == {}  # it reads what other tools wrote
