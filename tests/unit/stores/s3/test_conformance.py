"""The S3 store against moto, by the suites that every store passes."""

from collections.abc import Iterator

import pytest
from tests.support.s3_servers import S3Server, moto, s3_settings
from tests.unit.stores.s3.conformance import (
    PlainS3,
    S3ListingConformance,
    S3StoreConformance,
    S3UploadConformance,
)

from cipherbucket.stores.base import Store


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with moto() as running:
        yield running


@pytest.fixture
def store(server: S3Server) -> Iterator[Store]:
    with PlainS3(server.make_bucket(), s3_settings(server)) as opened:
        yield opened


class TestMotoStore(S3StoreConformance):
    pass


class TestMotoUploads(S3UploadConformance):
    pass


class TestMotoListing(S3ListingConformance):
    pass
