"""A directory on one host as a store, without a server: for real data, tests and examples.

Rule: `index.sqlite` says what there is; bodies are immutable files. A put writes and syncs a body
and its sidecar under a new id, then moves the name to it in one transaction, so that whoever
looks finds the old object or the new one, whole, whatever process dies when. The body that no
name has any more is noted in that same transaction and removed after it; a reader that has it
open keeps it. The bytes of a replacement of metadata are those of the sidecar and the row alone.
Several processes of one host may use a store at once; network file systems lack the locks.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from cipherbucket.errors import (
    CipherbucketError,
    ObjectNotFoundError,
    StoreError,
    TransientStoreError,
    UsageError,
)
from cipherbucket.format.span import Span
from cipherbucket.local_files.paths import local_path
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Opened, Outgoing
from cipherbucket.stores.checks import check_match, check_parts, check_unversioned, clip
from cipherbucket.stores.listing import list_page
from cipherbucket.stores.local.files import Files
from cipherbucket.stores.local.folders import OddFileError, StoreFolder
from cipherbucket.stores.local.index import BUSY_SECONDS, Index, index_error
from cipherbucket.stores.local.locks import Marker, lock_store
from cipherbucket.stores.local.recovery import (
    Sweeper,
    check_not_lost,
    create_store,
    is_store,
    settle,
)
from cipherbucket.stores.local.room import keep_reserve, lacks_room, with_reserve
from cipherbucket.stores.local.rows import BadRowError
from cipherbucket.stores.local.snapshot import connect_to_read
from cipherbucket.stores.local.tables import (
    REPAIR_HINT,
    find_object,
    remove_object,
    save_object,
    scan_objects,
)
from cipherbucket.stores.local.trust import ReadOnly, reason_to_only_read
from cipherbucket.stores.local.uploads import Uploads, find_upload
from cipherbucket.stores.records import Page, Part, StoredObject, Upload
from cipherbucket.stores.requests import Condition, Copy, MetadataChange, NewObject

T = TypeVar("T")

_RETRY_SECONDS = 0.002


class LocalStore(Store):
    """A store in a folder.

    Opening it finishes or undoes what processes that died have left. A store that somebody else
    could have made, or that cannot be written, is only read: nothing in it is changed then, and
    every verb that writes is refused.

    Args:
        path: The folder.
        create: Make a store there if there is none; the folder must be new or empty.
        trusted: Write it even if others than this user and root can write there, or own it.

    Raises:
        UsageError: There is no store, or the folder holds other things, or lies inside a store.
        StoreError: The store is damaged, of an unknown version, or being repaired; or there is
            none and others can write there.
    """

    is_store = staticmethod(is_store)

    def __init__(
        self, path: str | os.PathLike[str], *, create: bool = False, trusted: bool = False
    ) -> None:
        self._root = Path(local_path(path)).absolute()
        with self.errors_translated(None):
            if not is_store(self._root):
                if not create:
                    check_not_lost(self._root)
                    raise UsageError(
                        f"there is no directory store at {self.url}",
                        hint=f"make one with: cipherbucket mb {self.url}",
                    )
                create_store(self._root, trusted=trusted)
            root = StoreFolder(self._root)
            self._only_read = reason_to_only_read(root, trusted=trusted)
            strange = self._only_read is not None and self._only_read.stranger
            self._files = Files(root, owner=os.fstat(root.fd).st_uid if strange else None)
            try:
                if self._only_read is None:
                    self._open_to_write(root)
                else:
                    self._open_index(Index(root, connect_to_read))
            except BaseException:
                self.close()
                raise

    def _open_to_write(self, root: StoreFolder) -> None:
        lock_store(root, alone=False)
        staging = self._files.staging
        try:
            self._open_index(with_reserve(lambda: Index(root), staging))  # refuses what is not ours
        except (sqlite3.Error, OSError) as error:
            if not lacks_room(error, root):
                raise
            self._only_read = ReadOnly(
                "the disk is full", "make room and try again", stranger=False
            )
            self._open_index(Index(root, connect_to_read))
            return
        try:
            if not self._files.has_all_folders():
                self._files.create()
            self._sweeper.recover()
            self._uploads.sweep()
            keep_reserve(staging)
        except (sqlite3.Error, OSError) as error:
            if not lacks_room(error, root):  # else the next opening sees to it
                raise

    def _open_index(self, index: Index) -> None:
        self._index = index
        self._uploads = Uploads(index, self._files)
        self._sweeper = Sweeper(index, self._files)

    @property
    def url(self) -> str:
        """``file:///absolute/path``, nothing escaped."""
        return f"file://{self._root}"

    def close(self) -> None:
        """Close the index. Bodies that are being read stay open."""
        if hasattr(self, "_index"):
            self._index.close()
        self._files.close()

    def translate(self, error: Exception, name: str | None) -> CipherbucketError | None:
        """Say what SQLite and the file system mean."""
        if isinstance(error, sqlite3.Error):
            return index_error(error, self.url, name)
        if isinstance(error, BadRowError):
            return StoreError(
                f"{self.url}: the index says what cannot be: {error.what}",
                name=name or error.name,
                hint=REPAIR_HINT + self.url,
            )
        translated = super().translate(error, name)
        if translated is not None and isinstance(error, OSError):
            if isinstance(error, OddFileError):
                translated.hint = "cipherbucket made no such thing: find out who did, or remove it"
            elif error.errno in {errno.ENOSPC, errno.EDQUOT}:
                translated.hint = "the disk is full; make room and try again"
            elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
                return StoreError(
                    f"{self.url}: {error.strerror}: {error.filename or 'a file in it'}",
                    name=name,
                    hint="the store's folder and all in it must be readable, and writable to write",
                )
        return translated

    def check_writable(self, name: str | None = None) -> None:
        """Refuse to write a store that is only read, before anything is sent.

        Raises:
            StoreError: It is.
        """
        if self._only_read is not None:
            raise self._only_read.error(self.url, name)

    def _put(self, new: NewObject, body: Outgoing, condition: Condition) -> StoredObject:
        self.check_writable(new.name)
        if condition:  # what cannot succeed is not written first
            condition.check(self._index.find(new.name), new.name)
        with self._new_body() as etag:
            self._files.save_body(etag, body)
            stored = new.stored(size=body.sent, etag=etag, crc64=body.crc64)
            old = self._publish(stored, condition)
        self._sweeper.discard(old)
        return stored

    def _get(self, name: str, span: Span, if_match: str | None, version_id: str | None) -> Opened:
        check_unversioned(version_id, name)

        def opened(stored: StoredObject) -> Opened:
            check_match(stored, if_match, name)
            first, stop = clip(name, stored.size, span)
            raw = self._files.open_body(stored.etag)
            raw.seek(first)
            return stored, first, stop, raw

        return self._with_body(name, opened)

    def _head(self, name: str, version_id: str | None) -> StoredObject:
        check_unversioned(version_id, name)
        return _there(self._index.find(name), name)

    def _list(
        self, prefix: str, delimiter: str, token: str | None, limit: int, start_after: str
    ) -> Page:
        with self._index.reading() as db:
            scan = partial(scan_objects, db)
            return list_page(scan, prefix, delimiter, token, limit, start_after)

    def _delete(self, name: str, version_id: str | None) -> None:
        check_unversioned(version_id, name)
        self.check_writable(name)
        if self._index.find(name) is None:
            return

        def remove() -> str | None:
            with self._index.writing() as db:
                return remove_object(db, name)

        self._sweeper.discard(with_reserve(remove, self._files.staging))

    def _copy(self, copy: Copy) -> StoredObject:
        check_unversioned(copy.version_id, copy.source)
        self.check_writable(copy.target)
        condition = Condition(copy.if_absent)

        def copied(found: StoredObject) -> StoredObject:
            condition.check(self._index.find(copy.target), copy.target)
            with self._new_body() as etag:
                self._files.link_body(found.etag, etag)
                stored = copy.copied(found, etag)
                old = self._publish(stored, condition)
            self._sweeper.discard(old)
            return stored

        return self._with_body(copy.source, copied)

    def _replace_metadata(self, change: MetadataChange) -> StoredObject:
        self.check_writable(change.name)
        give_up = time.monotonic() + BUSY_SECONDS
        while time.monotonic() < give_up:
            found = _there(self._index.find(change.name), change.name)
            marker = self._files.markers.take(found.etag)
            if marker is None:  # who put this body is about to remove it, or another replaces
                time.sleep(_RETRY_SECONDS)
                continue
            with self._settled(marker), self._index.writing() as db:
                before = _there(find_object(db, change.name), change.name)
                stored = change.applied_to(before)
                if before.etag != found.etag:  # another body, another marker
                    continue
                self._files.save_sidecar(stored, replace=True)
                save_object(db, stored)
            return stored
        raise TransientStoreError("another process keeps this object marked", name=change.name)

    def _begin_upload(self, new: NewObject) -> str:
        self.check_writable(new.name)
        return self._uploads.begin(new)

    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
        self.check_writable(name)
        return self._uploads.save_part(name, upload_id, number, body)

    def _list_parts(self, name: str, upload_id: str) -> Sequence[Part]:
        return list(self._uploads.find(name, upload_id).parts.values())

    def _upload_metadata(self, name: str, upload_id: str) -> Mapping[str, str]:
        return self._uploads.find(name, upload_id).new.metadata

    def _complete_upload(
        self, name: str, upload_id: str, parts: Sequence[Part], condition: Condition
    ) -> StoredObject:
        self.check_writable(name)
        upload = self._uploads.find(name, upload_id)
        check_parts(upload.parts, parts, name)
        condition.check(self._index.find(name), name)
        with self._new_body() as etag:
            size, crc64 = self._uploads.join(name, upload_id, parts, etag)
            stored = upload.new.stored(size=size, etag=etag, crc64=crc64)

            def end_upload(db: sqlite3.Connection) -> None:
                check_parts(find_upload(db, name, upload_id).parts, parts, name)
                self._uploads.end(db, upload_id)

            old = self._publish(stored, condition, end_upload)
        self._files.remove_parts(upload_id)
        self._sweeper.discard(old)
        return stored

    def _abort_upload(self, name: str, upload_id: str) -> None:
        self.check_writable(name)
        with_reserve(lambda: self._uploads.abort(name, upload_id), self._files.staging)

    def _list_uploads(self, prefix: str) -> Sequence[Upload]:
        return self._uploads.listed(prefix)

    @contextmanager
    def _new_body(self) -> Iterator[str]:
        """Give the id for a body to be made; what did not come into the index is undone."""
        marker = self._files.markers.take_new()
        with self._settled(marker):
            yield marker.etag

    @contextmanager
    def _settled(self, marker: Marker) -> Iterator[None]:
        """Hold a marker; after a failure make the files what the index says, then remove it.

        Whoever holds a marker may wait for the index; nobody waits for a marker with the index
        locked.
        """
        with marker:
            try:
                yield
            except BaseException:
                # An interrupt may have come right after the commit: ask the index. Where that
                # fails too the marker stays, and the next opening sees to it.
                with suppress(sqlite3.Error, OSError, CipherbucketError):
                    with self._index.reading() as db:
                        settle(db, self._files, marker.etag)
                    marker.drop()
                raise
            marker.drop()

    def _publish(
        self,
        stored: StoredObject,
        condition: Condition,
        also: Callable[[sqlite3.Connection], None] | None = None,
    ) -> str | None:
        """Give a new body its sidecar and its name, and return the body that it replaces."""
        self._files.save_sidecar(stored)
        with self._index.writing() as db:
            if also is not None:
                also(db)
            if condition:
                condition.check(find_object(db, stored.name), stored.name)
            return save_object(db, stored)

    def _with_body(self, name: str, use: Callable[[StoredObject], T]) -> T:
        """Look up an object and use its body; again if it was replaced in between."""
        missing = None
        while True:
            stored = _there(self._index.find(name), name)
            try:
                return use(stored)
            except FileNotFoundError as error:
                if isinstance(error, CipherbucketError):
                    raise
                if stored.etag == missing:  # nobody replaced it: the file is really gone
                    raise StoreError(
                        f"{self.url}: the file of this object's body is missing",
                        name=name,
                        hint="restore the store's folder from a copy, or delete the object",
                    ) from error
                missing = stored.etag
                self._index.refresh()


def _there(stored: StoredObject | None, name: str) -> StoredObject:
    if stored is None:
        raise ObjectNotFoundError("there is no such object", name=name)
    return stored
