"""Listings of OSS: objects, unfinished uploads, versions.

Rule: the SDK reads the XML, what it read is checked here. Names travel percent-encoded, so that any
name passes; a listing that does not advance is an error, not a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import alibabacloud_oss_v2 as sdk

from cipherbucket.errors import StoreError
from cipherbucket.stores.oss.client import OssClient
from cipherbucket.stores.oss.errors import service_errors
from cipherbucket.stores.records import Entry, Page, Upload, Version

Markers = tuple[str | None, str | None]


def list_page(
    client: OssClient, prefix: str, delimiter: str, token: str | None, limit: int
) -> Page:
    """List one page of objects, as `Store.list` promises it."""
    with service_errors():
        result = client.sdk.list_objects_v2(
            sdk.ListObjectsV2Request(
                bucket=client.bucket,
                prefix=prefix or None,
                delimiter=delimiter or None,
                continuation_token=token,
                max_keys=limit,
                encoding_type="url",
            )
        )
        entries = [
            Entry(
                name=present(item.key),
                size=present(item.size),
                etag=bare_etag(item.etag),
                modified=item.last_modified,
            )
            for item in result.contents or ()
        ]
        entries += [
            Entry(name=present(item.prefix), is_prefix=True)
            for item in result.common_prefixes or ()
        ]
    entries.sort(key=lambda entry: entry.name.encode())
    following = result.next_continuation_token if result.is_truncated else None
    if following is not None and following == token:
        raise not_advancing()
    return Page(tuple(entries), following)


def list_uploads(client: OssClient, prefix: str) -> list[Upload]:
    """List unfinished uploads, by name and then start."""

    def ask(key_marker: str | None, id_marker: str | None) -> Any:
        return client.sdk.list_multipart_uploads(
            sdk.ListMultipartUploadsRequest(
                bucket=client.bucket,
                prefix=prefix or None,
                key_marker=key_marker,
                upload_id_marker=id_marker,
                max_uploads=1000,
                encoding_type="url",
            )
        )

    uploads: list[Upload] = []
    for page in _pages(ask, lambda page: (page.next_key_marker, page.next_upload_id_marker)):
        with service_errors():
            uploads += [
                Upload(present(item.key), present(item.upload_id), present(item.initiated))
                for item in page.uploads or ()
            ]
    return uploads


def list_versions(client: OssClient, prefix: str) -> Iterator[Version]:
    """Yield versions and delete markers, by name and then the newest first."""

    def ask(key_marker: str | None, id_marker: str | None) -> Any:
        return client.sdk.list_object_versions(
            sdk.ListObjectVersionsRequest(
                bucket=client.bucket,
                prefix=prefix or None,
                key_marker=key_marker,
                version_id_marker=id_marker,
                max_keys=1000,
                encoding_type="url",
            )
        )

    for page in _pages(ask, lambda page: (page.next_key_marker, page.next_version_id_marker)):
        with service_errors():
            found = [_version(item, deleted=False) for item in page.version or ()]
            found += [_version(item, deleted=True) for item in page.delete_marker or ()]
        # Two lists in the answer, one history: by name, the newest first. Times are in whole
        # seconds, so the latest is put first by what the store says of it.
        found.sort(key=lambda version: (version.is_latest, version.modified), reverse=True)
        found.sort(key=lambda version: version.name.encode())
        yield from found


def present(value: Any) -> Any:
    """Refuse a field that the store left out; `service_errors` says so."""
    if value is None:
        raise ValueError("a field is missing")
    return value


def bare_etag(text: str | None) -> str:
    """Return an ETag without its quotes; "" for none."""
    return (text or "").strip('"')


def not_advancing(name: str | None = None) -> StoreError:
    """Return the error for a listing that goes in circles."""
    return StoreError("the store's listing does not advance", name=name)


def _pages(
    ask: Callable[[str | None, str | None], Any], markers_after: Callable[[Any], Markers]
) -> Iterator[Any]:
    markers: Markers = (None, None)
    passed = {markers}
    while True:
        with service_errors():
            page = ask(*markers)
        yield page
        if not page.is_truncated:
            return
        markers = markers_after(page)
        if markers in passed:
            raise not_advancing()
        passed.add(markers)


def _version(item: Any, *, deleted: bool) -> Version:
    return Version(
        name=present(item.key),
        version_id=present(item.version_id),
        is_latest=bool(item.is_latest),
        is_delete_marker=deleted,
        size=0 if deleted else present(item.size),
        etag="" if deleted else bare_etag(item.etag),
        modified=present(item.last_modified),
    )
