"""The requests of an upload in parts, each tried again while the store's failure may pass.

Rule: what is sent again is the same ciphertext. An upload is known by its own envelope, never by
what a store says of it: one that was begun although its answer was lost is found by that envelope
and aborted, and an object is ours only if it carries that envelope. OSS repeats the envelope of an
upload in format ``oss`` alone; of others an upload without parts may be left, with a warning, since
to abort by a guess could abort another writer's.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from cipherbucket.errors import (
    CipherbucketError,
    EnvelopeError,
    IntegrityError,
    ObjectChangedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    UploadNotFoundError,
)
from cipherbucket.format.envelope import Envelope
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Body
from cipherbucket.stores.records import Part, StoredObject, crc64_of_parts
from cipherbucket.writing.metadata_limit import metadata_with
from cipherbucket.writing.one_request import ATTEMPTS, persist
from cipherbucket.writing.replacing import ObjectToReplace

_log = logging.getLogger("cipherbucket")


def begin_upload(
    store: Store,
    name: str,
    envelope: Envelope,
    *,
    metadata: Mapping[str, str],
    headers: Mapping[str, str],
) -> str:
    """Begin an upload and return its id.

    When the store's answer was lost, what it may have begun is found by our envelope and aborted
    before another is begun. What cannot be found is left, without parts, with a warning.

    Raises:
        UsageError: The metadata are more than the store keeps; nothing was sent.
    """
    sent = metadata_with(envelope, metadata, store, name)

    def begin(attempt: int) -> str:
        if attempt > 1:
            abort_ours(store, name, sent, envelope)
        return store.begin_upload(name, metadata=sent, headers=headers)

    return persist(begin)


def send_part(
    store: Store,
    name: str,
    upload_id: str,
    number: int,
    ciphertext: Body | memoryview,
    envelope: Envelope,
) -> Part:
    """Send one part; the same ciphertext each time, also when it was damaged on the way."""
    metadata = envelope.to_part_metadata()
    attempt = 1
    while True:
        try:
            return persist(
                lambda _: store.upload_part(name, upload_id, number, ciphertext, metadata=metadata)
            )
        except IntegrityError as error:
            if attempt == ATTEMPTS:
                raise
            _log.warning("%s; sending part %d again", error, number)
        attempt += 1


def complete_upload(
    store: Store,
    name: str,
    upload_id: str,
    parts: Sequence[Part],
    envelope: Envelope,
    *,
    stored_size: int,
    if_absent: bool,
    replacing: ObjectToReplace | None = None,
) -> StoredObject:
    """Make the object of its parts, and see that it is what was sent.

    Raises:
        IntegrityError: The store's object is not what was sent.
        ObjectChangedError: Another writer replaced it at once, or what was to be replaced.
        PreconditionFailedError: ``if_absent`` did not hold.
    """

    def complete(_: int) -> StoredObject:
        if replacing is None:
            return store.complete_upload(name, upload_id, parts, if_absent=if_absent)
        return replacing.check(envelope, in_parts=True) or store.complete_upload(
            name, upload_id, parts, if_match=replacing.if_match
        )

    stored = _completed(store, name, envelope, complete)
    if Envelope.parse(stored.metadata) != envelope:
        raise ObjectChangedError(
            "the object was replaced as soon as it was completed",
            name=name,
            hint="look at what is there now; another writer put it",
        )
    if stored.size != stored_size or _differs(stored, parts):
        raise IntegrityError(
            "the store's object is not what was sent in parts",
            name=name,
            hint="delete it and upload it again",
        )
    _log.info("put %r in %d parts: %d bytes", name, len(parts), stored.size)
    return stored


def abort_quietly(store: Store, name: str, upload_id: str) -> None:
    """Abort an upload after a failure, which is what the caller wants to hear of."""
    try:
        persist(lambda _: store.abort_upload(name, upload_id))
    except CipherbucketError:
        _log.warning("upload %s of %r could not be aborted", upload_id, name)


def abort_ours(store: Store, name: str, sent: Mapping[str, str], envelope: Envelope) -> None:
    """Abort what was begun with our envelope, if anything was.

    Raises:
        StoreError: The store failed.
    """
    # Nobody else has sent the same identity; the other fields are alike in many uploads.
    ours = base64.b64encode(envelope.identity).decode()
    unknown = 0
    for upload in store.list_uploads(name):
        if upload.name != name:
            continue
        with suppress(UploadNotFoundError):
            claimed = store.upload_metadata(name, upload.upload_id)
            unknown += not claimed
            if ours in claimed.values() and claimed.items() <= sent.items():
                store.abort_upload(name, upload.upload_id)
    if unknown:
        _log.warning(
            "an unfinished upload of %r may be left at %s, without parts; see bucket.uploads()",
            name,
            store.url,
        )


def _completed(
    store: Store, name: str, envelope: Envelope, complete: Callable[[int], StoredObject]
) -> StoredObject:
    try:
        return persist(complete)
    except (UploadNotFoundError, PreconditionFailedError):
        # The answer to an earlier attempt may have been lost: then the object is there.
        with suppress(ObjectNotFoundError, EnvelopeError):
            stored = store.head(name)
            if Envelope.parse(stored.metadata) == envelope:
                return stored
        raise


def _differs(stored: StoredObject, parts: Sequence[Part]) -> bool:
    """Tell whether the whole's CRC-64 is another than its parts give together."""
    if stored.crc64 is None:
        return False
    return crc64_of_parts(parts, stored.crc) not in {None, stored.crc64}
