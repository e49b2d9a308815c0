"""The verbs of OSS that speak XML: listings, multipart uploads, versions, restore, ACL, tags.

The SDK writes and reads the XML; names travel percent-encoded in it, so that any name passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import alibabacloud_oss_v2 as sdk

from cipherbucket.errors import StoreError, UsageError
from cipherbucket.stores.base import Store
from cipherbucket.stores.oss.headers import CRC64
from cipherbucket.stores.oss.sdk import service_errors
from cipherbucket.stores.records import (
    MAX_PARTS,
    NOTHING,
    Entry,
    Match,
    Page,
    Part,
    StoredObject,
    Upload,
    Version,
)

OBJECT_ACL = "x-oss-object-acl"
_ENVELOPE_FIELDS = {
    "client_encryption_key": "client-side-encryption-key",
    "client_encryption_start": "client-side-encryption-start",
    "client_encryption_cek_alg": "client-side-encryption-cek-alg",
    "client_encryption_wrap_alg": "client-side-encryption-wrap-alg",
    "client_encryption_data_size": "client-side-encryption-data-size",
    "client_encryption_part_size": "client-side-encryption-part-size",
}


class OssXmlVerbs(Store):
    """The half of `OssStore` whose answers are XML."""

    _bucket: str
    _client: sdk.Client
    _acls: dict[str, str]  # of unfinished uploads: the ACL is a header of their completion
    added_headers: Mapping[str, str] = NOTHING

    def _list(self, prefix: str, delimiter: str, token: str | None, limit: int) -> Page:
        with service_errors():
            result = self._client.list_objects_v2(
                sdk.ListObjectsV2Request(
                    bucket=self._bucket,
                    prefix=prefix or None,
                    delimiter=delimiter or None,
                    continuation_token=token,
                    max_keys=limit,
                    encoding_type="url",
                )
            )
            entries = [
                Entry(
                    name=_told(item.key),
                    size=_told(item.size),
                    etag=(item.etag or "").strip('"'),
                    modified=item.last_modified,
                )
                for item in result.contents or ()
            ]
            entries += [
                Entry(name=_told(item.prefix), is_prefix=True)
                for item in result.common_prefixes or ()
            ]
        entries.sort(key=lambda entry: entry.name.encode())
        following = result.next_continuation_token if result.is_truncated else None
        if following is not None and following == token:
            raise _circling()
        return Page(tuple(entries), following)

    def _begin_upload(self, name: str, metadata: dict[str, str], headers: dict[str, str]) -> str:
        with service_errors(name):
            result = self._client.initiate_multipart_upload(
                sdk.InitiateMultipartUploadRequest(
                    bucket=self._bucket,
                    key=name,
                    encoding_type="url",
                    metadata=metadata,
                    headers=headers,
                ),
                retry_max_attempts=1,  # an answer that was lost leaves an upload behind
            )
        if not result.upload_id:
            raise StoreError("the store began no upload", name=name)
        upload_id = str(result.upload_id)
        if OBJECT_ACL in headers:
            self._acls[upload_id] = headers[OBJECT_ACL]
        return upload_id

    def _copy_part(
        self,
        source: StoredObject,
        version_id: str | None,
        target: str,
        upload_id: str,
        number: int,
        start: int,
        stop: int,
    ) -> Part:
        """Make bytes ``start`` to ``stop`` of an object a part, as long as it has its ETag."""
        with service_errors(source.name):
            result = self._client.upload_part_copy(
                sdk.UploadPartCopyRequest(
                    bucket=self._bucket,
                    key=target,
                    part_number=number,
                    upload_id=upload_id,
                    source_key=source.name,
                    source_version_id=None if version_id is None else quote(version_id),
                    source_range=f"bytes={start}-{stop - 1}",
                    if_match=f'"{source.etag}"',
                )
            )
            crc64 = result.headers.get(CRC64)
            etag = _told(result.etag).strip('"')
            return Part(number, stop - start, etag, int(crc64) if crc64 else None)

    def _list_parts(self, name: str, upload_id: str) -> Sequence[Part]:
        parts: list[Part] = []
        marker = 0
        while True:
            result = self._page_of_parts(name, upload_id, marker)
            with service_errors(name):
                parts += [
                    Part(
                        _told(item.part_number),
                        _told(item.size),
                        (item.etag or "").strip('"'),
                        int(item.hash_crc64) if item.hash_crc64 else None,
                    )
                    for item in result.parts or ()
                ]
            following = result.next_part_number_marker or 0
            if not result.is_truncated:
                return parts
            if not marker < following <= MAX_PARTS:
                raise _circling(name)
            marker = following

    def _upload_metadata(self, name: str, upload_id: str) -> Mapping[str, str]:
        """Return the envelope fields of ListParts; it leaves out the description."""
        result = self._page_of_parts(name, upload_id, 0)
        texts = {field: getattr(result, name) for name, field in _ENVELOPE_FIELDS.items()}
        return {field: str(text) for field, text in texts.items() if text is not None}

    def _page_of_parts(self, name: str, upload_id: str, marker: int) -> Any:
        with service_errors(name):
            return self._client.list_parts(
                sdk.ListPartsRequest(
                    bucket=self._bucket,
                    key=name,
                    upload_id=upload_id,
                    part_number_marker=str(marker),
                    max_parts=1000,
                    encoding_type="url",
                )
            )

    def _complete_upload(
        self,
        name: str,
        upload_id: str,
        parts: Sequence[Part],
        if_absent: bool,
        if_match: Match | None,
    ) -> StoredObject:
        refuse_if_match(if_match, name)
        with service_errors(name):
            result = self._client.complete_multipart_upload(
                sdk.CompleteMultipartUploadRequest(
                    bucket=self._bucket,
                    key=name,
                    upload_id=upload_id,
                    encoding_type="url",
                    headers=dict(self.added_headers),
                    forbid_overwrite=if_absent or None,
                    acl=self._acls.get(upload_id),
                    complete_multipart_upload=sdk.CompleteMultipartUpload(
                        parts=[
                            sdk.UploadPart(part_number=part.number, etag=f'"{part.etag}"')
                            for part in parts
                        ]
                    ),
                )
            )
        self._acls.pop(upload_id, None)
        return self._written(name, result.version_id)

    def _written(self, name: str, version_id: str | None) -> StoredObject:
        """Look at what has just been written, also where a newer version lies over it already."""
        stored = self._head(name, None)
        if version_id is None or stored.version_id == version_id:
            return stored
        return self._head(name, version_id)

    def _list_uploads(self, prefix: str) -> Sequence[Upload]:
        uploads: list[Upload] = []
        key_marker = id_marker = None
        passed: set[tuple[str | None, str | None]] = {(None, None)}
        while True:
            with service_errors():
                result = self._client.list_multipart_uploads(
                    sdk.ListMultipartUploadsRequest(
                        bucket=self._bucket,
                        prefix=prefix or None,
                        key_marker=key_marker,
                        upload_id_marker=id_marker,
                        max_uploads=1000,
                        encoding_type="url",
                    )
                )
                uploads += [
                    Upload(_told(item.key), _told(item.upload_id), _told(item.initiated))
                    for item in result.uploads or ()
                ]
            if not result.is_truncated:
                return uploads
            position = (result.next_key_marker, result.next_upload_id_marker)
            if position in passed:
                raise _circling()
            passed.add(position)
            key_marker, id_marker = position

    def _list_versions(self, prefix: str) -> Iterator[Version]:
        key_marker = id_marker = None
        passed: set[tuple[str | None, str | None]] = {(None, None)}
        while True:
            with service_errors():
                result = self._client.list_object_versions(
                    sdk.ListObjectVersionsRequest(
                        bucket=self._bucket,
                        prefix=prefix or None,
                        key_marker=key_marker,
                        version_id_marker=id_marker,
                        max_keys=1000,
                        encoding_type="url",
                    )
                )
                found = [_version(item, deleted=False) for item in result.version or ()]
                found += [_version(item, deleted=True) for item in result.delete_marker or ()]
            # Two lists in the answer, one history: by name, the newest first. Times are told to the
            # second, so the latest is put first by what the store says of it.
            found.sort(key=lambda version: (version.is_latest, version.modified), reverse=True)
            found.sort(key=lambda version: version.name.encode())
            yield from found
            if not result.is_truncated:
                return
            position = (result.next_key_marker, result.next_version_id_marker)
            if position in passed:
                raise _circling()
            passed.add(position)
            key_marker, id_marker = position

    def _restore(self, name: str, days: int, version_id: str | None) -> None:
        with service_errors(name):
            self._client.restore_object(
                sdk.RestoreObjectRequest(
                    bucket=self._bucket,
                    key=name,
                    version_id=version_id,
                    restore_request=sdk.RestoreRequest(days=days),
                )
            )

    def acl(self, name: str, version_id: str | None) -> str:
        """Return the ACL of an object or of its version: ``default``, ``private`` ..."""
        with service_errors(name):
            result = self._client.get_object_acl(
                sdk.GetObjectAclRequest(bucket=self._bucket, key=name, version_id=version_id)
            )
            return str(result.acl or "default")

    def tagging(self, name: str, version_id: str | None) -> str:
        """Return the tags of an object or of its version, as the header of a PUT has them."""
        with service_errors(name):
            result = self._client.get_object_tagging(
                sdk.GetObjectTaggingRequest(bucket=self._bucket, key=name, version_id=version_id)
            )
            tags = [(_told(tag.key), tag.value or "") for tag in result.tag_set.tags or ()]
        return "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in tags)


def refuse_if_match(if_match: Match | None, name: str) -> None:
    """Refuse a condition that OSS has not.

    Raises:
        UsageError: A write was to depend on an ETag.
    """
    if if_match is not None:
        raise UsageError(
            "OSS has no put that depends on an ETag",
            name=name,
            hint="use if_absent, or none",
        )


def _told(value: Any) -> Any:
    """Refuse a field that the store left out; `service_errors` says so."""
    if value is None:
        raise ValueError("a field is missing")
    return value


def _circling(name: str | None = None) -> StoreError:
    return StoreError("the store's listing does not advance", name=name)


def _version(item: Any, *, deleted: bool) -> Version:
    return Version(
        name=_told(item.key),
        version_id=_told(item.version_id),
        is_latest=bool(item.is_latest),
        is_delete_marker=deleted,
        size=0 if deleted else _told(item.size),
        etag="" if deleted else (item.etag or "").strip('"'),
        modified=_told(item.last_modified),
    )
