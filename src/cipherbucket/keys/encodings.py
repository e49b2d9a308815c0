"""How files hold RSA keys: every encoding that the SDKs use is read, PEM is written.

Rule: no error repeats what a file or a passphrase holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from cipherbucket.errors import MasterKeyError
from cipherbucket.keys.file_owners import KeptFile, read_key

WRONG_PASSPHRASE = "the passphrase does not open this key"  # noqa: S105  said of one
PASSPHRASE_VARIABLE = "CIPHERBUCKET_PASSPHRASE"  # noqa: S105  a name, not a passphrase
"""The environment variable asked for a passphrase when no callable is given."""

_ACCEPTED = "PEM or DER; private PKCS#1 or PKCS#8, public X.509 (SubjectPublicKeyInfo) or PKCS#1"


def read_key_file(path: str | os.PathLike[str]) -> KeptFile:
    """Read a key file.

    Raises:
        MasterKeyError: It cannot be read, or others than its owner can replace it; names the file.
    """
    try:
        return read_key(Path(path))
    except FileNotFoundError as error:
        raise MasterKeyError(
            f"key file {os.fspath(path)}: {error.strerror}",
            hint="is the path right? a new key, which opens no old object, is made by:"
            " cipherbucket keygen FILE",
        ) from error
    except OSError as error:
        raise MasterKeyError(f"key file {os.fspath(path)}: {error.strerror}") from error


@contextmanager
def naming_the_file(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let a `MasterKeyError` raised inside name the key file."""
    try:
        yield
    except MasterKeyError as error:
        error.message = f"key file {os.fspath(path)}: {error.message}"
        error.args = (error.message,)
        raise


def parse_rsa(
    data: bytes, passphrase: Callable[[], str | bytes] | None = None
) -> RSAPrivateKey | RSAPublicKey:
    """Read an RSA key in PEM or DER, which the bytes decide.

    Args:
        data: What a key file holds.
        passphrase: Called only if the key is encrypted; text is taken as UTF-8. Without it the
            environment variable ``CIPHERBUCKET_PASSPHRASE`` is asked.

    Raises:
        MasterKeyError: No RSA key, or the passphrase is missing or wrong.
    """
    return (parse_rsa_pem if b"-----BEGIN " in data else parse_rsa_der)(data, passphrase)


def parse_rsa_pem(
    data: bytes, passphrase: Callable[[], str | bytes] | None = None
) -> RSAPrivateKey | RSAPublicKey:
    """Read PEM text; see `parse_rsa`."""
    if b"PUBLIC KEY-----" not in data:
        return _rsa(_loaded_private(serialization.load_pem_private_key, data, passphrase))
    if b"Proc-Type:" in data:
        # oss2 encrypted even the public half; relabelled, the reader of private keys would not
        # parse it, and the private file beside it holds the same key.
        raise MasterKeyError(
            "an encrypted public key", hint="use the private key file, which holds both"
        )
    return _rsa(_loaded(serialization.load_pem_public_key, data))


def parse_rsa_der(
    data: bytes, passphrase: Callable[[], str | bytes] | None = None
) -> RSAPrivateKey | RSAPublicKey:
    """Read DER bytes; see `parse_rsa`."""
    try:
        key = _loaded(serialization.load_der_public_key, data)
    except MasterKeyError:
        key = _loaded_private(serialization.load_der_private_key, data, passphrase)
    return _rsa(key)


def private_pem(key: RSAPrivateKey, passphrase: bytes | None) -> bytes:
    """Return a private key as PKCS#8 in PEM, encrypted if there is a passphrase.

    Raises:
        ValueError: The passphrase is longer than OpenSSL takes.
    """
    protection = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase is not None
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )


def public_pem(key: RSAPrivateKey) -> bytes:
    """Return the public half of a key as X.509 in PEM."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _loaded(load: Callable[[bytes], object], data: bytes) -> object:
    try:
        return load(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise MasterKeyError("not a key that can be read", hint=_ACCEPTED) from None


def _loaded_private(
    load: Callable[[bytes, bytes | None], object],
    data: bytes,
    passphrase: Callable[[], str | bytes] | None,
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
        return load(data, secret if isinstance(secret, bytes) else secret.encode())
    except (ValueError, UnsupportedAlgorithm):
        known = os.environ.get(PASSPHRASE_VARIABLE)
        hint = f"it is that of {PASSPHRASE_VARIABLE}" if secret == known else None
        raise MasterKeyError(WRONG_PASSPHRASE, hint=hint) from None


def _rsa(key: object) -> RSAPrivateKey | RSAPublicKey:
    if not isinstance(key, RSAPrivateKey | RSAPublicKey):
        raise MasterKeyError("not an RSA key", hint=_ACCEPTED)
    return key
