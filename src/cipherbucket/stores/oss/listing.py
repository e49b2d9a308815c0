"""Listings of OSS: objects, unfinished uploads, versions.

Rule: names travel percent-encoded, so that any name passes. A listing ends where a page says that
it is the last; one that says nothing, or does not advance, is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cipherbucket.stores.contract import MAX_EMPTY_PAGES, broken, check_order
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.oss.client import OssClient
from cipherbucket.stores.oss.errors import service_errors
from cipherbucket.stores.records import Entry, Page, Upload, Version

_MAX_UPLOADS = 100_000
"""Most unfinished uploads that are held in memory."""


def list_page(
    client: OssClient,
    prefix: str,
    delimiter: str,
    token: str | None,
    limit: int,
    start_after: str,
) -> Page:
    """List one page of objects, as `Store.list` promises it."""
    query = {
        "list-type": "2",
        "prefix": prefix,
        "delimiter": delimiter,
        "continuation-token": token,
        "start-after": start_after if start_after and token is None else None,
        "max-keys": limit,
        "encoding-type": "url",
    }
    with client.reading("ListObjectsV2", query) as page:
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


def list_uploads(client: OssClient, prefix: str) -> list[Upload]:
    """List unfinished uploads, by name and then start."""
    query = {"uploads": "", "prefix": prefix, "max-uploads": 1000, "encoding-type": "url"}
    uploads: list[Upload] = []
    seen: set[tuple[str, str]] = set()
    for page in _pages(client, "ListMultipartUploads", query, "upload-id", "Upload"):
        with service_errors():
            uploads += [
                Upload(item.name("Key"), item.id("UploadId"), item.time("Initiated"))
                for item in page.all("Upload")
            ]
        seen.update((upload.name, upload.upload_id) for upload in uploads[len(seen) :])
        if len(seen) != len(uploads):
            raise broken("an unfinished upload is there twice")
        if len(uploads) > _MAX_UPLOADS:
            raise broken(f"more than {_MAX_UPLOADS:,} unfinished uploads")
    return uploads


def list_versions(client: OssClient, prefix: str) -> Iterator[Version]:
    """Yield versions and delete markers, by name and then the newest first."""
    query = {"versions": "", "prefix": prefix, "max-keys": 1000, "encoding-type": "url"}
    for page in _pages(client, "ListObjectVersions", query, "version-id", "Version"):
        with service_errors():
            found = [_version(item, deleted=False) for item in page.all("Version")]
            markers = [_version(item, deleted=True) for item in page.all("DeleteMarker")]
        for listed in (found, markers):
            check_order([version.name for version in listed], strict=False)
        # Two lists in the answer, one history: by name, the newest first. Times are in whole
        # seconds, so the latest is put first by what the store says of it.
        found += markers
        found.sort(key=lambda version: (version.is_latest, version.modified), reverse=True)
        found.sort(key=lambda version: version.name)
        yield from found


def _pages(
    client: OssClient, operation: str, query: Mapping[str, Any], marked: str, item: str
) -> Iterator[Element]:
    """Yield the pages of a list by name and, of one name, by an id.

    Args:
        client: The bucket's.
        operation: Such as ``ListObjectVersions``.
        query: Its parameters, without markers.
        marked: What the id is: ``version-id`` or ``upload-id``.
        item: The element of an entry; a page without one is empty.
    """
    next_marker = f"Next{marked.title().replace('-', '')}Marker"
    name, last = "", ""
    passed: set[str] = set()  # ids of this name
    empty = 0
    while True:
        position = {"key-marker": name or None, f"{marked}-marker": last or None}
        with client.reading(operation, {**query, **position}) as page:
            more = page.flag("IsTruncated")
            following = (page.name("NextKeyMarker"), page.text(next_marker, "")) if more else None
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
