"""The calls of a `CryptoBucket` that read objects."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cipherbucket.opening import open_url
from cipherbucket.oss2._access import Face
from cipherbucket.oss2._arguments import (
    Bounds,
    Wanted,
    file_named,
    query_of,
    sorted_headers,
    span_of,
)
from cipherbucket.oss2._error_translation import Exchange, beyond_the_end, exchange, shown
from cipherbucket.oss2._get_result import GetObjectResult
from cipherbucket.oss2._results import GetObjectMetaResult, HeadObjectResult
from cipherbucket.oss2.exceptions import (
    ClientError,
    NoSuchBucket,
    NoSuchKey,
    NotFound,
    make_exception,
)
from cipherbucket.reading.stream import ObjectStream
from cipherbucket.transfers.target_file import save

ProgressCallback = Callable[[int, int | None], None]
_PROCESS = "x-oss-process"


class Reading(Face):
    """Reads objects."""

    def get_object(
        self,
        key: str,
        byte_range: Bounds | None = None,
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
        process: str | None = None,
        params: Mapping[str, str] | None = None,
    ) -> GetObjectResult:
        """Fetch an object, or a range of it, and decrypt it while it is read.

        Args:
            key: Its name.
            byte_range: First and last byte, both inclusive; None for the end of the object.
            headers: Request headers, such as ``If-Match``.
            progress_callback: Called with (bytes done, bytes in all).
            process: None; ciphertext cannot be processed.
            params: Parameters, such as ``versionId``.

        Raises:
            NoSuchKey: No such object.
            ServerError: 416: the range begins after the end.
            ClientError: No key has its description, or the key does not open it; or the range is
                a suffix, or none.
            InconsistentError: It is not encrypted and the policy demands it, its envelope cannot
                be understood, or it is not what was stored.
        """
        sent = sorted_headers(headers)
        query = query_of(params)
        if process or _PROCESS in query:
            raise ClientError("Process object operation is not support for Crypto Bucket")
        span = span_of(byte_range, sent.range)
        version_id = query.pop("versionId", None) or None
        with self._call(key) as (name, call):
            call.wrap_alg = self.crypto_provider.wrap_alg
            source = self.as_cipherbucket(sent.added, query).get(
                name,
                start=span[0] if span else 0,
                length=span[1] if span else None,
                version_id=version_id,
                progress=progress_callback,
            )
            return self._shown(source, call, span)

    def get_object_to_file(
        self,
        key: str,
        filename: str | bytes | os.PathLike[str],
        byte_range: Bounds | None = None,
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
        process: str | None = None,
        params: Mapping[str, str] | None = None,
    ) -> GetObjectResult:
        """Write an object, or a range of it, to a file, which appears only when all of it is good.

        Args:
            key: Its name.
            filename: The file; one that is there is replaced. A new one is readable by its owner
                alone.
            byte_range: As in `get_object`, as all that follow.
            headers: Request headers.
            progress_callback: Called with (bytes done, bytes in all).
            process: None.
            params: Parameters.

        Raises:
            OSError: The file cannot be written.
            And the exceptions of `get_object`.
        """
        result = self.get_object(key, byte_range, headers, progress_callback, process, params)
        return _saved(result, filename)

    def get_object_with_url(
        self,
        sign_url: str,
        byte_range: Bounds | None = None,
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
    ) -> GetObjectResult:
        """Fetch the object behind a presigned URL; otherwise as `get_object`.

        Args:
            sign_url: From `sign_url`, for GET.
            byte_range: As in `get_object`.
            headers: Request headers, as they were signed.
            progress_callback: Called with (bytes done, bytes in all).
        """
        if _PROCESS in parse_qs(urlsplit(sign_url).query, keep_blank_values=True):
            raise ClientError("Process object operation is not support for Crypto Bucket")
        sent = sorted_headers(headers)
        span = span_of(byte_range, sent.range)
        with exchange() as call:
            call.wrap_alg = self.crypto_provider.wrap_alg
            source = open_url(
                sign_url,
                self.crypto_provider.ring,
                start=span[0] if span else 0,
                length=span[1] if span else None,
                format="oss",
                policy=self.policy,
                settings=self._connection.settings(),
                headers=sent.kept | sent.added,
                progress=progress_callback,
            )
            return self._shown(source, call, span)

    def get_object_with_url_to_file(
        self,
        sign_url: str,
        filename: str | bytes | os.PathLike[str],
        byte_range: Bounds | None = None,
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
    ) -> GetObjectResult:
        """Write the object behind a presigned URL to a file; see `get_object_to_file`."""
        result = self.get_object_with_url(sign_url, byte_range, headers, progress_callback)
        return _saved(result, filename)

    def head_object(
        self,
        key: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> HeadObjectResult:
        """Tell what is known of an object, whatever its kind; no key is needed.

        Raises:
            NoSuchKey: No such object.
        """
        answer = self._ask_object("HeadObject", "HEAD", key, headers=headers, params=params)
        return HeadObjectResult(answer)

    def get_object_meta(
        self,
        key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> GetObjectMetaResult:
        """Tell size, ETag and time of an object.

        Raises:
            NoSuchKey: No such object.
        """
        return GetObjectMetaResult(
            self._ask_object(
                "GetObjectMeta",
                "HEAD",
                key,
                headers=headers,
                params=params,
                subresource="objectMeta",
            )
        )

    def object_exists(self, key: str, headers: Mapping[str, str] | None = None) -> bool:
        """Tell whether there is an object of this name, whatever its kind.

        Raises:
            NoSuchBucket: There is no such bucket.
        """
        try:
            self.get_object_meta(key, headers=headers)
        except NoSuchKey:
            return False
        except NoSuchBucket:
            raise
        except NotFound:
            return False
        return True

    def _shown(self, source: ObjectStream, call: Exchange, span: Wanted) -> GetObjectResult:
        if span is not None and span[0] and not source.length:
            # Our own bucket reads nothing at the very end of an object; HTTP says 416.
            refused = next((seen for seen in call.seen if seen.status == 416), None)
            source.close()
            raise beyond_the_end() if refused is None else make_exception(shown(refused))
        return GetObjectResult(
            call.answer("GET", "HEAD"),  # an empty object has no first byte, and was looked at
            source,
            None if span is None else span[0],
            crc_enabled=bool(self.enable_crc),
        )


def target_of(filename: str | bytes | os.PathLike[str]) -> Path:
    """Return the path of a file that is to be written.

    Raises:
        IsADirectoryError: It is a folder.
    """
    path = Path(os.fsdecode(filename))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    return path


def _saved(result: GetObjectResult, filename: str | bytes | os.PathLike[str]) -> GetObjectResult:
    with file_named(filename, target=True), result, exchange():
        path = target_of(filename)
        if path.exists() and not path.is_file():
            with path.open("wb") as device:  # it cannot be replaced, nor is it to be
                for block in result:
                    device.write(block)
        else:
            save(result.source, path)
    return result
