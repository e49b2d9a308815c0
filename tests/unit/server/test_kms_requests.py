"""Requests and answers of the KMS endpoint: methods, forms, JSON and XML, what is refused."""

import logging
from collections.abc import Iterator

import pytest
from tests.support.kms_client import KmsClient

from cipherbucket.server.kms import KmsEndpoint, actions

ALIAS = "alias/example"


@pytest.fixture(scope="module")
def call() -> Iterator[KmsClient]:
    with KmsEndpoint(aliases=[ALIAS]) as running:
        yield KmsClient(running)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_get_and_post_are_alike(call: KmsClient, method: str) -> None:
    given = {"Action": "DescribeKey", "KeyId": ALIAS, "Format": "JSON"}
    assert call.rpc(given, method=method)["KeyMetadata"]["KeyState"] == "Enabled"


def test_parameters_may_come_in_a_form(call: KmsClient) -> None:
    text = "a+b c&d=é*~"
    made = call.rpc(
        {"Action": "Encrypt", "Format": "JSON"}, form={"KeyId": ALIAS, "Plaintext": text}
    )
    got = call.rpc(
        {"Format": "JSON"}, form={"Action": "Decrypt", "CiphertextBlob": made["CiphertextBlob"]}
    )
    assert got["Plaintext"] == text
    got = call.acs3(
        "Decrypt", body=f"CiphertextBlob={made['CiphertextBlob']}".replace("+", "%2B").encode()
    )
    assert got["Plaintext"] == text


def test_every_answer_has_a_request_id(call: KmsClient) -> None:
    good, bad = call("ListKeys"), call("DescribeKey", KeyId="nothing")
    assert good["RequestId"] != bad["RequestId"]
    for answer in (good, bad):
        assert answer.headers["x-acs-request-id"] == answer["RequestId"]
        assert answer.headers["content-type"] == "application/json;charset=utf-8"


@pytest.mark.parametrize("given", [{"Format": "XML"}, {"Format": "xml"}, {}])
def test_xml_is_answered_to_rpc_where_nothing_else_is_asked_for(
    call: KmsClient, given: dict[str, str]
) -> None:
    answer = call.rpc({"Action": "ListKeys", **given})
    assert answer.headers["content-type"] == "text/xml;charset=utf-8"
    assert answer.xml.tag == "ListKeysResponse"
    assert answer.xml.findtext("RequestId") == answer.headers["x-acs-request-id"]
    assert answer.xml.findtext("TotalCount") == "1"
    assert len(answer.xml.findall("Keys/Key")) == 1
    assert (answer.xml.findtext("Keys/Key/KeyArn") or "").startswith("acs:kms:")


def test_an_error_in_xml(call: KmsClient) -> None:
    answer = call.rpc({"Action": "DescribeKey", "KeyId": "<nothing>"})
    assert (answer.status, answer.xml.tag) == (404, "KMS")
    assert answer.xml.findtext("HttpStatus") == "404"
    assert answer.xml.findtext("Code") == "Forbidden.KeyNotFound"
    assert answer.xml.findtext("RequestId")


def test_acs3_answers_json_unless_xml_is_accepted(call: KmsClient) -> None:
    assert call.acs3("ListKeys").json["TotalCount"] == 1
    assert call.acs3("ListKeys", more={"accept": "application/json"}).json["TotalCount"] == 1
    assert call.acs3("ListKeys", more={"accept": "application/xml"}).xml.tag == "ListKeysResponse"
    assert call.acs3("ListKeys", {"Format": "XML"}).xml.tag == "ListKeysResponse"


def test_another_format_is_refused_in_xml(call: KmsClient) -> None:
    answer = call.rpc({"Action": "ListKeys", "Format": "YAML"})
    assert answer.xml.findtext("Code") == "InvalidParameter"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(call: KmsClient, method: str) -> None:
    answer = call.rpc({"Action": "ListKeys", "Format": "JSON"}, method=method)
    assert answer.error == (403, "UnsupportedHTTPMethod")


def test_an_action_that_is_not_there(call: KmsClient) -> None:
    for name in ("ScheduleKeyDeletion", "encrypt", "__class__"):
        assert call(name).error == (404, "InvalidAction.NotFound")
    assert call.acs3("GetSecretValue").error == (404, "InvalidAction.NotFound")
    given = {"Action": "ListKeys", "Format": "JSON"}
    assert call.rpc(given, path="/keys").error == (404, "InvalidAction.NotFound")


def test_an_action_must_be_named(call: KmsClient) -> None:
    assert call.rpc({"Format": "JSON"}).error == (400, "MissingParameter")


def test_another_version_is_refused(call: KmsClient) -> None:
    given = {"Action": "ListKeys", "Format": "JSON", "Version": "2015-01-01"}
    assert call.rpc(given).error == (400, "InvalidVersion")
    acs3 = call.acs3("ListKeys", more={"x-acs-version": "2015-01-01"})
    assert acs3.error == (400, "InvalidVersion")


def test_bytes_that_are_no_text_are_refused(call: KmsClient) -> None:
    answer = call.send("GET", "/?Format=JSON&Action=%ff", b"", {})
    assert answer.xml.findtext("Code") == "ParseRequestParameterException"


def test_a_body_has_an_end(call: KmsClient) -> None:
    form = {"Plaintext": "x" * 70_000}
    answer = call.rpc({"Action": "Encrypt"}, form=form)
    assert answer.xml.findtext("Code") == "ParseRequestParameterException"


def test_what_goes_wrong_inside_is_an_error_that_tells_nothing(
    call: KmsClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(vault: object, parameters: object) -> dict[str, object]:
        raise RuntimeError("broken")

    monkeypatch.setitem(actions._ACTIONS, "Encrypt", broken)
    with caplog.at_level(logging.DEBUG):
        answer = call("Encrypt", KeyId=ALIAS, Plaintext="c2VjcmV0")
    assert answer.error == (500, "InternalFailure")
    assert answer["RequestId"] in caplog.text
    assert "c2VjcmV0" not in caplog.text + answer.body.decode()
