"""``[keys.NAME]``: what the file says of a key.

Rule: no key is read here. Beside a key file only its description is looked at, so that a file can
name keys that not everybody has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cipherbucket.config.checks import (
    CONNECTION,
    Check,
    boolean,
    checked,
    description,
    fingerprint_of,
    one_of,
    refuse_other_formats,
    seconds,
    table_of_texts,
    tables_of,
    text,
    texts,
    variable,
)
from cipherbucket.config.document import Document
from cipherbucket.format.description import Description
from cipherbucket.format.metadata_names import OSS, SEALED
from cipherbucket.keys.description_files import has_description_file, read_description_file

RSA, AES, KMS = "rsa", "aes", "kms"
WRITTEN = (OSS, SEALED)
"""Formats that are written."""

_EVERY: dict[str, Check] = {"description": description, "formats": texts, "read_only": boolean}
_PASSPHRASE: dict[str, Check] = {"passphrase_env": variable}
_KMS_SETTINGS: dict[str, Check] = {
    **CONNECTION,
    "network": one_of("public", "vpc"),
    "patience": seconds,
}
_KMS_OPTIONS: dict[str, Check] = {
    "blob": one_of("single", "double"),
    "allowed": texts,
    "encryption_context": table_of_texts,
}
SETTINGS: dict[str, dict[str, Check]] = {
    RSA: {RSA: text, **_EVERY, **_PASSPHRASE, "fingerprint": fingerprint_of("SHA256")},
    AES: {AES: text, **_EVERY, "fingerprint": fingerprint_of("AES256")},
    KMS: {KMS: text, **_EVERY, **_PASSPHRASE, **_KMS_SETTINGS, **_KMS_OPTIONS},
}
"""What a key can say, by its kind."""


@dataclass(frozen=True)
class KeyEntry:
    """A key with a name.

    Attributes:
        name: Its name.
        kind: ``rsa``, ``aes`` or ``kms``.
        file: Of RSA and AES keys.
        key_id: Of KMS keys.
        description: As the file says it, or None.
        formats: Those that it may be used for.
        read_only: Whether it never writes.
        passphrase_env: Name of the environment variable of its passphrase.
        fingerprint: The id that the key in the file must have, or None.
        settings: What `KmsSettings` takes.
        options: What else `AliKmsKey` takes.
    """

    name: str
    kind: str
    file: Path | None
    key_id: str
    description: Description | None
    formats: frozenset[str]
    read_only: bool
    passphrase_env: str | None
    fingerprint: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> Description | None:
        """Its description, without reading the key; None if that is not known."""
        if self.description is not None:
            return self.description
        if self.file is None:
            return Description({"kms": self.key_id})
        facts = read_description_file(self.file)
        if facts is not None:
            return facts[0]
        return Description() if self.file.exists() and not has_description_file(self.file) else None

    @property
    def writes(self) -> str:
        """The format that it writes where nothing else is said."""
        if OSS not in self.formats:
            return SEALED
        facts = (
            read_description_file(self.file) if self.kind == RSA and self.file is not None else None
        )
        return SEALED if facts is not None and facts[1] else OSS


def keys_in(document: Document) -> dict[str, KeyEntry]:
    """Read ``[keys.*]``.

    Raises:
        UsageError: Something in it cannot be.
    """
    tables = tables_of(document, "keys")
    return {name: _key(document, name, table) for name, table in tables.items()}


def _key(document: Document, name: str, table: Mapping[str, Any]) -> KeyEntry:
    place = document.place("keys", name)
    # '=' and '{' begin descriptions where a key may be named by one, '-' an option.
    if not name.isprintable() or not name or set("/:={") & set(name) or name.startswith("-"):
        raise place.error(
            "no name that a key can have", "without '/', ':', '=' and '{'; not '-' first"
        )
    kinds = [kind for kind in SETTINGS if kind in table]
    if len(kinds) != 1:
        place.refuse_unknown(table, {each for checks in SETTINGS.values() for each in checks})
        raise place.error(
            "a key is one of rsa, aes and kms",
            'rsa = "FILE", aes = "FILE", or kms = "KEY ID, ALIAS OR ARN"',
        )
    kind = kinds[0]
    values = checked(place, table, SETTINGS[kind])
    able = WRITTEN if kind != AES else (SEALED,)
    formats = values.get("formats") or able
    refuse_other_formats(place.at("formats"), formats, able)
    return KeyEntry(
        name,
        kind,
        file=document.relative(values[kind]) if kind != KMS else None,
        key_id=values[kind] if kind == KMS else "",
        description=values.get("description"),
        formats=frozenset(formats),
        read_only=values.get("read_only", False),
        passphrase_env=values.get("passphrase_env"),
        fingerprint=values.get("fingerprint"),
        settings={each: values[each] for each in _KMS_SETTINGS if each in values},
        options={each: values[each] for each in _KMS_OPTIONS if each in values},
    )
