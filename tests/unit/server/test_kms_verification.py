"""Signatures of calls to the KMS endpoint: what is right passes once, everything else does not."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from tests.support.kms_client import KmsClient, timestamp

from cipherbucket.server.kms import KmsEndpoint
from cipherbucket.server.kms.string_to_sign import (
    acs3_string_to_sign,
    rpc_string_to_sign,
    sign_acs3,
    sign_rpc,
)

LIST = {"Action": "ListKeys", "Format": "JSON"}


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture(scope="module")
def call() -> Iterator[KmsClient]:
    with KmsEndpoint(aliases=["alias/example"]) as running:
        yield KmsClient(running)


def test_the_rpc_signature_is_that_of_the_documents_example() -> None:
    # "Request signatures" of the RPC gateway: DescribeRegions with the keys testid, testsecret
    given = {
        "Timestamp": "2016-02-23T12:46:24Z",
        "Format": "XML",
        "AccessKeyId": "testid",
        "Action": "DescribeRegions",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "Version": "2014-05-26",
        "SignatureVersion": "1.0",
        "Signature": "left out",
    }
    text = rpc_string_to_sign("GET", tuple(given.items()))
    assert text == (
        "GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format%3DXML%26"
        "SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3D3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf%26"
        "SignatureVersion%3D1.0%26Timestamp%3D2016-02-23T12%253A46%253A24Z%26Version%3D2014-05-26"
    )
    assert sign_rpc("testsecret", text) == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


def test_the_acs3_signature_is_that_of_the_documents_example() -> None:
    # "Request syntax and signature method V3": RunInstances, YourAccessKeyId, YourAccessKeySecret
    empty = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": empty,
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    query = (
        ("RegionId", "cn-shanghai"),
        ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
    )
    text = acs3_string_to_sign("POST", "/", query, headers, sorted(headers), empty)
    assert text.partition("\n")[2] == (
        "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
    )
    assert sign_acs3("YourAccessKeySecret", text) == (
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_a_wrong_secret_is_told_with_what_was_to_be_signed(call: KmsClient) -> None:
    answer = call.rpc(LIST, secret="wrong")
    assert answer.error == (400, "SignatureDoesNotMatch")
    before, _, text = answer["Message"].partition(":")
    assert before.endswith("server string to sign is")
    assert text.startswith("POST&%2F&AccessKeyId%3D")
    assert call.endpoint.access_key_secret not in answer.body.decode()
    assert call.acs3("ListKeys", secret="wrong").error == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize("name", ["Action", "Format", "Extra", "PageSize"])
def test_a_parameter_that_was_changed_or_added_breaks_the_signature(
    call: KmsClient, name: str
) -> None:
    value = {"Action": "ListAliases", "Format": "json"}.get(name, "1")
    answer = call.rpc(LIST, replaced={name: value})
    assert answer.error == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize("name", ["AccessKeyId", "Signature", "SignatureNonce"])
def test_what_signs_must_be_there(call: KmsClient, name: str) -> None:
    assert call.rpc(LIST, replaced={name: None}).error == (400, "MissingParameter")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SignatureMethod", "HMAC-SHA256"),
        ("SignatureMethod", None),
        ("SignatureVersion", "2.0"),
        ("SignatureType", "BEARERTOKEN"),
    ],
)
def test_other_ways_to_sign_are_refused(call: KmsClient, name: str, value: str | None) -> None:
    answer = call.rpc(LIST, replaced={name: value})
    assert answer.error == (400, "InvalidParameter")


def test_another_access_key_is_not_known(call: KmsClient) -> None:
    refused = (404, "InvalidAccessKeyId.NotFound")
    assert call.rpc(LIST, replaced={"AccessKeyId": "somebody"}).error == refused
    other = "ACS3-HMAC-SHA256 Credential=somebody,SignedHeaders=host;x-acs-action;"
    other += "x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=0"
    assert call.acs3("ListKeys", replaced={"authorization": other}).error == refused


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_clock_may_be_off_a_little(call: KmsClient, minutes: int) -> None:
    moment = timestamp(datetime.now(UTC) + timedelta(minutes=minutes))
    assert call.rpc({**LIST, "Timestamp": moment}).status == 200
    assert call.acs3("ListKeys", more={"x-acs-date": moment}).status == 200


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_off_more_is_refused(call: KmsClient, minutes: int) -> None:
    moment = timestamp(datetime.now(UTC) + timedelta(minutes=minutes))
    assert call.rpc({**LIST, "Timestamp": moment}).error == (400, "IllegalTimestamp")
    acs3 = call.acs3("ListKeys", more={"x-acs-date": moment})
    assert acs3.error == (400, "IllegalTimestamp")


def test_the_time_must_be_given_as_it_is_written(call: KmsClient) -> None:
    assert call.rpc(LIST, replaced={"Timestamp": None}).error == (400, "IllegalTimestamp")
    for text in ("yesterday", "2026-01-01", "2026-13-01T00:00:00Z"):
        assert call.rpc(LIST, replaced={"Timestamp": text}).error == (
            400,
            "InvalidTimeStamp.Format",
        )
        acs3 = call.acs3("ListKeys", more={"x-acs-date": text})
        assert acs3.error == (400, "InvalidTimeStamp.Format")


def test_a_nonce_passes_once(call: KmsClient) -> None:
    given = {**LIST, "SignatureNonce": "once"}
    assert call.rpc(given).status == 200
    assert call.rpc(given).error == (400, "SignatureNonceUsed")
    more = {"x-acs-signature-nonce": "once-more"}
    assert call.acs3("ListKeys", more=more).status == 200
    assert call.acs3("ListKeys", more=more).error == (400, "SignatureNonceUsed")


def test_a_nonce_under_a_wrong_signature_is_not_used_up(call: KmsClient) -> None:
    given = {**LIST, "SignatureNonce": "mine"}
    assert call.rpc(given, secret="wrong").error == (400, "SignatureDoesNotMatch")
    assert call.rpc(given).status == 200


def test_nonces_are_forgotten_when_their_time_is_over() -> None:
    clock = Clock()
    with KmsEndpoint(clock=clock) as kms:
        call = KmsClient(kms)

        def at(minutes: int) -> tuple[int, str] | int:
            clock.ahead = timedelta(minutes=minutes)
            moment = timestamp(clock())
            answer = call.rpc({**LIST, "SignatureNonce": "again", "Timestamp": moment})
            return answer.status if answer.status == 200 else answer.error

        assert at(0) == 200
        assert at(29) == (400, "SignatureNonceUsed")
        assert at(31) == 200
        assert at(32) == (400, "SignatureNonceUsed")


@pytest.mark.parametrize(
    "name", ["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce"]
)
def test_a_header_that_matters_must_be_signed_and_there(call: KmsClient, name: str) -> None:
    names = {"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date"}
    names |= {"x-acs-signature-nonce", "x-acs-version"}
    unsigned = call.acs3("ListKeys", signed=frozenset(names - {name}))
    assert unsigned.error == (400, "IncompleteSignature")
    if name not in {"host", "x-acs-action"}:
        gone = call.acs3("ListKeys", replaced={name: None})
        assert gone.error == (400, "IncompleteSignature")


def test_a_context_in_a_form_cannot_be_taken_away(call: KmsClient) -> None:
    query = {"KeyId": call("CreateKey")["KeyMetadata"]["KeyId"], "Plaintext": "c2VjcmV0"}
    body = urlencode({"EncryptionContext": '{"a":"1"}'}).encode()
    names = {"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date"}
    names |= {"x-acs-signature-nonce", "x-acs-version"}
    for signed, refused in (
        (frozenset(names), (400, "IncompleteSignature")),
        (frozenset(names | {"content-type"}), (400, "SignatureDoesNotMatch")),
    ):
        answer = call.acs3(
            "Encrypt", query, body=body, signed=signed, replaced={"content-type": "text/plain"}
        )
        assert answer.error == refused
    assert call.acs3("Encrypt", query, body=body).status == 200


def test_a_header_or_parameter_that_was_changed_breaks_the_signature(call: KmsClient) -> None:
    refused = (400, "SignatureDoesNotMatch")
    assert call.acs3("ListKeys", replaced={"x-acs-action": "ListAliases"}).error == refused
    assert call.acs3("ListKeys", more={"accept": "a"}, replaced={"accept": "b"}).error == refused
    answer = call.send("POST", "/?Format=JSON", b"", {"authorization": "ACS3-HMAC-SHA256 x"})
    assert answer.error == (400, "MissingParameter")
    answer = call.acs3("ListKeys", replaced={"authorization": "ACS3-HMAC-SHA256 x"})
    assert answer.error == (400, "IncompleteSignature")


def test_a_body_that_was_changed_breaks_the_signature(call: KmsClient) -> None:
    other = hashlib.sha256(b"KeyId=other").hexdigest()
    answer = call.acs3("DescribeKey", body=b"KeyId=mine", replaced={"x-acs-content-sha256": other})
    assert answer.error == (400, "IncompleteSignature")
    answer = call.acs3(
        "DescribeKey", body=b"KeyId=mine", more={"x-acs-content-sha256": "UNSIGNED-PAYLOAD"}
    )
    assert answer.error == (400, "IncompleteSignature")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic dXNlcjpwYXNz",
        "ACS3-HMAC-SM3 Credential=a,SignedHeaders=host,Signature=0",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=0,Signature=0",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host;host,Signature=0",
    ],
)
def test_an_authorization_that_is_none_is_refused(call: KmsClient, authorization: str) -> None:
    answer = call.acs3("ListKeys", replaced={"authorization": authorization})
    assert answer.error == (400, "IncompleteSignature")


def test_an_sts_token_must_be_brought_and_right() -> None:
    with KmsEndpoint(security_token="to+ken/=") as kms:
        call = KmsClient(kms)
        assert call.rpc(LIST).error == (404, "InvalidAccessKeyId.NotFound")
        wrong = call.rpc({**LIST, "SecurityToken": "other"})
        assert wrong.error == (400, "InvalidSecurityToken.Malformed")
        assert call.rpc({**LIST, "SecurityToken": "to+ken/="}).status == 200
        assert call.rpc(LIST, replaced={"SecurityToken": "to+ken/="}).error == (
            400,
            "SignatureDoesNotMatch",
        )
        header = "x-acs-security-token"
        assert call.acs3("ListKeys").error == (404, "InvalidAccessKeyId.NotFound")
        wrong = call.acs3("ListKeys", more={header: "other"})
        assert wrong.error == (400, "InvalidSecurityToken.Malformed")
        assert call.acs3("ListKeys", more={header: "to+ken/="}).status == 200
        unsigned = call.acs3("ListKeys", replaced={"x-acs-security-token": "to+ken/="})
        assert unsigned.error == (400, "IncompleteSignature")
