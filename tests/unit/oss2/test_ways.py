"""Proxies, IPv6, expired URLs and providers that raise, in the oss2 layer."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.oss2.scene import BUCKET, Scene
from tests.support.forward_proxy import forward_proxy

import cipherbucket as cb
from cipherbucket import oss2
from cipherbucket.oss2 import exceptions
from cipherbucket.server import Endpoint
from cipherbucket.server.service import Settings


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def with_key(layer: Scene) -> Any:
    return layer.rsa(mat_desc={"desc": "ways"})


@pytest.mark.parametrize(
    ("given", "through"),
    [
        ({"http": "http://{}"}, True),
        ({"http": "{}"}, True),
        ({"all": "{}"}, True),
        ({"http://127.0.0.1": "{}"}, True),
        ({"https": "{}"}, False),
        ({"http": "", "all": "{}"}, False),
        ({"http": None, "all": "{}"}, True),
    ],
)
def test_proxies_are_the_dictionary_of_requests(
    layer: Scene, given: dict[str, str | None], through: bool
) -> None:
    with forward_proxy() as proxy:
        proxies = {
            name: None if text is None else text.format(proxy.address)
            for name, text in given.items()
        }
        bucket = layer.bucket(with_key(layer), proxies=proxies)
        bucket.put_object("o", b"content")
        assert bucket.get_object("o").read() == b"content"
        assert bucket.get_object_with_url(bucket.sign_url("GET", "o", 60)).read() == b"content"
        assert len(proxy.seen) == (3 if through else 0)


def test_the_dictionary_may_be_changed(layer: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with forward_proxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.address)
        bucket = layer.bucket(with_key(layer), proxies={"http": ""})
        bucket.put_object("o", b"content")
        assert proxy.seen == []
        bucket.proxies["http"] = proxy.url
        bucket.put_object("o", b"content")
        bucket.proxies = None  # the environment
        bucket.put_object("o", b"content")
        assert len(proxy.seen) == 2


def test_a_proxy_that_wants_a_password_is_told(
    layer: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with forward_proxy("user:swordfish") as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url.replace("//", "//user:another@"))
        with pytest.raises(exceptions.ServerError, match="its proxy wants a user name") as caught:
            layer.bucket(with_key(layer)).put_object("o", b"content")
    assert (caught.value.status, caught.value.code) == (407, "")
    assert "another" not in str(caught.value)


def test_an_ipv6_endpoint_which_oss2_does_not_take(layer: Scene) -> None:
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Endpoint(host="::1", buckets=[BUCKET]) as endpoint:
        identity = (endpoint.access_key_id, endpoint.access_key_secret)
        for auth in (oss2.Auth(*identity), oss2.AuthV4(*identity)):
            for url in (endpoint.url, endpoint.url.removeprefix("http://")):
                bucket = oss2.CryptoBucket(
                    auth, url, BUCKET, with_key(layer), region=endpoint.region
                )
                assert bucket.endpoint == endpoint.url
                bucket.put_object("a/b", b"content")
                signed = bucket.sign_url("GET", "a/b", 60)
                assert bucket.get_object_with_url(signed).read() == b"content"


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_a_url_that_expired_is_refused_with_what_the_service_says(
    layer: Scene, version: str
) -> None:
    late = timedelta(0)
    credentials = cb.Credentials("id", "secret")
    serving = Settings(credentials=credentials, clock=lambda: datetime.now(UTC) + late)
    with Endpoint(buckets=[BUCKET], settings=serving) as endpoint:
        auth = oss2.make_auth("id", "secret", version)
        bucket = oss2.CryptoBucket(auth, endpoint.url, BUCKET, with_key(layer), region="r")
        bucket.put_object("o", b"content")
        url = bucket.sign_url("GET", "o", 60)
        assert bucket.get_object_with_url(url).read() == b"content"
        late = timedelta(seconds=90)
        with pytest.raises(exceptions.AccessDenied) as caught:
            bucket.get_object_with_url(url)
    error = caught.value
    assert (error.status, error.code, error.ec) == (403, "AccessDenied", "0002-00000069")
    assert error.message == "Request has expired."
    assert error.request_id
    ended, now = (datetime.fromisoformat(error.details[it]) for it in ("Expires", "ServerTime"))
    assert timedelta(seconds=20) < now - ended < timedelta(seconds=40)
    assert "expired at" in str(error.__context__)


def test_what_a_provider_raises_arrives_as_it_is(
    layer: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alibabacloud_oss_v2._client.time.sleep", lambda _: None)

    class Provider(oss2.CredentialsProvider):
        def get_credentials(self) -> Any:
            raise LookupError("no entry of that name")

    url = layer.oss.url
    bucket = oss2.CryptoBucket(oss2.ProviderAuth(Provider()), url, BUCKET, with_key(layer))
    calls: list[Any] = [
        lambda: bucket.head_object("o"),
        lambda: bucket.put_object("o", b"content"),
        lambda: bucket.get_object_acl("o"),
        lambda: bucket.sign_url("GET", "o", 60),
        lambda: list(oss2.ObjectIterator(bucket)),
    ]
    for call in calls:
        with pytest.raises(LookupError, match=r"^'?no entry of that name'?$"):
            call()
