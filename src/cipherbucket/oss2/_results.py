"""What the calls of a bucket return: the answer of the service, read.

Every result has `RequestResult`'s attributes; sizes and checksums are of what is stored, which for
an encrypted object has the length of the plaintext.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Self, TypeVar
from urllib.parse import unquote

from cipherbucket.errors import not_copied
from cipherbucket.oss2._client_errors import hinted
from cipherbucket.oss2._entries import (
    BatchDeleteObjectVersionResult,
    DeleteMarkerInfo,
    MultipartUploadInfo,
    ObjectVersionInfo,
    PartInfo,
    SimplifiedObjectInfo,
)
from cipherbucket.oss2._error_translation import oss2_errors
from cipherbucket.oss2._tagging import Tagging
from cipherbucket.oss2._times import http_to_unixtime
from cipherbucket.oss2.exceptions import InconsistentError
from cipherbucket.oss2.headers import (
    OSS_HASH_CRC64_ECMA,
    OSS_OBJECT_TYPE,
    OSS_SYMLINK_TARGET,
)
from cipherbucket.oss2.http import Response
from cipherbucket.reading.stream import ObjectStream

T = TypeVar("T")
_MAX_DIGITS = 18  # fits 63 bits


class RequestResult:
    """An answer.

    Attributes:
        resp: The answer itself.
        status: Its HTTP status.
        headers: Its headers.
        request_id: What the service's support asks for.
        versionid: The version of the object, in a bucket that keeps versions.
        delete_marker: Whether what was deleted or found is a delete marker.
    """

    def __init__(self, resp: Response) -> None:
        self.resp = resp
        self.status = resp.status
        self.headers = resp.headers
        self.request_id = resp.request_id
        self.versionid = self.headers.get("x-oss-version-id")
        self.delete_marker = read_header(self.headers, "x-oss-delete-marker", bool)


class HeadObjectResult(RequestResult):
    """What is known of an object.

    Attributes:
        object_type: ``Normal``, ``Multipart`` ...
        last_modified: Seconds since 1970.
        content_type: The content type.
        content_length: Bytes.
        etag: Without quotes.
        server_crc: CRC-64 of what is stored.
    """

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        self.object_type = self.headers.get(OSS_OBJECT_TYPE)
        self.last_modified = read_header(self.headers, "last-modified", http_to_unixtime)
        self.content_type = self.headers.get("content-type")
        self.content_length = _length(resp)
        self.etag = read_header(self.headers, "etag", unquoted)
        self.server_crc = read_header(self.headers, OSS_HASH_CRC64_ECMA, int)


class GetObjectMetaResult(RequestResult):
    """What ``get_object_meta`` returns: ``last_modified``, ``content_length`` and ``etag``."""

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        self.last_modified = read_header(self.headers, "last-modified", http_to_unixtime)
        self.content_length = _length(resp)
        self.etag = read_header(self.headers, "etag", unquoted)


class GetObjectResult(HeadObjectResult):
    """The plaintext of an object or a range of it, and what is known of the object.

    Lengths and ranges are those of the plaintext that comes. A whole object is good only when its
    end was reached: then its length, and its CRC-64 if the service keeps one, were compared.

    Attributes:
        content_range: Of a range, such as ``bytes 5-9/100``; None for a whole object.
        server_crc: CRC-64 of the whole stored object.
    """

    def __init__(
        self, resp: Response, source: ObjectStream, first: int | None, *, crc_enabled: bool
    ) -> None:
        size = source.info.size
        headers = dict(resp.headers)
        headers["Content-Length"] = str(source.length)
        status = resp.status
        if first is not None and source.length:  # a range, whatever the service made of it
            headers["Content-Range"] = f"bytes {first}-{first + source.length - 1}/{size}"
            status = 206
        super().__init__(Response(status, headers, _Translated(source)))
        self.content_range = self.headers.get("Content-Range")
        self._source = source
        self._crc_enabled = crc_enabled
        if crc_enabled:
            source.count_crc64()

    @property
    def stream(self) -> Self:
        """This result, which is what one reads from."""
        return self

    @property
    def client_crc(self) -> int | None:
        """CRC-64 of the stored bytes that were read; None where CRC is off."""
        return self._source.crc64 if self._crc_enabled else None

    @property
    def source(self) -> ObjectStream:
        """The stream behind it."""
        return self._source

    def read(self, amt: int | None = None) -> bytes:
        """Read ``amt`` bytes, or all that are left; ``b""`` at the end.

        Raises:
            InconsistentError: The object is not what was stored.
            RequestError: The connection broke, and could not be taken up again.
        """
        return self.resp.read(amt)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.resp)

    def close(self) -> None:
        """Release the connection; what was not read stays unread."""
        self.resp.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    __reduce__ = not_copied("a result that is being read", "get the object again", hinted)


class _Translated:
    """A stream whose errors are oss2's."""

    __reduce__ = GetObjectResult.__reduce__

    def __init__(self, source: ObjectStream) -> None:
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        with oss2_errors():
            return self._source.read(size)

    def close(self) -> None:
        self._source.close()


class GetSymlinkResult(RequestResult):
    """Where a symlink leads: ``target_key``."""

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        target = self.headers.get(OSS_SYMLINK_TARGET)
        if not target:
            raise InconsistentError("the service names no target of the symlink", resp.request_id)
        self.target_key = unquote(target)


class PutObjectResult(RequestResult):
    """What was stored: ``etag`` without quotes, and ``crc``, the CRC-64 of the stored bytes."""

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        self.etag = read_header(self.headers, "etag", unquoted)
        self.crc = read_header(self.headers, OSS_HASH_CRC64_ECMA, int)


class InitMultipartUploadResult(RequestResult):
    """The ``upload_id`` of an upload that was begun."""

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        self.upload_id: str = ""


class BatchDeleteObjectsResult(RequestResult):
    """What was deleted: ``deleted_keys``, and ``delete_versions`` with more about each."""

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        self.deleted_keys: list[str] = []
        self.delete_versions: list[BatchDeleteObjectVersionResult] = []


class ListObjectsResult(RequestResult):
    """A page of objects.

    Attributes:
        is_truncated: Whether there are more.
        next_marker: Where they begin.
        object_list: The objects.
        prefix_list: Common prefixes.
    """

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        self.is_truncated = False
        self.next_marker = ""
        self.object_list: list[SimplifiedObjectInfo] = []
        self.prefix_list: list[str] = []


class ListObjectsV2Result(RequestResult):
    """A page of objects, as `ListObjectsResult`, with a ``next_continuation_token``."""

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        self.is_truncated = False
        self.next_continuation_token = ""
        self.object_list: list[SimplifiedObjectInfo] = []
        self.prefix_list: list[str] = []


class ListMultipartUploadsResult(RequestResult):
    """A page of unfinished uploads.

    Attributes:
        is_truncated: Whether there are more.
        next_key_marker: Where they begin: the name.
        next_upload_id_marker: And the upload.
        upload_list: The uploads.
        prefix_list: Common prefixes.
    """

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        self.is_truncated = False
        self.next_key_marker = ""
        self.next_upload_id_marker = ""
        self.upload_list: list[MultipartUploadInfo] = []
        self.prefix_list: list[str] = []


class ListPartsResult(RequestResult):
    """A page of the parts that arrived: ``parts``, ``is_truncated``, ``next_marker``."""

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        self.is_truncated = False
        self.next_marker = ""
        self.parts: list[PartInfo] = []


class ListObjectVersionsResult(RequestResult):
    """A page of versions: ``versions``, ``delete_marker``, ``common_prefix``, and the markers."""

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        self.is_truncated = False
        self.key_marker = ""
        self.next_key_marker = ""
        self.versionid_marker = ""
        self.next_versionid_marker = ""
        self.name = ""
        self.owner = ""
        self.prefix = ""
        self.max_keys: int | str = ""
        self.delimiter = ""
        self.delete_marker: list[DeleteMarkerInfo] = []  # type: ignore[assignment]
        self.versions: list[ObjectVersionInfo] = []
        self.common_prefix: list[str] = []


class GetObjectAclResult(RequestResult):
    """The ACL of an object: ``acl``."""

    def __init__(self, resp: Response) -> None:
        super().__init__(resp)
        self.acl = ""


class GetTaggingResult(RequestResult, Tagging):
    """The tags of an object: ``tag_set``."""

    def __init__(self, resp: Response) -> None:
        RequestResult.__init__(self, resp)
        Tagging.__init__(self)


def _length(resp: Response) -> int | None:
    """Return the length that an answer says.

    Raises:
        InconsistentError: It is no number.
    """
    text = resp.headers.get("content-length")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise InconsistentError(f"the length {text[:40]!r} is no number", resp.request_id)
    return None if text is None else int(text)


def read_header(headers: Mapping[str, str], name: str, read: Callable[[str], T]) -> T | None:
    """Return what a header says; None where it is not there or says nothing of the kind."""
    text = headers.get(name)
    if text is None:
        return None
    try:
        return read(text)
    except ValueError:
        return None


def unquoted(text: str) -> str:
    """Return an ETag without its quotes."""
    return text.strip('"')
