"""A bucket and a versioned one in a local endpoint, copied at once or by parts."""

from collections.abc import Iterator

import alibabacloud_oss_v2 as sdk
import pytest
from tests.support.oss_rewriting import PART, opened

from cipherbucket.server import Endpoint
from cipherbucket.stores.oss.store import OssStore


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["plain", "versioned"]) as running:
        with opened(running, "versioned") as store:
            store.client.sdk.put_bucket_versioning(
                sdk.PutBucketVersioningRequest(
                    bucket="versioned",
                    versioning_configuration=sdk.VersioningConfiguration(status="Enabled"),
                )
            )
        yield running


@pytest.fixture
def store(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[OssStore]:
    monkeypatch.setattr("alibabacloud_oss_v2._client.time.sleep", lambda _: None)
    with opened(endpoint, "plain") as store:
        for entry in store.list().entries:
            store.delete(entry.name)
        yield store
        assert store.list_uploads() == []


@pytest.fixture
def versioned(endpoint: Endpoint) -> Iterator[OssStore]:
    with opened(endpoint, "versioned") as store:
        yield store


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.stores.oss.copying._ONE_COPY", PART)


@pytest.fixture(params=["at once", "by parts"])
def either_way(request: pytest.FixtureRequest) -> None:
    if request.param == "by parts":
        request.getfixturevalue("in_parts")
