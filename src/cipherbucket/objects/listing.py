"""Listings of a store as one sequence, page after page, and deleting what is listed.

Rule: a listing is read while it is used and never held in memory. One that only ever returns empty
pages, or folds what nobody asked it to fold, is an error before anything comes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cipherbucket.errors import CipherbucketError, StoreError, UsageError
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import Entry, Version

_EMPTY_PAGES = 100
"""So many empty pages in a row are no listing: a store could go on for ever."""


def list_objects(store: Store, prefix: str = "", *, delimiter: str = "") -> Iterator[Entry]:
    """Yield the objects under a prefix in byte order of their names; see `Bucket.list`."""
    check_prefix(prefix)
    token: str | None = None
    empty = 0
    while True:
        page = store.list(prefix, delimiter=delimiter, token=token)
        yield from page.entries
        empty = 0 if page.entries else empty + 1
        if empty == _EMPTY_PAGES:
            raise StoreError(f"{empty} pages of the listing were empty and none was the last")
        if (token := page.token) is None:
            return


def every_object(store: Store, prefix: str) -> Iterator[Entry]:
    """Yield every object under a prefix, for a pass over all of them.

    Raises:
        StoreError: The store folds names that nobody asked it to fold: what is below them was not
            listed.
    """
    for entry in list_objects(store, prefix):
        if entry.is_prefix:
            raise StoreError(
                f"the store folds its listing: {entry.name!r} stands for all below it",
                hint="a gateway in front of the store may do so; ask the store itself",
            )
        yield entry


def every_version(store: Store, prefix: str) -> Iterator[Version]:
    """Yield every version of every object under a prefix, without delete markers.

    Raises:
        UsageError: The store keeps no versions, or the prefix is no text.
    """
    check_prefix(prefix)
    versions = store.list_versions(prefix)
    return (version for version in versions if not version.is_delete_marker)


def delete_many(store: Store, names: Iterable[str]) -> dict[str, CipherbucketError]:
    """Delete many objects and return the failures by name; see `Bucket.delete_many`."""
    if isinstance(names, str):  # each of its characters is a name too
        raise UsageError("delete_many takes several names, not one", hint="write [name]")
    failures: dict[str, CipherbucketError] = {}
    for name in names:
        try:
            store.delete(name)
        except CipherbucketError as error:
            failures[name] = error
    return failures


def check_prefix(prefix: str) -> None:
    """Refuse what is no prefix of names.

    Raises:
        UsageError: It is no text.
    """
    if not isinstance(prefix, str):
        raise UsageError(
            f"the prefix is a text, not {type(prefix).__name__}", hint='"" for the whole store'
        )
