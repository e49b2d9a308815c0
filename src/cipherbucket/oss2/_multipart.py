"""The calls of a `CryptoBucket` about uploads in parts.

The bucket keeps what it began by upload id, so that parts need no context; one that comes with a
context of another bucket goes on with what that bucket began, and one of another process by what
the context says. There nobody knows alone what was sent, and the service is asked before each part
whether it has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.unseal import unseal
from cipherbucket.format.span import PLAIN, PartPlan
from cipherbucket.oss2 import _xml
from cipherbucket.oss2._access import Face
from cipherbucket.oss2._arguments import Sent, body_of, check_md5, sorted_headers, warn_of_parts_md5
from cipherbucket.oss2._crypto_context import ContentCryptoMaterial, MultipartUploadCryptoContext
from cipherbucket.oss2._entries import PartInfo
from cipherbucket.oss2._error_translation import shown
from cipherbucket.oss2._objects import with_content_type
from cipherbucket.oss2._results import (
    InitMultipartUploadResult,
    ListMultipartUploadsResult,
    ListPartsResult,
    PutObjectResult,
    RequestResult,
)
from cipherbucket.oss2.exceptions import ClientError, InconsistentError
from cipherbucket.oss2.http import Response
from cipherbucket.oss2.utils import calc_obj_crc_from_parts, check_crc
from cipherbucket.writing.multipart import Multipart

ProgressCallback = Callable[[int, int | None], None]
_COMPLETE_ALL = "x-oss-complete-all"


class Parts(Face):
    """Uploads in parts."""

    def init_multipart_upload(
        self,
        key: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,  # noqa: ARG002  oss2 passes none of them on
        upload_context: MultipartUploadCryptoContext | None = None,
    ) -> InitMultipartUploadResult:
        """Begin an upload in parts.

        Args:
            key: The object's name.
            headers: Of the object, as in `put_object`.
            params: Without effect, as in oss2.
            upload_context: With ``data_size``, and ``part_size`` or None for a fitting one, which
                is put in; so is ``content_crypto_material``.

        Raises:
            ClientError: No context, no data size, or parts that cannot be.
        """
        if upload_context is None or not upload_context.data_size:
            raise ClientError(
                "It is not support none upload_context and must specify data_size of upload_context"
            )
        cipher, data_size = self.crypto_provider.cipher, upload_context.data_size
        part_size = upload_context.part_size or cipher.determine_part_size(data_size)
        if not cipher.is_valid_part_size(part_size, data_size):
            raise ClientError(
                "part_size is invalid for multipart upload for CryptoBucket: a multiple of 16,"
                " 102,400 or more, and 10,000 parts at most"
            )
        sent = with_content_type(sorted_headers(headers), key)
        if sent.md5 is not None:
            warn_of_parts_md5()
        added = sent.added | _forbidding(sent)
        with self._call(key) as (name, call):
            upload = self.as_cipherbucket(added).multipart(
                name,
                data_size=data_size,
                part_size=part_size,
                metadata=sent.metadata,
                headers=sent.kept,
            )
            result = InitMultipartUploadResult(call.answer("POST"))
            upload = upload.through(self._connection.store())
        result.upload_id = upload.upload_id
        upload_context.part_size = part_size
        upload_context.content_crypto_material = self._material_of(upload)
        upload_context.upload = upload
        with self.upload_contexts_lock:
            self.upload_contexts[upload.upload_id] = upload
        return result

    def upload_part(
        self,
        key: str,
        upload_id: str,
        part_number: int,
        data: Any,
        progress_callback: ProgressCallback | None = None,
        headers: Mapping[str, str] | None = None,
        upload_context: MultipartUploadCryptoContext | None = None,
    ) -> PutObjectResult:
        """Encrypt and store one part, in any order and from any thread.

        Args:
            key: The object's name.
            upload_id: From `init_multipart_upload`.
            part_number: The part's place, from 1.
            data: Exactly ``part_size`` bytes, in the last part the rest; as in `put_object`.
            progress_callback: Called with (0, size) and (size, size).
            headers: Request headers. ``Content-MD5`` is of the plaintext and checked.
            upload_context: From `init_multipart_upload`; not needed where this bucket began it.

        Raises:
            ClientError: No such part, another length, or it arrived with another content: one
                keystream must not encrypt two. The same may come again, and is not sent.
            InconsistentError: The context is of another upload or another kind of key.
            NoSuchUpload: The service does not know the upload.
        """
        sent = sorted_headers(headers)
        with self._call(key) as (name, call):
            upload = self._upload(name, upload_id, upload_context)
            view = upload.through(self._connection.store().adding(sent.added, {}))
            body, _ = body_of(data)
            if sent.md5 is not None:
                check_md5(body, sent.md5)
            start, stop = upload.plan.offsets(part_number)
            shared = upload_context is not None and upload_context.shared
            result = self._arrived(upload, part_number, body, shared=shared)
            if progress_callback is not None:
                progress_callback(0, stop - start)
            if result is None:
                view.upload_part(part_number, body)
                result = PutObjectResult(call.answer("PUT"))
            if progress_callback is not None:
                progress_callback(stop - start, stop - start)
            return result

    def complete_multipart_upload(
        self,
        key: str,
        upload_id: str,
        parts: Iterable[PartInfo] | None,
        headers: Mapping[str, str] | None = None,
    ) -> PutObjectResult:
        """Make the object of its parts.

        Args:
            key: The object's name.
            upload_id: From `init_multipart_upload`.
            parts: Number and ETag of each; their CRC is checked where size and CRC are given. None
                with the header ``x-oss-complete-all: yes`` takes what is there.
            headers: Request headers.

        Raises:
            ServerError: The service does not take these parts.
            InconsistentError: The object is not what was sent.
            NoSuchUpload: The service does not know the upload.
        """
        named = None if parts is None else sorted(parts, key=lambda part: part.part_number)
        sent = sorted_headers(headers)
        with self.upload_contexts_lock:
            upload = self.upload_contexts.get(upload_id)
        with self._call(key) as (name, call):
            store = self._connection.store()
            if upload is not None and upload.name == name and _all_of(upload, named):
                # All parts are named to the service, which takes that or "all there are".
                added = {k: text for k, text in sent.added.items() if k != _COMPLETE_ALL}
                view = upload.through(store.adding(added, {}))
                view.complete(if_absent=sent.if_absent)
                result = PutObjectResult(call.answer("POST"))
            else:
                answer = store.request(
                    "CompleteMultipartUpload",
                    "POST",
                    name,
                    headers=sent.added | _forbidding(sent),
                    query={"uploadId": upload_id},
                    body=b"" if named is None else _xml.complete_request(named),
                )
                result = PutObjectResult(shown(answer))
                if self.enable_crc and named is not None:
                    expected = calc_obj_crc_from_parts(named)
                    check_crc("multipart upload", expected, result.crc, result.request_id)
        self._forget(upload_id)
        return result

    def abort_multipart_upload(
        self, key: str, upload_id: str, headers: Mapping[str, str] | None = None
    ) -> RequestResult:
        """Give an upload up and free its parts.

        Raises:
            NoSuchUpload: The service does not know it.
        """
        try:
            answer = self._ask_object(
                "AbortMultipartUpload",
                "DELETE",
                key,
                headers=headers,
                params={"uploadId": upload_id},
            )
        finally:
            self._forget(upload_id)
        return RequestResult(answer)

    def list_parts(
        self,
        key: str,
        upload_id: str,
        marker: str = "",
        max_parts: int = 1000,
        headers: Mapping[str, str] | None = None,
    ) -> ListPartsResult:
        """List a page of the parts that arrived.

        Args:
            key: The object's name.
            upload_id: From `init_multipart_upload`.
            marker: Only parts after this number.
            max_parts: Most entries, 1 to 1,000.
            headers: Request headers.

        Raises:
            NoSuchUpload: The service does not know the upload.
        """
        params = {
            "uploadId": upload_id,
            "part-number-marker": marker,
            "max-parts": str(max_parts),
        }
        answer = self._ask_object("ListParts", "GET", key, headers=headers, params=params)
        return _xml.list_parts(answer)

    def list_multipart_uploads(
        self,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        upload_id_marker: str = "",
        max_uploads: int = 1000,
        headers: Mapping[str, str] | None = None,
    ) -> ListMultipartUploadsResult:
        """List a page of unfinished uploads, by name and then start.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that go on with it after the prefix into one prefix each.
            key_marker: Where the page begins: the name.
            upload_id_marker: And the upload.
            max_uploads: Most entries, 1 to 1,000.
            headers: Request headers.
        """
        params = {
            "uploads": "",
            "prefix": prefix,
            "delimiter": delimiter,
            "key-marker": key_marker,
            "upload-id-marker": upload_id_marker,
            "max-uploads": str(max_uploads),
            "encoding-type": "url",
        }
        answer = self._ask("ListMultipartUploads", "GET", headers=headers, params=params)
        return _xml.list_uploads(answer)

    def _material_of(self, upload: Multipart) -> ContentCryptoMaterial:
        recipient = upload.envelope.recipients[0]
        return ContentCryptoMaterial(
            self.crypto_provider.cipher,
            recipient.algorithm,
            recipient.wrapped_key,
            upload.envelope.wrapped_iv,
            dict(recipient.description) or None,
        )

    def _upload(
        self, name: str, upload_id: str, context: MultipartUploadCryptoContext | None
    ) -> Multipart:
        with self.upload_contexts_lock:
            upload = self.upload_contexts.get(upload_id)
        if context is None:
            if upload is None:
                raise ClientError(
                    "this bucket did not begin the upload: give the upload_context of"
                    " init_multipart_upload"
                )
        else:
            self._check(context, upload)
            if upload is None or upload.forked:
                upload = self._taken_up(name, upload_id, context)
        if upload.name != name:
            raise ClientError(f"the upload is one of {upload.name!r}, not of {name!r}")
        return upload

    def _check(self, context: MultipartUploadCryptoContext, upload: Multipart | None) -> None:
        material = context.content_crypto_material
        if material is None or not context.data_size or not context.part_size:
            raise ClientError("the upload_context was not filled by init_multipart_upload")
        provider = self.crypto_provider
        if (material.cek_alg, material.wrap_alg) != (provider.cipher.alg, provider.wrap_alg):
            raise InconsistentError(
                "Envelope or data encryption/decryption algorithm is inconsistent"
            )
        if upload is None:
            return
        plan, recipient = upload.plan, upload.envelope.recipients[0]
        ours = (plan.data_size, plan.part_size, recipient.wrapped_key, upload.envelope.wrapped_iv)
        told = (
            context.data_size,
            context.part_size,
            material.encrypted_key,
            material.encrypted_iv,
        )
        if told != ours:
            raise InconsistentError("the upload_context is of another upload")

    def _taken_up(
        self, name: str, upload_id: str, context: MultipartUploadCryptoContext
    ) -> Multipart:
        """Go on with an upload that another bucket or process began."""
        there = context.upload
        if there is not None and there.upload_id == upload_id and not (there.forked or there.ended):
            self._check(context, there)
            return there
        material = context.content_crypto_material
        assert material is not None
        assert context.data_size
        assert context.part_size
        envelope = material.envelope(context)
        policy = (self.policy or Policy()).in_bucket("oss")
        upload = Multipart.take_up(
            self._connection.store(),
            name,
            upload_id,
            PartPlan(context.data_size, context.part_size, PLAIN),
            envelope,
            unseal(envelope, self.crypto_provider.ring, policy),
        )
        context.shared = True
        with self.upload_contexts_lock:
            known = self.upload_contexts.get(upload_id)
            if known is None or known.forked:
                known = self.upload_contexts[upload_id] = upload
        context.upload = known
        return known

    def _arrived(
        self, upload: Multipart, number: int, body: Any, *, shared: bool
    ) -> PutObjectResult | None:
        """Return what came of a part that arrived and is this one; None where none arrived.

        Nothing is sent: neither a CRC-64 that two parts share, nor a service that lies of it, lets
        one keystream encrypt two contents.
        """
        ours = upload.arrived.get(number)
        if ours is None and not shared:
            return None
        listed = self.list_parts(upload.name, upload.upload_id, str(number - 1), 1)
        there = next((part for part in listed.parts if part.part_number == number), None)
        if ours is None and there is None:
            return None
        told = None if there is None else there.part_crc
        crc64 = told if ours is None else ours.crc64
        if there is None or not upload.arrived_alike(number, body, crc64):
            raise ClientError(
                f"part {number} arrived already as another: a part cannot be replaced; abort, and"
                " begin a new upload"
            )
        headers = {"ETag": f'"{there.etag}"', "x-oss-request-id": listed.request_id}
        return PutObjectResult(Response(200, headers | {"x-oss-hash-crc64ecma": str(crc64)}))

    def _forget(self, upload_id: str) -> None:
        with self.upload_contexts_lock:
            self.upload_contexts.pop(upload_id, None)


def _all_of(upload: Multipart, named: list[PartInfo] | None) -> bool:
    """Tell whether a program names just the parts that it handed over, in this process."""
    arrived = {} if upload.forked else upload.arrived
    if len(arrived) != upload.plan.count or named is None:
        return len(arrived) == upload.plan.count
    return [(part.part_number, part.etag) for part in named] == [
        (number, arrived[number].etag) for number in sorted(arrived)
    ]


def _forbidding(sent: Sent) -> dict[str, str]:
    return {"x-oss-forbid-overwrite": "true"} if sent.if_absent else {}
