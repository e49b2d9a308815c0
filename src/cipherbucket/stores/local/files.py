"""The files of a directory store: bodies, the sidecars beside them, parts of uploads.

Rule: a body is written once, under a random id that no other body ever has, and never changed. The
sidecar beside it repeats what the index says of the object. What is written is synced before the
index speaks of it. Whoever writes either holds the marker of the id. An id becomes part of a path
only if it is one; see `folders` for what is opened.

::

    index.sqlite                    see index.py
    bodies/<2 hex>/<32 hex>         a body, 0600
    bodies/<2 hex>/<32 hex>.json    its sidecar
    staging/<32 hex>                a marker, see locks.py
    staging/reserve                 room for deleting on a full disk, see room.py
    uploads/<upload id>/<32 hex>    a part of an unfinished upload
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path

from cipherbucket.stores.bodies import Buffer
from cipherbucket.stores.local.folders import OddFileError, StoreFolder
from cipherbucket.stores.local.locks import ID, Markers
from cipherbucket.stores.local.rows import object_in_sidecar
from cipherbucket.stores.records import StoredObject

SIDECAR_VERSION = 1
MAX_SIDECAR = 1 << 20
"""Most bytes of a sidecar that are read."""
_SHARDS = tuple(f"{number:02x}" for number in range(256))
_CANNOT_LINK = {errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


class BodyFile:
    """A body that is open, read from a place of its own.

    A forked process shares that of the descriptor: where one of them reads, the other would skip.
    """

    def __init__(self, descriptor: int) -> None:
        self._file = FileIO(descriptor, "r")
        self._at = 0

    def seek(self, offset: int) -> None:
        """Read from here on."""
        self._at = offset

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of ``buffer`` and return how much; 0 at the end."""
        if hasattr(os, "preadv"):
            count = os.preadv(self._file.fileno(), [buffer], self._at)
        else:  # an old macOS
            data = os.pread(self._file.fileno(), len(buffer), self._at)
            count = len(data)
            buffer[:count] = data
        self._at += count
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Files:
    """The folders of one directory store.

    Args:
        root: The store's folder.
        owner: Whose it is, where that is a stranger: a body with a second name counts only if it
            is the owner's. Whoever can make a link to a file must not be able to have it read.
    """

    def __init__(self, root: Path | StoreFolder, owner: int | None = None) -> None:
        self.root = root if isinstance(root, StoreFolder) else StoreFolder(root)
        self.bodies = StoreFolder("bodies", self.root)
        self.staging = StoreFolder("staging", self.root)
        self.uploads = StoreFolder("uploads", self.root)
        self.markers = Markers(self.staging)
        self._owner = owner
        self._seen: set[str] = set()

    def close(self) -> None:
        """Close the descriptors. Bodies that are being read stay open."""
        for folder in (self.bodies, self.staging, self.uploads, self.root):
            folder.close()

    def create(self) -> None:
        """Make the folders that are missing, and make them last."""
        for folder in (self.bodies, self.staging, self.uploads):
            folder.create()
        for shard in _SHARDS:
            with contextlib.suppress(FileExistsError):
                os.mkdir(shard, 0o700, dir_fd=self.bodies.fd)
        self.bodies.sync()

    def has_all_folders(self) -> bool:
        """Say whether all folders are there; copying tools leave out empty ones.

        Raises:
            OddFileError: One is no folder.
        """
        try:
            for folder in (self.staging, self.uploads):
                folder.fd  # noqa: B018  opens it
        except FileNotFoundError:
            return False
        return len(self.bodies.names()) >= len(_SHARDS)

    def bodies_present(self) -> Iterator[str]:
        """Find the ids that have a body or a sidecar, in no order; each may come twice."""
        for shard in _SHARDS:
            try:
                with self.bodies.folder(shard) as folder:
                    names = folder.names()
            except (FileNotFoundError, OddFileError):
                continue
            for name in names:
                etag = name.removesuffix(".json")
                if ID.fullmatch(etag) and etag.startswith(shard):
                    yield etag

    def shard(self, etag: str) -> StoreFolder:
        """Return the folder that a body and its sidecar lie in. Close it."""
        return self.bodies.folder(_checked(etag)[:2])

    def body(self, etag: str) -> str:
        """Return the path of a body, to show it."""
        return f"{self.bodies.path}/{etag[:2]}/{etag}"

    def sidecar(self, etag: str) -> str:
        """Return the path of the file beside a body, to show it."""
        return f"{self.body(etag)}.json"

    def create_parts(self, upload_id: str) -> None:
        """Make the folder of an upload's parts and make it last."""
        os.mkdir(_checked(upload_id), 0o700, dir_fd=self.uploads.fd)
        self.uploads.sync()

    def parts(self, upload_id: str) -> StoreFolder:
        """Return the folder of an upload's parts. Close it."""
        return self.uploads.folder(_checked(upload_id))

    def open_body(self, etag: str) -> BodyFile:
        """Open a body without any buffer between the file and the reader's.

        Raises:
            FileNotFoundError: It has been removed.
            OddFileError: It is no regular file, or it may be somebody else's file.
        """
        shard_name = _checked(etag)[:2]
        if shard_name in self._seen:
            return BodyFile(self.bodies.open_file(f"{shard_name}/{etag}"))
        with self.shard(etag) as shard:
            fd = shard.open_file(etag)
        if self._owner is None:
            self._seen.add(shard_name)  # a folder, and nobody else can put a link in its place
        else:
            status = os.fstat(fd)
            if status.st_nlink > 1 and status.st_uid != self._owner:
                os.close(fd)
                raise OddFileError(self.body(etag), "file of the store's owner alone")
        return BodyFile(fd)

    def body_size(self, etag: str) -> int | None:
        """Return how long a body is, or None where there is none."""
        try:
            with self.shard(etag) as shard:
                status = shard.status(etag)
        except (FileNotFoundError, OddFileError):
            return None
        return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else None

    def save_body(self, etag: str, blocks: Iterable[Buffer]) -> None:
        """Write a body and make its bytes last; its name lasts with its sidecar."""
        with self.shard(etag) as shard:
            shard.write_file(etag, blocks)

    def link_body(self, etag: str, new: str) -> None:
        """Give a body a second id; bodies never change, so the two may share their bytes.

        Raises:
            FileNotFoundError: It has been removed.
            OddFileError: It is no regular file.
        """
        with self.shard(etag) as shard, self.shard(new) as target:
            os.close(shard.open_file(etag))  # a link is not given a second name
            try:
                shard.link(etag, target, new)
            except OSError as error:
                if error.errno not in _CANNOT_LINK:  # no links here, or no more for this file
                    raise
                target.join_files(new, shard, [etag])

    def join_parts(self, upload_id: str, parts: Iterable[str], new: str) -> int:
        """Write a body of parts, and return its size in bytes.

        Raises:
            FileNotFoundError: The upload or one of them has been removed.
        """
        with self.parts(upload_id) as folder, self.shard(new) as shard:
            return shard.join_files(new, folder, map(_checked, parts))

    def save_sidecar(self, stored: StoredObject, *, replace: bool = False) -> None:
        """Write the file beside a body and make it, and the names in the folder, last.

        Args:
            stored: What it shall say.
            replace: There is one already: replace it in one step.
        """
        name = f"{stored.etag}.json"
        with self.shard(stored.etag) as shard:
            if replace:
                shard.unlink(f"{name}.new")  # of a process that died
                shard.write_file(f"{name}.new", (_sidecar_text(stored),))
                shard.rename(f"{name}.new", name)
            else:
                shard.write_file(name, (_sidecar_text(stored),))
            shard.sync()

    def load_sidecar(self, etag: str) -> StoredObject:
        """Read the file beside a body.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It cannot be understood, or is no regular file.
        """
        with self.shard(etag) as shard:
            try:
                text = shard.read_file(f"{etag}.json", MAX_SIDECAR)
            except OddFileError as error:
                raise ValueError(str(error)) from error
        return _parse_sidecar(text, etag)

    def remove_unfinished_sidecar(self, etag: str) -> None:
        """Remove what a process left that died replacing a sidecar."""
        with self.shard(etag) as shard:
            shard.unlink(f"{etag}.json.new")

    def remove(self, etag: str) -> None:
        """Remove a body and what lies beside it, as far as it is there.

        The body goes first: a sidecar alone brings nothing back to life.
        """
        with contextlib.suppress(FileNotFoundError), self.shard(etag) as shard:
            for name in (etag, f"{etag}.json.new", f"{etag}.json"):
                shard.unlink(name)

    def part_folders(self) -> set[str]:
        """List the uploads that have a folder."""
        return {name for name in self.uploads.names() if ID.fullmatch(name)}

    def save_part(self, upload_id: str, etag: str, blocks: Iterable[Buffer]) -> None:
        """Write a part and make it last.

        Raises:
            FileNotFoundError: The upload has been removed.
        """
        with self.parts(upload_id) as folder:
            folder.write_file(_checked(etag), blocks)
            folder.sync()

    def remove_part(self, upload_id: str, etag: str) -> None:
        """Remove a part; where that fails, it goes with the upload's folder."""
        with contextlib.suppress(OSError), self.parts(upload_id) as folder:
            folder.unlink(_checked(etag))

    def remove_parts(self, upload_id: str) -> None:
        """Remove the parts of an upload that has ended."""
        self.uploads.remove(_checked(upload_id))


def _checked(id_: str) -> str:
    """Return what becomes part of a path, if it is an id."""
    if not ID.fullmatch(id_):
        raise ValueError(f"{id_!r} is no id")
    return id_


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
            "headers": stored.all_headers,
        },
        indent=1,
    ).encode()


def _parse_sidecar(text: bytes, etag: str) -> StoredObject:
    try:
        held = json.loads(text)
        if held["version"] != SIDECAR_VERSION or held["etag"] != etag:
            raise ValueError("it is of another version or of another body")
        return object_in_sidecar(held)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a sidecar: {error!r}") from error
