"""The ways to a bucket: through a proxy, to an IPv6 address, past certificates of one's own."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.runs import succeed
from tests.support.forward_proxy import Proxy, forward_proxy
from tests.support.private_ca import PrivateCa, tls_server
from tests.support.scripted_http import Answer, scripted

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.stores.http.client import Http

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, *(name.upper() for name in NAMES), *BUNDLES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["examplebucket"]) as running:
        yield running


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with forward_proxy() as running:
        yield running


def opened(running: Endpoint, key: cb.RsaKey, **settings: object) -> cb.Bucket:
    given: dict[str, object] = {
        "endpoint": running.url,
        "region": running.region,
        "credentials": cb.Credentials(running.access_key_id, running.access_key_secret),
        **settings,
    }
    reached = cb.OssSettings(**given)  # type: ignore[arg-type]
    return cb.open_bucket("oss://examplebucket", key, settings=reached)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("bare", [True, False])
def test_objects_go_through_the_proxy_of_the_environment(
    endpoint: Endpoint,
    key: cb.RsaKey,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    bare: bool,
) -> None:
    monkeypatch.setenv(variable, proxy.address if bare else proxy.url)
    with opened(endpoint, key) as bucket:
        monkeypatch.setenv("NO_PROXY", "*")  # too late: the environment was read
        bucket.put("a", b"content")
        assert bucket.get("a").read() == b"content"
        assert [entry.name for entry in bucket.list("a")] == ["a"]
    assert proxy.seen[0] == f"PUT {endpoint.url}/examplebucket/a"
    seen = len(proxy.seen)
    assert seen >= 3
    with opened(endpoint, key) as bucket:
        monkeypatch.delenv("NO_PROXY")
        assert bucket.get("a").read() == b"content"
    assert len(proxy.seen) == seen


@pytest.mark.parametrize(
    "given", ["http://{}", "{}", {"http": "{}"}, {"all": "http://{}"}, {"http://127.0.0.1": "{}"}]
)
def test_objects_go_through_the_proxy_of_the_settings(
    endpoint: Endpoint, key: cb.RsaKey, proxy: Proxy, given: str | dict[str, str]
) -> None:
    chosen = (
        given.format(proxy.address)
        if isinstance(given, str)
        else {name: text.format(proxy.address) for name, text in given.items()}
    )
    with opened(endpoint, key, proxy=chosen) as bucket:
        bucket.put("a", b"content")
        url = bucket.access.store.client.presign("GET", "a", 60)  # type: ignore[attr-defined]
    seen = len(proxy.seen)
    assert seen
    assert cb.open_url(url, key, settings=cb.OssSettings(proxy=chosen)).read() == b"content"
    assert len(proxy.seen) == seen + 1


def test_an_empty_proxy_is_none_at_all(
    endpoint: Endpoint, key: cb.RsaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    for nothing in ("", {"http": ""}):
        with opened(endpoint, key, proxy=nothing) as bucket:
            bucket.put("a", b"content")


def test_a_proxy_is_told_its_password_and_the_store_is_not(
    endpoint: Endpoint, key: cb.RsaKey
) -> None:
    with forward_proxy("me:sw/rd f:sh") as proxy:
        way = f"me:sw%2Frd%20f%3Ash@{proxy.address}"
        with opened(endpoint, key, proxy=way) as bucket:
            bucket.put("a", b"content")
        assert len(proxy.seen) == 1


def read_plaintext(host: str, **settings: object) -> bytes:
    reached = cb.OssSettings(
        endpoint=f"https://{host}",
        region="r",
        credentials=cb.Credentials("id", "secret"),
        **settings,  # type: ignore[arg-type]
    )
    policy = cb.Policy(plaintext=True)
    with (
        cb.open_bucket("oss://examplebucket", settings=reached, policy=policy) as bucket,
        bucket.get("a") as stream,
    ):
        return stream.read()


@pytest.mark.parametrize("variable", BUNDLES)
def test_certificates_of_the_environment_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    authority = PrivateCa(tmp_path)
    monkeypatch.setenv(variable, str(authority.certificate))
    with tls_server(authority.server_files()) as host:
        assert read_plaintext(host) == b"abc"


@pytest.mark.parametrize("password", [None, "me:swordfish"])
def test_https_goes_through_a_tunnel_of_the_proxy(tmp_path: Path, password: str | None) -> None:
    authority = PrivateCa(tmp_path)
    with tls_server(authority.server_files()) as host, forward_proxy(password) as proxy:
        way = proxy.address if password is None else f"{password}@{proxy.address}"
        assert read_plaintext(host, proxy=way, ca_file=str(authority.certificate)) == b"abc"
        assert proxy.seen == [f"CONNECT {host}"]
        with pytest.raises(cb.StoreError, match="it shows a certificate that is not trusted"):
            read_plaintext(host, proxy=way)


@pytest.fixture
def on_ipv6() -> Iterator[Endpoint]:
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Endpoint(host="::1", buckets=["examplebucket"]) as running:
        yield running


@pytest.mark.parametrize("signature", ["v1", "v4"])
@pytest.mark.parametrize("addressing", ["virtual", "path", "cname"])
def test_a_bucket_at_an_ipv6_address(
    on_ipv6: Endpoint, key: cb.RsaKey, signature: str, addressing: str
) -> None:
    with opened(on_ipv6, key, signature=signature, addressing=addressing) as bucket:
        bucket.put("a/b", b"content")
        assert bucket.get("a/b", start=2).read() == b"ntent"
        url = bucket.access.store.client.presign("GET", "a/b", 60)  # type: ignore[attr-defined]
    assert cb.open_url(url, key).read() == b"content"


def test_a_bucket_at_localhost(key: cb.RsaKey) -> None:
    with Endpoint(buckets=["ways"]) as endpoint:
        port = endpoint.url.rpartition(":")[2]
        settings = cb.OssSettings(
            region=endpoint.region,
            endpoint=f"http://localhost:{port}",
            credentials=cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret),
        )
        with cb.open_bucket("oss://ways", key, settings=settings) as bucket:
            bucket.put("a", b"1")
            assert bucket.get("a").read() == b"1"


def test_what_serve_prints_for_ipv6_can_be_used_as_it_is(on_ipv6: Endpoint, tmp_path: Path) -> None:
    printed = on_ipv6.describe(with_secret=True)
    exported = dict(re.findall(r"\b(OSS_[A-Z_]+)=(\S+)", printed))
    assert exported["OSS_ENDPOINT"] == on_ipv6.url
    assert on_ipv6.url.startswith("http://[::1]:")
    cb.create_rsa_key_file(tmp_path / "cmk.pem", description={"desc": "v6"}, bits=2048)
    (tmp_path / "plain").write_bytes(b"content")
    url = "oss://examplebucket/a"
    succeed("cp", "-k", tmp_path / "cmk.pem", tmp_path / "plain", url, env=exported)
    shown = succeed("cat", "-k", tmp_path / "cmk.pem", url, env=exported)
    assert shown.stdout_bytes == b"content"


def test_blanks_and_line_ends_around_endpoint_and_region_are_taken_away(
    endpoint: Endpoint, key: cb.RsaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSS_ENDPOINT", f" {endpoint.url}/\r\n")
    monkeypatch.setenv("OSS_REGION", f"{endpoint.region}\n")
    with opened(endpoint, key, endpoint=None, region=None) as bucket:
        bucket.put("a", b"content")
    for nothing in ("", "\n"):
        settings = replace(cb.OssSettings(region="r", endpoint=nothing), attempts=1)
        assert settings.endpoint == ""  # derived from the region, not taken from the environment


@pytest.mark.parametrize("fields", [89, 101, 700])
def test_objects_with_many_fields_are_read(endpoint: Endpoint, key: cb.RsaKey, fields: int) -> None:
    metadata = {f"f{number}": str(number % 9) for number in range(fields)}
    with opened(endpoint, key) as bucket:
        bucket.put("many", b"content", metadata=metadata)
        assert bucket.head("many").metadata == metadata
        with bucket.get("many") as stream:
            assert (stream.read(), stream.info.metadata) == (b"content", metadata)


def test_other_users_of_http_client_keep_their_bound() -> None:
    lines = {f"x-oss-meta-{number}": "1" for number in range(300)}
    with scripted(lambda _: Answer(200, lines)) as server:
        answer = Http().request("GET", server.url, {})
        assert len([name for name in answer.headers if name.startswith("x-oss-meta-")]) == 300
        answer.read()
        others = {f"x-other-{number}": "1" for number in range(300)}
        lines.clear()
        lines.update(others)
        with pytest.raises(cb.StoreError, match="HTTPException"):
            Http().request("GET", server.url, {})


def test_what_goes_on_in_the_next_line_belongs_to_its_field() -> None:
    lines = {"x-oss-meta-a": "one\r\n two", "x-oss-meta-b": "three", "etag": "E"}
    with scripted(lambda _: Answer(200, lines)) as server:
        answer = Http().request("GET", server.url, {})
        answer.read()
    assert answer.headers["x-oss-meta-a"].split() == ["one", "two"]
    assert (answer.headers["x-oss-meta-b"], answer.headers["etag"]) == ("three", "E")
