"""Headers that cannot be sent, proxies and endpoints with passwords: refused, and shown nowhere."""

import pytest
from tests.support.leaks import raised, words
from tests.support.scripted_http import Answer, scripted

import cipherbucket as cb
from cipherbucket.stores.http.client import Http
from cipherbucket.stores.http.sendable import proxy_headers, sendable

SECRET = "swordfish"
BROKEN = "sword\nfish"


@pytest.mark.parametrize(
    "end", ["\n", "\r\n", "\r", "\n x-oss-acl: public-read", "\0", "\x1b", "\x7f", "\udc80"]
)
@pytest.mark.parametrize("name", ["authorization", "x-oss-security-token", "x-oss-meta-a"])
def test_a_value_that_no_header_can_have_is_not_sent_and_not_repeated(name: str, end: str) -> None:
    with scripted(lambda _: Answer()) as served:
        error = raised(lambda: Http().request("GET", served.url, {name: SECRET + end}))
    assert isinstance(error, cb.UsageError)
    assert name in str(error)
    assert SECRET not in words(error)
    assert served.requests == []


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\nb", "é"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(cb.UsageError, match="no name of a header"):
        sendable({name: "x"})


def test_values_travel_as_utf_8() -> None:
    assert sendable({"x-oss-meta-a": "é\tb"}) == {"x-oss-meta-a": "Ã©\tb"}


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:swordfish@127.0.0.1:1",
        "ftp://user:swordfish@127.0.0.1",
        "http://user:swordfish@127.0.0.1:port",
        "http://user:sword/swordfish@127.0.0.1",
        "http://[user:swordfish@127.0.0.1",
        "http://user:swordfish\n@127.0.0.1",
        "http://user:swordfishé@127.0.0.1:1",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_password_of_a_proxy_is_in_no_error(proxy: str, scheme: str) -> None:
    http = Http(proxy=proxy)
    error = raised(lambda: http.request("GET", f"{scheme}://example.invalid/", {}))
    assert isinstance(error, cb.UsageError | cb.TransientStoreError)
    assert SECRET not in words(error)


def test_a_password_for_a_proxy_may_hold_any_character() -> None:
    headers = proxy_headers("http://us%3Aer:p%C3%A9%40@proxy:3128")
    assert headers == {"proxy-authorization": "Basic dXM6ZXI6cMOpQA=="}


@pytest.mark.parametrize(
    "endpoint",
    ["https://me:swordfish@oss.invalid", "me:swordfish@oss", "sword\nfish", "sword fish"],
)
def test_an_endpoint_with_a_password_is_refused_unseen(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSS_ENDPOINT", endpoint)
    error = raised(lambda: cb.OssSettings(region="cn-hangzhou"))
    assert isinstance(error, cb.UsageError)
    assert SECRET[5:] not in words(error)


def test_credentials_that_a_provider_reads_with_a_line_end_are_sent_without() -> None:
    with scripted(lambda _: Answer(404)) as served:
        settings = cb.OssSettings(
            endpoint=served.url,
            region="cn-hangzhou",
            credentials=lambda: cb.Credentials("id\n", "secret\n", "token\n"),
        )
        with cb.open_store("oss://bucket", settings) as store, pytest.raises(cb.StoreError):
            store.head("a")
    (request,) = served.requests
    assert request.headers["x-oss-security-token"] == "token"
    assert "Credential=id/" in request.headers["authorization"]


def test_credentials_that_cannot_be_sent_are_in_no_error_of_a_request() -> None:
    settings = cb.OssSettings(
        endpoint="http://127.0.0.1:1",
        region="cn-hangzhou",
        credentials=lambda: cb.Credentials("id", "secret", BROKEN),
    )
    with cb.open_store("oss://bucket", settings) as store:
        error = raised(lambda: store.head("a"))
    assert isinstance(error, cb.UsageError)
    assert "security token" in str(error)
    assert SECRET[:5] not in words(error)
