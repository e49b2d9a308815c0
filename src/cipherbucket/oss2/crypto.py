"""Where a `CryptoBucket`'s master keys come from, under oss2's names.

Rule: a provider is a ring of master keys and nothing more. Its own key writes; those of further
`EncryptionMaterials` read, and are looked up when an object asks for them, so that they may be
added at any time. What is written is what oss2 writes, descriptions and wraps to the byte.

A provider of one's own has one method, ``master_key()``, which returns a `cipherbucket.MasterKey`.
The methods that oss2 asks for are not called: data keys and counters of a program's own making
could encrypt two plaintexts alike, and no check could find that out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cipherbucket.credentials import Credentials
from cipherbucket.errors import warn_caller, without_frames
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.encodings import parse_rsa
from cipherbucket.keys.kms.key import AliKmsKey
from cipherbucket.keys.kms.settings import KmsSettings
from cipherbucket.keys.kms.wrap_names import KMS
from cipherbucket.keys.local_rsa import open_local_rsa
from cipherbucket.keys.rsa import MIN_BITS, RsaKey
from cipherbucket.oss2._cipher import AESCTRCipher
from cipherbucket.oss2._crypto_context import description_text
from cipherbucket.oss2._error_translation import key_errors
from cipherbucket.oss2._provider import BaseCryptoProvider, EncryptionMaterials
from cipherbucket.oss2.exceptions import ClientError

__all__ = [
    "AliKMSProvider",
    "BaseCryptoProvider",
    "EncryptionMaterials",
    "LocalRsaProvider",
    "RsaProvider",
]

_AES_CTR = AESCTRCipher()
_CA_FILE = "ALIBABA_CLOUD_CA_BUNDLE"
"""The variable that names oss2's KMS client a file of certificates to trust."""


class RsaProvider(BaseCryptoProvider):
    """An RSA master key that the program holds.

    Args:
        key_pair: ``private_key`` and ``public_key``, text or bytes: PEM or DER, PKCS#1, PKCS#8 or
            X.509. A public half alone writes; a private key does both.
        passphrase: Of the private key, if it is encrypted.
        cipher: See `BaseCryptoProvider`.
        mat_desc: The description.

    Raises:
        ClientError: Something that is no such key, or two halves that are not of one key.
    """

    @without_frames
    def __init__(
        self,
        key_pair: Mapping[str, str | bytes],
        passphrase: str | bytes | None = None,
        cipher: Any = _AES_CTR,
        mat_desc: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(cipher, mat_desc)
        if not isinstance(key_pair, dict):
            raise ClientError("key_pair must be a dict")
        with key_errors():
            self._key = _rsa_key(key_pair, _passphrase(passphrase), self.mat_desc)
        _warn_of_length(self._key)

    def master_key(self) -> MasterKey:
        """Return the key."""
        return self._key

    def reset_encryption_materials(self, encryption_materials: EncryptionMaterials) -> RsaProvider:
        """Return a provider for these materials; errors as the class."""
        return RsaProvider(
            encryption_materials.key_pair or {},
            encryption_materials.passphrase,
            self.cipher,
            encryption_materials.desc,
        )


class LocalRsaProvider(BaseCryptoProvider):
    """An RSA master key in two files, wrapped with OAEP: oss2's programs alone can read it.

    With neither file there a pair is made, with a warning. With one of them missing oss2 makes a
    pair too, and overwrites the other; here that is an error, and nothing is written.

    Args:
        dir: The folder; ``~/.oss-local-rsa`` by default.
        key: What the names of the files begin with.
        passphrase: Of the private key file.
        cipher: See `BaseCryptoProvider`.
        pub_key_suffix: What the name of the public half ends with.
        private_key_suffix: What the name of the private key ends with.

    Raises:
        ClientError: The files hold no such key, are not of one key, or one of them is missing.
        OSError: They cannot be read or made.
    """

    DEFAULT_PUB_KEY_SUFFIX = ".public_key.pem"
    DEFAULT_PRIV_KEY_SUFFIX = ".private_key.pem"

    @without_frames
    def __init__(
        self,
        dir: str | os.PathLike[str] | None = None,  # noqa: A002  oss2's name
        key: str = "",
        passphrase: str | bytes | None = None,
        cipher: Any = _AES_CTR,
        pub_key_suffix: str = DEFAULT_PUB_KEY_SUFFIX,
        private_key_suffix: str = DEFAULT_PRIV_KEY_SUFFIX,
    ) -> None:
        super().__init__(cipher)
        with key_errors():
            folder = Path(dir or Path("~/.oss-local-rsa").expanduser())
            self._key = open_local_rsa(
                folder / (key + private_key_suffix),
                folder / (key + pub_key_suffix),
                _passphrase(passphrase),
            )
        _warn_of_length(self._key)

    def master_key(self) -> MasterKey:
        """Return the key."""
        return self._key


class AliKMSProvider(BaseCryptoProvider):
    """A master key in Alibaba Cloud KMS, stored with objects as oss2 stores it.

    The KMS is that of the region, or the one that the environment names in ``KMS_ENDPOINT``.

    Args:
        access_key_id: Of an account that may use the key.
        access_key_secret: The same's.
        region: Of the KMS, such as ``cn-hangzhou``.
        cmk_id: Id of the KMS key, or its alias.
        sts_token: Of a temporary access key.
        passphrase: What the KMS binds to all that it wraps; asked for again on reading.
        cipher: See `BaseCryptoProvider`.
        mat_desc: The description.

    Raises:
        ClientError: Something that cannot be used; or the extra ``kms`` is not installed.
    """

    @without_frames
    def __init__(
        self,
        access_key_id: str,
        access_key_secret: str,
        region: str,
        cmk_id: str,
        sts_token: str | None = None,
        passphrase: str | None = None,
        cipher: Any = _AES_CTR,
        mat_desc: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(cipher, mat_desc)
        self._account = access_key_id, access_key_secret, region
        self.custom_master_key_id = cmk_id
        self.sts_token = sts_token
        with key_errors():
            self._key = AliKmsKey(
                cmk_id,
                KmsSettings(
                    region=region,
                    # Asked before each request: programs renew the token where it stands.
                    credentials=lambda: Credentials(
                        access_key_id, access_key_secret, self.sts_token
                    ),
                    ca_file=os.environ.get(_CA_FILE) or None,
                ),
                description=description_text(self.mat_desc),
                blob="double",
                passphrase=passphrase or None,
            )

    def master_key(self) -> AliKmsKey:
        """Return the key."""
        return self._key

    def get_key(self) -> tuple[bytes, bytes]:
        """Let the KMS draw a data key; return it, and the same wrapped."""
        with key_errors():
            return self._key.generate(self.cipher.key_len, algorithm=KMS, context=b"")

    def reset_encryption_materials(
        self, encryption_materials: EncryptionMaterials
    ) -> AliKMSProvider:
        """Return a provider for these materials: another KMS key of the same account."""
        return AliKMSProvider(
            *self._account,
            # To read, no id is sent: materials may have none.
            encryption_materials.custom_master_key_id or self.custom_master_key_id,
            self.sts_token,
            encryption_materials.passphrase,
            self.cipher,
            encryption_materials.desc,
        )


def _passphrase(passphrase: str | bytes | None) -> bytes | None:
    """Return a passphrase in the bytes that oss2 makes of it, where it can make any."""
    if not passphrase or isinstance(passphrase, bytes):
        return passphrase or None
    try:
        return passphrase.encode("latin-1")
    except UnicodeEncodeError:
        return passphrase.encode()


def _rsa_key(
    key_pair: Mapping[str, str | bytes],
    passphrase: bytes | None,
    mat_desc: Mapping[str, str] | None,
) -> RsaKey:
    """Make a key of what a program has of it.

    Raises:
        ClientError: Nothing, or two halves that are not of one key.
        MasterKeyError: A half that cannot be read.
    """
    halves: dict[str, RsaKey] = {}
    for name in ("private_key", "public_key"):
        if name not in key_pair:
            continue
        data = _tidied(key_pair[name])
        if halves and b"Proc-Type:" in data and b"PUBLIC KEY-----" in data:
            continue  # oss2 encrypts public halves too; the private key holds the same
        halves[name] = RsaKey(
            parse_rsa(data, None if passphrase is None else lambda: passphrase),
            description=description_text(mat_desc),
            allow_weak=True,
        )
    if not halves:
        raise ClientError("key_pair has neither private_key nor public_key")
    if len({half.id for half in halves.values()}) > 1:
        raise ClientError("private_key and public_key are not of one key")
    return next(iter(halves.values()))


def _tidied(data: object) -> bytes:
    """Return PEM without the indentation that it has in the source of a program."""
    raw = data.encode() if isinstance(data, str) else data
    if not isinstance(raw, bytes):
        raise ClientError("a key is text or bytes, PEM or DER")
    if b"-----BEGIN " not in raw:
        return raw
    return b"\n".join(line.strip() for line in raw.splitlines()) + b"\n"


def _warn_of_length(key: RsaKey) -> None:
    if key.bits < MIN_BITS:
        warn_caller(
            f"an RSA key of {key.bits:,} bits protects nothing for long: take {MIN_BITS:,} or more"
        )
