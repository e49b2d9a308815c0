"""Verbs that only OSS has: presigned URLs, versions, archived objects, buckets of an account."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from tests.cli.runs import error_of, invoke

import cipherbucket as cb
from cipherbucket.server import Endpoint


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["plain", "kept"]) as running:
        yield running


@pytest.fixture(scope="module")
def key(key_file: Path) -> cb.MasterKey:
    return cb.load_key(key_file)


@pytest.fixture
def env(endpoint: Endpoint) -> dict[str, str]:
    return {
        "OSS_ACCESS_KEY_ID": endpoint.access_key_id,
        "OSS_ACCESS_KEY_SECRET": endpoint.access_key_secret,
        "OSS_REGION": endpoint.region,
        "OSS_ENDPOINT": endpoint.url,
    }


def settings_of(endpoint: Endpoint) -> cb.OssSettings:
    credentials = cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret)
    return cb.OssSettings(region=endpoint.region, endpoint=endpoint.url, credentials=credentials)


@pytest.fixture
def plain(endpoint: Endpoint, key: cb.MasterKey) -> Iterator[cb.Bucket]:
    with cb.open_bucket("oss://plain", key, settings=settings_of(endpoint)) as bucket:
        yield bucket


def run(env: dict[str, str], *arguments: object, code: int = 0) -> Result:
    result = invoke("--no-config", *arguments, env=env)
    assert result.exit_code == code, result.output
    return result


class TestPresign:
    def test_the_url_alone_is_printed_and_cat_reads_it(
        self, env: dict[str, str], plain: cb.Bucket, key: cb.MasterKey
    ) -> None:
        plain.put("a b/é", b"hello")
        result = run(env, "--debug", "presign", "oss://plain/a b/é")
        assert result.stdout.startswith("http://")
        assert result.stdout.count("\n") == 1
        assert "ignature" not in result.stderr
        assert cb.open_url(result.stdout.strip(), key).read() == b"hello"

    @pytest.mark.parametrize(
        ("text", "seconds"), [("90s", 90), ("2m", 120), ("1h", 3600), ("7d", 604800), ("60", 60)]
    )
    def test_its_time_is_what_was_asked_for(
        self, text: str, seconds: int, env: dict[str, str]
    ) -> None:
        url = run(env, "presign", "--expires", text, "oss://plain/a").stdout
        assert f"x-oss-expires={seconds}&" in url.strip() + "&"

    @pytest.mark.parametrize("text", ["8d", "0", "1w", "-1", "1.5h", "٣"])
    def test_another_time_is_refused(self, text: str, env: dict[str, str]) -> None:
        assert run(env, "presign", f"--expires={text}", "oss://plain/a", code=2).stdout == ""

    def test_a_directory_store_has_none(self, url: str) -> None:
        line = error_of(run({}, "presign", f"{url}/a", code=2))
        assert "has no presigned URLs" in line
