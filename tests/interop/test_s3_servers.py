"""The S3 store against versitygw, by the suites that every store passes.

What versitygw does otherwise than S3 is set aside. It keeps objects as files: no name may be a
folder of another one, and none may have a piece that no file has. An object that gets new metadata
keeps its version, and the content headers that are not named again. A listing may end with an empty
page. Conditions of copies are ignored, which the store makes up for by looking first.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.s3_servers import S3Server, s3_settings
from tests.unit.stores.s3.conformance import (
    PlainS3,
    S3ListingConformance,
    S3StoreConformance,
    S3UploadConformance,
)
from tests.unit.stores.test_conformance import NAMES, names_of, read
from tests.unit.stores.test_listing_conformance import all_pages

from cipherbucket.errors import PreconditionFailedError, UploadNotFoundError, UsageError
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import Part

NO_FILES = {"a/", "..", ".", "../../x", "/lead", "trail/", "//", "/", "a\0b"}
NAMES_OF_FILES = [name for name in NAMES if name not in NO_FILES and len(name.encode()) < 256]


@pytest.fixture
def store(versity: S3Server) -> Iterator[Store]:
    with PlainS3(versity.make_bucket(), s3_settings(versity)) as opened:
        yield opened


@pytest.fixture
def versioned(versity: S3Server) -> Iterator[Store]:
    with PlainS3(versity.make_bucket(versioned=True), s3_settings(versity)) as opened:
        yield opened


class TestVersityStore(S3StoreConformance):
    names = NAMES_OF_FILES

    def test_names_lie_beside_each_other_in_byte_order(self, store: Store) -> None:
        names = ["b/" + name if name == "a/b" else name for name in self.names]
        for name in names:
            store.put(name, name.encode())
        assert names_of(store.list()) == sorted(names, key=str.encode)
        for name in names:
            assert read(store, name) == name.encode()

    def test_metadata_is_replaced_without_the_body(self, store: Store) -> None:
        put = store.put("a", b"body", metadata={"k": "1"}, headers={"expires": "x"})
        replaced = store.replace_metadata(
            "a", metadata={"l": "2"}, headers={"content-type": "t"}, if_match=put.etag
        )
        assert replaced.metadata == {"l": "2"}
        assert replaced.headers == {"content-type": "t", "expires": "x"}
        assert (replaced.etag, replaced.size, replaced.crc64) == (put.etag, put.size, put.crc64)
        assert store.head("a") == replaced
        assert read(store, "a", if_match=put.etag) == b"body"

    def test_new_metadata_are_a_version_of_their_own(self, versioned: Store) -> None:
        put = versioned.put("a", b"body", metadata={"k": "1"})
        changed = versioned.replace_metadata("a", metadata={"k": "2"}, headers=None)
        assert (changed.version_id, changed.metadata) == (put.version_id, {"k": "2"})

    def test_more_metadata_than_2_kib(self, store: Store) -> None:
        with pytest.raises(UsageError, match="at most 2,048"):
            store.put("a", b"1", metadata={"k": "v" * 2048})
        store.put("a", b"1", metadata={"k": "v" * 2000})


class TestVersityUploads(S3UploadConformance):
    @pytest.mark.parametrize("upload", ["", "none", "../../bodies", "\ud800", "x" * 5000, "é"])
    def test_what_is_no_upload(self, store: Store, upload: str) -> None:
        self.assert_ended(store, "a", upload, Part(1, 0, "etag"))
        with pytest.raises((UploadNotFoundError, PreconditionFailedError)):
            store.complete_upload("a", upload, [Part(1, 0, "etag")])

    def test_completion_under_a_condition(self, store: Store) -> None:
        old = store.put("a", b"old")
        upload = store.begin_upload("a")
        part = store.upload_part("a", upload, 1, b"1")
        with pytest.raises(PreconditionFailedError):
            store.complete_upload("a", upload, [part], if_match="0" * 32)
        assert read(store, "a") == b"old"
        store.complete_upload("a", upload, [part], if_match=old.etag)
        assert read(store, "a") == b"1"

    def test_parts_of_many_pages_are_all_listed(self, store: Store) -> None:
        upload = store.begin_upload("a")
        for number in range(1, 1003):
            store.upload_part("a", upload, number, b"x")
        assert [part.number for part in store.list_parts("a", upload)] == list(range(1, 1003))
        store.abort_upload("a", upload)


class TestVersityListing(S3ListingConformance):
    TREE = ("a/1", "a/2", "a/b/3", "a0", "b/c/d", "z/1", "z/z", "é/1")

    def test_prefix(self, tree: Store) -> None:
        assert names_of(tree.list("a/")) == ["a/1", "a/2", "a/b/3"]
        assert names_of(tree.list("é")) == ["é/1"]
        assert names_of(tree.list("none")) == []

    def test_delimiter(self, tree: Store) -> None:
        found = [(entry.name, entry.is_prefix) for entry in tree.list(delimiter="/").entries]
        assert found == [("a/", True), ("a0", False), ("b/", True), ("z/", True), ("é/", True)]
        assert names_of(tree.list("a/", delimiter="/")) == ["a/1", "a/2", "a/b/"]

    def test_delimiter_of_any_kind(self, tree: Store) -> None:
        assert names_of(tree.list(delimiter="/b/")) == [
            *("a/1", "a/2", "a/b/", "a0", "b/c/d", "z/1", "z/z", "é/1")
        ]
        assert names_of(tree.list(delimiter="é")) == [*sorted(self.TREE, key=str.encode)[:-1], "é"]

    @pytest.mark.parametrize(("prefix", "delimiter"), [("", ""), ("", "/"), ("a", "/"), ("z", "")])
    def test_pages_of_every_limit_make_the_whole(
        self, tree: Store, prefix: str, delimiter: str
    ) -> None:
        whole = tree.list(prefix, delimiter=delimiter)
        for limit in range(1, 10):
            pages = all_pages(tree, limit, prefix, delimiter)
            assert [entry for page in pages for entry in page.entries] == list(whole.entries), limit
            assert all(len(page.entries) == limit for page in pages[:-1])

    def test_pages_stay_right_while_objects_come_and_go(self, tree: Store) -> None:
        first = tree.list(limit=2)
        assert names_of(first) == ["a/1", "a/2"]
        for name in ("a/1", "a/2"):
            tree.delete(name)
        for name in ("0", "a/20"):
            tree.put(name, b"")
        assert names_of(tree.list(limit=3, token=first.token)) == ["a/20", "a/b/3", "a0"]
