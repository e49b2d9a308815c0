"""Uploads in parts.

The bucket keeps what it began by upload id, so that parts need no context. A context of another
bucket continues what that bucket began; a context of another process continues by what it holds:
there nobody knows alone what was sent, and the service is asked before each part whether it has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.unseal import unseal
from cipherbucket.format.span import PLAIN, PartPlan
from cipherbucket.oss2 import _xml
from cipherbucket.oss2._access import OssAccess
from cipherbucket.oss2._answers import response_of
from cipherbucket.oss2._arguments import (
    ProgressCallback,
    body_of,
    check_md5,
    object_name,
    sorted_headers,
    warn_of_parts_md5,
)
from cipherbucket.oss2._connection import Connection
from cipherbucket.oss2._crypto_context import ContentCryptoMaterial, MultipartUploadCryptoContext
from cipherbucket.oss2._entries import PartInfo
from cipherbucket.oss2._error_translation import oss2_errors
from cipherbucket.oss2._objects import with_content_type
from cipherbucket.oss2._results import InitMultipartUploadResult, ListPartsResult, PutObjectResult
from cipherbucket.oss2.exceptions import ClientError, InconsistentError
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
    """Encrypt and store one part, or find that it arrived already."""
    sent = sorted_headers(headers)
    name = object_name(key)
    with oss2_errors() as answers:
        upload = _upload(access, name, upload_id, context)
        body, _ = body_of(data)
        if sent.md5 is not None:
            check_md5(body, sent.md5)
        start, stop = upload.plan.offsets(number)
        shared = context is not None and context.shared
        result = _arrived(access.connection, upload, number, body, shared=shared)
        if progress is not None:
            progress(0, stop - start)
        if result is None:
            store = access.connection.store().adding(sent.added, {})
            upload.through(store).upload_part(number, body)
            result = PutObjectResult(answers.newest("PUT"))
        if progress is not None:
            progress(stop - start, stop - start)
        return result


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
    return _xml.list_parts(answer)


def _upload(
    access: OssAccess, name: str, upload_id: str, context: MultipartUploadCryptoContext | None
) -> Multipart:
    upload = access.uploads.get(upload_id)
    if context is None:
        if upload is None:
            raise ClientError(
                "this bucket did not begin the upload: give the upload_context of"
                " init_multipart_upload"
            )
    else:
        _check(access, context, upload)
        if upload is None or upload.forked:
            upload = _taken_up(access, name, upload_id, context)
    if upload.name != name:
        raise ClientError(f"the upload is one of {upload.name!r}, not of {name!r}")
    return upload


def _check(
    access: OssAccess, context: MultipartUploadCryptoContext, upload: Multipart | None
) -> None:
    material = context.content_crypto_material
    if material is None or not context.data_size or not context.part_size:
        raise ClientError("the upload_context was not filled by init_multipart_upload")
    if (material.cek_alg, material.wrap_alg) != (
        access.provider.cipher.alg,
        access.provider.wrap_alg,
    ):
        raise InconsistentError("the algorithms of the upload_context are not the provider's")
    if upload is None:
        return
    plan, recipient = upload.plan, upload.envelope.recipients[0]
    if (
        context.data_size,
        context.part_size,
        material.encrypted_key,
        material.encrypted_iv,
    ) != (plan.data_size, plan.part_size, recipient.wrapped_key, upload.envelope.wrapped_iv):
        raise InconsistentError("the upload_context is of another upload")


def _taken_up(
    access: OssAccess, name: str, upload_id: str, context: MultipartUploadCryptoContext
) -> Multipart:
    """Continue an upload that another bucket or process began."""
    there = context.upload
    if there is not None and there.upload_id == upload_id and not (there.forked or there.ended):
        _check(access, context, there)
        return there
    material = context.content_crypto_material
    assert material is not None
    assert context.data_size
    assert context.part_size
    envelope = material.envelope(context)
    policy = (access.policy or Policy()).in_bucket("oss")
    upload = Multipart.take_up(
        access.connection.store(),
        name,
        upload_id,
        PartPlan(context.data_size, context.part_size, PLAIN),
        envelope,
        unseal(envelope, access.provider.ring, policy),
    )
    context.shared = True
    context.upload = access.uploads.taken_up(upload)
    return context.upload


def _arrived(
    connection: Connection, upload: Multipart, number: int, body: Any, *, shared: bool
) -> PutObjectResult | None:
    """Return what came of a part that arrived and is this one; None where none arrived.

    Nothing is sent: neither a CRC-64 that two parts share, nor a service that lies of it, lets
    one keystream encrypt two contents.
    """
    ours = upload.arrived.get(number)
    if ours is None and not shared:
        return None
    listed = list_parts(connection, upload.name, upload.upload_id, str(number - 1), 1)
    there = next((part for part in listed.parts if part.part_number == number), None)
    if ours is None and there is None:
        return None
    stored = None if there is None else there.part_crc
    crc64 = stored if ours is None else ours.crc64
    if there is None or not upload.arrived_alike(number, body, crc64):
        raise ClientError(
            f"part {number} arrived already as another: a part cannot be replaced; abort, and"
            " begin a new upload"
        )
    headers = {"ETag": f'"{there.etag}"', "x-oss-request-id": listed.request_id}
    return PutObjectResult(Response(200, headers | {"x-oss-hash-crc64ecma": str(crc64)}))


def _all_of(upload: Multipart, named: list[PartInfo] | None) -> bool:
    """Tell whether a program names just the parts that it handed over, in this process."""
    arrived = {} if upload.forked else upload.arrived
    if len(arrived) != upload.plan.count or named is None:
        return len(arrived) == upload.plan.count
    return [(part.part_number, part.etag) for part in named] == [
        (number, arrived[number].etag) for number in sorted(arrived)
    ]
