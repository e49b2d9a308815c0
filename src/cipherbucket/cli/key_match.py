"""Which of the keys opens an object, and why none does. No body is read, and no key is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import cipherbucket as cb
from cipherbucket.cli.options.access import AccessOptions, ReadArguments


@dataclass(frozen=True)
class KeyMatch:
    """A key that opens an object.

    Attributes:
        file: Where the key is.
        key: The key.
        recipient: Whom of the object it is; None if it was forced and can be one of several.
        forced: Whether it was used whatever the descriptions say.
    """

    file: str
    key: cb.MasterKey
    recipient: cb.Recipient | None
    forced: bool


def info_or_failure(
    bucket: cb.Bucket, name: str, reading: ReadArguments, version_id: str | None = None
) -> cb.ObjectInfo | cb.CipherbucketError:
    """Unwrap an object's data key; return what is known then, or what is wrong with the key.

    Raises:
        SecurityError: The object is not what it should be in another way.
        StoreError: The store failed.
    """
    try:
        with bucket.open(name, **reading, version_id=version_id) as file:
            return file.info
    except (cb.MasterKeyError, cb.NoMatchingKeyError, cb.WrongKeyError, cb.EnvelopeError) as error:
        return error


def match_by_description(access: AccessOptions, envelope: cb.Envelope) -> KeyMatch:
    """Return which key of the ring opened an object, and as whom."""
    matches = list(_matches(access.ring, envelope))
    # A public half writes; it is taken only where there is nothing better.
    key, recipient = next(
        (each for each in matches if getattr(each[0], "can_unwrap", True)), matches[0]
    )
    return KeyMatch(access.file_of(key), key, recipient, forced=False)


def match_forced(file: str, key: cb.MasterKey, envelope: cb.Envelope) -> KeyMatch:
    """Return as whom, if that is clear, a key opens an object whatever the descriptions say."""
    own = {algorithm.casefold() for algorithm in key.algorithms}
    fitting = [each for each in envelope.recipients if each.algorithm.casefold() in own]
    return KeyMatch(file, key, fitting[0] if len(fitting) == 1 else None, forced=True)


def _matches(
    ring: cb.KeyRing, envelope: cb.Envelope
) -> Iterator[tuple[cb.MasterKey, cb.Recipient]]:
    for recipient in envelope.recipients:
        with suppress(cb.EnvelopeError, cb.NoMatchingKeyError):
            key, _ = ring.find(recipient.algorithm, recipient.description)
            yield key, recipient
