"""How a KMS is reached."""

from pathlib import Path
from typing import Any

import pytest

import cipherbucket as cb
from cipherbucket.server.kms.certificate import certificate_in


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KMS_ENDPOINT", "OSS_REGION"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "protocol", "host"),
    [
        ({"region": "cn-hangzhou"}, "https", "kms.cn-hangzhou.aliyuncs.com"),
        (
            {"region": "cn-hangzhou", "network": "vpc"},
            "https",
            "kms-vpc.cn-hangzhou.aliyuncs.com",
        ),
        (
            {"endpoint": "kst-1.cryptoservice.kms.aliyuncs.com"},
            "https",
            "kst-1.cryptoservice.kms.aliyuncs.com",
        ),
        ({"endpoint": "https://kms.example:8443/"}, "https", "kms.example:8443"),
        ({"endpoint": "http://127.0.0.1:8080"}, "http", "127.0.0.1:8080"),
        ({"endpoint": "http://localhost:8080"}, "http", "localhost:8080"),
        ({"endpoint": "http://[::1]:8080"}, "http", "[::1]:8080"),
        ({"endpoint": "127.0.0.1:8080"}, "https", "127.0.0.1:8080"),
    ],
)
def test_region_or_endpoint_lead_to_a_host(given: dict[str, Any], protocol: str, host: str) -> None:
    settings = cb.KmsSettings(**given)
    assert (settings.protocol, settings.host) == (protocol, host)


def test_what_is_not_given_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSS_REGION", "cn-beijing")
    assert cb.KmsSettings().host == "kms.cn-beijing.aliyuncs.com"
    monkeypatch.setenv("KMS_ENDPOINT", "http://127.0.0.1:99")
    assert cb.KmsSettings().host == "127.0.0.1:99"
    assert cb.KmsSettings(endpoint="kms.example").host == "kms.example"


def test_plain_http_to_another_machine_is_refused() -> None:
    for endpoint in (
        "http://kms.example",
        "http://10.0.0.1",
        "HTTP://kms.cn-hangzhou.aliyuncs.com",
    ):
        with pytest.raises(cb.UsageError, match="in the clear"):
            cb.KmsSettings(endpoint=endpoint)


@pytest.mark.parametrize(
    "given",
    [
        {"endpoint": "ftp://kms.example"},
        {"endpoint": "https://"},
        {"endpoint": "https://kms.example/path"},
        {"endpoint": "https://kms.example?query"},
        {"endpoint": "https://user:swordfish@kms.example"},
        {"endpoint": "https://kms.example:port"},
        {"endpoint": "https://a b"},
        {"endpoint": "https://a%2fb"},
        {"endpoint": "https://kms.example\\@other.example"},
        {"region": "example.com/"},
        {"region": "cn hangzhou"},
        {"region": "cn-hang\nzhou"},
        {"network": "internal"},
        {"attempts": 0},
        {"read_timeout": 0},
        {"read_timeout": float("nan")},
        {"connect_timeout": float("inf")},
        {"patience": float("nan")},
        {"patience": -1},
        {"ca_file": "no-such-file"},
        {"endpoint": "http://127.0.0.1", "proxy": "http://user:swordfish@127.0.0.1:1"},
    ],
    ids=repr,
)
def test_what_cannot_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(cb.UsageError) as caught:
        cb.KmsSettings(**given)
    assert "swordfish" not in str(caught.value)


def test_a_key_needs_a_region_or_an_endpoint(tmp_path: Path) -> None:
    with pytest.raises(cb.UsageError, match="region or an endpoint"):
        cb.AliKmsKey("key")
    ca_file = certificate_in(tmp_path, "localhost").certificate
    cb.AliKmsKey("key", cb.KmsSettings(region="cn-hangzhou", ca_file=str(ca_file)))


def test_a_file_without_certificates_is_refused_at_once(tmp_path: Path) -> None:
    for content in (b"", b"certificate", bytes(99)):
        (tmp_path / "ca.pem").write_bytes(content)
        with pytest.raises(cb.UsageError, match="holds no certificate"):
            cb.KmsSettings(region="cn-hangzhou", ca_file=str(tmp_path / "ca.pem"))
