"""The calls of a `CryptoBucket` that list or delete; they need no key."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping

from cipherbucket.oss2 import _xml
from cipherbucket.oss2._access import Face
from cipherbucket.oss2._entries import BatchDeleteObjectVersion, BatchDeleteObjectVersionList
from cipherbucket.oss2._results import (
    BatchDeleteObjectsResult,
    ListObjectsResult,
    ListObjectsV2Result,
    ListObjectVersionsResult,
    RequestResult,
)
from cipherbucket.oss2.exceptions import ClientError
from cipherbucket.oss2.http import CaseInsensitiveDict


class Listing(Face):
    """Lists and deletes objects."""

    def list_objects(
        self,
        prefix: str = "",
        delimiter: str = "",
        marker: str = "",
        max_keys: int = 100,
        headers: Mapping[str, str] | None = None,
    ) -> ListObjectsResult:
        """List a page of objects in byte order of their names.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that go on with it after the prefix into one prefix each.
            marker: Only names after this.
            max_keys: Most entries, 1 to 1,000.
            headers: Request headers.
        """
        params = {
            "prefix": prefix,
            "delimiter": delimiter,
            "marker": marker,
            "max-keys": str(max_keys),
            "encoding-type": "url",
        }
        return _xml.list_objects(self._ask("ListObjects", "GET", headers=headers, params=params))

    def list_objects_v2(
        self,
        prefix: str = "",
        delimiter: str = "",
        continuation_token: str = "",
        start_after: str = "",
        fetch_owner: bool = False,
        encoding_type: str = "url",
        max_keys: int = 100,
        headers: Mapping[str, str] | None = None,
    ) -> ListObjectsV2Result:
        """List a page of objects in byte order of their names.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that go on with it after the prefix into one prefix each.
            continuation_token: From the page before.
            start_after: Only names after this.
            fetch_owner: Whether owners are told.
            encoding_type: How names travel: ``url``, or empty for as they are.
            max_keys: Most entries, 1 to 1,000.
            headers: Request headers.
        """
        params = {
            "list-type": "2",
            "prefix": prefix,
            "delimiter": delimiter,
            "continuation-token": continuation_token,
            "start-after": start_after,
            "fetch-owner": str(fetch_owner).lower(),
            "max-keys": str(max_keys),
            "encoding-type": encoding_type,
        }
        answer = self._ask("ListObjectsV2", "GET", headers=headers, params=params)
        return _xml.list_objects_v2(answer)

    def list_object_versions(
        self,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        max_keys: int = 100,
        versionid_marker: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> ListObjectVersionsResult:
        """List a page of versions and delete markers.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that go on with it after the prefix into one prefix each.
            key_marker: Where the page begins: the name.
            max_keys: Most entries, 1 to 1,000.
            versionid_marker: And the version.
            headers: Request headers.
        """
        params = {
            "versions": "",
            "prefix": prefix,
            "delimiter": delimiter,
            "key-marker": key_marker,
            "version-id-marker": versionid_marker,
            "max-keys": str(max_keys),
            "encoding-type": "url",
        }
        answer = self._ask("ListObjectVersions", "GET", headers=headers, params=params)
        return _xml.list_versions(answer)

    def delete_object(
        self,
        key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RequestResult:
        """Delete an object, or the version of ``params["versionId"]``.

        Deleting what is not there is no error.
        """
        return RequestResult(
            self._ask_object("DeleteObject", "DELETE", key, headers=headers, params=params)
        )

    def batch_delete_objects(
        self, key_list: Iterable[str], headers: Mapping[str, str] | None = None
    ) -> BatchDeleteObjectsResult:
        """Delete up to 1,000 objects.

        Raises:
            ClientError: None is named.
        """
        if not key_list:
            raise ClientError("key_list should not be empty")
        return self._delete(map(BatchDeleteObjectVersion, key_list), headers)

    def delete_object_versions(
        self,
        keylist_versions: BatchDeleteObjectVersionList,
        headers: Mapping[str, str] | None = None,
    ) -> BatchDeleteObjectsResult:
        """Delete up to 1,000 versions.

        Raises:
            ClientError: None is named.
        """
        if not keylist_versions:
            raise ClientError("keylist_versions should not be empty")
        return self._delete(keylist_versions.object_version_list, headers)

    def _delete(
        self, objects: Iterable[BatchDeleteObjectVersion], headers: Mapping[str, str] | None
    ) -> BatchDeleteObjectsResult:
        body = _xml.delete_request(objects)
        told = CaseInsensitiveDict(headers)
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        told["Content-MD5"] = base64.b64encode(digest).decode()
        answer = self._ask(
            "DeleteMultipleObjects",
            "POST",
            headers=told,
            params={"delete": "", "encoding-type": "url"},
            body=body,
        )
        return _xml.deleted(answer)
