"""Master keys held by Alibaba Cloud KMS: they never leave it, and each use is in its audit log.

The KMS draws the data key and wraps it (GenerateDataKey), wraps the IV (Encrypt) and unwraps both
(Decrypt). Format ``oss`` is written as the SDKs write it, and what each of them wrote is read; two
layouts go under one algorithm and are told apart by the bytes (docs/format.md, sections 4 and 9).
In format ``sealed`` the encryption context binds a wrapped key to its object (section 14.4).

The blob names the KMS key that opens it, and whoever writes objects chooses the blob: which key
opened an object is told by the KMS's answer alone. ``allowed`` says which ones may.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NoReturn, Self

from cipherbucket.description import Description
from cipherbucket.errors import MasterKeyError, UsageError, WrongKeyError
from cipherbucket.keys.kms_answers import decoded, printable
from cipherbucket.keys.kms_client import KmsClient
from cipherbucket.keys.kms_settings import KmsSettings

KMS = "KMS/ALICLOUD"
"""That of format ``oss``."""
V1_KMS = "kms"
"""That of format ``oss-v1``, which is read."""
SEALED_KMS = "ALIBABA-KMS"
"""That of format ``sealed``; its encryption context is made from the context."""

_SEALED_CONTEXT = b"cipherbucket/sealed/v1\0"
_OBJECT_ID_LENGTH = 16
_MAX_BLOB = 8192

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
        encryption_context: Format ``oss``: pairs that the KMS binds to what it wraps. Of the SDKs,
            oss2 alone can read such objects, and those of ``passphrase`` only.
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
        if isinstance(allowed, str):
            raise UsageError("allowed is a list of key ids")
        self._id = key_id
        self._settings = settings if settings is not None else KmsSettings()
        self._description = Description({"kms": key_id} if description is None else description)
        self._blob = blob
        self._bound = encryption_context, passphrase
        self._context = _context_text(encryption_context, passphrase)
        self._allowed = None if allowed is None else frozenset({key_id, *allowed})
        self._client = KmsClient(self._settings)
        self._lock = threading.Lock()
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

    def described(self, description: Mapping[str, str] | str | None) -> Self:
        """Return the same key under another description; see the class for None."""
        pairs, passphrase = self._bound
        return type(self)(
            self._id,
            self._settings,
            description=description,
            blob=self._blob,
            encryption_context=pairs,
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

    def generate(self, length: int, *, algorithm: str, context: bytes) -> tuple[bytes, bytes]:
        """Let the KMS draw a data key and wrap it.

        Arguments and errors as `wrap`.
        """
        encryption_context = self._context_for(algorithm, context, writing=True)
        data_key, blob = self._client.generate(self._id, length, encryption_context)
        return data_key, self._stored(blob, algorithm)

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
        blob = self._client.encrypt(self._id, secret, encryption_context)
        return self._stored(blob, algorithm)

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
        raise WrongKeyError("the key does not open this object")

    def _admit(self, key_id: str) -> None:
        """Count a KMS key that opened something, after asking whether it may."""
        if self._allowed is not None and key_id not in self._allowed_ids(self._allowed):
            _log.warning("refused: KMS key %s is not among those allowed", printable(key_id))
            raise WrongKeyError("the key does not open this object")
        with self._lock:
            seen = self._opened_with.get(key_id, 0)
            self._opened_with[key_id] = seen + 1
        if not seen:
            _log.info("opened with KMS key %s; this key is %s", printable(key_id), self._id)

    def _allowed_ids(self, allowed: frozenset[str]) -> frozenset[str]:
        with self._lock:
            if self._resolved is None:
                self._resolved = frozenset(
                    self._client.describe(each) if ":" in each or "/" in each else each
                    for each in sorted(allowed)
                )
            return self._resolved

    def _context_for(self, algorithm: str, context: bytes, *, writing: bool) -> str:
        """Return the encryption context as JSON text, after every check that needs no KMS."""
        if algorithm == SEALED_KMS:
            object_id = context.removeprefix(_SEALED_CONTEXT)
            if len(context) != len(_SEALED_CONTEXT) + len(object_id) or (
                len(object_id) != _OBJECT_ID_LENGTH
            ):
                raise UsageError(f"{algorithm} takes the context of a sealed object")
            return _json({"cipherbucket": "sealed-v1", "id": object_id.hex()})
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

    def __reduce__(self) -> NoReturn:
        """Write credentials nowhere."""
        raise UsageError("a master key is not pickled")


def _context_text(pairs: Mapping[str, str] | None, passphrase: str | None) -> str:
    if passphrase is not None:
        if pairs is not None:
            raise UsageError("a passphrase is an encryption context: give one of the two")
        # As oss2 joins it, without escaping: what it wrote must be asked for in the same text.
        return f'{{"x-passphrase":"{passphrase}"}}' if passphrase else ""
    if not pairs:
        return ""
    if not all(isinstance(text, str) for pair in pairs.items() for text in pair):
        raise UsageError("an encryption context is a mapping of strings to strings")
    return _json(pairs)


def _json(pairs: Mapping[str, str]) -> str:
    return json.dumps(dict(pairs), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _blobs_in(wrapped: bytes, algorithm: str) -> list[str]:
    """Return the ``CiphertextBlob`` that an object stores; two if it can be read in two ways."""
    if not wrapped or len(wrapped) > _MAX_BLOB:
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
