"""What an index and its sidecars say, decoded and checked at one point.

Rule: an index is input, whoever's folder it lies in. A row is believed only where cipherbucket
could have written it: ids, sizes, names, times, metadata. Any other is an error, never skipped: a
listing that left it out would have the object deleted from a mirror.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from cipherbucket.errors import UsageError
from cipherbucket.stores.checks import check_metadata, check_name
from cipherbucket.stores.local.locks import ID
from cipherbucket.stores.records import MAX_NAME, MAX_PARTS, Entry, Part, StoredObject, Upload

_CRC64 = re.compile(r"[0-9a-f]{1,16}")
_SHOWN = 80
_BAD = (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError)
"""What checking and decoding raise; a `UsageError` is a `ValueError`."""

# What a frozen dataclass does to itself takes half the time of a listing of many names.
_set_name, _set_size, _set_etag, _set_modified, _set_is_prefix, _set_storage_class = (
    Entry.__dict__[each.name].__set__ for each in fields(Entry)
)


class BadRowError(Exception):
    """A row that cipherbucket never writes.

    Attributes:
        what: Which, and what is wrong with it.
        name: That of the object, where it is known.
    """

    def __init__(self, table: str, key: object, error: Exception) -> None:
        self.name = key.decode("utf-8", "replace")[:_SHOWN] if isinstance(key, bytes) else None
        said = error.message if isinstance(error, UsageError) else str(error) or repr(error)
        shown = "" if self.name else f" {key!r:.{_SHOWN}}"
        self.what = f"table {table}, row{shown}: {said:.{2 * _SHOWN}}"
        super().__init__(self.what)


def out_of_order(table: str, key: object) -> BadRowError:
    """Return what is wrong with a row that comes before, or again after, the one before it."""
    return BadRowError(table, key, ValueError("it is out of order"))


def ascending(table: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield rows whose first column must ascend: pages that repeat each other have no end.

    Raises:
        BadRowError: It does not.
    """
    before = None
    for row in rows:
        if before is not None and not (type(row[0]) is type(before) and row[0] > before):
            raise out_of_order(table, row[0])
        before = row[0]
        yield row


def object_of_row(row: tuple[Any, ...]) -> StoredObject:
    """Decode a row of ``objects``: name, size, etag, modified, crc64, metadata, headers.

    Raises:
        BadRowError: It cannot be one of ours.
    """
    name, size, etag, modified, crc64, metadata, headers = row
    try:
        return _object(
            _name(name), size, etag, modified, crc64, _parsed(metadata), _parsed(headers)
        )
    except _BAD as error:
        raise BadRowError("objects", name, error) from error


def entry_of_row(row: tuple[Any, ...]) -> Entry:
    """Decode a row of a listing: name, size, etag, modified.

    Raises:
        BadRowError: It cannot be one of ours.
    """
    name, size, etag, modified = row
    try:
        if type(size) is not int or size < 0 or not 0 < len(name) <= MAX_NAME:
            raise ValueError("its size or name cannot be one")
        if not ID.fullmatch(etag):
            raise ValueError("its body has no id")
        at = datetime.fromisoformat(modified)
        entry = object.__new__(Entry)
        _set_name(entry, name.decode())
        _set_size(entry, size)
        _set_etag(entry, etag)
        _set_modified(entry, at if at.tzinfo is UTC else _time(modified))
        _set_is_prefix(entry, False)  # noqa: FBT003
        _set_storage_class(entry, "")
    except _BAD as error:
        raise BadRowError("objects", name, error) from error
    return entry


def upload_of_row(row: tuple[Any, ...]) -> Upload:
    """Decode a row of ``uploads``: id, name, started.

    Raises:
        BadRowError: It cannot be one of ours.
    """
    upload_id, name, started = row
    try:
        return Upload(_name(name), _id(upload_id), _time(started))
    except _BAD as error:
        raise BadRowError("uploads", name, error) from error


def metadata_of_upload(name: str, row: tuple[Any, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Decode metadata and headers of a row of ``uploads``.

    Raises:
        BadRowError: They cannot be ours.
    """
    try:
        metadata, headers = (_texts(json.loads(text)) for text in row)
        check_metadata(metadata, headers)
    except _BAD as error:
        raise BadRowError("uploads", name.encode(), error) from error
    return metadata, headers


def part_of_row(row: tuple[Any, ...]) -> Part:
    """Decode a row of ``parts``: number, size, etag, crc64.

    Raises:
        BadRowError: It cannot be one of ours.
    """
    number, size, etag, crc64 = row
    try:
        if type(number) is not int or not 1 <= number <= MAX_PARTS:
            raise ValueError("its number cannot be one")
        return Part(number, _size(size), _id(etag), _crc64(crc64))
    except _BAD as error:
        raise BadRowError("parts", number, error) from error


def id_of_row(table: str, id_: object) -> str:
    """Check an id that becomes part of a path.

    Raises:
        BadRowError: It is none.
    """
    try:
        return _id(id_)
    except _BAD as error:
        raise BadRowError(table, id_, error) from error


def object_in_sidecar(held: Mapping[str, Any]) -> StoredObject:
    """Decode a sidecar.

    Raises:
        ValueError: It cannot be one of ours.
        KeyError: It lacks something.
        TypeError: Something in it is of another type.
    """
    try:
        check_name(held["name"])
        return _object(
            held["name"],
            held["size"],
            held["etag"],
            held["modified"],
            held["crc64"],
            held["metadata"],
            held["headers"],
        )
    except (AttributeError, OverflowError) as error:
        raise ValueError(str(error)) from error


def _object(
    name: str,
    size: object,
    etag: object,
    modified: str,
    crc64: str,
    metadata: object,
    headers: object,
) -> StoredObject:
    known, kept = _texts(metadata), _texts(headers)
    if known or kept:
        check_metadata(known, kept)
    return StoredObject(
        name=name,
        size=_size(size),
        etag=_id(etag),
        modified=_time(modified),
        crc64=_crc64(crc64),
        metadata=MappingProxyType(known),
        headers=MappingProxyType(kept),
    )


def _parsed(text: str) -> object:
    return {} if text == "{}" else json.loads(text)


def _name(name: bytes) -> str:
    if not 0 < len(name) <= MAX_NAME:  # before it is decoded, which takes memory
        raise ValueError(f"its name has {len(name):,} bytes")
    return name.decode()


def _size(size: object) -> int:
    if type(size) is not int or not 0 <= size < 1 << 63:
        raise ValueError("its size cannot be one")
    return size


def _id(id_: object) -> str:
    if not isinstance(id_, str) or not ID.fullmatch(id_):
        raise ValueError("what should be an id is none")
    return id_


def _crc64(crc64: str) -> int:
    if not _CRC64.fullmatch(crc64):
        raise ValueError("its CRC-64 cannot be one")
    return int(crc64, 16)


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("its time is without a zone")
    return at.astimezone(UTC)


def _texts(held: object) -> dict[str, str]:
    if type(held) is dict:
        for value in held.values():
            if type(value) is not str:
                break
        else:
            return held
    raise ValueError("its metadata or headers are no mapping of texts to texts")
