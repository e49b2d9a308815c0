"""Objects under another name: copied in the store, or sealed anew.

Law: a name is part of what is sealed. An object that is bound to its name gets another one by being
read, verified and sealed anew, under a new data key, for whom it was sealed before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.seal import seal
from cipherbucket.envelopes.unseal import Opened, open_sealed
from cipherbucket.errors import (
    EnvelopeError,
    MasterKeyError,
    NoMatchingKeyError,
    ObjectChangedError,
    UsageError,
    named,
)
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.format.sealed import Binding
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.objects.metadata import Keyless
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import open_stream
from cipherbucket.reading.unlock import Reading, fetch_from
from cipherbucket.stores.records import NOTHING
from cipherbucket.writing.part_requests import Destination
from cipherbucket.writing.source import Source
from cipherbucket.writing.unknown_length import StreamUpload, upload_stream


class Copies(Keyless):
    """The verbs of a bucket that give an object another name."""

    _recipients: tuple[MasterKey, ...]
    _ring: KeyRing
    _policy: Policy
    _format: str

    def _reading(
        self,
        name: str,
        *,
        key: MasterKey | None,
        context: Mapping[str, str],
        as_name: str | None = None,
        footer_recipients: bool = False,
    ) -> Reading:
        return Reading(
            name=name,
            ring=self._ring,
            policy=self._policy,
            format=self._format,
            key=key,
            context=context,
            as_name=as_name,
            footer_recipients=footer_recipients,
        )

    def copy(
        self,
        source: str,
        target: str,
        *,
        if_absent: bool = False,
        version_id: str | None = None,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        recipients: Sequence[MasterKey] | None = None,
    ) -> ObjectInfo:
        """Copy an object; in the store, as it is, unless it is a sealed one bound to its name.

        That one is read, verified and sealed anew under the new name, with a new data key, for the
        ring's first key, for the recipients it has and for those that the bucket adds to every
        new object. It gets the user's metadata and content headers of the source; ACL and tags are
        those of a new object. Where the ring's first key is none of its recipients, it takes the
        place of the one by which the object was opened.

        Args:
            source: An object's name.
            target: The copy's name.
            if_absent: Only if there is no object of the target's name.
            version_id: This version of the source rather than the newest.
            key: To open what must be sealed anew, whatever descriptions say.
            context: Its context, also of the copy.
            recipients: Instead of the other recipients that it has.

        Raises:
            ObjectNotFoundError: No such source.
            UsageError: ``recipients`` for an object that is copied as it is.
            ObjectChangedError: The source was replaced meanwhile; nothing was written.
            PreconditionFailedError: ``if_absent`` did not hold.
            MasterKeyError: There is no key to seal it with, or the key of a recipient is missing.
            And the errors of `Bucket.get`, for an object that must be sealed anew.
        """
        info = self.head(source, version_id=version_id)
        if info.envelope is not None and info.envelope.seal is not None:
            reading = self._reading(source, key=key, context=context)
            if info.envelope.seal.binds_name:
                others = self._others(info, reading) if recipients is None else recipients
                to = Destination(
                    store=self._store,
                    name=target,
                    metadata=info.metadata,
                    headers=info.headers,
                    if_absent=if_absent,
                )
                return self._sealed_anew(info, reading, to, others, version_id)
            if recipients is None and self._ring.keys:
                # That it is bound to no name is the store's word until it was opened.
                with named(source):
                    _opened(info.envelope, reading)
        if recipients is not None:
            raise UsageError(
                "the object is copied as it is, for the recipients it has",
                name=source,
                hint="leave recipients= away; add_recipient changes those of sealed objects",
            )
        return super().copy(source, target, if_absent=if_absent, version_id=version_id)

    def _sealed_anew(
        self,
        info: ObjectInfo,
        reading: Reading,
        to: Destination,
        others: Sequence[MasterKey],
        version_id: str | None,
    ) -> ObjectInfo:
        there = {each.id for each in others}
        envelope, cipher = seal(
            reading.ring,
            SEALED,
            binding=Binding(to.name, reading.context),
            recipients=(*others, *(each for each in self._recipients if each.id not in there)),
        )
        fetch = fetch_from(self._store, info.name, None, version_id)
        with open_stream(fetch, Span(), reading) as stream, Source(stream) as body:
            if stream.info.envelope != info.envelope:
                raise ObjectChangedError(
                    "the object was replaced while it was copied", name=info.name
                )
            return ObjectInfo.of(upload_stream(StreamUpload(to, envelope, cipher), body))

    def rename(
        self,
        source: str,
        target: str,
        *,
        if_absent: bool = False,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        recipients: Sequence[MasterKey] | None = None,
    ) -> ObjectInfo:
        """Copy an object to a new name and delete the old one; not atomic.

        Raises:
            UsageError: Source and target are one name.
            ObjectChangedError: The source was replaced meanwhile; both are left.
            And the errors of `copy`.
        """
        return self._moved(
            source,
            target,
            lambda: self.copy(
                source,
                target,
                if_absent=if_absent,
                key=key,
                context=context,
                recipients=recipients,
            ),
        )

    def _others(self, info: ObjectInfo, reading: Reading) -> tuple[MasterKey, ...]:
        """Find the keys that a sealed object is to be sealed for anew, beside the first."""
        assert info.envelope is not None
        with named(info.name):
            opened = _opened(info.envelope, reading)
            return carried_over(info.envelope, opened.recipient, reading.ring, self._recipients)


def _opened(envelope: Envelope, reading: Reading) -> Opened:
    return open_sealed(
        envelope, reading.ring, reading.policy, key=reading.key, binding=reading.binding
    )


def carried_over(
    envelope: Envelope, opened: Recipient, ring: KeyRing, further: Sequence[MasterKey]
) -> tuple[MasterKey, ...]:
    """Find the keys of an object's other recipients, to seal it for them anew.

    Args:
        envelope: The object's.
        opened: The recipient it was opened as; the key that writes takes its place, unless that
            is a recipient itself.
        ring: Its first key writes.
        further: Keys at hand beside the ring's.

    Raises:
        MasterKeyError: The key of a recipient is not at hand, or the ring is empty.
    """
    writer = ring.writer(SEALED)
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


def is_recipient(recipient: Recipient, key: MasterKey | Recipient) -> bool:
    """Tell whether a recipient is of this key, by its label, or is this one of a listing."""
    if isinstance(key, Recipient):
        return (recipient.algorithm, recipient.wrapped_key) == (key.algorithm, key.wrapped_key)
    with suppress(EnvelopeError):  # a damaged description is no key's
        labels = recipient.description == Description(key.description)
        return labels and recipient.algorithm in key.algorithms
    return False
