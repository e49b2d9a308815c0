"""A file to an object in parts: in parallel, resumable, and never two plaintexts under one key.

Rule: before the first byte of a part leaves, the journal holds a keyed tag of its ciphertext. An
upload that is resumed reads and encrypts every such part again and compares. If one differs, the
upload is aborted and begins anew under a new data key; a part that no line names never left, and is
sent as the file is now. A journal is believed only under the key that it names: its first lines are
authenticated, and no envelope that a store or anyone else put there is encrypted under.
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from cipherbucket.errors import (
    CipherbucketError,
    KmsError,
    StoreError,
    TransientStoreError,
    UploadNotFoundError,
    UsageError,
)
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.sealed import Sealed
from cipherbucket.format.span import PartPlan
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import StoredObject
from cipherbucket.transfers.journal import Journal, Line, open_journal
from cipherbucket.transfers.upload_session import ChangedError, Session, Upload
from cipherbucket.workers.progress import Progress
from cipherbucket.writing.part_requests import abort_ours, abort_quietly, begin_upload

_log = logging.getLogger("cipherbucket")


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
        key = _upload_key(upload.to.store, upload.to.name, path)
        journal = open_journal(upload.state, *key.values())
        if journal is not None:
            stack.enter_context(journal)
        session = _resumed(upload, path, descriptor, journal) if journal is not None else None
        if session is not None:
            try:
                return session.carried_out(progress)
            except ChangedError as error:
                _log.warning("%r: %s; beginning anew", upload.to.name, error.message)
                abort_quietly(upload.to.store, upload.to.name, session.upload_id)
        return _begun(upload, path, descriptor, journal).carried_out(progress)


def forget_upload(store: Store, name: str, path: Path, state: Path) -> None:
    """Abort what an interrupted call left of an upload that is now made at once."""
    journal = Journal.existing(state, *_upload_key(store, name, path).values())
    if journal is not None:
        with journal:
            _abort(store, name, journal.header)
            journal.remove()


def _begun(upload: Upload, path: Path, descriptor: int, journal: Journal | None) -> Session:
    to = upload.to
    if not upload.readable:
        _log.warning(
            "%r: only the public half of the key is here: if this is interrupted, it begins anew",
            to.name,
        )
    plan = upload.plan(os.fstat(descriptor).st_size)
    envelope, cipher = upload.seal(data_size=plan.data_size, part_size=plan.part_size)
    plan = replace(plan, layout=cipher.layout)
    to.metadata_with(envelope)  # what does not fit is refused before anything is kept of it
    if journal is not None:
        # Before the store hears of it: by this an upload is found whose id never arrived.
        journal.begin(_first_line(upload, path, plan, envelope, cipher))
    try:
        upload_id = begin_upload(
            upload.to.store,
            upload.to.name,
            envelope,
            metadata=upload.to.metadata,
            headers=upload.to.headers,
        )
    except TransientStoreError:
        raise  # it may have begun all the same
    except StoreError:
        if journal is not None:
            journal.remove()  # refused: there is nothing to go on with
        raise
    if journal is not None:
        try:
            mac = cipher.journal_mac(_journal_text(journal.header, upload_id))
            journal.append({"upload_id": upload_id, "mac": mac.hex()})
        except BaseException:
            abort_quietly(to.store, to.name, upload_id)
            raise
    return Session(upload, descriptor, journal, upload_id, plan, envelope, cipher)


def _first_line(
    upload: Upload,
    path: Path,
    plan: PartPlan,
    envelope: Envelope,
    cipher: ContentCipher,
) -> dict[str, Any]:
    line = {
        **_parameters(upload, path),
        "data_size": plan.data_size,
        "part_size": plan.part_size,
        "envelope": envelope.to_metadata(),
    }
    if isinstance(cipher, Sealed):
        line["footer"] = base64.b64encode(cipher.footer).decode()
    return line


def _upload_key(store: Store, name: str, path: Path) -> dict[str, str]:
    return {"kind": "upload", "store": store.url, "name": name, "file": str(path.absolute())}


def _parameters(upload: Upload, path: Path) -> dict[str, Any]:
    """Return what must be the same for an upload to go on."""
    return {
        **_upload_key(upload.to.store, upload.to.name, path),
        "metadata": dict(upload.to.metadata),
        "headers": dict(upload.to.headers),
        "recipe": dict(upload.recipe),
    }


def _resumed(upload: Upload, path: Path, descriptor: int, journal: Journal) -> Session | None:
    """Open the upload that the journal describes, if it is the same one and its key can be had."""
    try:
        session = _reopened(upload, path, descriptor, journal)
        if session is not None:
            session.list_parts()
    except UploadNotFoundError:
        session = None
        _log.warning("%r: the unfinished upload is gone; beginning anew", upload.to.name)
    except StoreError as error:
        if error.status != 403:
            raise
        session = None
        _log.warning("%r: the store does not say what it has; beginning anew", upload.to.name)
    except KmsError:
        raise
    except (CipherbucketError, KeyError, ValueError, TypeError, AttributeError) as error:
        # Another key, context or policy than it was begun with, or no private half.
        session = None
        _log.warning("%r: the unfinished upload cannot go on (%s)", upload.to.name, error)
    if session is None:
        _abort(upload.to.store, upload.to.name, journal.header)
        return None
    _log.info(
        "%r: going on with an upload, %d of %d parts were sent",
        upload.to.name,
        len(session.there),
        session.plan.count,
    )
    return session


def _abort(store: Store, name: str, header: Line) -> None:
    """Abort the upload that a journal's first lines describe."""
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


def _reopened(upload: Upload, path: Path, descriptor: int, journal: Journal) -> Session | None:
    first = journal.header
    if not upload.resume or not journal.lines or not isinstance(first["upload_id"], str):
        return None
    asked = {**_parameters(upload, path), "data_size": os.fstat(descriptor).st_size}
    if any(first[name] != asked[name] for name in asked):
        return None
    envelope = Envelope.parse(first["envelope"])
    if envelope is None:
        return None
    cipher = upload.unseal(envelope)
    if isinstance(cipher, Sealed):
        cipher = cipher.with_footer(base64.b64decode(first["footer"]))
    recorded = bytes.fromhex(journal.lines[1]["mac"])
    if not hmac.compare_digest(
        recorded, cipher.journal_mac(_journal_text(first, first["upload_id"]))
    ):
        # Whoever can change the file could name an envelope whose key has encrypted before.
        raise UsageError("the journal was altered")
    plan = PartPlan(
        int(first["data_size"]),
        int(first["part_size"]),
        cipher.layout,
        upload.to.store.min_part_size,
        upload.to.store.equal_parts,
    )
    tags = {int(line["part"]): bytes.fromhex(line["tag"]) for line in journal.lines[2:]}
    upload.to.store.resume_upload(first["upload_id"], headers=upload.to.headers)
    return Session(upload, descriptor, journal, first["upload_id"], plan, envelope, cipher, tags)


def _journal_text(header: Line, upload_id: str) -> bytes:
    """Return what of a journal's first lines is authenticated: all that an upload goes on by."""
    facts = {name: value for name, value in header.items() if name != "upload_id"}
    return json.dumps([facts, upload_id], sort_keys=True).encode()
