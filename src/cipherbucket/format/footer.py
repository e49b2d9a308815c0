"""The records of the sealed format: the footer at the end of a body, the seal in its metadata.

Rule: as in `recipient_fields`, every length is checked before it is used, and what is parsed
encodes to the same bytes again (docs/format.md, sections 14.2 and 14.5).
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from cipherbucket.errors import EnvelopeError, UsageError
from cipherbucket.format.recipient_fields import (
    RECIPIENT,
    Recipient,
    altered,
    check_recipients,
    encode_field,
    encode_recipients,
    parse_fields,
    parse_recipient,
    utf8_text,
)

MAX_FOOTER = 65_536
MIN_FOOTER = 56
NAME_BOUND = 1
CONTEXT_BOUND = 2
MAGIC = b"CBSEALED"
SEAL_FIELD = "cipherbucket-seal"
MAC_FIELD = "cipherbucket-mac"
FOOTER_FIELD = "footer"
"""What errors call the footer, which is no metadata field."""

_VERSION = 1
_ID, _NAME, _OPTIONAL = 0x0001, 0x0002, 0x8000
_SEAL = struct.Struct(">HHI16s32s24s32s")


@dataclass(frozen=True, slots=True)
class Footer:
    """The end of a sealed body (docs/format.md, section 14.2).

    Attributes:
        flags: `NAME_BOUND`, `CONTEXT_BOUND`, both or neither.
        object_id: 16 random bytes.
        name: What the object was sealed as; None where the name is not bound.
        recipients: As of the day it was sealed.
    """

    flags: int
    object_id: bytes
    name: str | None
    recipients: tuple[Recipient, ...]

    def encode(self) -> bytes:
        """Return the footer's bytes.

        Raises:
            UsageError: More than `MAX_FOOTER` bytes.
        """
        fields = encode_field(_ID, self.object_id)
        if self.name is not None:
            fields += encode_field(_NAME, self.name.encode())
        fields += encode_recipients(self.recipients)
        length = 4 + len(fields) + 12
        if length > MAX_FOOTER:
            raise UsageError(
                f"the recipients take {length:,} bytes; a footer holds {MAX_FOOTER:,}",
                hint="shorten their descriptions, or name fewer",
            )
        return struct.pack(">HH", _VERSION, self.flags) + fields + struct.pack(">I", length) + MAGIC

    @classmethod
    def parse(cls, data: bytes) -> Footer:
        """Read a footer, of exactly these bytes.

        Raises:
            EnvelopeError: Anything else than section 14.2 allows.
        """
        if not MIN_FOOTER <= len(data) <= MAX_FOOTER or footer_length(data[-12:]) != len(data):
            raise altered(FOOTER_FIELD, "another length than it says")
        version, flags = struct.unpack(">HH", data[:4])
        _check_version(FOOTER_FIELD, version, flags)
        object_id: bytes | None = None
        name: str | None = None
        recipients: list[Recipient] = []
        before = 0
        for kind, value in parse_fields(FOOTER_FIELD, data[4:-12]):
            if kind < before or (kind == before and kind != RECIPIENT):
                raise altered(FOOTER_FIELD, "fields out of order or repeated")
            before = kind
            if kind == _ID and len(value) == 16:
                object_id = value
            elif kind == _NAME and 1 <= len(value) <= 1023:
                name = utf8_text(FOOTER_FIELD, value)
            elif kind == RECIPIENT:
                recipients.append(parse_recipient(FOOTER_FIELD, value, len(recipients)))
            elif kind < _OPTIONAL:
                raise altered(
                    FOOTER_FIELD, f"a field of type {kind:#06x} that cannot be understood"
                )
        if object_id is None or (name is not None) != bool(flags & NAME_BOUND):
            raise altered(FOOTER_FIELD, "a field is missing, or is there and its flag is not")
        check_recipients(FOOTER_FIELD, recipients)
        return cls(flags, object_id, name, tuple(recipients))


@dataclass(frozen=True, slots=True)
class Seal:
    """What of a sealed object never changes, as it stands in the metadata (section 14.5).

    Attributes:
        flags: As in the footer.
        footer_length: Bytes of the footer.
        object_id: 16 bytes, as in the footer.
        footer_hash: SHA-256 of the footer.
        salt: Bytes 0 to 23 of the body.
        commitment: Bytes 24 to 55 of the body.
    """

    flags: int
    footer_length: int
    object_id: bytes
    footer_hash: bytes
    salt: bytes
    commitment: bytes

    @property
    def binds_name(self) -> bool:
        """Whether the object can be read under one name only."""
        return bool(self.flags & NAME_BOUND)

    @property
    def binds_context(self) -> bool:
        """Whether a reader has to give the user's own context."""
        return bool(self.flags & CONTEXT_BOUND)

    @property
    def header(self) -> bytes:
        """The first 56 bytes of the body."""
        return self.salt + self.commitment

    def encode(self) -> bytes:
        """Return the 112 bytes of ``cipherbucket-seal``."""
        return _SEAL.pack(
            _VERSION,
            self.flags,
            self.footer_length,
            self.object_id,
            self.footer_hash,
            self.salt,
            self.commitment,
        )

    @classmethod
    def parse(cls, data: bytes) -> Seal:
        """Read ``cipherbucket-seal``.

        Raises:
            EnvelopeError: Another length or version, unknown flags, an impossible footer.
        """
        if len(data) != _SEAL.size:
            raise altered(SEAL_FIELD, f"not {_SEAL.size} bytes")
        version, flags, length, object_id, footer_hash, salt, commitment = _SEAL.unpack(data)
        _check_version(SEAL_FIELD, version, flags)
        if not MIN_FOOTER <= length <= MAX_FOOTER:
            raise altered(SEAL_FIELD, f"a footer of {length:,} bytes")
        return cls(flags, length, object_id, footer_hash, salt, commitment)

    @classmethod
    def of_body(cls, header: bytes, footer: bytes) -> Seal:
        """Make the seal of a body, of its first 56 bytes and its footer.

        Raises:
            EnvelopeError: The footer cannot be understood.
        """
        parsed = Footer.parse(footer)
        return cls(
            parsed.flags,
            len(footer),
            parsed.object_id,
            hashlib.sha256(footer).digest(),
            header[:24],
            header[24:],
        )


def footer_length(end: bytes) -> int:
    """Read the length of a footer from the last 12 bytes of a body.

    Raises:
        EnvelopeError: They are not the end of a footer.
    """
    if len(end) != 12 or end[4:] != MAGIC:
        raise altered(FOOTER_FIELD, "the body does not end as a sealed one does")
    length = int.from_bytes(end[:4], "big")
    if not MIN_FOOTER <= length <= MAX_FOOTER:
        raise altered(FOOTER_FIELD, f"{length:,} bytes long, by its own account")
    return length


def _check_version(where: str, version: int, flags: int) -> None:
    if version != _VERSION:
        raise EnvelopeError(
            f"{where}: version {version}, and this library knows {_VERSION}",
            field=where,
            hint="a newer cipherbucket may have written it: upgrade",
        )
    if flags & ~(NAME_BOUND | CONTEXT_BOUND):
        raise altered(where, f"unknown flags {flags:#06x}")
