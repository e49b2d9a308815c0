"""The KMS endpoint as a whole: its keys in a file, its certificate, its faults."""

import base64
import http.client
import shutil
import sqlite3
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from tests.support.kms_client import KmsClient

from cipherbucket.errors import StoreError, UsageError
from cipherbucket.server import Endpoint
from cipherbucket.server.faults import HEADER
from cipherbucket.server.kms import KmsEndpoint, certificate
from cipherbucket.server.kms.actions import Parameters, find_action
from cipherbucket.server.kms.ciphertext import Blob, decrypt, encrypt, read_blob
from cipherbucket.server.kms.key_database import Vault
from cipherbucket.server.kms.verification import KmsRequest

ALIAS = "alias/example"
TEXT = "c2VjcmV0"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_keys_in_memory_are_gone_at_the_end() -> None:
    with KmsEndpoint(aliases=[ALIAS]) as kms:
        first = kms.key_id(ALIAS)
    with kms:
        assert kms.key_id(ALIAS) != first
    with pytest.raises(UsageError, match="does not run"):
        kms.key_id(ALIAS)


def test_keys_in_a_file_stay(tmp_path: Path) -> None:
    file = tmp_path / "keys.sqlite"
    with KmsEndpoint(keys=file, aliases=[ALIAS]) as kms:
        call = KmsClient(kms)
        blob = call("Encrypt", KeyId=ALIAS, Plaintext=TEXT)["CiphertextBlob"]
        disabled = call("CreateKey", Description="off")["KeyMetadata"]["KeyId"]
        call("DisableKey", KeyId=disabled)
        first = kms.key_id(ALIAS)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert mode(file) == 0o600
    with KmsEndpoint(keys=file, aliases=[ALIAS, "alias/more"]) as kms:
        call = KmsClient(kms)
        assert kms.key_id(ALIAS) == first
        assert call("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT
        told = call("DescribeKey", KeyId=disabled)["KeyMetadata"]
        assert (told["KeyState"], told["Description"]) == ("Disabled", "off")
        assert call("ListKeys")["TotalCount"] == 3


@pytest.mark.parametrize("content", [b"not a database at all, but longer than a header" * 9, None])
def test_a_file_that_is_no_key_file_stays_as_it_is(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "keys.sqlite"
    if content is None:
        with sqlite3.connect(file) as db:
            db.execute("CREATE TABLE mine (a)")
        db.close()
    else:
        file.write_bytes(content)
    file.chmod(0o600)
    before = file.read_bytes()
    with pytest.raises(UsageError, match=r"keys\.sqlite"):
        KmsEndpoint(keys=file, aliases=[ALIAS]).start()
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.sqlite"
    with KmsEndpoint(keys=file):
        pass
    file.chmod(0o640)
    with pytest.raises(UsageError, match="others may read") as caught:
        KmsEndpoint(keys=file).start()
    assert "chmod 600" in str(caught.value.hint)
    assert mode(file) == 0o640


def test_a_file_serves_one_endpoint(tmp_path: Path) -> None:
    file = tmp_path / "keys.sqlite"
    with KmsEndpoint(keys=file), pytest.raises(UsageError, match="cannot be opened"):
        KmsEndpoint(keys=file).start()
    with KmsEndpoint(keys=file):
        pass


def test_a_file_in_no_folder_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be made"):
        KmsEndpoint(keys=tmp_path / "none" / "keys.sqlite").start()
    assert not list(tmp_path.iterdir())


def test_an_older_version_of_a_key_still_decrypts(tmp_path: Path) -> None:
    file = tmp_path / "keys.sqlite"
    with KmsEndpoint(keys=file, aliases=[ALIAS]) as kms:
        old = KmsClient(kms)("Encrypt", KeyId=ALIAS, Plaintext=TEXT)
        key = kms.key_id(ALIAS)
    version = "11111111-1111-4111-8111-111111111111"
    with sqlite3.connect(file) as db:
        row = (key, version, bytes(32))
        db.execute("INSERT INTO versions (key, id, secret) VALUES (?, ?, ?)", row)
    db.close()
    with KmsEndpoint(keys=file) as kms:
        call = KmsClient(kms)
        assert call("Decrypt", CiphertextBlob=old["CiphertextBlob"])["Plaintext"] == TEXT
        new = call("ReEncrypt", CiphertextBlob=old["CiphertextBlob"], DestinationKeyId=key)
        assert new["KeyVersionId"] == version != old["KeyVersionId"]
        got = call("Decrypt", CiphertextBlob=new["CiphertextBlob"])
        assert (got["Plaintext"], got["KeyVersionId"]) == (TEXT, version)
        assert call("DescribeKey", KeyId=key)["KeyMetadata"]["PrimaryKeyVersion"] == version


def test_a_ciphertext_is_bound_to_key_version_and_context() -> None:
    key, version = "0" * 8 + "-0000-4000-8000-" + "0" * 12, "1" * 8 + "-1111-4111-8111-" + "1" * 12
    blob = read_blob(encrypt(bytes(32), key, version, b"text", {"a": "1"}))
    assert decrypt(bytes(32), blob, {"a": "1"}) == b"text"
    for other in (
        Blob(version, version, blob.nonce, blob.body),
        Blob(key, key, blob.nonce, blob.body),
        Blob(key, version, bytes(12), blob.body),
    ):
        with pytest.raises(Exception, match="InvalidParameter"):
            decrypt(bytes(32), other, {"a": "1"})
    with pytest.raises(Exception, match="InvalidParameter"):
        decrypt(bytes([1] * 32), blob, {"a": "1"})


def test_keys_are_made_by_many_threads_at_once() -> None:
    vault = Vault(None, "acs:kms:x:y:")
    create = find_action("CreateKey")
    nothing = Parameters(KmsRequest("GET", "/", (), (), {}, b""))
    threads = [threading.Thread(target=create, args=(vault, nothing)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert vault.keys()[1] == 20
    vault.close()


def test_it_leaves_no_thread_behind_and_a_taken_port_is_refused() -> None:
    before = set(threading.enumerate())  # other tests may keep an endpoint of theirs
    with KmsEndpoint() as kms:
        port = int(kms.address.rpartition(":")[2])
        with pytest.raises(StoreError, match="cannot be bound"):
            KmsEndpoint(port=port).start()
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert not [name for name in left if name.startswith("cipherbucket")]


@pytest.mark.parametrize("alias", ["example", "alias/", ""])
def test_an_alias_that_is_none_is_refused(alias: str) -> None:
    with pytest.raises(UsageError, match="no alias"):
        KmsEndpoint(aliases=[alias])


def test_it_says_where_it_is_and_how_to_point_sdks_at_it(tmp_path: Path) -> None:
    with KmsEndpoint(aliases=[ALIAS], access_key_secret="very-secret") as kms:
        text = kms.describe(with_secret=True)
        assert text.count(kms.address) >= 5
        assert kms.key_id(ALIAS) in text
        assert "very-secret" in text
        assert "very-secret" not in kms.describe(with_secret=False)
        assert "--kms-tls" in text
    with KmsEndpoint(tls=tmp_path) as kms:
        text = kms.describe(with_secret=True)
        for variable in ("SSL_CERT_FILE", "ALIBABA_CLOUD_CA_BUNDLE"):
            assert f"{variable}={kms.certificate}" in text
        assert text.count(str(kms.certificate)) == 6


def test_https_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    with KmsEndpoint(tls=folder, aliases=[ALIAS]) as kms:
        assert kms.url.startswith("https://127.0.0.1:")
        assert KmsClient(kms)("ListKeys")["TotalCount"] == 1
        assert kms.certificate
        written = kms.certificate.read_bytes()
        assert mode(folder / "private-key.pem") == 0o600
        trusting_nobody = ssl.create_default_context()
        connection = http.client.HTTPSConnection(kms.address, context=trusting_nobody)
        with pytest.raises(ssl.SSLCertVerificationError):
            connection.request("GET", "/")
        connection.close()
        strict = ssl.create_default_context(cafile=kms.certificate)
        strict.verify_flags |= ssl.VERIFY_X509_STRICT
        for name in ("127.0.0.1", "localhost"):
            port = int(kms.address.rpartition(":")[2])
            connection = http.client.HTTPSConnection(name, port, context=strict)
            connection.request("GET", "/")
            assert connection.getresponse().status == 400
            connection.close()
    with KmsEndpoint(tls=folder) as kms:
        assert kms.certificate
        assert kms.certificate.read_bytes() == written
    names = x509.load_pem_x509_certificate(written).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]


def test_a_certificate_that_is_half_there_is_refused(tmp_path: Path) -> None:
    KmsEndpoint(tls=tmp_path / "whole")
    for gone in ("certificate.pem", "private-key.pem"):
        folder = tmp_path / gone
        shutil.copytree(tmp_path / "whole", folder)
        (folder / gone).unlink()
        with pytest.raises(UsageError, match="only one"):
            KmsEndpoint(tls=folder)
        assert not (folder / gone).exists()
    key = tmp_path / "whole" / "private-key.pem"
    key.chmod(0o644)
    with pytest.raises(UsageError, match="others may read"):
        KmsEndpoint(tls=tmp_path / "whole")


def test_a_certificate_that_is_none_or_anothers_or_too_old_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        KmsEndpoint(tls=tmp_path / name)
    one = tmp_path / "one" / "certificate.pem"
    one.write_bytes((tmp_path / "two" / "certificate.pem").read_bytes())
    with pytest.raises(UsageError, match="cannot be spoken"):
        KmsEndpoint(tls=tmp_path / "one").start()
    one.write_bytes(b"none")
    with pytest.raises(UsageError, match="no certificate"):
        KmsEndpoint(tls=tmp_path / "one")
    monkeypatch.setattr(certificate, "_DAYS", -0.02)
    with pytest.raises(UsageError, match="was good until"):
        KmsEndpoint(tls=tmp_path / "three")


def test_a_certificate_cannot_be_kept_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(UsageError, match="no certificate can be kept"):
        KmsEndpoint(tls=file)


@pytest.fixture(params=["http", "https"])
def call(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KmsClient]:
    """Return a client of an endpoint by each protocol."""
    tls = tmp_path / "tls" if request.param == "https" else None
    with KmsEndpoint(aliases=[ALIAS], tls=tls) as kms:
        yield KmsClient(kms)


def asking(call: KmsClient, fault: str, action: str = "GenerateDataKey") -> object:
    given = {"Action": action, "Format": "JSON", "KeyId": ALIAS}
    return call.rpc(given, more={HEADER: fault})


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("429", "Rejected.Throttling"),
        ("500", "InternalFailure"),
        ("503", "ServiceUnavailableTemporary"),
    ],
)
def test_an_answer_that_is_an_error_did_nothing(call: KmsClient, fault: str, code: str) -> None:
    given = {"Action": "CreateKey", "Format": "JSON"}
    assert call.rpc(given, more={HEADER: fault}).error == (int(fault), code)
    assert call("ListKeys")["TotalCount"] == 1


def test_broken_connections(call: KmsClient) -> None:
    with pytest.raises((ConnectionError, http.client.HTTPException, ssl.SSLError)):
        asking(call, "reset")
    with pytest.raises((http.client.IncompleteRead, ssl.SSLError)):
        asking(call, "truncate")
    assert call("ListKeys").status == 200


def test_lies_and_garbage(call: KmsClient) -> None:
    given = {"Action": "GenerateDataKey", "Format": "JSON", "KeyId": ALIAS}
    lie = call.rpc(given, more={HEADER: "key"})
    assert lie["KeyId"] != call.endpoint.key_id(ALIAS)
    assert base64.b64decode(lie["CiphertextBlob"])[:36].decode() == call.endpoint.key_id(ALIAS)
    garbage = call.rpc(given, more={HEADER: "garbage"})
    assert (garbage.status, garbage.headers["content-type"]) == (200, "text/html")
    assert garbage.body.startswith(b"<html>")
    slow = call.rpc(given, more={HEADER: "slow,delay=0.01"})
    assert slow["KeyId"] == call.endpoint.key_id(ALIAS)
    assert call.rpc(given, more={HEADER: "crc"}).error == (400, "InvalidParameter")


def test_the_same_program_meets_the_same_faults() -> None:
    def run() -> list[int]:
        with KmsEndpoint(aliases=[ALIAS], faults="429=0.3,500=0.3,seed=11") as kms:
            call = KmsClient(kms)
            return [call("GenerateDataKey", KeyId=ALIAS).status for _ in range(40)]

    first = run()
    assert first == run()
    assert {200, 429, 500} == set(first)


def test_faults_of_the_other_endpoint_are_none() -> None:
    with pytest.raises(UsageError, match="crc"):
        KmsEndpoint(faults="crc=0.1")
    with pytest.raises(UsageError, match="garbage"):
        Endpoint(faults="garbage")
