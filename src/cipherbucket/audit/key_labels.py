"""By what a master key is known without it: its kind, and the description that objects carry.

Rule: equal descriptions are equal texts, and two that differ stay different, however long a store
makes them: what is cut ends with its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from cipherbucket.errors import EnvelopeError
from cipherbucket.format.description import Description
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.keys.base import kind_of

_DAMAGED = "damaged: "
_KMS = re.compile(r'\{"kms":"([^"\\]+)"\}')
_KMS_ID = re.compile(r"(?:acs:kms:[^:]*:[^:]*:key/)?([^:/]+)")
_LONGEST = 400
"""Characters of a description, or of a reason, that are kept."""


class KeyLabel(NamedTuple):
    """By what the master key of an object is known without it.

    Attributes:
        kind: ``rsa``, ``aes``, ``kms`` or ``other``: keys of two kinds may share a description.
        description: Compact JSON with sorted names; "" for none, ``damaged: ...`` for no JSON. A
            long one is cut and ends with its SHA-256.
    """

    kind: str
    description: str

    @property
    def is_certain(self) -> bool:
        """Whether it names a key at all."""
        return bool(self.description) and not self.description.startswith(_DAMAGED)

    @property
    def kms_id(self) -> str | None:
        """The id of the KMS key that it names; None for an alias or anything else."""
        named = _KMS.fullmatch(self.description)
        return kms_id_of(named[1]) if named is not None else None


def label_of(recipient: Recipient) -> KeyLabel:
    """Return by what the key of a recipient is known."""
    kind = kind_of(recipient.algorithm)
    try:
        return KeyLabel(kind, canonical(recipient.description))
    except EnvelopeError:
        return KeyLabel(kind, _DAMAGED + shortened(recipient.description_text))


def canonical(description: Mapping[str, str]) -> str:
    """Write a description so that equal ones are equal texts."""
    return shortened(Description(dict(description)).text)


def readable(description: str) -> str:
    """Write a description for people: characters, not their numbers; a cut one stays as it is."""
    try:
        return json.dumps(json.loads(description), ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        return description


def kms_id_of(id_or_arn: str) -> str | None:
    """Return the id of a KMS key that is named by id or ARN; None for an alias."""
    found = _KMS_ID.fullmatch(id_or_arn)
    return found[1] if found is not None else None


def shortened(text: str) -> str:
    """Cut a long text so that two which differ stay different."""
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:_LONGEST]}... ({len(text):,} characters, SHA-256 {digest})"
