"""The manifest of an inventory: which bucket, when, which columns, and which data files.

OSS and S3 write the same fields into ``manifest.json`` (OSS, "Bucket inventory"; Amazon S3, "Amazon
S3 Inventory manifest"). They differ in the time: seconds in OSS, milliseconds in S3.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cipherbucket.errors import IntegrityError
from cipherbucket.inventory.rows import check_once

MAX_MANIFEST = 16 << 20
"""Bytes; each data file takes some 200, and holds a million objects or more."""
MAX_DATA_FILE = 16 << 30
"""Bytes of one data file as it is stored: so much disk is used while it is read."""
_FORMATS = {"csv": "CSV", "parquet": "Parquet", "orc": "ORC"}
_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_LATEST_IN_SECONDS = 10**11
"""A larger number is one of milliseconds: in seconds it would be after the year 5000."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file: its name in the bucket that the inventory was written to, size and MD5."""

    key: str
    size: int
    md5: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says.

    Attributes:
        bucket: Name of the bucket whose objects are listed.
        created: When the service began to go through the bucket, UTC.
        format: ``CSV``, ``Parquet`` or ``ORC``.
        columns: Of the lines of CSV, in their order; Parquet and ORC name their columns themselves.
        files: The data files.
        digest: SHA-256 of the manifest.
    """

    bucket: str
    created: datetime
    format: str
    columns: tuple[str, ...]
    files: tuple[DataFile, ...]
    digest: str


def parse(data: bytes, name: str) -> Manifest:
    """Read a manifest.

    Raises:
        IntegrityError: It is none, or none that can be read here.
    """
    try:
        whole = json.loads(data)
        return Manifest(
            _text(whole, "sourceBucket"),
            _time(whole["creationTimestamp"]),
            _format(whole),
            _columns(whole),
            tuple(map(_file, _list(whole, "files"))),
            hashlib.sha256(data).hexdigest(),
        )
    except KeyError as error:
        raise _wrong(name, f"it has no field {error}") from error
    except (ValueError, TypeError, OverflowError, OSError, RecursionError) as error:
        raise _wrong(name, str(error)) from error


def _wrong(name: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"this is no manifest of an inventory: {why}",
        name=name,
        hint="name the manifest.json that OSS or S3 wrote",
    )


def _text(whole: Any, field: str) -> str:
    value = whole[field]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{field} is no text")
    return value


def _columns(whole: Any) -> tuple[str, ...]:
    columns = tuple(each.strip() for each in _text(whole, "fileSchema").split(","))
    if _format(whole) == "CSV":  # other files name theirs themselves
        check_once(columns)
    return columns


def _list(whole: Any, field: str) -> list[Any]:
    value = whole[field]
    if not isinstance(value, list):
        raise TypeError(f"{field} is no list")
    return value


def _format(whole: Any) -> str:
    name = _text(whole, "fileFormat")
    if name.lower() not in _FORMATS:
        raise ValueError(f"fileFormat is {name[:20]!r}, none of {list(_FORMATS.values())}")
    return _FORMATS[name.lower()]


def _time(value: Any) -> datetime:
    number = int(value)
    return datetime.fromtimestamp(number / (1000 if number > _LATEST_IN_SECONDS else 1), UTC)


def _file(entry: Any) -> DataFile:
    size, md5 = entry["size"], entry["MD5checksum"]
    if type(size) is not int or not 0 <= size <= MAX_DATA_FILE:
        raise ValueError(f"a data file has a size of {size!r}")
    if not isinstance(md5, str) or not _MD5.fullmatch(md5):
        raise ValueError("a data file has no MD5")
    return DataFile(_text(entry, "key"), size, md5.lower())
