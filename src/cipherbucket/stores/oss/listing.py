"""What OSS is asked for its listings; `cipherbucket.stores.http.listings` reads the answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from cipherbucket.stores.http.listings import all_uploads, all_versions, page_of
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.oss.client import OssClient
from cipherbucket.stores.records import Page, Upload, Version


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
        return page_of(page)


def list_uploads(client: OssClient, prefix: str) -> list[Upload]:
    """List unfinished uploads, by name and then start."""
    query = {"uploads": "", "prefix": prefix, "max-uploads": 1000, "encoding-type": "url"}

    def read(name: str | None, last: str | None) -> AbstractContextManager[Element]:
        position = {"key-marker": name, "upload-id-marker": last}
        return client.reading("ListMultipartUploads", {**query, **position})

    return all_uploads(read)


def list_versions(client: OssClient, prefix: str) -> Iterator[Version]:
    """Yield versions and delete markers, by name and then the newest first."""
    query = {"versions": "", "prefix": prefix, "max-keys": 1000, "encoding-type": "url"}

    def read(name: str | None, last: str | None) -> AbstractContextManager[Element]:
        position = {"key-marker": name, "version-id-marker": last}
        return client.reading("ListObjectVersions", {**query, **position})

    return all_versions(read)
