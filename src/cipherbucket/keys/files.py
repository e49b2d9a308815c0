"""Key files: made once, on request, never overwritten; read with the description beside them.

A key file holds the key and nothing else, so that every SDK reads it. What it is called by its
objects, the description, lies beside it in ``<key file>.json`` together with the fingerprint, so
that a description is never taken for another key's (docs/decisions/0004).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cipherbucket.description import Description
from cipherbucket.errors import MasterKeyError, UsageError
from cipherbucket.keys.rsa import RsaKey

RSA_BITS = (2048, 3072, 4096)
"""The lengths that `create_rsa_key_file` makes."""


def create_rsa_key_file(
    path: str | os.PathLike[str],
    *,
    description: Mapping[str, str] | str,
    bits: int = 3072,
    passphrase: str | None = None,
) -> RsaKey:
    """Make an RSA master key: ``path`` (private, 0600), ``path.pub``, ``path.json``.

    Args:
        path: A new file; PKCS#8 in PEM, encrypted under the passphrase if there is one.
        description: The label by which readers find the key; not empty.
        bits: 2,048, 3,072 or 4,096.
        passphrase: Protects the file; at least one character.

    Returns:
        The key, ready to write and read.

    Raises:
        UsageError: No description, another length, or a passphrase that cannot be used.
        MasterKeyError: One of the three files is already there, or cannot be written. Nothing
            is ever overwritten, and nothing is left behind.
    """
    label = Description(description)
    if not label:
        raise UsageError(
            "a key without a description can never be replaced", hint='give {"desc": "2026"}'
        )
    if bits not in RSA_BITS:
        raise UsageError(f"an RSA key has {RSA_BITS} bits here, not {bits}")
    if passphrase == "":
        raise UsageError("an empty passphrase protects nothing", hint="give one, or none")
    file = Path(path)
    public, sidecar = public_path(file), description_path(file)
    for taken in (file, public, sidecar):
        if os.path.lexists(taken):
            raise MasterKeyError(
                f"{taken} is already there; keys are never overwritten", hint="choose another name"
            )
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    key = RsaKey(private, description=label)
    facts = {"description": _as_written(label), "fingerprint": key.id}
    _create_all(
        (file, _private_pem(private, passphrase), 0o600),
        (
            public,
            private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
            0o644,
        ),
        (sidecar, json.dumps(facts, indent=2).encode() + b"\n", 0o644),
    )
    return key


def load_key(
    path: str | os.PathLike[str],
    *,
    description: Mapping[str, str] | str | None = None,
    passphrase: Callable[[], str] | None = None,
    allow_weak: bool = False,
) -> RsaKey:
    """Read a key file, and its description from the file beside it.

    Args:
        path: An RSA key file, see `RsaKey.from_pem_file`; ``key.pub`` finds ``key.json`` too.
        description: Use this one and do not look beside the file.
        passphrase: Called only if the file is encrypted.
        allow_weak: Write even with less than 2,048 bits.

    Raises:
        MasterKeyError: The key cannot be read, or the description beside it is another key's.
    """
    key = RsaKey.from_pem_file(
        path, description=description, passphrase=passphrase, allow_weak=allow_weak
    )
    if description is not None:
        return key
    file = Path(path)
    sidecar = description_path(file.with_suffix("") if file.suffix == ".pub" else file)
    if not os.path.lexists(sidecar):
        return key
    return key.described(_read_description(sidecar, key.id))


def description_path(path: Path) -> Path:
    """Return where the description of a key file lies."""
    return path.with_name(path.name + ".json")


def public_path(path: Path) -> Path:
    """Return where the public half of a key file lies."""
    return path.with_name(path.name + ".pub")


def _as_written(label: Description) -> dict[str, str] | str:
    """Return the mapping, which people read; or the text, where it is another than we write."""
    return dict(label) if Description(dict(label)).text == label.text else label.text


def _read_description(sidecar: Path, fingerprint: str) -> Description:
    try:
        facts = json.loads(sidecar.read_bytes())
        stated = facts["fingerprint"]
        label = Description(facts["description"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MasterKeyError(
            f"{sidecar}: cannot be read as the description of a key",
            hint="repair it, or give the description yourself",
        ) from error
    if stated != fingerprint:
        raise MasterKeyError(
            f"{sidecar} describes key {stated}, not this one ({fingerprint})",
            hint="put the right file beside the key, or give the description yourself",
        )
    return label


def _private_pem(private: rsa.RSAPrivateKey, passphrase: str | None) -> bytes:
    try:
        protection = (
            serialization.BestAvailableEncryption(passphrase.encode())
            if passphrase is not None
            else serialization.NoEncryption()
        )
        return private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
        )
    except ValueError:  # more bytes than OpenSSL takes, or no text that UTF-8 can hold
        raise UsageError("a passphrase has at most 1,023 bytes of UTF-8") from None


def _create_all(*files: tuple[Path, bytes, int]) -> None:
    """Create all of the files or none: a key without its description would be half a key."""
    created: list[Path] = []
    try:
        for path, data, mode in files:
            _create(path, data, mode)
            created.append(path)
    except BaseException:
        for path in created:
            path.unlink(missing_ok=True)
        raise


def _create(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink()
            raise
    except OSError as error:
        raise MasterKeyError(
            f"{path} cannot be written: {error.strerror}", hint="nothing was overwritten"
        ) from error
