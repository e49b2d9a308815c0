"""The S3 store against moto, by the suites that every store passes.

What moto does not do as S3 does is set aside: it routes no name with a line feed, knows uploads by
their id alone, fails with a 500 over an upload that is not there, and writes NUL into its XML. It
ignores If-Match at completions, and conditions of copies.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.s3_servers import S3Server, moto, s3_settings
from tests.unit.stores.s3.conformance import (
    PlainS3,
    S3ListingConformance,
    S3StoreConformance,
    S3UploadConformance,
)
from tests.unit.stores.test_conformance import NAMES, names_of
from tests.unit.stores.test_listing_conformance import all_pages

from cipherbucket.errors import StoreError, UploadNotFoundError
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import Part


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with moto() as running:
        yield running


@pytest.fixture
def store(server: S3Server) -> Iterator[Store]:
    with PlainS3(server.make_bucket(), s3_settings(server, attempts=1)) as opened:
        yield opened


@pytest.fixture
def versioned(server: S3Server) -> Iterator[Store]:
    bucket = server.make_bucket(versioned=True)
    with PlainS3(bucket, s3_settings(server, attempts=1)) as opened:
        yield opened


NAMES_OF_ONE_LINE = [name for name in NAMES if "\n" not in name]


class TestMotoStore(S3StoreConformance):
    names = NAMES_OF_ONE_LINE


class TestMotoUploads(S3UploadConformance):
    def assert_ended(self, store: Store, name: str, upload: str, part: Part) -> None:
        with pytest.raises(UploadNotFoundError):
            store.list_parts(name, upload)
        with pytest.raises(StoreError):
            store.upload_part(name, upload, 1, b"")
        store.abort_upload(name, upload)
        assert store.list_uploads() == []

    def test_an_upload_belongs_to_its_name(self, store: Store) -> None:
        upload = store.begin_upload("a")
        store.upload_part("a", upload, 1, b"1")
        with pytest.raises(StoreError, match="that was completed is another"):
            store.complete_upload("b", upload, store.list_parts("a", upload))

    def test_an_upload_that_ends_while_a_part_comes(self, store: Store) -> None:
        upload = store.begin_upload("a")
        store.abort_upload("a", upload)
        with pytest.raises(StoreError):
            store.upload_part("a", upload, 1, b"1234")


class TestMotoListing(S3ListingConformance):
    @pytest.mark.parametrize("prefix", ["", "a", "z/"])
    @pytest.mark.parametrize("limit", [1, 1000])
    def test_bounds(self, tree: Store, prefix: str, limit: int) -> None:
        names = [name for name in sorted(self.TREE, key=str.encode) if name.startswith(prefix)]
        for start in ("", "0", "a/", "a/2", "b/c", "é/1", "\U0010ffff"):
            for end in ("", "a", "z/", "é/1"):
                pages = all_pages(tree, limit, prefix, start_after=start, end_before=end)
                right = [name for name in names if start < name and (not end or name < end)]
                assert [name for page in pages for name in names_of(page)] == right, (start, end)
