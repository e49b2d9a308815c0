"""The suites of stores as S3 passes them.

Only what S3 itself does differently is set aside: it adds a content type and a storage class to
every object, reports times in whole seconds, has versions and presigned URLs, wants parts of 5 MiB,
and gives the same ETag to the same body. Derived classes have fixtures ``store`` and ``versioned``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.request import urlopen

import pytest
from tests.unit.stores.test_conformance import StoreConformance, read
from tests.unit.stores.test_listing_conformance import ListingConformance
from tests.unit.stores.test_uploads_conformance import UploadConformance, named

from cipherbucket.errors import (
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    UploadNotFoundError,
)
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.records import Part, StoredObject
from cipherbucket.stores.s3.store import S3Store

ADDED = {"content-type": "binary/octet-stream", "x-amz-storage-class": "STANDARD"}


class PlainS3(S3Store):
    """Without the headers that S3 adds by itself, and with one time for everything."""

    def put(self, *args: object, **how: object) -> StoredObject:
        return plain(super().put(*args, **how))  # type: ignore[arg-type]

    def head(self, *args: object, **how: object) -> StoredObject:
        return plain(super().head(*args, **how))  # type: ignore[arg-type]

    def copy(self, *args: object, **how: object) -> StoredObject:
        return plain(super().copy(*args, **how))  # type: ignore[arg-type]

    def attributes(self, *args: object, **how: object) -> dict[str, str]:
        headers = super().attributes(*args, **how)  # type: ignore[arg-type]
        return {key: text for key, text in headers.items() if ADDED.get(key) != text}

    def replace_metadata(self, *args: object, **how: object) -> StoredObject:
        return plain(super().replace_metadata(*args, **how))  # type: ignore[arg-type]

    def complete_upload(self, *args: object, **how: object) -> StoredObject:
        return plain(super().complete_upload(*args, **how))  # type: ignore[arg-type]

    def get(self, *args: object, **how: object) -> Incoming:
        incoming = super().get(*args, **how)  # type: ignore[arg-type]
        incoming.stored = plain(incoming.stored)
        return incoming


def plain(stored: StoredObject) -> StoredObject:
    own, others = (
        {k: text for k, text in headers.items() if ADDED.get(k) != text}
        for headers in (stored.headers, stored.place_headers)
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return replace(stored, headers=own, place_headers=others, modified=at)


PART = 5 << 20
"""The least size of a part that is not the last one."""


class S3StoreConformance(StoreConformance):
    """The suite of stores."""

    place = MappingProxyType({"x-amz-tagging": "a=1", "x-amz-website-redirect-location": "/b"})

    def test_a_put_returns_what_the_store_holds(self, store: Store) -> None:
        put = store.put("a", b"body", metadata={"k": "vü"}, headers={"content-type": "text/x"})
        assert (put.size, put.metadata, put.headers) == (
            4,
            {"k": "vü"},
            {"content-type": "text/x"},
        )
        assert put.crc64 in {None, store.crc.of(b"body")}
        assert store.head("a") == put
        with store.get("a") as body:
            assert body.stored == put
        (entry,) = store.list().entries
        assert (entry.name, entry.size, entry.etag) == ("a", 4, put.etag)

    def test_a_put_replaces_everything(self, store: Store) -> None:
        first = store.put("a", b"one", metadata={"k": "1"}, headers={"expires": "x"})
        assert store.put("a", b"one").etag == first.etag  # MD5
        assert (store.head("a").metadata, store.head("a").headers) == ({}, {})
        assert len(store.list().entries) == 1

    def test_no_versions(self, store: Store) -> None:
        store.put("a", b"1")
        assert [version.version_id for version in store.list_versions()] == ["null"]
        with pytest.raises(ObjectNotFoundError, match="no such version"):
            store.get("a", version_id="1")
        assert read(store, "a") == b"1"

    def test_no_presigned_urls(self, store: Store) -> None:
        store.put("a b/é", b"body")
        with urlopen(store.presign("a b/é")) as answer:  # this store has them
            assert answer.read() == b"body"

    def test_versions(self, versioned: Store) -> None:
        bodies = [b"one", b"two", b"three"]
        made = [versioned.put("a/b", body, metadata={"k": body.decode()}) for body in bodies]
        ids = [stored.version_id for stored in made]
        assert len(set(ids)) == 3
        assert None not in ids
        for body, version in zip(bodies, ids, strict=True):
            assert read(versioned, "a/b", version_id=version) == body
            assert versioned.head("a/b", version_id=version).metadata == {"k": body.decode()}
        copy = versioned.copy("a/b", "c", version_id=ids[0])
        assert read(versioned, "c") == b"one"
        assert copy.metadata == {"k": "one"}
        versioned.delete("a/b")
        with pytest.raises(ObjectNotFoundError):
            versioned.head("a/b")
        listed = list(versioned.list_versions("a/"))
        assert [entry.is_delete_marker for entry in listed] == [True, False, False, False]
        assert [entry.version_id for entry in listed[1:]] == ids[::-1]
        assert [entry.is_latest for entry in listed] == [True, False, False, False]
        versioned.delete("a/b", version_id=listed[0].version_id)
        assert read(versioned, "a/b") == b"three"
        versioned.delete("a/b", version_id=ids[2])
        assert read(versioned, "a/b") == b"two"

    def test_new_metadata_are_a_version_of_their_own(self, versioned: Store) -> None:
        put = versioned.put("a", b"body", metadata={"k": "1"})
        changed = versioned.replace_metadata("a", metadata={"k": "2"}, headers=None)
        assert changed.version_id not in {None, put.version_id}
        assert versioned.head("a", version_id=put.version_id).metadata == {"k": "1"}
        assert read(versioned, "a") == b"body"


class S3UploadConformance(UploadConformance):
    """The suite of multipart uploads, with parts as large as S3 wants them."""

    def assert_ended(self, store: Store, name: str, upload: str, part: Part) -> None:
        """See that an upload is over; one may be completed twice, for those who lost the answer."""
        for verb in (
            lambda: store.upload_part(name, upload, 1, b""),
            lambda: store.list_parts(name, upload),
        ):
            with pytest.raises(UploadNotFoundError):
                verb()
        store.abort_upload(name, upload)
        assert store.list_uploads() == []

    def test_an_object_of_parts_appears_whole(self, store: Store) -> None:
        upload = store.begin_upload("a b/é", metadata={"k": "1"}, headers={"expires": "x"})
        pieces = {3: b"three" * 1000, 1: b"1" * PART, 2: b"2" * (PART + 1)}
        parts = {
            number: store.upload_part("a b/é", upload, number, pieces[number]) for number in pieces
        }
        with pytest.raises(ObjectNotFoundError):
            store.head("a b/é")
        assert store.list().entries == ()
        listed = store.list_parts("a b/é", upload)
        assert named(listed) == named([parts[number] for number in sorted(parts)])
        made = store.complete_upload("a b/é", upload, listed)
        whole = b"".join(pieces[number] for number in sorted(pieces))
        assert (made.size, made.metadata, made.headers) == (
            len(whole),
            {"k": "1"},
            {"expires": "x"},
        )
        assert made.crc64 in {None, store.crc.of(whole)}
        assert store.head("a b/é") == made
        assert read(store, "a b/é") == whole
        assert read(store, "a b/é", start=PART - 3, length=6) == b"111222"

    def test_parts_smaller_than_s3_takes_them(self, store: Store) -> None:
        upload = store.begin_upload("a")
        parts = [store.upload_part("a", upload, number, b"1") for number in (1, 2)]
        with pytest.raises(StoreError, match="a part is smaller than the store takes"):
            store.complete_upload("a", upload, parts)
        assert store.list().entries == ()

    def test_only_the_parts_named_count(self, store: Store) -> None:
        upload = store.begin_upload("a")
        parts = [
            store.upload_part("a", upload, number, b"%d" % number * (PART if number < 3 else 1))
            for number in (1, 2, 3)
        ]
        with pytest.raises(PreconditionFailedError):
            store.complete_upload("a", upload, [*parts, Part(4, 1, "none")])
        with pytest.raises(PreconditionFailedError):
            store.complete_upload("a", upload, [replace(parts[0], etag=parts[1].etag)])
        store.complete_upload("a", upload, [parts[0], parts[2]])
        assert read(store, "a") == b"1" * PART + b"3"

    def test_etags_decide_and_not_what_else_the_caller_says(self, store: Store) -> None:
        upload = store.begin_upload("a")
        part = store.upload_part("a", upload, 1, b"12345")
        made = store.complete_upload("a", upload, [replace(part, size=1, crc64=None)])
        assert made.size == 5
        assert made.crc64 in {None, store.crc.of(b"12345")}


class S3ListingConformance(ListingConformance):
    """The suite of listings."""
