"""Whole objects: read, store, copy, change their metadata, delete.

Rule: nothing is encrypted, decrypted or checked here; that is done by the library's own `Bucket`,
to which a call hands the headers and parameters that its program adds.
"""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import OSS_V1
from cipherbucket.local_files.folders import open_special
from cipherbucket.objects.metadata import with_envelope
from cipherbucket.opening import open_url
from cipherbucket.oss2 import _xml
from cipherbucket.oss2._access import OssAccess
from cipherbucket.oss2._answers import Answers, response_of
from cipherbucket.oss2._arguments import (
    Bounds,
    FileName,
    ProgressCallback,
    RequestHeaders,
    Wanted,
    body_of,
    file_named,
    object_name,
    query_of,
    sorted_headers,
    span_of,
    warn_of_md5,
)
from cipherbucket.oss2._connection import Connection, checked_bucket_name
from cipherbucket.oss2._content_types import content_type_by_name
from cipherbucket.oss2._entries import BatchDeleteObjectVersion
from cipherbucket.oss2._error_translation import beyond_the_end, oss2_errors
from cipherbucket.oss2._results import (
    BatchDeleteObjectsResult,
    GetObjectResult,
    PutObjectResult,
)
from cipherbucket.oss2.exceptions import ClientError, make_exception
from cipherbucket.oss2.headers import OSS_COPY_OBJECT_SOURCE, OSS_METADATA_DIRECTIVE
from cipherbucket.oss2.utils import content_md5
from cipherbucket.reading.stream import ObjectStream
from cipherbucket.stores.records import StoredObject
from cipherbucket.transfers.target_file import Target, save
from cipherbucket.writing.destination import refuse_reserved

_PROCESS = "x-oss-process"
_VERSION = "versionId"
_SOURCE_IF_MATCH = "x-oss-copy-source-if-match"


def get(
    access: OssAccess,
    key: str | bytes,
    byte_range: Bounds | None,
    headers: Mapping[str, str] | None,
    progress: ProgressCallback | None,
    process: str | None,
    params: Mapping[str, str] | None,
) -> GetObjectResult:
    """Fetch an object, or a range of it, and decrypt it while it is read."""
    sent, query = sorted_headers(headers), query_of(params)
    if process or _PROCESS in query:
        raise _no_processing()
    span = span_of(byte_range, sent.range)
    version_id = query.pop(_VERSION, None) or None
    name = object_name(key)
    with oss2_errors() as answers:
        answers.wrap_alg = access.provider.wrap_alg
        source = access.bucket(sent.added, query).get(
            name,
            start=span[0] if span else 0,
            length=span[1] if span else None,
            version_id=version_id,
            progress=progress,
        )
        return _result(access, source, answers, span)


def get_by_url(
    access: OssAccess,
    url: str,
    byte_range: Bounds | None,
    headers: Mapping[str, str] | None,
    progress: ProgressCallback | None,
) -> GetObjectResult:
    """Fetch the object behind a presigned URL, as `get`."""
    if _PROCESS in parse_qs(urlsplit(url).query, keep_blank_values=True):
        raise _no_processing()
    sent = sorted_headers(headers)
    span = span_of(byte_range, sent.range)
    with oss2_errors() as answers:
        answers.wrap_alg = access.provider.wrap_alg
        source = open_url(
            url,
            access.provider.ring,
            start=span[0] if span else 0,
            length=span[1] if span else None,
            format="oss",
            policy=access.policy,
            settings=access.connection.settings(),
            headers=sent.kept | sent.added,
            progress=progress,
        )
        return _result(access, source, answers, span)


def _no_processing() -> ClientError:
    return ClientError("the service sees ciphertext: read the object and process it here")


def _result(
    access: OssAccess, source: ObjectStream, answers: Answers, span: Wanted
) -> GetObjectResult:
    if span is not None and span[0] and not source.length:
        # Our own bucket reads nothing at the very end of an object; HTTP says 416.
        refused = next((seen for seen in answers.seen if seen.status == 416), None)
        source.close()
        raise beyond_the_end() if refused is None else make_exception(response_of(refused))
    return GetObjectResult(
        answers.newest("GET", "HEAD"),  # an empty object has no first byte, and was looked at
        source,
        None if span is None else span[0],
        crc_enabled=access.enable_crc,
    )


def save_result(result: GetObjectResult, filename: FileName) -> GetObjectResult:
    """Write what is read to a file, which appears when all of it is good."""
    with file_named(filename, target=True), result, oss2_errors():
        path = target_path(filename)
        if (device := open_special(path)) is not None:
            with device:  # it cannot be replaced, nor is it to be
                for block in result:
                    device.write(block)
        else:
            with Target(path) as target:
                save(result.source, target)
    return result


def target_path(filename: FileName) -> Path:
    """Return the path of a file that is to be written.

    Raises:
        IsADirectoryError: It is a folder.
    """
    path = Path(os.fsdecode(filename))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    return path


def put(
    access: OssAccess,
    key: str | bytes,
    data: Any,
    headers: Mapping[str, str] | None,
    progress: ProgressCallback | None,
    *,
    named: str,
) -> PutObjectResult:
    """Encrypt a body and store it; ``named`` is the name whose ending says the content type."""
    sent = with_content_type(sorted_headers(headers), named)
    body, length = body_of(data)
    if sent.md5 is not None:
        warn_of_md5()
    name = object_name(key)
    with oss2_errors() as answers:
        access.bucket(sent.added).put(
            name,
            body,
            metadata=sent.metadata,
            headers=sent.kept,
            content_md5=sent.md5,
            if_absent=sent.if_absent,
            size=length if sent.length is None else sent.length,
            progress=progress,
        )
        return PutObjectResult(answers.newest("PUT"))


def with_content_type(sent: RequestHeaders, name: str) -> RequestHeaders:
    """Guess the content type from a name, where the program gives none."""
    if "content-type" not in sent.kept and (guessed := content_type_by_name(name)) is not None:
        sent.kept["content-type"] = guessed
    return sent


def copy(
    connection: Connection,
    source_bucket_name: str,
    source_key: str,
    target_key: str,
    headers: Mapping[str, str] | None,
    version: str | None,
) -> PutObjectResult:
    """Copy an object inside the service, with its envelope."""
    sent = sorted_headers(headers)
    directive = sent.added.get(OSS_METADATA_DIRECTIVE, "").upper()
    here = connection.place.bucket_name
    onto_itself = (source_bucket_name, source_key) == (here, target_key)
    if directive == "REPLACE" or (onto_itself and not directive):  # for the service the same
        _carry_over(connection, sent, source_bucket_name, source_key, version)
    origin = f"/{source_bucket_name}/{quote(source_key, '')}"
    if version is not None:
        origin += f"?{_VERSION}={quote(version, '')}"
    texts = sent.as_sent() | {OSS_COPY_OBJECT_SOURCE: origin}
    return PutObjectResult(connection.ask_object("CopyObject", "PUT", target_key, headers=texts))


def _carry_over(
    connection: Connection, sent: RequestHeaders, bucket_name: str, key: str, version: str | None
) -> None:
    """Put the envelope of a copy's source beside new metadata, where the service allows it."""
    with oss2_errors():
        refuse_reserved(sent.metadata, key)
        source = _head(connection, bucket_name, key, version)
        envelope = Envelope.parse(source.metadata)
        if envelope is not None and envelope.format != OSS_V1:
            raise ClientError(
                f"{key!r} is encrypted, and the service lets nobody replace the metadata of"
                " such an object: put it again with the new ones"
            )
        sent.metadata = with_envelope(envelope, sent.metadata, key)
    sent.added.setdefault(_SOURCE_IF_MATCH, f'"{source.etag}"')  # what was looked at


def _head(mine: Connection, bucket_name: str, key: str, version: str | None) -> StoredObject:
    place = dataclasses.replace(mine.place, bucket_name=checked_bucket_name(bucket_name))
    there = mine if place == mine.place else Connection(mine.auth, place)
    try:
        return there.store().head(key, version_id=version)
    finally:
        if there is not mine:
            there.close()


def update_metadata(
    access: OssAccess, key: str | bytes, headers: Mapping[str, str] | None
) -> PutObjectResult:
    """Replace an object's metadata and content headers; None leaves them."""
    sent = sorted_headers(headers)
    sent.added.pop(OSS_METADATA_DIRECTIVE, None)
    name = object_name(key)
    with oss2_errors() as answers:
        access.bucket(sent.added).update_metadata(
            name,
            metadata=None if headers is None else sent.metadata,
            headers=None if headers is None else sent.kept,
        )
        return PutObjectResult(answers.newest("PUT", "POST"))  # a large one goes in parts


def delete(
    connection: Connection,
    objects: Iterable[BatchDeleteObjectVersion],
    headers: Mapping[str, str] | None,
) -> BatchDeleteObjectsResult:
    """Delete objects or versions by one request."""
    named = list(objects)
    body = _xml.delete_request(named)
    answer = connection.ask_bucket(
        "DeleteMultipleObjects",
        "POST",
        params={"delete": "", "encoding-type": "url"},
        headers={**(headers or {}), "content-md5": content_md5(body)},
        body=body,
    )
    return _xml.deleted(answer, {each.key for each in named})
