"""Headers that describe an object, in every dialect: each comes once and says what a header can.

Rule: an answer that says of an object twice what there is once is refused, since two readers could
take two values; so is one with more metadata than an object can have.
"""

from __future__ import annotations

import re

from cipherbucket.errors import EnvelopeError
from cipherbucket.format.metadata_names import is_reserved
from cipherbucket.stores.http.client import Response
from cipherbucket.stores.records import CONTENT_HEADERS, MAX_METADATA

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ONCE = frozenset({"content-range", "etag", "last-modified", *CONTENT_HEADERS})


def check_headers(answer: Response, service: str, once: frozenset[str]) -> None:
    """Refuse an answer that says of an object twice what there is once, or what no header can say.

    Args:
        answer: Its headers.
        service: How the headers of the service begin, such as ``x-oss-``.
        once: Those of the service that come once, beside metadata.

    Raises:
        EnvelopeError: A field of the envelope came twice.
        ValueError: Another of the headers that describe an object did, or one of them has
            control characters.
    """
    meta, metadata = f"{service}meta-", 0
    for header, text in answer.headers.items():
        described = header.startswith(service) or header in _ONCE
        if described and not text.isprintable() and _CONTROL.search(text):
            raise ValueError(f"header {header[:60]!r} has control characters")
        if header.startswith(meta):
            metadata += len(header) - len(meta) + len(text)
    if metadata > MAX_METADATA:  # too much to be written again
        raise ValueError(f"{metadata:,} characters of metadata, more than an object can have")
    for header in answer.repeated:
        field = header.removeprefix(meta)
        if field != header and is_reserved(field):
            raise EnvelopeError("the store sent this field of the envelope twice", field=field)
        if field != header or header in _ONCE or header in once:
            raise ValueError(f"two headers {header!r}")
