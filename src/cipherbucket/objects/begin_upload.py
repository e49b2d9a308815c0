"""Beginning an upload of bytes that are stored already, where the answer may be lost.

Rule: no upload is left behind that nobody knows of, and no other upload is touched. Another copy of
the same object has the same envelope, so ours is recognized by not having been there before.
"""

from __future__ import annotations

import base64
import logging
from contextlib import suppress

from cipherbucket.errors import CipherbucketError, TransientStoreError, UploadNotFoundError
from cipherbucket.format.envelope import Envelope
from cipherbucket.stores.base import Store
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.one_request import persist
from cipherbucket.writing.part_requests import abort_quietly

_log = logging.getLogger("cipherbucket")


def begin_copy_upload(to: Destination) -> str:
    """Begin an upload; one that was begun although its answer was lost is aborted."""
    before = _uploads(to.store, to.name)

    def begin(attempt: int) -> str:
        if attempt > 1:
            _abort_lost(to, before)
        return to.store.begin_upload(to.name, metadata=to.metadata, headers=to.headers)

    try:
        return persist(begin)
    except TransientStoreError:
        _abort_lost(to, before)
        raise


def _uploads(target: Store, target_name: str) -> set[str] | None:
    """Return the ids of the unfinished uploads of a name; None where they cannot be had."""
    try:
        listed = persist(lambda _: target.list_uploads(target_name))
    except CipherbucketError as error:
        _log.debug("unfinished uploads of %r cannot be listed (%s)", target_name, error)
        return None
    return {upload.upload_id for upload in listed if upload.name == target_name}


def _abort_lost(to: Destination, before: set[str] | None) -> None:
    """Abort what a request whose answer was lost may have begun.

    Ours was not there before, has no parts yet, and is the only such one; where there are more,
    none is touched.
    """
    now = _uploads(to.store, to.name) if before is not None else None
    if before is None or now is None:
        _log.warning("an unfinished upload of %r may be left at %s", to.name, to.store.url)
        return
    try:
        ours = [found for found in now - before if _is_ours(to, found)]
    except CipherbucketError as error:
        _log.warning("an unfinished upload of %r may be left (%s)", to.name, error)
        return
    if len(ours) == 1:
        abort_quietly(to.store, to.name, ours[0])
    elif ours:
        _log.warning("one of the unfinished uploads of %r may be left of this call", to.name)


def _is_ours(to: Destination, upload_id: str) -> bool:
    envelope = Envelope.parse(to.metadata)
    identity = None if envelope is None else base64.b64encode(envelope.identity).decode()
    with suppress(UploadNotFoundError):
        claimed = to.store.upload_metadata(to.name, upload_id)
        if claimed.items() <= to.metadata.items() and (
            identity is None or identity in claimed.values()
        ):
            return not to.store.list_parts(to.name, upload_id)
    return False
