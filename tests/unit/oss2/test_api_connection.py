"""Who asks and how: signatures, endpoints, arguments; exceptions and names beside them."""

import copy
import importlib
import pickle
import subprocess
import sys
from typing import Any

import pytest
from tests.oss2.scene import BUCKET, Scene
from tests.support.scripted_http import Answer, scripted

import cipherbucket as cb
from cipherbucket import oss2
from cipherbucket.oss2 import exceptions
from cipherbucket.oss2._connection import Place, checked_bucket_name, checked_endpoint
from cipherbucket.oss2.credentials import (
    Credentials,
    EcsRamRoleCredentialsProvider,
    EnvironmentVariableCredentialsProvider,
)
from cipherbucket.oss2.exceptions import ClientError, ServerError, make_exception
from cipherbucket.oss2.http import CaseInsensitiveDict, Response, Session


def bucket_with(layer: Scene, auth: Any, **options: Any) -> Any:
    provider = layer.rsa(mat_desc={"desc": "tests"})
    return oss2.CryptoBucket(auth, layer.oss.url, BUCKET, provider, **options)


class Provider(oss2.CredentialsProvider):
    """Gives out credentials, and counts."""

    def __init__(self, layer: Scene) -> None:
        self._given = Credentials(layer.oss.access_key_id, layer.oss.access_key_secret, "token")
        self.asked = 0

    def get_credentials(self) -> Credentials:
        self.asked += 1
        return self._given


@pytest.mark.parametrize("version", [None, "v1", "v2", "v4"])
def test_every_signature_version_reads_and_writes(layer: Scene, version: str | None) -> None:
    identity = (layer.oss.access_key_id, layer.oss.access_key_secret)
    auth = oss2.make_auth(*identity) if version is None else oss2.make_auth(*identity, version)
    assert auth.auth_version() == (version or "v1")
    bucket = bucket_with(layer, auth, region=layer.oss.region)
    bucket.put_object("o", b"content")
    assert bucket.get_object("o").read() == b"content"
    url = bucket.sign_url("GET", "o", 60)
    assert bucket.get_object_with_url(url).read() == b"content"


@pytest.mark.parametrize("kind", ["ProviderAuth", "ProviderAuthV2", "ProviderAuthV4"])
def test_a_provider_is_asked_before_each_request(layer: Scene, kind: str) -> None:
    provider = Provider(layer)
    bucket = bucket_with(layer, getattr(oss2, kind)(provider), region=layer.oss.region)
    bucket.put_object("o", b"content")
    asked = provider.asked
    bucket.head_object("o")
    assert provider.asked > asked > 0


def test_another_auth_may_be_put_in_its_place(layer: Scene) -> None:
    bucket = bucket_with(layer, oss2.StsAuth("nobody", "wrong", "token"), region=layer.oss.region)
    with pytest.raises(ServerError) as caught:
        bucket.put_object("o", b"content")
    assert caught.value.status == 403
    identity = (layer.oss.access_key_id, layer.oss.access_key_secret, "token")
    for version in (oss2.AUTH_VERSION_1, oss2.AUTH_VERSION_4):
        bucket.auth = oss2.StsAuth(*identity, auth_version=version)
        assert bucket.put_object("o", b"content").status == 200
    bucket.put_object_acl("o", oss2.OBJECT_ACL_PUBLIC_READ)
    bucket.auth = oss2.AnonymousAuth()
    assert bucket.get_object("o").read() == b"content"
    with pytest.raises(exceptions.AccessDenied):
        bucket.put_object("o", b"content")


def test_what_a_provider_raises_arrives(layer: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OSS_ACCESS_KEY_ID", raising=False)
    auth = oss2.ProviderAuth(EnvironmentVariableCredentialsProvider())
    with pytest.raises(ClientError, match="OSS_ACCESS_KEY_ID"):
        bucket_with(layer, auth).head_object("o")


def test_what_the_program_was_handling_is_no_part_of_a_call(layer: Scene) -> None:
    bucket, reserved = layer.bucket(), {"x-oss-meta-client-side-encryption-key": "mine"}

    def put_what_is_missing() -> None:
        try:
            bucket.get_object("nothing")
        except exceptions.NoSuchKey:
            bucket.put_object("nothing", b"", headers=reserved)

    with pytest.raises(ClientError, match="envelope"):
        put_what_is_missing()


def test_arguments_that_cannot_be_are_told_at_once(layer: Scene) -> None:
    auth, provider = layer.auth(), layer.rsa()
    for arguments in (
        (auth, "http://a b", BUCKET, provider),
        (auth, "http://host:port", BUCKET, provider),
        (auth, layer.oss.url, "-bucket", provider),
        (auth, layer.oss.url, BUCKET, "provider"),
        ("auth", layer.oss.url, BUCKET, provider),
    ):
        with pytest.raises(ClientError):
            oss2.CryptoBucket(*arguments)
    with pytest.raises(ClientError, match="adapter"):
        Session(adapter=object())  # type: ignore[arg-type]


def test_version_4_without_a_region_is_told_at_the_first_call(layer: Scene) -> None:
    auth = oss2.AuthV4(layer.oss.access_key_id, layer.oss.access_key_secret)
    bucket = bucket_with(layer, auth)
    with pytest.raises(ClientError, match="region"):
        bucket.head_object("o")


def test_endpoints_and_bucket_names() -> None:
    assert checked_endpoint(" oss-cn-hangzhou.aliyuncs.com ") == (
        "http://oss-cn-hangzhou.aliyuncs.com"
    )
    assert checked_endpoint("https://HOST:8080/path") == "https://host:8080"
    assert checked_endpoint("http://me:password@host") == "http://host"  # as oss2
    assert checked_endpoint("[::1]:8080") == "http://[::1]:8080"  # which oss2 refuses
    assert checked_bucket_name(" abc ") == "abc"


@pytest.mark.parametrize(
    ("endpoint", "options", "addressing"),
    [
        ("http://host", {}, "virtual"),
        ("https://host", {}, "virtual"),
        ("http://host", {"is_cname": True}, "cname"),
        ("http://host", {"is_path_style": True}, "path"),
        ("http://localhost:1", {"is_cname": True}, "path"),
        ("http://127.0.0.1:1", {}, "path"),
        ("http://[::1]:1", {"is_cname": True}, "path"),
    ],
)
def test_arguments_become_settings(
    endpoint: str, options: dict[str, bool], addressing: str
) -> None:
    usual: dict[str, Any] = {
        "endpoint": endpoint,
        "bucket_name": BUCKET,
        "is_cname": False,
        "timeout": (3, 7),
        "app_name": "app",
        "proxies": {"http": "http://p:1"},
        "region": "cn-hangzhou",
        "cloudbox_id": "cb-1",
        "is_path_style": False,
    }
    settings = Place(**{**usual, **options}).settings(cb.Credentials("id", "secret"), "v4")
    assert (settings.addressing, settings.proxy) == (addressing, usual["proxies"])
    assert (settings.connect_timeout, settings.read_timeout) == (3, 7)
    assert (settings.app_name, settings.cloudbox_id) == ("app", "cb-1")


def test_urls_are_not_signed_for_what_has_no_name(layer: Scene) -> None:
    bucket = layer.bucket()
    for key in ("", " ", "?query"):
        with pytest.raises(ClientError):
            bucket.sign_url("GET", key, 60)
    with pytest.raises(ClientError, match="additional_headers"):
        bucket.sign_url("GET", "o", 60, additional_headers={"host"})


def test_the_role_of_a_machine() -> None:
    good = (
        b'{"Code": "Success", "AccessKeyId": "id", "AccessKeySecret": "secret",'
        b' "SecurityToken": "token", "Expiration": "2999-01-01T06:00:00Z",'
        b' "LastUpdated": "2999-01-01T00:00:00Z"}'
    )
    answers = iter([Answer(500), Answer(200, body=b"{}"), Answer(200, body=good)])
    with scripted(lambda _: next(answers)) as server:
        given = EcsRamRoleCredentialsProvider(server.url).get_credentials()
    assert (given.get_access_key_id(), given.get_security_token()) == ("id", "token")
    assert given.duration == 6 * 3600
    assert not given.will_soon_expire()
    with scripted(lambda _: Answer(404)) as server, pytest.raises(ClientError, match="404"):
        EcsRamRoleCredentialsProvider(server.url).get_credentials()


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (404, b"<Error><Code>NoSuchKey</Code></Error>", exceptions.NoSuchKey, "NoSuchKey"),
        (404, b"", exceptions.NotFound, ""),
        (403, b"<Error><Code>Other</Code></Error>", ServerError, "Other"),
        (400, b"<Error><Code>MalformedXML</Code></Error>", exceptions.MalformedXml, "MalformedXML"),
        (404, b"junk <Error><Code>NoSuchKey</Code> cut", exceptions.NoSuchKey, "NoSuchKey"),
        (500, b"\xff\x00", ServerError, ""),
        (500, b"<Other/>", ServerError, ""),
    ],
)
def test_exceptions_are_made_of_answers(
    status: int, body: bytes, kind: type[ServerError], code: str
) -> None:
    error = make_exception(Response(status, {"x-oss-request-id": "R"}, body))
    assert type(error) is kind
    assert (error.status, error.code, error.request_id) == (status, code, "R")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, again.body) == (kind, code, body)
    assert str(status) in str(error)


@pytest.mark.parametrize(
    "error",
    [
        ClientError("words"),
        exceptions.RequestError("words"),
        exceptions.InconsistentError("words", "R"),
        exceptions.OpenApiFormatError("words"),
        exceptions.OpenApiServerError(400, "R", "words", "Code"),
    ],
)
def test_our_own_exceptions_pickle(error: exceptions.OssError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(again), str(again)) == (type(error), str(error))
    assert "words" in str(error)


def test_headers_have_no_case() -> None:
    headers = CaseInsensitiveDict({"ETag": "1"}, other="2")
    headers["etag"] = "3"
    assert headers == {"ETAG": "3", "Other": "2"}
    assert "eTag" in headers
    assert list(headers) == ["etag", "other"]
    del headers["ETag"]
    assert dict(headers.copy()) == {"other": "2"}


def test_what_is_not_offered_says_what_to_use(layer: Scene) -> None:
    for name in ("Bucket", "Service"):
        with pytest.raises(AttributeError, match="CryptoBucket"):
            getattr(oss2, name)
    with pytest.raises(AttributeError, match="alibabacloud-oss-v2"):
        layer.bucket().put_bucket_lifecycle  # noqa: B018  looked up is enough


def test_every_name_can_be_imported() -> None:
    for name in oss2.__all__:
        assert getattr(oss2, name) is not None
    assert set(oss2.__all__) <= set(dir(oss2))


def test_the_library_does_not_import_the_layer() -> None:
    program = (
        "import sys, cipherbucket; assert 'cipherbucket.oss2' not in sys.modules;"
        "from cipherbucket import oss2; assert oss2.exceptions.NoSuchKey and oss2.RsaProvider;"
        "assert not {'alibabacloud_oss_v2', 'urllib3', 'urllib.request'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert importlib.import_module("cipherbucket.oss2.api").CryptoBucket is oss2.CryptoBucket


def test_modules_and_what_is_not_offered_are_found_as_attributes() -> None:
    for name in ("api", "crypto", "crypto_bucket", "headers", "http", "utils"):
        assert getattr(oss2, name).__name__ == f"cipherbucket.oss2.{name}"
    for name in ("Bucket", "Service"):
        with pytest.raises(AttributeError, match=r"oss2 itself"):
            getattr(oss2, name)
    with pytest.raises(AttributeError, match="'nothing'"):
        getattr(oss2, "nothing")  # noqa: B009  mypy would know


def test_a_subclass_has_names_of_its_own(layer: Scene) -> None:
    class Mine(oss2.CryptoBucket):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.bucket = self.store = self.client = self.name = "mine"

    mine = Mine(layer.auth(), layer.oss.url, BUCKET, layer.rsa(mat_desc={"desc": "mine"}))
    mine.put_object("o", b"content")
    assert mine.get_object("o").read() == b"content"
    mine.close()


def test_timeout_and_proxies_may_be_set_later(layer: Scene) -> None:
    bucket = layer.bucket(layer.rsa(mat_desc={"desc": "tests"}), connect_timeout=7)
    bucket.put_object("o", b"content")
    assert (bucket.timeout, bucket.proxies) == (7, None)
    bucket.proxies = {"http": "http://127.0.0.1:1"}
    with pytest.raises(exceptions.RequestError, match="proxy"):
        bucket.get_object("o")
    bucket.proxies, bucket.timeout = None, (3, 4.5)
    settings = bucket._connection.settings()
    assert (settings.connect_timeout, settings.read_timeout) == (3, 4.5)
    assert bucket.get_object("o").read() == b"content"
