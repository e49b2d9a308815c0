"""The OSS store against the local endpoint, by the suite that every store passes.

Only what OSS itself does differently is set aside: it adds a content type and a storage class to
every object, reports times in whole seconds, allows no
name that begins with a slash, and has no put that depends on an ETag.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.support.served_oss import settings_of
from tests.unit.stores.test_conformance import NAMES, StoreConformance, read
from tests.unit.stores.test_listing_conformance import ListingConformance

import cipherbucket as cb
from cipherbucket.errors import PreconditionFailedError, UploadNotFoundError, UsageError
from cipherbucket.server import Endpoint
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.oss.store import OssStore
from cipherbucket.stores.records import StoredObject

ADDED = {"content-type": "application/octet-stream", "x-oss-storage-class": "Standard"}


class PlainOss(OssStore):
    """Without the headers that OSS adds by itself, and with one time for everything."""

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


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=[f"bucket-{number}" for number in range(200)]) as running:
        yield running


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return iter(range(200))


@pytest.fixture
def store(endpoint: Endpoint, numbers: Iterator[int]) -> Iterator[Store]:
    with PlainOss(f"bucket-{next(numbers)}", settings_of(endpoint)) as opened:
        yield opened


OSS_NAMES = [name for name in NAMES if not name.startswith("/")]


class TestOssListing(ListingConformance):
    pass


class TestOssStore(StoreConformance):
    names = OSS_NAMES

    def test_metadata_is_replaced_without_the_body(self, store: Store) -> None:
        put = store.put("a", b"body", metadata={"k": "1"}, headers={"expires": "x"})
        replaced = store.replace_metadata(
            "a", metadata={"l": "2"}, headers={"content-type": "t"}, if_match=put.etag
        )
        assert (replaced.metadata, replaced.headers) == ({"l": "2"}, {"content-type": "t"})
        assert (replaced.size, replaced.crc64) == (put.size, put.crc64)
        assert read(store, "a") == b"body"

    def test_a_put_returns_what_the_store_holds(self, store: Store) -> None:
        put = store.put("a", b"body", metadata={"k": "vü"}, headers={"content-type": "text/x"})
        assert store.head("a") == put
        with store.get("a") as body:
            assert body.stored == put
        (entry,) = store.list().entries
        assert (entry.name, entry.size, entry.etag) == ("a", 4, put.etag)

    def test_if_match(self, store: Store) -> None:
        first = store.put("a", b"1")
        with pytest.raises(UsageError, match="no put that depends on an ETag"):
            store.put("a", b"2", if_match=first.etag)
        second = store.put("a", b"2")
        for verb in (
            lambda: store.get("a", if_match=first.etag),
            lambda: store.replace_metadata("a", metadata={}, headers={}, if_match=first.etag),
        ):
            with pytest.raises(PreconditionFailedError):
                verb()
        assert read(store, "a", if_match=second.etag) == b"2"

    def test_a_condition_that_fails_while_the_body_comes(self, store: Store) -> None:
        with pytest.raises(UsageError, match="exclude each other"):
            store.put("a", b"3", if_match="x", if_absent=True)

    def test_no_versions(self, store: Store) -> None:
        store.put("a", b"1")
        assert [version.version_id for version in store.list_versions()] == ["null"]
        with pytest.raises(cb.ObjectNotFoundError, match="no such version"):
            store.get("a", version_id="1")

    def test_no_presigned_urls(self, store: Store) -> None:
        assert store.presign("a").startswith("http://")  # this store has them


PART = 100 << 10


class TestOssUploads:
    def test_an_object_of_parts_appears_whole(self, store: Store) -> None:
        upload = store.begin_upload("a b/é", metadata={"k": "1"}, headers={"expires": "x"})
        parts = {n: store.upload_part("a b/é", upload, n, bytes([n]) * PART) for n in (3, 1, 2)}
        assert not store.list().entries
        listed = store.list_parts("a b/é", upload)
        assert listed == [parts[1], parts[2], parts[3]]
        assert [(u.name, u.upload_id) for u in store.list_uploads()] == [("a b/é", upload)]
        made = store.complete_upload("a b/é", upload, listed)
        assert (made.size, made.metadata) == (3 * PART, {"k": "1"})
        assert read(store, "a b/é") == b"".join(bytes([n]) * PART for n in (1, 2, 3))
        assert store.list_uploads() == []

    def test_parts_of_many_pages_are_all_listed(self, store: Store) -> None:
        upload = store.begin_upload("a")
        for number in range(1, 1003):
            store.upload_part("a", upload, number, b"x")
        assert [part.number for part in store.list_parts("a", upload)] == list(range(1, 1003))
        store.abort_upload("a", upload)

    @pytest.mark.parametrize("upload", ["none", "", "\ud800", "x" * 5000])
    def test_what_is_no_upload(self, store: Store, upload: str) -> None:
        store.put("a", b"1")
        for verb in (
            lambda: store.upload_part("a", upload, 1, b""),
            lambda: store.list_parts("a", upload),
            lambda: store.complete_upload("a", upload, [cb.Part(1, 1, "E")]),
        ):
            with pytest.raises(UploadNotFoundError):
                verb()
        store.abort_upload("a", upload)
        assert read(store, "a") == b"1"

    def test_a_part_that_is_not_there_completes_nothing(self, store: Store) -> None:
        upload = store.begin_upload("a")
        store.upload_part("a", upload, 1, b"1")
        with pytest.raises(PreconditionFailedError):
            store.complete_upload("a", upload, [cb.Part(1, 1, "0" * 32)])
        assert not store.list().entries


def test_signature_v1_is_spoken_too(endpoint: Endpoint, numbers: Iterator[int]) -> None:
    old = replace(settings_of(endpoint), signature="v1", region=None)
    with OssStore(f"bucket-{next(numbers)}", old) as store:
        store.put("a é", b"1", metadata={"owner": "me"})
        assert read(store, "a é") == b"1"
        assert [entry.name for entry in store.list("a").entries] == ["a é"]


def test_a_wrong_secret_is_said_plainly(endpoint: Endpoint) -> None:
    wrong = replace(
        settings_of(endpoint), credentials=cb.Credentials(endpoint.access_key_id, "wrong")
    )
    with ExitStack() as stack:
        store = stack.enter_context(OssStore("bucket-0", wrong))
        with pytest.raises(cb.StoreError, match="the signature does not match") as caught:
            store.head("a")
    assert "OSS_ACCESS_KEY_SECRET" in (caught.value.hint or "")
    assert caught.value.code == "SignatureDoesNotMatch"


def test_security_tokens_are_sent(numbers: Iterator[int]) -> None:
    with Endpoint(buckets=["sts-bucket"], security_token="token-1") as endpoint:
        for token, works in (("token-1", True), ("token-2", False)):
            settings = replace(
                settings_of(endpoint),
                credentials=cb.Credentials(
                    endpoint.access_key_id, endpoint.access_key_secret, token
                ),
            )
            with OssStore("sts-bucket", settings) as store:
                if works:
                    store.put("a", b"1")
                else:
                    with pytest.raises(cb.StoreError):
                        store.put("a", b"1")
