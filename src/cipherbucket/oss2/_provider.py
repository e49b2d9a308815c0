"""The base of all providers: a ring of master keys under oss2's names."""

from __future__ import annotations

import abc
import base64
import copy
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from cipherbucket.envelopes.seal import seal
from cipherbucket.errors import warn_caller, without_frames
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.description import Description
from cipherbucket.keys.base import MasterKey, was_wrapped
from cipherbucket.keys.kms.wrap_names import KMS, V1_KMS
from cipherbucket.keys.ring import KeyRing
from cipherbucket.keys.rsa import OAEP_SHA1, PKCS1, V1_RSA
from cipherbucket.oss2._cipher import AESCTRCipher
from cipherbucket.oss2._crypto_context import ContentCryptoMaterial, description_text
from cipherbucket.oss2._error_translation import key_errors
from cipherbucket.oss2._messages import in_oss2_terms
from cipherbucket.oss2._streams import CipherStream
from cipherbucket.oss2.exceptions import ClientError

_V1_ALGORITHMS = {PKCS1: V1_RSA, OAEP_SHA1: V1_RSA, KMS: V1_KMS}


class _Ring(KeyRing):
    """A ring that warns in oss2's terms."""

    def _warn(self, text: str) -> None:
        warn_caller(in_oss2_terms(text))


class EncryptionMaterials:
    """A further master key, for reading what was encrypted under it.

    Args:
        desc: Its description.
        key_pair: For a `RsaProvider`: ``public_key`` and ``private_key``, as there.
        custom_master_key_id: For an `AliKMSProvider`: the id of the KMS key.
        passphrase: As the provider takes it.

    Raises:
        ClientError: Another type, or both kinds of key.
    """

    def __init__(
        self,
        desc: Mapping[str, str] | None,
        key_pair: Mapping[str, str | bytes] | None = None,
        custom_master_key_id: str | None = None,
        passphrase: str | None = None,
    ) -> None:
        if desc and not isinstance(desc, dict):
            raise ClientError("mat_desc must be a dict")
        if key_pair and custom_master_key_id:
            raise ClientError("give key_pair or custom_master_key_id, not both")
        if key_pair and not isinstance(key_pair, dict):
            raise ClientError("key_pair must be a dict")
        self.desc: dict[str, str] = dict(desc or {})
        self.key_pair = key_pair
        self.custom_master_key_id = custom_master_key_id
        self.passphrase = passphrase

    def add_description(self, key: str, value: str) -> None:
        """Add a pair to the description."""
        self.desc[key] = value

    def add_descriptions(self, descriptions: Mapping[str, str]) -> None:
        """Add pairs to the description."""
        self.desc.update(descriptions)

    def __repr__(self) -> str:
        """Show no key."""
        return f"EncryptionMaterials({self.desc!r})"


class BaseCryptoProvider(abc.ABC):
    """What a `CryptoBucket` takes its master keys from.

    Args:
        cipher: The content cipher; there is one, `cipherbucket.oss2.utils.AESCTRCipher`.
        mat_desc: The description of the key that writes.

    Attributes:
        encryption_materials_dict: Further keys, by the pairs of their descriptions.

    Raises:
        ClientError: Another cipher, or a description that is no mapping of strings.
    """

    cek_alg: str | None = None

    def __init__(self, cipher: Any, mat_desc: Mapping[str, str] | None = None) -> None:
        # Programs of the V1 format hand over the class.
        self.cipher = copy.copy(AESCTRCipher() if cipher is AESCTRCipher else cipher)
        if not isinstance(self.cipher, AESCTRCipher):
            raise ClientError("the content cipher is AES256 in CTR mode; no other can be had")
        if mat_desc and not isinstance(mat_desc, dict):
            raise ClientError("mat_desc must be a dict")
        self.mat_desc: Mapping[str, str] | None = mat_desc or None
        self.encryption_materials_dict: dict[frozenset[tuple[str, str]], EncryptionMaterials] = {}
        self._opened: dict[int, tuple[EncryptionMaterials, MasterKey]] = {}

    @abc.abstractmethod
    def master_key(self) -> MasterKey:
        """Return the key that writes. It must write format ``oss``."""

    @property
    def wrap_alg(self) -> str:
        """The wrap algorithm that is written."""
        with key_errors():
            return self.master_key().algorithm_for("oss")

    def reset_encryption_materials(
        self,
        encryption_materials: EncryptionMaterials,  # noqa: ARG002  for those that have several
    ) -> BaseCryptoProvider:
        """Return a provider of the same kind for these materials.

        Raises:
            ClientError: This provider has one key alone.
        """
        raise ClientError("this provider has one key alone")

    @cached_property
    def ring(self) -> KeyRing:
        """The master keys: the provider's own writes, every one reads."""
        with key_errors():
            return _Ring(self.master_key(), fetch=self._fetch)

    def add_encryption_materials(self, encryption_materials: EncryptionMaterials) -> None:
        """Add a key for reading; one without a description could not be found and is not kept."""
        if encryption_materials.desc:
            pairs = frozenset(encryption_materials.desc.items())
            self.encryption_materials_dict[pairs] = encryption_materials

    def get_encryption_materials(
        self, desc: Mapping[str, str] | None
    ) -> EncryptionMaterials | None:
        """Return the key of a description, or None."""
        return self.encryption_materials_dict.get(frozenset(desc.items())) if desc else None

    def get_key(self) -> Any:
        """Return a new data key."""
        return self.cipher.get_key()

    def get_iv(self) -> bytes:
        """Return a new initial counter."""
        return self.cipher.get_iv()

    def adjust_range(self, start: int | None, end: int | None) -> tuple[int | None, int | None]:
        """Return a range that begins with a block."""
        return self.cipher.adjust_range(start, end)

    def create_content_material(self) -> ContentCryptoMaterial:
        """Draw a data key and wrap it, for encrypting by hand.

        Raises:
            ClientError: The master key cannot write.
            OpenApiServerError: The KMS refused or failed.
        """
        with key_errors():
            envelope, key = seal(self.ring, "oss")
        assert isinstance(key, Ctr)
        cipher = AESCTRCipher()
        cipher.begin(key)
        wrapped, described = envelope.recipients[0].wrapped_key, dict(self.mat_desc or {})
        return ContentCryptoMaterial(
            cipher, self.wrap_alg, wrapped, envelope.wrapped_iv, described or None
        )

    @without_frames
    def decrypt_encrypted_key(self, encrypted_key: bytes | str) -> bytes:
        """Unwrap a data key.

        Raises:
            ClientError: The master key does not open it.
            OpenApiServerError: The KMS refused or failed.
        """
        data_key, was_not = self._unwrapped(encrypted_key)
        if (len(data_key) != self.cipher.key_len) | was_not:
            raise _does_not_open()
        return data_key

    @without_frames
    def decrypt_encrypted_iv(self, encrypted_iv: bytes | str, deprecated: bool = False) -> bytes:
        """Unwrap an initial counter.

        Args:
            encrypted_iv: As the object has it.
            deprecated: Whether it is of the V1 format, whose counters are decimal numbers.

        Raises:
            ClientError: The master key does not open it.
            OpenApiServerError: The KMS refused or failed.
        """
        iv, was_not = self._unwrapped(encrypted_iv, deprecated=deprecated)
        if ((len(iv) != self.cipher.block_size_len) & (not iv.isdigit())) | was_not:
            raise _does_not_open()
        return iv

    @staticmethod
    def make_encrypt_adapter(stream: Any, cipher: AESCTRCipher) -> CipherStream:
        """Return a stream that encrypts what it reads."""
        return CipherStream(stream, cipher.encrypt)

    @staticmethod
    def make_decrypt_adapter(stream: Any, cipher: AESCTRCipher, discard: int = 0) -> CipherStream:
        """Return a stream that decrypts what it reads, and leaves out the first bytes."""
        return CipherStream(stream, cipher.decrypt, discard)

    def _unwrapped(self, wrapped: bytes | str, *, deprecated: bool = False) -> tuple[bytes, bool]:
        """Unwrap, and return whether the key knows that what came was never wrapped."""
        if isinstance(wrapped, str):  # of a KMS, which stands once in base64 in old objects
            wrapped = base64.b64decode(wrapped) if deprecated else wrapped.encode()
        with key_errors():
            key = self.master_key()
            algorithm = key.algorithm_for("oss")
            if deprecated:
                algorithm = _V1_ALGORITHMS.get(algorithm, algorithm)
            secret = key.unwrap(wrapped, algorithm=algorithm, context=b"")
            return secret, was_wrapped(key, wrapped, secret, algorithm) is False

    def _fetch(self, description: Description, algorithm: str) -> MasterKey | None:  # noqa: ARG002
        materials = self.get_encryption_materials(dict(description))
        if materials is None:
            return None
        known, key = self._opened.get(id(materials), (None, None))
        if known is not materials or key is None:  # an id may come again
            key = self.reset_encryption_materials(materials).master_key()
            self._opened[id(materials)] = materials, key
        return key

    def __repr__(self) -> str:
        """Show no key."""
        return f"<{type(self).__name__} {description_text(self.mat_desc)}>"


def _does_not_open() -> ClientError:
    return ClientError("the key does not open this object")
