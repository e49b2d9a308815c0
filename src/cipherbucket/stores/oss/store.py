"""Alibaba Cloud OSS.

What OSS adds to the common verbs is added here: versions, restoring archived objects, storage
classes and the like as ``x-oss-`` headers. Requests with a body are sent once: whether the same
bytes can be sent again is not for a transport to decide (`cipherbucket.writing.one_request`).
Reads that break off go on where they broke, bound to the same object by its ETag.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from alibabacloud_oss_v2.types import OperationInput

from cipherbucket.errors import CipherbucketError, RangeError, UploadNotFoundError
from cipherbucket.stores.bodies import Outgoing, RawBody
from cipherbucket.stores.oss.copying import POLICED, OssCopying, with_prefix
from cipherbucket.stores.oss.headers import range_header, received_range, stored_object
from cipherbucket.stores.oss.http import Http, Response
from cipherbucket.stores.oss.resuming_body import ResumingBody
from cipherbucket.stores.oss.sdk import new_client, service_errors
from cipherbucket.stores.oss.settings import OssSettings
from cipherbucket.stores.oss.xml_verbs import refuse_if_match
from cipherbucket.stores.records import Match, Part, StoredObject, check_conditions, clip


class OssStore(OssCopying):
    """A bucket in Alibaba Cloud OSS.

    Args:
        bucket: Its name.
        settings: Region, endpoint, credentials and the like.

    Raises:
        UsageError: The settings lead to no endpoint.
        MissingExtraError: The default chain of credentials is needed and not installed.
    """

    conditional = False
    fixed_metadata = POLICED

    def __init__(self, bucket: str, settings: OssSettings) -> None:
        self._bucket = bucket
        self._acls = {}
        self._http = Http(
            proxy=settings.proxy,
            ca_file=settings.ca_file,
            verify=settings.verify,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
        )
        self._client = new_client(settings, self._http)

    @property
    def url(self) -> str:
        """``oss://bucket``."""
        return f"oss://{self._bucket}"

    def _send(
        self,
        operation: str,
        method: str,
        name: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Outgoing | None = None,
        stream: bool = False,
    ) -> Response:
        request = OperationInput(
            op_name=operation,
            method=method,
            headers=dict(headers or {}),
            parameters=dict(query or {}),
            body=body,
            bucket=self._bucket,
            key=name,
            op_metadata={"response-stream": stream},
        )
        # A condition that held when the request was done would not hold the second time.
        once = body is not None or "x-oss-forbid-overwrite" in request.headers
        attempts = {"retry_max_attempts": 1} if once else {}
        if body is not None and len(body) == 0:
            for _ in body:  # nothing is sent, but at its end a body checks itself
                pass
        try:
            with service_errors(name):
                output = self._client.invoke_operation(request, **attempts)
        except CipherbucketError:
            if body is not None and body.failure is not None:
                raise body.failure from None  # the caller's body broke, not the store
            raise
        response: Response = output.http_response.raw
        return response

    def _put(
        self,
        name: str,
        body: Outgoing,
        metadata: dict[str, str],
        headers: dict[str, str],
        if_absent: bool,
        if_match: Match | None,
    ) -> StoredObject:
        refuse_if_match(if_match, name)
        sent = _with_metadata(metadata, headers)
        if if_absent:
            sent["x-oss-forbid-overwrite"] = "true"
        response = self._send("PutObject", "PUT", name, headers=sent, body=body)
        return _as_written(stored_object(name, response.headers, len(body)), metadata, headers)

    def _get(
        self,
        name: str,
        start: int,
        length: int | None,
        tail: int | None,
        if_match: str | None,
        version_id: str | None,
    ) -> tuple[StoredObject, int, int, RawBody]:
        headers = {} if if_match is None else {"if-match": f'"{if_match}"'}
        if (span := range_header(start, length, tail)) is not None:
            if length == 0 or tail == 0:
                return self._nothing_of(name, start, length, tail, if_match, version_id)
            # Without it OSS answers a range that leaves the object with the whole object.
            headers |= {"range": span, "x-oss-range-behavior": "standard"}
        query = {} if version_id is None else {"versionId": version_id}
        try:
            response = self._send(
                "GetObject", "GET", name, headers=headers, query=query, stream=True
            )
        except RangeError:
            return self._nothing_of(name, start, length, tail, if_match, version_id)
        try:
            first, stop, size = received_range(name, response.status, response.headers)
            stored = stored_object(name, response.headers, size)
            clip(name, size, start, length, tail)
        except BaseException:
            response.close()
            raise

        def reopen(position: int, end: int) -> tuple[Response, int, int, str]:
            rest = {
                "range": f"bytes={position}-{end - 1}",
                "x-oss-range-behavior": "standard",
                "if-match": f'"{stored.etag}"',
            }
            again = self._send("GetObject", "GET", name, headers=rest, query=query, stream=True)
            try:
                begin, behind, _ = received_range(name, again.status, again.headers)
                return again, begin, behind, stored_object(name, again.headers, size).etag
            except BaseException:
                again.close()
                raise

        body = ResumingBody(name, response, first, stop, stored.etag, reopen)
        return stored, first, stop, body

    def _nothing_of(
        self,
        name: str,
        start: int,
        length: int | None,
        tail: int | None,
        if_match: str | None,
        version_id: str | None,
    ) -> tuple[StoredObject, int, int, RawBody]:
        """Answer a range of no bytes, which HTTP cannot ask for; refuse one after the end."""
        stored = self._head(name, version_id)
        check_conditions(stored, if_absent=False, if_match=if_match, name=name)
        first, stop = clip(name, stored.size, start, length, tail)
        if first != stop:
            raise RangeError("the store refused a range that lies in the object", name=name)
        return stored, first, stop, _Nothing()

    def _delete(self, name: str, version_id: str | None) -> None:
        query = {} if version_id is None else {"versionId": version_id}
        self._send("DeleteObject", "DELETE", name, query=query)

    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
        response = self._send(
            "UploadPart",
            "PUT",
            name,
            headers=_with_metadata(body.metadata, {}),
            query={"partNumber": str(number), "uploadId": upload_id},
            body=body,
        )
        answer = stored_object(name, response.headers, len(body))
        return Part(number, len(body), answer.etag, answer.crc64)

    def _abort_upload(self, name: str, upload_id: str) -> None:
        with suppress(UploadNotFoundError):
            self._send("AbortMultipartUpload", "DELETE", name, query={"uploadId": upload_id})
        self._acls.pop(upload_id, None)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


class _Nothing:
    """A body of no bytes."""

    def readinto(self, _: memoryview, /) -> int:
        return 0

    def close(self) -> None:
        """Nothing to release."""


def _with_metadata(metadata: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, **with_prefix(metadata)}


def _as_written(
    stored: StoredObject, metadata: Mapping[str, str], headers: Mapping[str, str]
) -> StoredObject:
    """Complete a PUT's answer, which repeats neither metadata nor headers."""
    return StoredObject(
        name=stored.name,
        size=stored.size,
        etag=stored.etag,
        modified=stored.modified,
        crc64=stored.crc64,
        metadata=dict(metadata),
        headers=dict(headers),
        version_id=stored.version_id,
    )
