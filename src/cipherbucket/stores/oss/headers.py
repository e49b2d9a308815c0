"""Headers of OSS: what those of an answer say, and how metadata and ranges are asked for.

Rule: the server is hostile. The headers of its answers are input, and are checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cipherbucket.errors import IntegrityError
from cipherbucket.format.span import Span
from cipherbucket.stores.records import CONTENT_HEADERS, OSS_HEADERS, StoredObject

META = "x-oss-meta-"
CRC64 = "x-oss-hash-crc64ecma"

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_SIZE = re.compile(r"[0-9]{1,18}")  # fits an offset of 64 bits
_CRC64 = re.compile(r"[0-9]{1,20}")
_EPOCH = datetime.fromtimestamp(0, UTC)


def stored_object(name: str, headers: Mapping[str, str], size: int) -> StoredObject:
    """Read an object's description from the headers of a GET, HEAD or PUT answer.

    Args:
        name: The name that was asked for.
        headers: Names in lower case.
        size: Size of the whole object in bytes.
    """
    return StoredObject(
        name=name,
        size=size,
        etag=headers.get("etag", "").strip('"'),
        modified=_date(headers),
        crc64=_crc64(name, headers),
        metadata={
            key.removeprefix(META): text for key, text in headers.items() if key.startswith(META)
        },
        headers={
            key: text
            for key, text in headers.items()
            if key in CONTENT_HEADERS or key in OSS_HEADERS
        },
        version_id=headers.get("x-oss-version-id"),
        restore=headers.get("x-oss-restore"),
    )


def content_length(name: str, headers: Mapping[str, str]) -> int:
    """Return the length of the body that comes.

    Raises:
        IntegrityError: The answer does not say, or not in digits.
    """
    text = headers.get("content-length", "")
    if not _SIZE.fullmatch(text):
        raise IntegrityError("the store does not say how long its answer is", name=name)
    return int(text)


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return user metadata as headers."""
    return {META + key: text for key, text in metadata.items()}


def range_header(span: Span) -> str | None:
    """Return the ``Range`` header of a range; None for the whole."""
    if span.tail is not None:
        return f"bytes=-{span.tail}"
    if span.length is not None:
        return f"bytes={span.start}-{span.start + span.length - 1}"
    return f"bytes={span.start}-" if span.start else None


def received_range(name: str, status: int, headers: Mapping[str, str]) -> tuple[int, int, int]:
    """Return which bytes an answer to GET holds.

    Returns:
        Offset of the first byte, offset after the last, and the size of the whole object. A 200
        is the whole object, whatever range was asked for.

    Raises:
        IntegrityError: A 206 whose Content-Range is missing or absurd.
    """
    length = content_length(name, headers)
    if status != 206:
        return 0, length, length
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if match is not None:
        first, last, size = map(int, match.groups())
        if first <= last < size and last - first + 1 == length:
            return first, last + 1, size
    raise IntegrityError(
        f"the store sent a range of {length:,} bytes as"
        f" {headers.get('content-range', 'nothing in particular')[:80]!r}",
        name=name,
        hint="a proxy or the store mistreats ranges; read the whole object instead",
    )


def _date(headers: Mapping[str, str]) -> datetime:
    """Return Last-Modified; a PUT's answer has only the Date it was given at."""
    try:
        parsed = parsedate_to_datetime(headers.get("last-modified") or headers.get("date", ""))
    except (ValueError, OverflowError):
        return _EPOCH
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def _crc64(name: str, headers: Mapping[str, str]) -> int | None:
    if (text := headers.get(CRC64)) is None:
        return None
    if not _CRC64.fullmatch(text) or int(text) >= 1 << 64:
        raise IntegrityError("the store's CRC-64 is no number", name=name)
    return int(text)
