"""Verbs that only OSS has: presigned URLs, versions, archived objects, buckets of an account."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from tests.cli.runs import error_of, invoke

import cipherbucket as cb
from cipherbucket.server import Endpoint

_ENABLED = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


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


@pytest.fixture(scope="module")
def history(endpoint: Endpoint, key: cb.MasterKey) -> list[str]:
    """Write three versions of an object, the newest a delete marker, and return their ids."""
    with cb.open_bucket("oss://kept", key, settings=settings_of(endpoint)) as bucket:
        client = bucket.access.store.client  # type: ignore[attr-defined]
        client.request("PutBucketVersioning", "PUT", query={"versioning": ""}, body=_ENABLED)
        for body in (b"first", b"second!"):
            bucket.put("v/a", body)
        bucket.delete("v/a")
        return [each.version_id for each in bucket.versions("v/a")]


class TestVersions:
    def test_they_are_listed_the_newest_first(
        self, env: dict[str, str], history: list[str]
    ) -> None:
        lines = [
            line.split()
            for line in run(env, "ls", "--versions", "oss://kept/v").stdout.splitlines()
        ]
        assert [line[0] for line in lines] == ["deleted", "7", "5"]
        assert [line[3] for line in lines] == history
        assert [line[4] for line in lines] == ["v/a"] * 3
        found = run(env, "ls", "--versions", "--json", "--total", "oss://kept/v").stdout
        facts = [json.loads(line) for line in found.splitlines()]
        assert [each.get("is_delete_marker") for each in facts] == [True, False, False, None]
        assert facts[-1] == {
            "total": True,
            "versions": 2,
            "delete_markers": 1,
            "stored_size": 12,
        }
        assert run(env, "ls", "--versions", "oss://kept/none", code=3).stdout == ""

    def test_their_bytes_are_counted(self, env: dict[str, str], history: list[str]) -> None:
        assert run(env, "du", "--versions", "oss://kept/v/").stdout.split()[:2] == ["12", "2"]
        run(env, "du", "oss://kept/v/", code=3)


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
