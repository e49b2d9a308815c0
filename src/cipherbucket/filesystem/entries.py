"""What fsspec wants to know of files and directories, as dictionaries.

Rule: the size of a file is that of its plaintext. A listing tells that of the ciphertext, which is
another for sealed objects; where a bucket reads these, each object is looked at, several at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


def entries_at(
    listed: Iterable[Entry], find: Callable[[str], tuple[Bucket, str]], *, sizes: bool
) -> list[dict[str, Any]]:
    """Return what is known of files and directories that were listed.

    Args:
        listed: Entries, with their paths in the place of names.
        find: Returns the bucket of a path, and the object's name in it.
        sizes: Whether to look at the objects of buckets that read sealed ones.
    """

    def is_sealed(entry: Entry) -> bool:
        return not entry.is_prefix and SEALED in find(entry.name)[0].access.policy.formats

    def look(entry: Entry) -> dict[str, Any] | None:
        bucket, name = find(entry.name)
        try:
            return file_at(entry.name, bucket.head(name))
        except ObjectNotFoundError:  # deleted since it was listed
            return None
        except SecurityError:  # its envelope cannot be read, and so neither can its size
            return _listed(entry)

    entries = list(listed)
    found: dict[str, dict[str, Any] | None] = {each.name: _listed(each) for each in entries}
    if sizes and (looked_at := [each for each in entries if is_sealed(each)]):
        with ThreadPoolExecutor(LOOKS) as pool:
            names = (each.name for each in looked_at)
            found.update(zip(names, pool.map(look, looked_at), strict=True))
    return [each for each in found.values() if each is not None]


def add_directories(found: dict[str, dict[str, Any]], top: str) -> None:
    """Add the directories of files, from the top one down."""
    for name in tuple(found):
        parent = name.rpartition("/")[0]
        while len(parent) > len(top) and parent not in found:
            if not parent.endswith("/"):
                found[parent] = directory(parent)
            parent = parent.rpartition("/")[0]
    if top and found:
        found.setdefault(top, directory(top))


def _listed(entry: Entry) -> dict[str, Any]:
    if entry.is_prefix:
        return directory(entry.name)
    return {
        "name": entry.name,
        "size": entry.size,
        "type": "file",
        "stored_size": entry.size,
        "ETag": entry.etag,
        "LastModified": entry.modified,
    }
