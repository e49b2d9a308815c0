"""Listings that OSS and S3 answer alike: objects, unfinished uploads, versions.

Rule: names travel percent-encoded, so that any name passes. A listing ends where a page says that
it is the last; one that says nothing, or does not advance, is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

from cipherbucket.stores.contract import MAX_EMPTY_PAGES, broken, check_order
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.records import Entry, Page, Upload, Version

_MAX_UPLOADS = 100_000
"""Most unfinished uploads that are held in memory."""

Read = Callable[[str | None, str | None], AbstractContextManager[Element]]
"""Asks for the page after a name and, of this name, after an id; what goes wrong with what it gives
is an answer that cannot be understood."""


def page_of(page: Element) -> Page:
    """Read one page of objects, in byte order of names."""
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


def all_uploads(read: Read) -> list[Upload]:
    """Return all unfinished uploads, by name and then start."""
    uploads: list[Upload] = []
    seen: set[tuple[str, str]] = set()

    def found(page: Element) -> list[Upload]:
        return [
            Upload(item.name("Key"), item.id("UploadId"), item.time("Initiated"))
            for item in page.all("Upload")
        ]

    for more in _pages(read, "UploadId", found):
        uploads += more
        seen.update((upload.name, upload.upload_id) for upload in more)
        if len(seen) != len(uploads):
            raise broken("an unfinished upload is there twice")
        if len(uploads) > _MAX_UPLOADS:
            raise broken(f"more than {_MAX_UPLOADS:,} unfinished uploads")
    return uploads


def all_versions(read: Read) -> Iterator[Version]:
    """Yield versions and delete markers, by name and then the newest first."""

    def found(page: Element) -> list[Version]:
        versions = [_version(item, deleted=False) for item in page.all("Version")]
        markers = [_version(item, deleted=True) for item in page.all("DeleteMarker")]
        for listed in (versions, markers):
            check_order([version.name for version in listed], strict=False)
        # Two lists in the answer, one history: by name, the newest first. Times may be in whole
        # seconds, so the latest is put first by what the store says of it.
        versions += markers
        versions.sort(key=lambda version: (version.is_latest, version.modified), reverse=True)
        versions.sort(key=lambda version: version.name)
        return versions

    for versions in _pages(read, "VersionId", found):
        yield from versions


_Item = TypeVar("_Item")


def _pages(
    read: Read, marked: str, found: Callable[[Element], list[_Item]]
) -> Iterator[list[_Item]]:
    """Yield what is found on the pages of a list by name and, of one name, by an id.

    Args:
        read: Asks for a page.
        marked: What the id is: ``VersionId`` or ``UploadId``.
        found: Reads a page.
    """
    name, last = "", ""
    passed: set[str] = set()  # ids of this name
    empty = 0
    while True:
        with read(name or None, last or None) as page:
            items, following = found(page), None
            if page.flag("IsTruncated"):
                following = page.name("NextKeyMarker"), page.text(f"Next{marked}Marker", "")
        yield items
        if following is None:
            return
        empty = 0 if items else empty + 1
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
