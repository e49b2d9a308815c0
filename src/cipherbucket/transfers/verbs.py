"""The verbs of a bucket that move files: upload and download.

Law: small ones take one request; large ones go in parts, several at once, and what an interrupted
call has done is not done again. How many bytes are in memory does not depend on how long a file is.
"""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, cast

from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.seal import seal
from cipherbucket.envelopes.unseal import unseal
from cipherbucket.errors import SourceError, UsageError, named
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.format.sealed import Binding, Sealed, sealed_layout
from cipherbucket.format.span import PLAIN, PartPlan, Span, good_part_size
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import check_key
from cipherbucket.objects.metadata import content_headers, refuse_reserved
from cipherbucket.reading.decryption import holds
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import ObjectStream, fetch_same, stream_of, unlocked
from cipherbucket.reading.unlock import USUAL_FOOTER, fetch_from, unlock
from cipherbucket.rotation.passes import Rotating
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.records import NOTHING
from cipherbucket.transfers.comparison import same_content
from cipherbucket.transfers.download import Download, download_file, forget_download
from cipherbucket.transfers.journal import state_folder, state_or_none
from cipherbucket.transfers.target_file import save
from cipherbucket.transfers.upload import forget_upload, upload_file
from cipherbucket.transfers.upload_session import Upload
from cipherbucket.workers.progress import Progress
from cipherbucket.workers.rate_limit import Pace, check_speed
from cipherbucket.workers.threads import usual_workers
from cipherbucket.writing.one_request import Seal
from cipherbucket.writing.part_requests import Destination
from cipherbucket.writing.put import store_source
from cipherbucket.writing.source import Source, local_path

_log = logging.getLogger("cipherbucket")

THRESHOLD = 16 << 20
"""Files of more bytes are transferred in parts."""
LARGE_CLAIM = 1 << 30
"""Above this the end of a sealed object is opened before its size is believed."""


class Transfers(Rotating):
    """The verbs of a bucket that move files."""

    def _sealing(
        self,
        name: str,
        recipients: Sequence[MasterKey],
        context: Mapping[str, str],
        *,
        bind_name: bool,
    ) -> Seal:
        """Return what seals an object of this name, each time under a new data key."""
        if isinstance(recipients, MasterKey):
            raise UsageError("recipients is a sequence of keys", hint="write [key]")
        for each in recipients:
            check_key(each)
        further = (*self._recipients, *recipients)
        if self._format != SEALED and (further or context or not bind_name):
            raise UsageError(
                "recipients, a context and unbound names are of format 'sealed'",
                hint="open the bucket with format='sealed'",
            )
        return partial(
            seal,
            self._ring,
            self._format,
            binding=Binding(name, context),
            bind_name=bind_name,
            recipients=further,
        )

    def upload(
        self,
        path: str | os.PathLike[str] | BinaryIO | IO[bytes],
        name: str,
        *,
        metadata: Mapping[str, str] = NOTHING,
        content_type: str | None = None,
        headers: Mapping[str, str] = NOTHING,
        recipients: Sequence[MasterKey] = (),
        context: Mapping[str, str] = NOTHING,
        bind_name: bool = True,
        if_absent: bool = False,
        part_size: int | None = None,
        workers: int | None = None,
        limit_rate: float | None = None,
        threshold: int | None = None,
        state: str | os.PathLike[str] | None = None,
        resume: bool = True,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Encrypt a file and store it: above 16 MiB in parts, in parallel, resumable.

        An upload that was interrupted, also by the end of the process, goes on when the same file
        is uploaded to the same name again. What was sent is compared with the file as it is now;
        if a part of it changed, the upload begins anew, under a new data key. With only the public
        half of a key it always begins anew.

        Args:
            path: A file. A pipe, or a binary file object, is put as `put` does it.
            name: The object's name.
            metadata: As in `put`, like those not described here.
            content_type: Of the plaintext.
            headers: Further content headers.
            recipients: Further master keys.
            context: Pairs that a reader has to give too.
            bind_name: Whether the name is bound.
            if_absent: Only if there is no object of this name.
            part_size: Bytes of plaintext in a part, as in `multipart`. None takes 16 MiB, or more
                where 10,000 parts would not suffice.
            workers: Parts at once, 1 or more. None takes 4, or one for each core if these are
                fewer. Large parts are sent by fewer: 256 MiB of parts are in memory at most,
                unless one has more.
            limit_rate: Most bytes a second, 1 or more.
            threshold: Files of more bytes go in parts. None takes 16 MiB.
            state: Folder of the journal, which only you may be able to write. None takes
                ``CIPHERBUCKET_STATE``, or the user's state directory.
            resume: Go on with what an earlier call began; False aborts that and begins anew.
            progress: Called with (bytes done, bytes in all).

        Raises:
            UsageError: Another process uploads this file to this name; or the path is none, as
                bytes are.
            SourceError: The file cannot be read, or changed meanwhile.
            And the errors of `put`.
        """
        refuse_reserved(metadata, name)
        check_speed(workers, limit_rate)
        body = _body(path)
        sealing = self._sealing(name, recipients, context, bind_name=bind_name)
        to = Destination(
            store=self._store,
            name=name,
            metadata=metadata,
            headers=content_headers(headers, content_type),
            if_absent=if_absent,
        )
        with named(name):
            file = _large_file(body, threshold) if isinstance(body, Path) else None
            if file is None:
                if isinstance(body, Path):
                    _forget(partial(forget_upload, self._store, name, body), state)
                with Source(body, progress=progress, pace=Pace(limit_rate)) as source:
                    stored = store_source(to, source, sealing, streamed=self._format == SEALED)
                return ObjectInfo.of(stored)
            upload = Upload(
                to=to,
                seal=sealing,
                unseal=self._unsealing(name, context),
                readable=getattr(self._ring.writer(self._format), "can_unwrap", True),
                plan=partial(self._plan, part_size),
                recipe=self._recipe(recipients, bind_name=bind_name),
                workers=workers or usual_workers(),
                rate=limit_rate,
                resume=resume,
                state=_state(state),
            )
            with file:
                return ObjectInfo.of(upload_file(upload, Path(file.name), file.fileno(), progress))

    def download(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        as_name: str | None = None,
        footer_recipients: bool = False,
        version_id: str | None = None,
        part_size: int | None = None,
        workers: int | None = None,
        limit_rate: float | None = None,
        threshold: int | None = None,
        state: str | os.PathLike[str] | None = None,
        resume: bool = True,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Fetch an object, decrypt it and write it to a file, wholly or not at all.

        The file appears (or is replaced) only after the whole object was found good. A new file
        is readable by its owner alone. Above 16 MiB ranges are fetched in parallel, and what an
        interrupted call fetched is not fetched again. Further arguments and errors as `get`.

        Args:
            name: The object's name.
            path: The file to write.
            key: Use this key, whatever the object's description says or lacks.
            context: Format ``sealed``: the pairs that the object was written with.
            as_name: Format ``sealed``: the name it was sealed under.
            footer_recipients: Format ``sealed``: read by the body alone.
            version_id: This version rather than the newest.
            part_size: Bytes of plaintext in a range; None takes 16 MiB.
            workers: Ranges at once, as in `upload`.
            limit_rate: Most bytes a second, 1 or more.
            threshold: Objects of more bytes are fetched in ranges. None takes 16 MiB.
            state: Folder of the journal, as in `upload`.
            resume: Go on with what an earlier call began.
            progress: Called with (bytes done, bytes in all).

        Raises:
            UsageError: The file cannot be written, or another process downloads to it.
        """
        check_speed(workers, limit_rate)
        local_path(path)
        reading = self._reading(
            name, key=key, context=context, as_name=as_name, footer_recipients=footer_recipients
        )
        fetch = fetch_from(self._store, name, None, version_id)
        # As much as a range has: all of a small object, and of a large one what is needed first.
        incoming, info, cipher = unlocked(fetch, Span(length=part_size or THRESHOLD), reading)
        with incoming, named(name):
            if info.size <= _threshold(threshold) or footer_recipients:
                with self._whole(incoming, info, cipher, progress) as stream:
                    save(stream, path, Pace(limit_rate))
                _forget(partial(forget_download, self._store, path), state)
                return info
            if isinstance(cipher, Sealed) and info.size > LARGE_CLAIM:
                # Before room is made on the disk: a size is a claim until the end was opened.
                with fetch_same(self._store, info, Span(tail=0)) as end:
                    stream_of(end, info, cipher, Span(tail=0))
            download = Download(
                store=self._store,
                info=replace(info, version_id=version_id or info.version_id),
                cipher=cipher,
                part_size=part_size,
                workers=workers or usual_workers(),
                rate=limit_rate,
                resume=resume,
                state=_state(state),
                begun=incoming,
            )
            download_file(download, path, progress)
            return info

    def _whole(
        self,
        begun: Incoming,
        info: ObjectInfo,
        cipher: Ctr | Sealed | None,
        progress: Progress | None,
    ) -> ObjectStream:
        """Return all of an object, from the answer that is at hand if it holds it."""
        layout = PLAIN if info.envelope is None else info.envelope.layout
        if holds(begun, layout, Span()):
            return stream_of(begun, info, cipher, Span(), progress)
        begun.close()  # the footer was cut off, or a part asked
        return stream_of(fetch_same(self._store, info, Span()), info, cipher, Span(), progress)

    def matches(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        version_id: str | None = None,
    ) -> bool:
        """Tell whether a file has the content of an object, without fetching the object.

        The file is encrypted with the object's own key, in memory, and the CRC-64 of that is
        compared with the store's. This finds changes, not attackers, who can make a CRC fit.

        Args:
            name: The object's name.
            path: A regular file.
            key: Use this key, whatever the object's description says or lacks.
            context: Format ``sealed``: the pairs that the object was written with.
            version_id: This version rather than the newest.

        Raises:
            SourceError: The file cannot be read.
            UsageError: The store keeps no CRC-64.
            And the errors of `get`.
        """
        local_path(path)
        reading = self._reading(name, key=key, context=context)
        fetch = fetch_from(self._store, name, None, version_id)
        stored = self._store.head(name, version_id=version_id)
        info, cipher = unlock(stored, reading, fetch)
        return same_content(path, stored, info, cipher, fetch)

    def _unsealing(
        self, name: str, context: Mapping[str, str]
    ) -> Callable[[Envelope], ContentCipher]:
        """Return what opens an envelope that this bucket sealed."""
        return partial(
            unseal,
            ring=self._ring,
            policy=Policy.of_format(self._format),
            binding=Binding(name, context),
        )

    def _recipe(self, recipients: Sequence[MasterKey], *, bind_name: bool) -> dict[str, object]:
        keys = (self._ring.writer(self._format), *self._recipients, *recipients)
        return {
            "format": self._format,
            "keys": [[key.id, dict(key.description)] for key in keys],
            "bind_name": bind_name,
        }

    def _plan(self, part_size: int | None, data_size: int) -> PartPlan:
        # A longer footer than is usual changes nothing but the very largest part.
        layout = sealed_layout(USUAL_FOOTER) if self._format == SEALED else PLAIN
        return PartPlan(data_size, part_size or good_part_size(data_size, layout), layout)


def _body(path: object) -> Path | BinaryIO:
    """Return what is to be uploaded as a path or a file object.

    Raises:
        UsageError: It is neither. Bytes are a path to some and content to others.
    """
    if not isinstance(path, os.PathLike) and hasattr(path, "read"):
        return cast("BinaryIO", path)
    return Path(local_path(path))


def _threshold(told: int | None) -> int:
    return THRESHOLD if told is None else max(told, 0)


def _large_file(path: Path, threshold: int | None) -> io.FileIO | None:
    """Open a regular file that is long enough for parts; None for all else."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # whoever writes to a pipe has one reader
            return None
        file = io.FileIO(os.fspath(path), "rb")
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # a zero byte
        raise SourceError(f"{str(path)!r} is no path") from error
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size > _threshold(threshold):
        return file
    file.close()
    return None


def _folder(told: str | os.PathLike[str] | None) -> Path:
    return state_folder() if told is None else Path(told)


def _state(told: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder of the journals; None where none can be kept."""
    try:
        return state_or_none(_folder(told))
    except (OSError, RuntimeError) as error:  # RuntimeError: this user has no home
        _log.warning("no journal can be kept (%s): what is interrupted will begin anew", error)
        return None


def _forget(leftovers: Callable[[Path], None], told: str | os.PathLike[str] | None) -> None:
    """Remove what an interrupted call left; it must not fail one that needs no journal.

    Args:
        leftovers: Removes it, of the folder that it is called with.
        told: The folder of the journals, if it was told.
    """
    try:
        leftovers(_folder(told))
    except Exception as error:  # noqa: BLE001  whatever it is, this transfer does not depend on it
        _log.warning("what an interrupted call may have left could not be removed (%s)", error)
