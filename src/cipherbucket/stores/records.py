"""What stores report: objects, listings, parts, uploads, versions; and the bounds they all keep.

The records are values: they say how things were when the store answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from cipherbucket.format.crc64 import Crc

MAX_NAME = 1023
"""Longest object name, in bytes of UTF-8 (OSS, "Object naming conventions")."""
MAX_METADATA = 8192
"""Most user metadata of one object: names and values together, in bytes (OSS, EC 0011-00000002)."""
MAX_PARTS = 10_000
"""Most parts of one multipart upload; part numbers are 1 to this, inclusive."""
MAX_PRESIGNED = 7 * 24 * 3600
"""Longest time that a presigned URL is good for, in seconds (OSS, signature V4)."""
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
"""What OSS takes beside them: ACL, encryption at rest, storage class, tags. Directory stores only
keep them."""
S3_HEADERS = frozenset(
    {
        "x-amz-acl",
        "x-amz-grant-full-control",
        "x-amz-grant-read",
        "x-amz-grant-read-acp",
        "x-amz-grant-write-acp",
        "x-amz-object-lock-legal-hold",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-retain-until-date",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-bucket-key-enabled",
        "x-amz-storage-class",
        "x-amz-tagging",
        "x-amz-website-redirect-location",
    }
)
"""The same of S3."""
PLACE_HEADERS = OSS_HEADERS | S3_HEADERS
"""What belongs to an object's place, and does not go along to another."""

NOTHING: Mapping[str, str] = MappingProxyType({})


def pickled(record: Any) -> tuple[Any, ...]:
    """Return what a record whose mappings are read-only, and so not pickled, is made again from."""
    values = {each.name: getattr(record, each.name) for each in fields(record)}
    mappings = {name: dict(value) for name, value in values.items() if isinstance(value, Mapping)}
    return _made_again, (type(record), {**values, **mappings}, tuple(mappings))


def _made_again(kind: type, values: dict[str, Any], read_only: tuple[str, ...]) -> Any:
    return kind(**values | {name: MappingProxyType(values[name]) for name in read_only})


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """What a store reports of one object.

    Attributes:
        name: The object's name.
        size: Stored bytes (of ciphertext, for an encrypted object).
        etag: Opaque, without quotes; changes with every new body, stays with new metadata.
        modified: When body or metadata were last written, UTC.
        crc64: CRC-64 of the stored bytes, or None where the store keeps none.
        crc: Which CRC-64 that is, also where there is none.
        metadata: User metadata, names in lower case without ``x-oss-meta-`` or ``x-amz-meta-``.
        headers: Those of `CONTENT_HEADERS` that the object has, names in lower case. Any others
            that are given here are sorted out, so that no copy can take them along.
        place_headers: Those of `PLACE_HEADERS` that the store tells of: they belong to the object's
            place.
        version_id: The version, in a store that keeps versions.
        restore: How far an archived object is restored, as OSS writes it in ``x-oss-restore``,
            and S3 in ``x-amz-restore``;
            None where nothing is being restored.
    """

    name: str
    size: int
    etag: str
    modified: datetime
    crc64: int | None = None
    crc: Crc = Crc.XZ
    metadata: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    place_headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    version_id: str | None = None
    restore: str | None = None

    def __post_init__(self) -> None:
        if CONTENT_HEADERS.issuperset(self.headers):
            return
        others = {key: text for key, text in self.headers.items() if key in PLACE_HEADERS}
        content = {key: text for key, text in self.headers.items() if key in CONTENT_HEADERS}
        object.__setattr__(self, "headers", MappingProxyType(content))
        object.__setattr__(
            self, "place_headers", MappingProxyType({**self.place_headers, **others})
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return pickled(self)

    @property
    def all_headers(self) -> dict[str, str]:
        """What a store keeps of both kinds; for the object's own place alone."""
        return {**self.headers, **self.place_headers}


Match = str | StoredObject
"""What is to be replaced: what has this ETag, or this very object, metadata and headers too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a listing: an object, or a common prefix (then only ``name`` has a meaning).

    Attributes:
        name: Of the object, or what the names behind a prefix begin with.
        size: Stored bytes.
        etag: Opaque, without quotes.
        modified: When it was last written, UTC.
        is_prefix: Whether it is a common prefix.
        storage_class: In OSS, such as ``Standard`` or ``Archive``; empty where there are none.
    """

    name: str
    size: int = 0
    etag: str = ""
    modified: datetime | None = None
    is_prefix: bool = False
    storage_class: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, in byte order of names.

    Attributes:
        entries: At most as many as were asked for.
        token: Opaque; hand it back for the next page. None after the last page.
    """

    entries: tuple[Entry, ...]
    token: str | None

    def before(self, end: str) -> Page:
        """Return what comes before a name; the last page, where something does not."""
        if not self.entries or self.entries[-1].name < end:
            return self
        return Page(tuple(entry for entry in self.entries if entry.name < end), None)


@dataclass(frozen=True, slots=True)
class Part:
    """One uploaded part: its number (from 1), size in bytes, ETag, CRC-64, and which that is.

    The CRC-64 is the store's, or that of what was sent to a store that names none.
    """

    number: int
    size: int
    etag: str
    crc64: int | None = None
    crc: Crc = Crc.XZ

    def sent_with(self, crc64: int, crc: Crc) -> Part:
        """Return this part with the CRC-64 of what was sent, where the store names none."""
        return self if self.crc64 is not None else replace(self, crc64=crc64, crc=crc)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredBucket:
    """A bucket of an account.

    Attributes:
        name: Its name; ``oss://`` or ``s3://``, and the name, are its URL.
        region: Such as ``cn-hangzhou``; empty where the service does not say it.
        created: When it was made, UTC.
    """

    name: str
    region: str
    created: datetime


class Checksummed(Protocol):
    """What has a CRC-64, perhaps: an object or a part."""

    @property
    def crc(self) -> Crc:
        """Which CRC-64 it has."""

    @property
    def crc64(self) -> int | None:
        """Its CRC-64, where one is known."""


def same_crc64(one: Checksummed, other: Checksummed) -> bool | None:
    """Tell whether two bodies have the same CRC-64.

    Returns:
        None where that is not known: one has none, or theirs are of different kinds.
    """
    if one.crc is not other.crc or one.crc64 is None or other.crc64 is None:
        return None
    return one.crc64 == other.crc64


def crc64_of_parts(parts: Iterable[Part], crc: Crc = Crc.XZ) -> int | None:
    """Return the CRC-64 of a body made of parts; None where a part has none of that kind.

    Args:
        parts: All of them, in order.
        crc: Which CRC-64.
    """
    whole = 0
    for part in parts:
        if part.crc64 is None or part.crc is not crc:
            return None
        whole = crc.combine(whole, part.crc64, part.size)
    return whole
