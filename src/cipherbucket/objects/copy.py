"""Objects under another name: copied in the store, copied to another store, or sealed anew.

Rule: a name is part of what is sealed. An object that is bound to its name gets another one by
being read, verified and sealed anew, under a new data key, for the recipients it had before. ACL,
tags, storage class and encryption at rest belong to a place: another one gets what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cipherbucket.envelopes.access import Access, check_keys
from cipherbucket.envelopes.seal import seal
from cipherbucket.envelopes.unseal import is_recipient
from cipherbucket.errors import (
    EnvelopeError,
    MasterKeyError,
    NoMatchingKeyError,
    ObjectChangedError,
    UsageError,
    named,
)
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.format.sealed import Binding
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.objects.store_to_store import copy_to_store
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import open_stream
from cipherbucket.reading.unlock import Reading, fetch_from, open_envelope
from cipherbucket.stores.checks import check_copy_headers
from cipherbucket.workers.progress import Progress
from cipherbucket.workers.rate_limit import check_speed
from cipherbucket.workers.threads import Halt
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.source import Source
from cipherbucket.writing.unknown_length import StreamUpload, upload_stream


def copy(
    access: Access,
    source: str,
    target: str,
    headers: Mapping[str, str],
    if_absent: bool,
    version_id: str | None,
    key: MasterKey | None,
    context: Mapping[str, str],
    recipients: Sequence[MasterKey] | None,
) -> ObjectInfo:
    """Copy an object in its store; see `Bucket.copy`."""
    for name in (source, target):
        access.check_name(name)
    if recipients is not None:
        check_keys(recipients)
    check_copy_headers(headers, target)
    info = ObjectInfo.head(access.store, source, version_id)
    if info.envelope is not None and info.envelope.seal is not None:
        reading = Reading.of(access, source, key=key, context=context)
        # An old version that is brought back keeps its name, and so all that it is bound to.
        in_place = source == target and version_id is not None and recipients is None
        if info.envelope.seal.binds_name and not in_place:
            kept: Mapping[str, str] = info.headers
            if source == target:
                kept = access.store.attributes(source, version_id=version_id)
            to = Destination(
                store=access.store,
                name=target,
                metadata=info.metadata,
                headers={**kept, **headers},
                if_absent=if_absent,
            )
            others = other_recipients(access, info, reading) if recipients is None else recipients
            return _sealed_anew(access, info, reading, to, others, version_id)
        if recipients is None and access.ring.keys and not in_place:
            # That it is bound to no name is the store's word until it was opened.
            with named(source):
                open_envelope(info.envelope, reading)
    if recipients is not None:
        raise UsageError(
            "the object is copied as it is, for the recipients it has",
            name=source,
            hint="leave out recipients=; recipients.add changes those of sealed objects",
        )
    return ObjectInfo.of(
        access.store.copy(
            source, target, headers=headers, if_absent=if_absent, version_id=version_id
        )
    )


def rename(
    access: Access,
    source: str,
    target: str,
    headers: Mapping[str, str],
    if_absent: bool,
    key: MasterKey | None,
    context: Mapping[str, str],
    recipients: Sequence[MasterKey] | None,
) -> ObjectInfo:
    """Copy an object and delete the old one; see `Bucket.rename`."""
    if source == target:
        raise UsageError("source and target are the same name", name=source)
    before = access.store.head(source)
    renamed = copy(access, source, target, headers, if_absent, None, key, context, recipients)
    now = access.store.head(source)
    # Metadata too, which an ETag does not show: a recipient may have been removed meanwhile.
    if (now.etag, now.metadata, now.headers) != (before.etag, before.metadata, before.headers):
        raise ObjectChangedError(
            f"the object was replaced or changed while it was renamed to {target!r}",
            name=source,
            hint="both are left; look at them and delete one",
        )
    access.store.delete(source)
    return renamed


def copy_to(
    access: Access,
    target: Access,
    name: str,
    target_name: str | None,
    headers: Mapping[str, str],
    if_absent: bool,
    version_id: str | None,
    workers: int | None,
    limit_rate: float | None,
    progress: Progress | None,
) -> ObjectInfo:
    """Copy an object to another store, unchanged; see `Bucket.copy_to`."""
    check_speed(workers, limit_rate)
    if target_name is None:
        target_name = name
    access.check_name(name)
    target.check_name(target_name)
    if target_name != name:
        envelope = ObjectInfo.head(access.store, name, version_id).envelope
        if envelope is not None and envelope.seal is not None and envelope.seal.binds_name:
            raise UsageError(
                f"the object is sealed under its name and would not open as {target_name!r}",
                name=name,
                hint="keep the name, or read it and put it anew with its keys",
            )
    return ObjectInfo.of(
        copy_to_store(
            access.store,
            name,
            target.store,
            target_name,
            headers=headers,
            if_absent=if_absent,
            version_id=version_id,
            workers=workers,
            halt=Halt(limit_rate),
            progress=progress,
        )
    )


def other_recipients(
    access: Access, info: ObjectInfo, reading: Reading, writer: MasterKey | None = None
) -> tuple[MasterKey, ...]:
    """Return the keys that a sealed object is to be sealed for anew, beside the one that writes.

    Args:
        access: The bucket.
        info: The object.
        reading: How it is opened.
        writer: The key that writes; None for the first of the ring.

    Raises:
        MasterKeyError: The key of a recipient is missing, or the ring is empty.
        And the errors of `Bucket.get`, for what the envelope says.
    """
    assert info.envelope is not None
    with named(info.name):
        opener = open_envelope(info.envelope, reading).recipient
        writer = writer or reading.ring.writer(SEALED)
        return carried_over(info.envelope, opener, writer, reading.ring, access.recipients)


def with_further(access: Access, others: Sequence[MasterKey]) -> tuple[MasterKey, ...]:
    """Return these keys, and those that the bucket adds to every new object."""
    there = {each.id for each in others}
    return (*others, *(each for each in access.recipients if each.id not in there))


def _sealed_anew(
    access: Access,
    info: ObjectInfo,
    reading: Reading,
    to: Destination,
    others: Sequence[MasterKey],
    version_id: str | None,
) -> ObjectInfo:
    envelope, cipher = seal(
        reading.ring,
        SEALED,
        binding=Binding(to.name, reading.context),
        recipients=with_further(access, others),
    )
    fetch = fetch_from(access.store, info.name, None, version_id)
    with open_stream(fetch, Span(), reading) as stream, Source(stream) as body:
        if stream.info.envelope != info.envelope:
            raise ObjectChangedError("the object was replaced while it was copied", name=info.name)
        upload = StreamUpload(to, envelope, cipher, about=stream.info.size)
        return ObjectInfo.of(upload_stream(upload, body))


def carried_over(
    envelope: Envelope,
    opened: Recipient,
    writer: MasterKey,
    ring: KeyRing,
    further: Sequence[MasterKey],
) -> tuple[MasterKey, ...]:
    """Return the keys of an object's other recipients, to seal it for them anew.

    Args:
        envelope: The object's.
        opened: The recipient it was opened as; the key that writes takes its place, unless that
            is a recipient itself.
        writer: The key that writes.
        ring: Where the others are looked for.
        further: Keys beside the ring's.

    Raises:
        MasterKeyError: The key of a recipient is missing.
    """
    written = next((each for each in envelope.recipients if is_recipient(each, writer)), opened)
    return tuple(_key_of(each, ring, further) for each in envelope.recipients if each != written)


def _key_of(recipient: Recipient, ring: KeyRing, further: Sequence[MasterKey]) -> MasterKey:
    for key in further:
        if is_recipient(recipient, key):
            return key
    try:
        return ring.find(recipient.algorithm, recipient.description)[0]
    except (EnvelopeError, NoMatchingKeyError):
        raise MasterKeyError(
            f"the key of recipient {recipient.description_text or 'no description'} is not in"
            " the ring, so the copy could not be sealed for it",
            hint="add its public half to the keys, or say whom it is for: recipients=[...]",
        ) from None
