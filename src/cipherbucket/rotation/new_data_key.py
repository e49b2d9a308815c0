"""An object written anew over itself: new data key, new ciphertext.

Rule: what is there is read and verified as any reader does, and its successor appears whole, in the
place of what was read and of nothing else. This is the answer to a leaked master key and to a
recipient who was removed, and the way from other formats and from plaintext; each kind that is to
be migrated is asked for by name, for a store can put any of them in an object's place.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.access import Access, Sealing, access_of, check_keys
from cipherbucket.envelopes.policy import PLAINTEXT
from cipherbucket.envelopes.seal import seal
from cipherbucket.errors import IntegrityError, ObjectChangedError, PolicyError, UsageError, named
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import FORMATS, SEALED
from cipherbucket.format.sealed import Binding
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import check_key
from cipherbucket.objects.copy import other_recipients, with_further
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import open_stream
from cipherbucket.reading.unlock import Reading, fetch_from
from cipherbucket.stores.records import NOTHING, StoredObject
from cipherbucket.workers.progress import Progress
from cipherbucket.workers.rate_limit import RateLimit, check_speed
from cipherbucket.workers.threads import Halt
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.put import LARGE, upload_sized
from cipherbucket.writing.replacing import ObjectToReplace
from cipherbucket.writing.source import Source
from cipherbucket.writing.unknown_length import SpooledUpload, StreamUpload, upload_stream

_log = logging.getLogger("cipherbucket")

_STEP = 64 << 10


@dataclass(frozen=True)
class Reencryption:
    """How one object, or many, are written anew.

    Attributes:
        key: Open with this key, whatever descriptions say.
        context: The pairs that sealed objects were written with, and will be.
        kinds: The kinds of objects that are written anew.
        recipients: Format ``sealed``: instead of the other recipients that an object has.
    """

    key: MasterKey | None = None
    context: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    kinds: Collection[str] = ()
    recipients: Sequence[MasterKey] | None = None

    def check(self, format: str) -> None:  # noqa: A002  the word of the documents
        """Refuse what no bucket of this format can do.

        Raises:
            UsageError: An unknown kind, one recipient instead of a sequence, or what only sealed
                objects have.
            MasterKeyError: A key is none.
        """
        known = (*FORMATS, PLAINTEXT)
        if isinstance(self.kinds, str) or set(self.kinds).difference(known):
            raise UsageError(
                f"kinds={self.kinds!r} is no list of kinds of objects",
                hint=f"some of {list(known)}",
            )
        if self.key is not None:
            check_key(self.key)
        if self.recipients is not None:
            check_keys(self.recipients)
        if format != SEALED and self.recipients:
            raise UsageError(
                "only sealed objects have several recipients",
                hint="open the bucket with format='sealed'",
            )


def reencrypt(
    bucket: Bucket,
    name: str,
    *,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    kinds: Collection[str] | None = None,
    recipients: Sequence[MasterKey] | None = None,
    limit_rate: float | None = None,
    progress: Progress | None = None,
) -> ObjectInfo:
    """Read an object, verify it, and write it anew under a new data key, where it is.

    It gets the bucket's format and the ring's first key. Of a sealed object the other
    recipients stay, and so does whether it is bound to its name. Metadata, content headers,
    tags, ACL, storage class and encryption at rest are kept. Old versions, where the store
    keeps them, keep their old key: delete them if nobody may open them any more.

    Args:
        bucket: Where it lies.
        name: The object's name.
        key: Open the object with this key, whatever its description says or lacks.
        context: The pairs that a sealed object was written with; also those of the new one.
        kinds: Which kinds of objects are written anew: some of ``oss``, ``oss-v1``, ``sealed``
            and ``plaintext``. None: only the bucket's own format.
        recipients: Format ``sealed``: for these, beside the ring's first key and those of the
            bucket, instead of the recipients that it has.
        limit_rate: Most bytes of plaintext a second.
        progress: Called with (bytes done, bytes in all).

    Returns:
        What is there now.

    Raises:
        PolicyError: It is of another kind; or its RSA key is too short for the policy.
        UsageError: An unknown kind, or what the bucket's format does not have.
        ObjectChangedError, PreconditionFailedError: Somebody else changed it meanwhile; their
            change stays.
        And the errors of `Bucket.get` and `Bucket.put`.
    """
    check_speed(None, limit_rate)
    access = access_of(bucket)
    reencryption = Reencryption(key, context, kinds or (access.format,), recipients)
    reencryption.check(access.format)
    with named(name):
        seen = access.store.head(name)
        return reencrypted_object(access, seen, reencryption, Halt(limit_rate), progress)


def reencrypted_object(
    access: Access,
    seen: StoredObject,
    reencryption: Reencryption,
    halt: Halt,
    progress: Progress | None = None,
) -> ObjectInfo:
    """Write an object that was just looked at anew; see `reencrypt`."""
    info = ObjectInfo.of(seen)
    if info.format not in reencryption.kinds:
        raise PolicyError(
            f"the object is of another kind: {info.format}",
            hint=f"kinds=[{info.format!r}] writes it anew in format {access.format!r}",
        )
    reading = _reading_old(access, info, reencryption)
    sealing = _sealing_anew(access, info, reading, reencryption)
    fetch = fetch_from(access.store, seen.name, seen.etag, seen.version_id)
    replaced = ObjectToReplace(access.store, seen, access.store.attributes(seen.name), halt)
    rate_limit = _SharedRateLimit(halt)
    with (
        open_stream(fetch, Span(), reading) as stream,
        Source(stream, progress=progress, rate_limit=rate_limit) as body,
    ):
        if stream.info.envelope != info.envelope:
            raise replaced.changed()
        to = Destination(
            store=access.store,
            name=seen.name,
            metadata=info.metadata,
            headers=replaced.headers,
            replacing=replaced,
        )
        written = _write(access.format, to, body, sealing, stream.info.size)
    sent = ObjectInfo.of(written).envelope
    there = ObjectInfo.of(access.store.head(seen.name))
    if sent is None or there.envelope is None or there.envelope.identity != sent.identity:
        raise ObjectChangedError(
            "the object was replaced as soon as it was written anew",
            hint="look at what is there now; another writer put it",
        )
    if there.size != stream.info.size:  # of ours, that was known by its envelope alone
        raise IntegrityError(
            f"{there.size:,} bytes are stored of {stream.info.size:,} that were written anew",
            hint="the store lost some: restore the object from an old version or a copy",
        )
    _log.info("reencrypted %r: %d bytes", seen.name, there.size)
    return there


def _reading_old(access: Access, info: ObjectInfo, reencryption: Reencryption) -> Reading:
    is_sealed = info.envelope is not None and info.envelope.seal is not None
    return replace(
        Reading.of(
            access,
            info.name,
            key=reencryption.key,
            context=reencryption.context if is_sealed else NOTHING,
        ),
        policy=access.policy.admitting(reencryption.kinds),
        format=info.format if info.envelope is not None else access.format,
    )


def foresee(access: Access, info: ObjectInfo, reencryption: Reencryption) -> None:
    """Refuse an object whose keys are missing; its body is not read.

    An object with several recipients is opened: which of the others need a key depends on it.

    Raises:
        NoMatchingKeyError, MasterKeyError: A key is missing, to read it or for a recipient.
        And the errors of `Bucket.get`, for what the envelope says.
    """
    if (envelope := info.envelope) is None:
        return
    reading = _reading_old(access, info, reencryption)
    reading.policy.admit(envelope)
    if len(envelope.recipients) > 1 and access.format == SEALED and reencryption.recipients is None:
        other_recipients(access, info, reading)
    elif len(envelope.recipients) == 1 and reencryption.key is None:
        (recipient,) = envelope.recipients
        reading.ring.find(recipient.algorithm, recipient.description)


def _sealing_anew(
    access: Access, info: ObjectInfo, reading: Reading, reencryption: Reencryption
) -> Sealing:
    """Return what seals an object for whom it was sealed before."""
    old = info.envelope.seal if info.envelope is not None else None
    others: Sequence[MasterKey] = reencryption.recipients or ()
    if old is not None and access.format == SEALED and reencryption.recipients is None:
        others = other_recipients(access, info, reading)
    anew = partial(
        seal,
        access.ring,
        access.format,
        binding=Binding(info.name, reencryption.context if access.format == SEALED else NOTHING),
        bind_name=old is None or old.binds_name,
        recipients=with_further(access, others),
    )

    def sealing(**sizes: Any) -> tuple[Envelope, ContentCipher]:
        envelope, cipher = anew(**sizes)
        if Envelope.parse({**info.metadata, **envelope.to_metadata()}) != envelope:
            raise UsageError(
                "the object's own metadata would become a part of its envelope",
                hint="rename these metadata first: update_metadata",
            )
        return envelope, cipher

    return sealing


def _write(
    format: str,  # noqa: A002  the word of the documents
    to: Destination,
    body: Source,
    sealing: Sealing,
    size: int,
) -> StoredObject:
    if format == SEALED:
        return upload_stream(StreamUpload(to, *sealing()), body)
    if size > LARGE:
        body.set_size(size)
        return upload_sized(to, body, sealing)
    return upload_stream(SpooledUpload(to, *sealing()), body)


class _SharedRateLimit(RateLimit):
    """A rate limit that several streams share, and that ends when all have to stop."""

    def __init__(self, halt: Halt) -> None:
        super().__init__()
        self._halt = halt

    def block(self, most: int) -> int:
        return max(_STEP, self._halt.slice_of(most) // _STEP * _STEP)

    def wait(self, count: int) -> None:
        self._halt.passed(count)
