"""What settings, environment and profile say of the way to S3, and what of it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import cipherbucket as cb
from cipherbucket.stores.s3.boto import new_client

VARIABLES = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
)


@pytest.fixture(autouse=True)
def nobodys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    config.write_text(
        "[profile vault]\nregion = eu-central-1\nendpoint_url = http://vault.example:9000\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


def reached(settings: cb.S3Settings) -> tuple[str, str]:
    client, http = new_client(settings)
    http.close()
    return client.meta.region_name, client.meta.endpoint_url


def test_what_is_given_goes_before_environment_and_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reached(cb.S3Settings()) == ("us-east-1", "https://s3.amazonaws.com")
    assert reached(cb.S3Settings(profile="vault")) == ("eu-central-1", "http://vault.example:9000")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert reached(cb.S3Settings()) == ("eu-west-1", "https://s3.eu-west-1.amazonaws.com")
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://host:1")
    assert reached(cb.S3Settings()) == ("eu-west-2", "http://host:1")
    given = cb.S3Settings(region="r", endpoint="host:2")
    assert reached(given) == ("r", "https://host:2")


def test_an_empty_endpoint_is_that_of_the_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://host:1")
    settings = cb.S3Settings(region="eu-west-1", endpoint="", profile="vault")
    assert reached(settings) == ("eu-west-1", "https://s3.eu-west-1.amazonaws.com")


def test_a_profile_that_is_none_is_refused() -> None:
    with pytest.raises(cb.UsageError, match="vaul") as caught:
        cb.open_bucket("s3://bucket", settings=cb.S3Settings(profile="vaul"))
    assert "~/.aws/config" in str(caught.value.hint)


@pytest.mark.parametrize("endpoint", ["http://user:letmein@host", "http://user:letmein @host"])
def test_no_password_in_an_endpoint_is_used_or_shown(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(cb.UsageError, match="is not https://HOST") as caught:
        cb.open_bucket("s3://bucket")
    assert "letmein" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.__cause__ is None


def test_an_endpoint_of_the_environment_has_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "minio.example:9000")
    with pytest.raises(cb.UsageError, match="is not https://HOST or http://HOST") as caught:
        cb.open_bucket("s3://bucket")
    assert "AWS_ENDPOINT_URL" in str(caught.value.hint)


def test_where_no_access_key_is_found_the_error_says_where_one_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with (
        cb.open_bucket("s3://bucket") as bucket,
        pytest.raises(cb.StoreError, match="no access key for S3 was found") as caught,
    ):
        bucket.head("a")
    assert "AWS_ACCESS_KEY_ID" in str(caught.value.hint)
    assert "AWS_PROFILE" in str(caught.value.hint)
