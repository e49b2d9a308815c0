"""Recipients: the master keys that can open an object, and their records in the sealed format.

Rule: every length is checked before it is used, every byte belongs to exactly one field, and what
is parsed encodes to the same bytes again (docs/format.md, sections 14.2 and 14.5). The store wrote
what is parsed here: nothing is believed, and nothing large is made of something small.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cipherbucket.errors import EnvelopeError, UsageError
from cipherbucket.format.description import Description

MAX_RECIPIENTS = 16
RECIPIENTS_FIELD = "cipherbucket-recipients"
RECIPIENT = 0x0003
"""The type of a recipient's field."""

_MAX_VALUE = 8192
_ALGORITHM = re.compile(r"[A-Z0-9][A-Z0-9-]{0,63}")


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
            EnvelopeError: The text is no JSON object of strings. It is raised only here, so
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


def is_algorithm(name: str) -> bool:
    """Return whether a text can be the name of a wrap algorithm (section 14.2)."""
    return _ALGORITHM.fullmatch(name) is not None


def encode_recipients(recipients: Sequence[Recipient]) -> bytes:
    """Return the recipient fields, as footer and ``cipherbucket-recipients`` hold them."""
    return b"".join(
        encode_field(RECIPIENT, _encode_recipient(recipient)) for recipient in recipients
    )


def parse_recipients(data: bytes) -> tuple[Recipient, ...]:
    """Read ``cipherbucket-recipients``.

    Raises:
        EnvelopeError: Anything but 1 to 16 recipients that can be told apart.
    """
    recipients: list[Recipient] = []
    for kind, value in parse_fields(RECIPIENTS_FIELD, data):
        if kind != RECIPIENT:
            raise altered(RECIPIENTS_FIELD, f"a field of type {kind:#06x}")
        recipients.append(parse_recipient(RECIPIENTS_FIELD, value, len(recipients)))
    check_recipients(RECIPIENTS_FIELD, recipients)
    return tuple(recipients)


def encode_field(kind: int, value: bytes) -> bytes:
    """Return a field: type, length, value."""
    return struct.pack(">HI", kind, len(value)) + value


def parse_fields(where: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each field.

    Args:
        where: What errors call the record.
        data: Fields and nothing else.

    Raises:
        EnvelopeError: A field ends early.
    """
    offset = 0
    while offset < len(data):
        if len(data) - offset < 6:
            raise altered(where, "a field ends early")
        kind, length = struct.unpack_from(">HI", data, offset)
        offset += 6
        if length > len(data) - offset:
            raise altered(where, "a field ends early")
        yield kind, data[offset : offset + length]
        offset += length


def parse_recipient(where: str, value: bytes, count: int) -> Recipient:
    """Read the value of a recipient's field.

    Args:
        where: What errors call the record.
        value: The field's value.
        count: How many recipients stand before it.

    Raises:
        EnvelopeError: It is malformed, or one too many.
    """
    if count == MAX_RECIPIENTS:  # before another is looked at
        raise altered(where, f"more than {MAX_RECIPIENTS} recipients")
    algorithm, rest = _taken(where, value, 2)
    description, rest = _taken(where, rest, 4)
    wrapped, rest = _taken(where, rest, 4)
    if rest or not wrapped or max(len(description), len(wrapped)) > _MAX_VALUE:
        raise altered(where, "a recipient that is malformed")
    name = utf8_text(where, algorithm)
    if not is_algorithm(name):
        raise altered(where, "a wrap algorithm that is malformed")
    return Recipient(name, wrapped, utf8_text(where, description), where)


def utf8_text(where: str, data: bytes) -> str:
    """Decode a text.

    Raises:
        EnvelopeError: It is not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise altered(where, "a text that is not UTF-8") from None


def check_recipients(where: str, recipients: Sequence[Recipient]) -> None:
    """Refuse recipients among which a reader could not choose.

    Raises:
        EnvelopeError: There is none, or two have one algorithm and one description.
    """
    if not recipients:
        raise altered(where, "no recipient")
    labels = {(recipient.algorithm, _label(recipient)) for recipient in recipients}
    if len(labels) != len(recipients):
        raise altered(where, "two recipients that could not be told apart")


def altered(where: str, what: str) -> EnvelopeError:
    """Return the error for a record that no writer made."""
    return EnvelopeError(
        f"{where}: {what}",
        field=where,
        hint="the object was altered or damaged; restore it from a copy",
    )


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


def _taken(where: str, data: bytes, width: int) -> tuple[bytes, bytes]:
    length = int.from_bytes(data[:width], "big")
    if len(data) < width or length > len(data) - width:
        raise altered(where, "a recipient that ends early")
    return data[width : width + length], data[width + length :]


def _label(recipient: Recipient) -> Description | str:
    try:
        return recipient.description
    except EnvelopeError:  # it can be read with key= all the same
        return recipient.description_text
