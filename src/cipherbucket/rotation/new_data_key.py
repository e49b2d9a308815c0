"""An object written anew over itself: new data key, new ciphertext.

Rule: what is there is read and verified as any reader does, and its successor appears whole, in the
place of what was read and of nothing else. This is the answer to a leaked master key and to a
recipient who was removed, and the way from other formats and from plaintext. Objects keep their
format; each kind that is to get another one is asked for by name, for a store can put any of them
in an object's place.
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
from cipherbucket.format.metadata_names import FORMATS, OSS, OSS_V1, SEALED
from cipherbucket.format.sealed import Binding
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import check_key
from cipherbucket.objects.copy import other_recipients, with_further
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import open_stream
from cipherbucket.reading.unlock import Reading, fetch_from
from cipherbucket.rotation.new_keys import NewKey, NewKeys
from cipherbucket.stores.checks import check_metadata
from cipherbucket.stores.records import NOTHING, StoredObject
from cipherbucket.workers.progress import Progress
from cipherbucket.workers.rate_limit import RateLimit, check_speed
from cipherbucket.workers.threads import Halt
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.metadata_limit import metadata_with
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
        kinds: The kinds of objects that get the bucket's format; None for all encrypted objects
            that the bucket reads, of which each keeps its own.
        recipients: Format ``sealed``: instead of the other recipients that an object has.
        new: The keys that write.
    """

    key: MasterKey | None = None
    context: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    kinds: Collection[str] | None = None
    recipients: Sequence[MasterKey] | None = None
    new: NewKeys = field(default_factory=NewKeys)

    def kinds_in(self, access: Access) -> Collection[str]:
        """Return the kinds of objects that are written anew in a bucket."""
        if self.kinds is not None:
            return self.kinds
        if self.recipients is not None:
            return {access.format}
        formats = access.policy.formats
        return {each for each in formats if self.format_for(access, each) in formats}

    def format_for(self, access: Access, kind: str) -> str:
        """Return the format that an object of a kind gets."""
        if self.kinds is not None:
            return access.format
        return OSS if kind == OSS_V1 else kind  # nobody writes oss-v1 any more

    def check(self, format: str) -> None:  # noqa: A002  the word of the documents
        """Refuse what no bucket of this format can do.

        Raises:
            UsageError: An unknown kind, one recipient instead of a sequence, or what only sealed
                objects have.
            MasterKeyError: A key is none.
        """
        known = (*FORMATS, PLAINTEXT)
        kinds = self.kinds or ()
        if isinstance(kinds, str) or set(kinds).difference(known):
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
    to: NewKey = None,
    dry_run: bool = False,
    limit_rate: float | None = None,
    progress: Progress | None = None,
) -> ObjectInfo:
    """Read an object, verify it, and write it anew under a new data key, where it is.

    It keeps its format, but that ``oss-v1`` becomes ``oss``. Of a sealed object the other
    recipients stay, and so does whether it is bound to its name. Metadata, content headers,
    tags, ACL, storage class and encryption at rest are kept. Old versions, where the store
    keeps them, keep their old key: delete them if nobody may open them any more.

    Args:
        bucket: Where it lies.
        name: The object's name.
        key: Open the object with this key, whatever its description says or lacks.
        context: The pairs that a sealed object was written with; also those of the new one.
        kinds: Objects of these kinds are written anew in the bucket's format: some of ``oss``,
            ``oss-v1``, ``sealed`` and ``plaintext``. None: all formats that the bucket reads.
        recipients: Format ``sealed``: for these, beside the key that writes and those of the
            bucket, instead of the recipients that it has.
        to: The master key that writes, or several, of which the object gets the first that can
            write its format; None for the ring's first.
        dry_run: Change nothing, and read no more than the first bytes. The keys do all that they
            would do, a KMS too.
        limit_rate: Most bytes of plaintext a second.
        progress: Called with (bytes done, bytes in all).

    Returns:
        What is there now; of a dry run, what would be.

    Raises:
        PolicyError: It is of another kind; or its RSA key is too short for the policy.
        UsageError: An unknown kind, or what the bucket's format does not have.
        ObjectChangedError, PreconditionFailedError: Somebody else changed it meanwhile; their
            change stays.
        And the errors of `Bucket.get` and `Bucket.put`.
    """
    check_speed(None, limit_rate)
    access = access_of(bucket)
    reencryption = Reencryption(key, context, kinds or None, recipients, NewKeys.of(to))
    reencryption.check(access.format)
    with named(name):
        seen = access.store.head(name)
        how = Halt(limit_rate), progress
        return reencrypted_object(access, seen, reencryption, *how, dry_run=dry_run)


def reencrypted_object(
    access: Access,
    seen: StoredObject,
    reencryption: Reencryption,
    halt: Halt,
    progress: Progress | None = None,
    *,
    dry_run: bool = False,
) -> ObjectInfo:
    """Write an object that was just looked at anew; see `reencrypt`.

    A dry run does all but the writing, and reads the first bytes alone, so that it fails where the
    run would, unless for damage further behind.
    """
    info = ObjectInfo.of(seen)
    if info.format not in reencryption.kinds_in(access):
        raise PolicyError(
            f"the object is of another kind: {info.format}",
            hint=f"kinds=[{info.format!r}] writes it anew in format {access.format!r}",
        )
    format_ = reencryption.format_for(access, info.format)
    reading = _reading_old(access, info, reencryption)
    sealing = _sealing_anew(access, info, reading, reencryption, format_)
    fetch = fetch_from(access.store, seen.name, seen.etag, seen.version_id)
    replaced = ObjectToReplace(access.store, seen, access.store.attributes(seen.name), halt)
    if dry_run:
        with open_stream(fetch, Span(length=1), reading) as stream:
            stream.read()
        if stream.info.envelope != info.envelope:
            raise replaced.changed()
        envelope, _ = sealing(content_length=info.size)
        metadata = metadata_with(envelope, info.metadata, access.store, seen.name)
        check_metadata(metadata, replaced.headers, seen.name, access.store)
        return replace(info, envelope=envelope, format=format_)
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
        written = _write(format_, to, body, sealing, stream.info.size)
    there = _look_at_written(access, ObjectInfo.of(written), stream.info.size)
    _log.info("reencrypted %r: %d bytes", seen.name, there.size)
    return there


def _look_at_written(access: Access, written: ObjectInfo, size: int) -> ObjectInfo:
    """Return what is there now.

    Raises:
        ObjectChangedError: Another writer's object.
        IntegrityError: Not all that was written.
    """
    there = ObjectInfo.of(access.store.head(written.name))
    sent = written.envelope
    if sent is None or there.envelope is None or there.envelope.identity != sent.identity:
        raise ObjectChangedError(
            "the object was replaced as soon as it was written anew",
            hint="look at what is there now; another writer put it",
        )
    if there.size != size:  # of ours, that was known by its envelope alone
        raise IntegrityError(
            f"{there.size:,} bytes are stored of {size:,} that were written anew",
            hint="the store lost some: restore the object from an old version or a copy",
        )
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
        policy=access.policy.admitting(reencryption.kinds or ()),
        format=info.format if info.envelope is not None else access.format,
    )


def _sealing_anew(
    access: Access,
    info: ObjectInfo,
    reading: Reading,
    reencryption: Reencryption,
    format: str,  # noqa: A002  the word of the documents
) -> Sealing:
    """Return what seals an object for whom it was sealed before."""
    old = info.envelope.seal if info.envelope is not None else None
    writer = reencryption.new.for_format(access, format)
    others: Sequence[MasterKey] = reencryption.recipients or ()
    if old is not None and format == SEALED and reencryption.recipients is None:
        others = other_recipients(access, info, reading, writer)
    anew = partial(
        seal,
        reencryption.new.ring_for(access, format),
        format,
        binding=Binding(info.name, reencryption.context if format == SEALED else NOTHING),
        bind_name=old is None or old.binds_name,
        recipients=with_further(access, others) if format == SEALED else (),
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
        return upload_stream(StreamUpload(to, *sealing(), about=size), body)
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
