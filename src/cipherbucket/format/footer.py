"""Recipients, and the binary records of the sealed format: footer and seal.

Law: every length is checked before it is used, every byte belongs to exactly one field, and what
is parsed encodes to the same bytes again (docs/format.md, sections 14.2 and 14.5). The store wrote
what is parsed here: nothing is believed, and nothing large is made of something small.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cipherbucket.errors import EnvelopeError, UsageError
from cipherbucket.format.description import Description

MAX_RECIPIENTS = 16
MAX_FOOTER = 65_536
MIN_FOOTER = 56
NAME_BOUND = 1
CONTEXT_BOUND = 2
MAGIC = b"CBSEALED"
SEAL_FIELD = "cipherbucket-seal"
RECIPIENTS_FIELD = "cipherbucket-recipients"
MAC_FIELD = "cipherbucket-mac"
FOOTER_FIELD = "footer"
"""What errors call the footer, which is no metadata field."""

_VERSION = 1
_ID, _NAME, _RECIPIENT, _OPTIONAL = 0x0001, 0x0002, 0x0003, 0x8000
_MAX_VALUE = 8192
_ALGORITHM = re.compile(r"[A-Z0-9][A-Z0-9-]{0,63}")
_SEAL = struct.Struct(">HHI16s32s24s32s")


@dataclass(frozen=True, slots=True, repr=False)
class Recipient:
    """One master key that can open the object.

    Attributes:
        algorithm: The wrap algorithm, as it stands on the wire.
        wrapped_key: The data key, wrapped.
        description_text: The master key's description, as it stands on the wire; "" for none.
        description_field: The metadata name it came from.
    """

    algorithm: str
    wrapped_key: bytes
    description_text: str
    description_field: str

    @property
    def description(self) -> Description:
        """The description as a mapping.

        Raises:
            EnvelopeError: The text is no JSON object of strings. This is told only here, so
                that an object whose description was damaged can still be read with ``key=``.
        """
        try:
            return Description(self.description_text)
        except UsageError as error:
            raise EnvelopeError(
                f"{self.description_field}: {error.message}",
                field=self.description_field,
                hint="if you know the key, read the object with key=",
            ) from None

    def __repr__(self) -> str:
        return f"Recipient({self.algorithm!r}, {self.description_text!r})"


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
        fields = _field(_ID, self.object_id)
        if self.name is not None:
            fields += _field(_NAME, self.name.encode())
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
            raise _fault(FOOTER_FIELD, "another length than it says")
        version, flags = struct.unpack(">HH", data[:4])
        _check_version(FOOTER_FIELD, version, flags)
        object_id: bytes | None = None
        name: str | None = None
        recipients: list[Recipient] = []
        before = 0
        for kind, value in _fields(FOOTER_FIELD, data[4:-12]):
            if kind < before or (kind == before and kind != _RECIPIENT):
                raise _fault(FOOTER_FIELD, "fields out of order or repeated")
            before = kind
            if kind == _ID and len(value) == 16:
                object_id = value
            elif kind == _NAME and 1 <= len(value) <= 1023:
                name = _text(FOOTER_FIELD, value)
            elif kind == _RECIPIENT:
                recipients.append(_parse_recipient(FOOTER_FIELD, value, len(recipients)))
            elif kind < _OPTIONAL:
                raise _fault(FOOTER_FIELD, f"a field of type {kind:#06x} that cannot be understood")
        if object_id is None or (name is not None) != bool(flags & NAME_BOUND):
            raise _fault(FOOTER_FIELD, "a field is missing, or is there and its flag is not")
        _check_recipients(FOOTER_FIELD, recipients)
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
            raise _fault(SEAL_FIELD, f"not {_SEAL.size} bytes")
        version, flags, length, object_id, footer_hash, salt, commitment = _SEAL.unpack(data)
        _check_version(SEAL_FIELD, version, flags)
        if not MIN_FOOTER <= length <= MAX_FOOTER:
            raise _fault(SEAL_FIELD, f"a footer of {length:,} bytes")
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


def is_algorithm(name: str) -> bool:
    """Tell whether a text can be the name of a wrap algorithm (section 14.2)."""
    return _ALGORITHM.fullmatch(name) is not None


def footer_length(end: bytes) -> int:
    """Read the length of a footer from the last 12 bytes of a body.

    Raises:
        EnvelopeError: They are not the end of a footer.
    """
    if len(end) != 12 or end[4:] != MAGIC:
        raise _fault(FOOTER_FIELD, "the body does not end as a sealed one does")
    length = int.from_bytes(end[:4], "big")
    if not MIN_FOOTER <= length <= MAX_FOOTER:
        raise _fault(FOOTER_FIELD, f"{length:,} bytes long, by its own account")
    return length


def encode_recipients(recipients: Sequence[Recipient]) -> bytes:
    """Return the recipient fields, as footer and ``cipherbucket-recipients`` hold them."""
    return b"".join(_field(_RECIPIENT, _encode_recipient(recipient)) for recipient in recipients)


def parse_recipients(data: bytes) -> tuple[Recipient, ...]:
    """Read ``cipherbucket-recipients``.

    Raises:
        EnvelopeError: Anything but 1 to 16 recipients that can be told apart.
    """
    recipients: list[Recipient] = []
    for kind, value in _fields(RECIPIENTS_FIELD, data):
        if kind != _RECIPIENT:
            raise _fault(RECIPIENTS_FIELD, f"a field of type {kind:#06x}")
        recipients.append(_parse_recipient(RECIPIENTS_FIELD, value, len(recipients)))
    _check_recipients(RECIPIENTS_FIELD, recipients)
    return tuple(recipients)


def _field(kind: int, value: bytes) -> bytes:
    return struct.pack(">HI", kind, len(value)) + value


def _fields(where: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        if len(data) - offset < 6:
            raise _fault(where, "a field ends early")
        kind, length = struct.unpack_from(">HI", data, offset)
        offset += 6
        if length > len(data) - offset:
            raise _fault(where, "a field ends early")
        yield kind, data[offset : offset + length]
        offset += length


def _encode_recipient(recipient: Recipient) -> bytes:
    algorithm = recipient.algorithm.encode()
    description = recipient.description_text.encode()
    return b"".join(
        (
            struct.pack(">H", len(algorithm)),
            algorithm,
            struct.pack(">I", len(description)),
            description,
            struct.pack(">I", len(recipient.wrapped_key)),
            recipient.wrapped_key,
        )
    )


def _parse_recipient(where: str, value: bytes, count: int) -> Recipient:
    if count == MAX_RECIPIENTS:  # before another is looked at
        raise _fault(where, f"more than {MAX_RECIPIENTS} recipients")
    algorithm, rest = _taken(where, value, 2)
    description, rest = _taken(where, rest, 4)
    wrapped, rest = _taken(where, rest, 4)
    if rest or not wrapped or max(len(description), len(wrapped)) > _MAX_VALUE:
        raise _fault(where, "a recipient that is malformed")
    name = _text(where, algorithm)
    if not is_algorithm(name):
        raise _fault(where, "a wrap algorithm that is malformed")
    return Recipient(name, wrapped, _text(where, description), where)


def _taken(where: str, data: bytes, width: int) -> tuple[bytes, bytes]:
    length = int.from_bytes(data[:width], "big")
    if len(data) < width or length > len(data) - width:
        raise _fault(where, "a recipient that ends early")
    return data[width : width + length], data[width + length :]


def _text(where: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _fault(where, "a text that is not UTF-8") from None


def _check_version(where: str, version: int, flags: int) -> None:
    if version != _VERSION:
        raise EnvelopeError(
            f"{where}: version {version}, and this library knows {_VERSION}",
            field=where,
            hint="a newer cipherbucket may have written it: upgrade",
        )
    if flags & ~(NAME_BOUND | CONTEXT_BOUND):
        raise _fault(where, f"unknown flags {flags:#06x}")


def _check_recipients(where: str, recipients: Sequence[Recipient]) -> None:
    if not recipients:
        raise _fault(where, "no recipient")
    labels = {(recipient.algorithm, _label(recipient)) for recipient in recipients}
    if len(labels) != len(recipients):
        raise _fault(where, "two recipients that could not be told apart")


def _label(recipient: Recipient) -> Description | str:
    try:
        return recipient.description
    except EnvelopeError:  # it can be read with key= all the same
        return recipient.description_text


def _fault(where: str, what: str) -> EnvelopeError:
    return EnvelopeError(
        f"{where}: {what}",
        field=where,
        hint="the object was altered or damaged; restore it from a copy",
    )
