"""A store in the memory of this process: for tests, for trying things out, for short-lived data.

Rule: exactly what `LocalStore` does, minus the disk. Everything that changes the store happens in
one step under one lock; bodies are immutable ``bytes``, so that a reader keeps the body it began
with. Bodies on their way in are read outside the lock, and a write becomes visible when the body
has arrived whole.
"""

from __future__ import annotations

import secrets
import threading
from bisect import bisect_left, insort
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import ClassVar

from cipherbucket.errors import ObjectNotFoundError, UploadNotFoundError
from cipherbucket.format.span import Span
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Opened, Outgoing
from cipherbucket.stores.checks import check_match, check_parts, check_unversioned, clip
from cipherbucket.stores.listing import list_page
from cipherbucket.stores.records import Entry, Page, Part, StoredObject, Upload, crc64_of_parts
from cipherbucket.stores.requests import Condition, Copy, MetadataChange, NewObject


@dataclass(frozen=True, slots=True)
class _Held:
    stored: StoredObject
    body: bytes


@dataclass(slots=True)
class _Unfinished:
    upload: Upload
    new: NewObject
    parts: dict[int, tuple[Part, bytes]] = field(default_factory=dict)


class MemoryStore(Store):
    """A store that lives as long as this object, or with `named` as long as the process."""

    _shared: ClassVar[dict[str, MemoryStore]] = {}
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, name: str | None = None) -> None:
        self._name = name or ""
        self._lock = threading.Lock()
        self._objects: dict[bytes, _Held] = {}
        self._names: list[bytes] = []  # the keys of _objects, sorted
        self._uploads: dict[str, _Unfinished] = {}

    @classmethod
    def named(cls, name: str) -> MemoryStore:
        """Return the store that this process shares under ``name``, made at its first mention."""
        with cls._shared_lock:
            if name not in cls._shared:
                cls._shared[name] = MemoryStore(name)
            return cls._shared[name]

    @property
    def url(self) -> str:
        """``memory://name``."""
        return f"memory://{self._name}"

    def close(self) -> None:
        """Do nothing: what the store holds stays usable."""

    def _put(self, new: NewObject, body: Outgoing, condition: Condition) -> StoredObject:
        if condition:  # what cannot succeed is not read first
            with self._lock:
                condition.check(self._find(new.name), new.name)
        data = _joined(body)
        stored = new.stored(
            size=len(data), etag=secrets.token_hex(16), crc64=body.crc64, crc=body.crc
        )
        with self._lock:
            condition.check(self._find(new.name), new.name)
            self._hold(stored, data)
        return stored

    def _get(self, name: str, span: Span, if_match: str | None, version_id: str | None) -> Opened:
        check_unversioned(version_id, name)
        with self._lock:
            held = self._held(name)
        check_match(held.stored, if_match, name)
        first, stop = clip(name, len(held.body), span)
        raw = BytesIO(held.body)  # shares the bytes, does not copy them
        raw.seek(first)
        return held.stored, first, stop, raw

    def _head(self, name: str, version_id: str | None) -> StoredObject:
        check_unversioned(version_id, name)
        with self._lock:
            return self._held(name).stored

    def _list(
        self, prefix: str, delimiter: str, token: str | None, limit: int, start_after: str
    ) -> Page:
        with self._lock:
            return list_page(self._scan, prefix, delimiter, token, limit, start_after)

    def _scan(self, start: bytes) -> Generator[Entry, None, None]:
        for at in range(bisect_left(self._names, start), len(self._names)):
            stored = self._objects[self._names[at]].stored
            yield Entry(
                name=stored.name, size=stored.size, etag=stored.etag, modified=stored.modified
            )

    def _delete(self, name: str, version_id: str | None) -> None:
        check_unversioned(version_id, name)
        key = name.encode()
        with self._lock:
            if self._objects.pop(key, None) is not None:
                del self._names[bisect_left(self._names, key)]

    def _copy(self, copy: Copy) -> StoredObject:
        check_unversioned(copy.version_id, copy.source)
        with self._lock:
            held = self._held(copy.source)
            Condition(copy.if_absent).check(self._find(copy.target), copy.target)
            stored = copy.copied(held.stored, secrets.token_hex(16))
            self._hold(stored, held.body)
        return stored

    def _replace_metadata(self, change: MetadataChange) -> StoredObject:
        with self._lock:
            held = self._held(change.name)
            stored = change.applied_to(held.stored)
            self._hold(stored, held.body)
        return stored

    def _begin_upload(self, new: NewObject) -> str:
        upload = Upload(new.name, secrets.token_hex(16), datetime.now(UTC))
        with self._lock:
            self._uploads[upload.upload_id] = _Unfinished(upload, new)
        return upload.upload_id

    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
        with self._lock:
            self._unfinished(name, upload_id)
        data = _joined(body)
        part = Part(number, len(data), secrets.token_hex(16), body.crc64, body.crc)
        with self._lock:
            self._unfinished(name, upload_id).parts[number] = part, data
        return part

    def _list_parts(self, name: str, upload_id: str) -> Sequence[Part]:
        with self._lock:
            parts = self._unfinished(name, upload_id).parts
            return [parts[number][0] for number in sorted(parts)]

    def _upload_metadata(self, name: str, upload_id: str) -> Mapping[str, str]:
        with self._lock:
            return dict(self._unfinished(name, upload_id).new.metadata)

    def _complete_upload(
        self, name: str, upload_id: str, parts: Sequence[Part], condition: Condition
    ) -> StoredObject:
        with self._lock:
            unfinished = self._unfinished(name, upload_id)
            there = {number: part for number, (part, _) in unfinished.parts.items()}
            check_parts(there, parts, name)
            condition.check(self._find(name), name)
            data = b"".join(unfinished.parts[part.number][1] for part in parts)
            stored = unfinished.new.stored(
                size=len(data),
                etag=secrets.token_hex(16),
                crc64=crc64_of_parts((there[part.number] for part in parts), self.crc),
                crc=self.crc,
            )
            self._hold(stored, data)
            del self._uploads[upload_id]
        return stored

    def _abort_upload(self, name: str, upload_id: str) -> None:
        with self._lock:
            if upload_id in self._uploads and self._uploads[upload_id].upload.name == name:
                del self._uploads[upload_id]

    def _list_uploads(self, prefix: str) -> Sequence[Upload]:
        with self._lock:
            found = [held.upload for held in self._uploads.values()]
        return sorted(
            (upload for upload in found if upload.name.startswith(prefix)),
            key=lambda upload: (upload.name.encode(), upload.started),
        )

    def _find(self, name: str) -> StoredObject | None:
        held = self._objects.get(name.encode())
        return None if held is None else held.stored

    def _held(self, name: str) -> _Held:
        held = self._objects.get(name.encode())
        if held is None:
            raise ObjectNotFoundError("there is no such object", name=name)
        return held

    def _hold(self, stored: StoredObject, body: bytes) -> None:
        key = stored.name.encode()
        if key not in self._objects:
            insort(self._names, key)
        self._objects[key] = _Held(stored, body)

    def _unfinished(self, name: str, upload_id: str) -> _Unfinished:
        unfinished = self._uploads.get(upload_id)
        if unfinished is None or unfinished.upload.name != name:
            raise UploadNotFoundError("there is no such upload", name=name)
        return unfinished


def _joined(body: Outgoing) -> bytes:
    """Read a body; each block is copied at once, because it is valid only until the next."""
    data = BytesIO()
    for block in body:
        data.write(block)
    return data.getvalue()
