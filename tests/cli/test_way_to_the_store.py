"""What a user reads who does not get through to the store, as `way_to_the_store.txt` has it.

There ``HOST`` stands for the address that was asked, ``PROXY`` for that of a proxy, ``FOLDER`` for
the test's own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from tests.cli.runs import error_of, invoke
from tests.support.forward_proxy import forward_proxy
from tests.support.oss_objects import error_xml
from tests.support.private_ca import PrivateCa, tls_server
from tests.support.scripted_http import Answer, answering, scripted

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.server.service import Settings

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
LINES = dict(
    line.split("\t")
    for line in Path(__file__).with_name("way_to_the_store.txt").read_text().splitlines()
)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine says, and what waits between two tries."""
    for name in (*NAMES, *(name.upper() for name in NAMES), "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("alibabacloud_oss_v2._client.time.sleep", lambda _: None)


def said(endpoint: str, proxy: str | None = None, **env: str) -> str:
    """Read an object at an endpoint, and return what is said of it."""
    variables = {
        "OSS_ENDPOINT": endpoint,
        "OSS_REGION": "cn-hangzhou",
        "OSS_ACCESS_KEY_ID": "id",
        "OSS_ACCESS_KEY_SECRET": "secret",
        "http_proxy": proxy,
        "https_proxy": proxy,
        **env,
    }
    result = invoke("--no-config", "cat", "--plaintext", "oss://bucket/a", env=variables)
    line = line_of(result, endpoint.rpartition("//")[2])
    return line if proxy is None else line.replace(proxy.rpartition("@")[2], "PROXY")


def line_of(result: Result, host: str) -> str:
    assert result.exit_code in {2, 3, 6}
    return error_of(result).removeprefix("cipherbucket: ").rstrip("\n").replace(host, "HOST")


def test_http_where_https_was_asked() -> None:
    with scripted(lambda _: Answer()) as server:
        bare = server.url.removeprefix("http://")
        for endpoint in (bare, f"https://{bare}"):
            assert said(endpoint) == LINES["http for https"]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("an alert", b"\x15\x03\x01\x00\x02\x02\x46"),
        ("Go", b"HTTP/1.0 400 No\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"),
        ("nginx", b"HTTP/1.0 400 No\r\n\r\n<p>The plain HTTP request was sent to HTTPS port</p>"),
        ("nothing", b""),
    ],
)
def test_https_where_http_was_asked(kind: str, answer: bytes) -> None:
    with answering(lambda: [answer]) as server:
        assert said(server.url) == LINES[f"https for http, answered by {kind}"]


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    authority = PrivateCa(tmp_path)
    trusted = {"REQUESTS_CA_BUNDLE": str(authority.certificate)}
    with tls_server(authority.server_files()) as host:
        assert said(f"https://{host}") == LINES["certificate of an unknown CA"]
    with tls_server(authority.server_files("127.0.0.2")) as host:
        assert said(f"https://{host}", **trusted) == LINES["certificate of another host"]
    with tls_server(authority.server_files(days=-1)) as host:
        assert said(f"https://{host}", **trusted) == LINES["certificate that expired"]


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    for name in ("nothing", "text"):
        path = str(tmp_path / name)
        told = said("https://127.0.0.1:1", REQUESTS_CA_BUNDLE=path)
        assert told.replace(str(tmp_path), "FOLDER") == LINES[f"REQUESTS_CA_BUNDLE of {name}"]


ELSEWHERE = (
    b"<Error><Code>AccessDenied</Code><Message>The bucket you are attempting to access must be"
    b" addressed using the specified endpoint. Please send all future requests to this endpoint."
    b"</Message><RequestId>R1</RequestId><HostId>bucket.oss-cn-hangzhou.aliyuncs.com</HostId>"
    b"<Bucket>bucket</Bucket><Endpoint>%s</Endpoint><EC>0003-00001403</EC></Error>"
)


@pytest.mark.parametrize(
    ("kind", "status", "endpoint"),
    [
        ("in another region", 403, b"oss-cn-beijing.aliyuncs.com"),
        ("in another network", 403, b"oss-cn-beijing-internal.aliyuncs.com"),
        ("moved", 301, b"oss.example"),
        ("at no host", 403, b"evil.example/?&#10;x"),
    ],
)
def test_a_bucket_that_is_elsewhere(kind: str, status: int, endpoint: bytes) -> None:
    with scripted(lambda _: Answer(status, {}, ELSEWHERE % endpoint)) as server:
        assert said(server.url) == LINES[f"bucket {kind}"]
    assert len(server.requests) == 1


def test_a_refused_url_did_not_expire_because_the_bucket_is_called_so() -> None:
    """Nor is the right endpoint kept back from whoever has a URL that is signed for another."""
    refusals = {"denied": error_xml("AccessDenied"), "elsewhere": ELSEWHERE % b"oss.example"}
    for kind, body in refusals.items():
        with scripted(lambda _, body=body: Answer(403, {}, body)) as server:  # type: ignore[misc]
            url = "http://expired.example/a?Expires=1"
            env = {"http_proxy": server.url}
            result = invoke("--no-config", "cat", "--plaintext", url, env=env)
        assert line_of(result, "expired.example") == LINES[f"URL {kind}"]


def test_a_redirect_is_told_and_not_followed() -> None:
    with scripted(lambda _: Answer(404)) as other:
        where = {"location": f"{other.url}/bucket/a?Signature=SECRET"}
        with scripted(lambda _: Answer(307, where)) as server:
            line = said(server.url).replace(other.url, "http://OTHER")
    assert line == LINES["redirect"]
    assert other.requests == []


@contextmanager
def closed_port() -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_in_the_way(scheme: str) -> None:
    endpoint = f"{scheme}://oss.invalid"
    with closed_port() as address:
        assert said(endpoint, f"http://me:swordfish@{address}") == LINES["proxy that is not there"]
    socks = "socks5://me:swordfish@127.0.0.1:1080"
    assert said(endpoint, socks) == LINES["proxy of SOCKS"]
    with forward_proxy("me:swordfish") as proxy:
        for way in (proxy.address, f"me:sawfish@{proxy.address}"):
            assert said(endpoint, way) == LINES[f"proxy that wants a password, {scheme}"]
        assert said(endpoint, f"https://{proxy.address}") == LINES["proxy without TLS"]
    assert proxy.seen == []


@pytest.mark.parametrize(
    ("kind", "endpoint"),
    [
        ("path", "https://oss.example/bucket"),
        ("query", "https://oss.example?a=b"),
        ("password", "https://me:swordfish@oss.example"),
        ("blank", "oss example"),
        ("other scheme", "ftp://oss.example"),
        ("IPv6 without brackets", "http://::1:9000"),
    ],
)
def test_an_endpoint_that_is_none(kind: str, endpoint: str) -> None:
    assert said(endpoint) == LINES[f"endpoint with {kind}"]


CODES = {
    "expired": "AccessDenied",
    "altered": "SignatureDoesNotMatch",
    "of nothing": "NoSuchKey",
}


@pytest.mark.parametrize("signature", ["v1", "v4"])
@pytest.mark.parametrize("kind", CODES)
def test_a_presigned_url_that_leads_to_no_object(kind: str, signature: str, tmp_path: Path) -> None:
    late = timedelta(seconds=70 if kind == "expired" else 0)
    credentials = cb.Credentials("id", "secret")
    serving = Settings(credentials=credentials, clock=lambda: datetime.now(UTC) + late)
    cb.create_rsa_key_file(tmp_path / "cmk.pem", description={"desc": "urls"}, bits=2048)
    key = cb.load_key(tmp_path / "cmk.pem")
    with Endpoint(buckets=["bucket"], settings=serving) as endpoint:
        settings = cb.OssSettings(
            endpoint=endpoint.url, region="r", credentials=credentials, signature=signature
        )
        with cb.open_bucket("oss://bucket", key, settings=settings) as bucket:
            bucket.put("a", b"1")
            client = bucket.access.store.client  # type: ignore[attr-defined]
            url = client.presign("GET", "b" if kind == "of nothing" else "a", 60)
        if kind == "altered":
            url = url.replace("/a?", "/b?")
        ends = datetime.now(UTC) + timedelta(seconds=60)
        host = endpoint.url.removeprefix("http://")
        result = invoke("--no-config", "cat", "-k", tmp_path / "cmk.pem", url)
        with pytest.raises(cb.StoreError) as caught:
            cb.open_url(url, key)
    line = without_ids(line_of(result, host))
    if kind == "expired":
        shown = line.partition(" at ")[2][:19]
        assert abs((datetime.fromisoformat(f"{shown}+00:00") - ends).total_seconds()) < 30
        line = line.replace(shown, "THEN")
    assert line == LINES[f"URL {kind}"]
    error = caught.value
    assert (error.code, error.host) == (CODES[kind], host)
    assert error.status == (404 if kind == "of nothing" else 403)
    assert error.ec
    assert error.request_id


def without_ids(line: str) -> str:
    before, _, after = line.partition("request ")
    return f"{before}request R{after[after.index(',') :]}"


def test_the_same_words_are_in_the_errors_of_the_library() -> None:
    with scripted(lambda _: Answer(403, {}, error_xml("AccessDenied"))) as server:
        told = said(server.url)
        settings = cb.OssSettings(
            endpoint=server.url, region="cn-hangzhou", credentials=cb.Credentials("id", "secret")
        )
        with (
            cb.open_bucket("oss://bucket", settings=settings) as bucket,
            pytest.raises(cb.StoreError) as caught,
        ):
            bucket.get("a")
    error = caught.value
    assert f"{error} ({error.hint})".replace(server.url[7:], "HOST") == told


def test_a_provider_that_raises_is_named_and_its_error_kept() -> None:
    def provide() -> cb.Credentials:
        raise LookupError("no entry of that name in the vault")

    calls: tuple[Callable[[cb.Bucket], object], ...] = (
        lambda bucket: bucket.head("a"),
        lambda bucket: list(bucket.list()),
        lambda bucket: bucket.delete("a"),
    )
    settings = cb.OssSettings(
        endpoint="http://127.0.0.1:1", region="cn-hangzhou", credentials=provide
    )
    with cb.open_bucket("oss://bucket", settings=settings) as bucket:
        for call in calls:
            with pytest.raises(cb.StoreError) as caught:
                call(bucket)
            assert caught.value.message == "the provider of credentials failed: LookupError"
            assert caught.value.hint == "OSS was not asked; look at what credentials= was given"
            assert isinstance(caught.value.__cause__, LookupError)
