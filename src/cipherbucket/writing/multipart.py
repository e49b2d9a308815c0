"""A multipart upload whose parts the caller hands over, in any order and in parallel.

Rule: one data key and one counter for the whole object, so a part's place never sees two
plaintexts. What leaves is noted before its first byte does, and a part is sent again only if it is
the very same; anything else needs a new upload, which draws a new data key. What the store says of
the upload is compared with what we hold, and never encrypted under.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

from cipherbucket.envelopes.access import Sealing
from cipherbucket.errors import (
    CipherbucketError,
    EnvelopeError,
    SourceError,
    UsageError,
    named,
    not_copied,
)
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.format.sealed import sealed_layout
from cipherbucket.format.span import PLAIN, PartPlan, good_part_size
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.unlock import USUAL_FOOTER
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import Part
from cipherbucket.writing.ciphertext import OBJECT_OF_ITS_OWN, encrypt_part, refuse_fork
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.part_ends import PartEnds
from cipherbucket.writing.part_requests import begin_upload, complete_upload, send_part
from cipherbucket.writing.source import PutBody, Source

_log = logging.getLogger("cipherbucket")

_PATIENCE = 10
"""Seconds that a part waits until the part before it is handed over, where it needs its end."""


def begin_multipart(
    to: Destination,
    sealing: Sealing,
    format: str,  # noqa: A002  the word of the documents
    part_size: int | None,
    data_size: int,
) -> Multipart:
    """Begin an upload whose parts the caller hands over; see `Bucket.multipart`."""
    with named(to.name):
        plan = part_plan(format, part_size, to.store, data_size)
        envelope, cipher = sealing(data_size=plan.data_size, part_size=plan.part_size)
        plan = replace(plan, layout=cipher.layout)
        upload_id = begin_upload(
            to.store, to.name, envelope, metadata=to.metadata, headers=to.headers
        )
        return Multipart(to.store, to.name, upload_id, plan, envelope, cipher)


def part_plan(
    format: str,  # noqa: A002  the word of the documents
    part_size: int | None,
    store: Store,
    data_size: int,
) -> PartPlan:
    """Return how a plaintext of so many bytes is cut into parts in a format, for a store.

    Raises:
        UsageError: Sizes that cannot be done; the hint names one that can.
    """
    # A longer footer than is usual changes nothing but the very largest part.
    layout = sealed_layout(USUAL_FOOTER) if format == SEALED else PLAIN
    part_size = part_size or good_part_size(data_size, layout)
    return PartPlan(data_size, part_size, layout, store.min_part_size, store.equal_parts)


class Multipart:
    """An upload in parts; made by `Bucket.multipart`. Parts may come from several threads.

    It belongs to the process that began it: another one would share its keystream, so it is neither
    pickled nor copied, and a forked process is refused.
    Used in a ``with`` statement it is aborted at the end unless it was completed.

    Attributes:
        name: The object's name.
        upload_id: The store's id of the upload.
        plan: Sizes and places of the parts.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        upload_id: str,
        plan: PartPlan,
        envelope: Envelope,
        cipher: ContentCipher,
    ) -> None:
        self.name = name
        self.upload_id = upload_id
        self.plan = plan
        self._store = store
        self._envelope = envelope
        self._cipher = cipher
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._arrived: dict[int, Part] = {}
        self._under_way: set[int] = set()
        self._tags: dict[int, bytes] = {}
        """What has left, by number: a keyed tag of each part's ciphertext, kept in memory alone."""
        self._ends = PartEnds(plan)
        self._end: list[str] = []  # shared with what `through` returns

    __reduce__ = not_copied("an upload", OBJECT_OF_ITS_OWN)

    def through(self, store: Store) -> Self:
        """Return this same upload with its requests going through another view of its store."""
        view = object.__new__(type(self))
        vars(view).update(vars(self), _store=store)
        return view

    @property
    def envelope(self) -> Envelope:
        """The envelope that the object will have."""
        return self._envelope

    @property
    def arrived(self) -> Mapping[int, Part]:
        """The parts that arrived, by number."""
        with self._lock:
            return dict(self._arrived)

    @property
    def forked(self) -> bool:
        """Whether this is another process than the one that may encrypt for it."""
        return os.getpid() != self._process

    @property
    def ended(self) -> str | None:
        """``completed`` or ``aborted``; None while parts can be sent."""
        return self._end[0] if self._end else None

    def upload_part(self, number: int, body: PutBody) -> Part:
        """Encrypt and send one part. The same part may come again; one that arrived is not sent.

        Where a store wants equal parts (Cloudflare R2), a sealed part is sent when the part before
        it has been handed over, for which it waits ten seconds.

        Args:
            number: Its place, from 1 to ``plan.count``.
            body: Exactly ``plan.part_size`` bytes, in the last part the rest. Bytes, a path, a
                binary file object (read from its position on) or an iterable of bytes.

        Raises:
            UsageError: No such part, another length, it is under way, the upload has ended,
                this is another process than the one that began it, or the part before is missing
                where a store wants equal parts.
            SourceError: It was sent before with other bytes: abort, and begin a new upload.
            StoreError: The store failed; the same part may be handed over again.
        """
        with named(self.name):
            start, stop = self.plan.offsets(number)
            self._claim(number)
            try:
                stored = self._encrypted(number, body, start, stop)
                ciphertext = stored[self.plan.lead(number) :]
                self._note(number, ciphertext)
                self._ends.hand_on(number, ciphertext)
                part = self._arrived.get(number) or self._sent(number, stored)
            finally:
                with self._lock:
                    self._under_way.discard(number)
            return part

    def _sent(self, number: int, stored: memoryview) -> Part:
        deadline = time.monotonic() + _PATIENCE

        def waiting() -> None:
            with self._lock:
                self._refuse_after_end()
                coming = number - 1 in self._under_way
            if not coming and time.monotonic() > deadline:
                raise UsageError(
                    f"part {number} is sent after part {number - 1}, which was not handed over:"
                    f" {self._store.url} wants equal parts",
                    hint="hand the parts over in their order; several may be under way",
                )

        # What goes beyond the last part is sent first: the part has arrived when all of it has.
        for each, body in reversed(self._ends.joined(number, stored, waiting)):
            part = send_part(self._store, self.name, self.upload_id, each, body, self._envelope)
            with self._lock:
                self._arrived[each] = part
        return part

    def _claim(self, number: int) -> None:
        refuse_fork(self._process)
        with self._lock:
            self._refuse_after_end()
            if number in self._under_way:
                raise UsageError(
                    f"part {number} is under way in another thread",
                    hint="wait until it has arrived",
                )
            self._under_way.add(number)

    def _encrypted(self, number: int, body: PutBody, start: int, stop: int) -> memoryview:
        """Return a part's ciphertext, behind room for the end of the part before."""
        wanted = stop - start
        lead, room = self.plan.lead(number), self._ends.room(number)
        with Source(body) as source:
            if source.size is not None and source.size > wanted and hasattr(body, "read"):
                pass  # an open file: the part is what follows its position
            elif source.size not in {None, wanted}:
                raise UsageError(
                    f"part {number} must have {wanted:,} bytes, but has {source.size:,}"
                )
            last = number == self.plan.count
            ciphertext, filled = encrypt_part(
                source, self._cipher, start, stop, last=last, out=room[lead:]
            )
            if filled != wanted:
                raise UsageError(f"part {number} must have {wanted:,} bytes, but has {filled:,}")
            if (last or source.size is None) and source.read_into(memoryview(bytearray(1))):
                raise UsageError(f"part {number} must have {wanted:,} bytes, but has more")
        return room[: lead + len(ciphertext)]

    def _note(self, number: int, ciphertext: memoryview) -> None:
        """Keep what is about to leave in mind; refuse what is not what may have left before.

        That is noted before the first byte leaves: whatever happens to the request, and whatever
        the store says of it, other bytes are not sent in its place.
        """
        refuse_fork(self._process)  # the body may have forked
        tag = self._cipher.part_tag(
            number, ciphertext, first=number == 1, last=number == self.plan.count
        )
        if self._tags.setdefault(number, tag) != tag:
            raise SourceError(
                f"part {number} was sent before with other bytes, and one keystream must not"
                " encrypt both",
                hint="abort this upload and begin a new one",
            )

    def list_parts(self) -> Sequence[Part]:
        """List the parts that arrived, as the store tells it.

        Raises:
            EnvelopeError: The store names another envelope than this upload has.
            UploadNotFoundError: The store does not know the upload any more.
        """
        ours = self._envelope.to_metadata()
        for field, text in self._store.upload_metadata(self.name, self.upload_id).items():
            if field in ours and text != ours[field]:
                raise EnvelopeError(
                    f"{field}: the store names another one than this upload has",
                    field=field,
                    name=self.name,
                    hint="abort: someone interferes with this upload",
                )
        return self._store.list_parts(self.name, self.upload_id)

    def complete(self, *, if_absent: bool = False) -> ObjectInfo:
        """Make the object of its parts.

        Args:
            if_absent: Only if there is no object of this name.

        Raises:
            UsageError: Parts are missing.
            IntegrityError: The store's object is not what was sent.
            ObjectChangedError: Another writer replaced it at once.
            PreconditionFailedError: ``if_absent`` did not hold.
        """
        refuse_fork(self._process)
        with self._lock, named(self.name):
            self._refuse_after_end()
            missing = [n for n in range(1, self.plan.count + 1) if n not in self._arrived]
            if missing:
                listed = ", ".join(map(str, missing[:10])) + (" ..." if len(missing) > 10 else "")
                raise UsageError(f"{len(missing):,} parts have not arrived: {listed}")
            parts = [self._arrived[number] for number in sorted(self._arrived)]
            stored = complete_upload(
                self._store,
                self.name,
                self.upload_id,
                parts,
                self._envelope,
                stored_size=self.plan.stored_size,
                if_absent=if_absent,
            )
            self._end.append("completed")
        return ObjectInfo.of(stored)

    def abort(self) -> None:
        """Give the upload up and free its parts; nothing of it was ever visible."""
        refuse_fork(self._process)
        with self._lock:
            if self.ended == "completed":
                raise UsageError("the upload was completed", name=self.name)
            self._end[:] = ["aborted"]
        self._store.abort_upload(self.name, self.upload_id)

    def _refuse_after_end(self) -> None:
        if self.ended is not None:
            raise UsageError(f"the upload was {self.ended}", hint="begin a new one")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.ended is not None or self.forked:
            return
        try:
            self.abort()
        except CipherbucketError:
            if kind is None:
                raise
            _log.warning("upload %s of %r could not be aborted", self.upload_id, self.name)
