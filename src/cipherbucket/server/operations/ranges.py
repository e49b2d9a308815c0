"""Ranges and conditions of a read, as OSS holds them: pure functions.

Rule: OSS ignores a range that it cannot serve exactly, and sends the whole object with 200, unless
the request asks for ``x-oss-range-behavior: standard``. Then a range that goes past the end is
clipped, and one that begins there is 416.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cipherbucket.server.errors import OssError, not_modified, precondition_failed

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})(?:,.*)?")


def find_range(header: str | None, size: int, *, standard: bool) -> tuple[int, int] | None:
    """Turn a Range header into offsets (start, stop).

    Args:
        header: The header, or None. Of several ranges the first counts.
        size: Size of the object in bytes.
        standard: The request asked for the standard behaviour.

    Returns:
        The offsets, or None for the whole object with 200.

    Raises:
        OssError: 416, in the standard behaviour alone.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return _find_tail(int(match[2]), size, standard=standard)
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < start:
        return None
    if start >= size:
        if standard:
            raise _not_satisfiable(size)
        return None
    if last >= size:
        if not standard:
            return None
        last = size - 1
    return start, last + 1


def check_conditions(headers: Mapping[str, str], etag: str, modified: datetime) -> None:
    """Hold the conditions of a read against the object.

    Args:
        headers: ``if-match``, ``if-none-match``, ``if-modified-since``, ``if-unmodified-since``.
        etag: The object's, without quotes.
        modified: When it was last written.

    Raises:
        OssError: 412 or 304. A date that cannot be read is no condition.
    """
    now = modified.replace(microsecond=0)
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    if wanted is not None and not _has(wanted, etag):
        raise precondition_failed("If-Match")
    unmodified = _http_time(headers.get("if-unmodified-since"))
    if unmodified is not None and now > unmodified:
        raise precondition_failed("If-Unmodified-Since")
    about = {"ETag": f'"{etag}"', "Last-Modified": http_time(modified)}
    if unwanted is not None and _has(unwanted, etag):
        raise not_modified(about)
    since = _http_time(headers.get("if-modified-since"))
    if since is not None and now <= since:
        raise not_modified(about)


def http_time(moment: datetime) -> str:
    """Write a moment as HTTP headers do, whatever the locale."""
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][
        moment.month - 1
    ]
    return f"{day}, {moment:%d} {month} {moment:%Y %H:%M:%S} GMT"


def _find_tail(length: int, size: int, *, standard: bool) -> tuple[int, int] | None:
    if length == 0 or size == 0:
        if standard:
            raise _not_satisfiable(size)
        return None
    if length > size:
        return (0, size) if standard else None
    return size - length, size


def _not_satisfiable(size: int) -> OssError:
    return OssError(
        416,
        "InvalidRange",
        "The requested range cannot be satisfied.",
        details={"ObjectSize": str(size)},
        headers={"Content-Range": f"bytes */{size}"},
    )


def _has(header: str, etag: str) -> bool:
    named = {one.strip().removeprefix("W/").strip('"').upper() for one in header.split(",")}
    return "*" in named or etag.upper() in named


def _http_time(header: str | None) -> datetime | None:
    if header is None:
        return None
    try:
        moment = parsedate_to_datetime(header)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: at the ends of time, in another zone
        return None
