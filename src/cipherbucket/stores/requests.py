"""What the verbs of a store hand to its methods where it is more than a few words.

Rule: `checked` makes them, so a store's methods get nothing that was not looked at. They say once,
for the stores that decide themselves, what a condition means and what a change leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Self

from cipherbucket.errors import ObjectExistsError, PreconditionFailedError, UsageError
from cipherbucket.format.crc64 import Crc
from cipherbucket.stores.checks import (
    KeepsMetadata,
    check_copy_headers,
    check_match,
    check_metadata,
    check_name,
)
from cipherbucket.stores.records import NOTHING, Match, StoredObject


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object to be made, at once or in parts: all but its body.

    Attributes:
        name: What it will be called.
        metadata: Its user metadata.
        headers: Its content headers, and those of `PLACE_HEADERS`.
    """

    name: str
    metadata: dict[str, str]
    headers: dict[str, str]

    @classmethod
    def checked(
        cls,
        name: str,
        metadata: Mapping[str, str],
        headers: Mapping[str, str],
        store: KeepsMetadata,
    ) -> Self:
        """Check what was given, and keep a copy.

        Raises:
            UsageError: The store could not carry it.
        """
        check_name(name)
        check_metadata(metadata, headers, name, store)
        return cls(name, dict(metadata), dict(headers))

    def stored(self, *, size: int, etag: str, crc64: int | None, crc: Crc = Crc.XZ) -> StoredObject:
        """Return the object as it is from now on.

        Args:
            size: Of its body in bytes.
            etag: Never used before.
            crc64: Of its body.
            crc: Which CRC-64 that is.
        """
        return StoredObject(
            name=self.name,
            size=size,
            etag=etag,
            modified=datetime.now(UTC),
            crc64=crc64,
            crc=crc,
            metadata=MappingProxyType(self.metadata),
            headers=MappingProxyType(self.headers),
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold at the moment when an object gets its name.

    Attributes:
        if_absent: There is no object of this name.
        if_match: The object there has this ETag; or, of a whole `StoredObject`, this ETag and
            these metadata and headers.

    Raises:
        UsageError: Both at once.
    """

    if_absent: bool = False
    if_match: Match | None = None

    def __post_init__(self) -> None:
        if self.if_absent and self.if_match is not None:
            raise UsageError("if_absent and if_match exclude each other")

    def __bool__(self) -> bool:
        return self.if_absent or self.if_match is not None

    def check(self, there: StoredObject | None, name: str) -> None:
        """Hold the condition against what is there.

        Raises:
            PreconditionFailedError: It does not hold.
        """
        if self.if_absent and there is not None:
            raise ObjectExistsError("there is an object of this name already", name=name)
        check_match(there, self.if_match, name)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy inside a store: the body, user metadata and content headers of another object.

    ACL, tags, storage class and encryption at rest belong to a place: under another name the copy
    has those that it is given here, and no others. In its own place it keeps what it has.

    Attributes:
        source: The name of the object that is copied.
        target: The copy's name.
        headers: What the copy is given of `PLACE_HEADERS`.
        if_absent: Only if there is no object of the copy's name.
        version_id: This version of the source rather than the newest.
    """

    source: str
    target: str
    headers: dict[str, str]
    if_absent: bool
    version_id: str | None

    @classmethod
    def checked(
        cls,
        source: str,
        target: str,
        headers: Mapping[str, str],
        if_absent: bool,
        version_id: str | None,
    ) -> Self:
        """Check what was given, and keep a copy.

        Raises:
            UsageError: No store could carry it.
        """
        check_name(source)
        check_name(target)
        check_copy_headers(headers, target)
        return cls(source, target, dict(headers), if_absent, version_id)

    @property
    def in_place(self) -> bool:
        """Whether the copy takes the place of its source."""
        return self.source == self.target

    def copied(self, there: StoredObject, etag: str) -> StoredObject:
        """Return the copy of an object.

        Args:
            there: The object.
            etag: Never used before.
        """
        kept = there.place_headers if self.in_place else NOTHING
        return replace(
            there,
            name=self.target,
            etag=etag,
            modified=datetime.now(UTC),
            place_headers=MappingProxyType({**kept, **self.headers}),
        )


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """New metadata for an object whose body stays.

    Attributes:
        name: The object's name.
        metadata: All its user metadata from now on.
        headers: All its content headers from now on, and those of `PLACE_HEADERS` that change; None
            keeps those that it has.
        if_match: The ETag it must have, or None.
        if_metadata: The user metadata it must have, exactly, or None.
    """

    name: str
    metadata: dict[str, str]
    headers: dict[str, str] | None
    if_match: str | None
    if_metadata: Mapping[str, str] | None

    @classmethod
    def checked(
        cls,
        name: str,
        metadata: Mapping[str, str],
        headers: Mapping[str, str] | None,
        if_match: str | None,
        if_metadata: Mapping[str, str] | None,
        store: KeepsMetadata,
    ) -> Self:
        """Check what was given, and keep a copy.

        Raises:
            UsageError: The store could not carry it.
        """
        check_name(name)
        check_metadata(metadata, headers or NOTHING, name, store)
        given = None if headers is None else dict(headers)
        return cls(name, dict(metadata), given, if_match, if_metadata)

    def check(self, there: StoredObject) -> None:
        """Hold the conditions against what is there.

        Raises:
            PreconditionFailedError: One does not hold.
        """
        check_match(there, self.if_match, self.name)
        if self.if_metadata is not None and dict(there.metadata) != dict(self.if_metadata):
            raise PreconditionFailedError(
                "the object's metadata are not those that were expected",
                name=self.name,
                hint="they were changed meanwhile; look at the object again before you write",
            )

    def applied_to(self, there: StoredObject) -> StoredObject:
        """Return the object as it is from now on, if the conditions hold.

        Raises:
            PreconditionFailedError: One does not hold.
        """
        self.check(there)
        return replace(
            there,
            modified=datetime.now(UTC),
            metadata=MappingProxyType(self.metadata),
            headers=there.headers if self.headers is None else MappingProxyType(self.headers),
        )
