"""Listings of OSS: objects, unfinished uploads, versions.

Rule: names travel percent-encoded, so that any name passes; a listing that does not advance is an
error, not a loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cipherbucket.errors import StoreError
from cipherbucket.stores.oss.client import OssClient
from cipherbucket.stores.oss.errors import service_errors
from cipherbucket.stores.oss.xml import Element
from cipherbucket.stores.records import Entry, Page, Upload, Version


def list_page(
    client: OssClient, prefix: str, delimiter: str, token: str | None, limit: int
) -> Page:
    """List one page of objects, as `Store.list` promises it."""
    query = {
        "list-type": "2",
        "prefix": prefix,
        "delimiter": delimiter,
        "continuation-token": token,
        "max-keys": limit,
        "encoding-type": "url",
    }
    with client.reading("ListObjectsV2", query) as page:
        entries = [
            Entry(
                name=item.name("Key"),
                size=item.number("Size"),
                etag=item.etag(""),
                modified=item.time("LastModified"),
            )
            for item in page.all("Contents")
        ]
        entries += [Entry(name=name, is_prefix=True) for name in page.prefixes()]
        more = page.flag("IsTruncated", "false")
        following = page.name("NextContinuationToken") if more else None
    entries.sort(key=lambda entry: entry.name.encode())
    if following is not None and following == token:
        raise not_advancing()
    return Page(tuple(entries), following)


def list_uploads(client: OssClient, prefix: str) -> list[Upload]:
    """List unfinished uploads, by name and then start."""
    query = {"uploads": "", "prefix": prefix, "max-uploads": 1000, "encoding-type": "url"}
    uploads: list[Upload] = []
    for page in _pages(client, "ListMultipartUploads", query, "upload-id", "NextUploadIdMarker"):
        with service_errors():
            uploads += [
                Upload(item.name("Key"), item.text("UploadId"), item.time("Initiated"))
                for item in page.all("Upload")
            ]
    return uploads


def list_versions(client: OssClient, prefix: str) -> Iterator[Version]:
    """Yield versions and delete markers, by name and then the newest first."""
    query = {"versions": "", "prefix": prefix, "max-keys": 1000, "encoding-type": "url"}
    for page in _pages(client, "ListObjectVersions", query, "version-id", "NextVersionIdMarker"):
        with service_errors():
            found = [_version(item, deleted=False) for item in page.all("Version")]
            found += [_version(item, deleted=True) for item in page.all("DeleteMarker")]
        # Two lists in the answer, one history: by name, the newest first. Times are in whole
        # seconds, so the latest is put first by what the store says of it.
        found.sort(key=lambda version: (version.is_latest, version.modified), reverse=True)
        found.sort(key=lambda version: version.name.encode())
        yield from found


def not_advancing(name: str | None = None) -> StoreError:
    """Return the error for a listing that goes in circles."""
    return StoreError("the store's listing does not advance", name=name)


def _pages(
    client: OssClient, operation: str, query: Mapping[str, Any], marked: str, next_marker: str
) -> Iterator[Element]:
    """Yield the pages of a list by name and, of one name, by the id that is ``marked``."""
    markers = ("", "")
    passed = {markers}
    while True:
        position = {"key-marker": markers[0] or None, f"{marked}-marker": markers[1] or None}
        with client.reading(operation, {**query, **position}) as page:
            more = page.flag("IsTruncated", "false")
            if more:
                markers = page.name("NextKeyMarker"), page.name(next_marker, "")
        yield page
        if not more:
            return
        if markers in passed:
            raise not_advancing()
        passed.add(markers)


def _version(item: Element, *, deleted: bool) -> Version:
    return Version(
        name=item.name("Key"),
        version_id=item.text("VersionId"),
        is_latest=item.flag("IsLatest", "false"),
        is_delete_marker=deleted,
        size=0 if deleted else item.number("Size"),
        etag="" if deleted else item.etag(""),
        modified=item.time("LastModified"),
    )
