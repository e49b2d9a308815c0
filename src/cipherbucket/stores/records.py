"""What stores tell about objects, and the bounds of names, metadata, ranges and conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from cipherbucket.errors import PreconditionFailedError, RangeError, UsageError

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
OSS_HEADERS = frozenset(
    {
        "x-oss-object-acl",
        "x-oss-server-side-data-encryption",
        "x-oss-server-side-encryption",
        "x-oss-server-side-encryption-key-id",
        "x-oss-storage-class",
        "x-oss-tagging",
    }
)
"""What OSS takes beside them: ACL, encryption at rest, storage class, tags. Other stores only
keep them."""

NOTHING: Mapping[str, str] = MappingProxyType({})
_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


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
    metadata: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    version_id: str | None = None


Match = str | StoredObject
"""What is to be replaced: what has this ETag, or this very object, metadata and headers too."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """One version of an object, or a delete marker, in a store that keeps versions."""

    name: str
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    size: int
    etag: str
    modified: datetime


def check_name(name: str) -> None:
    """Refuse what is no object name: 1 to `MAX_NAME` bytes of UTF-8.

    Raises:
        UsageError: Empty, too long, or not encodable.
    """
    if not isinstance(name, str):
        raise UsageError(f"an object name is a str, not {type(name).__name__}")
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
    for key in headers.keys() - CONTENT_HEADERS - OSS_HEADERS:
        raise UsageError(
            f"{key!r} is no header that is kept with an object",
            name=name,
            hint=", ".join(sorted(CONTENT_HEADERS | OSS_HEADERS)),
        )
    for key, value in (*metadata.items(), *headers.items()):
        if _CONTROL.search(value) or value != value.strip(" "):
            raise UsageError(
                f"value of {key!r}: no control characters, no spaces at either end", name=name
            )
    try:
        total = sum(len(key) + len(value.encode()) for key, value in metadata.items())
        for value in headers.values():
            value.encode()
    except UnicodeEncodeError:
        raise UsageError("metadata and headers must be encodable as UTF-8", name=name) from None
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


def check_conditions(
    there: StoredObject | None, if_absent: bool, if_match: Match | None, name: str
) -> None:
    """Hold the conditions of a write against what is there; for stores that decide themselves.

    Raises:
        PreconditionFailedError: One does not hold.
    """
    if if_absent and there is not None:
        raise PreconditionFailedError("there is an object of this name already", name=name)
    etag = if_match.etag if isinstance(if_match, StoredObject) else if_match
    if etag is not None and (there is None or there.etag != etag):
        now = "no object" if there is None else f"an object with ETag {there.etag!r}"
        raise PreconditionFailedError(
            f"the condition was ETag {etag!r}; there is {now}",
            name=name,
            hint="the object was changed meanwhile; look at it again before you write",
        )
    if isinstance(if_match, StoredObject) and there is not None:
        same = there.metadata == if_match.metadata and there.headers == if_match.headers
        if not same:
            raise PreconditionFailedError(
                "the object's metadata are not those that it had",
                name=name,
                hint="the object was changed meanwhile; look at it again before you write",
            )


def check_there(there: StoredObject, if_metadata: Mapping[str, str] | None) -> None:
    """Hold what the user metadata of an object should be against what they are.

    Raises:
        PreconditionFailedError: They are others.
    """
    if if_metadata is not None and dict(there.metadata) != dict(if_metadata):
        raise PreconditionFailedError(
            "the object's metadata are not those that were expected",
            name=there.name,
            hint="they were changed meanwhile; look at the object again before you write",
        )


def check_parts(there: Mapping[int, Part], named: Sequence[Part], name: str) -> None:
    """Hold the parts that a completion names against those that have arrived.

    Raises:
        PreconditionFailedError: One is not there, or was replaced by another.
    """
    for part in named:
        held = there.get(part.number)
        if held is None or held.etag != part.etag:
            now = "is not there" if held is None else f"has ETag {held.etag!r}"
            raise PreconditionFailedError(
                f"part {part.number} with ETag {part.etag!r} was named; it {now}",
                name=name,
                hint="list the parts and upload again those that are missing",
            )


def check_unversioned(version_id: str | None, name: str) -> None:
    """Refuse a version in a store that keeps none.

    Raises:
        UsageError: A version was asked for.
    """
    if version_id is not None:
        raise UsageError("this store keeps no versions", name=name)


def check_part_number(number: int, name: str) -> None:
    """Refuse what is no part number.

    Raises:
        UsageError: Not from 1 to `MAX_PARTS`.
    """
    if not 1 <= number <= MAX_PARTS:
        raise UsageError(f"part numbers are 1 to {MAX_PARTS:,}, not {number}", name=name)
