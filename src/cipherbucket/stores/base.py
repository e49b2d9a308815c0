"""What every store offers, and the checks that every store gets.

Law: a store knows bytes, names and metadata, and nothing of encryption. Each public verb stands
here once: it checks names, ranges and metadata before anything is sent, counts and checksums the
bytes that pass, and turns every foreign exception into one of ours. A store implements the few
underscored methods; `translate` tells which of its library's exceptions mean what.

A body on its way into a store is a `Body`: it has a length and yields blocks, each valid until
the next is asked for, so that one buffer can serve a whole object. A store that needs to send a
body again iterates it again; a body that cannot give the very same bytes again raises
`SourceError` instead.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import Protocol, Self

from cipherbucket.checksum import crc64
from cipherbucket.errors import (
    CipherbucketError,
    IntegrityError,
    RangeError,
    SourceError,
    StoreError,
    UsageError,
)

Buffer = bytes | bytearray | memoryview

MAX_NAME = 1023
"""Longest object name, in bytes of UTF-8 (OSS, "Object naming conventions")."""
MAX_METADATA = 8192
"""Most user metadata of one object: names and values together, in bytes (OSS, EC 0011-00000002)."""
MAX_PARTS = 10_000
"""Most parts of one multipart upload; part numbers are 1 to this, inclusive."""
CONTENT_HEADERS = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    }
)
"""The headers that a store keeps with an object beside its user metadata."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Body(Protocol):
    """Bytes on their way into a store."""

    def __len__(self) -> int:
        """Return the number of bytes that iteration will give."""

    def __iter__(self) -> Iterator[Buffer]:
        """Yield the blocks, from the beginning; each is valid until the next is asked for."""


class RawBody(Protocol):
    """Bytes on their way out of a store, as the store's library gives them."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of ``buffer`` and return how much; 0 at the end."""

    def close(self) -> None:
        """Release the file or connection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """What a store tells about one object.

    Attributes:
        name: The object's name.
        size: Stored bytes (of ciphertext, for an encrypted object).
        etag: Opaque, without quotes; changes with every new body, stays with new metadata.
        modified: When body or metadata were last written, UTC.
        crc64: CRC-64 of the stored bytes, or None where the store keeps none.
        metadata: User metadata, names in lower case without ``x-oss-meta-``.
        headers: Those of `CONTENT_HEADERS` that the object has, names in lower case.
        version_id: The version, in a store that keeps versions.
    """

    name: str
    size: int
    etag: str
    modified: datetime
    crc64: int | None = None
    metadata: Mapping[str, str] = field(default=_NOTHING)
    headers: Mapping[str, str] = field(default=_NOTHING)
    version_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a listing: an object, or a common prefix (then only ``name`` has a meaning)."""

    name: str
    size: int = 0
    etag: str = ""
    modified: datetime | None = None
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, in byte order of names.

    Attributes:
        entries: At most as many as were asked for.
        token: Opaque; hand it back for the next page. None after the last page.
    """

    entries: tuple[Entry, ...]
    token: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """One uploaded part: its number (from 1), size in bytes, ETag and CRC-64."""

    number: int
    size: int
    etag: str
    crc64: int | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """An unfinished multipart upload."""

    name: str
    upload_id: str
    started: datetime


class Outgoing:
    """A `Body` that is counted, checksummed and held to its length while it leaves.

    Attributes:
        crc64: CRC-64 of the bytes of the last iteration so far.
        sent: Number of these bytes.
        failure: The exception that the body itself raised, if any: not the store's fault.
    """

    def __init__(self, body: Body | Buffer) -> None:
        self._body: Body | tuple[Buffer] = body if not isinstance(body, Buffer) else (body,)
        self._length = len(body)
        self.crc64 = 0
        self.sent = 0
        self.failure: BaseException | None = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Buffer]:
        self.crc64, self.sent = 0, 0
        try:
            for block in self._body:
                self.sent += len(block)
                if self.sent > self._length:
                    break
                self.crc64 = crc64(block, self.crc64)
                yield block
            if self.sent != self._length:
                more = "more" if self.sent > self._length else f"only {self.sent:,}"
                raise SourceError(
                    f"the body was said to have {self._length:,} bytes and gave {more}",
                    hint="the source changed while it was read; put it again",
                )
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise


class Incoming:
    """The body of one object, or a range of it, coming out of a store.

    Reading to the end checks the length; of a whole object also the CRC-64. Use it in a ``with``
    statement, or close it.

    Attributes:
        stored: The object as it was when this body was fetched.
        start: Offset of the first byte that comes, in the stored body.
        stop: Offset after the last byte that comes.
    """

    def __init__(self, store: Store, stored: StoredObject, start: int, stop: int, raw: RawBody):
        self._store = store
        self._raw = raw
        self._crc64 = 0
        self._position = start
        self.stored = stored
        self.start = start
        self.stop = stop

    @property
    def whole(self) -> bool:
        """Whether this is the whole body, whose CRC-64 is checked at its end."""
        return self.start == 0 and self.stop == self.stored.size

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        """Fill ``buffer`` as far as bytes come.

        Returns:
            How many bytes were filled in; less than the buffer only at the end, 0 after it.

        Raises:
            IntegrityError: The body ended early, or a whole body's CRC-64 differs.
            StoreError: The store failed meanwhile.
        """
        view = memoryview(buffer)[: self.stop - self._position]
        filled = 0
        with self._store.errors_translated(self.stored.name):
            while filled < len(view):
                count = self._raw.readinto(view[filled:])
                if not count:
                    break
                filled += count
        name = self.stored.name
        if filled < len(view):
            raise IntegrityError(
                f"the stored body ended after {self._position + filled - self.start:,} "
                f"of {self.stop - self.start:,} bytes",
                name=name,
                hint="read it again; if it stays short, restore the object from a copy",
            )
        self._position += filled
        if self.whole and self.stored.crc64 is not None:
            self._crc64 = crc64(view, self._crc64)
            if self._position == self.stop and self._crc64 != self.stored.crc64:
                raise IntegrityError(
                    "the CRC-64 of the stored bytes differs from the recorded one",
                    name=name,
                    hint="read it again; if it stays different, restore the object from a copy",
                )
        return filled

    def close(self) -> None:
        """Release the file or connection. Bytes not yet read stay unread and unchecked."""
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


class Store(ABC):
    """A bucket of objects: named immutable bodies with metadata.

    All verbs may be called from several threads at once.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL of this store, as `open_store` takes it; without credentials."""

    def put(
        self,
        name: str,
        body: Body | Buffer,
        *,
        metadata: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> StoredObject:
        """Store an object, wholly or not at all; an object of this name is replaced.

        Args:
            name: 1 to `MAX_NAME` bytes of UTF-8.
            body: What to store.
            metadata: User metadata; names of a-z, 0-9 and hyphen.
            headers: Some of `CONTENT_HEADERS`.
            if_absent: Only if there is no object of this name.
            if_match: Only if the object there has this ETag.

        Raises:
            UsageError: Name, metadata or headers are not allowed.
            PreconditionFailedError: A condition did not hold.
            SourceError: The body gave fewer or more bytes than its length.
            IntegrityError: The store computed another CRC-64 than we did.
            StoreError: The store failed.
        """
        check_name(name)
        check_metadata(metadata, headers, name)
        if if_absent and if_match is not None:
            raise UsageError("if_absent and if_match exclude each other", name=name)
        outgoing = Outgoing(body)
        with self.errors_translated(name, outgoing):
            stored = self._put(name, outgoing, dict(metadata), dict(headers), if_absent, if_match)
        _compare_crc64(name, stored.crc64, outgoing)
        return stored

    def get(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        tail: int | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> Incoming:
        """Fetch an object, or a range of its stored bytes.

        Args:
            name: The object's name.
            start: First byte; at most the object's size.
            length: How many bytes; clipped at the end of the object. None: to the end.
            tail: The last so many bytes instead; clipped at the beginning.
            if_match: Only if the object still has this ETag.
            version_id: This version rather than the newest.

        Raises:
            ObjectNotFoundError: No such object or version.
            RangeError: ``start`` lies after the end.
            PreconditionFailedError: ``if_match`` did not hold.
        """
        check_name(name)
        if start < 0 or (length or 0) < 0 or (tail or 0) < 0:
            raise UsageError("start, length and tail cannot be negative", name=name)
        if tail is not None and (start or length is not None):
            raise UsageError("tail excludes start and length", name=name)
        with self.errors_translated(name):
            stored, first, stop, raw = self._get(name, start, length, tail, if_match, version_id)
        return Incoming(self, stored, first, stop, raw)

    def head(self, name: str, *, version_id: str | None = None) -> StoredObject:
        """Tell size, metadata and headers of an object.

        Raises:
            ObjectNotFoundError: No such object or version.
        """
        check_name(name)
        with self.errors_translated(name):
            return self._head(name, version_id)

    def list(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        token: str | None = None,
        limit: int = 1000,
    ) -> Page:
        """List one page of objects in byte order of their names.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that go on with it after the prefix into one common prefix each.
            token: `Page.token` of the page before.
            limit: Most entries of the page, 1 to 1,000.
        """
        if not 1 <= limit <= 1000:
            raise UsageError(f"a page has 1 to 1,000 entries, not {limit}")
        with self.errors_translated(None):
            return self._list(prefix, delimiter, token, limit)

    def delete(self, name: str, *, version_id: str | None = None) -> None:
        """Delete an object. Deleting what is not there is no error (as in OSS)."""
        check_name(name)
        with self.errors_translated(name):
            self._delete(name, version_id)

    def copy(
        self,
        source: str,
        target: str,
        *,
        if_absent: bool = False,
        version_id: str | None = None,
    ) -> StoredObject:
        """Copy an object inside the store, body, metadata and headers unchanged.

        Raises:
            ObjectNotFoundError: No such source.
            PreconditionFailedError: ``if_absent`` and there is a target.
        """
        check_name(source)
        check_name(target)
        with self.errors_translated(source):
            return self._copy(source, target, if_absent, version_id)

    def replace_metadata(
        self,
        name: str,
        *,
        metadata: Mapping[str, str],
        headers: Mapping[str, str],
        if_match: str | None = None,
    ) -> StoredObject:
        """Replace all metadata and headers of an object; the body is not touched.

        Raises:
            ObjectNotFoundError: No such object.
            PreconditionFailedError: ``if_match`` did not hold.
        """
        check_name(name)
        check_metadata(metadata, headers, name)
        with self.errors_translated(name):
            return self._replace_metadata(name, dict(metadata), dict(headers), if_match)

    def begin_upload(
        self,
        name: str,
        *,
        metadata: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
    ) -> str:
        """Begin a multipart upload and return its id. Nothing is visible until it completes."""
        check_name(name)
        check_metadata(metadata, headers, name)
        with self.errors_translated(name):
            return self._begin_upload(name, dict(metadata), dict(headers))

    def upload_part(self, name: str, upload_id: str, number: int, body: Body | Buffer) -> Part:
        """Upload part ``number`` (1 to `MAX_PARTS`), in any order; one already there is replaced.

        Raises:
            UploadNotFoundError: No such upload.
            IntegrityError: The store computed another CRC-64 than we did.
        """
        _check_part_number(number, name)
        outgoing = Outgoing(body)
        with self.errors_translated(name, outgoing):
            part = self._upload_part(name, upload_id, number, outgoing)
        _compare_crc64(name, part.crc64, outgoing)
        return part

    def list_parts(self, name: str, upload_id: str) -> Sequence[Part]:
        """List the parts that have arrived, by number.

        Raises:
            UploadNotFoundError: No such upload.
        """
        with self.errors_translated(name):
            return self._list_parts(name, upload_id)

    def complete_upload(
        self, name: str, upload_id: str, parts: Sequence[Part], *, if_absent: bool = False
    ) -> StoredObject:
        """Make the object of these parts, in ascending order of number; it appears whole.

        Raises:
            UsageError: No parts, or their numbers do not ascend.
            UploadNotFoundError: No such upload.
            PreconditionFailedError: A part named is not there with this ETag, or ``if_absent``
                did not hold.
        """
        numbers = [part.number for part in parts]
        if not numbers or any(a >= b for a, b in zip(numbers, numbers[1:], strict=False)):
            raise UsageError("parts must be one or more, in ascending order", name=name)
        with self.errors_translated(name):
            return self._complete_upload(name, upload_id, parts, if_absent)

    def abort_upload(self, name: str, upload_id: str) -> None:
        """Abort an upload and free its parts. Aborting what is not there is no error."""
        with self.errors_translated(name):
            self._abort_upload(name, upload_id)

    def list_uploads(self, prefix: str = "") -> Sequence[Upload]:
        """List unfinished uploads, by name and then start."""
        with self.errors_translated(None):
            return self._list_uploads(prefix)

    def close(self) -> None:  # noqa: B027  a store that holds nothing has nothing to close
        """Release connections and files. The store must not be used afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def errors_translated(self, name: str | None, outgoing: Outgoing | None = None) -> Iterator[None]:
        """Turn whatever a store's library raises inside into errors of ours.

        An exception that the caller's own body raised passes unchanged.
        """
        try:
            yield
        except CipherbucketError as error:
            if error.name is None and name is not None:
                error.name = name
            raise
        except Exception as error:
            if outgoing is not None and outgoing.failure is error:
                raise
            translated = self.translate(error, name)
            if translated is None:
                raise
            raise translated from error

    def translate(self, error: Exception, name: str | None) -> CipherbucketError | None:
        """Say what an exception of this store's library means; None passes it through (a bug)."""
        if isinstance(error, OSError):
            return StoreError(f"{self.url}: {error.strerror or error}", name=name)
        return None

    @abstractmethod
    def _put(
        self,
        name: str,
        body: Outgoing,
        metadata: dict[str, str],
        headers: dict[str, str],
        if_absent: bool,
        if_match: str | None,
    ) -> StoredObject: ...

    @abstractmethod
    def _get(
        self,
        name: str,
        start: int,
        length: int | None,
        tail: int | None,
        if_match: str | None,
        version_id: str | None,
    ) -> tuple[StoredObject, int, int, RawBody]:
        """Return the object, the range that really comes as offsets (start, stop), and it."""

    @abstractmethod
    def _head(self, name: str, version_id: str | None) -> StoredObject: ...

    @abstractmethod
    def _list(self, prefix: str, delimiter: str, token: str | None, limit: int) -> Page: ...

    @abstractmethod
    def _delete(self, name: str, version_id: str | None) -> None: ...

    @abstractmethod
    def _copy(
        self, source: str, target: str, if_absent: bool, version_id: str | None
    ) -> StoredObject: ...

    @abstractmethod
    def _replace_metadata(
        self, name: str, metadata: dict[str, str], headers: dict[str, str], if_match: str | None
    ) -> StoredObject: ...

    @abstractmethod
    def _begin_upload(
        self, name: str, metadata: dict[str, str], headers: dict[str, str]
    ) -> str: ...

    @abstractmethod
    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part: ...

    @abstractmethod
    def _list_parts(self, name: str, upload_id: str) -> Sequence[Part]: ...

    @abstractmethod
    def _complete_upload(
        self, name: str, upload_id: str, parts: Sequence[Part], if_absent: bool
    ) -> StoredObject: ...

    @abstractmethod
    def _abort_upload(self, name: str, upload_id: str) -> None: ...

    @abstractmethod
    def _list_uploads(self, prefix: str) -> Sequence[Upload]: ...


def check_name(name: str) -> None:
    """Refuse what is no object name: 1 to `MAX_NAME` bytes of UTF-8.

    Raises:
        UsageError: Empty, too long, or not encodable.
    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise UsageError("an object name must be encodable as UTF-8", name=name) from None
    if not 1 <= length <= MAX_NAME:
        raise UsageError(f"an object name has 1 to {MAX_NAME:,} bytes of UTF-8, not {length:,}")


def check_metadata(
    metadata: Mapping[str, str], headers: Mapping[str, str], name: str | None = None
) -> None:
    """Refuse metadata and content headers that a store could not carry.

    Raises:
        UsageError: A name or value with characters that HTTP headers cannot carry, a content
            header that is none, or more than `MAX_METADATA` bytes in all.
    """
    for key in metadata:
        if not _METADATA_NAME.fullmatch(key):
            raise UsageError(
                f"metadata name {key!r}: only a-z, 0-9 and hyphen are allowed", name=name
            )
    for key in headers.keys() - CONTENT_HEADERS:
        raise UsageError(
            f"{key!r} is none of the content headers {', '.join(sorted(CONTENT_HEADERS))}",
            name=name,
        )
    for key, value in (*metadata.items(), *headers.items()):
        if _CONTROL.search(value) or value != value.strip(" "):
            raise UsageError(
                f"value of {key!r}: no control characters, no spaces at either end", name=name
            )
    try:
        total = sum(len(key) + len(value.encode()) for key, value in metadata.items())
    except UnicodeEncodeError:
        raise UsageError("metadata must be encodable as UTF-8", name=name) from None
    if total > MAX_METADATA:
        raise UsageError(
            f"{total:,} bytes of metadata; a store keeps at most {MAX_METADATA:,}", name=name
        )


def clip(name: str, size: int, start: int, length: int | None, tail: int | None) -> tuple[int, int]:
    """Turn a range as `Store.get` takes it into offsets (start, stop) of an object of ``size``.

    Raises:
        RangeError: ``start`` lies after the end.
    """
    if tail is not None:
        return max(0, size - tail), size
    if start > size:
        raise RangeError(
            f"the range begins at byte {start:,} of an object of {size:,} bytes", name=name
        )
    return start, size if length is None else min(size, start + length)


def _check_part_number(number: int, name: str) -> None:
    if not 1 <= number <= MAX_PARTS:
        raise UsageError(f"part numbers are 1 to {MAX_PARTS:,}, not {number}", name=name)


def _compare_crc64(name: str, theirs: int | None, outgoing: Outgoing) -> None:
    if theirs is not None and theirs != outgoing.crc64:
        raise IntegrityError(
            "the store's CRC-64 of what arrived differs from that of what was sent",
            name=name,
            hint="the bytes were damaged on the way; put the object again",
        )
