"""Which headers can be sent, and what stands for the password of a proxy.

Rule: a header is looked at before an HTTP library is. That would repeat a value which it refuses in
its error, and a value may be a token or a signature; one with a line end would be two headers.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import unquote

import urllib3

from cipherbucket.errors import UsageError

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers as an HTTP library takes them; values travel as UTF-8.

    Raises:
        UsageError: A name that is none, or a value that no header can have. It is not shown.
    """
    for name, text in headers.items():
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name[:64]!r} is no name of a header")
        if not _is_sendable(text):
            raise UsageError(
                f"header {name!r} holds a line end or another character that no header can have",
                hint="look at where its value comes from; it is not shown",
            )
    return {name: text.encode().decode("latin-1") for name, text in headers.items()}


def proxy_headers(proxy: str) -> dict[str, str]:
    """Return what tells a proxy who asks: its URL may hold a user name and a password.

    Raises:
        urllib3.exceptions.LocationParseError: It is no URL; the error shows it.
    """
    user = urllib3.util.parse_url(proxy).auth
    if user is None:
        return {}
    return {"proxy-authorization": f"Basic {base64.b64encode(unquote(user).encode()).decode()}"}


def _is_sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return _CONTROL.search(text) is None
