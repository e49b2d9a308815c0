"""What S3 is asked for its listings; `cipherbucket.stores.http.listings` reads the answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from cipherbucket.stores.http.listings import all_uploads, all_versions, page_of
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.records import Page, Upload, Version
from cipherbucket.stores.s3.client import S3Client


def list_page(
    client: S3Client,
    prefix: str,
    delimiter: str,
    token: str | None,
    limit: int,
    start_after: str,
) -> Page:
    """List one page of objects, as `Store.list` promises it."""
    with client.reading(
        "ListObjectsV2",
        Prefix=prefix,
        Delimiter=delimiter or None,
        ContinuationToken=token,
        StartAfter=start_after if start_after and token is None else None,
        MaxKeys=limit,
        EncodingType="url",
    ) as page:
        return page_of(page)


def list_uploads(client: S3Client, prefix: str) -> list[Upload]:
    """List unfinished uploads, by name and then start."""

    def read(name: str | None, last: str | None) -> AbstractContextManager[Element]:
        return client.reading(
            "ListMultipartUploads",
            Prefix=prefix,
            MaxUploads=1000,
            EncodingType="url",
            KeyMarker=name,
            UploadIdMarker=last,
        )

    # The services differ in the order of a name's uploads.
    return sorted(all_uploads(read), key=lambda upload: (upload.name, upload.started))


def list_versions(client: S3Client, prefix: str) -> Iterator[Version]:
    """Yield versions and delete markers, by name and then the newest first."""

    def read(name: str | None, last: str | None) -> AbstractContextManager[Element]:
        return client.reading(
            "ListObjectVersions",
            Prefix=prefix,
            MaxKeys=1000,
            EncodingType="url",
            KeyMarker=name,
            VersionIdMarker=last,
        )

    return all_versions(read)
