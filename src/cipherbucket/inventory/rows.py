"""One row of an inventory, whatever format its file has, as an `Entry`.

Rule: an object's newest version alone is an entry; old versions and delete markers are passed over.
What a pass relies on is checked: bucket, name, size. Where the time or the ETag cannot be read the
entry has none, for nothing depends on them but whether two rows are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from cipherbucket.stores.checks import check_name
from cipherbucket.stores.records import Entry

COLUMNS = (
    "bucket",
    "key",
    "islatest",
    "isdeletemarker",
    "size",
    "lastmodifieddate",
    "etag",
    "storageclass",
)
"""The columns that are read, as `column_of` writes them; all but the key may be missing."""
_FLAGS = {"true": True, "false": False}
_SIZE = re.compile(r"[0-9]{1,18}")
_LONGEST_ETAG = 128
_LONGEST_CLASS = 40


def column_of(name: str) -> str:
    """Return a column's name as in `COLUMNS`: ``IsLatest`` and ``is_latest`` are one."""
    return name.replace("_", "").lower()


def check_once(columns: Iterable[str]) -> None:
    """Refuse columns of which one that is read occurs twice: either may be meant.

    Raises:
        ValueError: One does.
    """
    there = [each for each in map(column_of, columns) if each in COLUMNS]
    if twice := {each for each in there if there.count(each) > 1}:
        raise ValueError(f"column {min(twice)} is there twice")


def entry_of(values: Sequence[Any], bucket: str) -> Entry | None:
    """Make an entry of the values of `COLUMNS`; None of what is no newest version.

    Args:
        values: Texts, or what Parquet and ORC have; None for what is not there.
        bucket: The bucket that the inventory is of.

    Raises:
        ValueError: A value is none that can be there.
    """
    source, key, latest, marker, size, modified, etag, storage_class = values
    if source is not None and source != bucket:
        raise ValueError("it is of another bucket than the inventory")
    check_name(key)
    if not _flag(latest, default=True) or _flag(marker, default=False):
        return None
    return Entry(
        name=key,
        size=_size(size),
        etag=_text(etag, _LONGEST_ETAG).strip('"'),
        modified=_time(modified),
        storage_class=_text(storage_class, _LONGEST_CLASS),
    )


def _flag(value: Any, *, default: bool) -> bool:
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return value
    flag = _FLAGS.get(str(value).lower())
    if flag is None:
        raise ValueError("it says neither true nor false of its version")
    return flag


def _size(value: Any) -> int:
    if value is None or value == "":  # of a delete marker; or nobody asked for it
        return 0
    if not (isinstance(value, str) and _SIZE.fullmatch(value)) and type(value) is not int:
        raise ValueError("its size is no number")
    if (size := int(value)) < 0:
        raise ValueError("its size is negative")
    return size


def _text(value: Any, longest: int) -> str:
    return value if isinstance(value, str) and len(value) <= longest else ""


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(time, datetime):
            return None
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
