"""What a listing does not show of an object: its envelope, its metadata and its headers.

Rule: an object is the one that was written only if all of that is as it was sent. A store gives an
object new metadata under the ETag, the size and even the second that it had before.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import cipherbucket as cb

_TYPE, _NO_TYPE = "content-type", "application/octet-stream"


Seen = list[Any]
"""What an object is to be known by, fit for JSON."""


def seen_of(info: cb.ObjectInfo) -> Seen:
    """Return what an object is to be known by."""
    texts = [info.etag, info.stored_size, sorted(info.stored_metadata().items())]
    return [hashlib.sha256(json.dumps(texts).encode()).hexdigest(), dict(info.headers)]


def is_still(bucket: cb.Bucket, name: str, seen: Seen | None) -> bool:
    """Ask the store whether an object is the one that was seen.

    Args:
        bucket: Where it is.
        name: Its name.
        seen: `seen_of` it, when it was written or read; None if the listing shows enough of it.
    """
    if seen is None:
        return True
    try:
        return is_as_seen(bucket.head(name), seen)
    except (cb.EnvelopeError, cb.IntegrityError, cb.ObjectNotFoundError):
        return False


def is_as_seen(info: cb.ObjectInfo, seen: Seen) -> bool:
    """Return whether an object is the one that was seen, or written."""
    (now, headers), (before, sent) = seen_of(info), seen
    # A store may add headers, and a type where none was sent.
    expected = {_TYPE: headers.get(_TYPE) and _NO_TYPE, **sent}
    return bool(now == before and expected.items() <= {_TYPE: None, **headers}.items())
