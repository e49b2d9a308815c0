"""Metadata names: which belong to an envelope, and of which format.

Rule: this file alone knows what the names of envelopes begin with (docs/format.md, sections 3, 9
and 14.5). One object has one kind of envelope; what belongs to none is the user's. Names are
without ``x-oss-meta-``, which belongs to the transport, and are read in any case.
"""

from __future__ import annotations

from collections.abc import Mapping

from cipherbucket.errors import EnvelopeError
from cipherbucket.format.footer import MAC_FIELD, SEAL_FIELD
from cipherbucket.format.recipient_fields import RECIPIENTS_FIELD

OSS = "oss"
OSS_V1 = "oss-v1"
SEALED = "sealed"
FORMATS = (OSS, OSS_V1, SEALED)

MAX_FIELD = 8192
"""Longest text of one field, in characters: all of an object's metadata has 8 KiB."""

V2 = "client-side-encryption-"
"""What the names of format ``oss`` begin with."""
V1 = "oss-crypto-"
"""What most names of format ``oss-v1`` begin with."""
SEALED_NAMES = (SEAL_FIELD, RECIPIENTS_FIELD, MAC_FIELD)
"""All names of format ``sealed``."""

_V1_NAMES = frozenset({"oss-cek-alg", "oss-wrap-alg", "oss-matdesc"})
# Written beside V1's own names; in any other object they are the user's metadata.
_V1_COMPANIONS = frozenset({"unencrypted-content-length", "unencrypted-content-md5"})
_SEALED = "cipherbucket-"
_TRUST_A_COPY = "someone added metadata to this object; restore it from a trusted copy"


def envelope_fields(metadata: Mapping[str, str]) -> tuple[str, dict[str, str]] | None:
    """Pick the envelope out of an object's metadata.

    Args:
        metadata: All user metadata, names in any case.

    Returns:
        The envelope's format and its fields, names in lower case; None when there is no trace of
        an envelope.

    Raises:
        EnvelopeError: Two kinds of envelope, a name that stands twice, or a text that is oversized.
    """
    fields, kinds = _collect(metadata)
    if not kinds:
        return None
    if len(kinds) > 1:
        raise EnvelopeError(
            f"two kinds of envelope on one object: {' and '.join(sorted(kinds))}",
            field=_first_of_second_kind(fields),
            hint=_TRUST_A_COPY,
        )
    (kind,) = kinds
    if kind != OSS_V1:
        fields = {name: text for name, text in fields.items() if name not in _V1_COMPANIONS}
    for name, text in fields.items():
        if len(text) > MAX_FIELD:
            raise EnvelopeError(
                f"{name}: {len(text):,} characters, at most {MAX_FIELD:,}", field=name
            )
    return kind, fields


def is_reserved(name: str) -> bool:
    """Return whether a metadata name belongs to envelopes and cannot be the user's."""
    return _kind(name.lower()) is not None


def without_seal(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the user's own metadata of a sealed object, whatever is left of its envelope.

    Raises:
        EnvelopeError: There are names of another format's envelope.
    """
    for name in metadata:
        if _kind(name.lower()) in {OSS, OSS_V1}:
            raise EnvelopeError(
                f"{name.lower()}: of another format, which has no footer",
                field=name.lower(),
                hint=_TRUST_A_COPY,
            )
    return {name: text for name, text in metadata.items() if not is_reserved(name)}


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
    if name.startswith(V2):
        return OSS
    if name.startswith(V1) or name in _V1_NAMES:
        return OSS_V1
    if name.startswith(_SEALED):
        return SEALED
    return None


def _first_of_second_kind(fields: Mapping[str, str]) -> str:
    names = [name for name in fields if _kind(name) is not None]
    return next(name for name in names if _kind(name) != _kind(names[0]))
