"""Listings of S3: objects, unfinished uploads, versions.

Rule: names travel percent-encoded, so that any name passes. A listing ends where a page says that
it is the last; one that says nothing, or does not advance, is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cipherbucket.stores.contract import MAX_EMPTY_PAGES, broken, check_order
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.records import Entry, Page, Upload, Version
from cipherbucket.stores.s3.client import S3Client
from cipherbucket.stores.s3.errors import understood

_MAX_UPLOADS = 100_000
"""Most unfinished uploads that are held in memory."""


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
        entries = [
            Entry(
                name=item.name("Key"),
                size=item.number("Size"),
                etag=item.etag(),
                modified=item.time("LastModified"),
                storage_class=item.text("StorageClass", ""),
            )
            for item in page.all("Contents")
        ]
        if prefixes := page.prefixes():  # two lists in the answer, one in the page
            check_order([entry.name for entry in entries])
            check_order(prefixes)
            entries += [Entry(name=name, is_prefix=True) for name in prefixes]
            entries.sort(key=lambda entry: entry.name)
        more = page.flag("IsTruncated")
        following = page.text("NextContinuationToken") if more else None
    return Page(tuple(entries), following)


def list_uploads(client: S3Client, prefix: str) -> list[Upload]:
    """List unfinished uploads, by name and then start."""
    uploads: list[Upload] = []
    seen: set[tuple[str, str]] = set()
    for page in _pages(client, "ListMultipartUploads", prefix, "UploadId", "Upload"):
        with understood():
            uploads += [
                Upload(item.name("Key"), item.id("UploadId"), item.time("Initiated"))
                for item in page.all("Upload")
            ]
        seen.update((upload.name, upload.upload_id) for upload in uploads[len(seen) :])
        if len(seen) != len(uploads):
            raise broken("an unfinished upload is there twice")
        if len(uploads) > _MAX_UPLOADS:
            raise broken(f"more than {_MAX_UPLOADS:,} unfinished uploads")
    # The services differ in the order of a name's uploads.
    return sorted(uploads, key=lambda upload: (upload.name, upload.started))


def list_versions(client: S3Client, prefix: str) -> Iterator[Version]:
    """Yield versions and delete markers, by name and then the newest first."""
    for page in _pages(client, "ListObjectVersions", prefix, "VersionId", "Version"):
        with understood():
            found = [_version(item, deleted=False) for item in page.all("Version")]
            markers = [_version(item, deleted=True) for item in page.all("DeleteMarker")]
        for listed in (found, markers):
            check_order([version.name for version in listed], strict=False)
        # Two lists in the answer, one history: by name, the newest first. Times may be in whole
        # seconds, so the latest is put first by what the store says of it.
        found += markers
        found.sort(key=lambda version: (version.is_latest, version.modified), reverse=True)
        found.sort(key=lambda version: version.name)
        yield from found


def _pages(
    client: S3Client, operation: str, prefix: str, marked: str, item: str
) -> Iterator[Element]:
    """Yield the pages of a list by name and, of one name, by an id.

    Args:
        client: The bucket's.
        operation: Such as ``ListObjectVersions``.
        prefix: What names begin with.
        marked: What the id is: ``VersionId`` or ``UploadId``.
        item: The element of an entry; a page without one is empty.
    """
    name, last = "", ""
    passed: set[str] = set()  # ids of this name
    empty = 0
    most: dict[str, Any] = {"MaxKeys" if marked == "VersionId" else "MaxUploads": 1000}
    while True:
        position = {"KeyMarker": name or None, f"{marked}Marker": last or None}
        with client.reading(
            operation, Prefix=prefix, EncodingType="url", **most, **position
        ) as page:
            more = page.flag("IsTruncated")
            following = None
            if more:
                following = page.name("NextKeyMarker"), page.text(f"Next{marked}Marker", "")
        yield page
        if following is None:
            return
        empty = 0 if page.has(item) or page.has("DeleteMarker") else empty + 1
        if following[0] > name:
            passed.clear()
        if following[0] < name or following[1] in passed or empty == MAX_EMPTY_PAGES:
            raise broken("it does not advance")
        name, last = following
        passed.add(last)


def _version(item: Element, *, deleted: bool) -> Version:
    return Version(
        name=item.name("Key"),
        version_id=item.id("VersionId"),
        is_latest=item.flag("IsLatest", "false"),
        is_delete_marker=deleted,
        size=0 if deleted else item.number("Size"),
        etag="" if deleted else item.etag(),
        modified=item.time("LastModified"),
    )
