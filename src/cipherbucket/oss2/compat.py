"""Text and bytes, and parts of URLs, as programs of two Python generations had them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlparse, urlsplit
from urllib.parse import quote as urlquote
from urllib.parse import unquote as urlunquote

__all__ = [
    "is_py2",
    "is_py3",
    "is_py33",
    "parse_qs",
    "to_bytes",
    "to_string",
    "to_unicode",
    "urlparse",
    "urlquote",
    "urlsplit",
    "urlunquote",
]

is_py2 = is_py33 = False
is_py3 = True


def to_bytes(data: Any) -> Any:
    """Return text as UTF-8; anything else as it is."""
    return data.encode() if isinstance(data, str) else data


def to_string(data: Any) -> Any:
    """Return UTF-8 as text; anything else as it is."""
    return data.decode() if isinstance(data, bytes) else data


to_unicode = to_string
