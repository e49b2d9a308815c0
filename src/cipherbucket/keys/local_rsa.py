"""RSA keys in the two files that oss2's ``LocalRsaProvider`` keeps, and the wrap that it writes.

Rule: such a key wraps with OAEP and SHA-1, which oss2's programs alone can read, and does nothing
else. A pair is made only where neither file is there, and never over one that is: where one of the
two is missing, the other may be all that is left of a key.

With a passphrase oss2 encrypts the public file too, in a form of its own. It is not opened: the
private file holds the same key.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from cipherbucket.errors import MasterKeyError, warn_caller, without_frames
from cipherbucket.keys.encodings import (
    naming_the_file,
    parse_rsa,
    parse_rsa_pem,
    private_pem,
    public_pem,
    read_key_file,
)
from cipherbucket.keys.files import create_all, warn_if_readable
from cipherbucket.keys.rsa import OAEP_SHA1, V1_RSA, RsaKey

_BITS = 2048
"""What oss2 makes."""


class LocalRsaKey(RsaKey):
    """An RSA key that writes format ``oss`` with OAEP and SHA-1; see `RsaKey` for the arguments."""

    @property
    def algorithms(self) -> frozenset[str]:
        """OAEP with SHA-1, under the names of formats ``oss`` and ``oss-v1``."""
        return frozenset({OAEP_SHA1, V1_RSA})

    def algorithm_for(self, format: str) -> str:  # noqa: A002  the word of the documents
        """Return the wrap algorithm this key writes a format with.

        Raises:
            MasterKeyError: Not format ``oss``, or the key is too short to write.
        """
        if format != "oss":
            raise MasterKeyError(f"keys of a LocalRsaProvider do not write format {format!r}")
        super().algorithm_for(format)
        return OAEP_SHA1


@without_frames
def open_local_rsa(private: Path, public: Path, passphrase: bytes | None = None) -> LocalRsaKey:
    """Read the two files of a key; make them if neither is there, with a warning.

    A private key that other users can read is warned of, too.

    Args:
        private: The private key, PEM.
        public: Its public half, PEM. A new pair is readable by its owner alone, both files.
        passphrase: Of the private key, if it is encrypted; encrypts a new one.

    Raises:
        MasterKeyError: One of the files is missing, cannot be read or is not of the same key; or
            the new ones cannot be written. Nothing was overwritten.
    """
    there = [os.path.lexists(path) for path in (private, public)]
    if not any(there):
        return _made(private, public, passphrase)
    if not all(there):
        missing, left = (public, private) if there[0] else (private, public)
        raise MasterKeyError(
            f"key file {missing} is missing, {left} is there",
            hint="restore it from a backup; to have a new pair made, move the other one away."
            " A public half is made of the private one with: openssl rsa -in FILE -pubout",
        )
    with naming_the_file(private):
        ask = None if passphrase is None else lambda: passphrase
        key = parse_rsa(read_key_file(private).data, ask)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise MasterKeyError("a public half, where the private key should be")
    warn_if_readable(private)  # oss2 makes them so
    data = read_key_file(public).data
    found = LocalRsaKey(key, allow_weak=True)
    if b"Proc-Type:" not in data:
        with naming_the_file(public):
            if RsaKey(parse_rsa_pem(data)).id != found.id:
                raise MasterKeyError(f"not the public half of {private}")
    return found


def _made(private: Path, public: Path, passphrase: bytes | None) -> LocalRsaKey:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    try:
        text = private_pem(key, passphrase or None)
    except ValueError:
        raise MasterKeyError("a passphrase has at most 1,023 bytes") from None
    try:
        private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise MasterKeyError(f"folder {private.parent}: {error.strerror}") from error
    create_all((private, text, 0o600), (public, public_pem(key), 0o600))
    warn_caller(
        f"made a new RSA key, {private}: objects encrypted under it cannot be read without it."
        " Keep a copy in a safe place"
    )
    return LocalRsaKey(key)
