"""An envelope beside the user's own metadata, in a store that keeps only so many bytes of both.

Rule: what does not fit is refused before anything is encrypted or sent, and the error says what
would fit: most of an envelope is its recipients, and a store may have room for few of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from cipherbucket.errors import UsageError
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import MAX_FIELD
from cipherbucket.format.recipient_fields import (
    MAX_RECIPIENTS,
    RECIPIENTS_FIELD,
    Recipient,
    encode_recipients,
)
from cipherbucket.stores.base import Store


def metadata_with(
    envelope: Envelope, own: Mapping[str, str], store: Store, name: str
) -> dict[str, str]:
    """Return all metadata of an object.

    Args:
        envelope: Its envelope.
        own: The user's own metadata.
        store: Where it goes to.
        name: Its name.

    Raises:
        UsageError: They are more than the store keeps; the hint says how many recipients of each
            kind that is there would fit.
    """
    metadata = {**own, **envelope.to_metadata()}
    check_fits(envelope, metadata, store, name)
    return metadata


def check_fits(
    envelope: Envelope | None,
    metadata: Mapping[str, str],
    store: Store,
    name: str,
    *,
    way_on: str = "name fewer recipients",
) -> None:
    """Refuse metadata of an object, its envelope among them, that the store does not keep.

    Args:
        envelope: The object's envelope; None for plaintext, which the store itself checks.
        metadata: All its metadata.
        store: Where it goes to.
        name: Its name.
        way_on: What leaves fewer recipients.

    Raises:
        UsageError: As in `metadata_with`.
    """
    try:
        total = store.metadata_size(metadata)
    except UnicodeEncodeError:
        return  # the store says what is wrong with them
    if envelope is None or total <= store.max_metadata:
        return
    fields = envelope.to_metadata()
    taken = store.metadata_size(fields)
    raise UsageError(
        f"the envelope and other metadata take {total:,} bytes, the envelope {taken:,} of them;"
        f" {store.url} keeps at most {store.max_metadata:,}",
        name=name,
        hint=_what_fits(
            envelope, store.max_metadata - total + len(fields.get(RECIPIENTS_FIELD, "")), way_on
        ),
    )


def _what_fits(envelope: Envelope, room: int, way_on: str) -> str:
    """Return what to do where so many bytes are left for the recipients."""
    if envelope.seal is None:
        return "shorten the metadata of your own, or the description of the master key"
    kinds: dict[str, int] = {}
    for each in envelope.recipients:
        kind = _kind(each)
        kinds[kind] = max(kinds.get(kind, 0), len(encode_recipients([each])))
    room = max(0, min(room, MAX_FIELD)) // 4 * 3  # in base64 three bytes take four
    counts = {kind: min(room // size, MAX_RECIPIENTS) for kind, size in kinds.items()}
    fitting = ", or ".join(f"{count} of {kind}" for kind, count in counts.items())
    if not any(counts.values()):
        return f"shorten the metadata of your own: they leave no room for one recipient ({fitting})"
    return f"there is room for {fitting}: {way_on}, or shorten the metadata of your own"


def _kind(recipient: Recipient) -> str:
    """Return what recipients of one size have in common, in the words of a user."""
    if recipient.algorithm.startswith("RSA"):
        return f"{recipient.algorithm} with {8 * len(recipient.wrapped_key):,} bits"
    return recipient.algorithm
