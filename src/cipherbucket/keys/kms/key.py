"""Master keys held by Alibaba Cloud KMS: they never leave it, and each use is in its audit log.

The KMS draws the data key and wraps it (GenerateDataKey), wraps the IV (Encrypt) and unwraps both
(Decrypt). Format ``oss`` is written as the SDKs write it, and what each of them wrote is read; two
layouts go under one algorithm, and the bytes decide (docs/format.md, sections 4 and 9).
In format ``sealed`` the encryption context binds a wrapped key to its object (section 14.4).

Rule: the blob names the KMS key that opens it, and whoever writes objects chooses the blob. So only
the KMS's answer says which key opened an object, and ``allowed`` says which ones may.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Self

from cipherbucket.errors import (
    KmsError,
    MasterKeyError,
    UsageError,
    WrongKeyError,
    not_copied,
    without_frames,
)
from cipherbucket.format.description import Description
from cipherbucket.format.sealed import wrap_context
from cipherbucket.keys.base import does_not_open
from cipherbucket.keys.kms.answers import MAX_BLOB, decoded
from cipherbucket.keys.kms.client import KmsClient
from cipherbucket.keys.kms.settings import KmsSettings
from cipherbucket.keys.kms.wrap_names import KMS, SEALED_KMS, V1_KMS

_OBJECT_ID_LENGTH = 16
_OURS = "cipherbucket"

_log = logging.getLogger(__name__)


class AliKmsKey:
    """A master key in Alibaba Cloud KMS.

    Args:
        key_id: Id, alias (``alias/...``) or ARN of a symmetric KMS key.
        settings: How the KMS is reached; None takes all from the environment.
        description: The label by which readers find the key, as a mapping or as its exact JSON
            text. None: ``{"kms": key_id}``. Objects of the SDKs have what their program gave, often
            none at all: ``{}``.
        blob: How format ``oss`` stores what the KMS returns: ``single`` for readers with the Go
            and Java SDKs, ``double`` for those with oss2's ``AliKMSProvider``. Both are read.
        encryption_context: Format ``oss``: names and texts that the KMS binds to what it wraps. Of
            the SDKs, oss2 alone can read such objects, and those of ``passphrase`` only.
        passphrase: Format ``oss``: the encryption context that oss2 makes of its ``passphrase``.
        allowed: Further KMS keys that may have wrapped what this key opens: ids, aliases or ARNs;
            empty for none but ``key_id``. None: any that the account can use; see `opened_with`.

    Raises:
        MasterKeyError: No key id.
        UsageError: A value that cannot be used, or settings that lead nowhere.
        MissingExtraError: The extra ``kms`` is not installed.
    """

    remote = True
    """Each call is a round trip."""

    @without_frames
    def __init__(
        self,
        key_id: str,
        settings: KmsSettings | None = None,
        *,
        description: Mapping[str, str] | str | None = None,
        blob: str = "single",
        encryption_context: Mapping[str, str] | None = None,
        passphrase: str | None = None,
        allowed: Iterable[str] | None = None,
    ) -> None:
        if not isinstance(key_id, str) or not key_id or not key_id.isprintable():
            raise MasterKeyError("a KMS key has an id", hint="the KMS console shows it")
        if blob not in {"single", "double"}:
            raise UsageError(f"blob is 'single' or 'double', not {blob!r}")
        allowed = None if allowed is None else _names(allowed)
        self._id = key_id
        self._settings = settings if settings is not None else KmsSettings()
        self._description = Description({"kms": key_id} if description is None else description)
        self._blob = blob
        self._bound = encryption_context, passphrase
        self._context = _context_text(encryption_context, passphrase)
        self._allowed = None if allowed is None else allowed | {key_id}
        self._client = KmsClient(self._settings)
        self._lock = threading.Lock()
        self._resolving = threading.Lock()  # held while the KMS is asked
        self._resolved: frozenset[str] | None = None
        self._opened_with: dict[str, int] = {}

    @property
    def id(self) -> str:
        """The KMS key's id, alias or ARN, as it was given."""
        return self._id

    @property
    def description(self) -> Description:
        """The label by which readers find the key."""
        return self._description

    @property
    def algorithms(self) -> frozenset[str]:
        """The wrap algorithms of KMS keys, one a format."""
        return frozenset({KMS, V1_KMS, SEALED_KMS})

    @property
    def opened_with(self) -> Mapping[str, int]:
        """Ids of the KMS keys that unwrapped something here, and how often.

        An id that you do not know means that someone who may use another KMS key of the account
        wrote, or changed, what was read. Each is logged when it is first seen.
        """
        with self._lock:
            return MappingProxyType(dict(self._opened_with))

    @without_frames
    def described(self, description: Mapping[str, str] | str | None) -> Self:
        """Return the same key under another description; see the class for None."""
        encryption_context, passphrase = self._bound
        return type(self)(
            self._id,
            self._settings,
            description=description,
            blob=self._blob,
            encryption_context=encryption_context,
            passphrase=passphrase,
            allowed=self._allowed,
        )

    def algorithm_for(self, format: str) -> str:  # noqa: A002  the word of the documents
        """Return the wrap algorithm this key writes a format with.

        Raises:
            MasterKeyError: Not this format.
        """
        if format not in {"oss", "sealed"}:
            raise MasterKeyError(f"KMS keys do not write format {format!r}")
        return KMS if format == "oss" else SEALED_KMS

    @without_frames
    def generate(self, length: int, *, algorithm: str, context: bytes) -> tuple[bytes, bytes]:
        """Let the KMS draw a data key and wrap it.

        Arguments and errors as `wrap`.
        """
        encryption_context = self._context_for(algorithm, context, writing=True)
        data_key, blob, key_id = self._client.generate(self._id, length, encryption_context)
        self._check_written(key_id)
        return data_key, self._stored(blob, algorithm)

    @without_frames
    def wrap(self, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Let the KMS wrap a secret.

        Args:
            secret: At least one byte.
            algorithm: ``KMS/ALICLOUD`` or ``ALIBABA-KMS``.
            context: For the latter ``cipherbucket/sealed/v1``, a zero byte and the object's id
                (16 bytes); empty for the former.

        Raises:
            UsageError: Another algorithm or context, or nothing to wrap.
            MasterKeyError: The KMS has no such key, or the algorithm is only read.
            KmsError: The KMS refused, failed or could not be reached.
        """
        encryption_context = self._context_for(algorithm, context, writing=True)
        if not secret:
            raise UsageError("nothing cannot be wrapped")
        blob, key_id = self._client.encrypt(self._id, secret, encryption_context)
        self._check_written(key_id)
        return self._stored(blob, algorithm)

    @without_frames
    def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Let the KMS unwrap a secret.

        Raises:
            WrongKeyError: It does not unwrap: no ciphertext of this account's keys, of a key that
                is not allowed, under another context, or altered.
            KmsError: The KMS refused, failed or could not be reached.
            MasterKeyError: The KMS has no key of a name in ``allowed``.
            UsageError: Another algorithm or context.
        """
        encryption_context = self._context_for(algorithm, context, writing=False)
        for blob in _blobs_in(wrapped, algorithm):
            try:
                plaintext, key_id = self._client.decrypt(blob, encryption_context)
            except WrongKeyError:
                continue
            self._admit(key_id)
            secret = _secret_in(plaintext, algorithm)
            if secret is not None:
                return secret
            break
        raise does_not_open()

    def was_wrapped(self, wrapped: bytes, secret: bytes, *, algorithm: str) -> bool:  # noqa: ARG002  whatever it is
        """Return True: a KMS authenticates what it decrypts."""
        return True

    @without_frames
    def wrapped_by(self, wrapped: bytes, *, algorithm: str, context: bytes) -> str:
        """Return the id of the KMS key that wrapped a secret, allowed or not; errors as `unwrap`.

        The KMS says so only with the secret, which is dropped: its log shows a use of that key.
        """
        encryption_context = self._context_for(algorithm, context, writing=False)
        for blob in _blobs_in(wrapped, algorithm):
            with suppress(WrongKeyError):
                return self._client.decrypt(blob, encryption_context)[1]
        raise WrongKeyError("the KMS does not open this object")

    def _check_written(self, key_id: str) -> None:
        if not self._allows(key_id):
            raise KmsError(
                f"the KMS wrapped with key {key_id}, which is not among those allowed",
                hint="nothing was written; look at which key the alias names, and at allowed=",
            )

    def _admit(self, key_id: str) -> None:
        """Count a KMS key that opened something, after asking whether it may."""
        if not self._allows(key_id):
            _log.warning("refused: KMS key %s is not among those allowed", key_id)
            raise does_not_open()
        with self._lock:
            seen = self._opened_with.get(key_id, 0)
            self._opened_with[key_id] = seen + 1
        if not seen:
            _log.info("opened with KMS key %s; this key is %s", key_id, self._id)

    def _allows(self, key_id: str) -> bool:
        if self._allowed is None or key_id in self._allowed:
            return True
        with self._resolving:
            if self._resolved is None:
                self._resolved = self._resolve(self._allowed)
            elif key_id not in self._resolved and any("alias/" in each for each in self._allowed):
                self._resolved = self._resolve(self._allowed)  # an alias may have moved since
            return key_id in self._resolved

    def _resolve(self, names: frozenset[str]) -> frozenset[str]:
        return frozenset(
            self._client.describe(each) for each in sorted(names) if ":" in each or "/" in each
        )

    def _context_for(self, algorithm: str, context: bytes, *, writing: bool) -> str:
        """Return the encryption context as JSON text, after every check that needs no KMS."""
        if algorithm == SEALED_KMS:
            object_id = context[-_OBJECT_ID_LENGTH:]
            if len(object_id) != _OBJECT_ID_LENGTH or context != wrap_context(object_id):
                raise UsageError(f"{algorithm} takes the context of a sealed object")
            return _json({_OURS: "sealed-v1", "id": object_id.hex()})
        if algorithm not in self.algorithms:
            raise UsageError(f"{algorithm!r} is no wrap algorithm of KMS keys")
        if context:
            raise UsageError(f"{algorithm} cannot bind this context; see encryption_context=")
        if writing and algorithm == V1_KMS:
            raise MasterKeyError(f"{V1_KMS!r} is read, never written", hint=f"write {KMS!r}")
        return self._context

    def _stored(self, blob: str, algorithm: str) -> bytes:
        if algorithm == SEALED_KMS or self._blob == "double":
            return blob.encode("ascii")
        return base64.b64decode(blob)  # the envelope encodes it again, to the same text

    def __repr__(self) -> str:
        """Show id and description only."""
        return f"AliKmsKey({self._id!r}, {self._description.text!r})"

    __reduce__ = not_copied("a master key", "load the key again where it is needed")


def _context_text(given: Mapping[str, str] | None, passphrase: str | None) -> str:
    if passphrase is not None:
        if given is not None:
            raise UsageError("a passphrase is an encryption context: give one of the two")
        if not isinstance(passphrase, str):
            raise UsageError("a passphrase is a text")
        # As oss2 joins it, without escaping: what it wrote must be asked for in the same text.
        return _sendable(f'{{"x-passphrase":"{passphrase}"}}') if passphrase else ""
    if not given:
        return ""
    if not all(isinstance(text, str) for entry in given.items() for text in entry):
        raise UsageError("an encryption context is a mapping of strings to strings")
    if _OURS in given:  # one that an object of the other format may have
        raise UsageError(f"the name {_OURS!r} in an encryption context is that of format 'sealed'")
    return _sendable(_json(given))


def _sendable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        raise UsageError("an encryption context is text that UTF-8 can write") from None
    return text


def _names(allowed: Iterable[str]) -> frozenset[str]:
    names = [allowed] if isinstance(allowed, str) else list(allowed)
    if isinstance(allowed, str) or not all(
        isinstance(each, str) and each and each.isprintable() for each in names
    ):
        raise UsageError("allowed is a list of key ids, aliases and ARNs")
    return frozenset(names)


def _json(texts: Mapping[str, str]) -> str:
    return json.dumps(dict(texts), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _blobs_in(wrapped: bytes, algorithm: str) -> list[str]:
    """Return the ``CiphertextBlob`` that an object stores; two if it can be read in two ways."""
    if not wrapped or len(wrapped) > MAX_BLOB:
        return []
    text = wrapped.decode("ascii", "replace")
    if algorithm == SEALED_KMS:
        return [text] if decoded(text) is not None else []
    encoded = base64.b64encode(wrapped).decode()
    if algorithm == V1_KMS or decoded(text) is None:
        return [encoded]
    return [text, encoded]  # base64 in base64 is oss2's; a KMS may make such blobs some day


def _secret_in(plaintext: str, algorithm: str) -> bytes | None:
    """Return the raw secret. V1's start is bare digits, which base64 of a key never is."""
    if algorithm == V1_KMS and plaintext.isascii() and plaintext.isdecimal():
        return plaintext.encode()
    return decoded(plaintext)
