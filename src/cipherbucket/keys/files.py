"""Key files: made once, on request, never overwritten; read with the description beside them.

Rule: a key file holds the key and nothing else, so that every SDK reads it. What its objects call
it, the description, lies beside it (see `description_files`).
"""

from __future__ import annotations

import base64
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from cipherbucket.errors import MasterKeyError, UsageError, warn_caller, without_frames
from cipherbucket.format.description import Description
from cipherbucket.keys.aes import KEY_LENGTH, AesKey, parse_aes
from cipherbucket.keys.description_files import (
    description_path,
    description_path_of,
    encode_facts,
    missing_description,
    read_facts,
    stated_fingerprint,
)
from cipherbucket.keys.encodings import (
    naming_the_file,
    parse_rsa,
    private_pem,
    public_pem,
    read_key_file,
)
from cipherbucket.keys.file_owners import warn_if_replaceable
from cipherbucket.keys.rsa import RsaKey
from cipherbucket.local_files.folders import Place, place_of
from cipherbucket.local_files.paths import local_path

RSA_BITS = (2048, 3072, 4096)
"""The lengths that `create_rsa_key_file` makes."""

_log = logging.getLogger("cipherbucket")
_DER_SEQUENCE = b"\x30"
"""What every RSA key in DER begins with."""
_ACCEPTED = (
    "an RSA key in PEM or DER, or an AES key: 32 bytes raw, 44 characters of base64 or 64 of hex"
)


@without_frames
def create_rsa_key_file(
    path: str | os.PathLike[str],
    *,
    description: Mapping[str, str] | str,
    bits: int = 3072,
    passphrase: str | None = None,
    sealed_only: bool = False,
) -> RsaKey:
    """Make an RSA master key: ``path`` (private, 0600), ``path.pub``, ``path.json``.

    Args:
        path: A new file; PKCS#8 in PEM, encrypted under the passphrase if there is one.
        description: The label by which readers find the key; not empty.
        bits: 2,048, 3,072 or 4,096.
        passphrase: Protects the file; at least one character.
        sealed_only: See `RsaKey`; `load_key` finds it in ``path.json``.

    Returns:
        The key, ready to write and read.

    Raises:
        UsageError: No description, another length, or a passphrase that cannot be used.
        MasterKeyError: One of the three files is already there, or cannot be written. Nothing
            is ever overwritten, and nothing is left behind.

    Warns:
        CipherbucketWarning: Others can replace the file where it lies, so that it is refused there.
    """
    label = _label(description)
    if bits not in RSA_BITS:
        raise UsageError(f"an RSA key has {RSA_BITS} bits here, not {bits}")
    if passphrase == "":
        raise UsageError("an empty passphrase protects nothing", hint="give one, or none")
    file = Path(local_path(path))
    public, sidecar = public_path(file), description_path(file)
    _refuse_taken(file, public, sidecar)
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    key = RsaKey(private, description=label, sealed_only=sealed_only)
    create_all(
        (file, _private_pem(private, passphrase), 0o600),
        (public, public_pem(private), 0o644),
        (sidecar, _facts_of(key), 0o644),
    )
    warn_if_replaceable(file)
    return key


@without_frames
def create_aes_key_file(
    path: str | os.PathLike[str], *, description: Mapping[str, str] | str
) -> AesKey:
    """Make an AES master key: ``path`` (0600), ``path.json``. It writes format ``sealed`` alone.

    Args:
        path: A new file; 32 random bytes as a line of base64 (RFC 4648, section 4).
        description: The label by which readers find the key; not empty.

    Returns:
        The key, ready to write and read.

    Raises:
        UsageError: No description.
        MasterKeyError: One of the two files is already there, or cannot be written. Nothing is
            ever overwritten, and nothing is left behind.

    Warns:
        CipherbucketWarning: Others can replace the file where it lies, so that it is refused there.
    """
    label = _label(description)
    file = Path(local_path(path))
    sidecar = description_path(file)
    _refuse_taken(file, sidecar)
    secret = secrets.token_bytes(KEY_LENGTH)
    key = AesKey(secret, description=label)
    create_all(
        (file, base64.b64encode(secret) + b"\n", 0o600),
        (sidecar, _facts_of(key), 0o644),
    )
    warn_if_replaceable(file)
    return key


@without_frames
def load_key(
    path: str | os.PathLike[str],
    *,
    description: Mapping[str, str] | str | None = None,
    passphrase: Callable[[], str] | None = None,
    allow_weak: bool = False,
) -> RsaKey | AesKey:
    """Read a key file, and what lies beside it: its description, and what the key is for.

    Its content decides what it is. The length comes first: 32 bytes, or 44 characters of base64
    or 64 of hex, are an AES key whatever they look like. One in 256 raw keys begins as DER does,
    and no RSA key fits into so few bytes.

    Args:
        path: An AES key file, see `AesKey.from_file`; or an RSA key file, see
            `RsaKey.from_pem_file`, where ``key.pub`` finds ``key.json`` too.
        description: Use this one, not the one beside the file; ``{}`` for none. The file beside an
            RSA key must be that key's all the same, and may say that the key is for the sealed
            format only.
        passphrase: Called only if the file is encrypted. RSA alone.
        allow_weak: Write even with less than 2,048 bits. RSA alone.

    Warns:
        CipherbucketWarning: Others than the owner can read the file, and it holds a secret.

    Raises:
        MasterKeyError: The key cannot be read; the file beside it is damaged or another key's, or,
            of a public half whose description is not given, missing; or others can replace one of
            the two files.
    """
    file = Path(local_path(path))
    read = read_key_file(file)
    _log.debug("read key file %s", file)
    data = read.data
    if (secret := parse_aes(data)) is not None:
        warn_if_readable(file)
        key = AesKey(secret, description=description)
        sidecar = description_path(file)
        if description is None and os.path.lexists(sidecar):
            return key.described(read_facts(sidecar, key.id, read.owner).description())
        return key
    with naming_the_file(file):
        if b"-----BEGIN " not in data and not data.startswith(_DER_SEQUENCE):
            raise MasterKeyError("neither an RSA key nor an AES key", hint=_ACCEPTED)
        rsa_key = parse_rsa(data, passphrase)
    is_public = isinstance(rsa_key, rsa.RSAPublicKey)
    if is_public:
        read.refuse_other_owner()
    else:
        warn_if_readable(file)
    sidecar = description_path_of(file)
    sealed_only = False
    if not os.path.lexists(sidecar):
        if is_public and description is None:
            raise missing_description(sidecar)
    else:
        # Also where the description is given: who overlooked the mark would use the key for what
        # it is kept from. A file that is damaged, or of another key, may have lost the mark.
        facts = read_facts(sidecar, RsaKey(rsa_key).id, () if is_public else read.owner)
        sealed_only = facts.sealed_only
        if description is None:
            description = facts.description()
    return RsaKey(rsa_key, description=description, allow_weak=allow_weak, sealed_only=sealed_only)


@without_frames
def id_of_file(path: str | os.PathLike[str]) -> str | None:
    """Return the id of the key in a file, if it can be known without a passphrase.

    That is what lies beside it, which `load_key` checks; else what the file holds, or the public
    half beside it. Nothing is warned of.
    """
    file = Path(local_path(path))
    if (stated := stated_fingerprint(file)) is not None:
        return stated
    for each in (file, public_path(file)):
        with suppress(MasterKeyError):
            if not each.is_file():  # a pipe would keep all waiting
                continue
            data = read_key_file(each).data
            secret = parse_aes(data)
            return AesKey(secret).id if secret is not None else RsaKey(parse_rsa(data, str)).id
    return None


def public_path(path: Path) -> Path:
    """Return where the public half of a key file lies."""
    return path.with_name(path.name + ".pub")


def warn_if_readable(file: Path) -> None:
    """Warn of a secret that other users of the machine can read, as ssh refuses it."""
    try:
        mode = file.stat().st_mode
    except OSError:  # it was there a moment ago
        return
    if mode & 0o077:
        warn_caller(
            f"key file {file} can be read by other users; keep it to yourself: chmod 600 {file}"
        )


def _label(description: Mapping[str, str] | str) -> Description:
    label = Description(description)
    if not label:
        raise UsageError(
            "a key without a description can never be replaced", hint='give {"desc": "2026"}'
        )
    return label


def _refuse_taken(*paths: Path) -> None:
    for taken in paths:
        if os.path.lexists(taken):
            raise MasterKeyError(
                f"{taken} is already there; keys are never overwritten", hint="choose another name"
            )


def _facts_of(key: RsaKey | AesKey) -> bytes:
    only = isinstance(key, RsaKey) and key.sealed_only
    return encode_facts(key.description, key.id, sealed_only=only)


def _private_pem(private: rsa.RSAPrivateKey, passphrase: str | None) -> bytes:
    try:
        return private_pem(private, None if passphrase is None else passphrase.encode())
    except ValueError:  # more bytes than OpenSSL takes, or no text that UTF-8 can hold
        raise UsageError("a passphrase has at most 1,023 bytes of UTF-8") from None


def create_all(*files: tuple[Path, bytes, int]) -> None:
    """Create all of the files or none: a key without its description would be half a key.

    Args:
        files: Each with its content and mode.

    Raises:
        MasterKeyError: One is already there, or cannot be written.
    """
    with ExitStack() as folders, ExitStack() as created:
        for path, data, mode in files:
            place = _place(path)
            folders.enter_context(place.folder)
            _create(place, data, mode, created)
        created.pop_all()


def _place(path: Path) -> Place:
    """Find where a file is to be, in a folder that no link of another user leads to."""
    with _errors(path):
        return place_of(path)


def _create(place: Place, data: bytes, mode: int, created: ExitStack) -> None:
    folder = place.folder.descriptor
    with _errors(place):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(place.name, flags, mode, dir_fd=folder)
        created.callback(_remove, place)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.fsync(folder)  # its name too: what a lost key has encrypted is lost


def _remove(place: Place) -> None:
    with suppress(FileNotFoundError):
        os.unlink(place.name, dir_fd=place.folder.descriptor)


@contextmanager
def _errors(path: Path | Place) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MasterKeyError(
            f"{path} cannot be written: {error.strerror}", hint="nothing was overwritten"
        ) from error
