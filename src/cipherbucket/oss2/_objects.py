"""The calls of a `CryptoBucket` that store objects, copy them, or change their metadata."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import OSS_V1
from cipherbucket.objects.metadata import beside, refuse_reserved
from cipherbucket.oss2._access import Face
from cipherbucket.oss2._arguments import (
    Sent,
    body_of,
    file_named,
    in_headers,
    sorted_headers,
    warn_of_md5,
)
from cipherbucket.oss2._connection import Connection, checked_bucket_name
from cipherbucket.oss2._content_types import content_type_by_name
from cipherbucket.oss2._error_translation import exchange
from cipherbucket.oss2._results import PutObjectResult
from cipherbucket.oss2.exceptions import ClientError
from cipherbucket.oss2.headers import OSS_COPY_OBJECT_SOURCE, OSS_METADATA_DIRECTIVE
from cipherbucket.stores.records import StoredObject

ProgressCallback = Callable[[int, int | None], None]
_VERSION = "versionId"
_SOURCE_IF_MATCH = "x-oss-copy-source-if-match"


class Writing(Face):
    """Stores and copies objects."""

    def put_object(
        self,
        key: str,
        data: Any,
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
    ) -> PutObjectResult:
        """Encrypt a body and store it, wholly or not at all.

        Args:
            key: The object's name.
            data: Bytes, text (stored as UTF-8), a binary file, read from its position on, or an
                iterable of bytes.
            headers: Request headers: ``x-oss-meta-``..., ``Content-Type`` (otherwise guessed from
                the name) and the like. ``Content-MD5`` is of the plaintext: it is checked and
                recorded in the clear, of which a warning tells. ``Content-Length`` is checked.
            progress_callback: Called with (bytes done, bytes in all or None).

        Raises:
            ClientError: Something that cannot be done.
            ServerError: The service refused or failed.
            RequestError: No answer came.
            InconsistentError: What arrived is not what was sent.
        """
        return self._put(key, data, headers, progress_callback, guess=key)

    def put_object_from_file(
        self,
        key: str,
        filename: str | bytes | os.PathLike[str],
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
    ) -> PutObjectResult:
        """Encrypt a file and store it; see `put_object`.

        Raises:
            OSError: The file cannot be read.
            And the exceptions of `put_object`; ClientError where it changed while it was read.
        """
        path = os.fsdecode(filename)
        with file_named(filename):
            return self._put(key, Path(path), headers, progress_callback, guess=path)

    def _put(
        self,
        key: str,
        data: Any,
        headers: Mapping[str, str] | None,
        progress: ProgressCallback | None,
        *,
        guess: str,
    ) -> PutObjectResult:
        sent = with_content_type(sorted_headers(headers), guess)
        body, length = body_of(data)
        if sent.md5 is not None:
            warn_of_md5()
        with self._call(key) as (name, call):
            self.as_cipherbucket(sent.added).put(
                name,
                body,
                metadata=sent.metadata,
                headers=sent.kept,
                content_md5=sent.md5,
                if_absent=sent.if_absent,
                size=length if sent.length is None else sent.length,
                progress=progress,
            )
            return PutObjectResult(call.answer("PUT"))

    def copy_object(
        self,
        source_bucket_name: str,
        source_key: str,
        target_key: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> PutObjectResult:
        """Copy an object inside the service: its envelope goes along, and no key is needed.

        Args:
            source_bucket_name: Where it is.
            source_key: Its name.
            target_key: The copy's name, in this bucket.
            headers: Request headers. With ``x-oss-metadata-directive: REPLACE``, and where the
                copy is the object itself, an encrypted object keeps its envelope, or the call is
                refused.
            params: ``versionId`` of the source.

        Raises:
            ClientError: The metadata of an encrypted object would be replaced, which the service
                allows nobody.
            NoSuchKey: No such source.
        """
        sent = sorted_headers(headers)
        version = (params or {}).get(_VERSION)
        directive = sent.added.get(OSS_METADATA_DIRECTIVE, "").upper()
        onto_itself = (source_bucket_name, source_key) == (self.bucket_name, target_key)
        if directive == "REPLACE" or (onto_itself and not directive):  # for the service the same
            self._carry_over(sent, source_bucket_name, source_key, version)
        origin = f"/{source_bucket_name}/{quote(source_key, '')}"
        if version is not None:
            origin += f"?versionId={quote(version, '')}"
        told = in_headers(sent.metadata) | sent.kept | sent.added | {OSS_COPY_OBJECT_SOURCE: origin}
        if sent.if_absent:
            told["x-oss-forbid-overwrite"] = "true"
        return PutObjectResult(self._ask_object("CopyObject", "PUT", target_key, headers=told))

    def update_object_meta(self, key: str, headers: Mapping[str, str] | None) -> PutObjectResult:
        """Replace an object's metadata and content headers; its envelope is never lost.

        Args:
            key: Its name.
            headers: All of them from now on; None leaves them.

        Raises:
            ClientError: The object is encrypted in a format whose metadata the service lets nobody
                change: put it again. oss2 asks the service nevertheless.
            NoSuchKey: No such object.
        """
        sent = sorted_headers(headers)
        sent.added.pop(OSS_METADATA_DIRECTIVE, None)
        with self._call(key) as (name, call):
            self.as_cipherbucket(sent.added).update_metadata(
                name,
                metadata=None if headers is None else sent.metadata,
                headers=None if headers is None else sent.kept,
            )
            return PutObjectResult(call.answer("PUT", "POST"))  # a large one goes in parts

    def _carry_over(self, sent: Sent, bucket_name: str, key: str, version: str | None) -> None:
        """Put the envelope of a copy's source beside new metadata, where the service allows it."""
        with exchange():
            refuse_reserved(sent.metadata, key)
            source = self._head(bucket_name, key, version)
            envelope = Envelope.parse(source.metadata)
            if envelope is not None and envelope.format != OSS_V1:
                raise ClientError(
                    f"{key!r} is encrypted, and the service lets nobody replace the metadata of"
                    " such an object: put it again with the new ones"
                )
            sent.metadata = beside(envelope, sent.metadata, key)
        sent.added.setdefault(_SOURCE_IF_MATCH, f'"{source.etag}"')  # what was looked at

    def _head(self, bucket_name: str, key: str, version: str | None) -> StoredObject:
        mine = self._connection
        place = dataclasses.replace(mine.place, bucket_name=checked_bucket_name(bucket_name))
        there = mine if place == mine.place else Connection(mine.auth, place)
        try:
            return there.store().head(key, version_id=version)
        finally:
            if there is not mine:
                there.close()


def with_content_type(sent: Sent, name: str) -> Sent:
    """Guess the content type from a name, where the program gives none."""
    if "content-type" not in sent.kept and (guessed := content_type_by_name(name)) is not None:
        sent.kept["content-type"] = guessed
    return sent
