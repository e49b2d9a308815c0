"""Listings of objects, V1 and V2, and what all listings share: byte order of names, pages.

Strategy: a page is filled by stepping through an index; a common prefix is passed in one step, from
it to its successor, so that a folder of a million objects costs no more than one. The next page
begins after the last name or prefix of this one; the server holds no state between them.
"""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from cipherbucket.server.catalog import (
    DELETE_MARKER,
    VERSION_COLUMNS,
    Version,
    version_of,
)
from cipherbucket.server.errors import invalid_argument
from cipherbucket.server.numbers import number_given
from cipherbucket.server.operations.object_headers import restore_header
from cipherbucket.server.operations.objects import xml_answer
from cipherbucket.server.service import Answer, Call, Service
from cipherbucket.server.xml import Node, document, iso_time

_AFTER_ALL = b"\xff"
_BATCH = 256


class _Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=_Named)


@dataclass(slots=True)
class Folded(Generic[T]):
    """One page.

    Attributes:
        entries: The rows that no common prefix hides.
        prefixes: The common prefixes.
        last: The last name or prefix of the page.
        truncated: Whether there is more.
    """

    entries: list[T] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""
    truncated: bool = False


Scan = Callable[[bytes], Iterator[T]]
"""Gives rows whose names, as UTF-8, are not less than the argument, in byte order."""


def fold(
    scan: Scan[T], prefix: str, delimiter: str, after: str, limit: int, begin: bytes | None = None
) -> Folded[T]:
    """Fill one page.

    Args:
        scan: Reads the rows.
        prefix: Only names that begin with this.
        delimiter: Fold names at its first occurrence after the prefix; empty: fold nothing.
        after: Only names and common prefixes greater than this.
        limit: Most entries and prefixes together.
        begin: Where the scan begins, if not right after ``after``.
    """
    page: Folded[T] = Folded()
    first = begin if begin is not None else (after.encode() + b"\0" if after else b"")
    position: bytes | None = max(prefix.encode(), first)
    while position is not None:
        rows, position = scan(position), None
        for row in rows:
            if not row.name.startswith(prefix):
                break
            cut = row.name.find(delimiter, len(prefix)) if delimiter else -1
            common = row.name[: cut + len(delimiter)] if cut >= 0 else None
            if common is not None and common <= after:
                position = _successor(common)
                break
            if len(page.entries) + len(page.prefixes) == limit:
                page.truncated = True
                break
            page.last = common if common is not None else row.name
            if common is not None:
                page.prefixes.append(common)
                position = _successor(common)
                break
            page.entries.append(row)
    return page


def list_objects(service: Service, call: Call) -> Answer:
    """ListObjects, version 1."""
    marker = call.query.get("marker", "")
    page, limit = _object_page(service, call, marker)
    check_encoding(call)
    return xml_answer(
        document(
            "ListBucketResult",
            [
                ("Name", call.bucket),
                ("Prefix", call.encode(call.query.get("prefix", ""))),
                ("Marker", call.encode(marker)),
                ("MaxKeys", limit),
                ("Delimiter", call.encode(call.query.get("delimiter", ""))),
                ("EncodingType", call.encoding),
                ("IsTruncated", page.truncated),
                ("NextMarker", call.encode(page.last) if page.truncated else None),
                *_contents(service, call, page, owner=True),
            ],
        )
    )


def list_objects_v2(service: Service, call: Call) -> Answer:
    """ListObjectsV2."""
    token = call.query.get("continuation-token")
    after = _read_token(token) if token else call.query.get("start-after", "")
    page, limit = _object_page(service, call, after)
    check_encoding(call)
    owner = call.query.get("fetch-owner") == "true"
    following = base64.urlsafe_b64encode(page.last.encode()).decode().rstrip("=")
    return xml_answer(
        document(
            "ListBucketResult",
            [
                ("Name", call.bucket),
                ("Prefix", call.encode(call.query.get("prefix", ""))),
                (
                    "StartAfter",
                    call.encode(call.query["start-after"]) if "start-after" in call.query else None,
                ),
                ("MaxKeys", limit),
                ("Delimiter", call.encode(call.query.get("delimiter", ""))),
                ("EncodingType", call.encoding),
                ("IsTruncated", page.truncated),
                ("ContinuationToken", token),
                ("NextContinuationToken", following if page.truncated else None),
                ("KeyCount", len(page.entries) + len(page.prefixes)),
                *_contents(service, call, page, owner=owner),
            ],
        )
    )


def _object_page(service: Service, call: Call, after: str) -> tuple[Folded[Version], int]:
    limit = limit_of(call, "max-keys", 100)
    with service.reading(call.bucket) as (db, _):

        def scan(start: bytes) -> Iterator[Version]:
            return _rows(
                lambda at: db.execute(
                    f"SELECT {VERSION_COLUMNS} FROM versions WHERE bucket = ? AND name >= ?"  # noqa: S608
                    " AND latest = 1 AND kind != ? ORDER BY name LIMIT ?",
                    (call.bucket, at, DELETE_MARKER, _BATCH),
                ),
                start,
            )

        prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
        return fold(scan, prefix, delimiter, after, limit), limit


def _rows(query: Callable[[bytes], sqlite3.Cursor], start: bytes) -> Iterator[Version]:
    """Read batch after batch of versions with distinct names."""
    position: bytes | None = start
    while position is not None:
        rows = query(position).fetchall()
        for row in rows:
            yield version_of(row)
        position = rows[-1][1] + b"\0" if len(rows) == _BATCH else None


def _contents(
    service: Service, call: Call, page: Folded[Version], *, owner: bool
) -> Iterator[Node]:
    now = int(service.now().timestamp())
    for version in page.entries:
        yield (
            "Contents",
            [
                ("Key", call.encode(version.name)),
                ("LastModified", iso_time(version.modified)),
                ("ETag", f'"{version.etag}"'),
                ("Type", version.kind),
                ("Size", version.size),
                ("StorageClass", version.attributes.storage_class),
                ("RestoreInfo", restore_header(version, now) or None),
                ("Owner", owner_node(service) if owner else None),
            ],
        )
    yield from prefix_nodes(call, page)


def prefix_nodes(call: Call, page: Folded[T]) -> Iterator[Node]:
    """Yield the common prefixes of a page."""
    for one in page.prefixes:
        yield "CommonPrefixes", [("Prefix", call.encode(one))]


def owner_node(service: Service) -> list[Node]:
    """Return the content of an Owner element."""
    return [("ID", service.settings.owner), ("DisplayName", service.settings.owner)]


def check_encoding(call: Call) -> None:
    """Refuse an encoding of names that there is not.

    Raises:
        OssError: InvalidArgument.
    """
    wanted = call.query.get("encoding-type", "")
    if wanted not in {"", "url"}:
        raise invalid_argument("The encoding type is url.", "encoding-type", wanted)


def limit_of(call: Call, name: str, default: int) -> int:
    """Return how many entries a page may have.

    Raises:
        OssError: InvalidArgument.
    """
    return number_given(name, call.query.get(name) or str(default), 1, 1000)


def _read_token(token: str) -> str:
    try:
        padded = token + "=" * (-len(token) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise invalid_argument(
            "The continuation token is not one of this endpoint.", "continuation-token", token
        ) from error


def _successor(prefix: str) -> bytes | None:
    """Return the least name that sorts after everything that begins with ``prefix``."""
    raw = prefix.encode().rstrip(_AFTER_ALL)
    return raw[:-1] + bytes([raw[-1] + 1]) if raw else None
