"""Listings of a store as one sequence, page after page, and deleting what is listed.

Rule: a listing is read while it is used and never held in memory. Each page begins after the one
before it; one that only ever returns empty pages is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cipherbucket.errors import CipherbucketError, UsageError
from cipherbucket.stores.base import Store
from cipherbucket.stores.contract import MAX_EMPTY_PAGES, broken
from cipherbucket.stores.records import Entry, Version


def list_objects(
    store: Store,
    prefix: str = "",
    *,
    delimiter: str = "",
    start_after: str = "",
    end_before: str = "",
) -> Iterator[Entry]:
    """Yield the objects under a prefix in byte order of their names; see `Bucket.list`."""
    check_prefix(prefix)
    token: str | None = None
    last: str | None = None
    empty = 0
    while True:
        page = store.list(
            prefix,
            delimiter=delimiter,
            token=token,
            start_after=start_after,
            end_before=end_before,
        )
        if page.entries:
            if last is not None and page.entries[0].name <= last:
                raise broken("a page does not begin after the page before it")
            last, empty = page.entries[-1].name, 0
        else:
            empty += 1
        yield from page.entries
        if empty == MAX_EMPTY_PAGES:
            raise broken(f"{empty} pages in a row were empty and none was the last")
        if (token := page.token) is None:
            return


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
