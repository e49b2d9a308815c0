"""Master keys held by a KMS: what is asked of it, what is written, and what is let through."""

import base64
import json
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.sdk_vectors import rsa_key
from tests.support.stub_kms import KEY_ID, OTHER_ID, SECRET, StubKms, stub_kms

import cipherbucket as cb
from cipherbucket.format.description import Description
from cipherbucket.format.sealed import wrap_context
from cipherbucket.keys.base import DrawsDataKeys
from cipherbucket.keys.kms.key import AliKmsKey
from cipherbucket.keys.kms.wrap_names import KMS, SEALED_KMS, V1_KMS

OBJECT_ID = bytes(range(16))


@pytest.fixture
def kms() -> Iterator[StubKms]:
    with stub_kms() as running:
        yield running


def bucket_of(key: cb.MasterKey, *others: cb.MasterKey, format: str = "oss") -> cb.Bucket:  # noqa: A002
    return cb.Bucket(cb.MemoryStore(), cb.KeyRing(key, *others), format=format)


def metadata_of(bucket: cb.Bucket, name: str) -> dict[str, str]:
    return dict(bucket.head(name).envelope.fields)  # type: ignore[union-attr]


def test_a_key_has_the_members_of_a_key_that_draws_data_keys(kms: StubKms) -> None:
    key = kms.key()
    assert isinstance(key, cb.MasterKey)
    assert isinstance(key, DrawsDataKeys)
    assert not isinstance(rsa_key("key1"), DrawsDataKeys)
    assert key.id == KEY_ID
    assert key.description == {"kms": KEY_ID}
    assert key.algorithms == {KMS, V1_KMS, SEALED_KMS}
    assert kms.calls == []


def test_format_oss_takes_one_data_key_and_one_encryption_and_opens_with_two_decryptions(
    kms: StubKms,
) -> None:
    bucket = bucket_of(kms.key())
    bucket.put("name", b"content")
    assert kms.actions == {"GenerateDataKey": 1, "Encrypt": 1}
    drawn = next(call for call in kms.calls if call.action == "GenerateDataKey").parameters
    assert drawn == {"KeyId": KEY_ID, "KeySpec": "AES_256", "NumberOfBytes": "32"}
    wrapped = next(call for call in kms.calls if call.action == "Encrypt").parameters
    assert set(wrapped) == {"KeyId", "Plaintext"}
    iv = base64.b64decode(wrapped["Plaintext"])
    assert len(iv) == 16
    assert iv[8:12] == bytes(4)

    assert bucket.get("name", start=3).read() == b"tent"
    assert kms.actions["Decrypt"] == 2


def test_the_blob_is_stored_once_or_twice_in_base64_and_either_key_reads_both(
    kms: StubKms,
) -> None:
    single, double = kms.key(), kms.key(blob="double")
    store = cb.MemoryStore()
    for name, key in {"single": single, "double": double}.items():
        bucket = cb.Bucket(store, cb.KeyRing(key))
        bucket.put(name, b"content")
        fields = metadata_of(bucket, name)
        assert fields["client-side-encryption-wrap-alg"] == "KMS/ALICLOUD"
        for field in ("key", "start"):
            decoded = base64.b64decode(fields[f"client-side-encryption-{field}"])
            if name == "double":
                decoded = base64.b64decode(decoded, validate=True)
            assert decoded.startswith(KEY_ID.encode())
    for key in (single, double):
        for name in ("single", "double"):
            assert cb.Bucket(store, cb.KeyRing(key)).get(name).read() == b"content"


def test_a_single_blob_that_looks_like_a_double_one_is_read_on_a_second_try(
    kms: StubKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Raw bytes of a blob that happen to be base64 themselves.
    raw = base64.b64encode(b"not a blob at all")
    blob = base64.b64encode(raw).decode()
    monkeypatch.setattr(
        "tests.support.stub_kms.StubKms._decrypt",
        lambda self, asked: (
            {"KeyId": KEY_ID, "Plaintext": base64.b64encode(b"secret").decode()}
            if asked["CiphertextBlob"] == blob
            else self._id("unknown")
        ),
    )
    assert kms.key().unwrap(raw, algorithm=KMS, context=b"") == b"secret"
    assert [call.parameters["CiphertextBlob"] for call in kms.calls] == [raw.decode(), blob]


def test_format_sealed_takes_one_data_key_bound_to_the_object(kms: StubKms) -> None:
    bucket = bucket_of(kms.key(), format="sealed")
    bucket.put("name", b"content")
    assert kms.actions == {"GenerateDataKey": 1}
    envelope = bucket.head("name").envelope
    assert envelope is not None
    assert envelope.seal is not None
    context = {"cipherbucket": "sealed-v1", "id": envelope.seal.object_id.hex()}
    text = '{"cipherbucket":"sealed-v1","id":"' + context["id"] + '"}'
    assert kms.calls[0].parameters["EncryptionContext"] == text
    recipient = envelope.recipients[0]
    assert recipient.algorithm == "ALIBABA-KMS"
    assert base64.b64decode(recipient.wrapped_key, validate=True).startswith(KEY_ID.encode())
    assert bucket.get("name").read() == b"content"
    assert kms.calls[1].parameters["EncryptionContext"] == text


def test_a_kms_key_and_an_rsa_key_open_one_object_whichever_of_them_draws(kms: StubKms) -> None:
    ours, recovery = kms.key(), rsa_key("key1").described({"desc": "recovery"})
    for first, second, expected in (
        (ours, recovery, {"GenerateDataKey": 1}),
        (recovery, ours, {"Encrypt": 1}),
    ):
        kms.calls.clear()
        store = cb.MemoryStore()
        bucket = cb.Bucket(store, cb.KeyRing(first), format="sealed")
        bucket.put("name", b"content", recipients=[second])
        assert kms.actions == expected
        for key in (ours, recovery):
            reader = cb.Bucket(store, cb.KeyRing(key), format="sealed")
            assert reader.get("name").read() == b"content"


def test_key_and_iv_are_wrapped_and_unwrapped_at_once(kms: StubKms) -> None:
    bucket = bucket_of(kms.key())
    bucket.put("name", b"content")
    kms.delay = 0.2
    for action in (lambda: bucket.put("other", b"content"), lambda: bucket.get("name").read()):
        kms.most_at_once = 0
        action()
        assert kms.most_at_once == 2


def test_an_rsa_key_is_used_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    original = cb.RsaKey.unwrap

    def unwrap(self: cb.RsaKey, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        threads.add(threading.get_ident())
        return original(self, wrapped, algorithm=algorithm, context=context)

    monkeypatch.setattr(cb.RsaKey, "unwrap", unwrap)
    bucket = bucket_of(rsa_key("key1").described({"desc": "one"}))
    bucket.put("name", b"content")
    bucket.get("name").read()
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"encryption_context": {"b": "2", "a": "ü"}}, '{"a":"ü","b":"2"}'),
        ({"passphrase": "open sesame"}, '{"x-passphrase":"open sesame"}'),
        ({"passphrase": 'as \\"oss2\\" joins'}, '{"x-passphrase":"as \\"oss2\\" joins"}'),
    ],
)
def test_an_encryption_context_goes_with_every_call_of_format_oss(
    kms: StubKms, options: dict[str, Any], text: str
) -> None:
    bucket = bucket_of(kms.key(**options))
    bucket.put("name", b"content")
    assert bucket.get("name").read() == b"content"
    assert [call.parameters["EncryptionContext"] for call in kms.calls] == [text] * 4
    with pytest.raises(cb.WrongKeyError):
        bucket.get("name", key=kms.key())


def test_a_sealed_object_has_its_own_encryption_context(kms: StubKms) -> None:
    bucket = bucket_of(kms.key(passphrase="open sesame"), format="sealed")
    bucket.put("name", b"content")
    assert "sesame" not in kms.calls[0].parameters["EncryptionContext"]


@pytest.mark.parametrize(
    "options",
    [
        {"blob": "triple"},
        {"allowed": KEY_ID},
        {"allowed": [None]},
        {"allowed": [""]},
        {"passphrase": 1},
        {"passphrase": "\ud800"},
        {"encryption_context": {"a": "\ud800"}},
        {"encryption_context": {"cipherbucket": "sealed-v1"}},
        {"encryption_context": {"a": 1}},
        {"encryption_context": {"a": "1"}, "passphrase": "2"},
        {"description": "not json"},
    ],
)
def test_options_that_cannot_be_are_refused(kms: StubKms, options: dict[str, Any]) -> None:
    with pytest.raises(cb.UsageError):
        kms.key(**options)


@pytest.mark.parametrize("key_id", ["", "a\nb", None])
def test_a_key_without_an_id_is_refused(kms: StubKms, key_id: str) -> None:
    with pytest.raises(cb.MasterKeyError):
        kms.key(key_id)


def test_a_description_of_ones_own_and_none(kms: StubKms) -> None:
    key = kms.key(description={"desc": "given"})
    assert key.description == {"desc": "given"}
    bare = key.described({})
    assert bare.description == Description(None)
    assert bare.described(None).description == {"kms": KEY_ID}
    bucket = bucket_of(kms.key(description={}))
    with pytest.warns(cb.CipherbucketWarning, match="without a description"):
        bucket.put("name", b"content")
    assert "client-side-encryption-matdesc" not in metadata_of(bucket, "name")


def test_without_a_list_any_key_of_the_account_opens_and_is_logged(
    kms: StubKms, caplog: pytest.LogCaptureFixture
) -> None:
    store = cb.MemoryStore()
    label = {"desc": "shared"}
    cb.Bucket(store, cb.KeyRing(kms.key(OTHER_ID, description=label))).put("name", b"content")
    key = kms.key(description=label)
    with caplog.at_level(logging.INFO, "cipherbucket"):
        for _ in range(2):
            assert cb.Bucket(store, cb.KeyRing(key)).get("name").read() == b"content"
    assert key.opened_with == {OTHER_ID: 4}
    said = [record.getMessage() for record in caplog.records if OTHER_ID in record.getMessage()]
    assert said == [f"opened with KMS key {OTHER_ID}; this key is {KEY_ID}"]


def test_with_a_list_no_other_key_opens_and_aliases_are_resolved(
    kms: StubKms, caplog: pytest.LogCaptureFixture
) -> None:
    arn = f"acs:kms:cn-hangzhou:1:key/{OTHER_ID}"
    kms.aliases = {"alias/ours": KEY_ID, arn: OTHER_ID}
    store, label = cb.MemoryStore(), {"desc": "shared"}
    for name, each in {"mine": KEY_ID, "theirs": OTHER_ID}.items():
        cb.Bucket(store, cb.KeyRing(kms.key(each, description=label))).put(name, b"content")

    ours = kms.key("alias/ours", description=label, allowed=())
    bucket = cb.Bucket(store, cb.KeyRing(ours))
    for _ in range(2):
        assert bucket.get("mine").read() == b"content"
    assert kms.actions["DescribeKey"] == 1
    with pytest.raises(cb.WrongKeyError) as caught:
        bucket.get("theirs")
    assert OTHER_ID not in str(caught.value)
    assert f"KMS key {OTHER_ID} is not among those allowed" in caplog.text
    assert ours.opened_with == {KEY_ID: 4}
    assert kms.actions["DescribeKey"] == 3  # the alias might have moved; the two halves ask

    kms.calls.clear()
    both = cb.Bucket(store, cb.KeyRing(kms.key(description=label, allowed=[arn])))
    assert both.get("theirs").read() == both.get("mine").read() == b"content"
    assert kms.actions["DescribeKey"] == 1


def test_algorithms_and_contexts_that_do_not_fit_are_refused_before_the_kms_is_asked(
    kms: StubKms,
) -> None:
    key, sealed = kms.key(), wrap_context(OBJECT_ID)
    for algorithm, context in (
        (KMS, b"x"),
        (V1_KMS, b"x"),
        ("kms/alicloud", b""),
        ("RSA/NONE/PKCS1Padding", b""),
        (SEALED_KMS, b""),
        (SEALED_KMS, sealed[:-1]),
        (SEALED_KMS, sealed + b"x"),
        (SEALED_KMS, b"X" + sealed[1:]),
    ):
        with pytest.raises(cb.UsageError):
            key.unwrap(b"wrapped", algorithm=algorithm, context=context)
        with pytest.raises(cb.UsageError):
            key.wrap(b"secret", algorithm=algorithm, context=context)
        with pytest.raises(cb.UsageError):
            key.generate(32, algorithm=algorithm, context=context)
    with pytest.raises(cb.MasterKeyError, match="never written"):
        key.wrap(b"secret", algorithm=V1_KMS, context=b"")
    with pytest.raises(cb.UsageError, match="nothing"):
        key.wrap(b"", algorithm=KMS, context=b"")
    with pytest.raises(cb.MasterKeyError):
        key.algorithm_for("oss-v1")
    assert kms.calls == []


def test_what_is_no_blob_is_not_sent(kms: StubKms) -> None:
    for wrapped, algorithm, context in (
        (b"", KMS, b""),
        (bytes(9000), KMS, b""),
        (b"\xff" * 32, SEALED_KMS, wrap_context(OBJECT_ID)),
    ):
        with pytest.raises(cb.WrongKeyError):
            kms.key().unwrap(wrapped, algorithm=algorithm, context=context)
    assert kms.calls == []


def test_a_plaintext_that_is_no_base64_is_not_this_objects(kms: StubKms) -> None:
    for text in ("8", "not base64!", "AA=A"):
        blob = base64.b64decode(kms.blob(text))
        with pytest.raises(cb.WrongKeyError):
            kms.key().unwrap(blob, algorithm=KMS, context=b"")


def test_secrets_are_in_no_url_no_repr_and_no_pickle(kms: StubKms) -> None:
    key = kms.key(passphrase="open sesame")
    bucket_of(key).put("name", b"content")
    for call in kms.calls:
        assert call.request.target == "/"
        assert SECRET not in json.dumps(call.request.headers)
    proxied = cb.KmsSettings(region="cn-hangzhou", proxy="http://u:sesame@127.0.0.1")
    for text in (repr(key), str(key), repr(proxied), repr(kms.settings())):
        assert SECRET not in text
        assert "sesame" not in text
    assert repr(key) == f"AliKmsKey('{KEY_ID}', '{{\"kms\":\"{KEY_ID}\"}}')"
    with pytest.raises(cb.UsageError):
        pickle.dumps(key)


def test_the_sdk_is_imported_at_the_first_call_and_its_absence_reported_at_once() -> None:
    code = (
        "import sys, cipherbucket as cb\n"
        "settings = cb.KmsSettings(endpoint='http://127.0.0.1:1')\n"
        "cb.AliKmsKey('key', settings)\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'darabonba', 'requests', 'aiohttp', 'alibabacloud_kms20160120'}))\n"
        "sys.modules['alibabacloud_kms20160120'] = None\n"
        "try: cb.AliKmsKey('key', settings)\n"
        "except cb.MissingExtraError as error: print(error.hint)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    command = "pip install 'alibabacloud-credentials>=1.0' 'alibabacloud-kms20160120>=3.3'"
    assert output.stdout == f"[]\n{command}\n"


def test_the_class_is_public() -> None:
    assert cb.AliKmsKey is AliKmsKey
