"""Each action of the KMS endpoint, and each error that it can end in."""

import base64
import json
import os
import re
from collections.abc import Iterator

import pytest
from tests.support.kms_client import KmsClient

from cipherbucket.server.kms import KmsEndpoint, key_database

ALIAS = "alias/example"
ACCOUNT = "acs:kms:cn-hangzhou:1000000000000000:"
TEXT = base64.b64encode(b"a key of thirty-two random bytes").decode()
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def kms() -> Iterator[KmsEndpoint]:
    with KmsEndpoint(aliases=[ALIAS]) as running:
        yield running


@pytest.fixture
def call(kms: KmsEndpoint) -> KmsClient:
    return KmsClient(kms)


@pytest.fixture
def key(call: KmsClient) -> str:
    """Return the id of a new key."""
    return str(call("CreateKey")["KeyMetadata"]["KeyId"])


@pytest.fixture
def blob(call: KmsClient) -> str:
    return str(call("Encrypt", KeyId=ALIAS, Plaintext=TEXT)["CiphertextBlob"])


def test_what_is_encrypted_is_decrypted_without_naming_the_key(kms: KmsEndpoint) -> None:
    call = KmsClient(kms)
    one = call("Encrypt", KeyId=ALIAS, Plaintext=TEXT)
    assert one.status == 200
    assert set(one.json) == {"KeyId", "KeyVersionId", "CiphertextBlob", "RequestId"}
    assert one["KeyId"] == kms.key_id(ALIAS)
    other = call("Encrypt", KeyId=ALIAS, Plaintext=TEXT)
    assert one["CiphertextBlob"] != other["CiphertextBlob"]
    got = call("Decrypt", CiphertextBlob=one["CiphertextBlob"])
    assert got["Plaintext"] == TEXT
    assert (got["KeyId"], got["KeyVersionId"]) == (one["KeyId"], one["KeyVersionId"])


@pytest.mark.parametrize("text", ["8", "not base64!", "é密", " x ", "a+b&c=%d~*", "y" * 8192])
def test_any_text_is_kept_as_it_is(call: KmsClient, text: str) -> None:
    blob = call("Encrypt", KeyId=ALIAS, Plaintext=text)["CiphertextBlob"]
    assert call("Decrypt", CiphertextBlob=blob)["Plaintext"] == text


def test_the_blob_begins_with_the_id_of_its_key(kms: KmsEndpoint, blob: str) -> None:
    raw = base64.b64decode(blob)
    assert raw[:36].decode() == kms.key_id(ALIAS)
    # The hyphens keep readers from taking it for base64 of base64.
    assert not re.fullmatch(rb"[A-Za-z0-9+/=]*", raw)


@pytest.mark.parametrize(
    ("given", "length"),
    [
        ({}, 32),
        ({"KeySpec": "AES_256"}, 32),
        ({"KeySpec": "AES_128"}, 16),
        ({"NumberOfBytes": "1"}, 1),
        ({"NumberOfBytes": "1024"}, 1024),
        ({"KeySpec": "AES_256", "NumberOfBytes": "16"}, 16),
    ],
)
def test_a_data_key_has_the_length_asked_for(
    call: KmsClient, given: dict[str, str], length: int
) -> None:
    made = call("GenerateDataKey", KeyId=ALIAS, **given)
    assert len(base64.b64decode(made["Plaintext"])) == length
    got = call("Decrypt", CiphertextBlob=made["CiphertextBlob"])
    assert got["Plaintext"] == made["Plaintext"]
    hidden = call("GenerateDataKeyWithoutPlaintext", KeyId=ALIAS, **given)
    assert "Plaintext" not in hidden.json
    got = call("Decrypt", CiphertextBlob=hidden["CiphertextBlob"])
    assert len(base64.b64decode(got["Plaintext"])) == length


@pytest.mark.parametrize(
    ("context", "other"),
    [
        ('{"a":"1","b":"2"}', '{ "b": "2", "a": "1" }'),
        ('{"a":"é/"}', '{"a":"\\u00e9\\/"}'),
        ("{}", ""),
    ],
)
def test_equivalent_contexts_are_one(call: KmsClient, context: str, other: str) -> None:
    made = call("Encrypt", KeyId=ALIAS, Plaintext=TEXT, EncryptionContext=context)
    got = call("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=other)
    assert got["Plaintext"] == TEXT


@pytest.mark.parametrize("other", ["", "{}", '{"a":"2"}', '{"b":"1"}', '{"a":"1","b":""}'])
def test_another_context_decrypts_nothing(call: KmsClient, other: str) -> None:
    made = call("Encrypt", KeyId=ALIAS, Plaintext=TEXT, EncryptionContext='{"a":"1"}')
    got = call("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=other)
    assert got.error == (400, "InvalidParameter")
    assert TEXT not in got.body.decode()


@pytest.mark.parametrize(
    "context",
    ["[]", "1", '{"a":1}', '{"a":null}', '{"a":["b"]}', "{", '{"a":"1","a":"2"}', "[" * 9999],
)
@pytest.mark.parametrize("action", ["Encrypt", "GenerateDataKey", "Decrypt"])
def test_what_is_no_context_is_refused(
    call: KmsClient, blob: str, action: str, context: str
) -> None:
    given = {"KeyId": ALIAS, "Plaintext": TEXT, "CiphertextBlob": blob}
    answer = call(action, **given, EncryptionContext=context)
    assert answer.error == (400, "InvalidParameter")
    assert "EncryptionContext" in answer["Message"]


def test_a_context_has_at_most_8192_characters(call: KmsClient) -> None:
    context = json.dumps({"a": "x" * (8192 - len('{"a": ""}'))})
    assert len(context) == 8192
    assert call("GenerateDataKey", KeyId=ALIAS, EncryptionContext=context).status == 200
    longer = context.replace("x", "xy", 1)
    answer = call("GenerateDataKey", KeyId=ALIAS, EncryptionContext=longer)
    assert answer.error == (400, "InvalidParameter")


def test_every_byte_of_a_blob_counts(call: KmsClient, blob: str) -> None:
    raw = base64.b64decode(blob)
    for at in [*range(0, len(raw), 7), len(raw) - 1]:
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        answer = call("Decrypt", CiphertextBlob=base64.b64encode(changed).decode())
        assert answer.status in {400, 404}
        assert "Plaintext" not in answer.json


@pytest.mark.parametrize("length", [0, 36, 72, 84, 99])
def test_a_short_blob_is_none(call: KmsClient, blob: str, length: int) -> None:
    short = base64.b64encode(base64.b64decode(blob)[:length] or b"x").decode()
    assert call("Decrypt", CiphertextBlob=short).error == (400, "InvalidParameter")


def test_what_is_no_base64_is_no_blob(call: KmsClient, blob: str) -> None:
    for text in ("!", "é", blob[:-1], blob + "\n"):
        assert call("Decrypt", CiphertextBlob=text).error == (400, "InvalidParameter")


def test_a_blob_of_a_key_or_version_that_is_not_here(call: KmsClient, blob: str) -> None:
    raw = base64.b64decode(blob)
    other = base64.b64encode(NOBODY.encode() + raw[36:]).decode()
    assert call("Decrypt", CiphertextBlob=other).error == (404, "Forbidden.KeyNotFound")
    version = base64.b64encode(raw[:36] + NOBODY.encode() + raw[72:]).decode()
    assert call("Decrypt", CiphertextBlob=version).error == (404, "Forbidden.KeyVersionNotFound")


def test_a_key_is_named_by_id_alias_and_arn(kms: KmsEndpoint, call: KmsClient) -> None:
    key = kms.key_id(ALIAS)
    for name in (key, ALIAS, f"{ACCOUNT}key/{key}", f"{ACCOUNT}{ALIAS}"):
        assert call("Encrypt", KeyId=name, Plaintext=TEXT)["KeyId"] == key
        assert call("GenerateDataKey", KeyId=name)["KeyId"] == key
        assert call("DescribeKey", KeyId=name)["KeyMetadata"]["KeyId"] == key


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (NOBODY, "Forbidden.KeyNotFound"),
        ("nothing", "Forbidden.KeyNotFound"),
        ("alias/nothing", "Forbidden.AliasNotFound"),
        (f"acs:kms:cn-beijing:1000000000000000:{ALIAS}", "Forbidden.KeyNotFound"),
        (f"{ACCOUNT}alias/nothing", "Forbidden.AliasNotFound"),
    ],
)
def test_a_key_that_is_not_there(call: KmsClient, name: str, code: str) -> None:
    for action in ("Encrypt", "GenerateDataKey", "DescribeKey", "EnableKey", "DisableKey"):
        assert call(action, KeyId=name, Plaintext=TEXT).error == (404, code)


def test_ciphertext_is_encrypted_again_under_another_key_and_context(
    call: KmsClient, key: str
) -> None:
    first = call("Encrypt", KeyId=ALIAS, Plaintext=TEXT, EncryptionContext='{"a":"1"}')
    again = call(
        "ReEncrypt",
        CiphertextBlob=first["CiphertextBlob"],
        SourceEncryptionContext='{"a":"1"}',
        DestinationKeyId=key,
        DestinationEncryptionContext='{"b":"2"}',
    )
    assert set(again.json) == {"KeyId", "KeyVersionId", "CiphertextBlob", "RequestId"}
    assert again["KeyId"] == key
    got = call("Decrypt", CiphertextBlob=again["CiphertextBlob"], EncryptionContext='{"b":"2"}')
    assert (got["Plaintext"], got["KeyId"]) == (TEXT, key)


def test_encrypting_again_needs_the_context_and_both_keys(call: KmsClient, key: str) -> None:
    made = call("Encrypt", KeyId=ALIAS, Plaintext=TEXT, EncryptionContext='{"a":"1"}')
    given = {"CiphertextBlob": made["CiphertextBlob"], "DestinationKeyId": key}
    assert call("ReEncrypt", **given).error == (400, "InvalidParameter")
    given["SourceEncryptionContext"] = '{"a":"1"}'
    assert call("ReEncrypt", **given).status == 200
    call("DisableKey", KeyId=key)
    assert call("ReEncrypt", **given).error == (409, "Rejected.Disabled")


def test_a_disabled_key_does_nothing_until_it_is_enabled(call: KmsClient, key: str) -> None:
    blob = call("Encrypt", KeyId=key, Plaintext=TEXT)["CiphertextBlob"]
    assert set(call("DisableKey", KeyId=key).json) == {"RequestId"}
    assert call("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    refused = (409, "Rejected.Disabled")
    assert call("Encrypt", KeyId=key, Plaintext=TEXT).error == refused
    assert call("GenerateDataKey", KeyId=key).error == refused
    assert call("GenerateDataKeyWithoutPlaintext", KeyId=key).error == refused
    assert call("Decrypt", CiphertextBlob=blob).error == refused
    assert call("EnableKey", KeyId=key).status == 200
    assert call("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT


def test_a_key_tells_what_it_is(call: KmsClient) -> None:
    made = call("CreateKey", Description="für Tests", KeySpec="Aliyun_AES_256")["KeyMetadata"]
    assert made == call("DescribeKey", KeyId=made["KeyId"])["KeyMetadata"]
    assert made["Arn"] == f"{ACCOUNT}key/{made['KeyId']}"
    assert made["Description"] == "für Tests"
    assert (made["KeyState"], made["KeySpec"]) == ("Enabled", "Aliyun_AES_256")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["CreationDate"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KeySpec", "RSA_2048"),
        ("KeyUsage", "SIGN/VERIFY"),
        ("Origin", "EXTERNAL"),
        ("ProtectionLevel", "NONE"),
        ("Description", "x" * 8193),
    ],
)
def test_keys_of_other_kinds_are_not_made(call: KmsClient, name: str, value: str) -> None:
    answer = call("CreateKey", **{name: value})
    assert answer.error == (400, "InvalidParameter")
    assert f'"{name}"' in answer["Message"]


def test_keys_and_aliases_are_listed_in_pages() -> None:
    aliases = [f"alias/{n:02}" for n in range(12)]
    with KmsEndpoint(aliases=aliases) as kms:
        call = KmsClient(kms)
        first, second = call("ListKeys"), call("ListKeys", PageNumber="2")
        assert [len(page["Keys"]["Key"]) for page in (first, second)] == [10, 2]
        assert (first["PageNumber"], first["PageSize"], first["TotalCount"]) == (1, 10, 12)
        whole = call("ListKeys", PageSize="100")["Keys"]["Key"]
        assert whole == first["Keys"]["Key"] + second["Keys"]["Key"]
        assert whole[0]["KeyArn"] == f"{ACCOUNT}key/{whole[0]['KeyId']}"
        listed = call("ListAliases", PageSize="5", PageNumber="3")["Aliases"]["Alias"]
        assert [each["AliasName"] for each in listed] == aliases[10:]
        assert listed[0]["AliasArn"] == f"{ACCOUNT}{aliases[10]}"
        assert listed[0]["KeyId"] == kms.key_id(aliases[10])
        for bad in ("0", "101", "x", "-1"):
            assert call("ListKeys", PageSize=bad).error == (400, "InvalidParameter")


def test_an_alias_names_a_key_once(call: KmsClient, key: str) -> None:
    made = call("CreateAlias", AliasName="alias/a/b_c-1", KeyId=key)
    assert set(made.json) == {"RequestId"}
    assert call("DescribeKey", KeyId="alias/a/b_c-1")["KeyMetadata"]["KeyId"] == key
    again = call("CreateAlias", AliasName="alias/a/b_c-1", KeyId=ALIAS)
    assert again.error == (400, "AliasAlreadyExists")


@pytest.mark.parametrize(
    "name", ["example", "alias/", "alias/acs/oss", "alias/ö", "alias/a b", f"alias/{'x' * 256}"]
)
def test_what_is_no_alias_is_refused(call: KmsClient, key: str, name: str) -> None:
    assert call("CreateAlias", AliasName=name, KeyId=key).error == (400, "InvalidParameter")


@pytest.mark.parametrize(
    ("action", "missing"),
    [
        ("Encrypt", "KeyId"),
        ("Encrypt", "Plaintext"),
        ("Decrypt", "CiphertextBlob"),
        ("ReEncrypt", "CiphertextBlob"),
        ("ReEncrypt", "DestinationKeyId"),
        ("GenerateDataKey", "KeyId"),
        ("GenerateDataKeyWithoutPlaintext", "KeyId"),
        ("DescribeKey", "KeyId"),
        ("CreateAlias", "AliasName"),
        ("CreateAlias", "KeyId"),
        ("EnableKey", "KeyId"),
        ("DisableKey", "KeyId"),
    ],
)
def test_a_missing_parameter_is_named(
    call: KmsClient, blob: str, action: str, missing: str
) -> None:
    given = {
        "KeyId": ALIAS,
        "DestinationKeyId": ALIAS,
        "Plaintext": TEXT,
        "CiphertextBlob": blob,
        "AliasName": f"alias/{os.urandom(4).hex()}",
    }
    del given[missing]
    answer = call(action, **given)
    assert answer.error == (400, "MissingParameter")
    assert answer["Message"] == f'The parameter "{missing}" is needed but not provided.'


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NumberOfBytes", "0"),
        ("NumberOfBytes", "1025"),
        ("NumberOfBytes", "many"),
        ("KeySpec", "AES_512"),
        ("DryRun", "true"),
        ("Recipient", "eyJh"),
    ],
)
def test_a_data_key_that_cannot_be(call: KmsClient, name: str, value: str) -> None:
    answer = call("GenerateDataKey", KeyId=ALIAS, **{name: value})
    assert answer.error == (400, "InvalidParameter")
    assert f'"{name}"' in answer["Message"]


def test_a_plaintext_has_at_most_six_kilobytes(call: KmsClient) -> None:
    answer = call("Encrypt", KeyId=ALIAS, Plaintext="y" * 8193)
    assert answer.error == (400, "InvalidParameter")


def test_there_are_limits_to_what_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with KmsEndpoint(aliases=[ALIAS]) as kms:
        call = KmsClient(kms)
        monkeypatch.setattr(key_database, "MAX_KEYS", 1)
        monkeypatch.setattr(key_database, "MAX_ALIASES", 1)
        refused = (400, "Rejected.LimitExceeded")
        assert call("CreateKey").error == refused
        assert call("CreateAlias", AliasName="alias/more", KeyId=ALIAS).error == refused
        assert call("ListKeys")["TotalCount"] == 1


def test_two_endpoints_cannot_read_each_other(blob: str) -> None:
    with KmsEndpoint(aliases=[ALIAS]) as other:
        answer = KmsClient(other)("Decrypt", CiphertextBlob=blob)
        assert answer.error == (404, "Forbidden.KeyNotFound")
