"""A hostile look at pickles: no secret is in any of them, and what would hold one refuses.

A pickle lies in the queues and logs of whoever runs many processes, and travels to machines that
have no business with keys. So everything that people hold is pickled here, with all kinds of
secrets in use, and the bytes are searched.
"""

from __future__ import annotations

import base64
import copy
import copyreg
import importlib
import inspect
import pickle
import secrets
import traceback
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.support.inventories import Line, of_oss

import cipherbucket as cb
from cipherbucket import errors, oss2
from cipherbucket.aio import AsyncBucket
from cipherbucket.bulk.shards import Shards
from cipherbucket.bulk.steps import EntriesOfStep, NamesOfStep, Step, do_step
from cipherbucket.filesystem.spec import CipherbucketFileSystem
from cipherbucket.oss2.exceptions import ClientError

WORDS = {
    "CIPHERBUCKET_PASSPHRASE": "correct horse battery",
    "OSS_ACCESS_KEY_SECRET": "access-key-secret-7c1f",
    "OSS_SESSION_TOKEN": "sts-token-of-today-91ab",
}
PROXY = "proxy-password-55d0"
PLAINTEXT = b"the plaintext of an object, which is nobody's business"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return all data keys and AES keys that are drawn."""
    found: list[bytes] = []
    draw = secrets.token_bytes

    def noted(length: int = 32) -> bytes:
        value = draw(length)
        if length == 32:
            found.append(value)
        return value

    monkeypatch.setattr(secrets, "token_bytes", noted)
    return found


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {**WORDS, "OSS_ACCESS_KEY_ID": "the-access-key-id", "OSS_REGION": "cn-hangzhou"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PROXY}@127.0.0.1:9")


def forms(secret: bytes) -> Iterator[bytes]:
    """Yield how a secret might be written."""
    yield secret
    yield secret[::-1]  # a whole number, in a pickle
    yield str(int.from_bytes(secret, "big")).encode()
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield urllib.parse.quote_from_bytes(secret).encode()
    for shift in range(3):  # whatever stands before it in what is encoded
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(shift) + secret)[4:-4]
    if secret.isascii():
        yield from (secret.decode().encode(each) for each in ("utf-16-le", "utf-16-be"))


def check(written: bytes, secrets_in_use: Mapping[str, bytes], what: str) -> None:
    for name, secret in secrets_in_use.items():
        for form in forms(secret):
            assert form not in written, f"{name} is in the pickle of {what}"


def ways() -> dict[str, Callable[[Any], bytes]]:
    """Return what pickles: each protocol; and what Dask falls back to, where it is installed."""
    found: dict[str, Callable[[Any], bytes]] = {
        f"protocol {number}": partial(pickle.dumps, protocol=number)
        for number in range(2, pickle.HIGHEST_PROTOCOL + 1)
    }
    with suppress(ImportError):
        found["cloudpickle"] = importlib.import_module("cloudpickle").dumps
    return found


def numbers_in(key_file: Path) -> RSAPrivateNumbers:
    passphrase = WORDS["CIPHERBUCKET_PASSPHRASE"].encode()
    key = load_pem_private_key(key_file.read_bytes(), passphrase)
    assert isinstance(key, RSAPrivateKey)
    return key.private_numbers()


@pytest.fixture
def scene(tmp_path: Path, drawn: list[bytes], environment: None) -> Iterator[SimpleNamespace]:
    """Make keys, buckets of both formats, and everything else that people hold of ours."""
    (tmp_path / "folder").mkdir()
    passphrase = WORDS["CIPHERBUCKET_PASSPHRASE"]
    rsa = cb.create_rsa_key_file(
        tmp_path / "k.pem", description={"desc": "k"}, bits=2048, passphrase=passphrase
    )
    aes = cb.create_aes_key_file(tmp_path / "a.key", description={"desc": "a"})
    store = f"file://{tmp_path}/store"
    toml = tmp_path / "cipherbucket.toml"
    toml.write_text(
        f'[stores.r]\nurl = "{store}"\n[keys.k]\nrsa = "{tmp_path}/k.pem"\n'
        '[[rules]]\nat = "r"\nwrite = "k"\n'
    )
    with (
        cb.open_bucket(store, rsa, aes) as bucket,
        cb.open_bucket(store, aes, rsa, format="sealed") as sealed,
        cb.open_bucket("oss://examplebucket", rsa) as remote,
    ):
        bucket.put("a", PLAINTEXT)
        sealed.put("s", PLAINTEXT)
        numbers = numbers_in(tmp_path / "k.pem")
        lengths = {name: (getattr(numbers, name).bit_length() + 7) // 8 for name in ("d", "p", "q")}
        in_use = {
            **{name: value.encode() for name, value in WORDS.items()},
            "the proxy's password": PROXY.encode(),
            "plaintext": PLAINTEXT,
            **{name: getattr(numbers, name).to_bytes(n, "big") for name, n in lengths.items()},
            **{f"key {number}": value for number, value in enumerate(drawn)},
        }
        assert len(drawn) >= 3
        yield SimpleNamespace(
            folder=tmp_path, store=store, rsa=rsa, aes=aes, toml=toml, bucket=bucket,
            sealed=sealed, remote=remote, secrets=in_use,
        )  # fmt: skip


def held(scene: SimpleNamespace) -> Iterator[tuple[str, Any]]:
    """Yield what can be pickled."""
    key_file, store = str(scene.folder / "k.pem"), scene.store
    config = cb.load_config(scene.toml)
    config.bucket("r").put("b", PLAINTEXT)
    reference = cb.BucketReference(store, key_file, settings={"region": "cn-hangzhou"})
    reference.open().get("a").read()
    options = {"store": store, "keys": [key_file, str(scene.folder / "a.key")], "format": "sealed"}
    fs = CipherbucketFileSystem(**options)
    yield "file system", fs
    yield "file system of OSS", CipherbucketFileSystem(store="oss://examplebucket", keys=key_file)
    by_config = CipherbucketFileSystem(config=str(scene.toml))
    assert by_config.cat("r/a") == PLAINTEXT
    yield "file system of a configuration", by_config
    with fs.open("s") as file:
        file.read(20)
        yield "file that is read", file
        yield "its info", file.info
    yield "BucketReference", reference
    yield "KeyReference", cb.KeyReference.of(key_file)
    yield "reference to a configured key", cb.KeyReference.of("k", config=scene.toml)
    arguments = {"to": cb.KeyReference.of(key_file), "below": {"x": reference}}
    names = NamesOfStep("1", cb.NameRange("", ""), 10)
    step = Step(cb.rotation.rewrap_all, reference, "", arguments, names)
    yield "Step", step
    yield "StepDone", do_step(step)
    yield "NamesOfStep", names
    yield "EntriesOfStep", EntriesOfStep("1", 0, (cb.Entry(name="a"),))
    with cb.rotation.rewrap_all(scene.bucket, to=scene.rsa) as report:
        yield "Outcome", list(report.ledger.outcomes())
        yield "ObjectOutcome", list(report.objects())
        yield "Tally", [report.skipped, *report.counts.values()]
        yield "lines of a report", list(report.lines())
    with cb.audit.run(scene.bucket, retire=[scene.rsa]) as audit:
        yield "AuditedObject", list(audit.objects())
        yield "lines of an audit", list(audit.lines())
    info = scene.sealed.head("s")
    assert info.envelope is not None
    yield "ObjectInfo", info
    yield "StoredObject", scene.bucket.access.store.head("a")
    yield "Envelope", info.envelope
    yield "Seal", info.envelope.seal
    yield "Recipient", info.envelope.recipients
    yield "Footer", cb.recipients.footer(scene.sealed, "s")
    yield "Description", scene.rsa.description
    yield "Entry", list(scene.bucket.list())
    now = datetime.now(UTC)
    yield "Part", cb.Part(1, 2, "e")
    yield "Crc", cb.Crc.NVME
    yield "Upload", cb.Upload("a", "1", now)
    yield "Version", cb.Version(
        name="a", version_id="1", is_latest=True, is_delete_marker=False, size=1, etag="e",
        modified=now,
    )  # fmt: skip
    yield "StoredBucket", cb.StoredBucket(name="b", region="r", created=now)
    yield "NameRange", scene.bucket.split(2)
    yield "Policy", cb.Policy.of_format("sealed")
    yield "Span", cb.Span(1, 2)
    yield "KeyTrial", cb.try_key(scene.rsa)
    yield "KeyEntry", config.keys["k"]
    yield "StoreEntry", config.stores["r"]
    yield "Rule", config.rules
    yield "OssSettings", cb.OssSettings(region="cn-hangzhou")
    yield "S3Settings", cb.S3Settings(region="eu-central-1", profile="vault")
    yield "KmsSettings", cb.KmsSettings(region="cn-hangzhou")


def refused(scene: SimpleNamespace) -> Iterator[tuple[str, Any]]:
    """Yield what cannot be pickled."""
    bucket, sealed = scene.bucket, scene.sealed
    access_key = cb.Credentials("id", *(WORDS[name] for name in list(WORDS)[1:]))
    yield "Credentials", access_key
    proxy = f"http://user:{PROXY}@proxy:3128"
    for settings in (cb.OssSettings, cb.S3Settings, cb.KmsSettings):
        yield settings.__name__, settings(region="r", credentials=access_key)
        yield settings.__name__, settings(region="r", credentials=lambda: access_key)
        yield settings.__name__, settings(region="r", proxy=proxy)
    yield "Bucket", bucket
    yield "AsyncBucket", AsyncBucket(sealed)
    yield "Access", bucket.access
    yield "RsaKey", scene.rsa
    yield "AesKey", scene.aes
    yield "KeyRing", bucket.ring
    for each in (bucket, scene.remote, cb.open_bucket("memory://", scene.aes)):
        yield "Store", each.access.store
    config = cb.load_config(scene.toml)
    config.key("k")
    yield "Config", config
    yield "the ring of a rule", config.ring(config.rules[0])
    manifest = of_oss([Line("a", bucket="examplebucket")]).below(scene.folder / "inventory")
    yield "Inventory", cb.read_inventory(manifest)
    with cb.rotation.rewrap_all(bucket, to=scene.rsa) as report:
        yield "RotationReport", report
    with cb.copy_all(bucket, to=cb.open_bucket("memory://")) as copied:
        yield "CopyReport", copied
    with cb.verify_all(bucket) as verified:
        yield "Verification", verified
    with cb.audit.run(bucket, retire=[scene.rsa]) as audit:
        yield "Audit", audit
    for each, name in ((bucket, "a"), (sealed, "s")):
        with each.get(name) as stream:
            stream.read(3)
            yield "ObjectStream", stream
        with each.open(name) as file:
            file.read(3)
            yield "ObjectFile", file
        writer = each.open("new", "wb")
        writer.write(PLAINTEXT)
        yield "ObjectWriter", writer
        writer.abort()
        upload = each.multipart("parts", data_size=200_000)
        yield "Multipart", upload
        upload.abort()
    fs = CipherbucketFileSystem(store=scene.store, keys=str(scene.folder / "k.pem"))
    file = fs.open("new", "wb")
    file.write(PLAINTEXT)
    yield "FileToWrite", file
    file.discard()
    yield "oss2.Auth", oss2.Auth("id", WORDS["OSS_ACCESS_KEY_SECRET"])
    yield "oss2.StsAuth", oss2.StsAuth("id", access_key.access_key_secret, "token")


def test_no_secret_is_in_what_can_be_pickled(scene: SimpleNamespace) -> None:
    for what, value in held(scene):
        for way, pickled in ways().items():
            written = pickled(value)
            check(written, scene.secrets, f"{what}, {way}")
        again = pickle.loads(written)
        if hasattr(value, "__dataclass_fields__"):
            assert again == value, what


def test_what_would_hold_a_secret_refuses_with_a_way_on(scene: SimpleNamespace) -> None:
    for what, value in refused(scene):
        for copied in (*ways().values(), copy.deepcopy):
            with pytest.raises(
                (cb.UsageError, ClientError), match="be pickled or copied"
            ) as caught:
                copied(value)
            hint = getattr(caught.value, "hint", None) or str(caught.value).partition("(")[2]
            assert len(hint) > 10, what
            check(str(caught.value).encode(), scene.secrets, what)


def test_every_public_class_was_looked_at(scene: SimpleNamespace) -> None:
    looked: set[str] = set()
    for _, value in (*held(scene), *refused(scene)):
        for each in (value, *value) if isinstance(value, list | tuple) else (value,):
            looked |= {kind.__name__ for kind in type(each).__mro__}
    public = {
        name
        for name in cb.__all__
        if inspect.isclass(getattr(cb, name)) and not issubclass(getattr(cb, name), BaseException)
    }
    elsewhere = {
        "Abandoned": "names of files and of objects",
        "AliKmsKey": "tests/unit/keys/kms/test_key.py",
        "Guard": "a protocol",
        "MasterKey": "a protocol",
        "ObjectTextWriter": "an ObjectWriter",
        "RepairReport": "numbers and names of files",
        "Retirement": "numbers and names",
    }
    assert public - looked - set(elsewhere) == set()


def every_error() -> list[cb.CipherbucketError]:
    made: list[cb.CipherbucketError] = []
    for name in cb.__all__:
        kind = getattr(cb, name)
        if inspect.isclass(kind) and issubclass(kind, cb.CipherbucketError):
            further = {"field": "cipherbucket-key"} if kind is cb.EnvelopeError else {}
            error = kind("what happened", name="a", hint="what to do", **further)
            for attribute in ("status", "code", "request_id", "host", "sealed_name"):
                if hasattr(error, attribute):
                    setattr(error, attribute, f"its {attribute}")
            error.add_note("a note")
            made.append(error)
    return made


@pytest.fixture
def as_dask_does() -> Iterator[None]:
    """Let errors be pickled with their causes and tracebacks, as workers of Dask send them."""
    pickling = pytest.importorskip("tblib.pickling_support")
    before = dict(copyreg.dispatch_table)
    pickling.install()
    yield
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(before)


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_errors_keep_what_they_say(error: cb.CipherbucketError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_errors_keep_what_they_say_in_dask(error: cb.CipherbucketError, as_dask_does: None) -> None:
    error.__cause__ = ValueError("why")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))
    assert str(again.__cause__) == "why"


def failures(scene: SimpleNamespace) -> Iterator[Callable[[], object]]:
    """Yield calls that fail where keys, passphrases, access keys or the proxy's URL are in use."""
    other = cb.AesKey(bytes(range(32)), description={"desc": "a"})
    with cb.open_bucket(scene.store, other, format="sealed") as stranger:
        yield lambda: stranger.get("s").read()
    yield lambda: scene.sealed.get("none")
    yield lambda: scene.sealed.get("s", context={"other": "context"}).read()
    yield lambda: cb.load_key(scene.folder / "k.pem", passphrase=lambda: "wrong")
    yield lambda: cb.open_bucket("oss://b", scene.rsa, settings=cb.OssSettings(endpoint="a@b"))
    settings = cb.OssSettings(region="cn-hangzhou", attempts=1, connect_timeout=1)
    with cb.open_bucket("oss://examplebucket", scene.rsa, settings=settings) as unreachable:
        yield lambda: unreachable.get("a")
        yield lambda: unreachable.put("a", PLAINTEXT)


def test_errors_of_workers_hold_no_secret(scene: SimpleNamespace, as_dask_does: None) -> None:
    for call in failures(scene):
        with pytest.raises(errors.CipherbucketError) as caught:
            call()
        told = "".join(traceback.format_exception(caught.value))  # as a pool of processes sends it
        check(
            pickle.dumps(caught.value) + told.encode(), scene.secrets, type(caught.value).__name__
        )


@pytest.mark.parametrize(
    "options",
    [
        {"key": "id", "secret": "swordfish"},
        {"passphrase": "swordfish"},
        {"token": "swordfish"},
        {"store": "oss://id:swordfish@examplebucket"},
        {"store": "oss://examplebucket?Signature=swordfish"},
        {"store": "https://id:swordfish@examplebucket.oss.invalid"},
        {"settings": {"credentials": "swordfish"}},
        {"settings": {"proxy": "http://user:swordfish@proxy"}},
        {"settings": {"endpoint": "https://id:swordfish@oss.invalid"}},
        {"settings": {"access_key_secret": "swordfish"}},
        {"keys": ["-----BEGIN PRIVATE KEY-----\nswordfish\n"]},
        {"keys": [b"swordfish"]},
        {"keys": [cb.AesKey(b"swordfish".ljust(32), description={"desc": "k"})]},
        {"recipients": ["-----BEGIN PUBLIC KEY-----\nswordfish\n"]},
    ],
    ids=str,
)
def test_a_secret_is_no_storage_option(options: dict[str, Any]) -> None:
    with pytest.raises(cb.UsageError) as caught:
        CipherbucketFileSystem(**{"store": "oss://examplebucket", **options})
    assert caught.value.hint
    assert "swordfish" not in str(caught.value) + caught.value.hint
    assert not any("swordfish" in repr(each) for each in CipherbucketFileSystem._cache.values())


def test_a_configured_place_with_a_password_is_refused(scene: SimpleNamespace) -> None:
    for place in ("oss://id:swordfish@examplebucket", "id:swordfish@r", "https://id:swordfish@r"):
        with pytest.raises(cb.UsageError) as caught:
            cb.BucketReference(place, config=scene.toml)
        assert "swordfish" not in str(caught.value)


def test_workers_are_given_no_bucket_and_no_key(scene: SimpleNamespace) -> None:
    reference = cb.BucketReference(scene.store, scene.folder / "k.pem")
    executor: Any = SimpleNamespace(submit=None)
    for arguments in ({"to": scene.rsa}, {"to": [scene.rsa]}, {"below": {"x": scene.bucket}}):
        with pytest.raises(cb.UsageError, match="by reference"):
            Shards.of(executor, cb.rotation.rewrap_all, reference, arguments)
