"""The two key files of a LocalRsaProvider: read, made once, never overwritten."""

import stat
import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.support.peer_sdks import OLD_FASHIONED, import_oss2
from tests.support.sdk_vectors import Vector, private_key, rsa_vectors
from tests.unit.oss2.test_crypto import fields_of, pair, pem, public_pem

import cipherbucket as cb
from cipherbucket.oss2.crypto import EncryptionMaterials, LocalRsaProvider, RsaProvider
from cipherbucket.oss2.exceptions import ClientError

pytestmark = [
    pytest.mark.filterwarnings("ignore:key SHA256.*writes without a mat_desc"),
    pytest.mark.filterwarnings("ignore:key file .* can be read by other users"),
    OLD_FASHIONED,
]
NAMES = {".private_key.pem", ".public_key.pem"}
OAEP = "RSA/NONE/OAEPWithSHA-1AndMGF1Padding"


def made(folder: Path, **options: str) -> LocalRsaProvider:
    with pytest.warns(cb.CipherbucketWarning, match="made a new RSA key"):
        return LocalRsaProvider(str(folder), **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_missing_pair_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    provider = made(folder)
    assert contents(folder).keys() == NAMES
    for name in NAMES:
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = contents(folder)
    assert LocalRsaProvider(str(folder)).master_key().id == provider.master_key().id
    assert contents(folder) == before


def test_a_private_key_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    import_oss2().LocalRsaProvider(dir=str(tmp_path))
    (tmp_path / ".private_key.pem").chmod(0o644)  # as oss2 makes it under the usual umask
    with pytest.warns(cb.CipherbucketWarning, match="chmod 600") as told:
        LocalRsaProvider(str(tmp_path))
    assert told[0].filename == __file__
    (tmp_path / ".private_key.pem").chmod(0o600)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LocalRsaProvider(str(tmp_path))


def test_the_usual_folder_is_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.warns(cb.CipherbucketWarning, match="made a new RSA key"):
        LocalRsaProvider()
    assert contents(tmp_path / ".oss-local-rsa").keys() == NAMES


def test_names_begin_and_end_as_the_program_says(tmp_path: Path) -> None:
    made(tmp_path, key="app", pub_key_suffix=".pub", private_key_suffix=".key")
    assert contents(tmp_path).keys() == {"app.key", "app.pub"}


@pytest.mark.parametrize("missing", sorted(NAMES))
def test_with_one_file_missing_nothing_is_written(tmp_path: Path, missing: str) -> None:
    made(tmp_path)
    (tmp_path / missing).unlink()
    before = contents(tmp_path)
    with pytest.raises(ClientError, match="is missing"):
        LocalRsaProvider(str(tmp_path))
    assert contents(tmp_path) == before


def test_what_oss2_does_with_one_file_missing(tmp_path: Path) -> None:
    oss2 = import_oss2()
    oss2.LocalRsaProvider(dir=str(tmp_path))
    kept = (tmp_path / ".private_key.pem").read_bytes()
    (tmp_path / ".public_key.pem").unlink()
    oss2.LocalRsaProvider(dir=str(tmp_path))
    assert (tmp_path / ".private_key.pem").read_bytes() != kept  # the key is lost


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    keys, elsewhere = tmp_path / "keys", tmp_path / "elsewhere"
    keys.mkdir()
    for name in NAMES:
        (keys / name).symlink_to(elsewhere)
    with pytest.raises(FileNotFoundError):
        LocalRsaProvider(str(keys))
    assert not elsewhere.exists()


@pytest.mark.parametrize("passphrase", ["", "secret", "pässword"])
def test_files_of_oss2_are_read_and_ours_by_oss2(
    tmp_path: Path, passphrase: str, store: cb.MemoryStore
) -> None:
    oss2 = import_oss2()
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    oss2.LocalRsaProvider(dir=str(theirs), key="a", passphrase=passphrase or None)
    made(ours, key="a", passphrase=passphrase)
    for folder in (theirs, ours):
        here = LocalRsaProvider(str(folder), "a", passphrase or None)
        there = oss2.LocalRsaProvider(dir=str(folder), key="a", passphrase=passphrase or None)
        bucket = cb.Bucket(store, here.ring)
        bucket.put("name", b"content")
        assert fields_of(bucket, "name")["client-side-encryption-wrap-alg"] == OAEP
        assert bucket.get("name").read() == b"content"
        material = here.create_content_material()
        assert material.encrypted_key is not None
        assert there.decrypt_encrypted_key(material.encrypted_key) == here.decrypt_encrypted_key(
            material.encrypted_key
        )
        by_oss2 = there.create_content_material()
        assert here.decrypt_encrypted_iv(by_oss2.encrypted_iv) == there.decrypt_encrypted_iv(
            by_oss2.encrypted_iv
        )
        if passphrase:
            for wrong in (None, "other"):
                with pytest.raises(ClientError, match="passphrase"):
                    LocalRsaProvider(str(folder), "a", wrong)


def test_older_passphrase_files_are_read(tmp_path: Path) -> None:
    # Both files in the encrypted PEM of OpenSSL, as with the libraries of 2019.
    key = private_key("key1")
    (tmp_path / ".private_key.pem").write_text(pem(key, "secret"))
    oss2_key = pytest.importorskip("Crypto.PublicKey.RSA").import_key(public_pem(key))
    (tmp_path / ".public_key.pem").write_bytes(oss2_key.export_key(passphrase="secret"))
    assert b"Proc-Type" in (tmp_path / ".public_key.pem").read_bytes()
    provider = LocalRsaProvider(str(tmp_path), passphrase="secret")
    assert provider.master_key().id == cb.RsaKey(key).id


@pytest.mark.parametrize(
    ("private", "public", "told"),
    [
        (pair("key1")["private_key"], pair("key2")["public_key"], "not the public half"),
        (pair("key1")["public_key"], pair("key1")["public_key"], "private key should be"),
        ("junk", pair("key1")["public_key"], "not a key"),
        (pair("key1")["private_key"], "junk", "not a key"),
    ],
    ids=["two keys", "two public halves", "no private key", "no public half"],
)
def test_files_that_do_not_belong_together_are_refused(
    tmp_path: Path, private: str, public: str, told: str
) -> None:
    (tmp_path / ".private_key.pem").write_text(private)
    (tmp_path / ".public_key.pem").write_text(public)
    before = contents(tmp_path)
    with pytest.raises(ClientError, match=told):
        LocalRsaProvider(str(tmp_path))
    assert contents(tmp_path) == before


def test_a_pair_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cipherbucket.keys import files

    create = files._create

    def half(place: Any, *rest: Any) -> None:
        if place.name == ".public_key.pem":
            raise cb.MasterKeyError("no room")
        create(place, *rest)

    monkeypatch.setattr(files, "_create", half)
    with pytest.raises(ClientError, match="no room"):
        LocalRsaProvider(str(tmp_path / "keys"))
    assert contents(tmp_path / "keys") == {}
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileExistsError):
        LocalRsaProvider(str(tmp_path / "file"))


def local_vectors() -> list[Vector]:
    return [vector for vector in rsa_vectors() if "localrsa" in vector.name]


@pytest.mark.parametrize("vector", local_vectors(), ids=str)
def test_objects_of_both_formats_are_read(tmp_path: Path, vector: Vector) -> None:
    key = private_key(vector.key_id)
    (tmp_path / ".private_key.pem").write_text(pem(key))
    (tmp_path / ".public_key.pem").write_text(public_pem(key))
    provider = LocalRsaProvider(str(tmp_path))
    store = cb.MemoryStore()
    store.put("name", vector.ciphertext, metadata=vector.metadata)
    assert cb.Bucket(store, provider.ring).get("name").read() == vector.plaintext()
    # A program that moves to RsaProvider with the same key still reads them.
    moved = RsaProvider(pair(vector.key_id))
    assert cb.Bucket(store, moved.ring).get("name").read() == vector.plaintext()


def test_the_vectors_are_there() -> None:
    assert {vector.v1 for vector in local_vectors()} == {True, False}


def test_it_opens_nothing_that_was_wrapped_otherwise(tmp_path: Path, store: cb.MemoryStore) -> None:
    for name, text in pair("key1").items():
        (tmp_path / f".{name}.pem").write_text(text)
    cb.Bucket(store, RsaProvider(pair("key1")).ring).put("name", b"content")
    with pytest.raises(cb.NoMatchingKeyError, match="does not unwrap"):
        cb.Bucket(store, LocalRsaProvider(str(tmp_path)).ring).get("name")
    with pytest.raises(cb.MasterKeyError, match="sealed"):
        LocalRsaProvider(str(tmp_path)).master_key().algorithm_for("sealed")


def test_it_takes_no_further_keys(tmp_path: Path, store: cb.MemoryStore) -> None:
    provider = made(tmp_path)
    cb.Bucket(store, RsaProvider(pair("key1"), mat_desc={"a": "b"}).ring).put("name", b"content")
    provider.add_encryption_materials(EncryptionMaterials({"a": "b"}, key_pair=pair("key1")))
    with pytest.raises(ClientError, match="one key alone"):
        cb.Bucket(store, provider.ring).get("name")
