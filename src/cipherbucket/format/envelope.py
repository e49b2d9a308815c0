"""The envelope: all that is needed to decrypt an object, minus the master key.

Law: this file alone knows the metadata names and the content algorithms (docs/format.md,
sections 3 and 9). An envelope keeps the exact texts it was parsed from, unknown fields included,
so that writing it unchanged gives the same bytes; a new envelope is composed as texts first and
then parsed, so that nothing is written that the strict reader would refuse.

The store is hostile: every text here is input. Names are without ``x-oss-meta-``, which belongs
to the transport.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cipherbucket.description import Description
from cipherbucket.errors import EnvelopeError, UsageError

OSS = "oss"
OSS_V1 = "oss-v1"
FORMATS = (OSS, OSS_V1)

MAX_FIELD = 8192
"""Longest text of one field, in characters: all of an object's metadata has 8 KiB."""

_V2 = "client-side-encryption-"
_V2_CONTENT_ALGORITHM = "AES/CTR/NoPadding"
_V1 = "oss-crypto-"
_V1_NAMES = frozenset({"oss-cek-alg", "oss-wrap-alg", "oss-matdesc"})
# V1 says GCM on the wire; the body has no tag and is plain CTR (docs/format.md, section 9).
_V1_CONTENT_ALGORITHM = "AES/GCM/NoPadding"
_V1_WRAP_ALGORITHMS = frozenset({"rsa", "kms"})
# Written beside V1's own names; in any other object they are the user's metadata.
_V1_COMPANIONS = frozenset({"unencrypted-content-length", "unencrypted-content-md5"})
_SEALED = "cipherbucket-"

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")


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


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Envelope:
    """What travels with an object (docs/format.md, section 3).

    Attributes:
        format: ``oss`` or ``oss-v1``.
        recipients: The master keys that can open it; one in these formats.
        wrapped_iv: The initial counter, wrapped; None in a format that has none.
        content_length: Length of the plaintext in bytes, where recorded.
        content_md5: MD5 of the plaintext in base64, where recorded.
        data_size: Length of the plaintext in bytes, as declared when a multipart began.
        part_size: Length in bytes of every part but the last of a multipart.
        fields: Every metadata name and exact text of the envelope. Two envelopes are equal when
            these are, in any order: stores and proxies reorder headers.
    """

    format: str
    recipients: tuple[Recipient, ...]
    wrapped_iv: bytes | None
    content_length: int | None
    content_md5: str | None
    data_size: int | None
    part_size: int | None
    fields: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, metadata: Mapping[str, str]) -> Envelope | None:
        """Read the envelope out of an object's metadata.

        Args:
            metadata: All user metadata, names in any case.

        Returns:
            The envelope, or None when there is no trace of one: a plaintext object.

        Raises:
            EnvelopeError: Two kinds of envelope, a field that is missing, oversized or
                malformed, or a content algorithm that this format does not have.
        """
        fields, kinds = _collect(metadata)
        if not kinds:
            return None
        if len(kinds) > 1:
            raise EnvelopeError(
                f"two kinds of envelope on one object: {' and '.join(sorted(kinds))}",
                field=_first_of_second_kind(fields),
                hint="someone added metadata to this object; restore it from a trusted copy",
            )
        if OSS_V1 not in kinds:
            fields = {name: text for name, text in fields.items() if name not in _V1_COMPANIONS}
        for name, text in fields.items():
            if len(text) > MAX_FIELD:
                raise EnvelopeError(
                    f"{name}: {len(text):,} characters, at most {MAX_FIELD:,}", field=name
                )
        if kinds == {OSS}:
            return _parse_v2(fields)
        if kinds == {OSS_V1}:
            return _parse_v1(fields)
        raise EnvelopeError(
            "the sealed format is not supported by this version",
            field=next(iter(fields)),
            hint="upgrade cipherbucket",
        )

    @classmethod
    def compose(
        cls,
        *,
        algorithm: str,
        wrapped_key: bytes,
        wrapped_iv: bytes,
        description: Description,
        content_length: int | None = None,
        content_md5: str | None = None,
        data_size: int | None = None,
        part_size: int | None = None,
    ) -> Envelope:
        """Make the envelope of a new object in format ``oss``.

        Args:
            algorithm: The wrap algorithm.
            wrapped_key: The data key, wrapped.
            wrapped_iv: The initial counter, wrapped.
            description: Of the master key; nothing is written for an empty one.
            content_length: Length of the plaintext in bytes, if known.
            content_md5: Base64 MD5 of the plaintext, if it is to be recorded.
            data_size: For a multipart: length of the plaintext in bytes.
            part_size: For a multipart: length in bytes of every part but the last.

        Raises:
            EnvelopeError: A value that the reader would refuse.
        """
        texts = {
            "key": base64.b64encode(wrapped_key).decode(),
            "start": base64.b64encode(wrapped_iv).decode(),
            "cek-alg": _V2_CONTENT_ALGORITHM,
            "wrap-alg": algorithm,
            "matdesc": description.text or None,
            "unencrypted-content-length": None if content_length is None else str(content_length),
            "unencrypted-content-md5": content_md5,
            "data-size": None if data_size is None else str(data_size),
            "part-size": None if part_size is None else str(part_size),
        }
        envelope = cls.parse({_V2 + n: text for n, text in texts.items() if text is not None})
        assert envelope is not None
        return envelope

    def with_content(self, length: int, md5: str | None) -> Envelope:
        """Return a new object's envelope with length and MD5 of its plaintext recorded."""
        texts = {**self.to_metadata(), _V2 + "unencrypted-content-length": str(length)}
        if md5 is not None:
            texts[_V2 + "unencrypted-content-md5"] = md5
        envelope = Envelope.parse(texts)
        assert envelope is not None
        return envelope

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata names and exact texts of this envelope."""
        return dict(self.fields)

    @property
    def content_algorithm(self) -> str:
        """What the body really is, whatever the wire calls it."""
        return _V2_CONTENT_ALGORITHM

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Envelope) and dict(self.fields) == dict(other.fields)

    def __hash__(self) -> int:
        return hash(frozenset(self.fields))

    def __repr__(self) -> str:
        """Show no wrapped secrets."""
        return f"Envelope({self.format!r}, {self.recipients!r})"


def is_reserved(name: str) -> bool:
    """Tell whether a metadata name belongs to envelopes and cannot be the user's."""
    return _kind(name.lower()) is not None


def without_envelope(metadata: Mapping[str, str], envelope: Envelope | None) -> dict[str, str]:
    """Return the user's own metadata: all that is not the envelope's."""
    ours = dict(envelope.fields) if envelope is not None else {}
    return {name: text for name, text in metadata.items() if name.lower() not in ours}


def is_md5(text: str) -> bool:
    """Tell whether a text is the canonical base64 of 16 bytes."""
    try:
        return _md5({"md5": text}, "md5") is not None
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


def _collect(metadata: Mapping[str, str]) -> tuple[dict[str, str], set[str]]:
    """Return the fields that may be an envelope's, in lower case, and the kinds they belong to."""
    fields: dict[str, str] = {}
    kinds: set[str] = set()
    for name, text in metadata.items():
        lower = name.lower()
        kind = _kind(lower)
        if kind is None and lower not in _V1_COMPANIONS:
            continue
        if lower in fields:
            raise EnvelopeError(f"{lower}: stands twice", field=lower)
        fields[lower] = text
        if kind is not None:
            kinds.add(kind)
    return fields, kinds


def _kind(name: str) -> str | None:
    if name.startswith(_V2):
        return OSS
    if name.startswith(_V1) or name in _V1_NAMES:
        return OSS_V1
    if name.startswith(_SEALED):
        return "sealed"
    return None


def _first_of_second_kind(fields: Mapping[str, str]) -> str:
    names = [name for name in fields if _kind(name) is not None]
    return next(name for name in names if _kind(name) != _kind(names[0]))


def _parse_v2(fields: dict[str, str]) -> Envelope:
    content_algorithm = _required(fields, _V2 + "cek-alg")
    if content_algorithm != _V2_CONTENT_ALGORITHM:
        raise EnvelopeError(
            f"{_V2}cek-alg: {content_algorithm[:64]!r} is not {_V2_CONTENT_ALGORITHM!r}",
            field=_V2 + "cek-alg",
        )
    algorithm = _required(fields, _V2 + "wrap-alg")
    if not algorithm.isascii():  # "r\u017fa".casefold() is "rsa"
        raise EnvelopeError(f"{_V2}wrap-alg: not ASCII", field=_V2 + "wrap-alg")
    if algorithm.lower() in _V1_WRAP_ALGORITHMS:
        raise EnvelopeError(
            f"{_V2}wrap-alg: {algorithm!r} belongs to the V1 format", field=_V2 + "wrap-alg"
        )
    recipient = Recipient(
        algorithm,
        _base64(fields, _V2 + "key"),
        fields.get(_V2 + "matdesc", ""),
        _V2 + "matdesc",
    )
    return Envelope(
        format=OSS,
        recipients=(recipient,),
        wrapped_iv=_base64(fields, _V2 + "start"),
        content_length=_decimal(fields, _V2 + "unencrypted-content-length"),
        content_md5=_md5(fields, _V2 + "unencrypted-content-md5"),
        data_size=_decimal(fields, _V2 + "data-size"),
        part_size=_decimal(fields, _V2 + "part-size"),
        fields=tuple(fields.items()),
    )


def _parse_v1(fields: dict[str, str]) -> Envelope:
    content_algorithm = _required(fields, "oss-cek-alg")
    if content_algorithm != _V1_CONTENT_ALGORITHM:
        raise EnvelopeError(
            f"oss-cek-alg: {content_algorithm[:64]!r} is not {_V1_CONTENT_ALGORITHM!r}",
            field="oss-cek-alg",
        )
    algorithm = _required(fields, "oss-wrap-alg")
    if algorithm not in _V1_WRAP_ALGORITHMS:
        raise EnvelopeError(
            f"oss-wrap-alg: {algorithm[:64]!r} is none of 'rsa', 'kms'", field="oss-wrap-alg"
        )
    description_field = _one_spelling(fields, _V1 + "matdesc", "oss-matdesc")
    length_field = _one_spelling(
        fields, "unencrypted-content-length", _V1 + "unencrypted-content-length"
    )
    md5_field = _one_spelling(fields, "unencrypted-content-md5", _V1 + "unencrypted-content-md5")
    recipient = Recipient(
        algorithm,
        _base64(fields, _V1 + "key"),
        fields.get(description_field, ""),
        description_field,
    )
    return Envelope(
        format=OSS_V1,
        recipients=(recipient,),
        wrapped_iv=_base64(fields, _V1 + "start"),
        content_length=_decimal(fields, length_field),
        content_md5=_md5(fields, md5_field),
        data_size=None,
        part_size=None,
        fields=tuple(fields.items()),
    )


def _required(fields: Mapping[str, str], name: str) -> str:
    if not (text := fields.get(name, "")):
        raise EnvelopeError(f"{name}: missing", field=name)
    return text


def _one_spelling(fields: Mapping[str, str], name: str, other: str) -> str:
    if name in fields and other in fields and fields[name] != fields[other]:
        raise EnvelopeError(f"{other}: differs from {name}", field=other)
    return other if other in fields and name not in fields else name


def _base64(fields: Mapping[str, str], name: str) -> bytes:
    text = _required(fields, name)
    try:
        value = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        value = b""
    # Re-encoding refuses stray bits under the padding: one value has one text.
    if not value or base64.b64encode(value).decode() != text:
        raise EnvelopeError(f"{name}: not canonical base64", field=name)
    return value


def _decimal(fields: Mapping[str, str], name: str) -> int | None:
    if (text := fields.get(name)) is None:
        return None
    if not _DECIMAL.fullmatch(text):
        raise EnvelopeError(f"{name}: not a decimal number of at most 16 digits", field=name)
    return int(text)


def _md5(fields: Mapping[str, str], name: str) -> str | None:
    if name not in fields:
        return None
    if len(_base64(fields, name)) != 16:
        raise EnvelopeError(f"{name}: not 16 bytes of base64", field=name)
    return fields[name]
