"""How a body gets into a store: in one piece, or in parts.

Rule: what can be read again is sent in one piece, and sealed anew if that fails. What can be read
only once goes in parts above 16 MiB, each kept as ciphertext until the store has it, so that a
failure costs a part and not the body.
"""

from __future__ import annotations

import logging
import os

from cipherbucket.envelopes.access import Sealing
from cipherbucket.errors import SourceError, UsageError, named
from cipherbucket.format.sealed import sealed_layout
from cipherbucket.format.span import PartPlan, good_part_size
from cipherbucket.format.texts import is_md5
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.stores.checks import check_metadata
from cipherbucket.stores.records import Part, StoredObject
from cipherbucket.workers.progress import Progress
from cipherbucket.writing.ciphertext import encrypt_part, refuse_fork
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.file import ObjectWriter
from cipherbucket.writing.one_request import write
from cipherbucket.writing.part_ends import PartEnds
from cipherbucket.writing.part_requests import (
    abort_quietly,
    begin_upload,
    complete_upload,
    send_part,
)
from cipherbucket.writing.source import PutBody, Source
from cipherbucket.writing.unknown_length import SpooledUpload, StreamUpload, upload_stream

_log = logging.getLogger("cipherbucket")

LARGE = 16 << 20
"""A body of more bytes, known beforehand, that can be read only once goes in parts."""


def put(
    body: PutBody,
    to: Destination,
    sealing: Sealing,
    *,
    streamed: bool,
    content_md5: str | None,
    size: int | None,
    progress: Progress | None,
) -> ObjectInfo:
    """Encrypt a body and store it, wholly or not at all; see `Bucket.put`."""
    _check_content_md5(content_md5, to.name)
    with named(to.name), Source(body, progress=progress) as source:
        if size is not None:
            source.set_size(size)
        stored = store_source(to, source, sealing, streamed=streamed, content_md5=content_md5)
    _log.info("put %r: %d bytes", to.name, stored.size)
    return ObjectInfo.of(stored)


def open_put(
    to: Destination,
    sealing: Sealing,
    *,
    streamed: bool,
    content_md5: str | None,
    size: int | None,
) -> ObjectWriter:
    """Open an object to write a body to that can be read only once; arguments as `put`.

    The object is what `put` would make of the body.
    """
    _check_content_md5(content_md5, to.name)
    if size is not None and size < 0:
        raise UsageError(f"a body of {size:,} bytes cannot be", name=to.name)
    check_metadata(to.metadata, to.headers, to.name, to.store)
    plain_put = to.if_match is not None or content_md5 is not None
    upload: StreamUpload | SpooledUpload
    with named(to.name):
        if streamed and not plain_put:
            upload = StreamUpload(to, *sealing(), size=size)
        elif size is not None and size > LARGE and not plain_put:
            part_size = good_part_size(size)
            sealed = sealing(data_size=size, part_size=part_size)
            upload = StreamUpload(to, *sealed, size=size, part_size=part_size)
        else:
            upload = SpooledUpload(to, *sealing(), size=size, content_md5=content_md5)
        return ObjectWriter(to.name, upload)


def _check_content_md5(content_md5: str | None, name: str) -> None:
    if content_md5 is not None and not is_md5(content_md5):
        raise UsageError(
            "content_md5 is no base64 of the 16 bytes of an MD5",
            name=name,
            hint="base64.b64encode(hashlib.md5(body).digest()).decode()",
        )


def store_source(
    to: Destination,
    source: Source,
    seal: Sealing,
    *,
    streamed: bool,
    content_md5: str | None = None,
) -> StoredObject:
    """Seal a source and store it at once, or in parts where it could not be sent a second time.

    Args:
        to: Where it goes.
        source: The plaintext, at its beginning.
        seal: Draws a new data key each time it is called.
        streamed: Whether the format allows parts without the length of the whole.
        content_md5: Base64 MD5 the plaintext must have, if any.

    Raises:
        The errors of `write` and `upload_stream`.
    """
    plain_put = to.if_match is not None or content_md5 is not None
    if source.size is not None and source.size > LARGE and not source.rereadable and not plain_put:
        return upload_sized(to, source, seal)
    if streamed and source.size is None and not plain_put:
        return upload_stream(StreamUpload(to, *seal()), source)
    return write(to.fitting(seal), source, content_md5, to.send, lambda: to.store.head(to.name))


def upload_sized(to: Destination, source: Source, seal: Sealing) -> StoredObject:
    """Send a body whose length is known, part by part, in order.

    Raises:
        SourceError: It has fewer or more bytes; the upload was aborted.
        And the errors of `complete_upload`.
    """
    assert source.size is not None
    size, process = source.size, os.getpid()
    part_size = good_part_size(size, sealed_layout(0))  # a multiple of every format's chunk
    envelope, cipher = seal(data_size=size, part_size=part_size)
    plan = PartPlan(size, part_size, cipher.layout, to.store.min_part_size, to.store.equal_parts)
    ends = PartEnds(plan)
    upload_id = begin_upload(to.store, to.name, envelope, metadata=to.metadata, headers=to.headers)
    try:
        parts: list[Part] = []
        for number in range(1, plan.count + 1):
            start, stop = plan.offsets(number)
            last = number == plan.count
            lead, room = plan.lead(number), ends.room(number)
            ciphertext, count = encrypt_part(
                source, cipher, start, stop, last=last, out=room[lead:]
            )
            more = last and source.read_into(memoryview(bytearray(1)))
            if count < stop - start or more:
                found = "more" if more else f"only {start + count:,}"
                raise SourceError(
                    f"the length of the body was given as {size:,}, and it has {found}"
                )
            refuse_fork(process)
            ends.hand_on(number, ciphertext)
            for each, stored in ends.joined(number, room[: lead + len(ciphertext)]):
                parts.append(send_part(to.store, to.name, upload_id, each, stored, envelope))
            source.report(stop, last=last)
        return complete_upload(
            to.store,
            to.name,
            upload_id,
            parts,
            envelope,
            stored_size=plan.stored_size,
            if_absent=to.if_absent,
            replacing=to.replacing,
        )
    except BaseException:
        abort_quietly(to.store, to.name, upload_id)
        raise
