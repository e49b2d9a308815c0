"""Pages of a listing over anything that can be read in byte order from a given name on.

Strategy: a store gives one function, a scan that begins at a name, inclusive. A common prefix is
passed by beginning a new scan at its successor, so that a folder of a million objects costs one
step. A page ends by looking for one entry more than was asked for; there is a token exactly when
there is such an entry. The token is the name to go on from, so pages stay right while objects come
and go between them: no entry that stays is left out or given twice.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Generator
from contextlib import closing

from cipherbucket.errors import UsageError
from cipherbucket.stores.records import Entry, Page

Scan = Callable[[bytes], Generator[Entry, None, None]]
"""Gives the entries whose names, as UTF-8, are not less than the argument, in byte order."""

_TOKEN_VERSION = b"\x01"


def list_page(
    scan: Scan, prefix: str, delimiter: str, token: str | None, limit: int, start_after: str
) -> Page:
    """Make one page of a listing, as `Store.list` promises it.

    Args:
        scan: Reads the names; it is closed before the next scan begins and before returning.
        prefix: Only names that begin with this.
        delimiter: Fold names at its first occurrence after the prefix; empty: fold nothing.
        token: `Page.token` of the page before, or None for the first page.
        limit: Most entries of the page.
        start_after: Where there is no token: only names after this; empty for all.

    Raises:
        UsageError: The token is not one of ours.
    """
    first, fold = prefix.encode(), delimiter.encode()
    if token is not None:
        start = max(first, _read_token(token))
    else:
        start = max(first, start_after.encode() + b"\0") if start_after else first
    entries: list[Entry] = []
    while True:
        with closing(scan(start)) as found:
            for entry in found:
                name = entry.name.encode()
                if not name.startswith(first):
                    return Page(tuple(entries), None)
                if len(entries) == limit:
                    return Page(tuple(entries), _token(start))
                cut = name.find(fold, len(first)) if fold else -1
                if cut >= 0:
                    common = name[: cut + len(fold)]
                    entries.append(Entry(name=common.decode(), is_prefix=True))
                    start = after_prefix(common)
                    break  # seek past all the names that the prefix stands for
                entries.append(entry)
                start = name + b"\0"  # the least name after this one
            else:
                return Page(tuple(entries), None)


def after_prefix(prefix: bytes) -> bytes:
    """Return the least bytes that lie after everything that begins with ``prefix``.

    The last byte can always be counted up: 0xFF occurs nowhere in UTF-8.
    """
    return prefix[:-1] + bytes((prefix[-1] + 1,))


def _token(start: bytes) -> str:
    return urlsafe_b64encode(_TOKEN_VERSION + start).decode()


def _read_token(token: str) -> bytes:
    try:
        raw = urlsafe_b64decode(token.encode())
    except (Base64Error, UnicodeEncodeError):
        raw = b""
    if not raw.startswith(_TOKEN_VERSION) or _token(raw[1:]) != token:
        raise UsageError(
            "this is no continuation token of this store",
            hint="pass Page.token of the page before, unchanged",
        )
    return raw[1:]
