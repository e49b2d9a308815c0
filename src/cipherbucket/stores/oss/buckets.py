"""The buckets of an account, page by page.

Rule: as of every listing, pages move on and an empty one is not followed by many more. Where all
buckets are in one answer, OSS leaves out that it is the last page.
"""

from __future__ import annotations

from collections.abc import Iterator

from cipherbucket.stores.contract import MAX_EMPTY_PAGES, broken
from cipherbucket.stores.oss.client import OssClient
from cipherbucket.stores.oss.settings import OssSettings
from cipherbucket.stores.records import StoredBucket


def list_buckets(settings: OssSettings) -> Iterator[StoredBucket]:
    """Yield the buckets that the credentials may list, by name."""
    client = OssClient("", settings)
    try:
        yield from buckets_seen_by(client)
    finally:
        client.close()


def buckets_seen_by(client: OssClient) -> Iterator[StoredBucket]:
    """Yield the buckets that a client of the service lists."""
    marker, empty = "", 0
    while True:
        query = {"max-keys": 1000, "marker": marker or None}
        with client.reading("ListBuckets", query) as page:
            found = [
                StoredBucket(
                    name=item.id("Name"),
                    region=item.text("Location").removeprefix("oss-"),
                    created=item.time("CreationDate"),
                )
                for item in page.all("Buckets/Bucket")
            ]
            more = page.flag("IsTruncated", "false")
            following = page.text("NextMarker") if more else ""
        yield from found
        if not more:
            return
        empty = 0 if found else empty + 1
        if following <= marker or empty == MAX_EMPTY_PAGES:
            raise broken("it does not advance")
        marker = following
