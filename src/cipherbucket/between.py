"""Objects from one store to another, as they are: ciphertext, envelope, metadata; no key is needed.

Law: what arrives is what left. The bytes are of one version of the source, the CRC-64 of what
passed is compared with what both stores say, and the metadata come from the response that brings
the bytes. Large objects go in ranges, several at once, each of which becomes a part.
"""

from __future__ import annotations

import logging

from cipherbucket.checksum import crc64_combine
from cipherbucket.decryption import BLOCK
from cipherbucket.errors import (
    IntegrityError,
    ObjectChangedError,
    PreconditionFailedError,
    named,
)
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.span import PartPlan, good_part_size
from cipherbucket.parallel import Halt, run, usual_workers
from cipherbucket.progress import Progress, Ticker
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.objects import Part, StoredObject
from cipherbucket.uploading import abort_quietly
from cipherbucket.writer import persist

_log = logging.getLogger("cipherbucket")

THRESHOLD = 16 << 20
"""Objects of more stored bytes are copied in parts."""


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
        workers: Parts at once; None takes 4, or one for each core if these are fewer.
        limit_rate: Most bytes a second.
        progress: Called with (bytes done, bytes in all), of stored bytes.

    Raises:
        EnvelopeError: The source's envelope cannot be understood; nothing is copied.
        ObjectChangedError: The source was replaced meanwhile; nothing is left behind.
        IntegrityError: What arrived is not what is stored at the source.
        StoreError: A store failed.
    """
    halt, ticker = Halt(limit_rate), Ticker(progress)

    def once(_: int) -> StoredObject:
        with source.get(name, version_id=version_id) as incoming, named(name):
            there = incoming.stored
            Envelope.parse(there.metadata)
            if there.size > THRESHOLD:
                incoming.close()
                return _in_parts(
                    source, there, target, target_name, if_absent, workers, halt, ticker
                )
            data = _read(incoming, halt)
        stored = target.put(
            target_name,
            data,
            metadata=there.metadata,
            headers=there.headers,
            if_absent=if_absent,
        )
        _compare(there, stored)
        ticker.tick(stored.size, stored.size)
        return stored

    copied = persist(once)
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
    upload_id = target.begin_upload(target_name, metadata=there.metadata, headers=there.headers)

    def passed(number: int) -> None:
        start, stop = plan.offsets(number)
        parts[number] = persist(lambda _: sent(number, start, stop))

    def sent(number: int, start: int, stop: int) -> Part:
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
            data = _read(incoming, halt)
        return target.upload_part(
            target_name, upload_id, number, data, metadata=_part_metadata(there)
        )

    try:
        run(
            range(1, plan.count + 1),
            passed,
            workers=min(workers or usual_workers(), plan.count),
            halt=halt,
            tick=lambda: ticker.tick(min(there.size, halt.done), there.size),
        )
        combined = 0
        for number in range(1, plan.count + 1):
            part = parts[number]
            combined = crc64_combine(combined, part.crc64 or 0, part.size)
        if there.crc64 is not None and combined != there.crc64:
            raise _differs(there)
        stored = target.complete_upload(
            target_name,
            upload_id,
            [parts[number] for number in sorted(parts)],
            if_absent=if_absent,
        )
    except BaseException:
        abort_quietly(target, target_name, upload_id)
        raise
    _compare(there, stored)
    return stored


def _read(incoming: Incoming, halt: Halt) -> memoryview:
    """Read a response into memory: it may have to be sent more than once."""
    data = memoryview(bytearray(incoming.stop - incoming.start))
    for start in range(0, len(data), BLOCK):
        halt.passed(incoming.readinto(data[start : start + BLOCK]))
    return data


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
