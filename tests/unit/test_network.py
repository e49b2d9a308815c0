"""Proxies and certificates of the environment are read as `requests` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from requests import Session
from requests.utils import select_proxy

from cipherbucket.errors import UsageError
from cipherbucket.network import Proxies, bundle_of_environment, check_certificates

SESSION = Session()
URLS = (
    "http://127.0.0.1:9000/",
    "https://127.0.0.1/",
    "http://[::1]:9000/",
    "https://bucket.oss.example/a",
    "http://oss.example:8080/a",
)
NO_PROXY = (
    None,
    "",
    "*",
    "127.0.0.1",
    "127.0.0.1:9000",
    "127.0.0.0/8",
    "::1",
    "oss.example",
    ".oss.example",
    "OSS.example",
    "oss.example:8080",
    "oss.example:80",
    "ss.example, 127.0.0.2",
    " x , .example",
    "a,*",
)
VARIABLES: tuple[dict[str, str], ...] = (
    {},
    {"http_proxy": "http://lower:1", "HTTP_PROXY": "http://upper:1"},
    {"HTTPS_PROXY": "http://upper:1"},
    {"ALL_PROXY": "http://all:1"},
    {"all_proxy": "10.0.0.1:3128", "http_proxy": "http://user:word@plain:1"},
)
DICTIONARIES: tuple[dict[str, str | None] | None, ...] = (
    None,
    {},
    {"http": "10.0.0.2:3128"},
    {"https": "http://given:1", "http": ""},
    {"http": None, "all": "http://every:1"},
    {"http://oss.example": "http://one:1"},
    {"all://127.0.0.1": "http://local:1"},
    {"no_proxy": "127.0.0.1"},
)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def of_requests(url: str, proxies: dict[str, str | None] | None) -> str | None:
    """Return the proxy that `requests`, and with it oss2, goes through."""
    given: Any = dict(proxies or {})
    merged = SESSION.merge_environment_settings(url, given, None, None, None)["proxies"]
    proxy = select_proxy(url, merged)
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


@pytest.mark.parametrize("variables", VARIABLES, ids=repr)
@pytest.mark.parametrize("given", DICTIONARIES, ids=repr)
def test_the_proxy_is_the_one_that_requests_takes(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    given: dict[str, str | None] | None,
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    for no_proxy in NO_PROXY:
        if no_proxy is not None:
            monkeypatch.setenv("NO_PROXY", no_proxy)
        for url in URLS:
            assert Proxies(given).to(url) == of_requests(url, given), (url, no_proxy)


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("[::1]", "http://[::1]:9000/", True),
        ("::/64", "http://[::1]:9000/", True),
        ("fd00::/8", "http://[fd12::1]/", True),
        ("fd00::/8", "http://[fe80::1]/", False),
        ("0:0::1", "http://[::1]/", True),
    ],
)
def test_addresses_of_ipv6_are_networks_too(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, direct: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:1")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert (Proxies().to(url) is None) == direct


@pytest.mark.parametrize("bare", ["proxy:3128", "user:word@proxy:3128", "[::1]:3128", "proxy"])
def test_a_proxy_without_a_scheme_speaks_http(bare: str) -> None:
    assert Proxies(bare).to("https://oss.example") == f"http://{bare}"
    assert Proxies(f" {bare}\n").to("https://oss.example") == f"http://{bare}"


def test_a_proxy_that_is_given_is_taken_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://other:1")
    monkeypatch.setenv("NO_PROXY", "*")
    assert Proxies("http://given:1").to("https://oss.example") == "http://given:1"
    monkeypatch.setenv("NO_PROXY", "")
    assert Proxies("").to("https://oss.example") is None


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Proxies()
    monkeypatch.setenv("http_proxy", "http://proxy:1")
    after = Proxies()
    monkeypatch.setenv("no_proxy", "*")
    assert (before.to(URLS[0]), after.to(URLS[0])) == (None, "http://proxy:1")


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS4", "ftp", "hidden"])
def test_what_is_no_http_proxy_is_refused_and_not_shown(scheme: str) -> None:
    with pytest.raises(UsageError, match="proxy") as caught:
        Proxies({"all": f"{scheme}://user:hidden@proxy:1080"}).to("https://oss.example")
    assert ("SOCKS" in str(caught.value)) == scheme.lower().startswith("socks")
    assert "hidden" not in f"{caught.value} {caught.value.hint}"


def test_the_variables_that_name_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bundle_of_environment() is None
    monkeypatch.setenv("CURL_CA_BUNDLE", "curl.pem")
    assert bundle_of_environment() == ("CURL_CA_BUNDLE", "curl.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "requests.pem")
    assert bundle_of_environment() == ("REQUESTS_CA_BUNDLE", "requests.pem")


def test_certificates_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    for path, words in (("nothing", "there is no file"), ("text", "holds no certificate in PEM")):
        with pytest.raises(UsageError, match=f"^VARIABLE: .*{words}|^VARIABLE: {words}"):
            check_certificates(str(tmp_path / path), "VARIABLE")
    check_certificates(str(tmp_path), "VARIABLE")  # a folder of certificates
