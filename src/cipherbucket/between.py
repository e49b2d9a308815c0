"""Objects from one store to another, as they are: ciphertext, envelope, metadata; no key is needed.

Law: what arrives is what left. The bytes are of one version of the source, the CRC-64 of what
passed is compared with what both stores say, and the metadata come from the response that brings
the bytes. Large objects go in ranges, several at once, each of which becomes a part.

Each request is tried again by itself. Where an answer was lost, our copy is known by metadata,
size and CRC-64 together, since nothing may be added to it to know it by.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from contextlib import suppress

from cipherbucket.checksum import crc64_combine
from cipherbucket.decryption import BLOCK
from cipherbucket.errors import (
    CipherbucketError,
    IntegrityError,
    ObjectChangedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    TransientStoreError,
    UploadNotFoundError,
    named,
)
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.span import PartPlan, good_part_size
from cipherbucket.pace import check_speed
from cipherbucket.parallel import MEMORY, Halt, run, usual_workers
from cipherbucket.progress import Progress, Ticker
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.objects import Part, StoredObject
from cipherbucket.uploading import abort_quietly
from cipherbucket.writer import persist

_log = logging.getLogger("cipherbucket")

THRESHOLD = 16 << 20
"""Objects of more stored bytes are copied in parts."""

_Piece = tuple[memoryview, int]
"""Bytes in memory, and their CRC-64."""


def copy_between(
    source: Store,
    name: str,
    target: Store,
    target_name: str,
    *,
    if_absent: bool = False,
    version_id: str | None = None,
    workers: int | None = None,
    limit_rate: float | None = None,
    progress: Progress | None = None,
) -> StoredObject:
    """Copy an object from one store to another, unchanged.

    Args:
        source: Where it lies.
        name: Its name there.
        target: Where it goes.
        target_name: Its name there.
        if_absent: Only if there is no object of that name.
        version_id: This version of the source rather than the newest.
        workers: Parts at once; None takes 4, or one for each core if these are fewer. Large parts
            are copied by fewer: 256 MiB of parts are in memory at most, unless one has more.
        limit_rate: Most bytes a second, 1 or more.
        progress: Called with (bytes done, bytes in all), of stored bytes.

    Raises:
        EnvelopeError: The source's envelope cannot be understood; nothing is copied.
        ObjectChangedError: The source was replaced meanwhile; nothing is left behind.
        PreconditionFailedError: ``if_absent`` did not hold.
        IntegrityError: What arrived is not what is stored at the source.
        StoreError: A store failed.
    """
    check_speed(workers, limit_rate)
    halt, ticker = Halt(limit_rate), Ticker(progress)

    def looked_at(_: int) -> tuple[StoredObject, _Piece | None]:
        with source.get(name, version_id=version_id) as incoming, named(name):
            there = incoming.stored
            Envelope.parse(there.metadata)
            return there, None if there.size > THRESHOLD else _read(incoming, halt)

    there, whole = persist(looked_at)
    if whole is None:
        copied = _in_parts(source, there, target, target_name, if_absent, workers, halt, ticker)
    else:
        data, crc64 = whole
        copied = _written(
            target,
            target_name,
            there,
            crc64,
            lambda: target.put(
                target_name,
                data,
                metadata=there.metadata,
                headers=there.headers,
                if_absent=if_absent,
            ),
            lambda attempt: attempt > 1,
        )
    ticker.tick(copied.size, copied.size)
    _log.info("copied %r to %s as %r: %d bytes", name, target.url, target_name, copied.size)
    return copied


def _in_parts(
    source: Store,
    there: StoredObject,
    target: Store,
    target_name: str,
    if_absent: bool,
    workers: int | None,
    halt: Halt,
    ticker: Ticker,
) -> StoredObject:
    plan = PartPlan(there.size, good_part_size(there.size))
    parts: dict[int, Part] = {}
    crcs: dict[int, int] = {}
    metadata = _part_metadata(there)
    upload_id = _begun(target, target_name, there)

    def passed(number: int) -> None:
        start, stop = plan.offsets(number)
        data, crcs[number] = persist(lambda _: _fetched(source, there, start, stop, halt))
        parts[number] = persist(
            lambda _: target.upload_part(target_name, upload_id, number, data, metadata=metadata)
        )

    try:
        run(
            range(1, plan.count + 1),
            passed,
            workers=_most(workers or usual_workers(), plan),
            halt=halt,
            tick=lambda: ticker.tick(min(there.size, halt.done), there.size),
        )
        numbers = range(1, plan.count + 1)
        combined = 0
        for number in numbers:
            combined = crc64_combine(combined, crcs[number], parts[number].size)
        if there.crc64 is not None and combined != there.crc64:
            raise _differs(there)
        return _written(
            target,
            target_name,
            there,
            combined,
            lambda: target.complete_upload(
                target_name, upload_id, [parts[number] for number in numbers], if_absent=if_absent
            ),
            # A store's library may have tried again by itself.
            lambda _: _is_gone(target, target_name, upload_id),
        )
    except BaseException:
        abort_quietly(target, target_name, upload_id)
        raise


def _most(workers: int, plan: PartPlan) -> int:
    """Return how many parts may be in memory at once."""
    return max(1, min(workers, plan.count, MEMORY // min(plan.part_size, plan.data_size)))


def _begun(target: Store, target_name: str, there: StoredObject) -> str:
    """Begin an upload; one that was begun although its answer was lost is aborted."""
    before = _uploads(target, target_name)

    def begin(attempt: int) -> str:
        if attempt > 1:
            _abort_lost(target, target_name, there, before)
        return target.begin_upload(target_name, metadata=there.metadata, headers=there.headers)

    try:
        return persist(begin)
    except TransientStoreError:
        _abort_lost(target, target_name, there, before)
        raise


def _uploads(target: Store, target_name: str) -> set[str] | None:
    """Return the ids of the unfinished uploads of a name; None where they cannot be had."""
    try:
        listed = persist(lambda _: target.list_uploads(target_name))
    except CipherbucketError as error:
        _log.debug("unfinished uploads of %r cannot be listed (%s)", target_name, error)
        return None
    return {upload.upload_id for upload in listed if upload.name == target_name}


def _abort_lost(
    target: Store, target_name: str, there: StoredObject, before: set[str] | None
) -> None:
    """Abort what a request whose answer was lost may have begun.

    Another copy of the same object has the same envelope. Ours was not there before, has no parts
    yet, and is the only such one; where there are more, none is touched.
    """
    now = _uploads(target, target_name) if before is not None else None
    if before is None or now is None:
        _log.warning("an unfinished upload of %r may be left at %s", target_name, target.url)
        return
    try:
        ours = [found for found in now - before if _is_ours(target, target_name, found, there)]
    except CipherbucketError as error:
        _log.warning("an unfinished upload of %r may be left (%s)", target_name, error)
        return
    if len(ours) == 1:
        abort_quietly(target, target_name, ours[0])
    elif ours:
        _log.warning("one of the unfinished uploads of %r is left of this copy", target_name)


def _is_ours(target: Store, target_name: str, upload_id: str, there: StoredObject) -> bool:
    envelope = Envelope.parse(there.metadata)
    identity = None if envelope is None else base64.b64encode(envelope.identity).decode()
    with suppress(UploadNotFoundError):
        claimed = target.upload_metadata(target_name, upload_id)
        if claimed.items() <= there.metadata.items() and (
            identity is None or identity in claimed.values()
        ):
            return not target.list_parts(target_name, upload_id)
    return False


def _written(
    target: Store,
    target_name: str,
    there: StoredObject,
    crc64: int,
    write: Callable[[], StoredObject],
    perhaps_done: Callable[[int], bool],
) -> StoredObject:
    """Make the request that makes the copy appear, and see that it is what was sent.

    Where the answer to an earlier attempt was lost, the copy may be there although this one was
    refused. ``perhaps_done`` tells whether that can be; then what is there is looked at.
    """

    def attempt_to(attempt: int) -> StoredObject:
        try:
            return write()
        except (PreconditionFailedError, UploadNotFoundError):
            if perhaps_done(attempt):
                with suppress(ObjectNotFoundError):
                    here = target.head(target_name)
                    alike = dict(here.metadata) == dict(there.metadata)
                    if alike and (here.size, here.crc64) == (there.size, crc64):
                        return here
            raise

    stored = persist(attempt_to)
    _compare(there, stored)
    return stored


def _is_gone(target: Store, target_name: str, upload_id: str) -> bool:
    try:
        target.list_parts(target_name, upload_id)
    except UploadNotFoundError:
        return True
    return False


def _fetched(source: Store, there: StoredObject, start: int, stop: int, halt: Halt) -> _Piece:
    try:
        incoming = source.get(
            there.name,
            start=start,
            length=stop - start,
            if_match=there.etag,
            version_id=there.version_id,
        )
    except PreconditionFailedError as error:
        raise _changed(there) from error
    with incoming:
        if (incoming.start, incoming.stop) != (start, stop):
            raise IntegrityError("the store sent another range", name=there.name)
        return _read(incoming, halt)


def _read(incoming: Incoming, halt: Halt) -> _Piece:
    """Read a response into memory, since it may have to be sent more than once."""
    data = memoryview(bytearray(incoming.stop - incoming.start))
    incoming.counting = True
    counted = 0
    try:
        for start in range(0, len(data), BLOCK):
            count = incoming.readinto(data[start : start + BLOCK])
            counted += count
            halt.passed(count)
    except BaseException:
        halt.skipped(-counted)  # read again, it counts for the rate and not for the progress
        raise
    return data, incoming.crc64


def _part_metadata(there: StoredObject) -> dict[str, str]:
    envelope = Envelope.parse(there.metadata)
    return {} if envelope is None else envelope.to_part_metadata()


def _compare(there: StoredObject, here: StoredObject) -> None:
    known = here.crc64 is not None and there.crc64 is not None
    if here.size != there.size or (known and here.crc64 != there.crc64):
        raise _differs(there)
    if Envelope.parse(here.metadata) != Envelope.parse(there.metadata):
        raise _changed(there)


def _differs(there: StoredObject) -> IntegrityError:
    return IntegrityError(
        "the copy is not what is stored at the source",
        name=there.name,
        hint="delete the copy and copy again; if it stays so, one of the stores is damaged",
    )


def _changed(there: StoredObject) -> ObjectChangedError:
    return ObjectChangedError(
        "the object was replaced while it was copied", name=there.name, hint="copy it again"
    )
