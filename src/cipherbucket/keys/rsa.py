"""RSA master keys.

The OSS format wraps with RSAES-PKCS1-v1_5, because the SDKs read nothing else. OpenSSL answers a
bad padding with random bytes (implicit rejection), so a wrong key shows only in the checks after
unwrapping: `cipherbucket.seal` makes them. OAEP with SHA-1 is what oss2's LocalRsaProvider wrote.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from cipherbucket.description import Description
from cipherbucket.errors import MasterKeyError, UsageError, WrongKeyError

PKCS1 = "RSA/NONE/PKCS1Padding"
OAEP_SHA1 = "RSA/NONE/OAEPWithSHA-1AndMGF1Padding"
V1_RSA = "rsa"
"""What the V1 format calls `OAEP_SHA1`."""
RSA_ALGORITHMS = frozenset({PKCS1, OAEP_SHA1, V1_RSA})

MIN_BITS = 2048
"""Below this a key reads but does not write (NIST SP 800-131A)."""
PASSPHRASE_VARIABLE = "CIPHERBUCKET_PASSPHRASE"  # noqa: S105  a name, not a passphrase
"""The environment variable asked for a passphrase when no callable is given."""

_OAEP_SHA1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303
_PADDINGS: dict[str, padding.AsymmetricPadding] = {
    PKCS1: padding.PKCS1v15(),
    OAEP_SHA1: _OAEP_SHA1,
    V1_RSA: _OAEP_SHA1,
}


class RsaKey:
    """An RSA master key: a pair, or a public half, which can only write.

    Args:
        key: The private or public key.
        description: The label by which readers find the key, as a mapping or as its exact JSON
            text. Objects written without one can never be moved to another key by its label.
        allow_weak: Write even with less than 2,048 bits.

    Raises:
        UsageError: The description is no mapping of strings.
    """

    def __init__(
        self,
        key: RSAPrivateKey | RSAPublicKey,
        *,
        description: Mapping[str, str] | str | None = None,
        allow_weak: bool = False,
    ) -> None:
        self._private = key if isinstance(key, RSAPrivateKey) else None
        self._public = key.public_key() if isinstance(key, RSAPrivateKey) else key
        self._description = Description(description)
        self._allow_weak = allow_weak
        der = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        digest = base64.b64encode(hashlib.sha256(der).digest()).decode()
        self._id = "SHA256:" + digest.rstrip("=")

    @classmethod
    def from_pem_file(
        cls,
        path: str | os.PathLike[str],
        *,
        description: Mapping[str, str] | str | None = None,
        passphrase: Callable[[], str] | None = None,
        allow_weak: bool = False,
    ) -> Self:
        """Read a key file; PEM or DER is told apart by the bytes.

        Args:
            path: A private key (PKCS#1, PKCS#8) or a public one (X.509 SubjectPublicKeyInfo,
                PKCS#1).
            description: See the class.
            passphrase: Called only if the file is encrypted. Without it the environment variable
                ``CIPHERBUCKET_PASSPHRASE`` is asked.
            allow_weak: See the class.

        Raises:
            MasterKeyError: The file cannot be read, is no RSA key, or the passphrase is missing
                or wrong.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise MasterKeyError(
                f"key file {os.fspath(path)}: {error.strerror}",
                hint="make a key with: cipherbucket keygen FILE",
            ) from error
        load = cls.from_pem if b"-----BEGIN " in data else cls.from_der
        try:
            return load(data, description=description, passphrase=passphrase, allow_weak=allow_weak)
        except MasterKeyError as error:
            error.args = (f"key file {os.fspath(path)}: {error.message}",)
            error.message = error.args[0]
            raise

    @classmethod
    def from_pem(
        cls,
        data: bytes | str,
        *,
        description: Mapping[str, str] | str | None = None,
        passphrase: Callable[[], str] | None = None,
        allow_weak: bool = False,
    ) -> Self:
        """Read PEM text; see `from_pem_file` for the arguments and errors."""
        data = data.encode() if isinstance(data, str) else data
        if b"PUBLIC KEY-----" in data:
            if b"Proc-Type:" in data:
                # oss2 encrypted even the public half; relabelled, the reader of private keys
                # would not parse it, and the private file beside it holds the same key.
                raise MasterKeyError(
                    "an encrypted public key", hint="use the private key file, which holds both"
                )
            key = _loaded(serialization.load_pem_public_key, data)
        else:
            key = _loaded_private(serialization.load_pem_private_key, data, passphrase)
        return cls(_rsa(key), description=description, allow_weak=allow_weak)

    @classmethod
    def from_der(
        cls,
        data: bytes,
        *,
        description: Mapping[str, str] | str | None = None,
        passphrase: Callable[[], str] | None = None,
        allow_weak: bool = False,
    ) -> Self:
        """Read DER bytes; see `from_pem_file` for the arguments and errors."""
        try:
            key = _loaded(serialization.load_der_public_key, data)
        except MasterKeyError:
            key = _loaded_private(serialization.load_der_private_key, data, passphrase)
        return cls(_rsa(key), description=description, allow_weak=allow_weak)

    @property
    def id(self) -> str:
        """``SHA256:`` and the base64 of the SHA-256 of the public half (DER, X.509)."""
        return self._id

    @property
    def description(self) -> Description:
        """The label by which readers find the key."""
        return self._description

    @property
    def algorithms(self) -> frozenset[str]:
        """The wrap algorithms of RSA keys, in every format."""
        return RSA_ALGORITHMS

    @property
    def bits(self) -> int:
        """Length of the modulus in bits."""
        return self._public.key_size

    @property
    def can_unwrap(self) -> bool:
        """Whether the private half is here."""
        return self._private is not None

    def described(self, description: Mapping[str, str] | str | None) -> Self:
        """Return the same key under another description."""
        return type(self)(
            self._private or self._public, description=description, allow_weak=self._allow_weak
        )

    def algorithm_for(self, format: str) -> str:  # noqa: A002  the word of the documents
        """Return the wrap algorithm this key writes a format with.

        Raises:
            MasterKeyError: Not this format, or the key is too short to write.
        """
        if format != "oss":
            raise MasterKeyError(f"RSA keys do not write format {format!r}")
        if self.bits < MIN_BITS and not self._allow_weak:
            raise MasterKeyError(
                f"key {self.id} has {self.bits:,} bits; writing takes {MIN_BITS:,} or more",
                hint="make a longer key; or say allow_weak=True if others force this one on you",
            )
        return PKCS1

    def wrap(self, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Wrap a secret with the public half.

        Raises:
            UsageError: The algorithm is none of RSA's, or cannot bind a context.
        """
        padding_of_it = _padding(algorithm, context)
        try:
            return self._public.encrypt(secret, padding_of_it)
        except ValueError:
            raise UsageError(
                f"{len(secret)} bytes are too many for a key of {self.bits:,} bits"
            ) from None

    def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Unwrap a secret with the private half.

        With `PKCS1` a wrong key gives random bytes rather than an error: check what comes.

        Raises:
            WrongKeyError: It does not unwrap.
            MasterKeyError: Only the public half is here.
            UsageError: The algorithm is none of RSA's, or cannot bind a context.
        """
        if self._private is None:
            raise MasterKeyError(
                f"key {self.id} is a public half: it can write, not read",
                hint="read with the private key",
            )
        chosen = _padding(algorithm, context)  # its UsageError is a ValueError too
        try:
            return self._private.decrypt(wrapped, chosen)
        except ValueError:
            raise WrongKeyError("the key does not open this object") from None

    def __repr__(self) -> str:
        """Show fingerprint and description only."""
        return f"RsaKey({self._id!r}, {self._description.text!r})"


def _padding(algorithm: str, context: bytes) -> padding.AsymmetricPadding:
    if algorithm not in _PADDINGS:
        raise UsageError(f"{algorithm!r} is no wrap algorithm of RSA keys")
    if context:
        raise UsageError(f"{algorithm} cannot bind a context")
    return _PADDINGS[algorithm]


def _loaded(load: Callable[[bytes], object], data: bytes) -> object:
    try:
        return load(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise MasterKeyError("not a key that can be read", hint=_ACCEPTED) from None


def _loaded_private(
    load: Callable[[bytes, bytes | None], object],
    data: bytes,
    passphrase: Callable[[], str] | None,
) -> object:
    try:
        return load(data, None)
    except TypeError:  # what `cryptography` raises when a passphrase is needed
        pass
    except (ValueError, UnsupportedAlgorithm):
        raise MasterKeyError("not a key that can be read", hint=_ACCEPTED) from None
    secret = passphrase() if passphrase is not None else os.environ.get(PASSPHRASE_VARIABLE)
    if not secret:
        raise MasterKeyError(
            "the key is encrypted and there is no passphrase",
            hint=f"give passphrase=, or set {PASSPHRASE_VARIABLE}",
        )
    try:
        return load(data, secret.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise MasterKeyError("the passphrase does not open this key") from None


_ACCEPTED = "PEM or DER; private PKCS#1 or PKCS#8, public X.509 (SubjectPublicKeyInfo) or PKCS#1"


def _rsa(key: object) -> RSAPrivateKey | RSAPublicKey:
    if not isinstance(key, RSAPrivateKey | RSAPublicKey):
        raise MasterKeyError("not an RSA key", hint=_ACCEPTED)
    return key
