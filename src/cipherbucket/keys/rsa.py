"""RSA master keys.

Rule: the format decides the padding, and whether a key may use it is checked before it is used. The
OSS format wraps with RSAES-PKCS1-v1_5, because the SDKs read nothing else. OpenSSL answers a bad
padding with bytes that look random (implicit rejection), so a wrong key shows only after
unwrapping: `RsaKey.was_wrapped` says so, and `cipherbucket.envelopes.unseal` asks it. OAEP with
SHA-1 is what oss2's provider `LocalRsaProvider` wrote. The sealed format wraps with OAEP and
SHA-256, and binds the wrapped key to its object by the label.

A key that serves both formats is as strong as PKCS#1 v1.5 is: whoever finds a program that answers
good and bad paddings differently (an oracle, Bleichenbacher 1998) can run any ciphertext of that
key through it, wrapped with OAEP or not. A key marked for the sealed format only never does PKCS#1
or SHA-1.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from cipherbucket.errors import MasterKeyError, UsageError, not_copied, without_frames
from cipherbucket.format.description import Description
from cipherbucket.keys.base import check_context, does_not_open
from cipherbucket.keys.encodings import (
    naming_the_file,
    parse_rsa,
    parse_rsa_der,
    parse_rsa_pem,
    read_key_file,
)
from cipherbucket.keys.implicit_rejection import ImplicitRejection

PKCS1 = "RSA/NONE/PKCS1Padding"
OAEP_SHA1 = "RSA/NONE/OAEPWithSHA-1AndMGF1Padding"
V1_RSA = "rsa"
"""What the V1 format calls `OAEP_SHA1`."""
RSA_ALGORITHMS = frozenset({PKCS1, OAEP_SHA1, V1_RSA})
"""Those of formats ``oss`` and ``oss-v1`` (docs/format.md, section 4)."""
OAEP_SHA256 = "RSA-OAEP-SHA-256"
"""That of format ``sealed`` (docs/format.md, section 14.4); its label is the context."""

MIN_BITS = 2048
"""Below this a key reads but does not write (NIST SP 800-131A)."""

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
        allow_weak: Write format ``oss`` even with less than 2,048 bits.
        sealed_only: Refuse the algorithms of formats ``oss`` and ``oss-v1``, PKCS#1 v1.5 and
            SHA-1, for writing and reading.

    Raises:
        MasterKeyError: Not an RSA key.
        UsageError: The description is no mapping of strings.
    """

    def __init__(
        self,
        key: RSAPrivateKey | RSAPublicKey,
        *,
        description: Mapping[str, str] | str | None = None,
        allow_weak: bool = False,
        sealed_only: bool = False,
    ) -> None:
        if not isinstance(key, RSAPrivateKey | RSAPublicKey):
            raise MasterKeyError(
                f"an RSA key is one of cryptography's, not {type(key).__name__}",
                hint="load_key(file), RsaKey.from_pem(text) and RsaKey.from_der(data) make them",
            )
        self._private = key if isinstance(key, RSAPrivateKey) else None
        self._public = key.public_key() if isinstance(key, RSAPrivateKey) else key
        self._description = Description(description)
        self._allow_weak = allow_weak
        self._sealed_only = sealed_only
        der = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        digest = base64.b64encode(hashlib.sha256(der).digest()).decode()
        self._id = "SHA256:" + digest.rstrip("=")
        self._rejection: ImplicitRejection | None = None
        self._is_foretold: bool | None = None
        if self._private is not None and PKCS1 in self.algorithms:
            with suppress(Exception):  # a key in a device does not give its private exponent away
                self._rejection = ImplicitRejection(self._private)

    @classmethod
    @without_frames
    def from_pem_file(
        cls,
        path: str | os.PathLike[str],
        *,
        description: Mapping[str, str] | str | None = None,
        passphrase: Callable[[], str] | None = None,
        allow_weak: bool = False,
        sealed_only: bool = False,
    ) -> Self:
        """Read a key file; PEM or DER, which the bytes decide.

        What lies beside the file is not looked at; `cipherbucket.load_key` does that.

        Args:
            path: A private key (PKCS#1, PKCS#8) or a public one (X.509 SubjectPublicKeyInfo,
                PKCS#1).
            description: See the class.
            passphrase: Called only if the file is encrypted. Without it the environment variable
                ``CIPHERBUCKET_PASSPHRASE`` is asked.
            allow_weak: See the class.
            sealed_only: See the class.

        Raises:
            MasterKeyError: The file cannot be read, others can replace it, it is no RSA key, or the
                passphrase is missing or wrong.
        """
        file = read_key_file(path)
        with naming_the_file(path):
            key = parse_rsa(file.data, passphrase)
        if isinstance(key, RSAPublicKey):
            file.refuse_other_owner()
        return cls(key, description=description, allow_weak=allow_weak, sealed_only=sealed_only)

    @classmethod
    @without_frames
    def from_pem(
        cls,
        data: bytes | str,
        *,
        description: Mapping[str, str] | str | None = None,
        passphrase: Callable[[], str] | None = None,
        allow_weak: bool = False,
        sealed_only: bool = False,
    ) -> Self:
        """Read PEM text; see `from_pem_file` for the arguments and errors."""
        key = parse_rsa_pem(data.encode() if isinstance(data, str) else data, passphrase)
        return cls(key, description=description, allow_weak=allow_weak, sealed_only=sealed_only)

    @classmethod
    @without_frames
    def from_der(
        cls,
        data: bytes,
        *,
        description: Mapping[str, str] | str | None = None,
        passphrase: Callable[[], str] | None = None,
        allow_weak: bool = False,
        sealed_only: bool = False,
    ) -> Self:
        """Read DER bytes; see `from_pem_file` for the arguments and errors."""
        key = parse_rsa_der(data, passphrase)
        return cls(key, description=description, allow_weak=allow_weak, sealed_only=sealed_only)

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
        """The wrap algorithms it works with: of every format, or of the sealed one only."""
        return frozenset({OAEP_SHA256}) if self._sealed_only else RSA_ALGORITHMS | {OAEP_SHA256}

    @property
    def bits(self) -> int:
        """Length of the modulus in bits."""
        return self._public.key_size

    @property
    def can_unwrap(self) -> bool:
        """Whether the private half is here."""
        return self._private is not None

    @property
    def sealed_only(self) -> bool:
        """Whether the key is kept from the algorithms of formats ``oss`` and ``oss-v1``."""
        return self._sealed_only

    def described(self, description: Mapping[str, str] | str | None) -> Self:
        """Return the same key under another description."""
        return type(self)(
            self._private or self._public,
            description=description,
            allow_weak=self._allow_weak,
            sealed_only=self._sealed_only,
        )

    def for_sealed_only(self) -> Self:
        """Return the same key, kept from the algorithms of formats ``oss`` and ``oss-v1``."""
        return type(self)(
            self._private or self._public, description=self._description, sealed_only=True
        )

    def algorithm_for(self, format: str) -> str:  # noqa: A002  the word of the documents
        """Return the wrap algorithm this key writes a format with.

        Raises:
            MasterKeyError: Not this format, or the key is too short to write.
        """
        if format not in {"oss", "sealed"}:
            raise MasterKeyError(f"RSA keys do not write format {format!r}")
        if format == "oss" and self._sealed_only:
            raise self._kept_from("format 'oss' wraps with PKCS#1 v1.5")
        if self.bits < MIN_BITS and (format == "sealed" or not self._allow_weak):
            raise MasterKeyError(
                f"key {self.id} has {self.bits:,} bits; writing takes {MIN_BITS:,} or more",
                hint="make a longer key; or say allow_weak=True if others force this one on you",
            )
        return PKCS1 if format == "oss" else OAEP_SHA256

    @without_frames
    def wrap(self, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Wrap a secret with the public half.

        Args:
            secret: At most bits / 8 - 66 bytes for `OAEP_SHA256` (RFC 8017, section 7.1.1).
            algorithm: One of `algorithms`.
            context: The label of `OAEP_SHA256`, at least one byte; empty for the others.

        Raises:
            UsageError: The algorithm is none of RSA's, has no context or cannot bind one, or the
                secret is too long.
            MasterKeyError: The key is kept from this algorithm.
        """
        chosen = self._padding(algorithm, context)
        try:
            return self._public.encrypt(secret, chosen)
        except ValueError:
            raise UsageError(
                f"{len(secret)} bytes are too many for a key of {self.bits:,} bits"
            ) from None

    @without_frames
    def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Unwrap a secret with the private half.

        With `PKCS1` a wrong key gives bytes that look random rather than an error: ask
        `was_wrapped`.

        Raises:
            WrongKeyError: It does not unwrap.
            MasterKeyError: Only the public half is here, or the key is kept from this algorithm.
            UsageError: The algorithm is none of RSA's, has no context or cannot bind one.
        """
        chosen = self._padding(algorithm, context)  # its UsageError is a ValueError too
        if self._private is None:
            raise MasterKeyError(
                f"key {self.id} is a public half: it can write, not read",
                hint="read with the private key",
            )
        try:
            return self._private.decrypt(wrapped, chosen)
        except ValueError:
            raise does_not_open() from None

    @without_frames
    def was_wrapped(self, wrapped: bytes, secret: bytes, *, algorithm: str) -> bool | None:
        """Return whether what `unwrap` returned was ever wrapped with this key.

        With OAEP it was, or `unwrap` would have raised. With `PKCS1` the answer to bad padding is
        computed; the time that takes depends on neither. What is not that answer has good padding,
        by chance at most once in 2**23, if the modulus fills whole bytes: if its first byte can
        have fewer values, good padding is commoner.

        Returns:
            None where that is not known: with `PKCS1`, if the library below does not answer as
            OpenSSL 3.2 does, the key does not give its private exponent away, or its bits are no
            multiple of 8.
        """
        if algorithm != PKCS1:
            return True
        if self._rejection is None or self._private is None:
            return None
        if self._is_foretold is None:  # tried once; two threads find the same
            self._is_foretold = self._rejection.is_answered_by(self._private)
        if not self._is_foretold:
            return None
        otherwise = True if self.bits % 8 == 0 else None
        return (otherwise, False)[self._rejection.is_answer(wrapped, secret)]

    def _padding(self, algorithm: str, context: bytes) -> padding.AsymmetricPadding:
        """Return how an algorithm pads, after every check that needs no key."""
        if algorithm == OAEP_SHA256:
            check_context(algorithm, context)
            return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), context)
        if algorithm not in _PADDINGS:
            raise UsageError(f"{algorithm!r} is no wrap algorithm of RSA keys")
        if self._sealed_only:
            raise self._kept_from(algorithm)
        if context:
            raise UsageError(f"{algorithm} cannot bind a context")
        return _PADDINGS[algorithm]

    def _kept_from(self, what: str) -> MasterKeyError:
        return MasterKeyError(
            f"key {self.id} is for the sealed format only ({what})",
            hint='use format="sealed", or another key: a key used with PKCS#1 v1.5, too, would'
            " open what it seals to whoever finds a padding oracle",
        )

    def __repr__(self) -> str:
        """Show fingerprint and description only."""
        return f"RsaKey({self._id!r}, {self._description.text!r})"

    __reduce__ = not_copied("a master key", "load the key again where it is needed")
