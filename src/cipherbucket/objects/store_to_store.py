"""Stored bytes written once more, as they are and without any key: to another store, or in place.

A copy takes envelope, metadata and content headers along; what is written in its own place gets
other metadata. What else a store says of an object, such as an ACL, goes to no other place.

Rule: what arrives is what left. The bytes are of one version of the source, the CRC-64 of what
passed is compared with what both stores say, and the metadata come from the response that brings
the bytes. Large objects go in ranges, several at once, each of which becomes a part; OSS demands
the sizes of such parts in the envelope, where they are added if they are not there.

Each request is tried again by itself. Where an answer was lost, what we wrote is known by metadata,
size and CRC-64 together, since nothing may be added to it to know it by.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from cipherbucket.errors import (
    IntegrityError,
    ObjectChangedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    UploadNotFoundError,
    UsageError,
    named,
)
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import OSS
from cipherbucket.format.span import PartPlan, good_part_size
from cipherbucket.objects.begin_upload import begin_copy_upload
from cipherbucket.objects.piece import Crcs, Piece, combined, is_same, read_piece
from cipherbucket.stores.base import Store
from cipherbucket.stores.checks import check_copy_headers
from cipherbucket.stores.records import NOTHING, Part, StoredObject
from cipherbucket.workers.progress import Progress, Ticker
from cipherbucket.workers.threads import MEMORY, Halt, run, usual_workers
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.metadata_limit import check_fits
from cipherbucket.writing.one_request import persist
from cipherbucket.writing.part_requests import abort_quietly
from cipherbucket.writing.replacing import ObjectToReplace

_log = logging.getLogger("cipherbucket")

_FEWER = "remove recipients from the object first (cipherbucket recipients remove)"
THRESHOLD = 16 << 20
"""Objects of more stored bytes are copied in parts."""


def copy_to_store(
    source: Store,
    name: str,
    target: Store,
    target_name: str,
    *,
    headers: Mapping[str, str] = NOTHING,
    if_absent: bool = False,
    version_id: str | None = None,
    workers: int | None = None,
    halt: Halt | None = None,
    progress: Progress | None = None,
) -> StoredObject:
    """Copy an object from one store to another, unchanged.

    Args:
        source: Where it lies.
        name: Its name there.
        target: Where it goes.
        target_name: Its name there.
        headers: ACL, tags, storage class and encryption at rest that it gets there.
        if_absent: Only if there is no object of that name.
        version_id: This version of the source rather than the newest.
        workers: Parts at once; None takes 4, or one for each core if these are fewer. Large parts
            are copied by fewer: 256 MiB of parts are in memory at most, unless one has more.
        halt: Of this copy alone: it keeps the rate, and is set where the copy fails.
        progress: Called with (bytes done, bytes in all), of stored bytes.

    Raises:
        UsageError: A header that a copy cannot be given, or more metadata than the target keeps.
        EnvelopeError: The source's envelope cannot be understood; nothing is copied.
        ObjectChangedError: The source was replaced meanwhile; nothing is left behind.
        PreconditionFailedError: ``if_absent`` did not hold.
        IntegrityError: What arrived is not what is stored at the source.
        StoreError: A store failed.
    """
    check_copy_headers(headers, target_name)
    halt, ticker = halt or Halt(), Ticker(progress)

    def first_response(_: int) -> tuple[StoredObject, Piece | None]:
        with source.get(name, version_id=version_id) as incoming, named(name):
            there = incoming.stored
            envelope = Envelope.parse(there.metadata)
            check_fits(envelope, there.metadata, target, name, way_on=_FEWER)
            return there, None if there.size > THRESHOLD else read_piece(incoming, target.crc, halt)

    there, whole = persist(first_response)
    to = Destination(
        store=target,
        name=target_name,
        metadata=there.metadata,
        headers={**_kept(source, there, target, target_name), **headers},
        if_absent=if_absent,
    )
    copied = _arrived(source, there, whole, to, workers, halt, ticker)
    _log.info("copied %r to %s as %r: %d bytes", name, target.url, target_name, copied.size)
    return copied


def _kept(source: Store, there: StoredObject, target: Store, target_name: str) -> Mapping[str, str]:
    """Return content headers or, for an object that is written over itself, all that it has."""
    if target is source and target_name == there.name:
        return source.attributes(there.name, version_id=there.version_id)
    return there.headers


def rewrite(
    seen: ObjectToReplace,
    *,
    metadata: Mapping[str, str],
    workers: int | None,
    progress: Progress | None = None,
    memory: int = MEMORY,
) -> StoredObject:
    """Store the bytes of an object again, where they are, with other metadata.

    Args:
        seen: The object; nothing is written in the place of another.
        metadata: All its metadata from now on, an envelope among them.
        workers: Parts at once, as in `copy_to_store`.
        progress: Called with (bytes done, bytes in all), of stored bytes.
        memory: Most bytes of parts that are in memory at once, unless one has more.

    Raises:
        ObjectChangedError: It was replaced or changed meanwhile; nothing was written.
        IntegrityError: What arrived is not what was stored.
        StoreError: The store failed.
    """
    # A part that fails stops the parts of this object, and no other object of a pass.
    there, store, halt = seen.stored, seen.store, Halt(above=seen.halt)

    def first_response(_: int) -> Piece | None:
        if there.size > THRESHOLD:
            return None
        try:
            incoming = store.get(there.name, if_match=there.etag)
        except PreconditionFailedError as error:
            raise seen.changed() from error
        with incoming:
            return read_piece(incoming, store.crc, halt)

    whole = persist(first_response)
    to = Destination(
        store=store, name=there.name, metadata=metadata, headers=seen.headers, replacing=seen
    )
    return _arrived(store, there, whole, to, workers, halt, Ticker(progress), memory)


def _arrived(
    source: Store,
    there: StoredObject,
    whole: Piece | None,
    to: Destination,
    workers: int | None,
    halt: Halt,
    ticker: Ticker,
    memory: int = MEMORY,
) -> StoredObject:
    """Write an object whose bytes are in memory, or are fetched in parts if ``whole`` is None."""
    if whole is None:
        written = _in_parts(source, there, to, workers, halt, ticker, memory)
    else:
        if is_same(there, whole.crcs) is False:
            raise _damaged(there)
        written = _written(
            to,
            there,
            whole.crcs,
            lambda: to.store.put(
                to.name,
                whole.data,
                metadata=to.metadata,
                headers=to.headers,
                if_absent=to.if_absent,
                if_match=to.match,
            ),
            lambda attempt: attempt > 1,
            in_parts=False,
        )
    ticker.tick(written.size, written.size)
    return written


def _in_parts(
    source: Store,
    there: StoredObject,
    to: Destination,
    workers: int | None,
    halt: Halt,
    ticker: Ticker,
    memory: int,
) -> StoredObject:
    plan, to = _planned(there, to, memory)
    parts: dict[int, Part] = {}
    crcs: dict[int, Crcs] = {}
    metadata = _part_metadata(to)
    upload_id = begin_copy_upload(to)

    def passed(number: int) -> None:
        start, stop = plan.offsets(number)
        piece = persist(lambda _: _fetched(source, there, to, start, stop, halt))
        crcs[number] = piece.crcs
        parts[number] = persist(
            lambda _: to.store.upload_part(
                to.name, upload_id, number, piece.data, metadata=metadata
            )
        )

    try:
        run(
            range(1, plan.count + 1),
            passed,
            workers=_most(workers or usual_workers(), plan, memory),
            halt=halt,
            tick=lambda: ticker.tick(min(there.size, halt.done), there.size),
        )
        numbers = range(1, plan.count + 1)
        passed_in_all = combined((crcs[number], parts[number].size) for number in numbers)
        if is_same(there, passed_in_all) is False:
            raise _damaged(there)
        return _written(
            to,
            there,
            passed_in_all,
            lambda: to.store.complete_upload(
                to.name,
                upload_id,
                [parts[number] for number in numbers],
                if_absent=to.if_absent,
                if_match=to.match,
            ),
            # A store's library may have tried again by itself.
            lambda _: _is_gone(to.store, to.name, upload_id),
            in_parts=True,
        )
    except BaseException:
        abort_quietly(to.store, to.name, upload_id)
        raise


def _planned(there: StoredObject, to: Destination, memory: int) -> tuple[PartPlan, Destination]:
    """Cut an object as its envelope says, since OSS holds the parts against it.

    Where the envelope has no sizes, or ones that cannot be used, those of the plan are added to it
    in OSS; another store cuts as it likes.
    """
    least = to.store.min_part_size
    envelope = Envelope.parse(to.metadata)
    if envelope is not None and envelope.format == OSS and envelope.data_size == there.size:
        with suppress(UsageError):
            plan = PartPlan(there.size, envelope.part_size or 0, min_part_size=least)
            if plan.part_size <= memory:
                return plan, to
    plan = PartPlan(there.size, good_part_size(there.size), min_part_size=least)
    if envelope is None or envelope.format != OSS or to.store.fixed_metadata is None:
        return plan, to
    sized = envelope.with_sizes(there.size, plan.part_size).to_metadata()
    return plan, replace(to, metadata={**to.metadata, **sized})


def _most(workers: int, plan: PartPlan, memory: int) -> int:
    """Return how many parts may be in memory at once."""
    return max(1, min(workers, plan.count, memory // min(plan.part_size, plan.data_size)))


def _written(
    to: Destination,
    there: StoredObject,
    crcs: Crcs,
    write: Callable[[], StoredObject],
    perhaps_done: Callable[[int], bool],
    *,
    in_parts: bool,
) -> StoredObject:
    """Make the request that makes the object appear, and see that it is what was sent.

    Where the answer to an earlier attempt was lost, it may be there although this one was
    refused. ``perhaps_done`` says whether that can be; then what is there is looked at.
    """
    envelope = Envelope.parse(to.metadata)

    def attempt_to(attempt: int) -> StoredObject:
        if to.replacing is not None and envelope is not None:
            here = to.replacing.check(envelope, in_parts=in_parts)
            if here is not None:
                return here
        try:
            return write()
        except (PreconditionFailedError, UploadNotFoundError):
            if perhaps_done(attempt):
                with suppress(ObjectNotFoundError):
                    here = to.store.head(to.name)
                    alike = dict(here.metadata) == dict(to.metadata)
                    if alike and here.size == there.size and is_same(here, crcs):
                        return here
            raise

    stored = persist(attempt_to)
    if Envelope.parse(stored.metadata) != envelope:  # another's, of whatever size
        raise _changed(there, to)
    if stored.size != there.size or is_same(stored, crcs) is False:
        raise _differs(there, to)
    return stored


def _is_gone(target: Store, target_name: str, upload_id: str) -> bool:
    try:
        target.list_parts(target_name, upload_id)
    except UploadNotFoundError:
        return True
    return False


def _fetched(
    source: Store, there: StoredObject, to: Destination, start: int, stop: int, halt: Halt
) -> Piece:
    try:
        incoming = source.get(
            there.name,
            start=start,
            length=stop - start,
            if_match=there.etag,
            version_id=there.version_id,
        )
    except PreconditionFailedError as error:
        raise _changed(there, to) from error
    with incoming:
        if (incoming.start, incoming.stop) != (start, stop):
            raise IntegrityError("the store sent another range", name=there.name)
        return read_piece(incoming, to.store.crc, halt)


def _part_metadata(to: Destination) -> dict[str, str]:
    envelope = Envelope.parse(to.metadata)
    return {} if envelope is None else envelope.to_part_metadata()


def _damaged(there: StoredObject) -> IntegrityError:
    """Return the error of bytes that came; nothing was made of them."""
    return IntegrityError(
        "what came is not what its store says that it holds; nothing was written",
        name=there.name,
        hint="try again; if it stays so, the object is damaged, or the way to it",
    )


def _differs(there: StoredObject, to: Destination) -> IntegrityError:
    if to.replacing is not None:
        return IntegrityError(
            "what is stored now is not what was sent",
            name=there.name,
            hint="the store lost some: restore the object from an old version or a copy",
        )
    return IntegrityError(
        "the copy is not what is stored at the source",
        name=there.name,
        hint="delete the copy and copy again; if it stays so, one of the stores is damaged",
    )


def _changed(there: StoredObject, to: Destination) -> ObjectChangedError:
    if to.replacing is not None:
        return to.replacing.changed()
    return ObjectChangedError(
        "the object was replaced while it was copied", name=there.name, hint="copy it again"
    )
