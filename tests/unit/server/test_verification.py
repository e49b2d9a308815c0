"""Signatures made by the official SDKs are verified; each change to a signed part is refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from tests.support.peer_sdks import REGION, import_oss2, import_oss_v2

from cipherbucket.credentials import Credentials
from cipherbucket.server.errors import OssError
from cipherbucket.server.http_api.string_to_sign import (
    SignedRequest,
    parse_query,
    sign_v1,
    sign_v4,
    string_to_sign_v1,
)
from cipherbucket.server.http_api.verification import verify

IDENTITY = Credentials("key-id", "key-secret")
BUCKET, KEY = "examplebucket", "folder/ä b+c%41~(1).txt"
QUERY = {"partNumber": "3", "uploadId": "0004B99B8E707874FC2D692FA5D77D3F", "x-custom": "a/b c+d"}
HEADERS = {
    "content-type": "text/plain",
    "content-md5": "ICy5YqxZB1uWSwcVLSNLcA==",
    "x-oss-meta-colour": "grün & blue",
    "x-oss-object-acl": "private",
    "range": "bytes=0-9",
}


def oss2_request(auth: str, *, url: bool, token: str | None = None) -> SignedRequest:
    oss2 = import_oss2()
    provider = oss2.credentials.StaticCredentialsProvider("key-id", "key-secret", token)
    signer = getattr(oss2, auth)(provider)
    request = oss2.http.Request(
        "PUT", "http://h/x", headers=dict(HEADERS), params=dict(QUERY), region=REGION, product="oss"
    )
    request.headers = oss2.CaseInsensitiveDict(
        {name: value for name, value in request.headers.items() if value is not None}
    )
    more = (["range"],) if auth == "ProviderAuthV4" else ()
    if url:
        signed = signer._sign_url(request, BUCKET, KEY, 60, *more)
        query = parse_query(urlsplit(signed).query)
        request.headers.pop("date", None)
    else:
        signer._sign_request(request, BUCKET, KEY, *more)
        query = tuple(request.params.items())
    headers = {name.lower(): value for name, value in request.headers.items()}
    return SignedRequest("PUT", BUCKET, KEY, query, headers)


def oss_v2_request(signer: str, *, url: bool, token: str | None = None) -> SignedRequest:
    oss = import_oss_v2()
    from alibabacloud_oss_v2 import signer as signers
    from alibabacloud_oss_v2 import types

    escaped = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in QUERY.items())
    request = types.HttpRequest("PUT", f"http://h/x?{escaped}", dict(HEADERS))
    context = types.SigningContext(
        product="oss",
        region=REGION,
        bucket=BUCKET,
        key=KEY,
        request=request,
        credentials=oss.credentials.Credentials("key-id", "key-secret", token),
        additional_headers={"range"},
    )
    context.auth_method_query = url
    getattr(signers, signer)().sign(context)
    query = parse_query(urlsplit(request.url).query)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return SignedRequest("PUT", BUCKET, KEY, query, headers)


Make = Callable[[], SignedRequest]
SIGNERS = {
    f"{sdk}-{version}-{'url' if url else 'header'}": (make, name, url)
    for sdk, version, make, name in (
        ("oss2", "v1", oss2_request, "ProviderAuth"),
        ("oss2", "v4", oss2_request, "ProviderAuthV4"),
        ("oss-v2", "v1", oss_v2_request, "SignerV1"),
        ("oss-v2", "v4", oss_v2_request, "SignerV4"),
    )
    for url in (False, True)
}


def signed_by(name: str, **options: Any) -> SignedRequest:
    make, signer, url = SIGNERS[name]
    return make(signer, url=url, **options)


def now() -> datetime:
    return datetime.now(UTC)


def refusal(request: SignedRequest, identity: Credentials = IDENTITY, when: Any = None) -> str:
    with pytest.raises(OssError) as caught:
        verify(request, identity, when or now())
    assert caught.value.status == 403 or caught.value.code == "InvalidArgument"
    return caught.value.code


@pytest.mark.parametrize("name", SIGNERS)
def test_what_the_sdks_sign_is_verified(name: str) -> None:
    assert verify(signed_by(name), IDENTITY, now())


@pytest.mark.parametrize("name", SIGNERS)
def test_every_signed_part_is_held_to_its_signature(name: str) -> None:
    request = signed_by(name)
    query = dict(request.query)
    altered = {
        "method": replace(request, method="GET"),
        "bucket": replace(request, bucket="otherbucket"),
        "key": replace(request, key=KEY + "x"),
        "query": replace(request, query=tuple({**query, "uploadId": "other"}.items())),
        "query dropped": replace(
            request, query=tuple((k, v) for k, v in request.query if k != "partNumber")
        ),
        "header": replace(request, headers={**request.headers, "x-oss-meta-colour": "red"}),
        "header added": replace(request, headers={**request.headers, "x-oss-new": "1"}),
        "type": replace(request, headers={**request.headers, "content-type": "text/html"}),
    }
    if "v4" in name:
        altered["range"] = replace(request, headers={**request.headers, "range": "bytes=0-"})
        altered["any query"] = replace(request, query=tuple({**query, "x-custom": "1"}.items()))
    codes = {part: refusal(one) for part, one in altered.items()}
    assert set(codes.values()) == {"SignatureDoesNotMatch"}, codes


@pytest.mark.parametrize("name", SIGNERS)
def test_another_secret_and_another_key_id_are_refused(name: str) -> None:
    request = signed_by(name)
    assert refusal(request, Credentials("key-id", "wrong")) == "SignatureDoesNotMatch"
    assert refusal(request, Credentials("other", "key-secret")) == "InvalidAccessKeyId"


@pytest.mark.parametrize("name", SIGNERS)
def test_the_clocks_must_agree(name: str) -> None:
    request = signed_by(name)
    late = refusal(request, when=now() + timedelta(hours=1))
    assert late == ("AccessDenied" if "url" in name else "RequestTimeTooSkewed")
    if "header" in name:
        early = refusal(request, when=now() - timedelta(hours=1))
        assert early == "RequestTimeTooSkewed"


@pytest.mark.parametrize("name", SIGNERS)
def test_the_security_token_must_be_the_configured_one(name: str) -> None:
    with_token = Credentials("key-id", "key-secret", "token")
    request = signed_by(name, token="token")
    assert verify(request, with_token, now())
    assert verify(request, IDENTITY, now())  # none configured: any is accepted
    assert refusal(signed_by(name, token="other"), with_token) == "InvalidAccessKeyId"
    assert refusal(signed_by(name), with_token) == "InvalidAccessKeyId"


@pytest.mark.parametrize("name", [name for name in SIGNERS if "url" in name])
@pytest.mark.parametrize("tail", ["expires", "signature"])
def test_a_signed_url_needs_all_its_parts(name: str, tail: str) -> None:
    request = signed_by(name)
    query = tuple((k, v) for k, v in request.query if k.lower().removeprefix("x-oss-") != tail)
    assert refusal(replace(request, query=query)) == "AccessDenied"


def test_a_request_without_a_signature_is_anonymous() -> None:
    assert not verify(SignedRequest("GET", BUCKET, KEY, (), {"host": "h"}), IDENTITY, now())


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic abc",
        "OSS",
        "OSS key-id",
        "OSS2 AccessKeyId:key-id,Signature:x",
        "OSS4-HMAC-SHA256",
        "OSS4-HMAC-SHA256 Credential=key-id/1/2/3,Signature=1",
        "OSS4-HMAC-SHA256 Credential=key-id/20200101/r/oss/other,Signature=1",
        "OSS4-HMAC-SHA256 Signature=1",
    ],
)
def test_an_authorization_that_is_none_is_refused(authorization: str) -> None:
    headers = {"authorization": authorization, "x-oss-content-sha256": "UNSIGNED-PAYLOAD"}
    request = SignedRequest("GET", BUCKET, KEY, (), headers)
    assert refusal(request) in {"InvalidArgument", "AccessDenied"}


@pytest.mark.parametrize("date", ["", "yesterday", "2020", "20209999T000000Z"])
def test_a_date_that_is_none_is_refused(date: str) -> None:
    headers = {"authorization": "OSS key-id:x", "date": date}
    assert refusal(SignedRequest("GET", BUCKET, KEY, (), headers)) == "AccessDenied"


def test_the_scope_must_be_of_the_day_of_the_request() -> None:
    request = signed_by("oss-v2-v4-header")
    moved = request.headers["authorization"].replace(f"{now():%Y%m%d}", "20200101", 1)
    altered = replace(request, headers={**request.headers, "authorization": moved})
    assert refusal(altered) == "InvalidArgument"


def test_known_vectors() -> None:
    # From "Include signatures in the Authorization header", the public OSS documentation.
    request = SignedRequest(
        "PUT",
        "oss-example",
        "nelson",
        (),
        {
            "content-md5": "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
            "content-type": "text/html",
            "x-oss-meta-author": "foo@bar.com",
            "x-oss-magic": "abracadabra",
        },
    )
    text = string_to_sign_v1(request, "Thu, 17 Nov 2005 18:49:58 GMT")
    assert sign_v1("OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV", text) == (
        "26NBxoKdsyly4EDv6inkoDft/yA="
    )
    assert len(sign_v4("secret", "20250411/cn-hangzhou/oss/aliyun_v4_request", "text")) == 64


def test_what_is_secret_is_in_no_repr_and_no_error() -> None:
    identity = Credentials("key-id", "key-secret", "key-token")
    assert "key-secret" not in repr(identity)
    assert "key-token" not in repr(identity)
    with pytest.raises(OssError) as caught:
        verify(signed_by("oss-v2-v4-header", token="key-token"), replace_secret(identity), now())
    assert "key-secret" not in str(caught.value.details)


def replace_secret(identity: Credentials) -> Credentials:
    return Credentials(identity.access_key_id, identity.access_key_secret + "x", "key-token")
