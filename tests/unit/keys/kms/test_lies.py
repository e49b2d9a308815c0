"""A KMS that answers in form and wrongly, and credentials that are none."""

import base64
import json
from collections.abc import Callable, Iterator

import pytest
from tests.support.scripted_http import Answer
from tests.support.stub_kms import KEY_ID, OTHER_ID, SECRET, Call, StubKms, stub_kms

import cipherbucket as cb
from cipherbucket.keys.kms.wrap_names import KMS

ALGORITHM = {"algorithm": KMS, "context": b""}
LABEL = {"desc": "ours"}


@pytest.fixture
def kms() -> Iterator[StubKms]:
    with stub_kms() as running:
        yield running


def changed(kms: StubKms, **elements: object) -> Callable[[Call], Answer]:
    """Answer as the KMS does but for these elements."""

    def meddle(call: Call) -> Answer:
        body = getattr(kms, f"_{call.action.lower()}")(call.parameters)
        body = json.dumps({**body, **elements}).encode()
        return Answer(200, {"content-type": "application/json"}, body)

    return meddle


def bucket_of(key: cb.AliKmsKey, store: cb.MemoryStore, format: str = "oss") -> cb.Bucket:  # noqa: A002
    return cb.Bucket(store, cb.KeyRing(key), format=format)


@pytest.mark.parametrize("format", ["oss", "sealed"])
def test_with_a_list_nothing_is_written_that_it_would_not_open(kms: StubKms, format: str) -> None:  # noqa: A002
    key = kms.key(allowed=[])
    kms.meddle = changed(kms, KeyId=OTHER_ID)
    bucket = bucket_of(key, cb.MemoryStore(), format)
    with pytest.raises(cb.KmsError, match=f"wrapped with key {OTHER_ID}") as caught:
        bucket.put("name", b"content")
    assert "allowed=" in (caught.value.hint or "")
    assert list(bucket.list()) == []


def test_an_alias_that_moves_is_followed(kms: StubKms) -> None:
    kms.aliases = {"alias/ours": KEY_ID}
    key, store = kms.key("alias/ours", allowed=[]), cb.MemoryStore()
    bucket = bucket_of(key, store)
    bucket.put("before", b"content")
    assert bucket.get("before").read() == b"content"
    kms.aliases = {"alias/ours": OTHER_ID}
    bucket.put("after", b"content")
    assert bucket.get("after").read() == b"content"
    with pytest.raises(cb.WrongKeyError):  # the key of another day is not listed
        bucket.get("before")


@pytest.mark.parametrize(
    "elements",
    [
        {"KeyId": ""},
        {"KeyId": None},
        {"KeyId": [KEY_ID]},
        {"KeyId": "a\x1b[31m"},
        {"KeyId": "a" * 300},
        {"CiphertextBlob": base64.b64encode(bytes(9000)).decode()},
    ],
    ids=lambda each: repr(each)[:30],
)
def test_what_no_object_could_hold_or_log_could_show_is_no_answer(
    kms: StubKms, elements: dict[str, object]
) -> None:
    key, blob = kms.key(), kms.blob("AAAA")
    kms.meddle = changed(kms, **elements)
    with pytest.raises(cb.KmsError, match="cannot be understood"):
        key.generate(32, **ALGORITHM)  # type: ignore[arg-type]
    with pytest.raises(cb.KmsError, match="cannot be understood"):
        key.wrap(b"secret", **ALGORITHM)  # type: ignore[arg-type]
    if "KeyId" in elements:
        with pytest.raises(cb.KmsError, match="cannot be understood"):
            key.unwrap(base64.b64decode(blob), **ALGORITHM)  # type: ignore[arg-type]
        assert key.opened_with == {}


@pytest.mark.parametrize("format", ["oss", "sealed"])
@pytest.mark.parametrize("secret", [b"", b"\1", bytes([7]) * 31, bytes([7]) * 33, bytes(40_000)])
def test_a_data_key_of_another_length_opens_nothing(
    kms: StubKms,
    format: str,  # noqa: A002
    secret: bytes,
) -> None:
    store = cb.MemoryStore()
    bucket_of(kms.key(), store, format).put("name", b"content")
    kms.meddle = changed(kms, Plaintext=base64.b64encode(secret).decode())
    with pytest.raises((cb.WrongKeyError, cb.KmsError)):
        bucket_of(kms.key(), store, format).get("name").read()


@pytest.mark.parametrize("format", ["oss", "sealed"])
def test_another_objects_data_key_opens_nothing(kms: StubKms, format: str) -> None:  # noqa: A002
    store = cb.MemoryStore()
    bucket_of(kms.key(), store, format).put("name", b"content")
    kms.meddle = changed(kms, Plaintext=base64.b64encode(b"\7" * 32).decode())
    with pytest.raises(cb.SecurityError):  # in format oss the IV gives it away: 32 bytes, too
        bucket_of(kms.key(), store, format).get("name").read()


def broken() -> cb.Credentials:
    raise ValueError("broken")


@pytest.mark.parametrize(
    ("credentials", "kind", "said"),
    [
        (broken, cb.KmsError, "provider of credentials failed: ValueError"),
        (lambda: None, cb.UsageError, "not NoneType"),
        (cb.Credentials("", SECRET), cb.UsageError, "empty"),
        (cb.Credentials("id", ""), cb.UsageError, "empty"),
        (lambda: cb.Credentials("id", SECRET, "sword\nfish"), cb.UsageError, "not ASCII"),
        (lambda: cb.Credentials("id", SECRET + "é"), cb.UsageError, "not ASCII"),
    ],
)
def test_credentials_that_are_none_are_reported_once_and_the_kms_is_not_asked(
    kms: StubKms, credentials: object, kind: type[Exception], said: str
) -> None:
    asked = []

    def provide() -> object:
        asked.append(1)
        return credentials() if callable(credentials) else credentials

    settings = kms.settings(credentials=provide)
    with pytest.raises(kind, match=said) as caught:
        cb.AliKmsKey(KEY_ID, settings).wrap(b"secret", **ALGORITHM)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
    assert "sword" not in str(caught.value)
    assert len(asked) == 1
    assert kms.calls == []
