"""One upload in parts under one key: what is sent, what is compared, what is given up.

Rule: before the first byte of a part leaves, the journal holds a keyed tag of its ciphertext. A
part that a line names is sent only if its ciphertext is the very same. What the store says of an
upload is believed only where it cannot matter: a part that it claims to have must have the size and
checksum that were computed here.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cipherbucket.errors import (
    EnvelopeError,
    IntegrityError,
    ObjectNotFoundError,
    PreconditionFailedError,
    SecurityError,
    SourceError,
    UploadNotFoundError,
    not_copied,
)
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.span import PartPlan
from cipherbucket.stores.records import Part, StoredObject, crc64_of_parts
from cipherbucket.transfers.file_at import FileAt
from cipherbucket.transfers.journal import Journal
from cipherbucket.workers.progress import Progress, Ticker
from cipherbucket.workers.threads import MEMORY, Halt, run
from cipherbucket.writing.ciphertext import OBJECT_OF_ITS_OWN, encrypt_part
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.one_request import persist
from cipherbucket.writing.part_ends import PartEnds
from cipherbucket.writing.part_requests import (
    abort_quietly,
    complete_upload,
    send_part,
)

_log = logging.getLogger("cipherbucket")

_SLICE = 1 << 20


@dataclass(frozen=True)
class Upload:
    """What an upload needs to know beside the file.

    Attributes:
        to: Where it goes.
        seal: Draws a new data key; called with ``data_size`` and ``part_size``.
        unseal: Opens an envelope that a journal holds.
        readable: Whether that can be done at all: a public half only writes.
        plan: Cuts a file of so many bytes into parts.
        recipe: What else makes another upload if it is other: format, keys, bindings.
        workers: Threads.
        rate: Most bytes a second; None for no limit.
        resume: Go on with what an earlier call began.
        state: Folder of the journals; None to keep none.
    """

    to: Destination
    seal: Callable[..., tuple[Envelope, ContentCipher]]
    unseal: Callable[[Envelope], ContentCipher]
    readable: bool
    plan: Callable[[int], PartPlan]
    recipe: Mapping[str, Any]
    workers: int
    rate: float | None
    resume: bool
    state: Path | None


class ChangedError(SourceError):
    """A part that had left is another now: this upload cannot go on."""


class AlteredError(SourceError):
    """The file was written to meanwhile: there is no plaintext to go on with."""


@dataclass
class Session:
    """One upload id, with its key."""

    upload: Upload
    descriptor: int
    journal: Journal | None
    upload_id: str
    plan: PartPlan
    envelope: Envelope
    cipher: ContentCipher
    tags: dict[int, bytes] = field(default_factory=dict)
    there: dict[int, Part] = field(default_factory=dict)
    parts: dict[int, Part] = field(default_factory=dict)
    stored: StoredObject | None = None

    def carried_out(self, progress: Progress | None) -> StoredObject:
        """Send what is missing and make the object.

        Raises:
            ChangedError: A part that had left is another now.
        """
        self._before = _state_of(self.descriptor)
        self._completing = False
        halt = Halt(self.upload.rate)
        ticker = Ticker(progress)
        self._ends = PartEnds(self.plan)
        local = threading.local()

        def work(number: int) -> None:
            if not hasattr(local, "out"):
                local.out = memoryview(bytearray(self._room()))
            self._sent(number, local.out, halt)

        def tick() -> None:
            ticker.tick(min(self.plan.data_size, halt.done), self.plan.data_size)

        try:
            if known := self._known():  # reported before the file is read again
                halt.skipped(known)
                tick()
            run(
                range(1, self.plan.count + 1),
                work,
                workers=self._workers(),
                halt=halt,
                tick=tick,
            )
            self._check_source()
            self._completing = True
            stored = self._completed([self.parts[number] for number in sorted(self.parts)])
        except BaseException as error:
            self._given_up(error)
            raise
        if self.journal is not None:
            self.journal.remove()
        ticker.tick(self.plan.data_size, self.plan.data_size)
        return stored

    def list_parts(self) -> None:
        """Ask the store what it has of an upload that goes on.

        Raises:
            UploadNotFoundError: It does not know it, and has not completed it either.
        """
        store, name = self.upload.to.store, self.upload.to.name
        try:
            listed = persist(lambda _: store.list_parts(name, self.upload_id))
            self.there = {part.number: part for part in listed}
            left = set(self.tags)
            if self.plan.count in left:  # what goes beyond the last part is noted with it
                left.update(range(self.plan.count + 1, self.plan.sent + 1))
            if not self.there.keys() <= left:
                # An older state of the journal: what else left is not known, so nothing more may.
                raise ChangedError("the store has parts that the journal does not know of")
        except UploadNotFoundError:
            # Interrupted after the last request: then the object is there, under our envelope.
            with suppress(ObjectNotFoundError, EnvelopeError):
                stored = store.head(name)
                if Envelope.parse(stored.metadata) == self.envelope:
                    self.stored = stored
                    return
            raise

    __reduce__ = not_copied("an upload", OBJECT_OF_ITS_OWN)

    def _completed(self, parts: list[Part]) -> StoredObject:
        if self.stored is None:
            return complete_upload(
                self.upload.to.store,
                self.upload.to.name,
                self.upload_id,
                parts,
                self.envelope,
                stored_size=self.plan.stored_size,
                if_absent=self.upload.to.if_absent,
            )
        whole = crc64_of_parts(parts, self.stored.crc)
        if self.stored.size != self.plan.stored_size or self.stored.crc64 not in {None, whole}:
            raise ChangedError("the store's object is not what was sent before")
        return self.stored

    def _known(self) -> int:
        """Return how many bytes of the file are there as parts."""
        offsets = map(self.plan.offsets, self.there.keys() & self.tags.keys())
        return sum(stop - start for start, stop in offsets)

    def _workers(self) -> int:
        return max(1, min(self.upload.workers, self.plan.count, MEMORY // self._room()))

    def _room(self) -> int:
        plan = self.plan
        return plan.layout.stored_size(min(plan.part_size, plan.data_size))

    def _sent(self, number: int, room: memoryview, halt: Halt) -> None:
        start, stop = self.plan.offsets(number)
        last, lead = number == self.plan.count, self.plan.lead(number)
        self._check_source()
        ciphertext, count = encrypt_part(
            FileAt(self.descriptor, start), self.cipher, start, stop, last=last, out=room[lead:]
        )
        if count != stop - start:
            raise self._changed()
        self._check_source()
        known = self._noted(number, ciphertext)
        self._ends.hand_on(number, ciphertext)
        stored = room[: lead + len(ciphertext)]
        for each, data in self._ends.joined(number, stored, lambda: halt.passed(0)):
            self.parts[each] = self._arrived(each, data, known=known, halt=halt)

    def _noted(self, number: int, ciphertext: memoryview) -> bool:
        """Note what a part became; return whether it may have left before, as the very same."""
        last = number == self.plan.count
        tag = self.cipher.part_tag(number, ciphertext, first=number == 1, last=last)
        if number in self.tags:
            if tag != self.tags[number]:
                raise ChangedError(f"part {number} of the file is not what was sent before")
            return True
        if self.stored is not None:
            raise ChangedError(f"part {number} was not sent before, and the upload is completed")
        if self.journal is not None:
            self.journal.append({"part": number, "tag": tag.hex()})
        return False

    def _arrived(self, number: int, data: memoryview, *, known: bool, halt: Halt) -> Part:
        """Send what the store does not have yet, and return the part as it is there."""
        store, size = self.upload.to.store, 0
        if number <= self.plan.count:  # what goes beyond the last part counts with it
            start, stop = self.plan.offsets(number)
            size = stop - start
        if known:
            if self.stored is not None:
                crc = self.stored.crc
                halt.skipped(size)
                return Part(number, len(data), "", crc.of(data), crc)
            part = self.there.get(number)
            if part is not None and store.holds(part, data):
                return part.sent_with(store.crc.of(data), store.crc)
            if part is not None:
                halt.skipped(-size)  # counted as known
        body = _Sliced(data, halt)
        return send_part(store, self.upload.to.name, self.upload_id, number, body, self.envelope)

    def _check_source(self) -> None:
        now = _state_of(self.descriptor)
        if now != self._before or now[0] != self.plan.data_size:
            raise self._changed()

    def _changed(self) -> SourceError:
        return AlteredError(
            "the file was changed while it was uploaded",
            name=self.upload.to.name,
            hint="upload it again when nobody writes to it",
        )

    def _given_up(self, error: BaseException) -> None:
        """Keep what the next call can go on with; abort what it cannot."""
        final = isinstance(
            error,
            SecurityError | AlteredError | PreconditionFailedError | UploadNotFoundError,
        )
        if isinstance(error, IntegrityError) and not self._completing:
            final = False  # a part that was damaged on the way
        resumable = self.journal is not None and not final
        if isinstance(error, ChangedError) or resumable:
            return
        abort_quietly(self.upload.to.store, self.upload.to.name, self.upload_id)
        if self.journal is not None:
            self.journal.remove()


def _state_of(descriptor: int) -> tuple[int, int]:
    try:
        status = os.fstat(descriptor)
    except OSError as error:
        raise SourceError(f"the file cannot be read: {error.strerror}") from error
    return status.st_size, status.st_mtime_ns


class _Sliced:
    """A part's ciphertext as a body: in slices, so that it can be counted, slowed and stopped."""

    def __init__(self, ciphertext: memoryview, halt: Halt) -> None:
        self._ciphertext = ciphertext
        self._halt = halt
        self._counted = 0

    def __len__(self) -> int:
        return len(self._ciphertext)

    def __iter__(self) -> Iterator[memoryview]:
        # Sent again, it counts for the rate and not for the progress.
        self._halt.skipped(-self._counted)
        self._counted = 0
        # At a low rate the pauses between slices stay short: servers close silent connections.
        slice_ = self._halt.slice_of(_SLICE)
        for start in range(0, len(self._ciphertext), slice_):
            block = self._ciphertext[start : start + slice_]
            self._halt.passed(len(block))
            self._counted += len(block)
            yield block
