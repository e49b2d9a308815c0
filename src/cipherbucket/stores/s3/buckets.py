"""The buckets of an account, page by page.

Rule: no bucket comes twice, and an empty page is not followed by many more. A token leads to the
next page, and there is none on the last; some services answer all in one.
"""

from __future__ import annotations

from collections.abc import Iterator

from cipherbucket.stores.contract import MAX_EMPTY_PAGES, broken
from cipherbucket.stores.records import StoredBucket
from cipherbucket.stores.s3.client import S3Client
from cipherbucket.stores.s3.settings import S3Settings


def list_buckets(settings: S3Settings) -> Iterator[StoredBucket]:
    """Yield the buckets that the credentials may list."""
    client = S3Client("", settings)
    try:
        yield from buckets_seen_by(client)
    finally:
        client.close()


def buckets_seen_by(client: S3Client) -> Iterator[StoredBucket]:
    """Yield the buckets that a client of the service lists."""
    token: str | None = None
    seen: set[str] = set()
    empty = 0
    while True:
        with client.reading("ListBuckets", MaxBuckets=1000, ContinuationToken=token) as page:
            found = [
                StoredBucket(
                    name=item.id("Name"),
                    region=item.text("BucketRegion", ""),
                    created=item.time("CreationDate"),
                )
                for item in page.all("Buckets/Bucket")
            ]
            token = page.text("ContinuationToken", "") or None
        for bucket in found:
            if bucket.name in seen:
                raise broken("it does not advance")
            seen.add(bucket.name)
            yield bucket
        if token is None:
            return
        empty = 0 if found else empty + 1
        if empty == MAX_EMPTY_PAGES:
            raise broken("it does not advance")
