"""What a program holds of an object's envelope, and of an upload in parts.

Rule: a context leads to the upload that it was filled for, in the process that began it. Nothing
here takes that upload up elsewhere: nobody there would know what was sent under its data key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cipherbucket.errors import CipherbucketError, not_copied
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import OSS_V1, SEALED
from cipherbucket.keys.kms.wrap_names import KMS, V1_KMS
from cipherbucket.keys.rsa import OAEP_SHA1, V1_RSA
from cipherbucket.oss2._client_errors import hinted
from cipherbucket.oss2._messages import message_of
from cipherbucket.oss2.exceptions import InconsistentError
from cipherbucket.oss2.http import CaseInsensitiveDict

if TYPE_CHECKING:
    from cipherbucket.oss2._cipher import AESCTRCipher
    from cipherbucket.writing.multipart import Multipart

_META = "x-oss-meta-"
_MD5 = "x-oss-meta-client-side-encryption-unencrypted-content-md5"
_LENGTH = "x-oss-meta-client-side-encryption-unencrypted-content-length"
_INSTEAD = (
    "send the parts from threads of one process, or let each process upload objects of its own;"
    " resumable_upload goes on after a crash"
)
_V1_NAMES = {V1_RSA: OAEP_SHA1, V1_KMS: KMS}


class ContentCryptoMaterial:
    """How one object is encrypted.

    Args:
        cipher: The content cipher; with a key only where `create_content_material` made it.
        wrap_alg: The wrap algorithm of the master key.
        encrypted_key: The data key, wrapped.
        encrypted_iv: The initial counter, wrapped.
        mat_desc: The master key's description, or None.

    Attributes:
        cek_alg: The content algorithm.
        deprecated: Whether the object is of the V1 format.
    """

    def __init__(
        self,
        cipher: AESCTRCipher,
        wrap_alg: str | None,
        encrypted_key: bytes | None = None,
        encrypted_iv: bytes | None = None,
        mat_desc: dict[str, str] | None = None,
    ) -> None:
        self.cipher = cipher
        self.cek_alg: str | None = cipher.alg
        self.wrap_alg = wrap_alg
        self.encrypted_key = encrypted_key
        self.encrypted_iv = encrypted_iv
        self.mat_desc = mat_desc
        self.deprecated = False

    def envelope(self, context: MultipartUploadCryptoContext | None = None) -> Envelope:
        """Return the envelope that says all this.

        Args:
            context: Of an upload in parts; its two sizes are written too, if it has both.

        Raises:
            InconsistentError: Something is missing, or cannot stand in an envelope.
        """
        sized = context if context and context.data_size and context.part_size else None
        try:
            return Envelope.compose(
                algorithm=self.wrap_alg or "",
                wrapped_key=_bytes(self.encrypted_key),
                wrapped_iv=_bytes(self.encrypted_iv),
                description=Description(description_text(self.mat_desc)),
                data_size=sized.data_size if sized else None,
                part_size=sized.part_size if sized else None,
            )
        except CipherbucketError as error:
            raise InconsistentError(
                f"no envelope can be made of this: {message_of(error)}"
            ) from None

    def to_object_meta(
        self,
        headers: Mapping[str, str] | None = None,
        multipart_upload_context: MultipartUploadCryptoContext | None = None,
    ) -> CaseInsensitiveDict:
        """Add the envelope to the headers of a request.

        ``Content-MD5`` and ``Content-Length``, which are of the plaintext, move to names of their
        own: the former shows the store which content it is.

        Args:
            headers: Of the request; a `CaseInsensitiveDict` is changed itself.
            multipart_upload_context: See `envelope`.
        """
        result = headers
        if not isinstance(result, CaseInsensitiveDict):
            result = CaseInsensitiveDict(headers)
        for name, moved in (("content-md5", _MD5), ("content-length", _LENGTH)):
            if name in result:
                result[moved] = result.pop(name)
        for name, text in self.envelope(multipart_upload_context).to_metadata().items():
            result[_META + name] = text
        return result

    def from_object_meta(self, headers: Mapping[str, str]) -> None:
        """Take over what the headers of an object say.

        Raises:
            InconsistentError: They name another algorithm, or cannot be understood.
        """
        metadata = {
            name.lower().removeprefix(_META): text
            for name, text in headers.items()
            if name.lower().startswith(_META)
        }
        try:
            envelope = Envelope.parse(metadata)
            description = dict(envelope.recipients[0].description) if envelope else {}
        except CipherbucketError as error:
            raise InconsistentError(
                f"the envelope cannot be understood: {message_of(error)}"
            ) from None
        if envelope is None:
            self.cek_alg = self.wrap_alg = None
            return
        recipient = envelope.recipients[0]
        if envelope.format == SEALED or envelope.content_algorithm != self.cek_alg:
            raise InconsistentError("the content algorithm of the object is not the cipher's")
        algorithm = _V1_NAMES.get(recipient.algorithm, recipient.algorithm)
        if algorithm != self.wrap_alg:
            raise InconsistentError("the wrap algorithm of the object is not the provider's")
        self.deprecated = envelope.format == OSS_V1
        self.encrypted_key = recipient.wrapped_key
        self.encrypted_iv = envelope.wrapped_iv
        self.mat_desc = description or self.mat_desc

    def is_unencrypted(self) -> bool:
        """Tell whether this is of an object that is not encrypted."""
        return not (self.encrypted_key or self.encrypted_iv or self.cek_alg or self.wrap_alg)

    __reduce__ = not_copied("a content_crypto_material", _INSTEAD, hinted)


class MultipartUploadCryptoContext:
    """What the parts of one upload have in common; `CryptoBucket.init_multipart_upload` fills it.

    Args:
        data_size: Bytes of plaintext in all.
        part_size: Bytes of every part but the last; a multiple of 16, 102,400 at least.
        content_crypto_material: How the object is encrypted.

    Attributes:
        upload: The upload itself, with its data key and what was sent of it.
    """

    def __init__(
        self,
        data_size: int | None = None,
        part_size: int | None = None,
        content_crypto_material: ContentCryptoMaterial | None = None,
    ) -> None:
        self.content_crypto_material = content_crypto_material
        self.data_size = data_size
        self.part_size = part_size
        self.upload: Multipart | None = None

    __reduce__ = not_copied("an upload_context", _INSTEAD, hinted)


def description_text(mat_desc: Mapping[str, str] | None) -> str:
    """Return a description as oss2 writes it, for readers that compare texts."""
    return json.dumps(mat_desc) if mat_desc else ""


def _bytes(value: bytes | str | None) -> bytes:
    # oss2 has what a KMS wrapped as text.
    return value.encode() if isinstance(value, str) else value or b""
