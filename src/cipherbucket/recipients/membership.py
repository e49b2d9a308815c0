"""Who can open a sealed object: recipients, footer, repair.

Rule: recipients are changed by rewriting metadata, after its MAC was found right, and only on the
object that was looked at; the body is not touched.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.access import Access, access_of
from cipherbucket.envelopes.seal import algorithm_of, resealed, wrapped_for
from cipherbucket.envelopes.unseal import Opened, is_recipient
from cipherbucket.errors import (
    EnvelopeError,
    NoMatchingKeyError,
    PolicyError,
    PreconditionFailedError,
    SecurityError,
    UsageError,
    named,
    without_frames,
)
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.footer import Footer
from cipherbucket.format.metadata_names import without_seal
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import check_key
from cipherbucket.objects.metadata import replace_metadata_around
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import open_stream
from cipherbucket.reading.unlock import (
    Reading,
    envelope_of_body,
    fetch_footer,
    fetch_from,
    open_envelope,
)
from cipherbucket.rotation.new_master_key import Label, check_label
from cipherbucket.stores.checks import check_metadata
from cipherbucket.stores.records import NOTHING, StoredObject
from cipherbucket.writing.metadata_limit import metadata_with

_log = logging.getLogger("cipherbucket")

Change = Callable[[Opened, Sequence[Recipient]], Sequence[Recipient]]
"""From an opened object and its recipients to those that it gets."""


def add(
    bucket: Bucket,
    name: str,
    recipient: MasterKey,
    *,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    dry_run: bool = False,
) -> ObjectInfo:
    """Let one more master key open a sealed object. Its body is neither read nor changed.

    Of two changes at the very same moment one fails. OSS cannot make new metadata depend on the
    old ones: there both can pass and one be lost, which a look afterwards shows.

    Args:
        bucket: Where it lies.
        name: The object's name.
        recipient: The key; a public half does.
        key: Open the object with this key, whatever descriptions say.
        context: The pairs that the object was written with.
        dry_run: Do all of it but the writing, and return the object as it is.

    Raises:
        MasterKeyError: The key cannot wrap, or could not be told from one that is there.
        UsageError: More than 16 recipients, or more than the store's metadata hold.
        PreconditionFailedError: The object was replaced meanwhile; nothing was changed.
        ObjectChangedError: Somebody else changed its metadata at the same time.
        And the errors of `Bucket.get`.
    """
    access = access_of(bucket)
    with named(name):
        check_key(recipient)
        algorithm_of(recipient)  # refused before there is a data key
        info = ObjectInfo.head(access.store, name)
        return added(access, info, recipient, key, context, dry_run=dry_run)


def added(
    access: Access,
    info: ObjectInfo,
    recipient: MasterKey,
    key: MasterKey | None,
    context: Mapping[str, str],
    *,
    dry_run: bool,
) -> ObjectInfo:
    """Let one more master key open an object that was just looked at; see `add`."""

    def one_more(opened: Opened, there: Sequence[Recipient]) -> Sequence[Recipient]:
        return *there, wrapped_for(recipient, opened.data_key, opened.cipher.seal.object_id)

    return _changed(access, info, one_more, key, context, dry_run=dry_run)


def remove(
    bucket: Bucket,
    name: str,
    recipient: Label,
    *,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    dry_run: bool = False,
) -> ObjectInfo:
    """Take a master key from those that open a sealed object.

    Whoever holds that key and has read the object, or kept its old metadata, can still open
    it, and the footer still names it: what is to be safe from them is sealed anew.

    Args:
        bucket: Where it lies.
        name: The object's name.
        recipient: The key, its description, or one of ``bucket.head(name).envelope.recipients``.
        key: Open the object with this key, whatever descriptions say.
        context: The pairs that the object was written with.
        dry_run: Do all of it but the writing, and return the object as it is.

    Raises:
        NoMatchingKeyError: It is no recipient.
        UsageError: It is the only one, or several have this description.
        MasterKeyError: It is neither a master key, nor a description, nor a recipient.
        PreconditionFailedError: The object was replaced meanwhile; nothing was changed.
        ObjectChangedError: Somebody else changed its metadata at the same time.
        And the errors of `Bucket.get`.
    """
    access = access_of(bucket)
    with named(name):
        check_label(recipient)
        info = ObjectInfo.head(access.store, name)
        return removed(access, info, recipient, key, context, dry_run=dry_run)


def removed(
    access: Access,
    info: ObjectInfo,
    recipient: Label,
    key: MasterKey | None,
    context: Mapping[str, str],
    *,
    dry_run: bool,
) -> ObjectInfo:
    """Take a master key from those that open an object that was just looked at; see `remove`."""

    def one_less(_: Opened, there: Sequence[Recipient]) -> Sequence[Recipient]:
        return _without(there, recipient)

    return _changed(access, info, one_less, key, context, dry_run=dry_run)


def footer(bucket: Bucket, name: str, *, version_id: str | None = None) -> Footer:
    """Fetch what the end of a sealed body says: the recipients and the name of its first day.

    No key is needed; all of it is the store's word.

    Raises:
        ObjectNotFoundError: No such object.
        EnvelopeError: The body does not end as that of a sealed object.
    """
    with named(name):
        store = access_of(bucket).store
        stored = store.head(name, version_id=version_id)
        return Footer.parse(fetch_footer(stored, fetch_from(store, name, None, version_id)))


def repair(
    bucket: Bucket,
    name: str,
    *,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    if_match: str | None = None,
) -> ObjectInfo:
    """Give a sealed object that lost its metadata, or has wrong ones, those of its footer.

    The recipients are those of the day it was sealed, ones that were removed since among
    them; `footer` shows them beforehand. The object's end is read and verified first. The
    user's own metadata stay as they are. An object whose metadata are sound stays as it is:
    nothing brings back a recipient that was removed from it.

    Args:
        bucket: Where it lies.
        name: The object's name, under which it was sealed.
        key: Open the object with this key, whatever descriptions say.
        context: The pairs that the object was written with.
        if_match: Only if the object has this ETag, as it had when its footer was looked at.

    Raises:
        EnvelopeError: The body is not that of a sealed object, or there are names of another
            format's envelope beside it.
        PolicyError: The bucket does not accept the format.
        BindingError, WrongKeyError, NoMatchingKeyError, IntegrityError: As in `Bucket.get`.
        PreconditionFailedError: The object was replaced meanwhile; nothing was changed.
    """
    access = access_of(bucket)
    with named(name):
        stored = access.store.head(name)
        if if_match is not None and if_match != stored.etag:
            raise PreconditionFailedError(
                f"the condition was ETag {if_match!r}; it is {stored.etag!r}",
                hint="the object was changed meanwhile; look at it again",
            )
        return repaired(access, stored, key, context, dry_run=False)[0]


def repaired(
    access: Access,
    stored: StoredObject,
    key: MasterKey | None,
    context: Mapping[str, str],
    *,
    dry_run: bool,
) -> tuple[ObjectInfo, bool]:
    """Repair an object that was just looked at; return it, and whether that was needed."""
    own = without_seal(stored.metadata)
    reading = Reading.of(access, stored.name, key=key, context=context, footer_recipients=True)
    fetch = fetch_from(access.store, stored.name, stored.etag, None)
    open_stream(fetch, Span(tail=0), reading).close()
    if _is_sound(access, stored, key, context):
        return ObjectInfo.of(stored), False
    envelope = envelope_of_body(stored, fetch)
    renewed = _with_recipients(envelope, reading, lambda _, sealed: sealed)
    metadata = metadata_with(renewed, own, access.store, stored.name)
    check_metadata(metadata, NOTHING, stored.name, access.store)
    if dry_run:
        return ObjectInfo.of(replace(stored, metadata=metadata)), True
    now = access.store.replace_metadata(
        stored.name, metadata=metadata, headers=None, if_match=stored.etag
    )
    _log.info("repaired %r from its footer", stored.name)
    return ObjectInfo.of(now), True


def _is_sound(
    access: Access, stored: StoredObject, key: MasterKey | None, context: Mapping[str, str]
) -> bool:
    """Return whether an object's metadata are those that its owners wrote."""
    with suppress(SecurityError):
        envelope = Envelope.parse(stored.metadata)
        if envelope is not None and envelope.seal is not None:
            reading = Reading.of(access, stored.name, key=key, context=context)
            open_envelope(envelope, reading)
            return True
    return False


def _changed(
    access: Access,
    info: ObjectInfo,
    change: Change,
    key: MasterKey | None,
    context: Mapping[str, str],
    *,
    dry_run: bool,
) -> ObjectInfo:
    if info.envelope is None or info.envelope.seal is None:
        raise PolicyError(
            f"the object has format {info.format}, in which recipients cannot be changed",
            hint="only sealed objects have several: put it again with format='sealed'",
        )
    reading = Reading.of(access, info.name, key=key, context=context)
    renewed = _with_recipients(info.envelope, reading, change)
    metadata = metadata_with(renewed, info.metadata, access.store, info.name)
    check_metadata(metadata, NOTHING, info.name, access.store)
    if dry_run:
        return info
    return ObjectInfo.of(replace_metadata_around(access.store, info, metadata))


def is_named(recipient: Recipient, label: Label) -> bool:
    """Return whether a recipient is that of a key, or has a description, or is this very one."""
    if not isinstance(label, Mapping):
        return is_recipient(recipient, label)
    with suppress(EnvelopeError):  # a damaged description is no key's
        return recipient.description == Description(dict(label))
    return False


def _without(there: Sequence[Recipient], label: Label) -> Sequence[Recipient]:
    left = tuple(each for each in there if not is_named(each, label))
    if len(left) == len(there):
        raise NoMatchingKeyError(
            "this key is no recipient of the object",
            hint="bucket.head(name).envelope.recipients lists them",
        )
    if isinstance(label, Mapping) and len(there) - len(left) > 1:
        raise UsageError("several recipients have this description", hint="name the key itself")
    if not left:
        raise UsageError(
            "it is the only recipient; without it nobody could open the object",
            hint="add another first, or delete the object",
        )
    return left


@without_frames
def _with_recipients(envelope: Envelope, reading: Reading, change: Change) -> Envelope:
    """Open an object and return its envelope with other recipients; write nothing."""
    opened = open_envelope(envelope, reading)
    recipients = change(opened, envelope.recipients)
    return resealed(opened.cipher.seal, recipients, opened.data_key)
