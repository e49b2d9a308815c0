"""Ciphertexts of the KMS endpoint: AES-256-GCM under a version of a key, in a blob that names it.

Rule: nothing is encrypted without its key, version and context being authenticated; the context
itself is not stored. A nonce is 12 random bytes: a version must not encrypt more than 2^32 times,
which no test comes near.

::

    blob = base64( key id, 36 characters | version id, 36 characters | nonce[12]
                   | ciphertext | tag[16] )
    AAD  = key id | version id | canonical context

The real service's blobs begin with a UUID in ASCII, too; what follows it is its own.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cipherbucket.server.kms.errors import KmsApiError, Refusal

KEY_LENGTH = 32
MAX_CONTEXT = 8192
"""Most characters of a context."""
_NONCE = 12
_TAG = 16
_UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ID = 36


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob, taken apart; `read_blob` makes it.

    Attributes:
        key_id: Of the key that encrypted.
        version_id: Of the version of it.
        nonce: Random.
        body: Ciphertext and tag.
    """

    key_id: str
    version_id: str
    nonce: bytes
    body: bytes


def encrypt(
    secret: bytes, key_id: str, version_id: str, plaintext: bytes, context: Mapping[str, str]
) -> str:
    """Encrypt under one version of a key; return the blob as text."""
    nonce = secrets.token_bytes(_NONCE)
    body = AESGCM(secret).encrypt(nonce, plaintext, _bound(key_id, version_id, context))
    return base64.b64encode(f"{key_id}{version_id}".encode() + nonce + body).decode()


def read_blob(text: str, name: str = "CiphertextBlob") -> Blob:
    """Take a blob apart.

    Raises:
        KmsApiError: It is none.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KmsApiError(Refusal.INVALID_PARAMETER, name) from error
    key_id, version_id = raw[:_ID], raw[_ID : 2 * _ID]
    named = _UUID.fullmatch(key_id) and _UUID.fullmatch(version_id)
    if not named or len(raw) < 2 * _ID + _NONCE + _TAG:
        raise KmsApiError(Refusal.INVALID_PARAMETER, name)
    start = 2 * _ID + _NONCE
    return Blob(key_id.decode(), version_id.decode(), raw[2 * _ID : start], raw[start:])


def decrypt(secret: bytes, blob: Blob, context: Mapping[str, str]) -> bytes:
    """Decrypt a blob under the version of the key that it names.

    Raises:
        KmsApiError: It was changed, or made in another context or under another secret.
    """
    bound = _bound(blob.key_id, blob.version_id, context)
    try:
        return AESGCM(secret).decrypt(blob.nonce, blob.body, bound)
    except InvalidTag as error:
        raise KmsApiError(Refusal.INVALID_PARAMETER, "CiphertextBlob") from error


def parse_context(text: str, name: str = "EncryptionContext") -> dict[str, str]:
    """Read a context: a JSON object of strings, or nothing.

    Raises:
        KmsApiError: It is neither, or too long.
    """
    if not text:
        return {}
    try:
        context = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise KmsApiError(Refusal.INVALID_PARAMETER, name) from error
    strings = isinstance(context, dict) and all(isinstance(v, str) for v in context.values())
    if not strings or len(text) > MAX_CONTEXT:
        raise KmsApiError(Refusal.INVALID_PARAMETER, name)
    return dict(context)


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name comes twice")
    return dict(pairs)


def _bound(key_id: str, version_id: str, context: Mapping[str, str]) -> bytes:
    # Equivalent contexts are one, whatever their order and escapes; none and an empty one, too.
    canonical = json.dumps(dict(context), sort_keys=True, separators=(",", ":")) if context else ""
    return f"{key_id}{version_id}{canonical}".encode()
