"""From what the file says of a key to the key itself: a key file is read, or a KMS key made.

Rule: a key that contradicts the file is refused: one of another kind or another fingerprint, one
with another description beside it, one that is for other formats. Each error carries the line of
the setting.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from cipherbucket.config.document import Place
from cipherbucket.config.keys import AES, KMS, KeyEntry
from cipherbucket.errors import MasterKeyError, UsageError
from cipherbucket.format.description import Description
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.description_files import MISSING, has_description_file
from cipherbucket.keys.encodings import PASSPHRASE_VARIABLE, WRONG_PASSPHRASE
from cipherbucket.keys.files import load_key
from cipherbucket.keys.rsa import RsaKey

AskPassphrase = Callable[[str], str]
"""Returns the passphrase of a key file, by its name."""

_DESCRIBE = 'put it back beside the key, or add description = { desc = "..." }; {} is that of none'


def load(
    place: Place, entry: KeyEntry, ask: AskPassphrase | None, *, allow_weak: bool
) -> MasterKey:
    """Return the key of an entry.

    Args:
        place: Where the entry is.
        entry: The entry.
        ask: Called for a passphrase where no environment variable has it.
        allow_weak: Write even with an RSA key of less than 2,048 bits.

    Raises:
        MasterKeyError: It cannot be used.
        MissingExtraError: It is in a KMS, and the extra ``kms`` is not installed.
    """
    try:
        if entry.kind == KMS:
            return _kms_key(place, entry)
        return _file_key(place, entry, ask, allow_weak=allow_weak)
    except UsageError as error:
        if error.message.startswith(str(place.document.path)):  # it has its place
            raise MasterKeyError(error.message, hint=error.hint) from error
        hint = _DESCRIBE if error.hint == MISSING else error.hint
        if error.message.endswith(WRONG_PASSPHRASE) and entry.passphrase_env in os.environ:
            hint = f"it is that of {entry.passphrase_env}"
        elif hint and entry.passphrase_env is not None:
            hint = hint.replace(PASSPHRASE_VARIABLE, entry.passphrase_env)
        raise place.key_error(error.message, hint) from error


def _file_key(
    place: Place, entry: KeyEntry, ask: AskPassphrase | None, *, allow_weak: bool
) -> MasterKey:
    assert entry.file is not None
    if entry.file.exists() and not entry.file.is_file():  # a pipe would keep all waiting
        raise place.at(entry.kind).key_error(f"{entry.file} is no regular file")
    own = None if has_description_file(entry.file) else entry.description
    key = load_key(
        entry.file,
        description=own.text if own is not None else None,
        passphrase=lambda: _passphrase(place, entry, ask),
        allow_weak=allow_weak,
    )
    if isinstance(key, AesKey) != (entry.kind == AES):
        its = "an AES key" if isinstance(key, AesKey) else "an RSA key"
        raise place.at(entry.kind).key_error(f"{entry.file} holds {its}")
    if entry.fingerprint not in {None, key.id}:
        raise place.at("fingerprint").key_error(
            f"{entry.file} holds key {key.id}, not {entry.fingerprint}",
            "somebody replaced it, or the fingerprint is out of date: ask the owner of the key",
        )
    if entry.description is not None:
        if key.description not in (Description(), entry.description):
            raise place.at("description").key_error(
                f"it contradicts what lies beside {entry.file}: {key.description}",
                "objects are found by one description: correct, or remove, the wrong one",
            )
        key = key.described(entry.description.text)
    if isinstance(key, RsaKey) and key.sealed_only and SEALED not in entry.formats:
        raise place.at("formats").key_error("the key is for format sealed only")
    if isinstance(key, RsaKey) and entry.formats == {SEALED}:
        return key.for_sealed_only()
    return key


def _kms_key(place: Place, entry: KeyEntry) -> MasterKey:
    from cipherbucket.keys.kms.key import AliKmsKey  # noqa: PLC0415  its SDK takes a while
    from cipherbucket.keys.kms.settings import KmsSettings  # noqa: PLC0415

    settings = dict(entry.settings)
    if os.environ.get("KMS_ENDPOINT"):
        settings.pop("endpoint", None)
    return AliKmsKey(
        entry.key_id,
        KmsSettings(**settings),
        description=entry.description.text if entry.description is not None else None,
        passphrase=_passphrase(place, entry, None) if entry.passphrase_env is not None else None,
        **entry.options,
    )


def _passphrase(place: Place, entry: KeyEntry, ask: AskPassphrase | None) -> str:
    if entry.passphrase_env is not None and entry.passphrase_env in os.environ:
        return os.environ[entry.passphrase_env]
    if entry.kind != KMS:
        if ask is not None:
            return ask(str(entry.file))
        if entry.passphrase_env is None:
            return os.environ.get("CIPHERBUCKET_PASSPHRASE", "")
    raise place.at("passphrase_env").error("the environment variable that it names is not set")
