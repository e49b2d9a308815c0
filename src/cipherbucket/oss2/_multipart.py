"""Uploads in parts.

The bucket keeps what it began by upload id, so that parts need no context. A context leads another
bucket of this process to the same upload. Another process cannot continue it: only here is known
what was sent under its data key, and the service's word for that is not taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cipherbucket.oss2 import _listings, _xml
from cipherbucket.oss2._access import OssAccess
from cipherbucket.oss2._answers import response_of
from cipherbucket.oss2._arguments import (
    ProgressCallback,
    body_of,
    check_md5,
    object_name,
    query_of,
    sorted_headers,
    warn_of_parts_md5,
)
from cipherbucket.oss2._connection import Connection
from cipherbucket.oss2._crypto_context import ContentCryptoMaterial, MultipartUploadCryptoContext
from cipherbucket.oss2._entries import PartInfo
from cipherbucket.oss2._error_translation import oss2_errors
from cipherbucket.oss2._objects import with_content_type
from cipherbucket.oss2._results import InitMultipartUploadResult, ListPartsResult, PutObjectResult
from cipherbucket.oss2.exceptions import ClientError, InconsistentError, NoSuchUpload
from cipherbucket.oss2.http import Response
from cipherbucket.oss2.utils import calc_obj_crc_from_parts, check_crc
from cipherbucket.writing.multipart import Multipart

_COMPLETE_ALL = "x-oss-complete-all"


def begin(
    access: OssAccess,
    key: str | bytes,
    headers: Mapping[str, str] | None,
    context: MultipartUploadCryptoContext | None,
) -> InitMultipartUploadResult:
    """Begin an upload, and fill its context."""
    if context is None or not context.data_size:
        raise ClientError(
            "an encrypted upload needs upload_context=MultipartUploadCryptoContext(data_size)"
        )
    cipher, data_size = access.provider.cipher, context.data_size
    part_size = context.part_size or cipher.determine_part_size(data_size)
    if not cipher.is_valid_part_size(part_size, data_size):
        raise ClientError(
            "part_size must be a multiple of 16, 102,400 or more, and give 10,000 parts at most"
        )
    name = object_name(key)
    sent = with_content_type(sorted_headers(headers), name)
    if sent.md5 is not None:
        warn_of_parts_md5()
    with oss2_errors() as answers:
        upload = access.bucket(sent.added | sent.forbidding).multipart(
            name,
            data_size=data_size,
            part_size=part_size,
            metadata=sent.metadata,
            headers=sent.kept,
        )
        result = InitMultipartUploadResult(answers.newest("POST"))
        upload = upload.through(access.connection.store())
        access.uploads.begun(upload)
    result.upload_id = upload.upload_id
    recipient = upload.envelope.recipients[0]
    context.part_size = part_size
    context.content_crypto_material = ContentCryptoMaterial(
        cipher,
        recipient.algorithm,
        recipient.wrapped_key,
        upload.envelope.wrapped_iv,
        dict(recipient.description) or None,
    )
    context.upload = upload
    return result


def upload_part(
    access: OssAccess,
    key: str | bytes,
    upload_id: str,
    number: int,
    data: Any,
    progress: ProgressCallback | None,
    headers: Mapping[str, str] | None,
    context: MultipartUploadCryptoContext | None,
) -> PutObjectResult:
    """Encrypt and store one part; one that arrived already is not sent again."""
    sent = sorted_headers(headers)
    name = object_name(key)
    with oss2_errors() as answers:
        upload = _upload(access, name, upload_id, context)
        body, _ = body_of(data)
        if sent.md5 is not None:
            check_md5(body, sent.md5)
        start, stop = upload.plan.offsets(number)
        if progress is not None:
            progress(0, stop - start)
        store = access.connection.store().adding(sent.added, {})
        part = upload.through(store).upload_part(number, body)
        if progress is not None:
            progress(stop - start, stop - start)
        if any(answer.method == "PUT" for answer in answers.seen):
            return PutObjectResult(answers.newest("PUT"))
        # It had arrived: nothing was sent, so there is no answer and no request id.
        headers = {"ETag": f'"{part.etag}"'}
        if part.crc64 is not None:
            headers["x-oss-hash-crc64ecma"] = str(part.crc64)
        return PutObjectResult(Response(200, headers))


def complete(
    access: OssAccess,
    key: str | bytes,
    upload_id: str,
    parts: Iterable[PartInfo] | None,
    headers: Mapping[str, str] | None,
) -> PutObjectResult:
    """Make the object of its parts."""
    named = None if parts is None else sorted(parts, key=lambda part: part.part_number)
    sent = sorted_headers(headers)
    upload = access.uploads.get(upload_id)
    name = object_name(key)
    with oss2_errors() as answers:
        store = access.connection.store()
        if upload is not None and upload.name == name and _all_of(upload, named):
            # All parts are named to the service, which takes that or "all there are".
            added = {k: text for k, text in sent.added.items() if k != _COMPLETE_ALL}
            upload.through(store.adding(added, {})).complete(if_absent=sent.if_absent)
            result = PutObjectResult(answers.newest("POST"))
        else:
            answer = store.client.request(
                "CompleteMultipartUpload",
                "POST",
                name,
                headers=sent.added | sent.forbidding,
                query={"uploadId": upload_id},
                body=b"" if named is None else _xml.complete_request(named),
            )
            result = PutObjectResult(response_of(answer))
            if access.enable_crc and named is not None:
                expected = calc_obj_crc_from_parts(named)
                check_crc("multipart upload", expected, result.crc, result.request_id)
    access.uploads.forget(upload_id)
    return result


def list_parts(
    connection: Connection,
    key: str | bytes,
    upload_id: str,
    marker: str,
    max_parts: int,
    headers: Mapping[str, str] | None = None,
) -> ListPartsResult:
    """List a page of the parts that arrived."""
    params = {"uploadId": upload_id, "part-number-marker": marker, "max-parts": max_parts}
    answer = connection.ask_object("ListParts", "GET", key, headers=headers, params=params)
    return _listings.list_parts(answer, query_of(params), object_name(key))


def _upload(
    access: OssAccess, name: str, upload_id: str, context: MultipartUploadCryptoContext | None
) -> Multipart:
    upload = access.uploads.get(upload_id) if context is None else context.upload
    if upload is None:
        raise ClientError(
            "this bucket did not begin the upload: give the upload_context of init_multipart_upload"
            if context is None
            else "the upload_context was not filled by init_multipart_upload in this process:"
            " begin a new upload"
        )
    if upload.upload_id != upload_id:
        raise InconsistentError("the upload_context is of another upload")
    if upload.name != name:
        raise ClientError(f"the upload is one of {upload.name!r}, not of {name!r}")
    if upload.ended is not None:
        details = {"Code": NoSuchUpload.code, "Message": f"the upload was {upload.ended}"}
        raise NoSuchUpload(NoSuchUpload.status, {}, b"", details)
    if upload.envelope.recipients[0].algorithm != access.provider.wrap_alg:
        raise InconsistentError("the algorithms of the upload_context are not the provider's")
    return upload


def _all_of(upload: Multipart, named: list[PartInfo] | None) -> bool:
    """Tell whether a program names just the parts that it handed over, in this process."""
    arrived = {} if upload.forked else upload.arrived
    if len(arrived) != upload.plan.count or named is None:
        return len(arrived) == upload.plan.count
    return [(part.part_number, part.etag) for part in named] == [
        (number, arrived[number].etag) for number in sorted(arrived)
    ]
