"""Objects with a random IV, as the SDK for C++ v2 writes them, are read by every verb.

Its objects without a description have ``{}`` in that field. A wrong key stays a wrong key, and a
bucket that wants masked IVs alone says what it refuses.
"""

from __future__ import annotations

import base64
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from tests.cli.runs import invoke, succeed
from tests.support.sdk_vectors import private_key, rsa_key
from tests.support.stub_kms import stub_kms

import cipherbucket as cb
from cipherbucket.keys.local_rsa import LocalRsaKey
from cipherbucket.keys.rsa import PKCS1

pytestmark = pytest.mark.filterwarnings("ignore:key .* writes without a description")

PLAINTEXT = bytes(range(256)) * 400
IV = bytes.fromhex("f0f1f2f3f4f5f6f7fffffffffffffffe")
"""The counter carries into its upper half within the object."""
DATA_KEY = bytes(range(32))
DESCRIPTION = {"desc": "cpp"}


def foreign(key: cb.MasterKey, description: str) -> tuple[bytes, dict[str, str]]:
    """Make body and metadata of an object as the SDK for C++ v2 does."""
    algorithm = key.algorithm_for("oss")
    cipher = Cipher(algorithms.AES256(DATA_KEY), modes.CTR(IV)).encryptor()
    fields = {
        "key": base64.b64encode(key.wrap(DATA_KEY, algorithm=algorithm, context=b"")).decode(),
        "start": base64.b64encode(key.wrap(IV, algorithm=algorithm, context=b"")).decode(),
        "cek-alg": "AES/CTR/NoPadding",
        "wrap-alg": algorithm,
        "matdesc": description,
    }
    metadata = {f"client-side-encryption-{name}": text for name, text in fields.items()}
    return cipher.update(PLAINTEXT), metadata


@pytest.fixture(params=[{}, {"desc": "cpp"}], ids=["no description", "a description"])
def key(request: pytest.FixtureRequest) -> cb.RsaKey:
    return rsa_key("key1").described(request.param)


@pytest.fixture
def store(key: cb.RsaKey) -> cb.MemoryStore:
    store = cb.MemoryStore()
    body, metadata = foreign(key, json.dumps(dict(key.description), separators=(",", ":")))
    store.put("o", body, metadata=metadata)
    return store


@pytest.fixture
def bucket(store: cb.MemoryStore, key: cb.RsaKey) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing(key))


def test_a_bucket_reads_it_whole_and_in_part(bucket: cb.Bucket, tmp_path: Path) -> None:
    with bucket.get("o") as stream:
        assert stream.read() == PLAINTEXT
        assert stream.info.iv == "random"
    for start, length in ((0, 16), (5, 96), (31, 1), (4096, None), (len(PLAINTEXT) - 1, 1)):
        stop = len(PLAINTEXT) if length is None else start + length
        assert bucket.get("o", start=start, length=length).read() == PLAINTEXT[start:stop]
    with bucket.open("o") as file:
        file.seek(50_001)
        assert file.read(100) == PLAINTEXT[50_001:50_101]
    bucket.download("o", tmp_path / "o")
    assert (tmp_path / "o").read_bytes() == PLAINTEXT
    assert cb.verify(bucket, "o").size == len(PLAINTEXT)
    with cb.verify_all(bucket) as verified:
        assert verified.counts["verified"].objects == 1


def test_what_no_key_has_opened_has_no_known_iv(bucket: cb.Bucket) -> None:
    assert bucket.head("o").iv is None
    assert bucket.get("o").info == bucket.head("o")


def test_an_audit_tells_random_and_masked_ivs_apart(bucket: cb.Bucket) -> None:
    bucket.put("ours", b"")
    with cb.audit.run(bucket) as audit:
        assert {each.name: each.iv for each in audit.objects()} == {"o": "random", "ours": "masked"}
        report = audit.report()
        assert (report["verified"], report["random_ivs"]) == (2, 1)
        assert any("random in all bytes" in note for note in report["notes"])
    strict = cb.Bucket(bucket.access.store, bucket.access.ring, policy=cb.Policy(strict_iv=True))
    with cb.audit.run(strict) as audit:
        assert audit.summary.random_ivs == 1
    keyless = cb.Bucket(bucket.access.store, cb.KeyRing())
    with cb.audit.run(keyless) as audit:
        assert {each.iv for each in audit.objects()} == {None}
        assert not any("random" in note for note in audit.report()["notes"])


@pytest.mark.parametrize("verb", [cb.rotation.rewrap_all, cb.rotation.reencrypt_all])
def test_a_rotation_takes_it_along(verb: Any, store: cb.MemoryStore, key: cb.RsaKey) -> None:
    new = rsa_key("key2").described({"desc": "new"})
    with verb(cb.Bucket(store, cb.KeyRing(new, key))) as report:
        assert report.counts["done"].objects == 1
    stream = cb.Bucket(store, cb.KeyRing(new)).get("o")
    assert stream.read() == PLAINTEXT
    assert stream.info.iv == ("random" if verb is cb.rotation.rewrap_all else "masked")


def test_a_wrong_key_is_one(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    wrong = cb.Bucket(store, cb.KeyRing(rsa_key("key3").described(key.description)))
    for read in (wrong.get, partial(cb.verify, wrong), partial(cb.rotation.reencrypt, wrong)):
        with pytest.raises(cb.WrongKeyError):
            read("o")
    with cb.audit.run(wrong) as audit:
        (found,) = audit.objects()
        assert ("wrong-key" in found.findings, found.verified, found.iv) == (True, False, None)


def test_a_strict_bucket_refuses_it_by_its_policy(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    strict = cb.Bucket(store, cb.KeyRing(key), policy=cb.Policy(strict_iv=True))
    for read in (strict.get, partial(cb.verify, strict), partial(cb.rotation.reencrypt, strict)):
        with pytest.raises(cb.PolicyError, match="IV is random") as refused:
            read("o")
        assert "strict_iv" in str(refused.value.hint)
        assert "'o'" in str(refused.value)


def test_a_kms_and_oaep_prove_what_they_unwrap() -> None:
    with stub_kms() as kms:
        for key in (kms.key(), LocalRsaKey(private_key("key1"), description=DESCRIPTION)):
            store = cb.MemoryStore()
            body, metadata = foreign(key, json.dumps(dict(key.description)))
            store.put("o", body, metadata=metadata)
            stream = cb.Bucket(store, cb.KeyRing(key)).get("o")
            assert (stream.read(), stream.info.iv) == (PLAINTEXT, "random")


class Own:
    """A user's own master key over an RSA key, which says nothing of what was wrapped."""

    id = "own"
    algorithms = frozenset({PKCS1})

    def __init__(self, key: cb.RsaKey) -> None:
        self._key = key
        self.description = key.description

    def algorithm_for(self, format: str) -> str:  # noqa: A002  the word of the protocol
        return self._key.algorithm_for(format)

    def wrap(self, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
        return self._key.wrap(secret, algorithm=algorithm, context=context)

    def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        return self._key.unwrap(wrapped, algorithm=algorithm, context=context)


class Knowing(Own):
    """The same, which hands on what the RSA key knows."""

    def was_wrapped(self, wrapped: bytes, secret: bytes, *, algorithm: str) -> bool | None:
        return self._key.was_wrapped(wrapped, secret, algorithm=algorithm)


def test_a_key_of_a_users_own_reads_it_if_it_knows_what_it_wrapped(
    store: cb.MemoryStore, key: cb.RsaKey
) -> None:
    own = cb.Bucket(store, cb.KeyRing(Own(key)))
    own.put("ours", PLAINTEXT)
    assert own.get("ours").read() == PLAINTEXT
    with pytest.raises(cb.WrongKeyError) as refused:
        own.get("o")
    assert "was_wrapped" in str(refused.value.hint)
    assert cb.Bucket(store, cb.KeyRing(Knowing(key))).get("o").read() == PLAINTEXT


def test_the_commands_read_it(tmp_path: Path) -> None:
    file, folder = tmp_path / "cmk.pem", tmp_path / "store"
    cb.create_rsa_key_file(file, description=DESCRIPTION)
    key = cb.load_key(file)
    assert isinstance(key, cb.RsaKey)
    body, metadata = foreign(key, json.dumps(DESCRIPTION))
    url = folder.as_uri()
    with cb.open_bucket(url, key) as bucket:
        bucket.access.store.put("o", body, metadata=metadata)
    assert succeed("cat", "-k", file, f"{url}/o").stdout_bytes == PLAINTEXT
    ranged = succeed("cat", "-k", file, "--range", "5-99", f"{url}/o")
    assert ranged.stdout_bytes == PLAINTEXT[5:100]
    assert "random in all 16 bytes" in succeed("stat", "-k", file, f"{url}/o").stdout
    assert json.loads(succeed("stat", "--json", "-k", file, f"{url}/o").stdout)["iv"] == "random"
    assert json.loads(succeed("stat", "--json", f"{url}/o").stdout)["iv"] is None
    succeed("verify", "-k", file, f"{url}/o")
    succeed("verify", "-r", "-k", file, f"{url}/")
    succeed("keys", "check", "-k", file, f"{url}/o")
    audited = [
        json.loads(line) for line in succeed("audit", "--json", "-k", file, url).stdout.splitlines()
    ]
    assert [each.get("iv") for each in audited] == ["random", None]
    succeed("cp", "-k", file, f"{url}/o", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == PLAINTEXT
    succeed("reencrypt", "-k", file, f"{url}/o")
    assert "masked: bytes 8 to 11 are zero" in succeed("stat", "-k", file, f"{url}/o").stdout


def test_a_rule_can_want_masked_ivs_alone(tmp_path: Path) -> None:
    file, folder = tmp_path / "cmk.pem", tmp_path / "store"
    cb.create_rsa_key_file(file, description=DESCRIPTION)
    key = cb.load_key(file)
    assert isinstance(key, cb.RsaKey)
    body, metadata = foreign(key, json.dumps(DESCRIPTION))
    with cb.open_bucket(folder.as_uri(), key) as bucket:
        bucket.access.store.put("o", body, metadata=metadata)
    config = tmp_path / "cipherbucket.toml"
    config.write_text(
        f'[stores.s]\nurl = "{folder.as_uri()}"\n[keys.k]\nrsa = "{file}"\n'
        '[[rules]]\nat = "s"\nwrite = "k"\nstrict_iv = true\n'
    )
    env = {"CIPHERBUCKET_CONFIG": str(config)}
    refused = invoke("cat", "s://o", env=env)
    assert "random in all its 16 bytes" in refused.stderr
