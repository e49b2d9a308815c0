"""Texts of metadata values: what is accepted of a hostile store, and nothing more.

Rule: one value has one text. What would decode but not encode to the same text again is refused, so
that no two different envelopes mean the same and no reader sees more than another.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from cipherbucket.errors import EnvelopeError

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")


def required(fields: Mapping[str, str], name: str) -> str:
    """Return a text that must be there and not be empty.

    Raises:
        EnvelopeError: It is not.
    """
    if not (text := fields.get(name, "")):
        raise EnvelopeError(f"{name}: missing", field=name)
    return text


def check_text(fields: Mapping[str, str], name: str, wanted: str) -> None:
    """Refuse a field that does not hold just this text.

    Raises:
        EnvelopeError: It is missing, or another.
    """
    if (text := required(fields, name)) != wanted:
        raise EnvelopeError(f"{name}: {text[:64]!r} is not {wanted!r}", field=name)


def one_spelling(fields: Mapping[str, str], name: str, other: str) -> str:
    """Return under which of two names a value stands.

    Raises:
        EnvelopeError: Under both, and they differ.
    """
    if name in fields and other in fields and fields[name] != fields[other]:
        raise EnvelopeError(f"{other}: differs from {name}", field=other)
    return other if other in fields and name not in fields else name


def base64_bytes(fields: Mapping[str, str], name: str) -> bytes:
    """Decode canonical base64 (RFC 4648, section 4) of one byte or more.

    Raises:
        EnvelopeError: It is missing or anything else.
    """
    text = required(fields, name)
    try:
        value = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        value = b""
    # Re-encoding refuses stray bits under the padding: one value has one text.
    if not value or base64.b64encode(value).decode() != text:
        raise EnvelopeError(f"{name}: not canonical base64", field=name)
    return value


def decimal(fields: Mapping[str, str], name: str) -> int | None:
    """Read a plain decimal number; None when there is none.

    Raises:
        EnvelopeError: It is no number of at most 16 digits.
    """
    if (text := fields.get(name)) is None:
        return None
    if not _DECIMAL.fullmatch(text):
        raise EnvelopeError(f"{name}: not a decimal number of at most 16 digits", field=name)
    return int(text)


def md5_text(fields: Mapping[str, str], name: str) -> str | None:
    """Return the base64 of an MD5; None when there is none.

    Raises:
        EnvelopeError: It is no canonical base64 of 16 bytes.
    """
    if name not in fields:
        return None
    if len(base64_bytes(fields, name)) != 16:
        raise EnvelopeError(f"{name}: not 16 bytes of base64", field=name)
    return fields[name]


def is_md5(text: str) -> bool:
    """Return whether a text is the canonical base64 of 16 bytes."""
    try:
        return md5_text({"md5": text}, "md5") is not None
    except EnvelopeError:
        return False


def decode_v1_start(text: bytes) -> bytes | None:
    """Turn V1's initial counter, ASCII decimal digits, into 16 big-endian bytes.

    Returns:
        The counter, or None when the bytes are no decimal number below 2**128.
    """
    if not re.fullmatch(rb"0|[1-9][0-9]{0,38}", text) or int(text) >= 1 << 128:
        return None
    return int(text).to_bytes(16, "big")
