"""The suites of stores as S3 passes them.

Only what S3 itself does differently is set aside: it adds a content type and a storage class to
every object, reports times in whole seconds, and has versions and presigned URLs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tests.unit.stores.test_conformance import StoreConformance
from tests.unit.stores.test_listing_conformance import ListingConformance
from tests.unit.stores.test_uploads_conformance import UploadConformance

from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.records import StoredObject
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


class S3StoreConformance(StoreConformance):
    pass


class S3UploadConformance(UploadConformance):
    pass


class S3ListingConformance(ListingConformance):
    pass
