"""The files of a directory store: bodies, the sidecars beside them, parts of uploads.

Rule: a body is written once, under a random id that no other body ever has, and never changed. The
sidecar beside it repeats what the index says of the object. What is written is synced before the
index speaks of it. Whoever writes either holds the marker of the id.

::

    index.sqlite                    see index.py
    bodies/<2 hex>/<32 hex>         a body, 0600
    bodies/<2 hex>/<32 hex>.json    its sidecar
    staging/<32 hex>                a marker, see locks.py
    uploads/<upload id>/<32 hex>    a part of an unfinished upload
"""

# Path objects would cost more than the system calls that they wrap:
# ruff: noqa: PTH102, PTH104, PTH108, PTH118, PTH123, PTH208

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from types import MappingProxyType

from cipherbucket.stores.bodies import Buffer
from cipherbucket.stores.checks import check_metadata, check_name
from cipherbucket.stores.local.locks import ID, Markers
from cipherbucket.stores.records import StoredObject

SIDECAR_VERSION = 1
_SHARDS = tuple(f"{number:02x}" for number in range(256))
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_COPY_BLOCK = 1 << 20
_CANNOT_LINK = {errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
_CANNOT_COPY_INSIDE = {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM}


class Files:
    """The folders of one directory store."""

    def __init__(self, root: Path) -> None:
        self.bodies = os.path.join(root, "bodies")
        self.markers = Markers(os.path.join(root, "staging"))
        self.uploads = os.path.join(root, "uploads")

    def create(self) -> None:
        """Make the folders that are missing, and make them last."""
        for folder in (self.bodies, self.markers.folder, self.uploads):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)
        for shard in _SHARDS:
            with contextlib.suppress(FileExistsError):
                os.mkdir(os.path.join(self.bodies, shard), 0o700)
        sync_folder(self.bodies)

    def complete(self) -> bool:
        """Say whether all folders are there; copying tools leave out empty ones."""
        folders = (self.bodies, self.markers.folder, self.uploads)
        return all(map(os.path.isdir, folders)) and len(os.listdir(self.bodies)) >= len(_SHARDS)

    def bodies_present(self) -> Iterator[str]:
        """Find the ids that have a body or a sidecar, in no order; each may come twice."""
        for shard in _SHARDS:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                for name in os.listdir(os.path.join(self.bodies, shard)):
                    etag = name.removesuffix(".json")
                    if ID.fullmatch(etag) and etag.startswith(shard):
                        yield etag

    def shard(self, etag: str) -> str:
        """Return the folder that a body and its sidecar lie in."""
        return f"{self.bodies}/{etag[:2]}"

    def body(self, etag: str) -> str:
        """Return the path of a body."""
        return f"{self.bodies}/{etag[:2]}/{etag}"

    def sidecar(self, etag: str) -> str:
        """Return the path of the file beside a body."""
        return f"{self.bodies}/{etag[:2]}/{etag}.json"

    def create_parts(self, upload_id: str) -> None:
        """Make the folder of an upload's parts and make it last."""
        os.mkdir(self.parts(upload_id), 0o700)
        sync_folder(self.uploads)

    def parts(self, upload_id: str) -> str:
        """Return the folder of an upload's parts."""
        return f"{self.uploads}/{upload_id}"

    def part(self, upload_id: str, etag: str) -> str:
        """Return the path of a part."""
        return f"{self.uploads}/{upload_id}/{etag}"

    def open_body(self, etag: str) -> FileIO:
        """Open a body without any buffer between the file and the reader's.

        Raises:
            FileNotFoundError: It has been removed.
        """
        return FileIO(self.body(etag), "r")

    def save_body(self, etag: str, blocks: Iterable[Buffer]) -> None:
        """Write a body and make its bytes last; its name lasts with its sidecar."""
        write_file(self.body(etag), blocks)

    def link_body(self, etag: str, new: str) -> None:
        """Give a body a second id; bodies never change, so the two may share their bytes.

        Raises:
            FileNotFoundError: It has been removed.
        """
        try:
            os.link(self.body(etag), self.body(new))
        except OSError as error:
            if error.errno not in _CANNOT_LINK:  # no links here, or no more for this file
                raise
            join_files(self.body(new), [self.body(etag)])

    def save_sidecar(self, stored: StoredObject, *, replace: bool = False) -> None:
        """Write the file beside a body and make it, and the names in the folder, last.

        Args:
            stored: What it shall say.
            replace: There is one already: replace it in one step.
        """
        path = self.sidecar(stored.etag)
        if replace:
            self.remove_unfinished_sidecar(stored.etag)  # of a process that died
            write_file(f"{path}.new", (_sidecar_text(stored),))
            os.rename(f"{path}.new", path)
        else:
            write_file(path, (_sidecar_text(stored),))
        sync_folder(self.shard(stored.etag))

    def load_sidecar(self, etag: str) -> StoredObject:
        """Read the file beside a body.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It cannot be understood.
        """
        with open(self.sidecar(etag), "rb") as file:
            return _parse_sidecar(file.read(), etag)

    def remove_unfinished_sidecar(self, etag: str) -> None:
        """Remove what a process left that died replacing a sidecar."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.sidecar(etag)}.new")

    def remove(self, etag: str) -> None:
        """Remove a body and what lies beside it, as far as it is there.

        The body goes first: a sidecar alone brings nothing back to life.
        """
        for path in (self.body(etag), f"{self.sidecar(etag)}.new", self.sidecar(etag)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def part_folders(self) -> set[str]:
        """List the uploads that have a folder."""
        return set(os.listdir(self.uploads))

    def remove_part(self, upload_id: str, etag: str) -> None:
        """Remove a part; where that fails, it goes with the upload's folder."""
        with contextlib.suppress(OSError):
            os.unlink(self.part(upload_id, etag))

    def remove_parts(self, upload_id: str) -> None:
        """Remove the parts of an upload that has ended."""
        shutil.rmtree(self.parts(upload_id), ignore_errors=True)


def write_file(path: str, blocks: Iterable[Buffer]) -> None:
    """Write a file that is not there yet and make it last; block by block as they come.

    Raises:
        FileExistsError: It is there.
    """
    fd = os.open(path, _NEW_FILE, 0o600)
    try:
        for block in blocks:
            written = os.write(fd, block)
            while written < len(block):  # a full disk, or more than the 2 GiB of one call
                written += os.write(fd, memoryview(block)[written:])
        sync(fd)
    finally:
        os.close(fd)


def join_files(path: str, pieces: Iterable[str]) -> int:
    """Write a file of the bytes of others, end to end, inside the kernel where it can.

    Returns:
        Its size in bytes.

    Raises:
        FileNotFoundError: One of them is not there.
    """
    fd = os.open(path, _NEW_FILE, 0o600)
    try:
        for piece in pieces:
            source = os.open(piece, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _append(fd, source)
            finally:
                os.close(source)
        sync(fd)
        return os.fstat(fd).st_size
    finally:
        os.close(fd)


def sync(fd: int) -> None:
    """Return when the file is on the disk."""
    if sys.platform == "darwin":  # fsync there leaves the bytes in the drive's cache
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def sync_folder(path: str | Path) -> None:
    """Return when the names in a folder are on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(fd)
    finally:
        os.close(fd)


def _append(target: int, source: int) -> None:
    if sys.platform == "linux":
        try:
            while os.copy_file_range(source, target, 1 << 30):
                pass
        except OSError as error:
            if error.errno not in _CANNOT_COPY_INSIDE:
                raise
        else:
            return
    buffer = memoryview(bytearray(_COPY_BLOCK))  # both files stand where the kernel stopped
    while count := os.readv(source, [buffer]):
        written = 0
        while written < count:
            written += os.write(target, buffer[written:count])


def _sidecar_text(stored: StoredObject) -> bytes:
    return json.dumps(
        {
            "version": SIDECAR_VERSION,
            "etag": stored.etag,
            "name": stored.name,
            "size": stored.size,
            "crc64": f"{stored.crc64 or 0:016x}",
            "modified": stored.modified.isoformat(timespec="microseconds"),
            "metadata": dict(stored.metadata),
            "headers": dict(stored.headers),
        },
        indent=1,
    ).encode()


def _parse_sidecar(text: bytes, etag: str) -> StoredObject:
    try:
        held = json.loads(text)
        if held["version"] != SIDECAR_VERSION or held["etag"] != etag:
            raise ValueError("it is of another version or of another body")
        stored = StoredObject(
            name=held["name"],
            size=held["size"],
            etag=etag,
            modified=datetime.fromisoformat(held["modified"]).astimezone(UTC),
            crc64=int(held["crc64"], 16),
            metadata=MappingProxyType(dict(held["metadata"])),
            headers=MappingProxyType(dict(held["headers"])),
        )
        check_name(stored.name)
        check_metadata(stored.metadata, stored.headers, stored.name)
        if type(stored.size) is not int or stored.size < 0:
            raise ValueError("its size is no size")
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a sidecar: {error!r}") from error
    return stored
