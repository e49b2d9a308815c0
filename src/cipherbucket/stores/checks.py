"""What every store refuses: bounds of names, metadata, ranges and parts, and conditions not met.

Rule: a check says what was wrong in terms of the caller, before anything is sent or changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

from cipherbucket.errors import (
    PreconditionFailedError,
    RangeError,
    UploadNotFoundError,
    UsageError,
)
from cipherbucket.format.span import Span, StoredSpan
from cipherbucket.stores.records import (
    CONTENT_HEADERS,
    MAX_METADATA,
    MAX_NAME,
    MAX_PARTS,
    MAX_PRESIGNED,
    PLACE_HEADERS,
    Match,
    Part,
    StoredObject,
)

_MAX_UPLOAD_ID = 1024
"""Longest id of an upload, in characters; those of OSS and S3 have 32 to 200."""
_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_PRINTABLE = re.compile(r"[ -~]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LOOK_AGAIN = "the object was changed meanwhile; look at it again before you write"


def check_name(name: str) -> None:
    """Refuse what is no object name: 1 to `MAX_NAME` bytes of UTF-8.

    Raises:
        UsageError: Empty, too long, or not encodable.
    """
    if not isinstance(name, str):
        raise UsageError(f"an object name is a str, not {type(name).__name__}")
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise UsageError("an object name must be encodable as UTF-8", name=name) from None
    if not 1 <= length <= MAX_NAME:
        raise UsageError(f"an object name has 1 to {MAX_NAME:,} bytes of UTF-8, not {length:,}")


def check_listing(
    prefix: str, delimiter: str, start_after: str, end_before: str, limit: int
) -> None:
    """Refuse what no listing can be of; see `Store.list`.

    Raises:
        UsageError: As said.
    """
    if not 1 <= limit <= 1000:
        raise UsageError(f"a page has 1 to 1,000 entries, not {limit}")
    for text in (prefix, delimiter, start_after, end_before):
        try:
            text.encode()
        except (AttributeError, UnicodeEncodeError):
            raise UsageError(f"a listing cannot be of {text!r}: it is no text of UTF-8") from None
    if delimiter and (start_after or end_before):
        raise UsageError(
            "start_after and end_before do not go with a delimiter",
            hint="list without the delimiter, or below a prefix",
        )


class KeepsMetadata(Protocol):
    """A store, as far as its limit of metadata goes; see `StoreMethods`."""

    @property
    def url(self) -> str:
        """The store's URL."""

    @property
    def max_metadata(self) -> int:
        """Most bytes that an object has."""

    def metadata_size(self, metadata: Mapping[str, str]) -> int:
        """Return how many bytes these take."""


def check_metadata(
    metadata: Mapping[str, str],
    headers: Mapping[str, str],
    name: str | None = None,
    store: KeepsMetadata | None = None,
) -> None:
    """Refuse metadata and content headers that a store could not carry.

    Args:
        metadata: User metadata.
        headers: Content headers, and those of `PLACE_HEADERS`.
        name: The object's, for the error.
        store: Where they go to; None for any that keeps `MAX_METADATA` bytes.

    Raises:
        UsageError: A name or value with characters that HTTP headers cannot carry, a content
            header that is none, or more bytes in all than the store keeps.
    """
    for key in metadata:
        if not _is_metadata_name(key):
            raise UsageError(
                f"metadata name {key!r}: only a-z, 0-9 and hyphen are allowed", name=name
            )
    for key in headers.keys() - CONTENT_HEADERS - PLACE_HEADERS if headers else ():
        raise UsageError(
            f"{key!r} is no header that is kept with an object",
            name=name,
            hint=", ".join(sorted(CONTENT_HEADERS | PLACE_HEADERS)),
        )
    counted, others = "".join((*metadata, *metadata.values())), "".join(headers.values())
    printable = _PRINTABLE.fullmatch(counted + others)  # as nearly always, and that is quick
    for key, value in (*metadata.items(), *headers.items()):
        if (not printable and _CONTROL.search(value)) or value != value.strip(" "):
            raise UsageError(
                f"value of {key!r}: no control characters, no spaces at either end", name=name
            )
    try:
        total = len(counted.encode()) if store is None else store.metadata_size(metadata)
        others.encode()
    except UnicodeEncodeError:
        raise UsageError("metadata and headers must be encodable as UTF-8", name=name) from None
    most = MAX_METADATA if store is None else store.max_metadata
    if total > most:
        keeper = "a store" if store is None else store.url
        raise UsageError(
            f"{total:,} bytes of metadata; {keeper} keeps at most {most:,}",
            name=name,
            hint="shorten them: names count as well as values",
        )


@lru_cache(256)  # a few names are on every object
def _is_metadata_name(key: str) -> bool:
    return _METADATA_NAME.fullmatch(key) is not None


def check_copy_headers(headers: Mapping[str, str], name: str) -> None:
    """Refuse what a copy cannot be given beside the content headers of its source.

    Raises:
        UsageError: A header that is none of `PLACE_HEADERS`, or a value that no store could carry.
    """
    for key in headers.keys() - PLACE_HEADERS:
        raise UsageError(
            f"{key!r} is no header that a copy can be given",
            name=name,
            hint="content headers are those of the source; the others are "
            + ", ".join(sorted(PLACE_HEADERS)),
        )
    check_metadata({}, headers, name)


def clip(name: str, size: int, span: Span | StoredSpan) -> tuple[int, int]:
    """Return where a range lies in an object of ``size`` bytes, as offsets (start, stop).

    Raises:
        RangeError: The range begins after the end.
    """
    if span.tail is not None:
        return max(0, size - span.tail), size
    if span.start > size:
        raise RangeError(
            f"the range begins at byte {span.start:,} of an object of {size:,} bytes", name=name
        )
    return span.start, size if span.length is None else min(size, span.start + span.length)


def check_match(there: StoredObject | None, if_match: Match | None, name: str) -> None:
    """Refuse to go on unless the object there is the one expected.

    Raises:
        PreconditionFailedError: It is another, or there is none.
    """
    if if_match is None:
        return
    etag = if_match.etag if isinstance(if_match, StoredObject) else if_match
    if there is None or there.etag != etag:
        now = "no object" if there is None else f"an object with ETag {there.etag!r}"
        raise PreconditionFailedError(
            f"the condition was ETag {etag!r}; there is {now}",
            name=name,
            hint=_LOOK_AGAIN,
        )
    if isinstance(if_match, StoredObject) and (
        there.metadata != if_match.metadata or there.all_headers != if_match.all_headers
    ):
        raise PreconditionFailedError(
            "the object's metadata are not those that it had",
            name=name,
            hint=_LOOK_AGAIN,
        )


def check_part_order(parts: Sequence[Part], name: str) -> None:
    """Refuse parts of which no object can be made.

    Raises:
        UsageError: There are none, or their numbers do not ascend.
    """
    if not parts or any(a.number >= b.number for a, b in pairwise(parts)):
        raise UsageError("parts must be one or more, in ascending order", name=name)


def check_parts(there: Mapping[int, Part], named: Sequence[Part], name: str) -> None:
    """Hold the parts that a completion names against those that have arrived.

    Raises:
        PreconditionFailedError: One is not there, or was replaced by another.
    """
    for part in named:
        held = there.get(part.number)
        if held is None or held.etag != part.etag:
            now = "is not there" if held is None else f"has ETag {held.etag!r}"
            raise PreconditionFailedError(
                f"part {part.number} with ETag {part.etag!r} was named; it {now}",
                name=name,
                hint="list the parts and upload again those that are missing",
            )


def check_unversioned(version_id: str | None, name: str) -> None:
    """Refuse a version in a store that keeps none.

    Raises:
        UsageError: A version was asked for.
    """
    if version_id is not None:
        raise UsageError("this store keeps no versions", name=name)


def check_expires(expires: int, name: str) -> None:
    """Refuse a time that no presigned URL is good for.

    Raises:
        UsageError: Not from 1 to `MAX_PRESIGNED` seconds.
    """
    if not 1 <= expires <= MAX_PRESIGNED:
        raise UsageError(
            f"a presigned URL is good for 1 second to 7 days, not for {expires:,} seconds",
            name=name,
        )


def check_part_number(number: int, name: str) -> None:
    """Refuse what is no part number.

    Raises:
        UsageError: Not from 1 to `MAX_PARTS`.
    """
    if not 1 <= number <= MAX_PARTS:
        raise UsageError(f"part numbers are 1 to {MAX_PARTS:,}, not {number}", name=name)


def check_upload(name: str, upload_id: str) -> None:
    """Refuse what is no upload's id: without one a request would mean the object itself.

    Raises:
        UsageError: As in `check_name`.
        UploadNotFoundError: The id is empty, too long, or not encodable.
    """
    check_name(name)
    try:
        known = bool(upload_id.encode()) and len(upload_id) <= _MAX_UPLOAD_ID
    except UnicodeEncodeError:
        known = False
    if not known:
        raise UploadNotFoundError(
            "no such unfinished upload", name=name, hint="begin the upload anew"
        )
