"""Alibaba Cloud OSS.

What OSS adds to the common verbs is added here: versions, restoring archived objects, storage
classes and the like as ``x-oss-`` headers. Reads that break off go on where they broke, bound to
the same object by its ETag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Self

from cipherbucket.errors import RangeError, UsageError
from cipherbucket.format.span import Span
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Opened, Outgoing
from cipherbucket.stores.checks import check_match, clip
from cipherbucket.stores.http.client import Response
from cipherbucket.stores.http.resuming_body import open_body
from cipherbucket.stores.oss import copying, listing, multipart
from cipherbucket.stores.oss.attributes import (
    OBJECT_ACL,
    all_attributes,
    look,
    refuse_present,
    written,
)
from cipherbucket.stores.oss.client import OssClient
from cipherbucket.stores.oss.headers import metadata_headers, stored_object
from cipherbucket.stores.oss.settings import OssSettings
from cipherbucket.stores.records import Page, Part, StoredObject, Upload, Version
from cipherbucket.stores.requests import Condition, Copy, MetadataChange, NewObject

_OK = 200
"""What OSS answers where an object can be read already; 202, where restoring it begins."""


class OssStore(Store):
    """A bucket in Alibaba Cloud OSS.

    Args:
        bucket: Its name.
        settings: Region, endpoint, credentials and the like.

    Attributes:
        client: Sends requests that the verbs of a store do not know.

    Raises:
        UsageError: The settings lead to no endpoint.
        MissingExtraError: The default chain of credentials is needed and not installed.
    """

    conditional = False
    fixed_metadata = copying.POLICED

    def __init__(self, bucket: str, settings: OssSettings) -> None:
        self.client = OssClient(bucket, settings)
        self._acls: dict[str, str] = {}  # of unfinished uploads: a header of their completion

    @property
    def url(self) -> str:
        """``oss://bucket``."""
        return f"oss://{self.client.bucket}"

    def adding(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Self:
        """Return this store for one call: what it gets, puts and uploads is asked for with these.

        Args:
            headers: Request headers beside those that the verb sends.
            query: Parameters beside those that the verb sends.
        """
        view = object.__new__(type(self))
        vars(view).update(vars(self))
        view.client = self.client.adding(headers, query)
        return view

    def resume_upload(self, upload_id: str, *, headers: Mapping[str, str]) -> None:
        """Note the ACL of an upload: a header of its completion."""
        if OBJECT_ACL in headers:
            self._acls[upload_id] = headers[OBJECT_ACL]

    def close(self) -> None:
        """Close all connections."""
        self.client.close()

    def _put(self, new: NewObject, body: Outgoing, condition: Condition) -> StoredObject:
        _refuse_if_match(condition, new.name)
        sent = {**new.headers, **metadata_headers(new.metadata)}
        if condition.if_absent:
            refuse_present(self.client, new.name)
            sent["x-oss-forbid-overwrite"] = "true"
        response = self.client.send("PutObject", "PUT", new.name, headers=sent, body=body)
        stored = stored_object(new.name, response.headers, len(body))
        # The answer repeats neither metadata nor headers.
        return replace(stored, metadata=new.metadata, headers=new.headers)

    def _get(self, name: str, span: Span, if_match: str | None, version_id: str | None) -> Opened:
        if span.length == 0 or span.tail == 0:
            return self._nothing_of(name, span, if_match, version_id)
        query = {} if version_id is None else {"versionId": version_id}

        def fetch(wanted: str | None, etag: str | None) -> Response:
            headers = {} if etag is None else {"if-match": f'"{etag}"'}
            if wanted is not None:
                # Without it OSS answers a range that leaves the object with the whole object.
                headers |= {"range": wanted, "x-oss-range-behavior": "standard"}
            return self.client.send(
                "GetObject", "GET", name, headers=headers, query=query, stream=True
            )

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
        query = {} if version_id is None else {"versionId": version_id}
        self.client.send("DeleteObject", "DELETE", name, query=query)

    def _copy(self, copy: Copy) -> StoredObject:
        return copying.copy_object(self.client, copy)

    def _replace_metadata(self, change: MetadataChange) -> StoredObject:
        return copying.replace_metadata(self.client, change)

    def _begin_upload(self, new: NewObject) -> str:
        upload_id = multipart.begin_upload(self.client, new)
        self.resume_upload(upload_id, headers=new.headers)
        return upload_id

    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
        return multipart.upload_part(self.client, name, upload_id, number, body)

    def _list_parts(self, name: str, upload_id: str) -> Sequence[Part]:
        return multipart.list_parts(self.client, name, upload_id)

    def _upload_metadata(self, name: str, upload_id: str) -> Mapping[str, str]:
        return multipart.upload_metadata(self.client, name, upload_id)

    def _complete_upload(
        self, name: str, upload_id: str, parts: Sequence[Part], condition: Condition
    ) -> StoredObject:
        _refuse_if_match(condition, name)
        if condition.if_absent:
            refuse_present(self.client, name)
        acl = self._acls.get(upload_id)
        version = multipart.complete_upload(
            self.client, name, upload_id, parts, if_absent=condition.if_absent, acl=acl
        )
        self._acls.pop(upload_id, None)
        return written(self.client, name, version)

    def _abort_upload(self, name: str, upload_id: str) -> None:
        multipart.abort_upload(self.client, name, upload_id)
        self._acls.pop(upload_id, None)

    def _list_uploads(self, prefix: str) -> Sequence[Upload]:
        return listing.list_uploads(self.client, prefix)

    def _list_versions(self, prefix: str) -> Iterator[Version]:
        return listing.list_versions(self.client, prefix)

    def _presign(self, name: str, seconds: int, version_id: str | None) -> str:
        query = {} if version_id is None else {"versionId": version_id}
        return self.client.presign("GET", name, seconds, query=query)

    def _restore(self, name: str, days: int, version_id: str | None) -> bool:
        answer = self.client.send(
            "RestoreObject",
            "POST",
            name,
            query={"restore": ""} | ({} if version_id is None else {"versionId": version_id}),
            body=f"<RestoreRequest><Days>{days}</Days></RestoreRequest>".encode(),
        )
        return answer.status != _OK


class _Nothing:
    """A body of no bytes."""

    def readinto(self, _: memoryview, /) -> int:
        return 0

    def close(self) -> None:
        """Nothing to release."""


def _refuse_if_match(condition: Condition, name: str) -> None:
    """Refuse a condition that OSS has not.

    Raises:
        UsageError: A write was to depend on an ETag.
    """
    if condition.if_match is not None:
        raise UsageError(
            "OSS has no put that depends on an ETag",
            name=name,
            hint="use if_absent, or none",
        )
