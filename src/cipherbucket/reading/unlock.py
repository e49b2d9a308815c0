"""From a store's answer to the cipher of its object: policy, keys, binding, and the footer.

Rule: the envelope comes from the response that brings the body. The name that a sealed object is
bound to is the one that was asked for, never one that the object names; the footer is asked for
recipients only on request, and for a name only to show it in an error.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from cipherbucket.envelopes.access import Access
from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.unseal import Opened, open_sealed, unseal
from cipherbucket.errors import (
    BindingError,
    CipherbucketError,
    EnvelopeError,
    IntegrityError,
    PolicyError,
    SecurityError,
    WrongKeyError,
    named,
)
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.footer import FOOTER_FIELD, MAX_FOOTER, Footer, footer_length
from cipherbucket.format.metadata_names import OSS, SEALED, without_seal
from cipherbucket.format.sealed import HEADER, Binding, Sealed, sealed_layout
from cipherbucket.format.span import PLAIN, Layout, StoredSpan
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing, check_key
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.records import NOTHING, StoredObject

USUAL_FOOTER = 4096
"""What is fetched for a footer before its length is known; most are shorter."""

Fetch = Callable[[StoredSpan, StoredObject | None], Incoming]
"""Fetches a range of the stored bytes; of this very object, where one is given."""


@dataclass(frozen=True)
class Reading:
    """How an object is to be read.

    Attributes:
        name: The name that is asked for.
        ring: The master keys.
        policy: What is accepted.
        format: The format that is expected; another that the policy accepts costs a request more.
        key: Use this key, whatever descriptions say.
        context: The user's context of a sealed object.
        as_name: Read a sealed object knowingly as one that was sealed under this name.
        footer_recipients: Take the recipients, and all else, of a sealed object from its body.

    Raises:
        UsageError: What is given is no name or context.
        MasterKeyError: ``key`` is no master key.
    """

    name: str
    ring: KeyRing
    policy: Policy
    format: str
    key: MasterKey | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    as_name: str | None = None
    footer_recipients: bool = False

    @classmethod
    def of(
        cls,
        access: Access,
        name: str,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        as_name: str | None = None,
        footer_recipients: bool = False,
    ) -> Reading:
        """Return how a bucket reads one of its objects.

        Raises:
            UsageError: The configuration keeps the name from this bucket; or what is given is no
                name or context.
        """
        access.check_name(name)
        return cls(
            name=name,
            ring=access.ring,
            policy=access.policy,
            format=access.format,
            key=key,
            context=context,
            as_name=as_name,
            footer_recipients=footer_recipients,
        )

    def __post_init__(self) -> None:
        if self.key is not None:
            check_key(self.key)
        _ = self.binding  # what is no name or context is refused before anything is fetched

    @property
    def layout(self) -> Layout:
        """How the body is expected to lie in the store."""
        return sealed_layout(USUAL_FOOTER) if self.format == SEALED else PLAIN

    @property
    def binding(self) -> Binding:
        """What a sealed object must be bound to."""
        return Binding(self.name if self.as_name is None else self.as_name, self.context)


def fetch_from(store: Store, name: str, if_match: str | None, version_id: str | None) -> Fetch:
    """Return how an object's ranges are fetched from a store."""

    def fetch(span: StoredSpan, bound_to: StoredObject | None) -> Incoming:
        return store.get(
            name,
            start=span.start,
            length=span.length,
            tail=span.tail,
            if_match=if_match if bound_to is None else bound_to.etag,
            version_id=version_id if bound_to is None else bound_to.version_id,
        )

    return fetch


def unlock(
    stored: StoredObject, reading: Reading, fetch: Fetch
) -> tuple[ObjectInfo, Ctr | Sealed | None]:
    """Admit an object and unwrap its data key.

    Returns:
        What is known of it, and its cipher; None for plaintext that the policy accepts.

    Raises:
        PolicyError, EnvelopeError, NoMatchingKeyError, WrongKeyError, BindingError,
        IntegrityError: See `Bucket.get`.
    """
    with named(stored.name):
        from_body = reading.footer_recipients
        info = _info_of_body(stored, fetch) if from_body else ObjectInfo.of(stored)
        reading.policy.admit(info.envelope)
        bound = reading.context or reading.as_name is not None
        if bound and (info.envelope is None or info.envelope.seal is None):
            raise PolicyError(
                f"a name or context was given, and an object of format {info.format} is bound to"
                " nothing",
                hint="leave out context=, or read only sealed objects: format='sealed'",
            )
        if info.envelope is None:
            return info, None
        seal = info.envelope.seal
        if reading.as_name is not None and seal is not None and not seal.binds_name:
            raise BindingError(
                "the object is bound to no name, so it cannot prove the one that is demanded",
                hint="leave out as_name=, if any object under these keys will do",
            )
        try:
            cipher = unseal(
                info.envelope,
                reading.ring,
                reading.policy,
                key=reading.key,
                binding=reading.binding,
            )
        except (BindingError, WrongKeyError) as error:
            # Without a MAC a wrong name looks like a wrong key; the footer's name may fit.
            if isinstance(error, BindingError) or from_body:
                told = _with_sealed_name(error, stored, info.envelope, reading, fetch)
                if told is not error:  # an error that is its own cause is pickled without end
                    raise told from error
            raise
        try:
            info.check_lengths()
        except IntegrityError:
            del cipher  # no frame of an error leads to a data key
            raise
        if isinstance(cipher, Ctr) and info.format == OSS:
            info = dataclasses.replace(info, iv=cipher.iv_kind)
        return info, cipher


def open_envelope(envelope: Envelope, reading: Reading) -> Opened:
    """Unwrap the data key of a sealed object, also to wrap it anew. Errors as `unlock`."""
    return open_sealed(
        envelope, reading.ring, reading.policy, key=reading.key, binding=reading.binding
    )


def fetch_footer(stored: StoredObject, fetch: Fetch) -> bytes:
    """Fetch the footer of a sealed body; nothing of it is to be believed yet.

    Raises:
        EnvelopeError: The body ends otherwise.
    """
    tail = _fetched(fetch, StoredSpan(tail=min(USUAL_FOOTER, stored.size)), stored)
    length = footer_length(tail[-12:])
    if length > len(tail):
        tail = _fetched(fetch, StoredSpan(tail=min(length, stored.size)), stored)
    if length > len(tail):
        raise EnvelopeError("footer: longer than the body", field=FOOTER_FIELD)
    return tail[-length:]


def envelope_of_body(stored: StoredObject, fetch: Fetch) -> Envelope:
    """Make a sealed object's envelope of its body alone.

    Raises:
        EnvelopeError: The body is not that of a sealed object.
    """
    footer = fetch_footer(stored, fetch)
    header = _fetched(fetch, StoredSpan(length=HEADER), stored)
    if len(header) != HEADER:
        raise EnvelopeError("the body is shorter than its header", field=FOOTER_FIELD)
    return Envelope.of_body(header, footer)


def _info_of_body(stored: StoredObject, fetch: Fetch) -> ObjectInfo:
    own = without_seal(stored.metadata)
    envelope = envelope_of_body(stored, fetch)
    return dataclasses.replace(
        ObjectInfo.of(dataclasses.replace(stored, metadata=own)),
        size=envelope.layout.size(stored.size),
        format=SEALED,
        envelope=envelope,
    )


def _with_sealed_name(
    error: SecurityError, stored: StoredObject, envelope: Envelope, reading: Reading, fetch: Fetch
) -> SecurityError:
    """Find out which name the object was sealed under, if the footer proves it."""
    seal = envelope.seal
    assert seal is not None
    if not seal.binds_name or seal.binds_context != bool(reading.context):
        return error
    with suppress(CipherbucketError):
        footer = fetch_footer(stored, fetch)
        name = Footer.parse(footer).name
        if hashlib.sha256(footer).digest() != seal.footer_hash or name is None:
            return error
        if name == reading.binding.name:
            return _of_another_context(error, name, binds_context=seal.binds_context)
        unseal(
            envelope,
            reading.ring,
            reading.policy,
            key=reading.key,
            binding=Binding(name, reading.context),
        )
        moved = BindingError(
            f"the object was sealed under the name {name!r}",
            name=error.name,
            hint="someone moved it; if you know that it is yours, read it with as_name=",
        )
        moved.sealed_name = name
        return moved
    return error


def _of_another_context(error: SecurityError, name: str, *, binds_context: bool) -> SecurityError:
    if not isinstance(error, BindingError):
        return error
    if not binds_context:
        # The MAC fits the data key and all that is bound is right: it is not the object's own.
        return IntegrityError(
            "the recipients lead to another data key than the object was sealed with",
            name=error.name,
            hint="someone altered the metadata; cipherbucket repair restores the first recipients",
        )
    moved = BindingError(
        "the object was sealed with another context",
        name=error.name,
        hint="give the very pairs that it was written with: context={...}",
    )
    moved.sealed_name = name
    return moved


def _fetched(fetch: Fetch, span: StoredSpan, stored: StoredObject) -> bytes:
    """Fetch a small range, wherever the store's answer begins."""
    with fetch(span, stored) as incoming:
        size = incoming.stored.size
        start = span.start if span.tail is None else max(0, size - span.tail)
        stop = size if span.length is None else min(size, start + span.length)
        if not incoming.start <= start <= stop <= incoming.stop or stop - start > MAX_FOOTER:
            raise IntegrityError("the store sent other bytes than were asked for")
        waste = bytearray(64 << 10)
        for position in range(incoming.start, start, len(waste)):
            incoming.readinto(memoryview(waste)[: min(len(waste), start - position)])
        data = bytearray(stop - start)
        incoming.readinto(data)
        return bytes(data)
