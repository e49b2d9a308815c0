"""What can be an endpoint, of OSS and of S3 alike; what is refused is not shown."""

from __future__ import annotations

import pytest

import cipherbucket as cb

KINDS = [(cb.OssSettings, "OSS_ENDPOINT", "oss://"), (cb.S3Settings, "AWS_ENDPOINT_URL", "s3://")]


@pytest.mark.parametrize(("kind", "variable", "bucket"), KINDS)
@pytest.mark.parametrize(
    "endpoint",
    [
        "https://user:swordfish@host",
        "swordfish host",
        "swordfish\x00",
        "ftp://swordfish",
        "https://host/swordfish",
        "https://host?swordfish",
        "https://host:swordfish",
        "https://host:99999/",
        "swordfish!",
        "fe80::1",
    ],
)
def test_what_is_no_endpoint_is_refused_and_not_shown(
    kind: type[cb.OssSettings | cb.S3Settings], variable: str, bucket: str, endpoint: str
) -> None:
    with pytest.raises(cb.UsageError) as caught:
        kind(endpoint=endpoint)
    assert "swordfish" not in f"{caught.value} {caught.value.hint}"
    hint = caught.value.hint or ""
    assert variable in hint or bucket in hint or "https://" in hint


@pytest.mark.parametrize(("kind", "variable", "bucket"), KINDS)
@pytest.mark.parametrize(
    "endpoint",
    ["host", "host:9000", "http://host", "HTTPS://host/", "http://[::1]:9000", "a_b.example"],
)
def test_hosts_and_their_urls_are_endpoints(
    kind: type[cb.OssSettings | cb.S3Settings], variable: str, bucket: str, endpoint: str
) -> None:
    assert kind(endpoint=f" {endpoint} ").endpoint == endpoint
