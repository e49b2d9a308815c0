"""Unfinished multipart uploads of a directory store.

Rule: a part is an immutable file under a random id, its ETag; a part that is uploaded again is
another file, and the table says which one counts. Ending an upload, by completion or abortion, is
one transaction that strikes out its rows; its folder is removed after that, by whoever gets there
first. A part that arrives too late finds no row, or no folder, and leaves nothing.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cipherbucket.errors import CipherbucketError, IntegrityError, UploadNotFoundError
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.checks import check_parts
from cipherbucket.stores.local.files import Files
from cipherbucket.stores.local.index import Index
from cipherbucket.stores.local.locks import ID
from cipherbucket.stores.local.rows import (
    ascending,
    id_of_row,
    metadata_of_upload,
    part_of_row,
    upload_of_row,
)
from cipherbucket.stores.records import Part, Upload, crc64_of_parts
from cipherbucket.stores.requests import NewObject


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An upload as the index holds it: the object it will make, and the parts so far."""

    new: NewObject
    parts: Mapping[int, Part]


class Uploads:
    """The unfinished uploads of one directory store."""

    def __init__(self, index: Index, files: Files) -> None:
        self._index = index
        self._files = files

    def begin(self, new: NewObject) -> str:
        """Begin an upload and return its id."""
        upload_id = secrets.token_hex(16)
        started = datetime.now(UTC).isoformat(timespec="microseconds")
        # The folder is made inside the transaction: sweeping, a writer too, cannot take it away.
        with self._index.writing() as db:
            self._files.create_parts(upload_id)
            db.execute(
                "INSERT INTO uploads (id, name, started, metadata, headers) VALUES (?, ?, ?, ?, ?)",
                (
                    upload_id,
                    new.name.encode(),
                    started,
                    json.dumps(new.metadata),
                    json.dumps(new.headers),
                ),
            )
        return upload_id

    def save_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
        """Write a part; one of this number that is there already is replaced.

        Raises:
            UploadNotFoundError: No such upload, or it ended meanwhile.
        """
        with self._index.reading() as db:  # before the id becomes part of a path
            check_upload(db, name, upload_id)
        etag = secrets.token_hex(16)
        try:
            self._files.save_part(upload_id, etag, body)
            part = Part(number, body.sent, etag, body.crc64)
            replaced = self._save_row(name, upload_id, part)
        except BaseException as error:
            if not self._counts(upload_id, number, etag):
                self._files.remove_part(upload_id, etag)
            if isinstance(error, FileNotFoundError) and body.failure is not error:
                # Folder or row went while the part was written; nobody needs what is left.
                self._files.remove_parts(upload_id)
                raise _not_found(name) from error
            raise
        if replaced is not None:
            self._files.remove_part(upload_id, replaced)
        return part

    def find(self, name: str, upload_id: str) -> Unfinished:
        """Look up an upload.

        Raises:
            UploadNotFoundError: There is none of this id and name.
        """
        with self._index.reading() as db:
            return find_upload(db, name, upload_id)

    def join(
        self, name: str, upload_id: str, parts: Sequence[Part], new: str
    ) -> tuple[int, int | None]:
        """Write the body with the id ``new`` of parts.

        Returns:
            Its size in bytes and its CRC-64.

        Raises:
            UploadNotFoundError: The upload ended meanwhile.
            PreconditionFailedError: A part was replaced meanwhile.
            IntegrityError: A part's file has another size than the part.
        """
        held = self.find(name, upload_id).parts
        counted = [held[part.number] for part in parts]
        try:
            size = self._files.join_parts(upload_id, (part.etag for part in counted), new)
        except FileNotFoundError:
            # Either says what happened, or the file is really missing.
            check_parts(self.find(name, upload_id).parts, counted, name)
            raise
        if size != sum(part.size for part in counted):
            raise IntegrityError(
                "the files of the parts are not as long as the parts were",
                name=name,
                hint="abort this upload and begin it again",
            )
        return size, crc64_of_parts(counted)

    def end(self, db: sqlite3.Connection, upload_id: str) -> None:
        """Strike out an upload and its parts; remove its folder after the commit."""
        db.execute("DELETE FROM parts WHERE upload = ?", (upload_id,))
        db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))

    def abort(self, name: str, upload_id: str) -> None:
        """End an upload and remove its parts, if there is one of this id and name."""
        with contextlib.suppress(UploadNotFoundError):
            with self._index.writing() as db:
                check_upload(db, name, upload_id)
                self.end(db, upload_id)
            self._files.remove_parts(upload_id)

    def listed(self, prefix: str) -> list[Upload]:
        """List the unfinished uploads, by name and then start."""
        with self._index.reading() as db:
            rows = db.execute("SELECT id, name, started FROM uploads ORDER BY id")
            found = [upload_of_row(row) for row in ascending("uploads", rows)]
        found.sort(key=lambda upload: (upload.name.encode(), upload.started))
        return [upload for upload in found if upload.name.startswith(prefix)]

    def sweep(self) -> None:
        """Remove the folders of uploads that have ended, left by processes that died."""
        folders = self._files.part_folders()
        if not folders:
            return
        with self._index.writing() as db:  # none begins meanwhile
            left = folders.difference(
                id_of_row("uploads", id_)
                for (id_,) in ascending("uploads", db.execute("SELECT id FROM uploads ORDER BY id"))
            )
        for upload_id in left:
            self._files.remove_parts(upload_id)

    def _save_row(self, name: str, upload_id: str, part: Part) -> str | None:
        with self._index.writing() as db:
            check_upload(db, name, upload_id)
            before = db.execute(
                "SELECT etag FROM parts WHERE upload = ? AND number = ?", (upload_id, part.number)
            ).fetchone()
            db.execute(
                "REPLACE INTO parts (upload, number, size, etag, crc64) VALUES (?, ?, ?, ?, ?)",
                (upload_id, part.number, part.size, part.etag, f"{part.crc64 or 0:016x}"),
            )
        return None if before is None else id_of_row("parts", before[0])

    def _counts(self, upload_id: str, number: int, etag: str) -> bool:
        """Say whether a part is in the table: an interrupt may come right after the commit."""
        try:
            with self._index.reading() as db:
                found = db.execute(
                    "SELECT etag FROM parts WHERE upload = ? AND number = ?", (upload_id, number)
                ).fetchone()
        except (sqlite3.Error, CipherbucketError):
            return True  # not known; the file goes with the upload's folder
        return bool(found == (etag,))


def check_upload(db: sqlite3.Connection, name: str, upload_id: str) -> tuple[str, str]:
    """Look up an upload and return its metadata and headers, as JSON.

    Raises:
        UploadNotFoundError: There is none of this id and name.
    """
    if not ID.fullmatch(upload_id):  # nothing else becomes part of a path
        raise _not_found(name)
    row = db.execute(
        "SELECT name, metadata, headers FROM uploads WHERE id = ?", (upload_id,)
    ).fetchone()
    if row is None or row[0] != name.encode():
        raise _not_found(name)
    return row[1], row[2]


def find_upload(db: sqlite3.Connection, name: str, upload_id: str) -> Unfinished:
    """Look up an upload and its parts, by number.

    Raises:
        UploadNotFoundError: There is none of this id and name.
    """
    metadata, headers = metadata_of_upload(name, check_upload(db, name, upload_id))
    rows = db.execute(
        "SELECT number, size, etag, crc64 FROM parts WHERE upload = ? ORDER BY number", (upload_id,)
    )
    parts = {part.number: part for part in map(part_of_row, ascending("parts", rows))}
    return Unfinished(NewObject(name, metadata, headers), parts)


def _not_found(name: str) -> UploadNotFoundError:
    return UploadNotFoundError("there is no such upload", name=name)
