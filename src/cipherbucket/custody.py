"""Who can open a sealed object, and under which name: recipients, footer, repair, new names.

Law: recipients are changed by rewriting metadata, after its MAC was found right, and only on the
object that was looked at; the body is not touched. A name is part of what is sealed: an object gets
another one by being sealed anew, under a new data key.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from cipherbucket.description import Description
from cipherbucket.errors import (
    EnvelopeError,
    MasterKeyError,
    NoMatchingKeyError,
    ObjectChangedError,
    PolicyError,
    PreconditionFailedError,
    UsageError,
    named,
)
from cipherbucket.format.envelope import SEALED, Envelope, without_seal
from cipherbucket.format.footer import Footer, Recipient
from cipherbucket.format.sealed import Binding
from cipherbucket.format.span import Span
from cipherbucket.info import ObjectInfo
from cipherbucket.keyless import Keyless
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.reader import open_stream
from cipherbucket.seal import resealed, seal, wrapped_for
from cipherbucket.source import Source
from cipherbucket.stores.objects import NOTHING
from cipherbucket.unlocking import Reading, envelope_of_body, fetch_footer, fetch_from
from cipherbucket.unseal import Opened, open_sealed
from cipherbucket.uploading import upload_stream

_log = logging.getLogger("cipherbucket")


class Custody(Keyless):
    """The verbs of a bucket that are about sealed objects alone."""

    _recipients: tuple[MasterKey, ...]

    def _reading(
        self,
        name: str,
        *,
        key: MasterKey | None,
        context: Mapping[str, str],
        as_name: str | None = None,
        footer_recipients: bool = False,
    ) -> Reading:
        raise NotImplementedError

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
        new object. Where the ring's first key is none of its recipients, it takes the place of the
        one by which the object was opened.

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
            ObjectChangedError: The source was replaced meanwhile; nothing was written.
            PreconditionFailedError: ``if_absent`` did not hold.
            MasterKeyError: There is no key to seal it with, or the key of a recipient is missing.
            And the errors of `Bucket.get`, for an object that must be sealed anew.
        """
        info = self.head(source, version_id=version_id)
        envelope = info.envelope
        if envelope is None or envelope.seal is None or not envelope.seal.binds_name:
            return super().copy(source, target, if_absent=if_absent, version_id=version_id)
        reading = self._reading(source, key=key, context=context)
        if recipients is None:
            with named(source):
                opened = open_sealed(
                    envelope, reading.ring, reading.policy, key=key, binding=reading.binding
                )
                recipients = carried_over(
                    envelope, opened.recipient, reading.ring, self._recipients
                )
        named_already = {each.id for each in recipients}
        standing = (each for each in self._recipients if each.id not in named_already)
        renewed, cipher = seal(
            reading.ring,
            SEALED,
            binding=Binding(target, dict(context)),
            recipients=(*recipients, *standing),
        )
        fetch = fetch_from(self._store, source, None, version_id)
        with open_stream(fetch, Span(), reading) as stream, Source(stream) as body:
            if stream.info.envelope != envelope:
                raise ObjectChangedError("the object was replaced while it was copied", name=source)
            stored = upload_stream(
                self._store,
                target,
                body,
                renewed,
                cipher,
                metadata=info.metadata,
                headers=info.headers,
                if_absent=if_absent,
            )
        return ObjectInfo.of(stored)

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

    def add_recipient(
        self,
        name: str,
        recipient: MasterKey,
        *,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
    ) -> ObjectInfo:
        """Let one more master key open a sealed object. Its body is neither read nor changed.

        Args:
            name: The object's name.
            recipient: The key; a public half does.
            key: Open the object with this key, whatever descriptions say.
            context: The pairs that the object was written with.

        Raises:
            MasterKeyError: The key cannot wrap, or could not be told from one that is there.
            UsageError: More than 16 recipients, or more than the store's metadata hold.
            PreconditionFailedError: The object was replaced meanwhile; nothing was changed.
            And the errors of `Bucket.get`.
        """
        with named(name):
            info, opened = self._opened(name, key, context)
            seal = opened.cipher.seal
            added = wrapped_for(recipient, opened.data_key, seal.object_id)
            return self._rewritten(info, opened, (*_recipients_of(info), added))

    def remove_recipient(
        self,
        name: str,
        recipient: MasterKey | Recipient,
        *,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
    ) -> ObjectInfo:
        """Take a master key from those that open a sealed object.

        Whoever holds that key and has read the object, or kept its old metadata, can still open
        it, and the footer still names it: what is to be safe from them is sealed anew.

        Args:
            name: The object's name.
            recipient: The key, or one of ``bucket.head(name).envelope.recipients``.
            key: Open the object with this key, whatever descriptions say.
            context: The pairs that the object was written with.

        Raises:
            NoMatchingKeyError: It is no recipient.
            UsageError: It is the only one.
            PreconditionFailedError: The object was replaced meanwhile; nothing was changed.
            And the errors of `Bucket.get`.
        """
        with named(name):
            info, opened = self._opened(name, key, context)
            there = _recipients_of(info)
            left = tuple(each for each in there if not _is_of(each, recipient))
            if len(left) == len(there):
                raise NoMatchingKeyError(
                    "this key is no recipient of the object",
                    hint="bucket.head(name).envelope.recipients lists them",
                )
            if not left:
                raise UsageError(
                    "it is the only recipient; without it nobody could open the object",
                    hint="add another first, or delete the object",
                )
            return self._rewritten(info, opened, left)

    def footer(self, name: str, *, version_id: str | None = None) -> Footer:
        """Fetch what the end of a sealed body tells: the recipients and the name of its first day.

        No key is needed; all of it is the store's word.

        Raises:
            ObjectNotFoundError: No such object.
            EnvelopeError: The body does not end as that of a sealed object.
        """
        with named(name):
            stored = self._store.head(name, version_id=version_id)
            return Footer.parse(
                fetch_footer(stored, fetch_from(self._store, name, None, version_id))
            )

    def repair(
        self,
        name: str,
        *,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        if_match: str | None = None,
    ) -> ObjectInfo:
        """Give a sealed object that lost its metadata, or has wrong ones, those of its footer.

        The recipients are those of the day it was sealed, ones that were removed since among
        them; `footer` tells them beforehand. The object's end is read and verified first. The
        user's own metadata stay as they are.

        Args:
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
        with named(name):
            stored = self._store.head(name)
            own = without_seal(stored.metadata)
            reading = self._reading(name, key=key, context=context, footer_recipients=True)
            fetch = fetch_from(self._store, name, stored.etag, None)
            if if_match is not None and if_match != stored.etag:
                raise PreconditionFailedError(
                    f"the condition was ETag {if_match!r}; it is {stored.etag!r}",
                    hint="the object was changed meanwhile; look at it again",
                )
            open_stream(fetch, Span(tail=0), reading).close()
            envelope = envelope_of_body(stored, fetch)
            opened = open_sealed(
                envelope, reading.ring, reading.policy, key=key, binding=reading.binding
            )
            assert envelope.seal is not None
            texts = resealed(envelope.seal, envelope.recipients, opened.data_key).to_metadata()
            repaired = self._store.replace_metadata(
                name, metadata={**own, **texts}, headers=stored.headers, if_match=stored.etag
            )
        _log.info("repaired %r from its footer", name)
        return ObjectInfo.of(repaired)

    def _opened(
        self, name: str, key: MasterKey | None, context: Mapping[str, str]
    ) -> tuple[ObjectInfo, Opened]:
        info = self.head(name)
        if info.envelope is None or info.envelope.seal is None:
            raise PolicyError(
                f"the object has format {info.format}, in which recipients cannot be changed",
                hint="only sealed objects have several: put it again with format='sealed'",
            )
        reading = self._reading(name, key=key, context=context)
        opened = open_sealed(
            info.envelope, reading.ring, reading.policy, key=key, binding=reading.binding
        )
        return info, opened

    def _rewritten(
        self, info: ObjectInfo, opened: Opened, recipients: Sequence[Recipient]
    ) -> ObjectInfo:
        envelope = resealed(opened.cipher.seal, recipients, opened.data_key)
        stored = self._store.replace_metadata(
            info.name,
            metadata={**info.metadata, **envelope.to_metadata()},
            headers=info.headers,
            if_match=info.etag,
        )
        return ObjectInfo.of(stored)


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
    written = next((each for each in envelope.recipients if _is_of(each, writer)), opened)
    return tuple(_key_of(each, ring, further) for each in envelope.recipients if each != written)


def _key_of(recipient: Recipient, ring: KeyRing, further: Sequence[MasterKey]) -> MasterKey:
    for key in further:
        if _is_of(recipient, key):
            return key
    try:
        return ring.find(recipient.algorithm, recipient.description)[0]
    except (EnvelopeError, NoMatchingKeyError):
        raise MasterKeyError(
            f"the key of recipient {recipient.description_text or 'no description'} is not in"
            " the ring, so the copy could not be sealed for it",
            hint="add its public half to the keys, or say whom it is for: recipients=[...]",
        ) from None


def _recipients_of(info: ObjectInfo) -> tuple[Recipient, ...]:
    assert info.envelope is not None
    return info.envelope.recipients


def _is_of(recipient: Recipient, key: MasterKey | Recipient) -> bool:
    if isinstance(key, Recipient):
        return (recipient.algorithm, recipient.wrapped_key) == (key.algorithm, key.wrapped_key)
    with suppress(EnvelopeError):  # a damaged description is no key's
        labels = recipient.description == Description(key.description)
        return labels and recipient.algorithm in key.algorithms
    return False
