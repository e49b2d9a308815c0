"""Files to objects and back: in one request, or above 16 MiB in parts, several at once.

Rule: small files take one request; large ones go in parts, and what an interrupted call has done is
not done again. How many bytes are in memory does not depend on how long a file is.
"""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, cast

from cipherbucket.envelopes.access import Access
from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.unseal import unseal
from cipherbucket.errors import SourceError, UsageError, named
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.envelope import layout_of
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.format.sealed import Binding, Sealed
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.local_files.folders import Place, open_file
from cipherbucket.local_files.paths import local_path
from cipherbucket.reading.decryption import holds
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import ObjectStream, fetch_same, stream_of, unlocked
from cipherbucket.reading.unlock import Reading, fetch_from
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Incoming
from cipherbucket.transfers.download import Download, download_file, forget_download
from cipherbucket.transfers.state import state_folder, state_or_none
from cipherbucket.transfers.target_file import Target, save
from cipherbucket.transfers.upload import forget_upload, upload_file
from cipherbucket.transfers.upload_session import Upload
from cipherbucket.workers.progress import Progress
from cipherbucket.workers.rate_limit import RateLimit, check_speed
from cipherbucket.workers.threads import usual_workers
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.multipart import part_plan
from cipherbucket.writing.put import store_source
from cipherbucket.writing.source import Source

_log = logging.getLogger("cipherbucket")

THRESHOLD = 16 << 20
"""Files of more bytes are transferred in parts."""
LARGE_CLAIM = 1 << 30
"""Above this the end of a sealed object is opened before its size is believed."""


@dataclass(frozen=True)
class TransferOptions:
    """How a file is transferred; see `Bucket.upload`.

    Attributes:
        part_size: Bytes of plaintext in a part; None for the usual.
        workers: Parts at once, 1 or more; None for the usual.
        limit_rate: Most bytes a second, 1 or more; None for no limit.
        threshold: Files of more bytes go in parts; None for `THRESHOLD`.
        state: Folder of the journals; None for the user's.
        resume: Go on with what an earlier call began.
        progress: Called with (bytes done, bytes in all).

    Raises:
        UsageError: A number that is too small, or the folder is no path.
    """

    part_size: int | None = None
    workers: int | None = None
    limit_rate: float | None = None
    threshold: int | None = None
    state: str | os.PathLike[str] | None = None
    resume: bool = True
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if self.state is not None:
            local_path(self.state)
        check_speed(self.workers, self.limit_rate)
        if self.part_size is not None and self.part_size < 1:
            raise UsageError(
                f"a part of {self.part_size} bytes holds nothing", hint="None takes the usual size"
            )

    @property
    def most_in_one_request(self) -> int:
        """How many bytes go in one request at most."""
        return THRESHOLD if self.threshold is None else max(self.threshold, 0)


def upload(
    access: Access,
    path: str | os.PathLike[str] | BinaryIO | IO[bytes],
    to: Destination,
    options: TransferOptions,
    recipients: Sequence[MasterKey],
    context: Mapping[str, str],
    bind_name: bool,
) -> ObjectInfo:
    """Encrypt a file and store it; see `Bucket.upload`."""
    body = _body(path)
    sealing = access.sealing(to.name, recipients, context, bind_name=bind_name)
    with named(to.name):
        local = body if isinstance(body, Path | Place) else None
        file = _large_file(local, options) if local is not None else None
        if file is None:
            if local is not None:
                forget = partial(forget_upload, access.store, to.name, Path(local))
                _forget(forget, options.state)
            rate_limit = RateLimit(options.limit_rate)
            with Source(body, progress=options.progress, rate_limit=rate_limit) as source:
                stored = store_source(to, source, sealing, streamed=access.format == SEALED)
            return ObjectInfo.of(stored)
        task = Upload(
            to=to,
            seal=sealing,
            unseal=partial(
                unseal,
                ring=access.ring,
                policy=Policy([access.format], unbound_names=not bind_name),
                binding=Binding(to.name, context),
            ),
            readable=getattr(access.ring.writer(access.format), "can_unwrap", True),
            plan=partial(part_plan, access.format, options.part_size, to.store),
            recipe=_recipe(access, recipients, bind_name=bind_name),
            workers=options.workers or usual_workers(),
            rate=options.limit_rate,
            resume=options.resume,
            state=state_or_none(_folder(options.state)),
        )
        with file:
            stored = upload_file(task, Path(file.name), file.fileno(), options.progress)
            return ObjectInfo.of(stored)


def download(
    access: Access,
    reading: Reading,
    path: str | os.PathLike[str],
    options: TransferOptions,
    version_id: str | None,
    mode: int | None,
) -> ObjectInfo:
    """Fetch an object, decrypt it and write it to a file; see `Bucket.download`."""
    with Target(path, mode) as target:
        return _download(access, reading, target, options, version_id)


def _download(
    access: Access,
    reading: Reading,
    target: Target,
    options: TransferOptions,
    version_id: str | None,
) -> ObjectInfo:
    store, name = access.store, reading.name
    fetch = fetch_from(store, name, None, version_id)
    # As much as a range has: all of a small object, and of a large one what is needed first.
    first = Span(length=options.part_size or THRESHOLD)
    incoming, info, cipher = unlocked(fetch, first, reading)
    with incoming, named(name):
        if info.size <= options.most_in_one_request or reading.footer_recipients:
            with _whole(store, incoming, info, cipher, options.progress) as stream:
                save(stream, target, RateLimit(options.limit_rate))
            _forget(partial(forget_download, store, target), options.state)
            return info
        if isinstance(cipher, Sealed) and info.size > LARGE_CLAIM:
            # Before room is made on the disk: a size is a claim until the end was opened.
            with fetch_same(store, info, Span(tail=0)) as end:
                stream_of(end, info, cipher, Span(tail=0))
        task = Download(
            store=store,
            info=replace(info, version_id=version_id or info.version_id),
            cipher=cipher,
            part_size=options.part_size,
            workers=options.workers or usual_workers(),
            rate=options.limit_rate,
            resume=options.resume,
            state=state_or_none(_folder(options.state)),
            begun=incoming,
        )
        download_file(task, target, options.progress)
        return info


def _whole(
    store: Store,
    begun: Incoming,
    info: ObjectInfo,
    cipher: Ctr | Sealed | None,
    progress: Progress | None,
) -> ObjectStream:
    """Return all of an object, from the answer that came already if it holds it."""
    if holds(begun, layout_of(info.envelope), Span()):
        return stream_of(begun, info, cipher, Span(), progress)
    begun.close()  # the footer was cut off, or a part asked
    return stream_of(fetch_same(store, info, Span()), info, cipher, Span(), progress)


def _recipe(
    access: Access, recipients: Sequence[MasterKey], *, bind_name: bool
) -> dict[str, object]:
    """Return what makes an upload another one: an interrupted one is resumed only by the same."""
    keys = (access.ring.writer(access.format), *access.recipients, *recipients)
    return {
        "format": access.format,
        "keys": [[key.id, dict(key.description)] for key in keys],
        "bind_name": bind_name,
    }


def _body(path: object) -> Path | Place | BinaryIO:
    """Return what is to be uploaded, as a path or a file object.

    Raises:
        UsageError: It is neither. Bytes are a path to some and content to others.
    """
    if not isinstance(path, os.PathLike) and hasattr(path, "read"):
        return cast("BinaryIO", path)
    return path if isinstance(path, Place) else Path(local_path(path))


def _large_file(path: Path | Place, options: TransferOptions) -> io.FileIO | None:
    """Open a regular file that is long enough for parts; None for all else."""
    try:
        if isinstance(path, Path) and not stat.S_ISREG(path.stat().st_mode):
            return None  # whoever writes to a pipe has one reader
        file = open_file(path)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size > options.most_in_one_request:
        return file
    file.close()
    return None


def _folder(state: str | os.PathLike[str] | None) -> Path:
    return state_folder() if state is None else Path(state)


def _forget(leftovers: Callable[[Path], None], state: str | os.PathLike[str] | None) -> None:
    """Remove what an interrupted call left; it must not fail one that needs no journal.

    Args:
        leftovers: Removes it, of the folder that it is called with.
        state: The folder of the journals, if one was given.
    """
    try:
        leftovers(_folder(state))
    except Exception as error:  # noqa: BLE001  whatever it is, this transfer does not depend on it
        _log.warning("what an interrupted call may have left could not be removed (%s)", error)
