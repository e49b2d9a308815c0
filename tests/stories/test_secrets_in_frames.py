"""No error that a damaged object, a wrong key or a failing KMS causes holds a key in its frames.

Programs report errors with the variables of every frame. Each error here, and all that it was
raised from, is searched for the object's data key, its IV and derived keys, and for master keys.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.leaks import leaks, raised
from tests.support.stub_kms import KEY_ID, OTHER_ID, Refusal, StubKms, stub_kms

import cipherbucket as cb
from cipherbucket import oss2
from cipherbucket.envelopes.unseal import open_sealed, unwrap_oss
from cipherbucket.format.sealed import Binding, derive
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.local_rsa import LocalRsaKey

CONTENT = b"plain text of an object" * 2000
AES = bytes(range(100, 132))
DESCRIPTION = {"desc": "ours"}
KEYS = ("oss rsa", "oss local-rsa", "oss kms", "sealed rsa", "sealed aes", "sealed kms")


@dataclass
class Scene:
    """One object, and what must be in no frame."""

    bucket: cb.Bucket
    store: cb.MemoryStore
    key: MasterKey
    wrong: MasterKey
    kms: StubKms
    secrets: tuple[bytes, ...]

    def damaged(self, metadata: Mapping[str, str], body: bytes) -> None:
        self.store.put("a", body, metadata=metadata)


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def kms() -> Iterator[StubKms]:
    with stub_kms() as running:
        yield running


def keys_of(kind: str, private: rsa.RSAPrivateKey, kms: StubKms) -> tuple[MasterKey, MasterKey]:
    """Return two keys of a kind and one description, of which the second opens nothing."""
    other = rsa.generate_private_key(65537, 2048)
    if kind == "rsa":
        return (
            cb.RsaKey(private, description=DESCRIPTION),
            cb.RsaKey(other, description=DESCRIPTION),
        )
    if kind == "local-rsa":
        return (
            LocalRsaKey(private, description=DESCRIPTION),
            LocalRsaKey(other, description=DESCRIPTION),
        )
    if kind == "aes":
        return (
            cb.AesKey(AES, description=DESCRIPTION),
            cb.AesKey(bytes(32), description=DESCRIPTION),
        )
    settings = kms.settings(attempts=1)
    return (
        cb.AliKmsKey(KEY_ID, settings, description=DESCRIPTION),
        cb.AliKmsKey(OTHER_ID, settings, description=DESCRIPTION, allowed=[]),
    )


@pytest.fixture
def scene(request: pytest.FixtureRequest, private: rsa.RSAPrivateKey, kms: StubKms) -> Scene:
    format_, kind = request.param.split()
    kms.meddle = lambda _: None
    key, wrong = keys_of(kind, private, kms)
    store = cb.MemoryStore()
    bucket = cb.Bucket(store, key, format=format_)
    info = bucket.put("a", CONTENT)
    return Scene(bucket, store, key, wrong, kms, secrets_of(bucket, info))


def secrets_of(bucket: cb.Bucket, info: cb.ObjectInfo) -> tuple[bytes, ...]:
    """Return the data key and what else opens an object."""
    envelope, ring, policy = info.envelope, bucket.access.ring, bucket.access.policy
    assert envelope is not None
    if envelope.seal is None:
        return (*unwrap_oss(envelope, ring, policy), AES)
    opened = open_sealed(envelope, ring, policy, binding=Binding("a"))
    seal = envelope.seal
    context = Binding("a").encode(seal.flags, seal.footer_hash)
    return (opened.data_key, derive(opened.data_key, seal.salt, context)[0], AES)


def bent(text: str) -> Iterator[str]:
    """Give a field with a bit flipped in three places, and one that is shorter."""
    data = base64.b64decode(text)
    for at in (0, len(data) // 2, len(data) - 1):
        yield base64.b64encode(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]).decode()
    yield base64.b64encode(data[:-1]).decode()


def damages(metadata: Mapping[str, str], body: bytes) -> Iterator[tuple[Mapping[str, str], bytes]]:
    """Give an object with one thing wrong each time."""
    binary = [
        name
        for name in metadata
        if name.endswith(("-key", "-start", "-seal", "-recipients", "-mac"))
    ]
    for name in binary:
        for text in bent(metadata[name]):
            yield {**metadata, name: text}, body
        for other in binary:
            if other != name:  # a data key where the IV should be
                yield {**metadata, name: metadata[other]}, body
    for name in metadata:
        yield {key: text for key, text in metadata.items() if key != name}, body
    for at in (0, 30, 60, len(body) // 2, len(body) - 60, len(body) - 1):
        yield metadata, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    yield metadata, body[:-1]
    yield metadata, body[:40]


VERBS: dict[str, Callable[[Scene, Path], Any]] = {
    "get": lambda scene, _: scene.bucket.get("a").read(),
    "range": lambda scene, _: scene.bucket.get("a", start=20_000, length=10).read(),
    "open": lambda scene, _: scene.bucket.open("a").read(),
    "download": lambda scene, folder: scene.bucket.download("a", folder / "a"),
    "verify": lambda scene, _: cb.verify(scene.bucket, "a"),
    "rewrap": lambda scene, _: cb.rotation.rewrap(scene.bucket, "a", scene.wrong, key=scene.key),
    "reencrypt": lambda scene, _: cb.rotation.reencrypt(scene.bucket, "a"),
    "add": lambda scene, _: cb.recipients.add(scene.bucket, "a", cb.AesKey(bytes(32))),
    "remove": lambda scene, _: cb.recipients.remove(scene.bucket, "a", scene.key),
    "repair": lambda scene, _: cb.recipients.repair(scene.bucket, "a"),
    "copy": lambda scene, _: scene.bucket.copy("a", "b"),
}


def errors_of(call: Callable[[], Any]) -> Iterator[BaseException]:
    """Give what a call raises, if it does: some damages a verb does not meet, or mends."""
    try:
        call()
    except Exception as error:  # noqa: BLE001  it is looked at
        yield error


@pytest.mark.each_value
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("scene", KEYS, indirect=True)
def test_a_damaged_object_shows_no_key(scene: Scene, verb: str, tmp_path: Path) -> None:
    stored = scene.store.head("a")
    with scene.store.get("a") as incoming:
        body = bytearray(stored.size)
        incoming.readinto(memoryview(body))
    raised_some = False
    for metadata, content in damages(stored.metadata, bytes(body)):
        scene.damaged(metadata, content)
        for error in errors_of(lambda: VERBS[verb](scene, tmp_path)):
            raised_some = True
            assert not leaks(error, *scene.secrets)
    assert raised_some


@pytest.mark.each_value
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("scene", KEYS, indirect=True)
def test_a_wrong_key_shows_no_key(scene: Scene, verb: str, tmp_path: Path) -> None:
    opened = replace(
        scene, bucket=cb.Bucket(scene.store, scene.wrong, format=scene.bucket.access.format)
    )
    for error in errors_of(lambda: VERBS[verb](opened, tmp_path)):
        assert not leaks(error, *scene.secrets)


@pytest.mark.each_value
@pytest.mark.parametrize("failing", range(4))
@pytest.mark.parametrize("verb", ["put", "get", "rewrap", "reencrypt", "add", "repair"])
@pytest.mark.parametrize("scene", ["oss kms", "sealed kms"], indirect=True)
def test_a_kms_that_fails_in_the_middle_shows_no_key(
    scene: Scene, verb: str, failing: int, tmp_path: Path
) -> None:
    asked: list[str] = []
    plain: set[bytes] = set()

    def meddle(call: Any) -> None:
        asked.append(call.action)
        if "Plaintext" in call.parameters:
            plain.add(base64.b64decode(call.parameters["Plaintext"]))
        if len(asked) > failing:
            raise Refusal(403, "Forbidden.NoPermission")

    scene.kms.meddle = meddle
    verbs: dict[str, Callable[[Scene, Path], Any]] = {
        **VERBS,
        "put": lambda scene, _: scene.bucket.put("b", b"x"),
        "add": lambda scene, _: cb.recipients.add(
            scene.bucket,
            "a",
            scene.kms.key(description={"desc": "new"}),
        ),
    }
    for error in errors_of(lambda: verbs[verb](scene, tmp_path)):
        assert not leaks(error, *scene.secrets, *plain)
        for text in plain:
            assert not leaks(error, base64.b64encode(text))


PASSPHRASE = "correct horse battery"


@pytest.fixture
def key_file(tmp_path: Path, private: rsa.RSAPrivateKey) -> Path:
    """Return the file of an RSA key without a passphrase; beside it lies another key's label."""
    file = tmp_path / "key.pem"
    file.write_bytes(pem(private))
    file.chmod(0o600)
    (tmp_path / "key.pem.json").write_text('{"fingerprint": "SHA256:other", "description": {}}')
    return file


def pem(private: rsa.RSAPrivateKey, passphrase: str | None = None) -> bytes:
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        protection = serialization.BestAvailableEncryption(passphrase.encode())
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )


def test_a_key_file_that_is_refused_shows_no_key(
    key_file: Path, private: rsa.RSAPrivateKey
) -> None:
    line = pem(private).splitlines()[5]
    error = raised(lambda: cb.load_key(key_file))
    assert isinstance(error, cb.MasterKeyError)
    assert not leaks(error, line)
    key_file.write_bytes(AES)
    error = raised(lambda: cb.load_key(key_file))
    assert isinstance(error, cb.MasterKeyError)
    assert not leaks(error, AES)
    error = raised(lambda: cb.RsaKey.from_pem_file(key_file))
    assert not leaks(error, AES)


def test_a_wrong_passphrase_is_in_no_frame(
    private: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = pem(private, "another one")
    error = raised(lambda: cb.RsaKey.from_pem(locked, passphrase=lambda: PASSPHRASE))
    assert isinstance(error, cb.MasterKeyError)
    assert not leaks(error, PASSPHRASE)
    monkeypatch.setenv("CIPHERBUCKET_PASSPHRASE", PASSPHRASE)
    assert not leaks(raised(lambda: cb.RsaKey.from_pem(locked)), PASSPHRASE)


def test_keys_that_cannot_be_described_are_in_no_frame(private: rsa.RSAPrivateKey) -> None:
    text = pem(private).decode()
    for call in (
        lambda: cb.AesKey(AES, description="no JSON"),
        lambda: cb.AesKey(AES).unwrap(b"x" * 40, algorithm="AES-256-KWP", context=b"c"),
        lambda: cb.RsaKey.from_pem(text, description="no JSON"),
        lambda: oss2.RsaProvider({"private_key": text}, mat_desc={"a": 1}),  # type: ignore[dict-item]
        lambda: oss2.RsaProvider({"private_key": text, "public_key": "none"}),
        lambda: oss2.AliKMSProvider("id", PASSPHRASE, "cn hangzhou", "key", passphrase=PASSPHRASE),
    ):
        error = raised(call)
        assert not leaks(error, AES, text, text.splitlines()[5], PASSPHRASE)


def test_what_the_oss2_layer_raises_of_a_damaged_object_shows_no_key(
    private: rsa.RSAPrivateKey,
) -> None:
    provider = oss2.RsaProvider({"private_key": pem(private).decode()})
    key = provider.master_key()
    wrapped = key.wrap(AES, algorithm=key.algorithm_for("oss"), context=b"")
    assert not leaks(raised(lambda: provider.decrypt_encrypted_iv(wrapped)), AES)
    short = key.wrap(AES[:31], algorithm=key.algorithm_for("oss"), context=b"")
    assert not leaks(raised(lambda: provider.decrypt_encrypted_key(short)), AES[:31])


def test_what_a_key_of_ones_own_raises_keeps_its_lines_as_a_note() -> None:
    class Broken(cb.AesKey):
        def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
            raise ZeroDivisionError("of my own")

    bucket = cb.Bucket(cb.MemoryStore(), Broken(AES, description=DESCRIPTION), format="sealed")
    bucket.put("a", CONTENT)
    try:
        raise KeyError("what the program is at")
    except KeyError as outer:
        error = raised(lambda: bucket.get("a"))
        kept = outer.__traceback__
    assert kept is not None
    assert isinstance(error, ZeroDivisionError)
    assert 'raise ZeroDivisionError("of my own")' in "".join(error.__notes__)
    assert not leaks(error, AES)
