"""User metadata as S3's headers carry them: ASCII as it is, anything else by RFC 2047.

Rule: what is written is read back the same. S3 itself answers in these encoded words where metadata
are not ASCII, and Amazon's SDK for Java reads them. ASCII that looks like an encoded word is
encoded as well, so that it is not taken for one.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header

_WORD = re.compile(r"=\?[!-~]+\?[BbQq]\?[!-~]*\?=")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WORDS = re.compile(rf"{_WORD.pattern}(?: +{_WORD.pattern})*")


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return user metadata as headers."""
    return {f"x-amz-meta-{key}": to_header(text) for key, text in metadata.items()}


def to_header(text: str) -> str:
    """Return a text in ASCII."""
    if text.isascii() and not _WORD.search(text):
        return text
    return f"=?UTF-8?B?{b64encode(text.encode()).decode()}?="


def from_header(text: str) -> str:
    """Return what a header says; one that is not made of encoded words says itself."""
    if not text.startswith("=?") or not _WORDS.fullmatch(text):
        return text
    try:
        said = "".join(
            part.decode(charset or "ascii") if isinstance(part, bytes) else part
            for part, charset in decode_header(text)
        )
    except (HeaderParseError, LookupError, UnicodeDecodeError, ValueError):
        return text
    return text if _CONTROL.search(said) else said  # no header could say it otherwise
