"""What a listing must be, whatever store gave it.

Rule: names begin with the prefix and come in byte order, each once; pages move on. A store that
breaks this is not followed one entry further, since deletions follow from listings: `rm -r` deletes
what one holds, `sync --delete` what one leaves out. Names are compared as text, which has the order
of its UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from cipherbucket.errors import StoreError
from cipherbucket.stores.records import MAX_NAME, MAX_PARTS, Page, Part, Upload, Version

MAX_EMPTY_PAGES = 100
"""So many empty pages in a row are no listing: a store could go on for ever."""

_MAX_SEEN = 100_000
"""Most versions of one name that are remembered: a listing that goes in a circle has fewer."""


def broken(why: str, name: str | None = None) -> StoreError:
    """Return the error for a listing that is none."""
    return StoreError(
        f"the store's listing cannot be trusted: {why}",
        name=name,
        hint="a gateway in front of the store may do so; ask the store itself",
    )


def check_page(
    page: Page,
    prefix: str,
    delimiter: str,
    token: str | None,
    limit: int,
    *,
    strict: bool = True,
    start_after: str = "",
) -> Page:
    """Return a page that is what was asked for; arguments as in `Store.list`.

    Without ``strict`` a name may be there twice: of versions and uploads it is not all.

    Raises:
        StoreError: It is not.
    """
    if page.token is not None and page.token in {token, ""}:
        raise broken("it does not advance")
    if not page.entries:
        return page
    names = [entry.name for entry in page.entries]
    if len(names) > limit:
        raise broken(f"{len(names):,} entries where {limit:,} were asked for")
    check_order(names, strict=strict)
    check_prefix((names[0], names[-1]), prefix)  # and so all between them
    if names[0] <= start_after:
        raise broken(f"{names[0][:100]!r} does not come after {start_after!r}")
    if not delimiter:
        if folded := next((entry.name for entry in page.entries if entry.is_prefix), None):
            raise broken(f"{folded!r} stands for all below it, which was not asked for")
        return page
    for entry in page.entries:
        _, found, rest = entry.name[len(prefix) :].partition(delimiter)
        if entry.is_prefix != bool(found) or rest:
            raise broken(f"{entry.name!r} is not folded at {delimiter!r}")
    return page


def check_order(names: list[str], *, strict: bool = True) -> None:
    """Refuse names that are out of order, or there twice where each is there once.

    Raises:
        StoreError: As said, or a name is none.
    """
    if names != sorted(names):
        name = next(b for a, b in pairwise(names) if a > b)
        raise broken(f"{name[:100]!r} is out of order")
    if strict and len(set(names)) != len(names):
        name = next(b for a, b in pairwise(names) if a == b)
        raise broken(f"{name[:100]!r} is there twice")
    if names and (not names[0] or max(map(len, names)) > MAX_NAME):
        raise broken("a name is empty or longer than any")


def check_prefix(names: Iterable[str], prefix: str) -> None:
    """Refuse names that were not asked for.

    Raises:
        StoreError: One does not begin with the prefix.
    """
    for name in names:
        if not name.startswith(prefix):
            raise broken(f"{name[:100]!r} does not begin with {prefix!r}")


def check_versions(versions: Iterable[Version], prefix: str) -> Iterator[Version]:
    """Yield versions as long as they come by name, and of each name none twice.

    Raises:
        StoreError: They do not, or one was not asked for.
    """
    last = ""
    seen: set[str] = set()  # of this name
    for version in versions:
        check_prefix((version.name,), prefix)
        check_order([last or version.name, version.name], strict=False)
        if version.name != last:
            last, seen = version.name, set()
        if version.version_id in seen:
            raise broken(f"version {version.version_id[:100]!r} is there twice", version.name)
        if len(seen) < _MAX_SEEN:
            seen.add(version.version_id)
        yield version


def check_uploads(uploads: Sequence[Upload], prefix: str) -> Sequence[Upload]:
    """Return unfinished uploads that come by name, each once.

    Raises:
        StoreError: They do not, or one was not asked for.
    """
    names = [upload.name for upload in uploads]
    check_order(names, strict=False)
    check_prefix(names[:1] + names[-1:], prefix)
    if len({(upload.name, upload.upload_id) for upload in uploads}) != len(uploads):
        raise broken("an unfinished upload is there twice")
    return uploads


def check_parts(parts: Sequence[Part], name: str) -> Sequence[Part]:
    """Return parts whose numbers ascend.

    Raises:
        StoreError: They do not, or one is no number of a part.
    """
    numbers = [0, *(part.number for part in parts)]
    if numbers[-1] > MAX_PARTS or any(a >= b for a, b in pairwise(numbers)):
        raise broken("the numbers of its parts do not ascend", name)
    return parts
