"""Another master key for an object: its data key unwrapped with the old one, wrapped with the new.

Rule: the ciphertext never changes and is never decrypted. An object has its old envelope until it
has its new one, which was seen to open before anything was written. Where the store lets metadata
be changed no body moves; OSS forbids that for its own format's envelope, so that there the same
ciphertext is uploaded again. A leaked master key is not mended by this: whoever kept the old
envelope opens the object for ever, and the answer is `reencrypt`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.access import Access, access_of
from cipherbucket.envelopes.seal import check_opens, resealed, rewrapped, wrapped_for
from cipherbucket.envelopes.unseal import Opened, is_recipient, unseal, unwrap_oss
from cipherbucket.errors import (
    EnvelopeError,
    NoMatchingKeyError,
    ObjectChangedError,
    PolicyError,
    WrongKeyError,
    named,
    without_frames,
)
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import OSS_V1
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing, check_key, spelling
from cipherbucket.objects.metadata import replace_metadata_around
from cipherbucket.objects.store_to_store import rewrite
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.unlock import Reading, open_envelope
from cipherbucket.rotation.new_keys import NewKey, NewKeys
from cipherbucket.stores.base import Store
from cipherbucket.stores.checks import check_metadata
from cipherbucket.stores.records import NOTHING, StoredObject, same_crc64
from cipherbucket.workers.progress import Progress
from cipherbucket.workers.rate_limit import check_speed
from cipherbucket.workers.threads import MEMORY, Halt
from cipherbucket.writing.metadata_limit import metadata_with
from cipherbucket.writing.one_request import persist
from cipherbucket.writing.replacing import ObjectToReplace

_log = logging.getLogger("cipherbucket")

Label = MasterKey | Recipient | Mapping[str, str]
"""What names a recipient: its key, itself, or its description, whatever the algorithm."""


@dataclass(frozen=True)
class KeyChange:
    """What is to become of the keys of one object, or of many.

    Attributes:
        to: The new master key.
        key: Open with this key, whatever descriptions say; it is the one that is replaced.
        old: The key that is replaced, where it is not the one that opens.
        context: The pairs that sealed objects were written with.
        workers: Parts at once, where a body has to be uploaded again.
        memory: Most bytes of parts of one object in memory, there, whatever sizes a store claims.
    """

    to: MasterKey
    key: MasterKey | None = None
    old: Label | None = None
    context: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    workers: int | None = None
    memory: int = MEMORY

    @property
    def is_forced(self) -> bool:
        """Whether a key is to open objects whose labels may be wrong, that of the new key too."""
        return self.key is not None and self.key.id != self.to.id

    def replaces(self, recipient: Recipient) -> bool:
        """Return by its label whether a recipient is to go; never the one that is to come."""
        old = self.old if self.old is not None else self.key
        return old is not None and is_of(recipient, old) and not is_of(recipient, self.to)

    def has_new(self, recipients: Iterable[Recipient]) -> bool:
        """Return by their labels whether the new key is among them."""
        return any(is_of(each, self.to) for each in recipients)

    def is_made(self, recipients: Iterable[Recipient]) -> bool:
        """Return by their labels alone whether nothing is left to do."""
        here = tuple(recipients)
        return self.has_new(here) and not self.is_forced and not any(map(self.replaces, here))

    def check(self, ring: KeyRing) -> None:
        """Refuse keys that no reader could tell apart.

        Raises:
            MasterKeyError: The new key has the label of another one.
        """
        check_key(self.to)
        if self.key is not None:
            check_key(self.key)
        if self.old is not None:
            check_label(self.old)
        others = {key.id: key for key in (*ring.keys, self.key) if key is not None}
        others.pop(self.to.id, None)  # the same key under another description gives it that one
        for other in others.values():
            KeyRing(self.to, other)


def rewrap(
    bucket: Bucket,
    name: str,
    to: NewKey = None,
    *,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    dry_run: bool = False,
    workers: int | None = None,
    limit_rate: float | None = None,
    progress: Progress | None = None,
) -> ObjectInfo:
    """Wrap an object's data key with another master key; the ciphertext stays as it is.

    Of a sealed object's recipients the one that opens it, or that of ``key``, is replaced and
    the others stay. An object that has the new key already, by its description, is left as it
    is; with ``key``, only where that one does not open it. Metadata, content headers, tags,
    ACL, storage class and encryption at rest are kept. Old versions keep their old key, and so
    does the footer of a sealed object: whoever has the old key and an old envelope still opens
    it. If that must not be, see `reencrypt`.

    Args:
        bucket: Where it lies.
        name: The object's name.
        to: The new master key, or several, of which the object gets the first that can write its
            format; None for the ring's first. Public halves do.
        key: Open the object with this key, whatever its description says or lacks.
        context: The pairs that a sealed object was written with.
        dry_run: Change nothing. The keys do all that they would do, a KMS too.
        workers: Parts at once, where the ciphertext has to be uploaded again.
        limit_rate: Most bytes a second, there.
        progress: Called with (bytes done, bytes in all), there.

    Returns:
        What is there now; of a dry run, what would be.

    Raises:
        MasterKeyError: The new key cannot write the object's format, does not open what it
            wrapped, or could not be told from another.
        PolicyError: The object is not encrypted, or in format ``oss-v1``.
        ObjectChangedError, PreconditionFailedError: Somebody else changed it meanwhile; their
            change stays.
        And the errors of `Bucket.get`.
    """
    check_speed(workers, limit_rate)
    access = access_of(bucket)
    keys = NewKeys.of(to)
    change = KeyChange(keys.of_bucket(access)[0], key, None, context, workers)
    for new in keys.of_bucket(access):
        replace(change, to=new).check(access.ring)
    with named(name):
        seen = access.store.head(name)
        envelope = rewrappable(access, ObjectInfo.of(seen))
        change = replace(change, to=keys.for_format(access, envelope.format))
        how = Halt(limit_rate), progress
        return rewrapped_object(access, seen, change, *how, dry_run=dry_run)


def rewrapped_object(
    access: Access,
    seen: StoredObject,
    change: KeyChange,
    halt: Halt,
    progress: Progress | None = None,
    *,
    dry_run: bool = False,
) -> ObjectInfo:
    """Give an object that was just looked at another master key; see `rewrap`.

    A dry run does all but the writing, so that it fails where the run would.
    """
    info = ObjectInfo.of(seen)
    envelope = rewrappable(access, info)
    access.check_writer(change.to, info.format)
    reading = Reading.of(access, info.name, key=change.key, context=change.context)
    if change.is_made(envelope.recipients) or _is_made(envelope, reading, change):
        return info
    try:
        renewed = _renewed(envelope, reading, change)
    except (WrongKeyError, NoMatchingKeyError):
        if change.is_forced and change.has_new(envelope.recipients):
            return info  # the new key's private half is elsewhere, and this one opens nothing
        raise
    reading.policy.admit(renewed)  # what this bucket would not read it does not write
    metadata = metadata_with(renewed, info.metadata, access.store, info.name)
    check_metadata(metadata, NOTHING, info.name, access.store)
    if dry_run:
        if moves_body(access.store, envelope):
            _look_at_body(access.store, seen)
        return replace(info, envelope=renewed)
    written = _with_envelope(access.store, seen, info, renewed, change, halt, progress)
    _log.info("rewrapped %r for key %s", info.name, change.to.id)
    return written


def rewrappable(access: Access, info: ObjectInfo) -> Envelope:
    """Return an object's envelope, if it is one that can be wrapped anew.

    Raises:
        PolicyError: It is not encrypted, in format ``oss-v1``, or not read by this bucket.
        IntegrityError: It has another length than its envelope says.
    """
    access.check_name(info.name)
    if (envelope := info.envelope) is None:
        raise PolicyError(
            "the object is not encrypted, so it has no key to change",
            hint="reencrypt with kinds=['plaintext'] encrypts it",
        )
    if envelope.format == OSS_V1:
        raise PolicyError(
            "objects of format oss-v1 keep their envelope",
            hint="reencrypt with kinds=['oss-v1'] writes it anew",
        )
    access.policy.admit(envelope)
    info.check_lengths()
    return envelope


def moves_body(store: Store, envelope: Envelope) -> bool:
    """Return whether an envelope can change only with the body, which is then uploaded again."""
    fixed = store.fixed_metadata
    return fixed is not None and any(name.startswith(fixed) for name, _ in envelope.fields)


def _look_at_body(store: Store, seen: StoredObject) -> None:
    """Ask for what a body that moves takes: what the object has beside it, and the first byte."""
    store.attributes(seen.name)
    with store.get(seen.name, length=1, if_match=seen.etag):
        pass


def _with_envelope(
    store: Store,
    seen: StoredObject,
    info: ObjectInfo,
    envelope: Envelope,
    change: KeyChange,
    halt: Halt,
    progress: Progress | None,
) -> ObjectInfo:
    """Give an object another envelope, and see that it has it."""
    metadata = {**info.metadata, **envelope.to_metadata()}
    if not moves_body(store, envelope):

        def replaced(_: int) -> StoredObject:
            halt.passed(0)  # a pass that was stopped changes nothing any more
            return replace_metadata_around(store, info, metadata)

        # Tried again right here, it knows its own change if an answer was lost.
        return ObjectInfo.of(persist(replaced))
    written = rewrite(
        ObjectToReplace(store, seen, store.attributes(info.name), halt),
        metadata=metadata,
        workers=change.workers,
        progress=progress,
        memory=change.memory,
    )
    there = ObjectInfo.of(store.head(info.name))
    ours = ObjectInfo.of(written).envelope
    if there.envelope != ours or there.size != info.size or same_crc64(there, info) is False:
        raise ObjectChangedError(
            "the object was replaced as soon as it was rewrapped",
            hint="look at what is there now; another writer put it",
        )
    return there


def _is_made(envelope: Envelope, reading: Reading, change: KeyChange) -> bool:
    """Return whether the new key opens what is labelled so, where labels are not believed.

    Keys of a KMS are, one by another: by default they open what any of them wrapped.
    """
    there = envelope.recipients
    if any(map(change.replaces, there)) or not change.has_new(there):
        return False
    if not getattr(change.to, "can_unwrap", True):
        return False
    with suppress(WrongKeyError, NoMatchingKeyError):
        unseal(envelope, reading.ring, reading.policy, key=change.to, binding=reading.binding)
        return True
    return False


@without_frames
def _renewed(envelope: Envelope, reading: Reading, change: KeyChange) -> Envelope:
    """Return the envelope for the new key; nothing is written yet."""
    if envelope.seal is None:
        secrets = unwrap_oss(envelope, reading.ring, reading.policy, key=reading.key)
        return rewrapped(envelope, change.to, *secrets)
    there = envelope.recipients
    opened = open_envelope(envelope, reading)
    # Where no label says which, it is the one that opened, even if it has the new key's label.
    gone = [each for each in there if change.replaces(each)] or [opened.recipient]
    kept = [each for each in there if each not in gone]
    if not change.has_new(kept):
        kept.insert(there.index(gone[0]), _wrapped(opened, change.to))
    return resealed(opened.cipher.seal, kept, opened.data_key)


def _wrapped(opened: Opened, key: MasterKey) -> Recipient:
    object_id = opened.cipher.seal.object_id
    recipient = wrapped_for(key, opened.data_key, object_id)
    check_opens(key, recipient, opened.data_key, object_id)
    return recipient


def check_label(label: Label) -> None:
    """Refuse what names no recipient.

    Raises:
        MasterKeyError: It is neither a key, nor a recipient, nor a description.
    """
    if not isinstance(label, Recipient | Mapping):
        check_key(label)


def is_of(recipient: Recipient, label: Label) -> bool:
    """Return whether a label names a recipient, of any format."""
    if isinstance(label, Recipient):
        return is_recipient(recipient, label)
    described = label if isinstance(label, Mapping) else label.description
    with suppress(EnvelopeError):  # a damaged description is no key's
        if recipient.description != Description(described):
            return False
        return isinstance(label, Mapping) or spelling(label, recipient.algorithm) is not None
    return False
