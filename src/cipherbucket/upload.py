"""A file to an object in parts: in parallel, resumable, and never two plaintexts under one key.

Law: before the first byte of a part leaves, the journal holds a keyed tag of its ciphertext. An
upload that is resumed reads and encrypts every such part again and compares. If one differs, the
upload is aborted and begins anew under a new data key; a part that no line names never left, and is
sent as the file is now. What the store says of an upload is believed only where it cannot matter:
a part that it claims to have must have the size and CRC-64 that were computed here.
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cipherbucket.checksum import crc64, crc64_combine
from cipherbucket.ciphertext import encrypt_part
from cipherbucket.errors import (
    CipherbucketError,
    EnvelopeError,
    IntegrityError,
    KmsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    SecurityError,
    SourceError,
    StoreError,
    UploadNotFoundError,
    UsageError,
)
from cipherbucket.file_at import FileAt
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.sealed import Sealed
from cipherbucket.format.span import PartPlan
from cipherbucket.journal import Journal, Line, state_folder
from cipherbucket.parallel import MEMORY, Halt, run
from cipherbucket.progress import Progress, Ticker
from cipherbucket.stores.base import Store
from cipherbucket.stores.objects import Part, StoredObject
from cipherbucket.uploading import (
    abort_ours,
    abort_quietly,
    begin_upload,
    complete_upload,
    send_part,
)
from cipherbucket.writer import persist

_log = logging.getLogger("cipherbucket")

_SLICE = 1 << 20


@dataclass(frozen=True)
class Upload:
    """What an upload needs to know beside the file.

    Attributes:
        store: Where it goes.
        name: The object's name.
        seal: Draws a new data key; called with ``data_size`` and ``part_size``.
        unseal: Opens an envelope that a journal holds.
        readable: Whether that can be done at all: a public half only writes.
        plan: Cuts a file of so many bytes into parts.
        metadata: The user's own.
        headers: Content headers.
        recipe: What else makes another upload if it is other: format, keys, bindings.
        if_absent: Only if there is no object of this name.
        workers: Threads.
        rate: Most bytes a second; None for no limit.
        resume: Go on with what an earlier call began.
        state: Folder of the journals; None to keep none.
    """

    store: Store
    name: str
    seal: Callable[..., tuple[Envelope, ContentCipher]]
    unseal: Callable[[Envelope], ContentCipher]
    readable: bool
    plan: Callable[[int], PartPlan]
    metadata: Mapping[str, str]
    headers: Mapping[str, str]
    recipe: Mapping[str, Any]
    if_absent: bool
    workers: int
    rate: float | None
    resume: bool
    state: Path | None


class _ChangedError(SourceError):
    """A part that had left is another now: this upload cannot go on."""


class _AlteredError(SourceError):
    """The file was written to meanwhile: there is no plaintext to go on with."""


def upload_file(
    upload: Upload, path: Path, descriptor: int, progress: Progress | None
) -> StoredObject:
    """Upload an open file in parts, or go on where an earlier call was interrupted.

    Args:
        upload: What, where and how.
        path: What the journal calls the file.
        descriptor: The file, open for reading.
        progress: Called with (bytes done, bytes in all).

    Raises:
        SourceError: The file changed while it was read.
        UsageError: Another process uploads the same file to the same name.
        And the errors of `Bucket.put`. What was uploaded so far stays, for the next call, where
        that can go on.
    """
    with ExitStack() as stack:
        journal = None
        if upload.state is not None:
            whose = _whose(upload.store, upload.name, path)
            journal = stack.enter_context(Journal.open(upload.state, *whose.values()))
            if journal.fault is not None:
                _log.warning("%s; beginning anew", journal.fault)
        session = _resumed(upload, path, descriptor, journal) if journal is not None else None
        if session is not None:
            try:
                return session.carried_out(progress)
            except _ChangedError as error:
                _log.warning("%r: %s; beginning anew", upload.name, error.message)
                abort_quietly(upload.store, upload.name, session.upload_id)
        return _begun(upload, path, descriptor, journal).carried_out(progress)


def forget_upload(store: Store, name: str, path: Path) -> None:
    """Abort what an interrupted call left of an upload that is now made at once."""
    journal = Journal.existing(state_folder(), *_whose(store, name, path).values())
    if journal is not None:
        with journal:
            _abort(store, name, journal.header)
            journal.remove()


@dataclass
class _Session:
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
            _ChangedError: A part that had left is another now.
        """
        self._before = _state_of(self.descriptor)
        self._completing = False
        halt = Halt(self.upload.rate)
        ticker = Ticker(progress)
        local = threading.local()

        def work(number: int) -> None:
            if not hasattr(local, "out"):
                local.out = memoryview(bytearray(self._room()))
            self._sent(number, local.out, halt)

        def tick() -> None:
            ticker.tick(min(self.plan.data_size, halt.done), self.plan.data_size)

        try:
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

    def look(self) -> None:
        """Ask the store what it has of an upload that goes on.

        Raises:
            UploadNotFoundError: It does not know it, and has not completed it either.
        """
        store, name = self.upload.store, self.upload.name
        try:
            listed = persist(lambda _: store.list_parts(name, self.upload_id))
            self.there = {part.number: part for part in listed}
            if not self.there.keys() <= self.tags.keys():
                # An older state of the journal: what else left is not known, so nothing more may.
                raise _ChangedError("the store has parts that the journal does not know of")
        except UploadNotFoundError:
            # Interrupted after the last request: then the object is there, under our envelope.
            with suppress(ObjectNotFoundError, EnvelopeError):
                stored = store.head(name)
                if Envelope.parse(stored.metadata) == self.envelope:
                    self.stored = stored
                    return
            raise

    def _completed(self, parts: list[Part]) -> StoredObject:
        if self.stored is None:
            return complete_upload(
                self.upload.store,
                self.upload.name,
                self.upload_id,
                parts,
                self.envelope,
                stored_size=self.plan.stored_size,
                if_absent=self.upload.if_absent,
            )
        whole = 0
        for part in parts:
            whole = crc64_combine(whole, part.crc64 or 0, part.size)
        if self.stored.size != self.plan.stored_size or self.stored.crc64 not in {None, whole}:
            raise _ChangedError("the store's object is not what was sent before")
        return self.stored

    def _workers(self) -> int:
        return max(1, min(self.upload.workers, self.plan.count, MEMORY // self._room()))

    def _room(self) -> int:
        plan = self.plan
        return plan.layout.stored_size(min(plan.part_size, plan.data_size))

    def _sent(self, number: int, room: memoryview, halt: Halt) -> None:
        start, stop = self.plan.offsets(number)
        last = number == self.plan.count
        self._check_source()
        ciphertext, count = encrypt_part(
            FileAt(self.descriptor, start), self.cipher, start, stop, last=last, out=room
        )
        if count != stop - start:
            raise self._changed()
        self._check_source()
        tag = self.cipher.part_tag(number, ciphertext, first=number == 1, last=last)
        if number in self.tags:
            if tag != self.tags[number]:
                raise _ChangedError(f"part {number} of the file is not what was sent before")
            ours = Part(number, len(ciphertext), "", crc64(ciphertext))
            part = self.there.get(number, ours if self.stored is not None else None)
            if part is not None and (part.size, part.crc64) == (ours.size, ours.crc64):
                self.parts[number] = part
                halt.skipped(stop - start)
                return
        elif self.stored is not None:
            raise _ChangedError(f"part {number} was not sent before, and the upload is completed")
        elif self.journal is not None:
            self.journal.append({"part": number, "tag": tag.hex()})
        body = _Sliced(ciphertext, stop - start, halt)
        self.parts[number] = send_part(
            self.upload.store, self.upload.name, self.upload_id, number, body, self.envelope
        )

    def _check_source(self) -> None:
        now = _state_of(self.descriptor)
        if now != self._before or now[0] != self.plan.data_size:
            raise self._changed()

    def _changed(self) -> SourceError:
        return _AlteredError(
            "the file was changed while it was uploaded",
            name=self.upload.name,
            hint="upload it again when nobody writes to it",
        )

    def _given_up(self, error: BaseException) -> None:
        """Keep what the next call can go on with; abort what it cannot."""
        final = isinstance(
            error,
            SecurityError | _AlteredError | PreconditionFailedError | UploadNotFoundError,
        )
        if isinstance(error, IntegrityError) and not self._completing:
            final = False  # a part that was damaged on the way
        resumable = self.journal is not None and not final
        if isinstance(error, _ChangedError) or resumable:
            return
        abort_quietly(self.upload.store, self.upload.name, self.upload_id)
        if self.journal is not None:
            self.journal.remove()


def _begun(upload: Upload, path: Path, descriptor: int, journal: Journal | None) -> _Session:
    if not upload.readable:
        _log.warning(
            "%r: only the public half of the key is here: if this is interrupted, it begins anew",
            upload.name,
        )
    plan = upload.plan(os.fstat(descriptor).st_size)
    envelope, cipher = upload.seal(data_size=plan.data_size, part_size=plan.part_size)
    plan = PartPlan(plan.data_size, plan.part_size, cipher.layout)
    if journal is not None:
        # Before the store hears of it: an upload whose id was never learnt is found by this.
        journal.begin(_first_line(upload, path, plan, envelope, cipher))
    upload_id = begin_upload(
        upload.store, upload.name, envelope, metadata=upload.metadata, headers=upload.headers
    )
    if journal is not None:
        try:
            mac = cipher.journal_mac(_told(journal.header, upload_id))
            journal.append({"upload_id": upload_id, "mac": mac.hex()})
        except BaseException:
            abort_quietly(upload.store, upload.name, upload_id)
            raise
    return _Session(upload, descriptor, journal, upload_id, plan, envelope, cipher)


def _first_line(
    upload: Upload,
    path: Path,
    plan: PartPlan,
    envelope: Envelope,
    cipher: ContentCipher,
) -> dict[str, Any]:
    line = {
        **_asked(upload, path),
        "data_size": plan.data_size,
        "part_size": plan.part_size,
        "envelope": envelope.to_metadata(),
    }
    if isinstance(cipher, Sealed):
        line["footer"] = base64.b64encode(cipher.footer).decode()
    return line


def _whose(store: Store, name: str, path: Path) -> dict[str, str]:
    return {"kind": "upload", "store": store.url, "name": name, "file": str(path.absolute())}


def _asked(upload: Upload, path: Path) -> dict[str, Any]:
    """Return what must be the same for an upload to go on."""
    return {
        **_whose(upload.store, upload.name, path),
        "metadata": dict(upload.metadata),
        "headers": dict(upload.headers),
        "recipe": dict(upload.recipe),
    }


def _resumed(upload: Upload, path: Path, descriptor: int, journal: Journal) -> _Session | None:
    """Open what the journal tells of, if it is the same upload and its key can be had."""
    try:
        session = _reopened(upload, path, descriptor, journal)
        if session is not None:
            session.look()
    except UploadNotFoundError:
        session = None
        _log.warning("%r: the unfinished upload is gone; beginning anew", upload.name)
    except StoreError as error:
        if error.status != 403:
            raise
        session = None
        _log.warning("%r: the store does not tell what it has; beginning anew", upload.name)
    except KmsError:
        raise
    except (CipherbucketError, KeyError, ValueError, TypeError, AttributeError) as error:
        # Another key, context or policy than it was begun with, or no private half.
        session = None
        _log.warning("%r: the unfinished upload cannot go on (%s)", upload.name, error)
    if session is None:
        _abort(upload.store, upload.name, journal.header)
        return None
    _log.info(
        "%r: going on with an upload, %d of %d parts were sent",
        upload.name,
        len(session.there),
        session.plan.count,
    )
    return session


def _abort(store: Store, name: str, header: Line) -> None:
    """Abort the upload that a journal's first lines tell of."""
    upload_id = header.get("upload_id")
    if isinstance(upload_id, str):
        abort_quietly(store, name, upload_id)
        return
    # Interrupted as it began: perhaps the store began one, and it has our envelope.
    try:
        envelope = Envelope.parse(header["envelope"]) if header else None
        if envelope is not None:
            sent = {**header["metadata"], **envelope.to_metadata()}
            abort_ours(store, name, sent, envelope)
    except (CipherbucketError, KeyError, ValueError, TypeError, AttributeError) as error:
        _log.warning("what was begun of %r could not be aborted (%s)", name, error)


def _reopened(upload: Upload, path: Path, descriptor: int, journal: Journal) -> _Session | None:
    first = journal.header
    if not upload.resume or not journal.lines or not isinstance(first["upload_id"], str):
        return None
    asked = {**_asked(upload, path), "data_size": os.fstat(descriptor).st_size}
    if any(first[name] != asked[name] for name in asked):
        return None
    envelope = Envelope.parse(first["envelope"])
    if envelope is None:
        return None
    cipher = upload.unseal(envelope)
    if isinstance(cipher, Sealed):
        cipher = cipher.with_footer(base64.b64decode(first["footer"]))
    told = bytes.fromhex(journal.lines[1]["mac"])
    if not hmac.compare_digest(told, cipher.journal_mac(_told(first, first["upload_id"]))):
        # Whoever can change the file could name an envelope whose key has encrypted before.
        raise UsageError("the journal was altered")
    plan = PartPlan(int(first["data_size"]), int(first["part_size"]), cipher.layout)
    tags = {int(line["part"]): bytes.fromhex(line["tag"]) for line in journal.lines[2:]}
    return _Session(upload, descriptor, journal, first["upload_id"], plan, envelope, cipher, tags)


def _told(header: Line, upload_id: str) -> bytes:
    """Return what of a journal's first lines is authenticated: all that an upload goes on by."""
    facts = {name: value for name, value in header.items() if name != "upload_id"}
    return json.dumps([facts, upload_id], sort_keys=True).encode()


def _state_of(descriptor: int) -> tuple[int, int]:
    try:
        status = os.fstat(descriptor)
    except OSError as error:
        raise SourceError(f"the file cannot be read: {error.strerror}") from error
    return status.st_size, status.st_mtime_ns


class _Sliced:
    """A part's ciphertext as a body: in slices, so that it can be counted, slowed and stopped."""

    def __init__(self, ciphertext: memoryview, size: int, halt: Halt) -> None:
        self._ciphertext = ciphertext
        self._size = size
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
