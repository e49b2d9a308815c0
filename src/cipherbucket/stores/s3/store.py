"""Amazon S3, and services that speak its protocol.

What S3 has beyond the common verbs is added here: versions, restoring archived objects, storage
classes and the like as ``x-amz-`` headers. Reads that break off go on where they broke, bound to
the same object by its ETag.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from cipherbucket.errors import RangeError
from cipherbucket.format.crc64 import Crc
from cipherbucket.format.span import Span
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Opened, Outgoing
from cipherbucket.stores.checks import check_match, clip
from cipherbucket.stores.http.client import Response
from cipherbucket.stores.http.resuming_body import open_body
from cipherbucket.stores.records import Page, Part, StoredObject, Upload, Version
from cipherbucket.stores.requests import Condition, Copy, MetadataChange, NewObject
from cipherbucket.stores.s3 import copying, listing, multipart
from cipherbucket.stores.s3.answers import stored_object
from cipherbucket.stores.s3.attributes import (
    all_attributes,
    check_place_headers,
    conditions,
    holding,
    look,
    written,
)
from cipherbucket.stores.s3.client import S3Client
from cipherbucket.stores.s3.header_text import metadata_headers, to_header
from cipherbucket.stores.s3.settings import S3Settings

_OK = 200
"""What S3 answers where an object can be read already; 202, where restoring it begins."""


class S3Store(Store):
    """A bucket in Amazon S3, or in a service that speaks its protocol.

    ``if_match`` holds the ETag at the moment of the write; metadata are looked at right before it.

    Args:
        bucket: Its name.
        settings: Region, endpoint, credentials and the like.

    Attributes:
        client: Sends requests that the verbs of a store do not know.

    Raises:
        UsageError: The settings lead to no endpoint.
        MissingExtraError: Only a part of the extra ``s3`` is installed.
    """

    crc = Crc.NVME
    min_part_size = 5 << 20
    max_metadata = 2048

    def __init__(self, bucket: str, settings: S3Settings) -> None:
        self.client = S3Client(bucket, settings)
        self.crc.of(b"")  # a library that is missing is missed now
        if settings.is_r2:
            self.equal_parts, self.max_metadata = True, 8192

    @property
    def url(self) -> str:
        """``s3://bucket``."""
        return f"s3://{self.client.bucket}"

    def metadata_size(self, metadata: Mapping[str, str]) -> int:
        """Count what is sent, where a value that is not ASCII grows."""
        return super().metadata_size({key: to_header(text) for key, text in metadata.items()})

    def close(self) -> None:
        """Close all connections."""
        self.client.close()

    def _put(self, new: NewObject, body: Outgoing, condition: Condition) -> StoredObject:
        check_place_headers(new.headers, new.name)
        held = conditions(self.client, new.name, condition)
        sent = {**new.headers, **metadata_headers(new.metadata), **held}
        with holding(condition, new.name):
            answer = self.client.send("PutObject", new.name, headers=sent, body=body)
        stored = stored_object(new.name, answer.headers, len(body))
        # The answer repeats neither metadata nor headers.
        return replace(stored, metadata=new.metadata, headers=new.headers)

    def _get(self, name: str, span: Span, if_match: str | None, version_id: str | None) -> Opened:
        if span.length == 0 or span.tail == 0:
            return self._nothing_of(name, span, if_match, version_id)

        def fetch(wanted: str | None, etag: str | None) -> Response:
            headers = {"x-amz-checksum-mode": "ENABLED"}
            if etag is not None:
                headers["if-match"] = f'"{etag}"'
            if wanted is not None:
                headers["range"] = wanted
            return self.client.send("GetObject", name, headers=headers, VersionId=version_id)

        try:
            return open_body(name, span, if_match, fetch, stored_object)
        except RangeError:
            return self._nothing_of(name, span, if_match, version_id)

    def _nothing_of(
        self, name: str, span: Span, if_match: str | None, version_id: str | None
    ) -> Opened:
        """Answer a range of no bytes, which HTTP cannot ask for; refuse one after the end."""
        stored = self._head(name, version_id)
        check_match(stored, if_match, name)
        first, stop = clip(name, stored.size, span)
        if first != stop:
            raise RangeError("the store refused a range that lies in the object", name=name)
        return stored, first, stop, _Nothing()

    def _head(self, name: str, version_id: str | None) -> StoredObject:
        return look(self.client, name, version_id)[0]

    def _attributes(self, name: str, version_id: str | None) -> dict[str, str]:
        return all_attributes(self.client, name, version_id)

    def _list(
        self, prefix: str, delimiter: str, token: str | None, limit: int, start_after: str
    ) -> Page:
        return listing.list_page(self.client, prefix, delimiter, token, limit, start_after)

    def _delete(self, name: str, version_id: str | None) -> None:
        self.client.send("DeleteObject", name, VersionId=version_id)

    def _copy(self, copy: Copy) -> StoredObject:
        return copying.copy_object(self.client, copy)

    def _replace_metadata(self, change: MetadataChange) -> StoredObject:
        return copying.replace_metadata(self.client, change)

    def _begin_upload(self, new: NewObject) -> str:
        check_place_headers(new.headers, new.name)
        return multipart.begin_upload(self.client, new)

    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
        return multipart.upload_part(self.client, name, upload_id, number, body)

    def holds(self, part: Part, data: memoryview) -> bool:
        """Return whether a part is these bytes; its ETag is their MD5, unless it lies under KMS."""
        if part.crc64 is not None:
            return super().holds(part, data)
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return part.size == len(data) and part.etag == digest

    def _list_parts(self, name: str, upload_id: str) -> Sequence[Part]:
        return multipart.list_parts(self.client, name, upload_id)

    def _complete_upload(
        self, name: str, upload_id: str, parts: Sequence[Part], condition: Condition
    ) -> StoredObject:
        held = conditions(self.client, name, condition)
        with holding(condition, name):
            version = multipart.complete_upload(self.client, name, upload_id, parts, held)
        return written(self.client, name, version)

    def _abort_upload(self, name: str, upload_id: str) -> None:
        multipart.abort_upload(self.client, name, upload_id)

    def _list_uploads(self, prefix: str) -> Sequence[Upload]:
        return listing.list_uploads(self.client, prefix)

    def _list_versions(self, prefix: str) -> Iterator[Version]:
        return listing.list_versions(self.client, prefix)

    def _presign(self, name: str, seconds: int, version_id: str | None) -> str:
        return self.client.presign(name, seconds, version_id)

    def _restore(self, name: str, days: int, version_id: str | None) -> bool:
        request = {"Days": days, "GlacierJobParameters": {"Tier": "Standard"}}
        answer = self.client.send(
            "RestoreObject", name, VersionId=version_id, RestoreRequest=request
        )
        return answer.status != _OK


class _Nothing:
    """A body of no bytes."""

    def readinto(self, _: memoryview, /) -> int:
        return 0

    def close(self) -> None:
        """Nothing to release."""
