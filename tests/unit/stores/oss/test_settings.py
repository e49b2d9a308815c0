"""How the OSS store reaches a server: addresses, proxies, connections, forks, secrets."""

import os

import pytest
from tests.support.oss_objects import PLAIN
from tests.support.scripted_http import Scripted

import cipherbucket as cb


def test_a_bucket_works_in_a_forked_child(bucket: cb.Bucket) -> None:
    bucket.put("a", PLAIN)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            good = bucket.get("a").read() == PLAIN
            os.write(writing, b"good" if good else b"bad")
        finally:
            os._exit(0)
    assert bucket.get("a").read() == PLAIN
    os.close(writing)
    assert os.read(reading, 10) == b"good"
    os.close(reading)
    os.waitpid(child, 0)


def test_settings_that_lead_nowhere_are_refused() -> None:
    for wrong in (
        {"signature": "v3"},
        {"addressing": "somehow"},
        {"network": "fast"},
    ):
        with pytest.raises(cb.UsageError, match="is one of"):
            cb.OssSettings(region="cn-hangzhou", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "host", "path"),
    [
        ({}, "bucket.oss-cn-hangzhou.aliyuncs.com", "/a"),
        ({"network": "internal"}, "bucket.oss-cn-hangzhou-internal.aliyuncs.com", "/a"),
        ({"network": "accelerate"}, "bucket.oss-accelerate.aliyuncs.com", "/a"),
        ({"network": "dualstack"}, "bucket.cn-hangzhou.oss.aliyuncs.com", "/a"),
        ({"addressing": "path"}, "oss-cn-hangzhou.aliyuncs.com", "/bucket/a"),
        ({"endpoint": "data.example", "addressing": "cname"}, "data.example", "/a"),
        ({"endpoint": "https://data.example"}, "bucket.data.example", "/a"),
    ],
)
def test_the_address_of_a_request(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], host: str, path: str
) -> None:
    asked: list[str] = []

    def request(self: object, method: str, url: str, *_: object, **__: object) -> object:
        asked.append(url)
        raise cb.TransientStoreError("no network in this test")

    monkeypatch.setattr("cipherbucket.stores.http.client.Http.request", request)
    chosen = cb.OssSettings(
        region="cn-hangzhou",
        credentials=cb.Credentials("i", "s"),
        **given,  # type: ignore[arg-type]
    )
    with pytest.raises(cb.TransientStoreError):
        cb.open_store("oss://bucket", chosen).head("a")
    assert asked[0] == f"https://{host}{path}"


@pytest.mark.parametrize("plain", [b"", b"x", PLAIN])
def test_reading_to_the_end_gives_the_connection_back(
    served: Scripted, bucket: cb.Bucket, plain: bytes
) -> None:
    bucket.put("a", plain)
    for _ in range(3):
        assert bucket.get("a").read() == plain
    assert bucket.get("a", start=len(plain)).read() == b""
    assert len({request.peer for request in served.requests}) == 1


def test_a_closed_stream_is_not_read_on_over_a_new_connection(
    bucket: cb.Bucket, served: Scripted
) -> None:
    bucket.put("a", PLAIN)
    stream = bucket.get("a")
    stream.read(100)
    stream.close()
    before = len(served.requests)
    with pytest.raises(cb.UsageError, match="closed"):
        stream.read(100)
    assert len(served.requests) == before


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:99999/a?Signature=SECRET",
        "http://exa mple/a?Signature=SECRET",
        "http://[::1/a?Signature=SECRET",
        "http://user:SECRET@127.0.0.1:1/a",
        "http://h\u2100/a?Signature=SECRET",
    ],
)
def test_no_error_shows_the_secret_of_a_url(url: str, key: cb.RsaKey) -> None:
    with pytest.raises(cb.UsageError) as caught:
        cb.open_url(url, key)
    error: BaseException | None = caught.value
    while error is not None:
        assert "SECRET" not in f"{error}{error!r}"
        error = error.__cause__


def test_settings_do_not_show_the_password_of_a_proxy() -> None:
    assert "SECRET" not in repr(cb.OssSettings(proxy="http://user:SECRET@proxy:3128"))


def test_a_proxy_that_is_no_url_is_refused_without_showing_its_password() -> None:
    given = cb.OssSettings(
        region="cn-hangzhou",
        endpoint="http://127.0.0.1:1",
        credentials=cb.Credentials("id", "secret"),
        proxy="http://user:SECRET@127.0.0.1:99999",
    )
    with pytest.raises(cb.UsageError) as caught:
        cb.open_store("oss://bucket", given).head("a")
    assert caught.value.__cause__ is None
    assert "SECRET" not in str(caught.value)


def test_a_child_gets_connections_and_a_lock_of_its_own(
    bucket: cb.Bucket, served: Scripted
) -> None:
    bucket.put("a", b"1")
    http = bucket.access.store.client.http  # type: ignore[attr-defined]
    http._lock.acquire()
    if (child := os.fork()) == 0:
        try:
            os._exit(0 if bucket.get("a").read() == b"1" else 1)
        finally:
            os._exit(2)
    http._lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert served.requests[-1].peer != served.requests[0].peer


def test_a_proxy_gets_its_password(served: Scripted, key: cb.RsaKey) -> None:
    proxy = served.url.replace("http://", "http://me:s%40crets@")
    far = cb.OssSettings(
        region="r",
        endpoint="http://oss.example",
        credentials=cb.Credentials("id", "secret"),
        proxy=proxy,
    )
    with cb.open_bucket("oss://bucket", key, settings=far) as bucket:
        bucket.put("a", b"1")
    request = served.requests[-1]
    assert request.target == "http://bucket.oss.example/a"
    assert request.headers["proxy-authorization"] == "Basic bWU6c0BjcmV0cw=="


def test_certificates_that_are_not_there_are_refused_at_once() -> None:
    with pytest.raises(cb.UsageError, match="there is no file"):
        cb.OssSettings(region="r", ca_file="/nowhere/ca.pem")
