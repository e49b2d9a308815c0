"""Lists that come in pages, as one iterable: objects, unfinished uploads, parts.

Rule: a page is asked for when the one before is used up, and asked for again where the service
failed (5xx), ``max_retries`` times in all. Pages that repeat each other, or of which so many are
empty as no list has, are an error. An iterator can be gone through once.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from typing import Any, Self, TypeVar

from cipherbucket.oss2 import defaults
from cipherbucket.oss2._entries import MultipartUploadInfo, PartInfo, SimplifiedObjectInfo
from cipherbucket.oss2.exceptions import InconsistentError, ServerError
from cipherbucket.oss2.http import CaseInsensitiveDict
from cipherbucket.stores.contract import MAX_EMPTY_PAGES

Entry = TypeVar("Entry")


class _Pages(Iterator[Entry], abc.ABC):
    """A list in pages.

    Attributes:
        bucket: The `CryptoBucket` that is asked.
        is_truncated: Whether there are further pages.
        next_marker: Where the next one begins.
        entries: What of this page was not handed out yet.
    """

    def __init__(
        self,
        bucket: Any,
        marker: str,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        self.bucket = bucket
        self.is_truncated = True
        self.next_marker = marker
        self.max_retries = max(defaults.get(max_retries, defaults.request_retries), 1)
        self.headers = CaseInsensitiveDict(headers)
        self.entries: list[Entry] = []
        self._empty = 0  # pages in a row

    @abc.abstractmethod
    def _fetch(self) -> tuple[bool, str]:
        """Fill ``entries`` with a page; return whether there are more, and from where on."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Entry:
        while not self.entries:
            if not self.is_truncated:
                raise StopIteration
            self.fetch_with_retry()
        return self.entries.pop(0)

    def next(self) -> Entry:
        """Return the next entry.

        Raises:
            StopIteration: There is none.
        """
        return self.__next__()

    def fetch_with_retry(self) -> None:
        """Fetch the next page.

        Raises:
            ServerError: The service refused, or failed each time.
            InconsistentError: The page is no page of a list, or the list would have no end.
        """
        before = self._place()
        for left in reversed(range(self.max_retries)):
            try:
                self.is_truncated, self.next_marker = self._fetch()
            except ServerError as error:
                if error.status // 100 != 5 or not left:
                    raise
            else:
                break
        self._empty = 0 if self.entries else self._empty + 1
        if self.is_truncated and (self._place() == before or self._empty == MAX_EMPTY_PAGES):
            raise InconsistentError("the list does not advance")

    def _place(self) -> tuple[str, str]:
        return self.next_marker, getattr(self, "next_upload_id_marker", "")


class ObjectIterator(_Pages[SimplifiedObjectInfo]):
    """The objects of a bucket, and common prefixes among them, in the order of their names.

    Args:
        bucket: A `CryptoBucket`.
        prefix: Only names that begin so.
        delimiter: Names that continue after it are one entry, a prefix.
        marker: Only names after this one.
        max_keys: Most entries in a page.
        max_retries: How often a page is asked for; None takes ``defaults.request_retries``.
        headers: Of each request.
    """

    def __init__(
        self,
        bucket: Any,
        prefix: str = "",
        delimiter: str = "",
        marker: str = "",
        max_keys: int = 100,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(bucket, marker, max_retries, headers)
        self.prefix = prefix
        self.delimiter = delimiter
        self.max_keys = max_keys

    def _fetch(self) -> tuple[bool, str]:
        result = self.bucket.list_objects(
            prefix=self.prefix,
            delimiter=self.delimiter,
            marker=self.next_marker,
            max_keys=self.max_keys,
            headers=self.headers,
        )
        self.entries = _with_prefixes(result)
        return result.is_truncated, result.next_marker


class ObjectIteratorV2(_Pages[SimplifiedObjectInfo]):
    """The same by the newer call of the service.

    Args:
        bucket: A `CryptoBucket`.
        prefix: Only names that begin so.
        delimiter: Names that continue after it are one entry, a prefix.
        continuation_token: Where an earlier list broke off.
        start_after: Only names after this one.
        fetch_owner: Whether each entry has its owner.
        encoding_type: How names travel.
        max_keys: Most entries in a page.
        max_retries: As in `ObjectIterator`.
        headers: Of each request.
    """

    def __init__(
        self,
        bucket: Any,
        prefix: str = "",
        delimiter: str = "",
        continuation_token: str = "",
        start_after: str = "",
        fetch_owner: bool = False,
        encoding_type: str = "url",
        max_keys: int = 100,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(bucket, continuation_token, max_retries, headers)
        self.prefix = prefix
        self.delimiter = delimiter
        self.start_after = start_after
        self.fetch_owner = fetch_owner
        self.encoding_type = encoding_type
        self._last = ""
        self.max_keys = max_keys

    def _fetch(self) -> tuple[bool, str]:
        result = self.bucket.list_objects_v2(
            prefix=self.prefix,
            delimiter=self.delimiter,
            continuation_token=self.next_marker,
            start_after=self.start_after,
            fetch_owner=self.fetch_owner,
            encoding_type=self.encoding_type,
            max_keys=self.max_keys,
            headers=self.headers,
        )
        self.entries = _with_prefixes(result)
        if self.entries:  # a token does not say after which name a page begins
            if self.entries[0].key <= self._last:
                raise InconsistentError("a page of the list does not begin after the one before it")
            self._last = self.entries[-1].key
        return result.is_truncated, result.next_continuation_token


class MultipartUploadIterator(_Pages[MultipartUploadInfo]):
    """The unfinished uploads of a bucket, and common prefixes among them.

    Args:
        bucket: A `CryptoBucket`.
        prefix: Only names that begin so.
        delimiter: Names that continue after it are one entry, a prefix.
        key_marker: Only names after this one ...
        upload_id_marker: ... or of this one, with an id after this.
        max_uploads: Most entries in a page.
        max_retries: As in `ObjectIterator`.
        headers: Of each request.
    """

    def __init__(
        self,
        bucket: Any,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        upload_id_marker: str = "",
        max_uploads: int = 1000,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(bucket, key_marker, max_retries, headers)
        self.prefix = prefix
        self.delimiter = delimiter
        self.next_upload_id_marker = upload_id_marker
        self.max_uploads = max_uploads

    def _fetch(self) -> tuple[bool, str]:
        result = self.bucket.list_multipart_uploads(
            prefix=self.prefix,
            delimiter=self.delimiter,
            key_marker=self.next_marker,
            upload_id_marker=self.next_upload_id_marker,
            max_uploads=self.max_uploads,
            headers=self.headers,
        )
        prefixes = [MultipartUploadInfo(prefix, None, None) for prefix in result.prefix_list]
        self.entries = sorted([*result.upload_list, *prefixes], key=lambda upload: upload.key)
        self.next_upload_id_marker = result.next_upload_id_marker
        return result.is_truncated, result.next_key_marker


class ObjectUploadIterator(_Pages[MultipartUploadInfo]):
    """The unfinished uploads of one object.

    Args:
        bucket: A `CryptoBucket`.
        key: The object's name.
        max_uploads: Most entries in a page.
        max_retries: As in `ObjectIterator`.
        headers: Of each request.
    """

    def __init__(
        self,
        bucket: Any,
        key: str,
        max_uploads: int = 1000,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(bucket, "", max_retries, headers)
        self.key = key
        self.next_upload_id_marker = ""
        self.max_uploads = max_uploads

    def _fetch(self) -> tuple[bool, str]:
        result = self.bucket.list_multipart_uploads(
            prefix=self.key,
            key_marker=self.next_marker,
            upload_id_marker=self.next_upload_id_marker,
            max_uploads=self.max_uploads,
            headers=self.headers,
        )
        self.entries = [upload for upload in result.upload_list if upload.key == self.key]
        self.next_upload_id_marker = result.next_upload_id_marker
        # Names that only begin with this one come after it.
        passed = result.upload_list and result.upload_list[-1].key != self.key
        more = result.is_truncated and not passed and result.next_key_marker <= self.key
        return more, result.next_key_marker


class PartIterator(_Pages[PartInfo]):
    """The parts of an unfinished upload that arrived.

    Args:
        bucket: A `CryptoBucket`.
        key: The object's name.
        upload_id: Of the upload.
        marker: Only parts after this number.
        max_parts: Most entries in a page.
        max_retries: As in `ObjectIterator`.
        headers: Of each request.
    """

    def __init__(
        self,
        bucket: Any,
        key: str,
        upload_id: str,
        marker: str = "0",
        max_parts: int = 1000,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(bucket, marker, max_retries, headers)
        self.key = key
        self.upload_id = upload_id
        self.max_parts = max_parts

    def _fetch(self) -> tuple[bool, str]:
        result = self.bucket.list_parts(
            self.key,
            self.upload_id,
            marker=self.next_marker,
            max_parts=self.max_parts,
            headers=self.headers,
        )
        self.entries = list(result.parts)
        return result.is_truncated, result.next_marker


def _with_prefixes(result: Any) -> list[SimplifiedObjectInfo]:
    prefixes = [
        SimplifiedObjectInfo(prefix, None, None, None, None, None) for prefix in result.prefix_list
    ]
    return sorted([*result.object_list, *prefixes], key=lambda entry: entry.key)
