"""What fsspec wants to know of files and directories, as dictionaries.

Rule: the size of a file is that of its plaintext. A listing tells that of the ciphertext, which is
another for sealed objects; where a bucket reads these, each object is looked at, several at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cipherbucket.bucket import Bucket
from cipherbucket.errors import ObjectNotFoundError, SecurityError
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.stores.records import Entry

LOOKS = 16
"""Objects that are looked at at once."""


def directory(name: str) -> dict[str, Any]:
    """Return what is known of a directory."""
    return {"name": name, "size": 0, "type": "directory"}


def file_at(name: str, info: ObjectInfo) -> dict[str, Any]:
    """Return what is known of an object that was looked at."""
    return {
        "name": name,
        "size": info.size,
        "type": "file",
        "stored_size": info.stored_size,
        "format": info.format,
        "ETag": info.etag,
        "LastModified": info.modified,
    }


def entries_below(
    bucket: Bucket, prefix: str, delimiter: str, *, sizes: bool
) -> list[dict[str, Any]]:
    """List files, and with a delimiter directories, whose names begin with a prefix.

    An object whose name ends with a slash, as some tools store in the place of a directory, is
    none of the files.

    Args:
        bucket: Where they lie.
        prefix: What their names begin with.
        delimiter: As in `Bucket.list`.
        sizes: Whether to look at the objects of a bucket that reads sealed ones.
    """
    listed = (
        entry
        for entry in bucket.list(prefix, delimiter=delimiter)
        if entry.is_prefix or not entry.name.endswith("/")
    )

    def look(entry: Entry) -> dict[str, Any] | None:
        if entry.is_prefix:
            return directory(entry.name.rstrip("/"))
        try:
            return file_at(entry.name, bucket.head(entry.name))
        except ObjectNotFoundError:  # deleted since it was listed
            return None
        except SecurityError:  # its envelope cannot be read, and so neither can its size
            return _listed(entry)

    if not (sizes and SEALED in bucket.access.policy.formats):
        return [
            directory(each.name.rstrip("/")) if each.is_prefix else _listed(each) for each in listed
        ]
    with ThreadPoolExecutor(LOOKS) as pool:
        return [each for each in pool.map(look, listed) if each is not None]


def add_directories(found: dict[str, dict[str, Any]], top: str) -> None:
    """Add the directories of files, from the top one down."""
    for name in tuple(found):
        parent = name.rpartition("/")[0]
        while len(parent) > len(top) and parent not in found:
            found[parent] = directory(parent)
            parent = parent.rpartition("/")[0]
    if top and found:
        found.setdefault(top, directory(top))


def _listed(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "size": entry.size,
        "type": "file",
        "stored_size": entry.size,
        "ETag": entry.etag,
        "LastModified": entry.modified,
    }
