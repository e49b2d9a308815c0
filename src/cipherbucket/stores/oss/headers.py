"""Headers of OSS: what those of an answer say, and how metadata are sent.

Rule: the server is hostile. The headers of its answers are input, and are checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cipherbucket.errors import IntegrityError
from cipherbucket.stores.records import CONTENT_HEADERS, OSS_HEADERS, StoredObject

META = "x-oss-meta-"
CRC64 = "x-oss-hash-crc64ecma"

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


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return user metadata as headers."""
    return {META + key: text for key, text in metadata.items()}


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
