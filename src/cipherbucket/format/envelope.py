"""The envelope: all that is needed to decrypt an object, minus the master key.

Rule: an envelope keeps the exact texts it was parsed from, unknown fields included, so that writing
it unchanged gives the same bytes; a new envelope is composed as texts first and then parsed, so
that nothing is written that the strict reader would refuse. The store is hostile: every text here
is input. This file alone knows the content algorithms.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cipherbucket.errors import EnvelopeError
from cipherbucket.format.description import Description
from cipherbucket.format.footer import MAC_FIELD, SEAL_FIELD, Footer, Seal
from cipherbucket.format.metadata_names import (
    OSS,
    OSS_V1,
    SEALED,
    SEALED_NAMES,
    V1,
    V2,
    envelope_fields,
)
from cipherbucket.format.recipient_fields import (
    RECIPIENTS_FIELD,
    Recipient,
    encode_recipients,
    parse_recipients,
)
from cipherbucket.format.sealed import sealed_layout
from cipherbucket.format.span import PLAIN, Layout
from cipherbucket.format.texts import (
    base64_bytes,
    check_text,
    decimal,
    md5_text,
    one_spelling,
    required,
)

_V2_CONTENT_ALGORITHM = "AES/CTR/NoPadding"
# V1 says GCM on the wire; the body has no tag and is plain CTR (docs/format.md, section 9).
_V1_CONTENT_ALGORITHM = "AES/GCM/NoPadding"
_V1_WRAP_ALGORITHMS = frozenset({"rsa", "kms"})
_SEALED_CONTENT_ALGORITHM = "AES-256-GCM in chunks (C2SP chunked-encryption, Cobblestone-256)"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Envelope:
    """What travels with an object (docs/format.md, sections 3, 9 and 14.5).

    Attributes:
        format: ``oss``, ``oss-v1`` or ``sealed``.
        recipients: The master keys that can open it; just one but in ``sealed``.
        wrapped_iv: The initial counter, wrapped; None in ``sealed``, which has none.
        content_length: Length of the plaintext in bytes, where recorded.
        content_md5: MD5 of the plaintext in base64, where recorded.
        data_size: Length of the plaintext in bytes, as declared when a multipart began.
        part_size: Length in bytes of every part but the last of a multipart.
        fields: Every metadata name and exact text of the envelope. Two envelopes are equal when
            these are, in any order: stores and proxies reorder headers.
        seal: In ``sealed``, what never changes.
        mac: In ``sealed``, the MAC of seal and recipients; None where they come from the body.
    """

    format: str
    recipients: tuple[Recipient, ...]
    wrapped_iv: bytes | None
    content_length: int | None
    content_md5: str | None
    data_size: int | None
    part_size: int | None
    fields: tuple[tuple[str, str], ...]
    seal: Seal | None = None
    mac: bytes | None = None

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
        if (found := envelope_fields(metadata)) is None:
            return None
        format_, fields = found
        return {OSS: _parse_v2, OSS_V1: _parse_v1, SEALED: _parse_sealed}[format_](fields)

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
        return _composed({V2 + n: text for n, text in texts.items() if text is not None})

    @classmethod
    def compose_sealed(cls, seal: Seal, recipients: Sequence[Recipient], mac: bytes) -> Envelope:
        """Make the envelope of a sealed object, new or with other recipients.

        Raises:
            EnvelopeError: Something that the reader would refuse.
        """
        values = (seal.encode(), encode_recipients(recipients), mac)
        texts = (base64.b64encode(value).decode() for value in values)
        return _composed(dict(zip(SEALED_NAMES, texts, strict=True)))

    @classmethod
    def of_body(cls, header: bytes, footer: bytes) -> Envelope:
        """Make the envelope of a sealed body that lost its metadata, or whose footer is asked for.

        Args:
            header: The first 56 bytes of the body.
            footer: The footer's bytes.

        Raises:
            EnvelopeError: The footer cannot be understood.
        """
        recipients = Footer.parse(footer).recipients
        return cls(
            SEALED, recipients, None, None, None, None, None, (), Seal.of_body(header, footer)
        )

    def with_content(self, length: int, md5: str | None) -> Envelope:
        """Return a new object's envelope with length and MD5 of its plaintext recorded.

        The sealed format records neither: its length is authentic by itself.
        """
        if self.seal is not None:
            return self
        texts = {**self.to_metadata(), V2 + "unencrypted-content-length": str(length)}
        if md5 is not None:
            texts[V2 + "unencrypted-content-md5"] = md5
        return _composed(texts)

    def with_sizes(self, data_size: int, part_size: int) -> Envelope:
        """Return the envelope of the same object, in format ``oss``, for an upload in parts.

        Args:
            data_size: Bytes in all.
            part_size: Bytes of every part but the last.
        """
        sizes = {V2 + "data-size": str(data_size), V2 + "part-size": str(part_size)}
        return _composed({**self.to_metadata(), **sizes})

    def rewrapped(
        self, *, algorithm: str, wrapped_key: bytes, wrapped_iv: bytes, description: Description
    ) -> Envelope:
        """Return the envelope of the same object, in format ``oss``, under another master key.

        Every other field keeps its exact text, those that are not known here among them.

        Args:
            algorithm: The wrap algorithm.
            wrapped_key: The data key, wrapped.
            wrapped_iv: The initial counter, wrapped.
            description: Of the master key; nothing is written for an empty one.

        Raises:
            EnvelopeError: A value that the reader would refuse.
        """
        texts = self.to_metadata() | {
            V2 + "key": base64.b64encode(wrapped_key).decode(),
            V2 + "start": base64.b64encode(wrapped_iv).decode(),
            V2 + "wrap-alg": algorithm,
            V2 + "matdesc": description.text,
        }
        if not description.text:
            del texts[V2 + "matdesc"]
        return _composed(texts)

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata names and exact texts of this envelope."""
        return dict(self.fields)

    def to_part_metadata(self) -> dict[str, str]:
        """Return what OSS wants repeated with every part of an upload."""
        return {} if self.seal is not None else self.to_metadata()

    @property
    def content_algorithm(self) -> str:
        """What the body really is, whatever the wire calls it."""
        return _V2_CONTENT_ALGORITHM if self.seal is None else _SEALED_CONTENT_ALGORITHM

    @property
    def layout(self) -> Layout:
        """How the plaintext lies in the body."""
        return PLAIN if self.seal is None else sealed_layout(self.seal.footer_length)

    @property
    def identity(self) -> bytes:
        """What no other object's envelope has, and what stays when recipients change."""
        return self.recipients[0].wrapped_key if self.seal is None else self.seal.encode()

    def same_object(self, other: Envelope | None) -> bool:
        """Return whether another envelope is of the same object, perhaps with other recipients."""
        if self.seal is None or other is None:
            return self == other
        return self.seal == other.seal

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Envelope)
            and dict(self.fields) == dict(other.fields)
            and self.seal == other.seal  # that of a body alone has no fields
        )

    def __hash__(self) -> int:
        return hash((frozenset(self.fields), self.seal))

    def __repr__(self) -> str:
        """Show no wrapped secrets."""
        return f"Envelope({self.format!r}, {self.recipients!r})"


def layout_of(envelope: Envelope | None) -> Layout:
    """Return how the plaintext lies in a body with this envelope; None for plaintext."""
    return PLAIN if envelope is None else envelope.layout


def without_envelope(metadata: Mapping[str, str], envelope: Envelope | None) -> dict[str, str]:
    """Return the user's own metadata: all that is not the envelope's."""
    ours = dict(envelope.fields) if envelope is not None else {}
    return {name: text for name, text in metadata.items() if name.lower() not in ours}


def _composed(texts: Mapping[str, str]) -> Envelope:
    """Parse texts of our own as strictly as a store's."""
    envelope = Envelope.parse(texts)
    assert envelope is not None
    return envelope


def _parse_v2(fields: dict[str, str]) -> Envelope:
    check_text(fields, V2 + "cek-alg", _V2_CONTENT_ALGORITHM)
    algorithm = required(fields, V2 + "wrap-alg")
    if not algorithm.isascii():  # "r\u017fa".casefold() is "rsa"
        raise EnvelopeError(f"{V2}wrap-alg: not ASCII", field=V2 + "wrap-alg")
    if algorithm.lower() in _V1_WRAP_ALGORITHMS:
        raise EnvelopeError(
            f"{V2}wrap-alg: {algorithm!r} belongs to the V1 format", field=V2 + "wrap-alg"
        )
    recipient = Recipient(
        algorithm,
        base64_bytes(fields, V2 + "key"),
        fields.get(V2 + "matdesc", ""),
        V2 + "matdesc",
    )
    return Envelope(
        format=OSS,
        recipients=(recipient,),
        wrapped_iv=base64_bytes(fields, V2 + "start"),
        content_length=decimal(fields, V2 + "unencrypted-content-length"),
        content_md5=md5_text(fields, V2 + "unencrypted-content-md5"),
        data_size=decimal(fields, V2 + "data-size"),
        part_size=decimal(fields, V2 + "part-size"),
        fields=tuple(fields.items()),
    )


def _parse_v1(fields: dict[str, str]) -> Envelope:
    check_text(fields, "oss-cek-alg", _V1_CONTENT_ALGORITHM)
    algorithm = required(fields, "oss-wrap-alg")
    if algorithm not in _V1_WRAP_ALGORITHMS:
        raise EnvelopeError(
            f"oss-wrap-alg: {algorithm[:64]!r} is none of 'rsa', 'kms'", field="oss-wrap-alg"
        )
    description_field = one_spelling(fields, V1 + "matdesc", "oss-matdesc")
    length_field = one_spelling(
        fields, "unencrypted-content-length", V1 + "unencrypted-content-length"
    )
    md5_field = one_spelling(fields, "unencrypted-content-md5", V1 + "unencrypted-content-md5")
    recipient = Recipient(
        algorithm,
        base64_bytes(fields, V1 + "key"),
        fields.get(description_field, ""),
        description_field,
    )
    return Envelope(
        format=OSS_V1,
        recipients=(recipient,),
        wrapped_iv=base64_bytes(fields, V1 + "start"),
        content_length=decimal(fields, length_field),
        content_md5=md5_text(fields, md5_field),
        data_size=None,
        part_size=None,
        fields=tuple(fields.items()),
    )


def _parse_sealed(fields: dict[str, str]) -> Envelope:
    for name in fields:
        if name not in SEALED_NAMES:
            raise EnvelopeError(f"{name}: no name of the sealed format", field=name)
    seal = Seal.parse(base64_bytes(fields, SEAL_FIELD))
    recipients = parse_recipients(base64_bytes(fields, RECIPIENTS_FIELD))
    mac = base64_bytes(fields, MAC_FIELD)
    if len(mac) != 32:
        raise EnvelopeError(f"{MAC_FIELD}: not 32 bytes", field=MAC_FIELD)
    return Envelope(
        format=SEALED,
        recipients=recipients,
        wrapped_iv=None,
        content_length=None,
        content_md5=None,
        data_size=None,
        part_size=None,
        fields=tuple(fields.items()),
        seal=seal,
        mac=mac,
    )
