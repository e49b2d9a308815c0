"""A large object to a file in ranges: in parallel, resumable, and good before it appears.

Rule: every range is of the object that was looked at first. A range that an earlier call finished
is read back from the temporary file, encrypted again and compared with what the journal holds of
its ciphertext, so that no digest of plaintext lies on the disk. The file appears when all of it was
found good: in format ``oss`` by size and the CRC-64 of the ranges together, in ``sealed`` by every
chunk and the end.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cipherbucket.errors import IntegrityError, SecurityError, SourceError, UsageError, not_copied
from cipherbucket.format.cipher import OBJECT_AGAIN
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.envelope import layout_of
from cipherbucket.format.sealed import Sealed
from cipherbucket.format.span import PartPlan, Span, good_part_size
from cipherbucket.reading.decryption import BLOCK, SealedBody, holds
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import fetch_same, stream_of
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Incoming
from cipherbucket.transfers.file_at import read_as_stored
from cipherbucket.transfers.journal import Journal, open_journal
from cipherbucket.transfers.target_file import TEMPORARY, Target
from cipherbucket.workers.progress import Progress, Ticker
from cipherbucket.workers.threads import MEMORY, Halt, run
from cipherbucket.writing.one_request import persist

_log = logging.getLogger("cipherbucket")


@dataclass(frozen=True)
class Download:
    """What a download needs to know.

    Attributes:
        store: Where the object lies.
        info: The object, as it was when it was unlocked.
        cipher: Its cipher; None for plaintext.
        part_size: Bytes of plaintext in a range; None for the usual.
        workers: Threads.
        rate: Most bytes a second; None for no limit.
        resume: Go on with what an earlier call began.
        state: Folder of the journals; None to keep none.
        begun: The answer that the object was unlocked with, if it is of the first range.
    """

    store: Store
    info: ObjectInfo
    cipher: Ctr | Sealed | None
    part_size: int | None
    workers: int
    rate: float | None
    resume: bool
    state: Path | None
    begun: Incoming | None = None

    __reduce__ = not_copied("a download", OBJECT_AGAIN)


def download_file(download: Download, target: Target, progress: Progress | None) -> None:
    """Fetch an object in ranges into a file, or go on where an earlier call was interrupted.

    Raises:
        UsageError: The file cannot be written, or another process downloads to it.
        IntegrityError: The object is not what was stored; nothing is left behind.
        ObjectChangedError: It was replaced meanwhile; nothing is left behind.
        StoreError: The store failed; what came so far stays, for the next call.
    """
    with ExitStack() as stack:
        identity = "download", download.store.url, target.path
        journal = open_journal(download.state, *identity)
        if journal is not None:
            stack.enter_context(journal)
        session = _resumed(download, target, journal) or _begun(download, target, journal)
        try:
            session.carried_out(progress)
        finally:
            os.close(session.descriptor)


def forget_download(store: Store, target: Target, state: Path) -> None:
    """Remove what an interrupted call left of a download that is now made at once."""
    journal = Journal.existing(state, "download", store.url, target.path)
    if journal is not None:
        with journal:
            if (temporary := _temporary(journal)) is not None:
                target.temporary = temporary
                target.discard()
            journal.remove()


@dataclass
class _Session:
    """One temporary file that ranges are written to."""

    download: Download
    target: Target
    descriptor: int
    journal: Journal | None
    plan: PartPlan
    finished: dict[int, str] = field(default_factory=dict)
    appeared: bool = False
    begun: bool = False
    crcs: dict[int, int] = field(default_factory=dict)

    __reduce__ = not_copied("a download", OBJECT_AGAIN)

    def carried_out(self, progress: Progress | None) -> None:
        """Fetch what is missing, check the whole, and let the file appear."""
        halt = Halt(self.download.rate)
        ticker = Ticker(progress)
        local = threading.local()
        total = self.plan.data_size
        if self.appeared and self.journal is not None:
            self.journal.remove()
            ticker.tick(total, total)
            return

        def work(number: int) -> None:
            if not hasattr(local, "buffer"):
                local.buffer = memoryview(bytearray(BLOCK))
            self._done(number, local.buffer, halt)

        try:
            run(
                range(1, self.plan.count + 1),
                work,
                workers=self._workers(),
                halt=halt,
                tick=lambda: ticker.tick(min(total, halt.done), total),
            )
            self._check_whole()
            self.target.finish(self.descriptor)
        except BaseException as error:
            if self.journal is None or isinstance(error, SecurityError):
                self.target.discard()
                if self.journal is not None:
                    self.journal.remove()
            raise
        if self.journal is not None:
            self.journal.remove()
        ticker.tick(total, total)

    def _workers(self) -> int:
        most = min(self.download.workers, self.plan.count)
        if self.finished:  # a range that is read back is in memory as a whole
            most = min(most, MEMORY // min(self.plan.part_size, self.plan.data_size))
        return max(1, most)

    def _done(self, number: int, buffer: memoryview, halt: Halt) -> None:
        start, stop = self.plan.offsets(number)
        if number in self.finished and self.has_range(number):
            halt.skipped(stop - start)
            return
        digest = persist(lambda _: self._fetched(number, buffer, halt))
        if self.journal is not None:
            self.journal.append({"range": number, "digest": digest})

    def _fetched(self, number: int, buffer: memoryview, halt: Halt) -> str:
        start, stop = self.plan.offsets(number)
        info = self.download.info
        last = number == self.plan.count
        span = Span(start) if last else Span(start, stop - start)
        counted = 0
        incoming = self._answer(span)
        try:
            incoming.counting = not isinstance(self.download.cipher, Sealed)
            stream = stream_of(incoming, info, self.download.cipher, span)
            position = start
            while count := stream.readinto(buffer):
                counted += count
                # Before it is written: once asked to stop, it may find another file in its place.
                halt.passed(count)
                self.target.write(self.descriptor, buffer[:count], position)
                position += count
            if position != stop:
                raise IntegrityError("the object is shorter than it was", name=info.name)
        except BaseException:
            halt.skipped(-counted)
            raise
        finally:
            incoming.close()
        return self._digest(number, incoming, stream.body)

    def _answer(self, span: Span) -> Incoming:
        """Use the answer that the object was unlocked with, if it is of this range; once."""
        info = self.download.info
        begun, layout = self.download.begun, self.plan.layout
        if begun is not None and not self.begun and span.start == 0 and holds(begun, layout, span):
            self.begun = True
            return begun
        return fetch_same(self.download.store, info, span)

    def _digest(self, number: int, incoming: Incoming, body: object) -> str:
        if isinstance(body, SealedBody):
            return body.tags.hexdigest()
        self.crcs[number] = incoming.crc64
        return f"{incoming.crc64:016x}"

    def has_range(self, number: int) -> bool:
        """Return whether the temporary file holds a range that an earlier call finished."""
        start, stop = self.plan.offsets(number)
        last, cipher = number == self.plan.count, self.download.cipher
        try:
            ciphertext, count = read_as_stored(self.descriptor, cipher, start, stop, last=last)
        except SourceError:
            return False
        if count != stop - start:
            return False
        if isinstance(cipher, Sealed):
            first = number == 1
            tag = cipher.part_tag(number, ciphertext, first=first, last=last)
            return tag.hex() == self.finished[number]
        self.crcs[number] = self.download.info.crc.of(ciphertext)
        return f"{self.crcs[number]:016x}" == self.finished[number]

    def _check_whole(self) -> None:
        info = self.download.info
        if isinstance(self.download.cipher, Sealed) or info.crc64 is None:
            return
        combined = 0
        for number in range(1, self.plan.count + 1):
            start, stop = self.plan.offsets(number)
            combined = info.crc.combine(combined, self.crcs[number], stop - start)
        if combined != info.crc64:
            raise IntegrityError(
                "the CRC-64 of the stored bytes differs from the recorded one",
                name=info.name,
                hint="download it again; if it stays different, restore the object from a copy",
            )


def _plan_of(download: Download, part_size: int | None) -> PartPlan:
    layout = layout_of(download.info.envelope)
    size = download.info.size
    return PartPlan(size, part_size or good_part_size(size, layout), layout)


def _appeared(
    download: Download, target: Target, journal: Journal, plan: PartPlan, finished: dict[int, str]
) -> _Session | None:
    """Look whether an earlier call was interrupted when the file had just appeared."""
    if len(finished) < plan.count:
        return None
    descriptor = target.open_present()
    session = _Session(download, target, descriptor, journal, plan, finished, appeared=True)
    size = os.fstat(descriptor).st_size
    if size == plan.data_size and all(map(session.has_range, range(1, plan.count + 1))):
        return session
    os.close(descriptor)
    return None


def _begun(download: Download, target: Target, journal: Journal | None) -> _Session:
    plan = _plan_of(download, download.part_size)
    if journal is not None:
        journal.begin(_first_line(download, target, plan))
    try:
        descriptor = target.create(plan.data_size)
    except BaseException:
        if journal is not None:
            journal.remove()
        raise
    return _Session(download, target, descriptor, journal, plan)


def _first_line(download: Download, target: Target, plan: PartPlan) -> dict[str, Any]:
    return {
        **_download_key(download, target),
        "temporary": target.temporary,
        "part_size": plan.part_size,
        "object": _identity(download.info),
    }


def _download_key(download: Download, target: Target) -> dict[str, str]:
    return {
        "kind": "download",
        "store": download.store.url,
        "name": download.info.name,
        "file": target.path,
    }


def _identity(info: ObjectInfo) -> list[Any]:
    """Return what differs between this object and another of its name."""
    identity = b"" if info.envelope is None else info.envelope.identity
    return [info.stored_size, info.etag, info.version_id, hashlib.sha256(identity).hexdigest()]


def _resumed(download: Download, target: Target, journal: Journal | None) -> _Session | None:
    """Open the temporary file that the journal names, if it is of the same object."""
    if journal is None:
        return None
    temporary = _temporary(journal)
    if temporary is None:
        return None
    fresh, target.temporary = target.temporary, temporary
    try:
        session = _reopened(download, target, journal) if journal.lines else None
    except (OSError, KeyError, ValueError, TypeError) as error:
        _log.warning("%r: the unfinished download cannot go on (%s)", download.info.name, error)
        session = None
    if session is None:
        target.discard()
        target.temporary = fresh
        return None
    _log.info(
        "%r: going on with a download, %d of %d ranges are here",
        download.info.name,
        len(session.finished),
        session.plan.count,
    )
    return session


def _temporary(journal: Journal) -> str | None:
    name = str(journal.header.get("temporary"))
    return name if TEMPORARY.fullmatch(name) else None


def _reopened(download: Download, target: Target, journal: Journal) -> _Session | None:
    first = journal.lines[0]
    here = {**_download_key(download, target), "object": _identity(download.info)}
    if not download.resume or any(first[name] != here[name] for name in here):
        return None
    plan = _plan_of(download, int(first["part_size"]))
    finished = {int(line["range"]): str(line["digest"]) for line in journal.lines[1:]}
    try:
        descriptor = target.reopen()
    except FileNotFoundError:
        if (session := _appeared(download, target, journal, plan, finished)) is None:
            raise
        return session
    if os.fstat(descriptor).st_size != plan.data_size:
        os.close(descriptor)
        raise UsageError("the temporary file has another length")
    return _Session(download, target, descriptor, journal, plan, finished)
